//! The batch: created when there is something to push, observed by every response, left when it
//! takes no more, closed at the end.
//!
//! ```text
//!              something to push              created
//!   Vacant ───────────────────────► Creating ─────────► Live: Open
//!     ▲                                │ failed           │    │ chunks are known and have
//!     │◄───────────────────────────────┘                  │    │ no results
//!     │                              closed or timed out, │    ▼
//!     │                              by a response        │  Live: Retiring ──► close it
//!     │                                                   ▼                        │
//!     │                                           Live: Draining                   │
//!     │   empty, timed out or of the run before,          │            closed, or  │
//!     │   and another may be opened                       │      it cannot be      │
//!     └───────────────────────────────────────────────────┴────────────────────────┘
//!                                                         │ empty otherwise: somebody closed it,
//!                                                         ▼ or no other may be opened
//!                                                     Finished
//! ```
//!
//! A batch is left only when no push and no pull is in flight. It counts as empty when it is gone,
//! when it has refused its pulls for too long, when the evidence says so, and when the stall limit
//! is over.

use super::buffers::Buffers;
use super::chunks::{Attempt, ChunkState, Presence};
use super::counts::{SubmissionCounts, Submitted};
use super::event::{
    Action, BatchState, Ending, Failure, FailureKind, Observation, Request, RequestId, RequestKind,
    Time,
};
use super::evidence::{Activity, Claim, Evidence};
use super::polling::Polling;
use super::push::{PendingRefusal, PushDoubt};
use super::requests::InFlight;
use super::settings::{AfterError, Settings};
#[cfg(test)]
use super::tests::shift::Shift;
use super::{Machine, Phase};

/// Close requests for one batch, unless the run is complete but for that.
const CLOSE_ATTEMPTS: u32 = 4;
/// Batches without a single result after which the outage limit decides.
const FRUITLESS_BATCHES: u32 = 3;

/// The place of the batch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Slot {
    /// There is none. One is created when there is something to push.
    Vacant,
    Creating,
    Live(Box<Batch>),
    /// The last one is gone and no other may be opened: with more to push, the run ends like this.
    Finished(Ending),
}

impl Slot {
    pub(super) fn is_finished(&self) -> bool {
        matches!(self, Self::Finished(_))
    }
}

/// What may be done with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Mode {
    /// Push and pull.
    Open,
    /// Pull what is left, if anything can be pulled. It takes no more pushes.
    Draining(Left),
    /// Nothing: it takes chunks for known whose results are gone. It is closed, and replaced.
    Retiring,
}

/// Why a batch takes no more pushes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Left {
    TimedOut,
    ClosedElsewhere,
    /// It failed, was cancelled, or does not exist any more.
    Gone,
}

/// Whether a batch belongs to the run that this one resumes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Origin {
    /// This run created it.
    Created,
    /// The caller handed it in.
    HandedIn,
    /// It belongs to the run before, and its results are pulled before anything is pushed.
    Unemptied,
    /// It belongs to the run before, and has nothing left.
    Emptied,
}

/// The highest value of a counter, and how often its rise has counted as progress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct HighMark {
    value: Option<u64>,
    credits: u64,
}

impl HighMark {
    /// Whether a new value is progress. A counter that rises for ever is not: it counts at most
    /// `most` times. Nor is one that appears.
    fn rises(&mut self, value: Option<u64>, most: u64) -> bool {
        let rises = match (value, self.value) {
            (Some(new), Some(old)) => new > old,
            _ => false,
        };
        self.value = self.value.max(value);
        self.credits += u64::from(rises);
        rises && self.credits <= most
    }
}

