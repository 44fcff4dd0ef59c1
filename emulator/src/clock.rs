//! Emulated time: tokio's clock times a factor, plus the time that the owner skips.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// Emulated time since the start of the emulator.
///
/// It reads tokio's clock, so `tokio::time::pause` and `advance` work on it.
#[derive(Debug)]
pub(crate) struct Clock {
    started: Instant,
    wall: Timestamp,
    scale: f64,
    skipped_nanos: AtomicU64,
}

impl Clock {
    /// A clock that starts now and runs `scale` emulated seconds a second; 0 stands still.
    pub(crate) fn new(scale: f64) -> Self {
        Self {
            started: Instant::now(),
            wall: Timestamp::now(),
            scale: if scale.is_finite() {
                scale.max(0.0)
            } else {
                1.0
            },
            skipped_nanos: AtomicU64::new(0),
        }
    }

    /// Emulated time since the start.
    pub(crate) fn now(&self) -> Duration {
        let elapsed = self.started.elapsed();
        let scaled = if self.scale == 1.0 {
            elapsed
        } else {
            // More than a Duration can hold is treated as its maximum.
            Duration::try_from_secs_f64(elapsed.as_secs_f64() * self.scale).unwrap_or(Duration::MAX)
        };
        scaled.saturating_add(self.skipped())
    }

    /// Time since the start as a client on the same machine sees it: not scaled, but with the
    /// skipped time.
    ///
    /// Token lifetimes run on it, since a client counts `expires_in` on its own clock.
    pub(crate) fn unscaled(&self) -> Duration {
        self.started.elapsed().saturating_add(self.skipped())
    }

    /// Jumps ahead.
    pub(crate) fn advance(&self, by: Duration) {
        let nanos = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        // The closure always returns Some, so the update can't fail.
        let _ = self
            .skipped_nanos
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |skipped| {
                Some(skipped.saturating_add(nanos))
            });
    }

    /// The RFC 3339 text of an emulated time, in UTC with milliseconds.
    pub(crate) fn stamp(&self, at: Duration) -> String {
        let at = SignedDuration::try_from(at)
            .ok()
            .and_then(|since| self.wall.checked_add(since).ok())
            .unwrap_or(Timestamp::MAX);
        format!("{at:.3}")
    }

    fn skipped(&self) -> Duration {
        Duration::from_nanos(self.skipped_nanos.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn emulated_time_follows_the_paused_clock_scaled() {
        let clock = Clock::new(60.0);
        assert_eq!(clock.now(), Duration::ZERO);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(clock.now(), Duration::from_secs(120));
        clock.advance(Duration::from_secs(5));
        assert_eq!(clock.now(), Duration::from_secs(125));
        assert_eq!(clock.unscaled(), Duration::from_secs(7));
    }

    #[tokio::test(start_paused = true)]
    async fn a_frozen_clock_moves_only_by_hand() {
        let clock = Clock::new(0.0);
        tokio::time::advance(Duration::from_secs(1000)).await;
        assert_eq!(clock.now(), Duration::ZERO);
        clock.advance(Duration::MAX);
        clock.advance(Duration::MAX);
        assert!(clock.now() > Duration::from_secs(1 << 30));
        assert!(clock.stamp(Duration::MAX).ends_with('Z'));
    }

    #[test]
    fn stamps_are_rfc_3339_with_milliseconds() {
        let clock = Clock {
            wall: "1970-12-03T04:56:12.186Z".parse().unwrap(),
            ..Clock::new(1.0)
        };
        assert_eq!(
            clock.stamp(Duration::from_millis(60_000)),
            "1970-12-03T04:57:12.186Z"
        );
    }
}
