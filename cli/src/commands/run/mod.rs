//! `run`: a file of records through a service, and its outputs to another file.

mod args;
mod checkpoint;
mod dry_run;
mod interrupt;
mod progress;
mod results;
mod summary;

use std::process::ExitCode;
use std::time::Duration;

use cspark_batches::run::{Run, RunBuilder, Source};
use cspark_batches::{Client, JsonRow};
use futures_util::StreamExt as _;
use serde::de::IgnoredAny;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

pub(crate) use self::args::Args;
use self::args::OnInterrupt;
use self::checkpoint::{CheckpointFile, State};
use self::interrupt::Interrupts;
use self::progress::Display;
use self::results::Results;
use crate::cli::Global;
use crate::failure::{Exit, Failure};
use crate::input::{BadRecord, Input, ReadFailure};
use crate::report::{Page, Recorder};
use crate::terminal;

/// How long a run that failed here may take to cancel its batch.
const CANCEL_TIME: Duration = Duration::from_secs(20);

impl Args {
    pub(crate) async fn execute(self, global: &Global) -> Result<ExitCode, Failure> {
        let input_options = self.input_options()?;
        if self.dry_run {
            return dry_run::execute(&self, input_options, global).await;
        }
        self.check_output()?;
        let mut client = global.client_builder()?;
        if let Some(time) = self.limits.request_timeout {
            client = client.request_timeout(time);
        }
        let client = client.build()?;
        let checkpoint = self.writing.checkpoint.as_deref();
        let (checkpoint, state) = match checkpoint.map(|path| CheckpointFile::open(path, &self)) {
            Some(opened) => {
                let (file, state) = opened?;
                (Some(file), state)
            }
            None => (None, None),
        };
        if state.as_ref().is_some_and(|state| state.finished) {
            Results::complete(&self)?;
            checkpoint.map_or(Ok(()), CheckpointFile::remove)?;
            self.note("the run was complete already");
            return Ok(ExitCode::SUCCESS);
        }

        // Before anything is sent.
        let report = self
            .writing
            .report
            .as_deref()
            .map(Page::create)
            .transpose()?;
        let input = Input::open(input_options)?;
        let chunker = self.chunker()?;
        let results = Results::open(&self, state.as_ref())?;
        let position = input.position.clone();
        let read_failure = input.failure();
        let length = input.length;
        let columns = match input.columns.is_empty() {
            // A table has columns, even one without records.
            true => vec!["none".to_owned()],
            false => input.columns.clone(),
        };
        let rows = input.into_records().map(|row| row.map(JsonRow::new));
        let mut run = client
            .batches()
            .run::<JsonRow, IgnoredAny>(self.service.as_str(), Source::json_rows(columns, rows))
            .chunker(chunker)
            // Cells go from the response to the file as they are.
            .keep_outputs();
        if let Some(length) = length {
            run = run.expect_records(length);
        }
        let run = self.set_options(run, state.as_ref())?.start()?;
        let report = report.map(|page| Recorder::start(page, run.progress()));
        let display = (!self.writing.quiet).then(|| Display::start(run.progress(), position));
        let work = Work {
            args: &self,
            run,
            results,
            checkpoint,
            display,
            report: report.as_ref(),
            interrupted: false,
        };
        let ended = work.drive(&read_failure).await;
        let Some(report) = report else {
            return ended;
        };
        let failure = ended.as_ref().err().map(ToString::to_string);
        match report.write(&self.settings(&client), failure.as_deref()) {
            Ok(()) => ended,
            Err(unwritten) if ended.is_ok() => Err(unwritten),
            Err(unwritten) => {
                terminal::note(&format!("error: {unwritten}"));
                ended
            }
        }
    }

    fn set_options(
        &self,
        mut run: RunBuilder<JsonRow, IgnoredAny>,
        state: Option<&State>,
    ) -> Result<RunBuilder<JsonRow, IgnoredAny>, Failure> {
        let (_, format) = self.output()?;
        let limits = &self.limits;
        if self.is_ordered(format) {
            run = run.in_input_order();
        }
        if self.needs_inputs() {
            run = run.keep_inputs();
        }
        if self.skip_bad_records {
            run = run.deliver_bad_records();
        }
        if let Some(size) = limits.max_memory {
            run = run.memory(usize::try_from(size.as_u64()).unwrap_or(usize::MAX));
        }
        if let Some(records) = limits.failure_limit {
            run = run.failure_limit(records);
        }
        if let Some(time) = limits.stall_limit {
            run = run.stall_limit(time);
        }
        if let Some(time) = limits.outage_limit {
            run = run.outage_limit(time);
        }
        if let Some(times) = limits.resubmissions {
            run = run.resubmissions(times);
        }
        if let Some(pushes) = limits.pushes_in_flight {
            run = run.pushes_in_flight(pushes);
        }
        if let Some(pulls) = limits.pulls_in_flight {
            run = run.pulls_in_flight(pulls);
        }
        if let Some(state) = state {
            run = run.resume(state.run.clone());
        }
        let batch = self.batch.clone();
        Ok(run
            .split_large_chunks(limits.split_large_chunks)
            .skip_refused_chunks(limits.skip_refused_chunks)
            .after_error(limits.after_error.into())
            .batch_options(|create| batch.apply(create)))
    }

    /// The settings for the report: where the service is, and the command line, which has no secrets.
    fn settings(&self, client: &Client) -> Vec<(String, String)> {
        let mut arguments = Vec::new();
        let given = std::env::args_os().skip(1);
        let mut given = given.map(|argument| argument.to_string_lossy().into_owned());
        while let Some(argument) = given.next() {
            // The client's own URL is shown instead.
            match argument.as_str() {
                "--base-url" => drop(given.next()),
                other if other.starts_with("--base-url=") => {}
                _ => arguments.push(argument),
            }
        }
        [
            ("service", self.service.clone()),
            ("at", client.base_url()),
            ("arguments", arguments.join(" ")),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    fn note(&self, line: &str) {
        if !self.writing.quiet {
            terminal::note(line);
        }
    }
}

/// A run that is under way.
struct Work<'a> {
    args: &'a Args,
    run: Run<IgnoredAny>,
    results: Results,
    checkpoint: Option<CheckpointFile>,
    display: Option<Display>,
    report: Option<&'a Recorder>,
    interrupted: bool,
}

impl Work<'_> {
    async fn drive(mut self, read_failure: &ReadFailure) -> Result<ExitCode, Failure> {
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
        // The last of them may have come when there was nothing left to end.
        let failures =
            summary.failed_records + summary.unreadable_records + summary.rejected_records;
        if let Some(most) = self
            .args
            .limits
            .failure_limit
            .filter(|most| failures > *most)
        {
            return Err(Failure::run(format!(
                "{failures} records failed, and --failure-limit is {most}; the output is complete"
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