/// All that is known of one batch. It is replaced as a whole with the batch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Batch {
    pub(super) mode: Mode,
    pub(super) origin: Origin,
    /// Whether it is known to be closed or cancelled.
    pub(super) closed: bool,
    /// Whether nothing more can be pulled: it is gone, or refuses its pulls for good.
    exhausted: bool,
    close_attempts: u32,
    /// How often it was refused to be closed.
    close_refusals: u32,
    pub(super) close_failed: bool,
    /// The latest observation, and the request that it belongs to.
    latest: (RequestId, Observation),
    pub(super) buffers: Buffers,
    pub(super) counts: SubmissionCounts,
    pub(super) evidence: Evidence,
    pub(super) polling: Polling,
    chunks_completed: HighMark,
    records_completed: HighMark,
    /// Pushes without a response.
    pub(super) doubts: Vec<PushDoubt>,
    /// A push that was refused for a reason that the next observation tells.
    pub(super) refusal: Option<PendingRefusal>,
    pub(super) status_wanted: bool,
    /// Whether the latest pull and the latest status left open if the service has work.
    pub(super) pull_is_silent: bool,
    pub(super) status_is_silent: bool,
    /// Pushes with a lower number may have had results in a pull that was lost.
    pub(super) last_loss: RequestId,
    /// When the last pull ended, and whether it left results to be pulled at once.
    pub(super) polled_at: Time,
    pub(super) poll_now: bool,
    /// The most chunks that may have left its output buffer, if that is known.
    pub(super) handed_out: Option<u64>,
    pub(super) had_result: bool,
    /// It has taken a push when it said "completed", so that this does not mean closed.
    pub(super) takes_more_when_completed: bool,
}

impl Batch {
    pub(super) fn new(origin: Origin, settings: &Settings) -> Self {
        let mut polling = Polling::new(settings.poll_min, settings.poll_max);
        if origin == Origin::Unemptied {
            // The service may be at work for the run before.
            polling.busy(Time::ZERO, true);
        }
        Self {
            mode: Mode::Open,
            origin,
            closed: false,
            exhausted: false,
            close_attempts: 0,
            close_refusals: 0,
            close_failed: false,
            latest: Default::default(),
            buffers: Buffers::default(),
            counts: match origin {
                Origin::Created => SubmissionCounts::from_zero(),
                _ => SubmissionCounts::default(),
            },
            evidence: Evidence::default(),
            polling,
            chunks_completed: HighMark::default(),
            records_completed: HighMark::default(),
            doubts: Vec::new(),
            refusal: None,
            status_wanted: true,
            pull_is_silent: false,
            status_is_silent: false,
            last_loss: 0,
            polled_at: Time::ZERO,
            poll_now: origin != Origin::Created,
            handed_out: (origin == Origin::Created).then_some(0),
            had_result: false,
            takes_more_when_completed: false,
        }
    }

    /// Whether results may still be pulled.
    pub(super) fn can_be_pulled(&self) -> bool {
        matches!(self.mode, Mode::Open | Mode::Draining(_)) && !self.exhausted
    }

    /// Nothing more can be pulled. It is left once the requests in flight have ended.
    fn exhaust(&mut self) {
        self.exhausted = true;
        if self.mode == Mode::Open {
            self.mode = Mode::Draining(Left::Gone);
        }
    }

    /// Whether it is open as far as is known, and another attempt to close it is worth it.
    fn is_to_be_closed(&self) -> bool {
        !self.closed && !self.close_failed
    }

    /// Whether it has to be emptied before anything is pushed.
    pub(super) fn is_emptying(&self) -> bool {
        self.origin == Origin::Unemptied
    }

    /// Whether nothing more is pushed to it, so that its end is not that of the run.
    fn is_given_up(&self) -> bool {
        self.is_emptying() || self.mode != Mode::Open
    }

    /// So many chunks more may have left the output buffer.
    pub(super) fn may_have_handed_out(&mut self, more: u64) {
        self.handed_out = self.handed_out.map(|chunks| chunks.saturating_add(more));
    }

    /// Whether it belongs to the run before.
    pub(super) fn is_inherited(&self) -> bool {
        matches!(self.origin, Origin::Unemptied | Origin::Emptied)
    }

    /// The latest observation.
    pub(super) fn latest(&self) -> &Observation {
        &self.latest.1
    }

    /// Whether nothing has been observed yet.
    pub(super) fn is_unobserved(&self) -> bool {
        self.latest.0 == 0
    }
}

#[cfg(test)]
impl Batch {
    fn shift(&mut self, shift: &Shift) {
        shift.id(&mut self.latest.0);
        self.buffers.shift(shift);
        self.evidence.shift(shift);
        self.polling.forget();
        self.doubts.iter_mut().for_each(|doubt| doubt.shift(shift));
        self.refusal
            .iter_mut()
            .for_each(|refusal| refusal.shift(shift));
        shift.id(&mut self.last_loss);
        shift.time(&mut self.polled_at);
    }
}

/// Batches in a row that the service closed before a result came from them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Fruitless {
    batches: u32,
    since: Option<Time>,
}

