//! What a pull brings.

use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::json;
use crate::json::{DecodeError, decode};
use crate::raw::types::{ChunkResult, PullResponse, Status};
use crate::records::EachOutput;
use crate::records::Outputs;
use crate::transport::ResponseBody;

/// Results that were pulled, with the status of the batch after that.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Pulled<T> {
    /// The results, chunk by chunk, in any order; none if there was nothing to pull.
    pub chunks: Vec<ChunkResult<Outputs<T>>>,
    /// The status of the batch.
    pub status: Status,
}

impl<T: DeserializeOwned> Pulled<T> {
    /// Reads the answer of a pull from JSON, such as the one that [`Error::response_body`] kept.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Decode`](crate::ErrorKind::Decode) with the place of what is not as expected.
    pub fn parse(answer: &[u8]) -> Result<Self> {
        read(answer).map_err(|DecodeError { path, message }| Error::decode(&path, message))
    }

    pub(crate) fn read(received: &ResponseBody) -> Result<Self> {
        read(received.body())
            .map_err(|DecodeError { path, message }| received.undecodable(&path, message))
    }
}

fn read<T: DeserializeOwned>(answer: &[u8]) -> Result<Pulled<T>, DecodeError> {
    let text = std::str::from_utf8(answer).unwrap_or_default();
    let answer = match json::from_str::<PullResponse<Outputs<T>>>(text) {
        // A bare status: nothing of what a pull has.
        Ok(PullResponse {
            data: None,
            status: None,
        }) => PullResponse {
            data: None,
            status: Some(decode(answer)?),
        },
        Ok(answer) => answer,
        Err(_) => read_each(answer)?,
    };
    Ok(Pulled {
        chunks: answer.data.unwrap_or_default(),
        status: answer.status.unwrap_or_default(),
    })
}

/// The way for answers that hold something unexpected: slower, and more patient.
fn read_each<T: DeserializeOwned>(answer: &[u8]) -> Result<PullResponse<Outputs<T>>, DecodeError> {
    let PullResponse { data, status } = decode::<PullResponse<EachOutput<T>>>(answer)?;
    let read = |(index, chunk)| {
        whole(chunk).map_err(|(record, why)| DecodeError {
            path: format!("data[{index}].outputs[{record}]"),
            message: why,
        })
    };
    let data = data
        .map(|chunks| chunks.into_iter().enumerate().map(read).collect())
        .transpose()?;
    Ok(PullResponse { data, status })
}

/// A chunk whose outputs can all be read, those apart whose record has an error of the service's.
fn whole<T>(
    mut chunk: ChunkResult<EachOutput<T>>,
) -> Result<ChunkResult<Outputs<T>>, (usize, String)> {
    let outputs = chunk.outputs.take();
    let errors = &chunk.errors;
    let failed = |record| {
        errors
            .as_ref()
            .and_then(|errors| errors.get(record))
            .is_some_and(Option::is_some)
    };
    let output = |(record, output)| match output {
        Ok(output) => Ok(output),
        Err(_) if failed(record) => Ok(None),
        Err(crate::records::Unreadable { why, .. }) => Err((record, why)),
    };
    let outputs = match outputs {
        Some(EachOutput(outputs)) => Some(
            outputs
                .into_iter()
                .enumerate()
                .map(output)
                .collect::<Result<Vec<_>, _>>()?
                .into(),
        ),
        None => None,
    };
    Ok(chunk.with_outputs(outputs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Volume {
        volume: f64,
    }

    #[test]
    fn nothing_to_pull_is_said_in_many_ways() {
        for answer in [
            r#"{"data": [], "status": {"batch_status": "in_progress"}}"#,
            r#"{"data": null, "status": {"batch_status": "in_progress"}}"#,
            r#"{"status": {"batch_status": "in_progress"}}"#,
            r#"{"batch_status": "in_progress", "chunks_available": 0}"#,
        ] {
            let pulled = Pulled::<Volume>::parse(answer.as_bytes()).unwrap();
            assert!(pulled.chunks.is_empty());
            assert_eq!(pulled.status.batch_status.unwrap().as_str(), "in_progress");
        }
        let pulled = Pulled::<Volume>::parse(br#"{"data": []}"#).unwrap();
        assert!(pulled.chunks.is_empty());
    }

    #[test]
    fn failed_records_come_in_many_ways() {
        for failed in [
            "null",
            "{}",
            r#"{"volume": null}"#,
            r#"{"volume": "DIV/0"}"#,
        ] {
            let answer = format!(
                r#"{{"data": [{{"id": "x", "outputs": [{{"volume": 1}}, {failed}], "errors": [null, "too flat"]}}]}}"#
            );
            let pulled = Pulled::<Volume>::parse(answer.as_bytes()).unwrap();
            let records: Vec<_> = pulled.chunks[0].records().collect();
            assert_eq!(records[0].output, Some(&Volume { volume: 1.0 }));
            assert!(records[0].error.is_none());
            assert_eq!(records[1].output, None, "{failed}");
            assert_eq!(records[1].error.unwrap().to_string(), "too flat");
        }
    }

    #[test]
    fn what_is_not_as_expected_is_named_with_its_place() {
        let table = [
            (
                r#"{"data": [{"outputs": [{"volume": 1}]}, {"outputs": [{"volume": 1}, {"volume": "x"}]}]}"#,
                "data[1].outputs[1]",
            ),
            (
                r#"{"data": [{"outputs": [["volume"], [1], [[]]]}]}"#,
                "data[0].outputs[1]",
            ),
            (r#"{"data": [{"outputs": 7}]}"#, "data[0].outputs"),
            (r#"{"data": 7}"#, "data"),
            (r#"{"data": []}{"data": []}"#, "trailing characters"),
            (r#"{"batch_status": "idle"} ]"#, "trailing characters"),
            ("<html></html>", "expected value"),
            (r#"{"data": [{"outputs": [{"volume": 1}"#, "EOF"),
            ("", "EOF"),
        ];
        for (answer, place) in table {
            let error = Pulled::<Volume>::parse(answer.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), crate::error::ErrorKind::Decode);
            assert!(error.to_string().contains(place), "{answer}: {error}");
        }
    }
}
