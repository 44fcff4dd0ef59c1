//! The clock of progress: how long the service has not moved.

use std::time::Duration;

use super::event::Time;
use super::settings::Settings;
#[cfg(test)]
use super::tests::shift::Shift;

/// Measures the time since the last step of progress.
///
/// What counts as progress is listed in [`super`], section "Every run ends". Failing requests do not. The time that they fail is added to the deadline, but at most the
/// outage limit: so the clock strikes at the latest `stall_limit + outage_limit` after the last
/// progress, whatever the service does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct ProgressClock {
    since: Time,
    /// Time since then in which requests failed.
    trouble: Duration,
    looked_at: Time,
}

impl ProgressClock {
    /// The service moved, or the run did not wait for it until now.
    pub(super) fn reset(&mut self, now: Time) {
        *self = Self {
            since: now,
            trouble: Duration::ZERO,
            looked_at: now,
        };
    }

    /// When the stall limit is over. `in_trouble`: requests are failing now.
    pub(super) fn deadline(&mut self, now: Time, in_trouble: bool, settings: &Settings) -> Time {
        if in_trouble {
            self.trouble += now.saturating_sub(self.looked_at);
        }
        self.looked_at = now;
        self.since + settings.stall + self.trouble.min(settings.outage)
    }

    /// The time since the last step of progress.
    pub(super) fn quiet_for(&self, now: Time) -> Duration {
        now.saturating_sub(self.since)
    }

    /// The computer stood still, or was busy with something else: nobody looked at the service.
    pub(super) fn resumed_late(&mut self, now: Time, late: Duration) {
        self.since = now.min(self.since + late);
        self.looked_at = now.min(self.looked_at + late);
    }

    #[cfg(test)]
    pub(super) fn shift(&mut self, shift: &Shift) {
        shift.time(&mut self.since);
        shift.time(&mut self.looked_at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn trouble_defers_the_deadline_by_the_outage_limit_at_most() {
        let settings = Settings {
            stall: secs(900),
            outage: secs(300),
            ..Settings::default()
        };
        // Seconds at which the clock is looked at, and whether requests failed until then.
        type Looks = &'static [(u64, bool)];
        let table: &[(Looks, u64)] = &[
            (&[(10, false)], 910),
            (&[(10, false), (30, true)], 930),
            (&[(10, false), (30, true), (40, false), (45, true)], 935),
            (&[(10, false), (10_000, true)], 1_210),
        ];
        for (looks, expected) in table {
            let mut clock = ProgressClock::default();
            clock.reset(secs(10));
            let mut deadline = Time::ZERO;
            for &(at, in_trouble) in *looks {
                deadline = clock.deadline(secs(at), in_trouble, &settings);
            }
            assert_eq!(deadline, secs(*expected), "{looks:?}");
        }
    }

    #[test]
    fn rare_failures_do_not_keep_the_clock_from_striking() {
        let settings = Settings {
            stall: secs(900),
            outage: secs(300),
            ..Settings::default()
        };
        let mut clock = ProgressClock::default();
        let struck = (1..100_000u64)
            .find(|&at| secs(at) >= clock.deadline(secs(at), at % 10 == 0, &settings));
        assert!(struck.is_some_and(|at| at <= 1_200), "{struck:?}");
    }
}
