//! What responses prove about chunks whose results are missing.
//!
//! A response either shows that the service has work ([`Activity::Working`]), or claims that it has
//! none ([`Activity::Idle`]), or does neither. A claim counts once it is confirmed: the service
//! makes it for the whole confirmation time, and a pull at the end of that time returns nothing.
//! A single sign of work in between starts it anew, and so does an accepted push or a result.
//!
//! | the response says | reading |
//! | --- | --- |
//! | results are available, or the input buffer is in use | working |
//! | all submitted chunks are completed, by counts that are trusted | idle, proven |
//! | fewer are completed than submitted, but no worker and no input is in use | idle, disputed |
//! | fewer are completed than submitted | working |
//! | nothing on completed chunks; no worker and no input is in use | idle, proven if the batch has ever reported workers or input in use and the counts of submitted chunks agree, else disputed |
//! | nothing on completed chunks; workers are in use | working |
//! | anything less | unclear |
//!
//! The counts of completed and submitted chunks are trusted as long as the service counts what it
//! accepts, pushes that were repeated included, and does not claim to have completed more chunks
//! than it has handed out or has available. Idle workers may stay assigned, so trusted counts
//! outweigh them; counts that are not trusted do not. They also void what was said before, be it
//! that the service works or that it surely has nothing left. A batch whose state is "completed"
//! says that all is completed, where the counts are missing.

use std::time::Duration;

use super::counts::SubmissionCounts;
use super::event::{BatchState, Observation, RequestId, Time};
#[cfg(test)]
use super::tests::shift::Shift;

/// How far a claim to be idle can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Claim {
    /// Other fields contradict it, or the field was never seen to change.
    Disputed,
    /// Nothing contradicts it.
    Proven,
}

/// Whether the service has work for this batch, by one response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Activity {
    /// It has.
    Working,
    /// It says that it has none.
    Idle(Claim),
    /// The fields that could tell are missing.
    Unclear,
}

/// Collects evidence that the service has nothing left of this batch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Evidence {
    /// Only responses to requests from this one on count.
    from: RequestId,
    /// The first claim to be idle, and the weakest one since.
    idle: Option<(Time, RequestId, Claim)>,
    /// The confirmed claim.
    confirmed: Option<Claim>,
    /// The latest response that was clear showed work.
    working: bool,
    /// The batch has reported work at least once.
    has_reported_work: bool,
    /// The most chunks that the service has claimed to have completed.
    completed: u64,
    /// The service has claimed to complete more than there can be.
    overstates_completed: bool,
}

impl Evidence {
    /// A push was accepted, a result came, or a response was lost: what was said before is void.
    pub(super) fn reset(&mut self, next: RequestId) {
        self.from = next;
        (self.idle, self.confirmed, self.working) = (None, None, false);
    }

    /// Reads a response. `handed_out`: the most chunks that may have left the output buffer, if
    /// that is known.
    pub(super) fn read(
        &mut self,
        observation: &Observation,
        counts: &SubmissionCounts,
        handed_out: Option<u64>,
    ) -> Activity {
        let Observation {
            chunks_available: available,
            chunks_submitted: submitted,
            chunks_completed: completed,
            input_used,
            workers,
            ..
        } = *observation;
        if let (Some(completed), Some(available), Some(handed_out)) =
            (completed, available, handed_out)
        {
            self.overstates_completed |= completed > available.saturating_add(handed_out);
        }
        let positive = |n: Option<u64>| n.is_some_and(|n| n > 0);
        self.has_reported_work |= positive(input_used) || positive(workers);
        self.completed = self.completed.max(completed.unwrap_or(0));
        if positive(available) || positive(input_used) {
            return Activity::Working;
        }
        let open_records = matches!(
            (observation.records_completed, observation.records_submitted),
            (Some(completed), Some(submitted)) if completed < submitted
        );
        let all_completed = match (completed, submitted) {
            (Some(completed), Some(submitted)) => Some(completed >= submitted),
            _ if open_records => Some(false),
            _ => (observation.state == BatchState::Completed).then_some(true),
        };
        let trusted = counts.cover_everything() && !self.overstates_completed;
        if all_completed == Some(true) && !trusted {
            // What it said before is no more than this: neither that it works, nor, if it was from
            // before the counts were found wrong, that it surely has nothing left.
            self.working = false;
            self.idle
                .iter_mut()
                .for_each(|(.., claim)| *claim = Claim::Disputed);
            self.confirmed = self.confirmed.map(|_| Claim::Disputed);
        }
        let nothing_in_use = workers == Some(0) && input_used == Some(0);
        match all_completed {
            Some(true) if trusted => Activity::Idle(Claim::Proven),
            Some(false) if nothing_in_use => Activity::Idle(Claim::Disputed),
            Some(false) => Activity::Working,
            _ if positive(workers) => Activity::Working,
            _ if nothing_in_use && self.has_reported_work && counts.agree() => {
                Activity::Idle(Claim::Proven)
            }
            _ if nothing_in_use => Activity::Idle(Claim::Disputed),
            _ => Activity::Unclear,
        }
    }

