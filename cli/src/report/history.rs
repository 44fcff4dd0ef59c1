//! What a report shows: samples of the progress, the slowest chunks and the commonest errors, in
//! bounded memory.

use std::collections::HashMap;
use std::time::Duration;

use cspark_batches::run::{Delivery, Progress};

use crate::display::percent;

/// Samples at most. When there are as many, every second one goes, and the others come half as
/// often.
const MOST_SAMPLES: usize = 400;
const FIRST_INTERVAL: Duration = Duration::from_millis(50);
/// The longest time between two samples.
const LAST_INTERVAL: Duration = Duration::from_secs(600);
const SLOWEST: usize = 10;
/// Kinds of errors at most; further ones are only counted.
const MOST_ERRORS: usize = 1000;
/// Characters of an error that are kept.
const MOST_TEXT: usize = 300;

/// A moment of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sample {
    /// Since the start.
    pub(super) seconds: f64,
    pub(super) pushed: u64,
    pub(super) pulled: u64,
    pub(super) failed: u64,
    /// How full the buffers are, in percent.
    pub(super) input_buffer: Option<f64>,
    pub(super) output_buffer: Option<f64>,
    pub(super) workers: Option<u64>,
}

/// A chunk and the time that its records took to compute.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SlowChunk {
    pub(super) id: String,
    pub(super) first: u64,
    pub(super) records: u64,
    pub(super) milliseconds: f64,
}

/// Errors that differ in nothing but numbers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CommonError {
    pub(super) records: u64,
    /// The number and the text of the first one.
    pub(super) first: u64,
    pub(super) text: String,
}

#[derive(Debug)]
pub(super) struct History {
    samples: Vec<Sample>,
    interval: Duration,
    slowest: Vec<SlowChunk>,
    errors: HashMap<String, CommonError>,
    /// Records whose errors are of more kinds than are kept.
    pub(super) other_errors: u64,
}

impl Default for History {
    fn default() -> Self {
        Self {
            samples: Vec::new(),
            interval: FIRST_INTERVAL,
            slowest: Vec::new(),
            errors: HashMap::new(),
            other_errors: 0,
        }
    }
}

impl History {
    /// The time between two samples.
    pub(super) fn interval(&self) -> Duration {
        self.interval
    }

    pub(super) fn samples(&self) -> &[Sample] {
        &self.samples
    }

    pub(super) fn sample(&mut self, progress: &Progress) {
        self.add(Sample {
            seconds: progress.elapsed.as_secs_f64(),
            pushed: progress.pushed.records,
            pulled: progress.pulled.records,
            failed: progress.failed_records,
            input_buffer: percent(progress.input_buffer),
            output_buffer: percent(progress.output_buffer),
            workers: progress.workers,
        });
    }

    pub(super) fn add(&mut self, sample: Sample) {
        match self.samples.last_mut() {
            // The same moment again.
            Some(last) if last.seconds >= sample.seconds => *last = sample,
            _ => self.samples.push(sample),
        }
        if self.samples.len() >= MOST_SAMPLES {
            let mut keep = false;
            self.samples.retain(|_| {
                keep = !keep;
                keep
            });
            self.interval = self.interval.saturating_mul(2).min(LAST_INTERVAL);
        }
    }

    pub(super) fn take<O>(&mut self, delivery: &Delivery<O>) {
        let records = delivery.records();
        let times = records
            .clone()
            .filter_map(|record| delivery.process_time_ms(record));
        let milliseconds: f64 = times.sum();
        if milliseconds > 0.0 {
            self.add_chunk(SlowChunk {
                id: delivery.chunk_id().to_owned(),
                first: records.start,
                records: records.end - records.start,
                milliseconds,
            });
        }
        for (record, outcome) in delivery.iter() {
            if let Err(error) = outcome {
                self.add_error(record, &error.to_string());
            }
        }
    }

    pub(super) fn add_chunk(&mut self, chunk: SlowChunk) {
        let slower = |other: &SlowChunk| other.milliseconds >= chunk.milliseconds;
        let at = self
            .slowest
            .iter()
            .take_while(|other| slower(other))
            .count();
        if at < SLOWEST {
            self.slowest.insert(at, chunk);
            self.slowest.truncate(SLOWEST);
        }
    }