#[cfg(test)]
impl Slot {
    pub(super) fn shift(&mut self, shift: &Shift) {
        if let Self::Live(batch) = self {
            batch.shift(shift);
        }
    }
}

#[cfg(test)]
impl Fruitless {
    pub(super) fn shift(&mut self, shift: &Shift) {
        self.since.iter_mut().for_each(|since| shift.time(since));
    }
}

impl Machine {
    pub(super) fn batch(&self) -> Option<&Batch> {
        match &self.slot {
            Slot::Live(batch) => Some(batch),
            _ => None,
        }
    }

    pub(super) fn batch_mut(&mut self) -> Option<&mut Batch> {
        match &mut self.slot {
            Slot::Live(batch) => Some(batch),
            _ => None,
        }
    }

    // Creating

    pub(super) fn next_create(&mut self, now: Time) -> Option<Action> {
        if self.paused || !self.chunks.has_ready() {
            return None;
        }
        match self.slot {
            Slot::Finished(ending) => {
                self.end(ending);
                None
            }
            Slot::Vacant => {
                if !self.may_send(now, RequestKind::Create) {
                    return None;
                }
                self.slot = Slot::Creating;
                Some(self.send(now, Request::Create))
            }
            Slot::Creating | Slot::Live(_) => None,
        }
    }

    pub(super) fn created(&mut self, now: Time) {
        self.totals.batches += 1;
        self.progress.reset(now);
        self.slot = Slot::Live(Box::new(Batch::new(Origin::Created, &self.settings)));
    }

    pub(super) fn create_failed(&mut self, now: Time, failure: Failure) {
        self.slot = Slot::Vacant;
        if failure.kind == FailureKind::Unknown {
            self.totals.batches_in_doubt += 1;
        }
        match failure.kind {
            FailureKind::Refused | FailureKind::TooLarge => {
                self.end(Ending::Denied(RequestKind::Create));
            }
            _ => self.request_failed(now, RequestKind::Create, failure),
        }
    }

    // Observing

    /// A response describes the batch.
    pub(super) fn observe(
        &mut self,
        now: Time,
        id: RequestId,
        flight: &InFlight,
        observation: &Observation,
    ) {
        let pulling = self.requests.chunks_asked_for();
        let asked = self.is_asked(flight);
        let Slot::Live(batch) = &mut self.slot else {
            return;
        };
        if id > batch.latest.0 {
            batch.latest = (id, *observation);
        }
        batch.buffers.observe(now, id, observation, asked);
        // First, since the evidence depends on whether the counts agree.
        if self.requests.was_quiet(id, flight) {
            self.compare_counts(now, flight, observation);
        }
        let Slot::Live(batch) = &mut self.slot else {
            return;
        };
        if batch.origin == Origin::HandedIn
            && batch.handed_out.is_none()
            && let Some(completed) = observation.chunks_completed
        {
            // What was pulled before this run: at most what was completed, and is not this run's.
            let (ours, _) = batch.counts.accepted_so_far();
            let before = completed.saturating_sub(observation.chunks_available.unwrap_or(0));
            batch.handed_out = Some(match observation.chunks_submitted {
                Some(submitted) => before.min(submitted.saturating_sub(ours)),
                None => before,
            });
        }
        let handed_out = batch
            .handed_out
            .map(|chunks| chunks.saturating_add(pulling));
        let activity = batch.evidence.read(observation, &batch.counts, handed_out);
        batch.evidence.observe(flight.issued, id, activity);
        match flight.request {
            Request::Pull(_) => batch.pull_is_silent = activity == Activity::Unclear,
            Request::Status => batch.status_is_silent = activity == Activity::Unclear,
            _ => {}
        }
        if activity != Activity::Unclear && observation.input_remaining.is_some() {
            batch.status_wanted = false;
        }
        let (chunks, records) = batch.counts.accepted_so_far();
        let rises = [
            batch
                .chunks_completed
                .rises(observation.chunks_completed, chunks),
            batch
                .records_completed
                .rises(observation.records_completed, records),
        ];
        if rises.contains(&true) {
            self.progress.reset(now);
        }
        self.note_state(observation.state);
        self.judge_refusal(now, id, flight, observation);
    }