    /// A response about the batch, to a request that was issued at this time.
    pub(super) fn observe(&mut self, issued: Time, request: RequestId, activity: Activity) {
        if request < self.from {
            return;
        }
        match activity {
            Activity::Working => {
                (self.idle, self.confirmed, self.working) = (None, None, true);
            }
            Activity::Idle(claim) => {
                self.working = false;
                let (_, _, weakest) = self.idle.get_or_insert((issued, request, claim));
                *weakest = claim.min(*weakest);
            }
            Activity::Unclear => {}
        }
    }

    /// A pull that was issued at this time returned nothing. `handed_out`: as for
    /// [`read`](Self::read).
    pub(super) fn empty_pull(
        &mut self,
        issued: Time,
        request: RequestId,
        confirm: Duration,
        handed_out: Option<u64>,
    ) {
        // Nothing is available, so what is completed has been handed out.
        if handed_out.is_some_and(|handed_out| self.completed > handed_out)
            && !std::mem::replace(&mut self.overstates_completed, true)
        {
            (self.idle, self.confirmed) = (None, None);
        }
        if let Some((since, first, claim)) = self.idle
            && request > first
            && issued >= since + confirm
        {
            self.confirmed = Some(claim);
        }
    }

    /// Whether the service says that it has work.
    pub(super) fn is_working(&self) -> bool {
        self.working
    }

    /// The confirmed claim that the service has nothing left.
    pub(super) fn confirmed(&self) -> Option<Claim> {
        self.confirmed
    }

    /// When a further empty pull would confirm the claim.
    pub(super) fn due(&self, confirm: Duration) -> Option<Time> {
        self.idle.map(|(since, ..)| since + confirm)
    }

