//! What a run delivers: the outcomes of a chunk's records.

use std::error::Error as StdError;
use std::fmt;
use std::ops::Range;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::requests::{RawOutputs, RawResult};
use crate::raw::record_message::RecordMessage;
use crate::records::Outputs;
use crate::records::{EachOutput, Unreadable};

/// The outcomes of the records of one chunk.
///
/// Records are numbered from 0 over the whole input of the run.
#[derive(Debug)]
pub struct Delivery<O> {
    chunk_id: String,
    first: u64,
    outcomes: Vec<Result<O, RecordError>>,
    warnings: Option<Vec<Option<RecordMessage>>>,
    process_times: Option<Vec<Option<f64>>>,
    summary_output: Option<Box<RawValue>>,
}

impl<O> Delivery<O> {
    /// The chunk's id: the caller's for a prepared chunk, else the one that it had on the wire.
    pub fn chunk_id(&self) -> &str {
        &self.chunk_id
    }

    /// The numbers of the records.
    pub fn records(&self) -> Range<u64> {
        self.first..self.first + self.outcomes.len() as u64
    }

    /// The outcomes, one a record and in their order.
    pub fn outcomes(&self) -> &[Result<O, RecordError>] {
        &self.outcomes
    }

    /// The outcomes, one a record and in their order.
    pub fn into_outcomes(self) -> Vec<Result<O, RecordError>> {
        self.outcomes
    }

    /// Each record's number with its outcome.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &Result<O, RecordError>)> {
        (self.first..).zip(&self.outcomes)
    }

    /// How many records have an error instead of an output.
    pub fn failed(&self) -> u64 {
        self.outcomes
            .iter()
            .filter(|outcome| outcome.is_err())
            .count() as u64
    }

    /// The service's warning for a record, by the record's number.
    pub fn warning(&self, record: u64) -> Option<&RecordMessage> {
        entry(self.warnings.as_deref(), record.checked_sub(self.first)?)
    }

    /// The time that a record took to compute, in milliseconds, by the record's number.
    pub fn process_time_ms(&self, record: u64) -> Option<f64> {
        entry(
            self.process_times.as_deref(),
            record.checked_sub(self.first)?,
        )
        .copied()
    }

    /// The aggregates that the chunk's summary asked for, as JSON.
    pub fn summary_json(&self) -> Option<&RawValue> {
        self.summary_output.as_deref()
    }
}

fn entry<T>(list: Option<&[Option<T>]>, index: u64) -> Option<&T> {
    list?.get(usize::try_from(index).ok()?)?.as_ref()
}

impl<O: DeserializeOwned> Delivery<O> {
    /// Reads a result. Whatever is wrong with it is the outcome of the records concerned.
    pub(super) fn read(chunk_id: String, first: u64, records: u64, result: RawResult) -> Self {
        let RawResult {
            errors,
            outputs,
            process_time,
            summary_output,
            warnings,
            ..
        } = result;
        let count = usize::try_from(records).unwrap_or(usize::MAX);
        let outputs = self::outputs::<O>(outputs.as_ref().map(RawOutputs::json), count);
        let outcomes = match errors {
            None if outputs.len() == count => outputs,
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
            outcomes,
            warnings,
            process_times: process_time,
            summary_output,
        }
    }
}

fn outputs<O: DeserializeOwned>(json: Option<&str>, count: usize) -> Vec<Result<O, RecordError>> {
    let Some(json) = json else { return Vec::new() };
    let some = |output: Option<O>| output.ok_or(RecordError::NoOutput);
    let outputs: Vec<_> = match Outputs::expect(count, json) {
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
    // Without a common length nobody knows which output belongs to which record. None at all is what a
    // summary without records looks like.
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
    /// The service's error for it.
    Failed(RecordMessage),
    /// The service gave neither an output nor an error.
    NoOutput,
    /// Its output is there, and not what the output type expects.
    Unreadable {
        /// What is wrong.
        why: String,
        /// The output as it came. If the outputs of a whole chunk can't be read, the first of its records has the
        /// text of all, and the others none.
        json: String,
    },
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(message) => message.fmt(f),
            Self::NoOutput => f.write_str("the service gave neither an output nor an error"),
            Self::Unreadable { why, .. } => write!(f, "the output can't be read: {why}"),
        }
    }
}

impl StdError for RecordError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Volume {
        volume: f64,
    }

    fn read(json: &str, records: u64) -> Vec<String> {
        let result: RawResult = serde_json::from_str(json).unwrap();
        let delivery = Delivery::<Volume>::read("x".into(), 100, records, result);
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
        let none = "the service gave neither an output nor an error";
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
    fn notes_are_found_by_the_number_of_the_record() {
        let json = r#"{"outputs": [{"volume": 1}, {"volume": 2}], "warnings": [null, "odd"], "process_time": [1, 2.5]}"#;
        let delivery =
            Delivery::<Volume>::read("x".into(), 100, 2, serde_json::from_str(json).unwrap());
        assert_eq!(delivery.warning(101).unwrap().to_string(), "odd");
        assert!(
            delivery.warning(100).is_none()
                && delivery.warning(99).is_none()
                && delivery.warning(102).is_none()
        );
        assert_eq!(delivery.process_time_ms(101), Some(2.5));
    }
}
