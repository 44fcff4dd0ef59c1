//! The outcomes that a run delivers, chunk by chunk.

use std::error::Error as StdError;
use std::fmt;
use std::ops::Range;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::machine::FailedRecords;
use super::requests::{RawOutputs, RawResult};
use crate::chunk::Chunk;
use crate::error::{Error, Result};
use crate::raw::ext::entry;
use crate::raw::record_message::RecordMessage;
use crate::records::{EachOutput, Outputs, Unreadable, read_summary};

/// A result that waits for the consumer.
pub(super) struct QueuedResult {
    pub(super) first: u64,
    pub(super) records: u64,
    pub(super) chunk_id: String,
    pub(super) outcome: QueuedOutcome,
    /// Whether the service was asked to return no records.
    pub(super) summary_only: bool,
    /// The chunk's inputs, if the run keeps them.
    pub(super) inputs: Option<Chunk>,
    /// Whether the outputs are handed out as they came.
    pub(super) keep_outputs: bool,
}

pub(super) enum QueuedOutcome {
    /// From the service.
    Result(RawResult),
    /// The one record cannot be sent.
    Rejected(Error),
}

/// The outcomes of the records of one chunk.
///
/// Records are numbered from 0 over the whole input of the run.
#[derive(Debug)]
pub struct Delivery<O> {
    chunk_id: String,
    first: u64,
    records: u64,
    outcomes: Vec<Result<O, RecordError>>,
    /// The errors of records that the service was asked to return no outputs of.
    errors: Vec<(u64, RecordError)>,
    warnings: Option<Vec<Option<RecordMessage>>>,
    process_times: Option<Vec<Option<f64>>>,
    summary_output: Option<Box<RawValue>>,
    inputs: Option<Chunk>,
    outputs: Option<RawOutputs>,
}

impl<O> Delivery<O> {
    /// The chunk's id: the caller's for a prepared chunk, else the one that it had on the wire.
    pub fn chunk_id(&self) -> &str {
        &self.chunk_id
    }

    /// The numbers of the records.
    pub fn records(&self) -> Range<u64> {
        self.first..self.first + self.records
    }

    /// The outcomes, one a record and in their order.
    ///
    /// There are none if the run asks for summaries alone, with `return_all_records` set to
    /// `false`; see [`errors`](Self::errors) for the records that failed then.
    pub fn outcomes(&self) -> &[Result<O, RecordError>] {
        &self.outcomes
    }

    /// The outcomes, one a record and in their order; see [`outcomes`](Self::outcomes).
    pub fn into_outcomes(self) -> Vec<Result<O, RecordError>> {
        self.outcomes
    }

