//! How long to wait between two polls.
//!
//! A poll that comes too late costs time twice: at the end of the run, where it holds up the last
//! result, and before, when the memory is full of chunks whose results are ready while workers are
//! idle. A poll that comes too early costs a request. So a wait is a small part of what is at
//! stake: of the time that the service has worked so far, which bounds the loss at the end to that
//! part and lets the number of polls grow only with the logarithm of the time, and of the time that
//! the service's queue lasts.

use std::collections::VecDeque;
use std::time::Duration;

use super::event::Time;

/// The part of the elapsed time by which a poll may come too late.
const LATE: u32 = 64;
/// Pulls with results from which the rate is taken.
const WINDOW: usize = 16;

/// The present state that a wait depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    /// Chunks that the service has.
    pub(super) outstanding: u64,
    /// Workers that compute now, if the service says so.
    pub(super) workers: Option<u64>,
    /// Whether more could be read or pushed if there were room.
    pub(super) limited: bool,
    /// Results that fit into the output buffer, if that is known.
    pub(super) output_room: Option<u64>,
}

/// The history of results that waits depend on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Polling {
    min: Duration,
    max: Duration,
    /// Since when the service has had chunks of this run without a break.
    busy_since: Option<Time>,
    /// Times and total numbers of chunks pulled.
    samples: VecDeque<(Time, u64)>,
    pulled: u64,
    /// Mean time from a chunk's acceptance to its result.
    sojourn: Option<Duration>,
}

impl Polling {
    pub(super) fn new(min: Duration, max: Duration) -> Self {
        Self {
            min,
            max: max.max(min),
            busy_since: None,
            samples: VecDeque::new(),
            pulled: 0,
            sojourn: None,
        }
    }

    /// Notes whether the service has chunks of this run; true if it has just got the first.
    pub(super) fn busy(&mut self, now: Time, busy: bool) -> bool {
        let starts = busy && self.busy_since.is_none();
        if !busy {
            self.busy_since = None;
            self.samples.clear();
        } else if starts {
            self.busy_since = Some(now);
            self.samples.push_back((now, self.pulled));
        }
        starts
    }

    /// A chunk's result came this long after the chunk was accepted.
    pub(super) fn result(&mut self, sojourn: Duration) {
        self.pulled += 1;
        self.sojourn = Some(
            self.sojourn
                .map_or(sojourn, |mean| (mean * 7 + sojourn) / 8),
        );
    }

    /// A pull with results ended. They have come since the pull before.
    pub(super) fn pulled(&mut self, now: Time, before: Time) {
        // Pulls in quick succession belong to one sample.
        let first = self.samples.len() < 2;
        if let Some(last) = self.samples.back_mut()
            && !first
            && now < last.0 + self.min
        {
            last.1 = self.pulled;
            return;
        }
        let between = before + now.saturating_sub(before) / 2;
        self.samples.push_back((between, self.pulled));
        if self.samples.len() > WINDOW {
            self.samples.pop_front();
        }
    }

    /// The mean time that the service needs for one chunk more, over the last results.
    fn interval(&self) -> Option<Duration> {
        let (&(start, first), &(end, last)) = (self.samples.front()?, self.samples.back()?);
        let chunks = u32::try_from(last - first).ok().filter(|&n| n > 0)?;
        Some(end.saturating_sub(start) / chunks)
    }

    /// How long to wait after a pull that left nothing available.
    pub(super) fn wait(&self, now: Time, load: Load) -> Duration {
        let Some(since) = self.busy_since else {
            return self.min;
        };
        let late = now.saturating_sub(since) / LATE;
        let mut wait = late;
        if let (Some(interval), Some(&(last, _))) = (self.interval(), self.samples.back()) {
            let times = |interval: Duration, chunks: u64| {
                interval.saturating_mul(u32::try_from(chunks).unwrap_or(u32::MAX))
            };
            // Far from the expected end, half of the way there is soon enough. Around it, polls
            // come closer together; when it is long past, it was a wrong guess.
            let end = last + times(interval, load.outstanding);
            let (left, overdue) = (end.saturating_sub(now), now.saturating_sub(end));
            wait = (left / 2).max(late.min(late / 8 + overdue));
            // The longer nothing comes, the longer the rest is going to take.
            let outstanding = u32::try_from(load.outstanding.max(1)).unwrap_or(u32::MAX);
            let interval = interval.max(now.saturating_sub(last) / outstanding);
            let lasts = |chunks| times(interval, chunks);
            if load.limited {
                let workers = load.workers.unwrap_or(load.outstanding / 2);
                let queue = load.outstanding.saturating_sub(workers);
                wait = wait.min(if queue >= workers {
                    lasts(queue) / 4
                } else {
                    late
                });
            }
            if let Some(results) = load.output_room {
                wait = wait.min(lasts(results) / 2);
            }
        }
        if let Some(sojourn) = self.sojourn {
            // Waiting should not add much to the age that results have at the service.
            wait = wait
                .min(sojourn / if load.limited { 32 } else { 4 })
                .max(wait.min(late));
        }
        wait.clamp(self.min, self.max)
    }

