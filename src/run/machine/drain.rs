//! Notices that the service has nothing left for us, so that what is still missing was lost.

use std::time::Duration;

use super::event::{Facts, RequestId, Time};

/// What an answer says about work that the service still has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// Something is in process or waits to be pulled.
    Busy,
    /// Nothing is, as far as the fields that are there can say it.
    Idle,
    /// The fields that could tell are absent or contradict each other.
    Unclear,
}

/// Reads the sign. `repeated`: ids were pushed again, so the count of chunks may miss one.
pub(super) fn sign(facts: &Facts, repeated: bool) -> Sign {
    if facts.chunks_available.is_some_and(|n| n > 0) || facts.input_used.is_some_and(|n| n > 0) {
        return Sign::Busy;
    }
    let counted = match (facts.chunks_completed, facts.chunks_submitted) {
        (Some(completed), Some(submitted)) if !repeated => Some(completed >= submitted),
        _ => None,
    };
    match (facts.workers, counted) {
        // Chunks that failed may not count as completed, so a low count is no sign of work.
        (Some(0), _) if facts.input_used.is_some() => Sign::Idle,
        (Some(0) | None, Some(true)) => Sign::Idle,
        // Workers may stay assigned for a while after the last chunk.
        (Some(1..), Some(true)) => Sign::Unclear,
        (Some(1..), _) => Sign::Busy,
        _ => Sign::Unclear,
    }
}

/// Watches for the moment at which the service has nothing left.
#[derive(Debug, Default)]
pub(super) struct Drain {
    /// Only answers to requests from this one on count.
    from: RequestId,
    /// When the last sign of life was.
    quiet_since: Time,
    idle: Option<(Time, RequestId)>,
    drained: bool,
}

impl Drain {
    /// A push was taken, a result came, or an answer was lost: start over.
    pub(super) fn disturbed(&mut self, now: Time, next: RequestId) {
        *self = Self {
            from: next,
            quiet_since: now,
            idle: None,
            drained: false,
        };
    }

    /// An answer told a sign.
    pub(super) fn saw(&mut self, issued: Time, request: RequestId, sign: Sign) {
        if request < self.from {
            return;
        }
        match sign {
            Sign::Busy => (self.idle, self.drained) = (None, false),
            Sign::Idle => _ = self.idle.get_or_insert((issued, request)),
            Sign::Unclear => {}
        }
    }

    /// A pull found nothing. `unclear_is_enough`: without a clear sign, a long enough silence will do.
    pub(super) fn empty_pull(
        &mut self,
        issued: Time,
        request: RequestId,
        confirm: Duration,
        patience: Duration,
        unclear_is_enough: bool,
    ) {
        if request < self.from {
            return;
        }
        self.drained |= match self.idle {
            Some((since, first)) => request > first && issued >= since + confirm,
            None => unclear_is_enough && issued >= self.quiet_since + patience,
        };
    }

    /// Nothing is left.
    pub(super) fn is_drained(&self) -> bool {
        self.drained
    }

    /// When a further empty pull would settle it.
    pub(super) fn due(&self, confirm: Duration) -> Option<Time> {
        self.idle.map(|(since, _)| since + confirm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(
        available: i64,
        input_used: i64,
        workers: i64,
        completed: i64,
        submitted: i64,
    ) -> Facts {
        let known = |n: i64| u64::try_from(n).ok();
        Facts {
            chunks_available: known(available),
            input_used: known(input_used),
            workers: known(workers),
            chunks_completed: known(completed),
            chunks_submitted: known(submitted),
            ..Facts::default()
        }
    }

    #[test]
    fn signs() {
        // -1 stands for a field that is absent.
        let table = [
            (facts(0, 0, 0, 5, 5), Sign::Idle),
            (facts(0, 0, 0, 4, 5), Sign::Idle),
            (facts(0, 0, 0, -1, -1), Sign::Idle),
            (facts(-1, -1, -1, 5, 5), Sign::Idle),
            (facts(-1, -1, 0, -1, -1), Sign::Unclear),
            (facts(-1, -1, -1, 4, 5), Sign::Unclear),
            (facts(0, 0, -1, -1, -1), Sign::Unclear),
            (facts(0, 0, 3, 5, 5), Sign::Unclear),
            (facts(0, 0, 3, 4, 5), Sign::Busy),
            (facts(0, 0, 3, -1, -1), Sign::Busy),
            (facts(0, 9, 0, 5, 5), Sign::Busy),
            (facts(2, 0, 0, 5, 5), Sign::Busy),
            (facts(-1, -1, -1, -1, -1), Sign::Unclear),
        ];
        for (facts, expected) in table {
            assert_eq!(sign(&facts, false), expected, "{facts:?}");
        }
        assert_eq!(sign(&facts(0, 0, -1, 5, 5), true), Sign::Unclear);
        assert_eq!(sign(&facts(0, 0, 0, 5, 5), true), Sign::Idle);
    }

    #[test]
    fn idle_has_to_last() {
        let ms = Duration::from_millis;
        let mut drain = Drain::default();
        drain.disturbed(ms(0), 5);
        drain.saw(ms(10), 4, Sign::Idle);
        drain.empty_pull(ms(5000), 4, ms(1000), ms(9000), false);
        assert!(!drain.is_drained(), "an answer from before the disturbance");
        drain.saw(ms(10), 5, Sign::Idle);
        drain.empty_pull(ms(10), 5, ms(1000), ms(9000), false);
        assert!(!drain.is_drained());
        drain.empty_pull(ms(900), 6, ms(1000), ms(9000), false);
        assert!(!drain.is_drained());
        drain.empty_pull(ms(1010), 7, ms(1000), ms(9000), false);
        assert!(drain.is_drained());
        drain.saw(ms(1020), 8, Sign::Busy);
        assert!(!drain.is_drained());
    }

    #[test]
    fn without_a_clear_sign_only_patience_helps() {
        let ms = Duration::from_millis;
        let mut drain = Drain::default();
        drain.disturbed(ms(100), 1);
        drain.empty_pull(ms(5000), 2, ms(1000), ms(9000), true);
        assert!(!drain.is_drained());
        drain.empty_pull(ms(9100), 3, ms(1000), ms(9000), false);
        assert!(
            !drain.is_drained(),
            "no answer was lost, so none is presumed lost"
        );
        drain.empty_pull(ms(9100), 4, ms(1000), ms(9000), true);
        assert!(drain.is_drained());
    }
}
