//! Shows how far a run is: a line that changes on a terminal, else a new line now and then.

use std::fmt::Write;
use std::io::{self, IsTerminal};
use std::time::Duration;

use cspark_batches::run::Progress;
use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressStyle};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::display::percent;
use crate::input::Position;
use crate::terminal;

/// How often the line on a terminal changes, and a new line comes elsewhere.
const ON_TERMINAL: Duration = Duration::from_millis(200);
const ELSEWHERE: Duration = Duration::from_secs(5);
/// The steps of the bar.
const STEPS: u64 = 1000;

/// A display in a task of its own.
pub(super) struct Display {
    task: JoinHandle<()>,
    bar: ProgressBar,
}

impl Display {
    /// Shows the progress of a run until it is stopped.
    pub(super) fn start(progress: watch::Receiver<Progress>, input: Position) -> Self {
        let on_terminal = io::stderr().is_terminal();
        let bar = match on_terminal {
            true => ProgressBar::new(STEPS).with_style(style()),
            false => ProgressBar::hidden(),
        };
        let shown = bar.clone();
        let period = if on_terminal { ON_TERMINAL } else { ELSEWHERE };
        let task = tokio::spawn(async move {
            let mut ticks = interval_at(Instant::now() + period, period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            loop {
                ticks.tick().await;
                let now = progress.borrow().clone();
                let share = share(&now, &input);
                let line = line(&now, share);
                if on_terminal {
                    #[allow(
                        clippy::cast_possible_truncation,
                        clippy::cast_sign_loss,
                        clippy::cast_precision_loss,
                        reason = "a share is between 0 and 1"
                    )]
                    shown.set_position((share.unwrap_or(0.0) * STEPS as f64) as u64);
                    shown.set_message(line);
                } else {
                    terminal::note(&line);
                }
            }
        });
        Self { task, bar }
    }

    pub(super) fn stop(&self) {
        self.task.abort();
        self.bar.finish_and_clear();
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        self.stop();
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{bar:20} {wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// The share that is done: of the records if their number is known, else of the file.
fn share(now: &Progress, input: &Position) -> Option<f64> {
    #[allow(clippy::cast_precision_loss, reason = "a share for people")]
    match now.total_records {
        Some(0) => None,
        Some(total) => Some(now.delivered.records as f64 / total as f64),
        None => input.share(),
    }
}

fn line(now: &Progress, share: Option<f64>) -> String {
    let mut line = format!("{} records", HumanCount(now.delivered.records));
    // Writing to a String does not fail.
    if let Some(share) = share {
        let _ = write!(line, " ({:.0} %)", share * 100.0);
    }
    let _ = write!(line, ", {:.0}/s", now.records_per_second);
    if let Some(left) = now.remaining {
        let _ = write!(line, ", {} left", HumanDuration(left));
    }
    let at_service = now.pushed.chunks.saturating_sub(now.pulled.chunks);
    let _ = write!(line, "; {} chunks at the service", HumanCount(at_service));
    for (name, level) in [("in", now.input_buffer), ("out", now.output_buffer)] {
        if let Some(percent) = percent(level) {
            let _ = write!(line, ", {name} {:.0} %", percent.floor());
        }
    }
    if let Some(workers) = now.workers {
        let _ = write!(line, ", {workers} workers");
    }
    if now.failed_records > 0 {
        let _ = write!(line, ", {} failed", HumanCount(now.failed_records));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_what_is_known() {
        let mut now = Progress::default();
        assert_eq!(line(&now, None), "0 records, 0/s; 0 chunks at the service");
        now.delivered.records = 12_345;
        now.records_per_second = 1000.4;
        now.remaining = Some(Duration::from_secs(120));
        now.pushed.chunks = 7;
        now.pulled.chunks = 4;
        now.input_buffer.used = Some(30);
        now.input_buffer.remaining = Some(70);
        now.output_buffer.used = Some(1);
        now.workers = Some(5);
        now.failed_records = 2;
        assert_eq!(
            line(&now, Some(0.25)),
            "12,345 records (25 %), 1000/s, 2 minutes left; 3 chunks at the service, in 30 %, \
             5 workers, 2 failed"
        );
    }
}
