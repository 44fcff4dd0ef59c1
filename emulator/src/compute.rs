//! From a chunk to its result: reads the records, calls the service for each, and writes the
//! chunk's entry in the response to a pull.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::aggregate::Aggregates;
use crate::service::{Output, Record, Row, Service, columns};
use crate::shapes::{ErrorShape, FailedOutput, OptionalFields, OutputShape, Shapes};
use crate::wire::{self, Fields};

/// The service and the settings for all chunks of a push.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) service: Service,
    pub(crate) shapes: Shapes,
    /// The outputs to return. If empty, all are returned.
    pub(crate) selected: Vec<String>,
    pub(crate) time_per_record: Duration,
}

/// The records of a chunk, checked as far as the API forbids something about them.
#[derive(Debug)]
pub(crate) struct Inputs<'a> {
    /// `None` for a list of objects.
    columns: Option<Vec<Cow<'a, str>>>,
    rows: &'a [&'a RawValue],
    parameters: Vec<(Cow<'a, str>, &'a RawValue)>,
}

impl<'a> Inputs<'a> {
    /// Reads the header and looks at the kind of each row.
    ///
    /// The error is the rest of a sentence that begins with the place of the chunk.
    pub(crate) fn new(data: &'a wire::ChunkData<'a>) -> Result<Self, String> {
        let mut parameters = data.parameters.clone().unwrap_or_default().0;
        let Some(first) = data.inputs.first() else {
            return Err("data.inputs: holds no records".to_owned());
        };
        let kind = first.get().as_bytes().first().copied();
        if !matches!(kind, Some(b'[' | b'{')) {
            return Err(
                "data.inputs[0]: must be the header row of a table, or an object".to_owned(),
            );
        }
        if let Some(odd) = data
            .inputs
            .iter()
            .position(|row| row.get().as_bytes().first().copied() != kind)
        {
            return Err(format!(
                "data.inputs[{odd}]: differs in kind from the first row; use arrays only, or objects only"
            ));
        }
        if kind == Some(b'{') {
            return Ok(Self {
                columns: None,
                rows: &data.inputs,
                parameters,
            });
        }
        let columns = columns(first).map_err(|problem| format!("data.inputs[0]: {problem}"))?;
        parameters.retain(|(name, _)| !columns.contains(name));
        Ok(Self {
            columns: Some(columns),
            rows: &data.inputs[1..],
            parameters,
        })
    }

    /// Number of records; the header row does not count.
    pub(crate) fn len(&self) -> u64 {
        self.rows.len() as u64
    }

    /// Whether `size` is the number of records and the header row.
    pub(crate) fn counts_header(&self, size: u64) -> bool {
        self.columns.is_some() && size == self.len() + 1
    }

    fn record(&'a self, row: &'a RawValue) -> Record<'a> {
        let row = match &self.columns {
            Some(columns) => Row::Cells {
                columns,
                cells: row,
            },
            None => Row::Object(row),
        };
        Record {
            row,
            parameters: &self.parameters,
        }
    }
}

/// The result of computing a chunk.
#[derive(Debug)]
pub(crate) struct Computed {
    pub(crate) failed: u64,
    pub(crate) result: Bytes,
    /// Emulated time beyond what every record takes.
    pub(crate) extra_time: Duration,
}