    /// Whether this request was sent to learn about the batch: the status, or a pull in its place
    /// while the status fails.
    pub(super) fn is_asked(&self, flight: &InFlight) -> bool {
        match flight.request {
            Request::Status => true,
            Request::Pull(_) => self.requests.is_failing(RequestKind::Status),
            _ => false,
        }
    }

    /// A response says which state the batch is in.
    pub(super) fn note_state(&mut self, state: BatchState) {
        let running = self.phase == Phase::Running;
        let Some(batch) = self.batch_mut() else {
            return;
        };
        let left = match state {
            // After a close that was refused it is as good as closed.
            BatchState::Completed if !running && batch.close_attempts > 0 => Left::ClosedElsewhere,
            BatchState::Live | BatchState::Completed => return,
            BatchState::TimedOut => Left::TimedOut,
            BatchState::Closed => Left::ClosedElsewhere,
            BatchState::Failed | BatchState::Cancelled => Left::Gone,
        };
        batch.closed = true;
        // A batch that is given up anyway takes nothing with it.
        let needed = !batch.is_given_up();
        if batch.mode == Mode::Open {
            batch.mode = Mode::Draining(left);
            batch.refusal = None;
        }
        batch.exhausted |= left == Left::Gone;
        match state {
            BatchState::Failed if needed => self.end(Ending::BatchFailed),
            BatchState::Cancelled if needed => self.end(Ending::BatchCancelled),
            _ => {}
        }
    }

    /// A request has failed for too long. Whether that says that this batch is over, and not the
    /// service: then another one takes its place.
    pub(super) fn is_batch_over(&mut self, kind: RequestKind, failure: Failure) -> bool {
        let replaceable = self.settings.reopen;
        match self.batch_mut() {
            Some(batch)
                if replaceable
                    && batch.is_given_up()
                    && (kind, failure.kind) == (RequestKind::Pull, FailureKind::Refused) =>
            {
                batch.exhaust();
                true
            }
            _ => false,
        }
    }

    /// A response says that the batch does not exist.
    pub(super) fn batch_is_gone(&mut self, kind: RequestKind) {
        match self.batch_mut() {
            Some(batch) if batch.is_given_up() => {
                batch.exhaust();
                batch.closed = true;
            }
            _ => self.end(Ending::NotFound(kind)),
        }
    }

    /// No push overlapped this response: the service's counts can be compared with the run's.
    fn compare_counts(&mut self, now: Time, flight: &InFlight, observation: &Observation) {
        let submitted = Submitted::of(observation);
        let Slot::Live(batch) = &mut self.slot else {
            return;
        };
        if !batch.doubts.is_empty() {
            self.settle_doubts(now, flight, submitted);
        } else if let Some(submitted) = submitted {
            batch.counts.compare(submitted);
        }
    }

    // Asking

    pub(super) fn next_status(&mut self, now: Time) -> Option<Action> {
        let batch = self.batch().filter(|batch| batch.can_be_pulled())?;
        if self.requests.count(RequestKind::Status) > 0 {
            return None;
        }
        let unsettled = batch.doubts.iter().map(|doubt| doubt.since).max();
        let (due, needed) = match unsettled {
            Some(_) if self.requests.count(RequestKind::Push) > 0 => return None,
            Some(since) => (since + self.settings.settle, true),
            None if batch.refusal.is_some() => (now, true),
            None if batch.status_wanted => (now, false),
            None => {
                let keep_alive = self.requests.last_contact() + self.settings.keep_alive;
                (
                    self.room_due(now)
                        .map_or(keep_alive, |due| due.min(keep_alive)),
                    false,
                )
            }
        };
        if now < due {
            self.agenda.wake_at(due);
            return None;
        }
        // Where the status fails, a pull says the same.
        let instead = needed
            && self.requests.is_failing(RequestKind::Status)
            && self.requests.count(RequestKind::Pull) == 0
            && (self.pull_room() > 0 || self.chunks.offered() == 0);
        if instead && self.may_send(now, RequestKind::Pull) {
            return Some(self.send(now, Request::Pull(1)));
        }
        if !self.may_send(now, RequestKind::Status) {
            return None;
        }
        if let Some(batch) = self.batch_mut() {
            batch.status_wanted = false;
        }
        Some(self.send(now, Request::Status))
    }

