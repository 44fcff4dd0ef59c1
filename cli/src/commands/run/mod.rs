//! `run`: a file of records through a service, and its outputs to another file.

mod args;
mod checkpoint;
mod dry_run;
mod interrupt;
mod progress;
mod results;
mod summary;
mod work;

use std::process::ExitCode;

use cspark_batches::run::{RunBuilder, Source};
use cspark_batches::{Client, JsonRow};
use futures_util::StreamExt as _;
use serde::de::IgnoredAny;

pub(crate) use self::args::Args;
use self::checkpoint::{CheckpointFile, State};
use self::progress::Display;
use self::results::Results;
use self::work::Work;
use crate::cli::Global;
use crate::failure::Failure;
use crate::input::Input;
use crate::report::{Page, Recorder};
use crate::terminal;

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