    /// Each record's number with its outcome.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &Result<O, RecordError>)> {
        (self.first..).zip(&self.outcomes)
    }

    /// The records that have an error instead of an output, by their numbers.
    pub fn errors(&self) -> impl Iterator<Item = (u64, &RecordError)> {
        let outcomes = self.iter();
        let failed =
            outcomes.filter_map(|(record, outcome)| Some((record, outcome.as_ref().err()?)));
        failed.chain(self.errors.iter().map(|(record, error)| (*record, error)))
    }

    /// How many records have an error instead of an output.
    pub fn failed(&self) -> u64 {
        self.failed_records().total()
    }

    pub(super) fn failed_records(&self) -> FailedRecords {
        let mut failed = FailedRecords::default();
        for (_, error) in self.errors() {
            match error {
                RecordError::Failed(_) | RecordError::NoOutput => failed.at_service += 1,
                RecordError::Unreadable { .. } => failed.unreadable += 1,
                RecordError::Rejected(_) => failed.rejected += 1,
            }
        }
        failed
    }

    /// The inputs of the records, read as `T`, one a record and in their order. `T` is whatever
    /// has the names of the columns, as for the outputs.
    ///
    /// `None` unless the run [keeps them](super::RunBuilder::keep_inputs), and for a record that
    /// could not be sent.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Decode`](crate::ErrorKind::Decode) if they cannot be read as `T`.
    pub fn inputs<T: DeserializeOwned>(&self) -> Option<Result<Vec<T>>> {
        let chunk = self.inputs.as_ref()?;
        let inputs = Outputs::from_json(chunk.inputs())
            .map_err(|error| Error::decode("inputs", &error).with_cause(error));
        Some(inputs.map(|inputs| inputs.into_iter().flatten().collect()))
    }

    /// The inputs of the records as JSON, as they were sent: a table with a header row, or a list
    /// of objects. See [`inputs`](Self::inputs).
    pub fn inputs_json(&self) -> Option<&str> {
        self.inputs.as_ref().map(Chunk::inputs)
    }

    /// The outputs of the records as JSON, as they came: a table with a header row, or a list of
    /// objects. In either, what stands for a record without an output is up to the service.
    ///
    /// `None` unless the run [keeps them](super::RunBuilder::keep_outputs), if there are none, and
    /// if they are not UTF-8.
    pub fn outputs_json(&self) -> Option<&str> {
        std::str::from_utf8(self.outputs.as_ref()?.json()).ok()
    }

    /// The service's warning for a record, by the record's number.
    pub fn warning(&self, record: u64) -> Option<&RecordMessage> {
        entry(self.warnings.as_deref(), self.index(record)?)
    }

    /// The time that a record took to compute, in milliseconds, by the record's number.
    pub fn process_time_ms(&self, record: u64) -> Option<f64> {
        entry(self.process_times.as_deref(), self.index(record)?).copied()
    }

    /// The index of a record among those of the chunk, unless it is one before them.
    fn index(&self, record: u64) -> Option<usize> {
        usize::try_from(record.checked_sub(self.first)?).ok()
    }

    /// The aggregates that the chunk's summary asked for, read as `S`: a struct or a map with the
    /// names of the outputs, a tuple in their order, or [`Aggregates`](crate::Aggregates). `None`
    /// if there are none.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Decode`](crate::ErrorKind::Decode) if they cannot be read as `S`.
    pub fn summary<S: DeserializeOwned>(&self) -> Result<Option<S>> {
        self.summary_json()
            .map_or(Ok(None), |summary| read_summary(summary))
    }

    /// The aggregates that the chunk's summary asked for, as JSON.
    pub fn summary_json(&self) -> Option<&RawValue> {
        self.summary_output.as_deref()
    }
}

/// A function that reads the outputs of a whole chunk.
///
/// It gets them as JSON, a table with a header row or a list of objects, and the number of their
/// records. It returns an output for each, `None` for a record that has none. If it cannot read
/// them, it returns `None` instead of the list; then, or if the list has another length, they are
/// read one by one, as always. It is not called for a chunk that has no outputs or none in UTF-8.
///
/// See [`Run::poll_next_with`](super::Run::poll_next_with).
pub type ReadOutputs<'a, O> = dyn FnMut(&str, usize) -> Option<Vec<Option<O>>> + 'a;