    /// The status failed. No run ends by that: pushes and pulls say the same.
    pub(super) fn status_failed(&mut self, now: Time, failure: Failure) {
        self.note_failure(now, RequestKind::Status, failure);
        let running = self.phase == Phase::Running;
        if let Some(batch) = self.batch_mut() {
            // Where a close failed, another one says as much; why it was refused is still open.
            batch.status_wanted = running && batch.mode != Mode::Retiring;
            if !batch.status_wanted {
                batch.close_refusals = batch.close_refusals.saturating_sub(1);
            }
        }
    }

    /// When to ask for the room in the input buffer, if only that keeps a chunk from being pushed.
    fn room_due(&self, now: Time) -> Option<Time> {
        let batch = self.batch()?;
        let held = self.paused
            || batch.is_emptying()
            || self.requests.not_before(RequestKind::Push) > now
            || batch.mode != Mode::Open;
        let (_, first, _) = self.chunks.ready().next()?;
        if held || batch.buffers.room().is_some_and(|room| first.bytes <= room) {
            return None;
        }
        let told = batch.buffers.room_as_of();
        let wait = if self.chunks.outstanding() > 0 {
            // Pulls tell it as well, as a rule.
            batch.polling.wait(batch.polled_at.max(told), self.load()) * 2
        } else {
            self.progress.quiet_for(told) / 4
        };
        Some(told.max(batch.polled_at) + wait.clamp(self.settings.poll_min, self.settings.poll_max))
    }

    // Leaving

    /// Leaves a batch that takes no more pushes once it has given what it had.
    pub(super) fn leave_when_empty(&mut self, now: Time) {
        let in_flight =
            self.requests.count(RequestKind::Push) + self.requests.count(RequestKind::Pull);
        let Some(batch) = self.batch().filter(|_| in_flight == 0) else {
            return;
        };
        let empty = match batch.mode {
            Mode::Open => return,
            Mode::Retiring => !batch.is_to_be_closed(),
            Mode::Draining(_) if batch.exhausted => true,
            Mode::Draining(_) if !self.expects_results() => true,
            // A batch that is replaced loses nothing: its chunks are pushed to the next one.
            Mode::Draining(_) => {
                let confirmed = batch.evidence.confirmed();
                confirmed == Some(Claim::Proven) || (confirmed.is_some() && self.settings.reopen)
            }
        };
        if empty {
            self.leave_batch(now);
        }
    }

    /// Leaves the batch. Chunks that it may have are pushed to the next one.
    pub(super) fn leave_batch(&mut self, now: Time) {
        let Slot::Live(batch) = std::mem::replace(&mut self.slot, Slot::Vacant) else {
            return;
        };
        for key in self.chunks.keys(|_| true) {
            let presence = match self.chunks.state(key) {
                Some(ChunkState::AtService { .. } | ChunkState::InDoubt(_)) => Presence::Elsewhere,
                Some(ChunkState::Ready(attempt)) => match attempt.presence {
                    Presence::Never => continue,
                    Presence::Denied => Presence::Never,
                    Presence::Possible | Presence::Elsewhere => Presence::Elsewhere,
                },
                _ => continue,
            };
            let state = ChunkState::Ready(Attempt::new(presence));
            self.chunks.set(key, state);
            if let Some(chunk) = self.chunks.get_mut(key) {
                chunk.repairs = 0;
            }
        }
        if !batch.closed {
            self.totals.left_open.push(self.totals.batches);
        }
        // A batch that the run gave up by itself says nothing about the next one.
        if !batch.had_result && batch.mode != Mode::Retiring {
            let backoff = self.settings.backoff();
            let wait = backoff.delay(self.fruitless.batches + 1, 1.0);
            self.requests.delay(RequestKind::Create, now + wait);
            self.fruitless.since.get_or_insert(now);
            self.fruitless.batches += 1;
        }
        let hopeless = self.fruitless.batches >= FRUITLESS_BATCHES
            && self
                .fruitless
                .since
                .is_some_and(|since| now >= since + self.settings.outage);
        self.slot = match batch.mode {
            // Whoever ended the run before may have closed its batch.
            _ if batch.is_inherited() && self.settings.reopen => Slot::Vacant,
            Mode::Draining(Left::ClosedElsewhere) => Slot::Finished(Ending::BatchClosed),
            Mode::Draining(Left::Gone) => Slot::Finished(Ending::NotFound(RequestKind::Pull)),
            _ if self.settings.reopen && !hopeless => Slot::Vacant,
            _ => Slot::Finished(Ending::BatchTimedOut),
        };
        self.requests.abandon();
        for kind in [
            RequestKind::Push,
            RequestKind::Pull,
            RequestKind::Status,
            RequestKind::End,
        ] {
            self.requests.works(kind);
        }
        self.progress.reset(now);
    }

