//! A run that is under way: its results go to the files, checkpoints are written, and it ends in
//! order, whatever the reason.

use std::process::ExitCode;
use std::time::Duration;

use cspark_batches::run::Run;
use serde::de::IgnoredAny;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::args::{Args, OnInterrupt};
use super::checkpoint::CheckpointFile;
use super::interrupt::Interrupts;
use super::progress::Display;
use super::results::Results;
use super::summary;
use crate::failure::{Exit, Failure};
use crate::input::{BadRecord, ReadFailure};
use crate::report::Recorder;
use crate::terminal;

/// How long a run that failed here may take to cancel its batch.
const CANCEL_TIME: Duration = Duration::from_secs(20);

/// A run that is under way.
pub(super) struct Work<'a> {
    pub(super) args: &'a Args,
    pub(super) run: Run<IgnoredAny>,
    pub(super) results: Results,
    pub(super) checkpoint: Option<CheckpointFile>,
    pub(super) display: Option<Display>,
    pub(super) report: Option<&'a Recorder>,
    pub(super) interrupted: bool,
}

impl Work<'_> {
    /// Takes the run to its end, and says how it came out.
    pub(super) async fn drive(mut self, read_failure: &ReadFailure) -> Result<ExitCode, Failure> {
        let ended = match self.save() {
            Ok(()) => self.take_all().await,
            Err(failure) => Err(failure.into()),
        };
        drop(self.display.take());
        self.note_end();
        match ended {
            Ok(()) => {}
            // What is in memory does not get to the disk, so the last checkpoint stays.
            Err(Ended::Here(failure)) => {
                self.cancel().await;
                self.note_end();
                return Err(self.incomplete(&failure.to_string()));
            }
            Err(Ended::Run(error)) => {
                self.save_or_keep()?;
                return Err(self.incomplete(&self.describe(&error, read_failure)));
            }
            Err(Ended::Stopped) => {
                self.save_or_keep()?;
                return Err(self.incomplete("stopped; the batch is left open"));
            }
        }
        if let Some(why) = read_failure.get() {
            self.save_or_keep()?;
            let input = self.args.input.display();
            return Err(self.incomplete(&format!("cannot read {input}: {why}")));
        }
        let summary = self.run.summary();
        if self.interrupted || !summary.unfinished.is_empty() {
            self.save_or_keep()?;
            let why = match self.interrupted {
                true => "interrupted".to_owned(),
                false => format!("{} records have no result", summary.unfinished_records()),
            };
            return Err(self.incomplete(&why));
        }
        self.finish()
    }

    /// Takes everything that the run delivers.
    async fn take_all(&mut self) -> Result<(), Ended> {
        let mut interrupts = Interrupts::listen()?;
        let period = self.args.writing.checkpoint_interval;
        let mut saves = interval_at(Instant::now() + period, period);
        saves.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = interrupts.next() => {
                    if self.interrupted {
                        return Err(Ended::Stopped);
                    }
                    self.interrupt();
                }
                _ = saves.tick(), if self.checkpoint.is_some() => self.save()?,
                delivery = self.run.next() => match delivery {
                    Some(Ok(delivery)) => {
                        if let Some(report) = self.report {
                            report.take(&delivery);
                        }
                        self.results.take(&delivery)?;
                    }
                    Some(Err(error)) => return Err(Ended::Run(error)),
                    None => return Ok(()),
                },
            }
        }
    }

    /// Gives the numbers at the end to the report.
    fn note_end(&self) {
        if let Some(report) = self.report {
            report.end(&self.run.progress().borrow(), self.run.summary());
        }
    }

    fn interrupt(&mut self) {
        self.interrupted = true;
        match self.args.limits.on_interrupt {
            OnInterrupt::Finish => {
                self.args
                    .note("interrupted: waiting for what is at the service; once more stops now");
                self.run.handle().finish();
            }
            OnInterrupt::Cancel => {
                self.args
                    .note("interrupted: cancelling the batch; once more stops now");
                self.run.handle().cancel();
            }
        }
    }

    /// Why the run failed. What is wrong with the input is told as such.
    fn describe(&self, error: &cspark_batches::Error, read_failure: &ReadFailure) -> String {
        let input = self.args.input.display();
        if let Some(why) = read_failure.get() {
            return format!("cannot read {input}: {why}");
        }
        match error
            .get_ref()
            .and_then(|error| error.downcast_ref::<BadRecord>())
        {
            Some(bad) => format!("{input}: {bad}; --skip-bad-records goes on without such records"),
            None => error.to_string(),
        }
    }

    /// Cancels the batch, since nobody takes its results.
    async fn cancel(&mut self) {
        self.run.handle().cancel();
        let drain = async { while self.run.next().await.is_some() {} };
        // Then the service closes it when it is idle.
        let _ = timeout(CANCEL_TIME, drain).await;
    }

    /// Writes a checkpoint, if there is to be one.
    fn save(&mut self) -> Result<(), Failure> {
        let Some(file) = &self.checkpoint else {
            return Ok(());
        };
        match self.results.sync(self.run.checkpoint())? {
            Some(state) => file.save(state),
            None => Ok(()),
        }
    }

    /// Brings to disk what there is.
    fn save_or_keep(&mut self) -> Result<(), Failure> {
        match &self.checkpoint {
            Some(_) => self.save(),
            None => self.results.keep(),
        }
    }

    /// The failure of a run that did not come to its end, in one line.
    fn incomplete(&self, why: &str) -> Failure {
        let mut line = why.to_owned();
        if let Some(batch) = self.run.summary().batches.last()
            && !why.contains(batch.as_str())
        {
            line += &format!("; batch {batch}");
        }
        line += &format!(
            "; {} records are in {}",
            self.results.entries(),
            self.results.place()
        );
        line += match (&self.checkpoint, self.args.writing.resume) {
            (Some(_), true) => "; the same command continues",
            (Some(_), false) => "; the same command with --resume continues",
            (None, _) => "; with --checkpoint FILE a run can be continued",
        };
        Failure::run(line)
    }

    /// All records are there: the files get their names.
    fn finish(mut self) -> Result<ExitCode, Failure> {
        self.results.end()?;
        if let Some(file) = &self.checkpoint
            && let Some(mut state) = self.results.sync(self.run.checkpoint())?
        {
            state.finished = true;
            file.save(state)?;
        }
        let (entries, failed) = (self.results.entries(), self.results.failed);
        self.results.finish()?;
        if let Some(file) = self.checkpoint.take() {
            file.remove()?;
        }
        let summary = self.run.summary();
        if self.args.writing.json {
            terminal::print(&summary::to_json(&summary, entries, failed))?;
        }
        self.args.note(&summary.to_string());
        if failed.rejected + failed.unreadable > 0 {
            return Err(Failure::run(format!(
                "{} records could not be sent and {} outputs could not be read; the other records \
                 are in the output",
                failed.rejected, failed.unreadable
            )));
        }
        Ok(
            match self.args.writing.fail_on_record_errors && failed.at_service > 0 {
                true => Exit::RecordErrors.into(),
                false => ExitCode::SUCCESS,
            },
        )
    }
}

/// Why a run did not come to its end.
enum Ended {
    /// The run itself failed.
    Run(cspark_batches::Error),
    /// Its results cannot be written.
    Here(Failure),
    /// The user wants it to stop at once.
    Stopped,
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        Self::Here(failure)
    }
}
