//! The files that a run writes: the output, the errors and the summaries.

use std::fmt;

use cspark_batches::run::{Checkpoint, Delivery, RecordError};
use serde::Serialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::args::Args;
use super::checkpoint::{Failed, State};
use crate::cells::{Cells, Splitter};
use crate::failure::Failure;
use crate::files::Format;
use crate::output::{Encoder, Entry, OutputFile, complete};

/// The files that a run writes.
pub(super) struct Results {
    encoder: Encoder,
    output: OutputFile,
    errors: Option<OutputFile>,
    summaries: Option<OutputFile>,
    /// The columns of a Parquet file that is made at the end.
    parquet: Option<Vec<String>>,
    with_inputs: bool,
    splitters: Splitters,
    pub(super) failed: Failed,
}

/// What takes the two sides of a record apart.
#[derive(Debug, Default)]
struct Splitters {
    inputs: Splitter,
    outputs: Splitter,
}

/// Why a record has no output.
enum Problem<'a> {
    Record(&'a RecordError),
    /// The output is JSON, but has no names.
    NoObject,
}

impl fmt::Display for Problem<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record(error) => error.fmt(f),
            Self::NoObject => f.write_str("the output cannot be read: it has no named cells"),
        }
    }
}

impl Problem<'_> {
    fn count(&self, failed: &mut Failed) {
        match self {
            Self::Record(RecordError::Unreadable { .. }) | Self::NoObject => failed.unreadable += 1,
            Self::Record(RecordError::Rejected(_)) => failed.rejected += 1,
            Self::Record(_) => failed.at_service += 1,
        }
    }

    fn for_line<'a>(&'a self, text: &'a str) -> ErrorText<'a> {
        match self {
            Self::Record(RecordError::Failed(message)) => ErrorText::OfService(message),
            _ => ErrorText::Own(text),
        }
    }
}