    #[cfg(test)]
    pub(super) fn shift(&mut self, shift: &Shift) {
        shift.id(&mut self.from);
        if let Some((since, first, _)) = &mut self.idle {
            shift.time(since);
            shift.id(first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Claim::{Disputed, Proven};

    fn observation(
        available: i64,
        input_used: i64,
        workers: i64,
        completed: i64,
        submitted: i64,
    ) -> Observation {
        let known = |n: i64| u64::try_from(n).ok();
        Observation {
            chunks_available: known(available),
            input_used: known(input_used),
            workers: known(workers),
            chunks_completed: known(completed),
            chunks_submitted: known(submitted),
            ..Observation::default()
        }
    }

    #[test]
    fn activities() {
        use Activity::{Idle, Unclear, Working};
        // -1 stands for a field that is absent.
        let table = [
            (observation(0, 0, 0, 5, 5), Idle(Proven)),
            (observation(0, 0, 0, 4, 5), Idle(Disputed)),
            (observation(0, 0, 0, -1, -1), Idle(Proven)),
            (observation(-1, -1, -1, 5, 5), Idle(Proven)),
            (observation(-1, -1, 0, -1, -1), Unclear),
            (observation(-1, -1, -1, 4, 5), Working),
            (observation(-1, -1, 0, 4, 5), Working),
            (observation(0, 0, -1, -1, -1), Unclear),
            (observation(0, 0, 3, 5, 5), Idle(Proven)),
            (observation(0, 0, 3, 4, 5), Working),
            (observation(0, 0, 3, -1, -1), Working),
            (observation(0, 9, 0, 5, 5), Working),
            (observation(2, 0, 0, 5, 5), Working),
            (observation(-1, -1, -1, -1, -1), Unclear),
        ];
        for (observation, expected) in table {
            let mut evidence = Evidence {
                has_reported_work: true,
                ..Evidence::default()
            };
            let counts = SubmissionCounts::default();
            assert_eq!(
                evidence.read(&observation, &counts, None),
                expected,
                "{observation:?}"
            );
        }
    }

    #[test]
    fn fields_that_are_always_zero_are_disputed() {
        let counts = SubmissionCounts::default();
        let mut evidence = Evidence::default();
        let idle = observation(0, 0, 0, -1, -1);
        assert_eq!(
            evidence.read(&idle, &counts, None),
            Activity::Idle(Disputed)
        );
        evidence.read(&observation(0, 0, 1, -1, -1), &counts, None);
        assert_eq!(evidence.read(&idle, &counts, None), Activity::Idle(Proven));
    }

    #[test]
    fn a_service_that_completes_what_it_never_gave_is_not_trusted() {
        let counts = SubmissionCounts::default();
        let mut evidence = Evidence::default();
        evidence.read(&observation(0, 0, 2, 5, 5), &counts, Some(4));
        assert_eq!(
            evidence.read(&observation(0, 0, 2, 5, 5), &counts, Some(4)),
            Activity::Working
        );
        let mut evidence = Evidence::default();
        assert_eq!(
            evidence.read(&observation(0, 0, 2, 5, 5), &counts, Some(5)),
            Activity::Idle(Proven)
        );
    }

    #[test]
    fn an_empty_pull_shows_an_overstatement_as_well() {
        let counts = SubmissionCounts::default();
        let mut evidence = Evidence::default();
        let claim = observation(-1, 0, -1, 5, 5);
        let activity = evidence.read(&claim, &counts, Some(4));
        assert_eq!(activity, Activity::Idle(Proven));
        evidence.observe(Duration::ZERO, 1, activity);
        evidence.empty_pull(Duration::from_secs(9), 2, Duration::ZERO, Some(4));
        assert_eq!(evidence.confirmed(), None);
        assert_eq!(evidence.read(&claim, &counts, Some(4)), Activity::Unclear);
    }

    #[test]
    fn counts_that_miss_a_repeated_chunk_are_not_trusted() {
        let mut counts = SubmissionCounts::default();
        counts.repeated();
        let mut evidence = Evidence::default();
        let read = |evidence: &mut Evidence, workers| {
            evidence.read(&observation(0, 0, workers, 5, 5), &counts, None)
        };
        assert_eq!(read(&mut evidence, 1), Activity::Working);
        assert_eq!(read(&mut evidence, -1), Activity::Unclear);
        assert_eq!(read(&mut evidence, 0), Activity::Idle(Proven));
    }

    #[test]
    fn a_claim_has_to_last() {
        let ms = Duration::from_millis;
        let confirm = ms(1000);
        let mut evidence = Evidence::default();
        evidence.reset(5);
        evidence.observe(ms(10), 4, Activity::Idle(Proven));
        evidence.empty_pull(ms(5000), 4, confirm, None);
        assert_eq!(evidence.confirmed(), None, "from before the reset");
        evidence.observe(ms(10), 5, Activity::Idle(Proven));
        evidence.empty_pull(ms(10), 5, confirm, None);
        evidence.empty_pull(ms(900), 6, confirm, None);
        assert_eq!(evidence.confirmed(), None);
        evidence.empty_pull(ms(1010), 7, confirm, None);
        assert_eq!(evidence.confirmed(), Some(Proven));
        evidence.observe(ms(1020), 8, Activity::Working);
        assert_eq!(evidence.confirmed(), None);
    }

    #[test]
    fn silence_never_becomes_a_claim() {
        let mut evidence = Evidence::default();
        for hour in 0..1000 {
            let at = Duration::from_secs(hour * 3600);
            evidence.observe(at, hour, Activity::Unclear);
            evidence.empty_pull(at, hour, Duration::from_secs(1), None);
        }
        assert_eq!(evidence.confirmed(), None);
    }

    #[test]
    fn the_weakest_claim_counts() {
        let secs = Duration::from_secs;
        let mut evidence = Evidence::default();
        evidence.observe(secs(0), 1, Activity::Idle(Proven));
        evidence.observe(secs(1), 2, Activity::Idle(Disputed));
        evidence.observe(secs(2), 3, Activity::Idle(Proven));
        evidence.empty_pull(secs(2), 3, secs(1), None);
        assert_eq!(evidence.confirmed(), Some(Disputed));
    }

    #[test]
    fn records_tell_what_chunks_do_not() {
        let mut evidence = Evidence::default();
        let counts = SubmissionCounts::default();
        let mut read = |observation| evidence.read(&observation, &counts, None);
        assert_eq!(read(observation(0, 10, 1, -1, -1)), Activity::Working);
        let idle = observation(0, 0, 0, -1, -1);
        assert_eq!(read(idle), Activity::Idle(Proven));
        let open = Observation {
            records_completed: Some(5),
            records_submitted: Some(10),
            ..idle
        };
        assert_eq!(read(open), Activity::Idle(Disputed));
    }
}