impl<O: DeserializeOwned> Delivery<O> {
    /// Decodes a result. Whatever is wrong with it is the outcome of the records concerned.
    pub(super) fn decode(queued: QueuedResult, read: &mut ReadOutputs<'_, O>) -> Self {
        let QueuedResult {
            first,
            records,
            chunk_id,
            outcome,
            summary_only,
            inputs,
            keep_outputs,
        } = queued;
        let result = match outcome {
            QueuedOutcome::Result(result) => result,
            QueuedOutcome::Rejected(error) => {
                return Self {
                    chunk_id,
                    first,
                    records,
                    outcomes: vec![Err(RecordError::Rejected(error))],
                    errors: Vec::new(),
                    warnings: None,
                    process_times: None,
                    summary_output: None,
                    inputs,
                    outputs: None,
                };
            }
        };
        let RawResult {
            errors,
            outputs,
            process_time,
            summary_output,
            warnings,
            ..
        } = result;
        let count = usize::try_from(records).unwrap_or(usize::MAX);
        let kept = outputs;
        let outputs = decode_outputs(kept.as_ref().map(RawOutputs::json), count, read);
        let mut failed = Vec::new();
        let outcomes = match errors {
            None if outputs.len() == count => outputs,
            errors if summary_only && outputs.is_empty() => {
                let errors = (first..).zip(errors.unwrap_or_default());
                failed.extend(errors.filter_map(|(record, message)| {
                    message.map(|message| (record, RecordError::Failed(message)))
                }));
                outputs
            }
            errors => {
                let mut errors = errors.unwrap_or_default().into_iter();
                let mut outputs = outputs.into_iter();
                let outcome = |_| match (errors.next().flatten(), outputs.next()) {
                    (Some(message), _) => Err(RecordError::Failed(message)),
                    (None, Some(outcome)) => outcome,
                    (None, None) => Err(RecordError::NoOutput),
                };
                (0..count).map(outcome).collect()
            }
        };
        Self {
            chunk_id,
            first,
            records,
            outcomes,
            errors: failed,
            warnings,
            process_times: process_time,
            summary_output,
            inputs,
            outputs: kept.filter(|_| keep_outputs),
        }
    }
}

fn decode_outputs<O: DeserializeOwned>(
    json: Option<&[u8]>,
    count: usize,
    read: &mut ReadOutputs<'_, O>,
) -> Vec<Result<O, RecordError>> {
    let json = match json.map(std::str::from_utf8) {
        Some(Ok(json)) => json,
        Some(Err(error)) => {
            let text = String::from_utf8_lossy(json.unwrap_or_default());
            return unreadable(&error.to_string(), &text, count);
        }
        None => return Vec::new(),
    };
    let some = |output: Option<O>| output.ok_or(RecordError::NoOutput);
    let outputs = match read(json, count).filter(|outputs| outputs.len() == count) {
        Some(outputs) => Ok(Outputs::from(outputs)),
        None => Outputs::with_capacity_hint(count, json),
    };
    let outputs: Vec<_> = match outputs {
        Ok(outputs) => outputs.into_iter().map(some).collect(),
        // The slow way: one that is not as expected leaves the others whole.
        Err(_) => match serde_json::from_str::<EachOutput<O>>(json) {
            Ok(EachOutput(outputs)) => outputs
                .into_iter()
                .map(|output| match output {
                    Ok(output) => some(output),
                    Err(Unreadable { why, json }) => Err(RecordError::Unreadable {
                        why,
                        json: json.get().to_owned(),
                    }),
                })
                .collect(),
            Err(error) => return unreadable(&error.to_string(), json, count),
        },
    };
    // Without a common length nobody knows which output belongs to which record. None at all is
    // how a summary without records looks.
    if outputs.len() != count && !outputs.is_empty() {
        let why = format!(
            "the chunk has {count} records, and {} outputs came back",
            outputs.len()
        );
        return unreadable(&why, json, count);
    }
    outputs
}

/// All records of the chunk are unreadable. The text goes with the first, not with each.
fn unreadable<O>(why: &str, json: &str, count: usize) -> Vec<Result<O, RecordError>> {
    let mut text = json.to_owned();
    (0..count)
        .map(|_| {
            Err(RecordError::Unreadable {
                why: why.to_owned(),
                json: std::mem::take(&mut text),
            })
        })
        .collect()
}