    /// Forgets the history: where the shortest wait is the longest, it changes nothing.
    #[cfg(test)]
    pub(super) fn forget(&mut self) {
        self.busy_since = self.busy_since.map(|_| Time::ZERO);
        self.samples.clear();
        (self.pulled, self.sojourn) = (0, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOAD: Load = Load {
        outstanding: 100,
        workers: Some(10),
        limited: false,
        output_room: None,
    };

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn pace() -> Polling {
        let mut pace = Polling::new(ms(20), ms(5_000));
        pace.busy(ms(0), true);
        pace
    }

    #[test]
    fn without_results_the_wait_is_a_part_of_the_elapsed_time() {
        let pace = pace();
        assert_eq!(pace.wait(ms(100), LOAD), ms(20));
        assert_eq!(pace.wait(ms(6400), LOAD), ms(100));
        assert_eq!(pace.wait(ms(64_000_000), LOAD), ms(5_000));
    }

    #[test]
    fn polls_before_the_first_result_are_few() {
        let pace = pace();
        let (mut now, mut polls) = (Duration::ZERO, 0);
        while now < Duration::from_secs(3600) {
            now += pace.wait(now, LOAD);
            polls += 1;
        }
        assert!(polls < 1_100, "{polls}");
    }

    #[test]
    fn waits_shorten_towards_the_expected_end() {
        let mut pace = pace();
        for chunk in 1..=10u64 {
            pace.result(ms(100_000));
            pace.pulled(ms(chunk * 1000), ms(chunk * 1000));
        }
        let far = pace.wait(
            ms(10_000),
            Load {
                outstanding: 20,
                ..LOAD
            },
        );
        let near = pace.wait(
            ms(10_000),
            Load {
                outstanding: 1,
                ..LOAD
            },
        );
        assert_eq!((far, near), (ms(5_000), ms(500)));
        assert_eq!(
            pace.wait(
                ms(11_500),
                Load {
                    outstanding: 1,
                    ..LOAD
                }
            ),
            ms(11_500) / 64,
            "overdue"
        );
        assert_eq!(
            pace.wait(
                ms(11_000),
                Load {
                    outstanding: 1,
                    ..LOAD
                }
            ),
            ms(11_000) / 64 / 8,
            "at the expected end"
        );
    }

    #[test]
    fn a_limited_run_refills_before_the_queue_is_empty() {
        let mut pace = pace();
        for chunk in 1..=10u64 {
            pace.result(ms(1_000_000));
            pace.pulled(ms(chunk * 1000), ms(chunk * 1000));
        }
        let load = Load {
            outstanding: 50,
            workers: Some(10),
            limited: true,
            output_room: None,
        };
        assert_eq!(
            pace.wait(ms(10_000), load),
            ms(5_000),
            "a quarter, but the longest wait is shorter of 40 chunks at 1 s each"
        );
        let load = Load {
            outstanding: 15,
            ..load
        };
        assert_eq!(
            pace.wait(ms(10_000), load),
            ms(10_000) / 64,
            "workers may be idle soon"
        );
    }

    #[test]
    fn the_output_buffer_is_emptied_before_it_is_full() {
        let mut pace = pace();
        for chunk in 1..=10u64 {
            pace.result(ms(1_000_000));
            pace.pulled(ms(chunk * 1000), ms(chunk * 1000));
        }
        assert_eq!(
            pace.wait(
                ms(10_000),
                Load {
                    output_room: Some(4),
                    ..LOAD
                }
            ),
            ms(2000)
        );
    }
}