/// A line of the file for errors.
#[derive(Serialize)]
struct ErrorLine<'a> {
    record: u64,
    chunk: &'a str,
    error: ErrorText<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inputs: Option<&'a RawValue>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ErrorText<'a> {
    /// As the service wrote it.
    OfService(&'a cspark_batches::RecordMessage),
    Own(&'a str),
}

/// A line of the file for summaries.
#[derive(Serialize)]
struct SummaryLine<'a> {
    chunk: &'a str,
    first_record: u64,
    records: u64,
    summary: Option<&'a RawValue>,
}

impl Results {
    /// Opens the files, and cuts off what the checkpoint does not count on.
    pub(super) fn open(args: &Args, state: Option<&State>) -> Result<Self, Failure> {
        let (path, format) = args.output()?;
        let output = OutputFile::open(&path, state.map_or(0, |state| state.output_bytes))?;
        let errors = args.writing.errors.as_ref();
        let errors =
            errors.map(|path| OutputFile::open(path, state.map_or(0, |it| it.errors_bytes)));
        let summaries = args.chunks.summaries.as_ref();
        let summaries =
            summaries.map(|path| OutputFile::open(path, state.map_or(0, |it| it.summaries_bytes)));
        Ok(Self {
            encoder: Encoder::new(
                format,
                !args.is_ordered(format),
                args.writing.columns.clone(),
                state.map(|state| state.encoder.clone()).unwrap_or_default(),
            ),
            output,
            errors: errors.transpose()?,
            summaries: summaries.transpose()?,
            parquet: (format == Format::Parquet).then(|| args.writing.columns.clone()),
            with_inputs: args.writing.with_inputs,
            splitters: Splitters::default(),
            failed: state.map(|state| state.failed).unwrap_or_default(),
        })
    }

    /// Gives the files of a run their names that was killed after its last record.
    pub(super) fn complete(args: &Args) -> Result<(), Failure> {
        let (path, format) = args.output()?;
        for path in args.writing.errors.iter().chain(&args.chunks.summaries) {
            complete(path, None)?;
        }
        let parquet = (format == Format::Parquet).then_some(args.writing.columns.as_slice());
        complete(&path, parquet)
    }

    /// Writes what a delivery has.
    pub(super) fn take(&mut self, delivery: &Delivery<IgnoredAny>) -> Result<(), Failure> {
        let Splitters { inputs, outputs } = &mut self.splitters;
        let mut outputs = outputs.records(delivery.outputs_json().unwrap_or_default());
        let needs_inputs = self.with_inputs || (self.errors.is_some() && delivery.failed() > 0);
        let inputs_json = delivery.inputs_json().filter(|_| needs_inputs);
        let mut inputs = inputs.records(inputs_json.unwrap_or_default());
        let (mut input, mut output) = (Cells::default(), Cells::default());
        for (record, outcome) in delivery.iter() {
            let input = inputs.next(&mut input).map(|()| &input);
            let output = outputs.next(&mut output).map(|()| &output);
            let error = match (outcome, output) {
                (Ok(_), Some(_)) => None,
                (Ok(_), None) => Some(Problem::NoObject),
                (Err(error), _) => Some(Problem::Record(error)),
            };
            let text = error.as_ref().map(ToString::to_string);
            let entry = Entry {
                record,
                inputs: input.filter(|_| self.with_inputs),
                outcome: match (&text, output) {
                    (None, Some(output)) => Ok(output),
                    (text, _) => Err(text.as_deref().unwrap_or_default()),
                },
            };
            self.encoder.write(&entry, self.output.buffer())?;
            if let (Some(error), Some(text)) = (error, &text) {
                error.count(&mut self.failed);
                if let Some(file) = &mut self.errors {
                    let inputs = input.map(Cells::to_object);
                    append(
                        file,
                        &ErrorLine {
                            record,
                            chunk: delivery.chunk_id(),
                            error: error.for_line(text),
                            inputs: inputs.as_deref(),
                        },
                    )?;
                }
            }
            self.output.write_if_full()?;
        }
        if let Some(file) = &mut self.summaries {
            let records = delivery.records();
            append(
                file,
                &SummaryLine {
                    chunk: delivery.chunk_id(),
                    first_record: records.start,
                    records: records.end - records.start,
                    summary: delivery.summary_json(),
                },
            )?;
        }
        Ok(())
    }

    /// The number of records with an entry.
    pub(super) fn entries(&self) -> u64 {
        self.encoder.entries()
    }

    /// Where the output is.
    pub(super) fn place(&self) -> String {
        self.output.place()
    }

    /// Brings everything to disk, and returns the state that counts on it; `None` while records
    /// wait for the header of a table.
    pub(super) fn sync(&mut self, run: Checkpoint) -> Result<Option<State>, Failure> {
        let Some(encoder) = self.encoder.state().cloned() else {
            return Ok(None);
        };
        let mut state = State::new(run, encoder, self.failed);
        state.output_bytes = self.output.sync()?;
        if let Some(file) = &mut self.errors {
            state.errors_bytes = file.sync()?;
        }
        if let Some(file) = &mut self.summaries {
            state.summaries_bytes = file.sync()?;
        }
        Ok(Some(state))
    }

    /// Appends the end of the output, after which nothing may come.
    pub(super) fn end(&mut self) -> Result<(), Failure> {
        self.encoder.finish(self.output.buffer())
    }

    /// Gives the files their names.
    pub(super) fn finish(self) -> Result<(), Failure> {
        for file in self.errors.into_iter().chain(self.summaries) {
            file.finish(None)?;
        }
        self.output.finish(self.parquet.as_deref())
    }

    /// Writes what is in memory, for a run that ends early.
    pub(super) fn keep(&mut self) -> Result<(), Failure> {
        let files = [
            Some(&mut self.output),
            self.errors.as_mut(),
            self.summaries.as_mut(),
        ];
        for file in files.into_iter().flatten() {
            file.sync()?;
        }
        Ok(())
    }
}

fn append(file: &mut OutputFile, line: &impl Serialize) -> Result<(), Failure> {
    let buffer = file.buffer();
    serde_json::to_writer(&mut *buffer, line)
        .map_err(|error| Failure::run(format!("a line cannot be written: {error}")))?;
    buffer.push(b'\n');
    file.write_if_full()
}