/// Computes all records of a chunk.
///
/// # Errors
///
/// If the summary options are invalid. The message is the rest of a sentence that begins with the
/// place of the chunk.
pub(crate) fn compute(
    id: &str,
    inputs: &Inputs<'_>,
    summary: &wire::Summary,
    job: &Job,
) -> Result<Computed, String> {
    let mut aggregates =
        Aggregates::new(&summary.aggregation, summary.ignore_error.unwrap_or(false))?;
    let mut outputs = Outputs::new(job);
    let mut errors = Column::new("null");
    let mut warnings = Column::new("null");
    let mut times = Column::new(&process_time(job, Duration::ZERO));
    let mut extra_time = Duration::ZERO;
    let mut failed = 0;
    let mut output = Output::default();
    for row in inputs.rows {
        output.object.clear();
        output.warning = None;
        output.extra_time = Duration::ZERO;
        let record = inputs.record(row);
        // A panic of the service fails the record; it must not stop the server.
        let done = catch_unwind(AssertUnwindSafe(|| {
            (job.service.function)(&record, &mut output)
        }))
        .unwrap_or_else(|_| Err("the service panicked".to_owned()))
        .and_then(|()| {
            if output.object.is_empty() {
                output.object.push(b'{');
            }
            output.object.push(b'}');
            outputs.push(&output.object, &mut aggregates)
        });
        match done {
            Ok(()) => errors.push_nothing(),
            Err(problem) => {
                failed += 1;
                outputs.push_failed();
                aggregates.failed();
                errors.push(|out| write_error(out, &problem, job.shapes.errors));
            }
        }
        match &output.warning {
            None => warnings.push_nothing(),
            Some(warning) => warnings.push(|out| write_json(out, warning)),
        }
        if output.extra_time.is_zero() {
            times.push_nothing();
        } else {
            extra_time = extra_time.saturating_add(output.extra_time);
            let time = process_time(job, output.extra_time);
            times.push(|out| out.extend_from_slice(time.as_bytes()));
        }
    }

    let mut result = Vec::with_capacity(outputs.rows.len() + inputs.rows.len() * 16 + 160);
    result.extend_from_slice(b"{\"id\":");
    write_json(&mut result, id);
    let optional = job.shapes.optional_fields;
    write_field(&mut result, "summary_output", optional, |out| {
        aggregates.write(out)
    });
    result.extend_from_slice(b",\"outputs\":");
    if summary.return_all_records.unwrap_or(true) {
        outputs.finish(&mut result);
    } else {
        result.extend_from_slice(b"[]");
    }
    write_field(&mut result, "warnings", optional, |out| {
        warnings.finish(out)
    });
    let of_errors = if failed > 0 {
        OptionalFields::Given
    } else {
        optional
    };
    write_field(&mut result, "errors", of_errors, |out| errors.finish(out));
    write_field(&mut result, "process_time", optional, |out| {
        times.finish(out)
    });
    if job.shapes.unknown_fields {
        result.extend_from_slice(b",\"a_field_of_tomorrow\":{\"of\":[0,0]}");
    }
    result.push(b'}');
    Ok(Computed {
        failed,
        result: result.into(),
        extra_time,
    })
}

/// The outputs of a chunk in the making.
struct Outputs<'a> {
    job: &'a Job,
    shape: OutputShape,
    /// The columns of a table, known from the first record that has an output.
    columns: Option<Vec<String>>,
    rows: Vec<u8>,
}

impl<'a> Outputs<'a> {
    fn new(job: &'a Job) -> Self {
        Self {
            job,
            shape: job.service.outputs.unwrap_or(job.shapes.outputs),
            columns: None,
            rows: Vec::new(),
        }
    }

    /// Adds the output of one record, given as the text of an object.
    fn push(&mut self, object: &[u8], aggregates: &mut Aggregates<'_>) -> Result<(), String> {
        // The case of nearly all records: the text is sent as it is.
        if self.shape == OutputShape::Objects
            && self.job.selected.is_empty()
            && aggregates.is_empty()
        {
            self.separate();
            self.rows.extend_from_slice(object);
            return Ok(());
        }
        let Fields(mut fields) = std::str::from_utf8(object)
            .map_err(|error| error.to_string())
            .and_then(|object| serde_json::from_str(object).map_err(|error| error.to_string()))
            .map_err(|error| format!("the output is not an object: {error}"))?;
        if !self.job.selected.is_empty() {
            fields.retain(|(name, _)| self.job.selected.iter().any(|selected| selected == name));
        }
        match self.shape {
            OutputShape::Objects => {
                self.separate();
                self.rows.push(b'{');
                for (index, (name, value)) in fields.iter().enumerate() {
                    if index > 0 {
                        self.rows.push(b',');
                    }
                    write_json(&mut self.rows, name);
                    self.rows.push(b':');
                    self.rows.extend_from_slice(value.get().as_bytes());
                }
                self.rows.push(b'}');
            }
            OutputShape::Table => {
                let columns = self.columns.get_or_insert_with(|| {
                    fields
                        .iter()
                        .map(|(name, _)| name.clone().into_owned())
                        .collect()
                });
                if !columns.iter().eq(fields.iter().map(|(name, _)| name)) {
                    return Err(
                        "the fields of the output differ from those of the records before it"
                            .to_owned(),
                    );
                }
                self.separate();
                self.rows.push(b'[');
                for (index, (_, value)) in fields.iter().enumerate() {
                    if index > 0 {
                        self.rows.push(b',');
                    }
                    self.rows.extend_from_slice(value.get().as_bytes());
                }
                self.rows.push(b']');
            }
        }
        aggregates.add(&fields);
        Ok(())
    }

