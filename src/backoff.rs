//! Growing waits between attempts.

use std::time::Duration;

/// No wait is longer than a day, whatever the settings say, so that times can't overflow.
const LIMIT: Duration = Duration::from_secs(86_400);

/// Waits that double from `first` to `longest`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backoff {
    pub(crate) first: Duration,
    pub(crate) longest: Duration,
}

impl Backoff {
    /// The wait after the `nth` failure in a row, counted from 1.
    ///
    /// `random` is in `0.0..1.0` and picks a wait between half of the doubled one and all of it:
    /// clients that failed at the same moment don't come back at the same moment, and none waits
    /// longer than `longest`.
    pub(crate) fn delay(&self, nth: u32, random: f64) -> Duration {
        let doublings = nth.saturating_sub(1).min(31);
        let full = self.first.saturating_mul(1 << doublings);
        let full = full.min(self.longest).min(LIMIT);
        full.mul_f64(0.5 + random / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BACKOFF: Backoff = Backoff {
        first: Duration::from_millis(100),
        longest: Duration::from_secs(1),
    };

    #[test]
    fn waits_double_up_to_the_longest() {
        let table = [
            (0, 50),
            (1, 50),
            (2, 100),
            (3, 200),
            (4, 400),
            (5, 500),
            (u32::MAX, 500),
        ];
        for (nth, millis) in table {
            assert_eq!(
                BACKOFF.delay(nth, 0.0),
                Duration::from_millis(millis),
                "{nth}"
            );
        }
        assert_eq!(BACKOFF.delay(2, 0.5), Duration::from_millis(150));
    }

    proptest! {
        #[test]
        fn waits_are_between_half_and_all(
            first in any::<Duration>(),
            longest in any::<Duration>(),
            nth in any::<u32>(),
            random in 0.0..1.0,
        ) {
            let backoff = Backoff { first, longest };
            let least = backoff.delay(nth, 0.0);
            let wait = backoff.delay(nth, random);
            prop_assert!(least <= wait && wait <= longest.min(LIMIT));
            prop_assert!(wait <= least * 2 + Duration::from_nanos(2));
        }
    }
}
