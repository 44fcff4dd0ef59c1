//! How far a run is, while it runs.

use std::collections::VecDeque;
use std::time::Duration;

use super::machine::{Count, Machine, Time};

/// How far a run is.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// Read from the source.
    pub read: Count,
    /// Accepted by the service.
    pub pushed: Count,
    /// Computed: pulled, or waiting to be pulled by the latest response.
    pub computed: Count,
    /// Pulled from the service.
    pub pulled: Count,
    /// Taken out of the run by the caller.
    pub delivered: Count,
    /// Delivered records without an output, for whatever reason.
    pub failed_records: u64,
    /// The number of records that the run has to deliver, if the source or the caller knows it.
    /// It does not include what the run delivered that this one resumes.
    pub total_records: Option<u64>,
    /// Bytes of memory that chunks and results take, and that reads and requests in progress may
    /// bring.
    pub bytes_in_flight: u64,
    /// The batch's input buffer.
    pub input_buffer: BufferLevel,
    /// The batch's output buffer.
    pub output_buffer: BufferLevel,
    /// Workers that compute, if the service says so.
    pub workers: Option<u64>,
    /// Records pulled in a second, lately.
    pub records_per_second: f64,
    /// The time left at this rate, if the number of records is known.
    pub remaining: Option<Duration>,
    /// Time since the start.
    pub elapsed: Duration,
    /// Whether the run is over.
    pub is_over: bool,
}

/// The level of one of the service's buffers in bytes, as far as the service reports it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BufferLevel {
    /// Bytes in it.
    pub used: Option<u64>,
    /// Bytes that it still takes.
    pub remaining: Option<u64>,
}

impl Progress {
    pub(super) fn new(machine: &Machine, rate: &mut Rate, total: Option<u64>, now: Time) -> Self {
        let (totals, latest) = (machine.totals(), machine.latest());
        let pulled = totals.pulled;
        rate.sample(now, pulled.records);
        let records_per_second = rate.per_second();
        let left = total.map(|total| total.saturating_sub(pulled.records));
        let left = left.filter(|_| records_per_second > 0.0);
        Self {
            read: totals.read,
            pushed: totals.pushed,
            computed: Count {
                records: pulled.records + latest.records_available.unwrap_or(0),
                chunks: pulled.chunks + latest.chunks_available.unwrap_or(0),
            },
            pulled,
            delivered: totals.delivered,
            failed_records: totals.without_output(),
            total_records: total,
            bytes_in_flight: machine.memory_in_use(),
            input_buffer: BufferLevel {
                used: latest.input_used,
                remaining: latest.input_remaining,
            },
            output_buffer: BufferLevel {
                used: latest.output_used,
                remaining: latest.output_remaining,
            },
            workers: latest.workers,
            records_per_second,
            remaining: left.and_then(|left| {
                Duration::try_from_secs_f64(left as f64 / records_per_second).ok()
            }),
            elapsed: now,
            is_over: totals.ending.is_some(),
        }
    }
}

/// The rate over the latest part of the run.
#[derive(Debug, Default)]
pub(super) struct Rate {
    samples: VecDeque<(Time, u64)>,
}

impl Rate {
    const SAMPLES: usize = 20;

    fn sample(&mut self, now: Time, records: u64) {
        // The longer the run, the longer the part, so that a rate doesn't jump with each pull.
        let apart = (now / 100).max(Duration::from_millis(200));
        match self.samples.back() {
            Some(&(last, _)) if now < last + apart => return,
            _ => self.samples.push_back((now, records)),
        }
        if self.samples.len() > Self::SAMPLES {
            self.samples.pop_front();
        }
    }

    fn per_second(&self) -> f64 {
        match (self.samples.front(), self.samples.back()) {
            (Some(&(start, first)), Some(&(end, last))) if end > start => {
                last.saturating_sub(first) as f64 / (end - start).as_secs_f64()
            }
            _ => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_the_latest_one() {
        let mut rate = Rate::default();
        assert_eq!(rate.per_second(), 0.0);
        for second in 0..100 {
            rate.sample(
                Duration::from_secs(second),
                if second < 50 { 0 } else { (second - 50) * 1000 },
            );
        }
        assert_eq!(rate.per_second(), 1000.0);
    }
}