    pub(super) fn add_error(&mut self, record: u64, text: &str) {
        let text: String = text.chars().take(MOST_TEXT).collect();
        let kind = without_numbers(&text);
        let full = self.errors.len() >= MOST_ERRORS;
        match self.errors.get_mut(&kind) {
            Some(error) => {
                error.records += 1;
                if record < error.first {
                    (error.first, error.text) = (record, text);
                }
            }
            None if full => self.other_errors += 1,
            None => {
                let first = CommonError {
                    records: 1,
                    first: record,
                    text,
                };
                self.errors.insert(kind, first);
            }
        }
    }

    /// The chunks that took longest, the slowest first.
    pub(super) fn slowest(&self) -> &[SlowChunk] {
        &self.slowest
    }

    /// The errors of most records first.
    pub(super) fn commonest(&self) -> Vec<&CommonError> {
        let mut errors: Vec<&CommonError> = self.errors.values().collect();
        errors.sort_by(|one, other| (other.records, one.first).cmp(&(one.records, other.first)));
        errors.truncate(20);
        errors
    }

    /// Records a second between each sample and the next, by the second of the later one.
    pub(super) fn rates(&self) -> Vec<(f64, f64)> {
        // A short part of a long run says nothing, and a jump hides the rest.
        let apart = self.samples.last().map_or(0.0, |last| last.seconds / 60.0);
        let mut rates = Vec::new();
        let mut samples = self.samples.iter();
        let Some(mut from) = samples.next() else {
            return rates;
        };
        let last = self.samples.len() - 1;
        for (index, to) in self.samples.iter().enumerate().skip(1) {
            let seconds = to.seconds - from.seconds;
            if seconds < apart && index < last || seconds <= 0.0 {
                continue;
            }
            #[allow(clippy::cast_precision_loss, reason = "a rate for a chart")]
            let records = to.pulled.saturating_sub(from.pulled) as f64;
            rates.push((to.seconds, records / seconds));
            from = to;
        }
        rates
    }
}

/// The text with `#` for each number in it.
fn without_numbers(text: &str) -> String {
    let mut kind = String::with_capacity(text.len());
    let mut in_number = false;
    for character in text.chars() {
        let belongs =
            character.is_ascii_digit() || in_number && matches!(character, '.' | 'e' | 'E');
        if !belongs {
            kind.push(character);
        } else if !in_number {
            kind.push('#');
        }
        in_number = belongs;
    }
    kind
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_the_whole_run_stays_visible() {
        let mut history = History::default();
        for n in 0..100_000_u32 {
            history.add(Sample {
                seconds: f64::from(n),
                pulled: u64::from(n) * 10,
                ..Sample::default()
            });
            let chunk = |milliseconds| SlowChunk {
                id: n.to_string(),
                first: 0,
                records: 1,
                milliseconds,
            };
            history.add_chunk(chunk(f64::from(n % 1000)));
            history.add_error(u64::from(n), &"x".repeat(n as usize % 2000));
        }
        assert!(history.samples().len() < MOST_SAMPLES);
        assert_eq!(history.samples()[0].seconds, 0.0);
        assert!(history.samples().last().unwrap().seconds > 99_000.0);
        assert!(history.rates().iter().all(|(_, rate)| *rate == 10.0));
        let slowest: Vec<f64> = history.slowest().iter().map(|it| it.milliseconds).collect();
        assert_eq!(slowest, [999.0; SLOWEST]);
        assert!(history.errors.len() <= MOST_ERRORS);
        let longest = history.commonest()[0];
        assert_eq!(longest.text.len(), MOST_TEXT);
    }

    #[test]
    fn errors_are_grouped_whatever_their_numbers() {
        let mut history = History::default();
        history.add_error(7, "age: 17.5 is too young");
        history.add_error(8, "unknown sex");
        history.add_error(3, "age: 1e3 is too young");
        let [ages, sex] = history.commonest()[..] else {
            panic!("two kinds")
        };
        assert_eq!(
            (ages.records, ages.first, ages.text.as_str()),
            (2, 3, "age: 1e3 is too young")
        );
        assert_eq!((sex.records, sex.first), (1, 8));
    }
}