    /// A result came from the batch.
    pub(super) fn batch_is_fruitful(&mut self) {
        if let Some(batch) = self.batch_mut() {
            batch.had_result = true;
            self.fruitless = Fruitless::default();
        }
    }

    // Closing

    /// Closes a batch that is to be replaced.
    pub(super) fn next_retire(&mut self, now: Time) -> Option<Action> {
        self.batch().filter(|batch| batch.mode == Mode::Retiring)?;
        let request = self.closing_request(AfterError::Close)?;
        self.send_closing(now, request)
    }

    /// The last request of a run that ends.
    pub(super) fn next_close(
        &mut self,
        now: Time,
        ending: Ending,
        close: AfterError,
    ) -> Option<Action> {
        let busy = self.requests.count(RequestKind::Create)
            + self.requests.count(RequestKind::End)
            // Results that are on their way are worth waiting for, unless the caller is not.
            + match ending {
                Ending::Cancelled => 0,
                _ => self.requests.count(RequestKind::Pull),
            };
        if busy > 0 {
            return None;
        }
        let Some(request) = self.closing_request(close) else {
            self.over(ending);
            return None;
        };
        self.send_closing(now, request)
    }

    /// The close or the cancel; or the status after one that failed, which may have had its effect.
    /// `None` if the batch is not to be closed.
    fn closing_request(&self, close: AfterError) -> Option<Request> {
        let batch = self.batch().filter(|batch| batch.is_to_be_closed())?;
        Some(match close {
            AfterError::Leave => return None,
            _ if batch.status_wanted && batch.close_attempts > 0 => Request::Status,
            AfterError::Close => Request::Close,
            AfterError::Cancel => Request::Cancel,
        })
    }

    fn send_closing(&mut self, now: Time, request: Request) -> Option<Action> {
        let attempts = self.batch()?.close_attempts;
        // The response to a status tells whether another close is needed.
        let awaited = attempts > 0 && self.requests.count(RequestKind::Status) > 0;
        if awaited
            || self.requests.count(RequestKind::End) > 0
            || !self.may_send(now, request.kind())
        {
            return None;
        }
        if let Some(batch) = self.batch_mut().filter(|_| request == Request::Status) {
            batch.status_wanted = false;
        }
        Some(self.send(now, request))
    }

    /// The close or cancel of the batch ended.
    pub(super) fn close_ended(&mut self, now: Time, failure: Option<Failure>) {
        // Unless the run failed, a failed close is worth as much patience as any other request.
        let patient = matches!(
            self.phase,
            Phase::Running | Phase::Ending(Ending::Complete, _)
        );
        let Some(failure) = failure else {
            if let Some(batch) = self.batch_mut() {
                batch.closed = true;
            }
            return;
        };
        let exhausted = self.note_failure(now, RequestKind::End, failure).is_some();
        let asks_for_too_long = failure
            .retry_after
            .is_some_and(|wait| wait > self.settings.backoff_max);
        let status_is_near =
            self.requests.not_before(RequestKind::Status) <= now + self.settings.backoff_max;
        let Some(batch) = self.batch_mut() else {
            return;
        };
        batch.close_attempts += 1;
        let last = batch.close_attempts >= CLOSE_ATTEMPTS;
        match failure.kind {
            FailureKind::Gone => batch.closed = true,
            FailureKind::Fatal => batch.close_failed = true,
            // Perhaps because it is closed already: the status says so.
            FailureKind::Refused => {
                batch.close_refusals += 1;
                batch.status_wanted = batch.close_refusals < CLOSE_ATTEMPTS
                    && status_is_near
                    && !exhausted
                    && (patient || !last);
                batch.close_failed = !batch.status_wanted;
            }
            _ => batch.close_failed = exhausted || (!patient && (last || asks_for_too_long)),
        }
    }

    /// The batches that are not known to be closed, by their number, counted from 1.
    pub(crate) fn open_batches(&self) -> Vec<u64> {
        let live = self.batch().filter(|batch| !batch.closed);
        let mut open = self.totals.left_open.clone();
        open.extend(live.map(|_| self.totals.batches));
        open
    }
}