/// Why a record has no output.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RecordError {
    /// The service returned this error for it.
    Failed(RecordMessage),
    /// The service returned neither an output nor an error.
    NoOutput,
    /// Its output is not what the output type expects.
    Unreadable {
        /// What is wrong.
        why: String,
        /// The output as it came. If the outputs of a whole chunk cannot be read, the first of its
        /// records has the text of all, and the others have an empty text.
        json: String,
    },
    /// The record was not sent, because the source could not give it or it cannot be encoded.
    /// Only with [`deliver_bad_records`](super::RunBuilder::deliver_bad_records).
    Rejected(Error),
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(message) => message.fmt(f),
            Self::NoOutput => f.write_str("the service returned neither an output nor an error"),
            Self::Unreadable { why, .. } => write!(f, "the output cannot be read: {why}"),
            Self::Rejected(error) => write!(f, "the record was not sent: {error}"),
        }
    }
}

impl StdError for RecordError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Rejected(error) => error.source(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Volume {
        volume: f64,
    }

    fn queued(records: u64, result: RawResult, summary_only: bool) -> QueuedResult {
        QueuedResult {
            first: 100,
            records,
            chunk_id: "x".into(),
            outcome: QueuedOutcome::Result(result),
            summary_only,
            inputs: None,
            keep_outputs: false,
        }
    }

    fn decode<O: DeserializeOwned>(queued: QueuedResult) -> Delivery<O> {
        Delivery::decode(queued, &mut |_, _| None)
    }

    #[test]
    fn summaries_alone_are_no_failures() {
        for json in [
            r#"{"summary_output": [["total"], [7]]}"#,
            r#"{"outputs": []}"#,
        ] {
            let result = serde_json::from_str(json).unwrap();
            let delivery = decode::<Volume>(queued(2, result, true));
            assert_eq!(delivery.records(), 100..102);
            assert_eq!((delivery.outcomes().len(), delivery.failed()), (0, 0));
        }
        let result = serde_json::from_str(r#"{"errors": [null, "bad"]}"#).unwrap();
        let delivery = decode::<Volume>(queued(2, result, true));
        let errors: Vec<_> = delivery.errors().collect();
        assert!(
            matches!(errors[..], [(101, RecordError::Failed(message))] if message.to_string() == "bad"),
            "{errors:?}"
        );
        assert_eq!((delivery.outcomes().len(), delivery.failed()), (0, 1));
    }

    fn read(json: &str, records: u64) -> Vec<String> {
        let result: RawResult = serde_json::from_str(json).unwrap();
        let delivery = decode::<Volume>(queued(records, result, false));
        assert_eq!(delivery.records(), 100..100 + records);
        let shown = |outcome: &Result<Volume, RecordError>| match outcome {
            Ok(volume) => volume.volume.to_string(),
            Err(RecordError::Unreadable { json, .. }) => format!("unreadable {json}"),
            Err(error) => error.to_string(),
        };
        delivery.outcomes().iter().map(shown).collect()
    }

    #[test]
    fn every_record_has_its_own_outcome() {
        let none = "the service returned neither an output nor an error";
        let table: &[(&str, u64, &[&str])] = &[
            (
                r#"{"outputs": [{"volume": 1}, {"volume": 2.5}]}"#,
                2,
                &["1", "2.5"],
            ),
            (
                r#"{"outputs": [["volume"], [1], [2.5]], "errors": [null, null]}"#,
                2,
                &["1", "2.5"],
            ),
            (
                r#"{"outputs": [{"volume": 1}, {}], "errors": [null, "too flat"]}"#,
                2,
                &["1", "too flat"],
            ),
            (
                r#"{"outputs": [{"volume": 1}, null], "errors": [null, {"message": "bad"}]}"#,
                2,
                &["1", "bad"],
            ),
            (
                r#"{"outputs": [{"volume": 1}, {"volume": "x"}, null]}"#,
                3,
                &["1", r#"unreadable {"volume": "x"}"#, none],
            ),
            (
                r#"{"outputs": [["volume"], [1], [[]]]}"#,
                2,
                &["1", "unreadable [[]]"],
            ),
            (r#"{"outputs": []}"#, 2, &[none, none]),
            (r#"{}"#, 1, &[none]),
            (r#"{"outputs": 7}"#, 2, &["unreadable 7", "unreadable "]),
            (
                r#"{"outputs": [{"volume": 1}]}"#,
                2,
                &[r#"unreadable [{"volume": 1}]"#, "unreadable "],
            ),
        ];
        for (json, records, expected) in table {
            assert_eq!(read(json, *records), *expected, "{json}");
        }
    }

    #[test]
    fn outputs_that_are_not_utf8_are_unreadable() {
        let json: &[u8] = b"[{\"volume\": 1}, {\"volume\": \"m\xb3\"}]";
        let result = RawResult {
            errors: None,
            id: None,
            outputs: Some(json.into()),
            process_time: None,
            summary_output: None,
            warnings: None,
        };
        let delivery = decode::<Volume>(queued(2, result, false));
        let shown =
            |outcome: &Result<Volume, RecordError>| outcome.as_ref().unwrap_err().to_string();
        let shown: Vec<_> = delivery.outcomes().iter().map(shown).collect();
        assert_eq!(shown.len(), 2);
        assert!(
            shown.iter().all(|shown| shown.contains("invalid utf-8")),
            "{shown:?}"
        );
    }

    #[test]
    fn outputs_are_kept_as_they_came() {
        let json = r#"[["volume"], [1.50], null]"#;
        for keep_outputs in [true, false] {
            let text = format!(r#"{{"outputs": {json}}}"#);
            let result = serde_json::from_str(&text).unwrap();
            let queued = QueuedResult {
                keep_outputs,
                ..queued(2, result, false)
            };
            let delivery = decode::<serde::de::IgnoredAny>(queued);
            assert_eq!(delivery.outputs_json(), keep_outputs.then_some(json));
            assert_eq!(delivery.failed(), 1);
        }
    }

    #[test]
    fn notes_are_found_by_the_number_of_the_record() {
        let json = r#"{
            "outputs": [{"volume": 1}, {"volume": 2}],
            "warnings": [null, "odd"],
            "process_time": [1, 2.5]
        }"#;
        let result = serde_json::from_str(json).unwrap();
        let delivery = decode::<Volume>(queued(2, result, false));
        assert_eq!(delivery.warning(101).unwrap().to_string(), "odd");
        assert!(
            delivery.warning(100).is_none()
                && delivery.warning(99).is_none()
                && delivery.warning(102).is_none()
        );
        assert_eq!(delivery.process_time_ms(101), Some(2.5));
    }

    #[test]
    fn outputs_may_be_read_as_a_whole() {
        let outputs = r#"[{"volume": 1}, null, {"volume": 2}]"#;
        let json = format!(r#"{{"outputs": {outputs}, "errors": [null, null, "bad"]}}"#);
        let decode = |read: &mut ReadOutputs<'_, Volume>| {
            let result = serde_json::from_str(&json).unwrap();
            let delivery = Delivery::decode(queued(3, result, false), read);
            let outcomes = delivery.into_outcomes().into_iter();
            let shown = outcomes.map(|outcome| match outcome {
                Ok(output) => output.volume.to_string(),
                Err(error) => error.to_string(),
            });
            shown.collect::<Vec<_>>()
        };
        let none = "the service returned neither an output nor an error";
        let volume = |volume| Some(Volume { volume });
        let mut calls = 0;
        let outcomes = decode(&mut |given, records| {
            calls += 1;
            assert_eq!((given, records), (outputs, 3));
            Some(vec![volume(7.0), None, volume(8.0)])
        });
        assert_eq!(
            (calls, outcomes),
            (1, vec!["7".into(), none.into(), "bad".into()])
        );
        assert_eq!(decode(&mut |_, _| None), ["1", none, "bad"]);
        let short = decode(&mut |_, _| Some(vec![volume(7.0)]));
        assert_eq!(short, ["1", none, "bad"]);
    }
}
