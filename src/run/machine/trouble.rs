//! Failures that can pass: how long to hold back, and when to give up.

use std::time::Duration;

use super::event::{Op, Time};
use super::settings::Settings;

/// The failures of one kind of request since its last success.
#[derive(Clone, Copy, Debug, Default)]
struct Streak {
    since: Option<Time>,
    tries: u32,
    hold: Time,
}

/// The failures of all kinds of requests.
#[derive(Debug)]
pub(super) struct Trouble {
    streaks: [Streak; 5],
    /// No request at all before this time (429).
    hold_all: Time,
    jitter: u64,
}

impl Trouble {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            streaks: Default::default(),
            hold_all: Time::ZERO,
            jitter: seed,
        }
    }

    /// Notes a failure; true if the run has to give up, because it lasts too long.
    pub(super) fn failed(
        &mut self,
        now: Time,
        op: Op,
        retry_after: Option<Duration>,
        settings: &Settings,
    ) -> bool {
        let spread = self.spread();
        let streak = &mut self.streaks[op as usize];
        let since = *streak.since.get_or_insert(now);
        let doubled = settings
            .backoff_min
            .saturating_mul(1 << streak.tries.min(20))
            .min(settings.backoff_max);
        streak.tries += 1;
        let deadline = since.saturating_add(settings.outage);
        let own = now.saturating_add(doubled.mul_f64(spread));
        // One last try at the deadline, unless the service asked to stay away for longer than that.
        streak.hold = match retry_after {
            Some(wait) if now.saturating_add(wait) > own => now.saturating_add(wait),
            _ => own.min(deadline.max(now.saturating_add(settings.backoff_min))),
        };
        now >= deadline || (retry_after.is_some() && streak.hold > deadline)
    }

    /// Holds back all requests, not only those of the kind that failed.
    pub(super) fn hold_all(&mut self, until: Time) {
        self.hold_all = self.hold_all.max(until);
    }

    /// Holds back one kind of request without calling it a failure.
    pub(super) fn hold(&mut self, op: Op, until: Time) {
        let streak = &mut self.streaks[op as usize];
        streak.hold = streak.hold.max(until);
    }

    /// Time in which nothing was tried is no part of an outage.
    pub(super) fn woken(&mut self, now: Time, late: Duration) {
        for streak in &mut self.streaks {
            streak.since = streak.since.map(|since| now.min(since + late));
        }
    }

    pub(super) fn succeeded(&mut self, op: Op) {
        self.streaks[op as usize] = Streak::default();
    }

    /// When the next request of this kind may be sent.
    pub(super) fn free_at(&self, op: Op) -> Time {
        self.streaks[op as usize].hold.max(self.hold_all)
    }

    /// Whether the last request of this kind failed.
    pub(super) fn in_trouble(&self, op: Op) -> bool {
        self.streaks[op as usize].since.is_some()
    }

    pub(super) fn any(&self) -> bool {
        self.streaks.iter().any(|streak| streak.since.is_some())
    }

    /// Between 0.75 and 1.25 (splitmix64), so that many runs don't come back at the same moment.
    fn spread(&mut self) -> f64 {
        self.jitter = self.jitter.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.jitter;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        0.75 + (z >> 11) as f64 / (1u64 << 53) as f64 / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    #[test]
    fn waits_grow_and_stay_within_the_jitter() {
        let settings = Settings::default();
        let mut trouble = Trouble::new(7);
        let mut now = Time::ZERO;
        for doubling in 0..6 {
            assert!(!trouble.failed(now, Op::Pull, None, &settings));
            let wait =
                (trouble.free_at(Op::Pull) - now).as_secs_f64() / (0.25 * f64::from(1 << doubling));
            assert!((0.75..=1.25).contains(&wait), "{wait}");
            now = trouble.free_at(Op::Pull);
        }
        assert_eq!(
            trouble.free_at(Op::Push),
            Time::ZERO,
            "kinds are held back apart"
        );
        trouble.succeeded(Op::Pull);
        assert_eq!(trouble.free_at(Op::Pull), Time::ZERO);
    }

    #[test]
    fn gives_up_at_the_deadline_and_not_before() {
        let settings = Settings {
            outage: secs(60),
            ..Settings::default()
        };
        let mut trouble = Trouble::new(7);
        let (mut now, mut tries) = (secs(100), 0);
        while !trouble.failed(now, Op::Push, None, &settings) {
            now = trouble.free_at(Op::Push);
            tries += 1;
            assert!(tries < 50);
        }
        assert!(now >= secs(160) && now < secs(162), "{now:?}");
    }

    #[test]
    fn retry_after_is_respected_even_past_the_own_wait() {
        let settings = Settings {
            outage: secs(60),
            ..Settings::default()
        };
        let mut trouble = Trouble::new(7);
        assert!(!trouble.failed(secs(1), Op::Pull, Some(secs(20)), &settings));
        assert_eq!(trouble.free_at(Op::Pull), secs(21));
        assert!(
            trouble.failed(secs(21), Op::Pull, Some(secs(600)), &settings),
            "longer than the run may wait"
        );
    }
}