    fn push_failed(&mut self) {
        self.separate();
        self.rows
            .extend_from_slice(match (self.job.shapes.failed_output, self.shape) {
                (FailedOutput::Null, _) => b"null",
                (FailedOutput::Empty, OutputShape::Objects) => b"{}",
                (FailedOutput::Empty, OutputShape::Table) => b"[]",
            });
    }

    fn separate(&mut self) {
        if !self.rows.is_empty() {
            self.rows.push(b',');
        }
    }

    fn finish(&self, out: &mut Vec<u8>) {
        out.push(b'[');
        if self.shape == OutputShape::Table {
            write_json(out, self.columns.as_deref().unwrap_or_default());
            out.push(b',');
        }
        out.extend_from_slice(&self.rows);
        out.push(b']');
    }
}

/// A list with one entry a record, nearly all of which are the same.
struct Column {
    usual: String,
    /// Usual entries that are not written yet; all entries as long as none is unusual.
    count: usize,
    written: Vec<u8>,
}

impl Column {
    fn new(usual: &str) -> Self {
        Self {
            usual: usual.to_owned(),
            count: 0,
            written: Vec::new(),
        }
    }

    fn push_nothing(&mut self) {
        self.count += 1;
    }

    fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        Self::write_usual(&mut self.written, &self.usual, &mut self.count);
        write(&mut self.written);
        self.written.push(b',');
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        out.push(b'[');
        out.extend_from_slice(&self.written);
        Self::write_usual(out, &self.usual, &mut self.count);
        if out.last() == Some(&b',') {
            out.pop();
        }
        out.push(b']');
    }

    fn write_usual(out: &mut Vec<u8>, usual: &str, count: &mut usize) {
        for _ in 0..std::mem::take(count) {
            out.extend_from_slice(usual.as_bytes());
            out.push(b',');
        }
    }
}

fn write_field(
    out: &mut Vec<u8>,
    name: &str,
    form: OptionalFields,
    write: impl FnOnce(&mut Vec<u8>),
) {
    if form == OptionalFields::Absent {
        return;
    }
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    match form {
        OptionalFields::Null => out.extend_from_slice(b"null"),
        _ => write(out),
    }
}

fn write_error(out: &mut Vec<u8>, problem: &str, shape: ErrorShape) {
    if shape == ErrorShape::Text {
        return write_json(out, problem);
    }
    let (open, close): (&[u8], &[u8]) = if shape == ErrorShape::List {
        (b"[{", b"}]")
    } else {
        (b"{", b"}")
    };
    out.extend_from_slice(open);
    out.extend_from_slice(b"\"error_type\":\"SERVICE_ERROR\",\"message\":");
    write_json(out, problem);
    out.extend_from_slice(close);
}

fn write_json<T: serde::Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    // Texts and lists of texts always serialise, and writing to a Vec does not fail.
    let _ = serde_json::to_writer(out, value);
}

/// The time that a record takes in milliseconds, as JSON.
fn process_time(job: &Job, extra: Duration) -> String {
    let time = job.time_per_record.saturating_add(extra);
    if job.shapes.fractional_times {
        format!("{:.3}", time.as_secs_f64() * 1000.0)
    } else {
        time.as_millis().to_string()
    }
}
