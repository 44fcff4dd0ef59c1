//! The results that a pull returns.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::split_outputs::{Decoding, SplitResponse, split_outputs};
use crate::error::{Error, Result};
use crate::json::{DecodeError, decode};
use crate::raw::types::{ChunkResult, PullResponse, Status};
use crate::records::{EachOutput, Outputs};
use crate::transport::ResponseBody;

/// Results that were pulled, and the status of the batch after that.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Pulled<T> {
    /// The results of each chunk, in any order. Empty if there was nothing to pull.
    pub chunks: Vec<ChunkResult<Outputs<T>>>,
    /// The status of the batch.
    pub status: Status,
}

impl<T: DeserializeOwned> Pulled<T> {
    /// Decodes the response of a pull, such as the one in [`Error::response_body`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Decode`](crate::ErrorKind::Decode), with the path of the value that is wrong.
    pub fn parse(response: &[u8]) -> Result<Self> {
        Self::decode(response)
            .map_err(|DecodeError { path, message }| Error::decode(&path, message))
    }

    pub(super) fn read(response: &ResponseBody) -> Result<Self> {
        Self::decode(response.bytes()).map_err(|error| response.undecodable(error))
    }

    fn decode(response: &[u8]) -> Result<Self, DecodeError> {
        let RawPulled { chunks, status } = RawPulled::decode(response, Decoding::Exact)?;
        let chunks = chunks.into_iter().enumerate();
        let chunks = chunks.map(|(index, chunk)| {
            decode_outputs(chunk).map_err(|DecodeError { path, message }| DecodeError {
                path: format!("data[{index}].outputs{path}"),
                message,
            })
        });
        Ok(Self {
            chunks: chunks.collect::<Result<_, _>>()?,
            status: status.unwrap_or_default(),
        })
    }
}

/// The response of a pull, with the outputs of each chunk left as JSON text.
///
/// The text of the outputs is not validated, not even as UTF-8.
#[derive(Debug)]
pub(crate) struct RawPulled<'a> {
    pub(crate) chunks: Vec<ChunkResult<&'a [u8]>>,
    pub(crate) status: Option<Status>,
}

impl<'a> RawPulled<'a> {
    pub(crate) fn decode(response: &'a [u8], decoding: Decoding) -> Result<Self, DecodeError> {
        let decoded = match split(response, decoding) {
            Some(decoded) => decoded,
            None => {
                // Anything unexpected is left to serde_json, which knows what is wrong with it.
                let PullResponse { data, status } = decode::<PullResponse<&'a RawValue>>(response)?;
                let with_text = |chunk: ChunkResult<&'a RawValue>| {
                    chunk.map_outputs(|outputs| outputs.get().as_bytes())
                };
                let data = data.map(|chunks| chunks.into_iter().map(with_text).collect());
                PullResponse { data, status }
            }
        };
        match decoded {
            // A response without either may be a bare status.
            PullResponse {
                data: None,
                status: None,
            } => Ok(Self {
                chunks: Vec::new(),
                status: Some(decode(response)?),
            }),
            PullResponse { data, status } => Ok(Self {
                chunks: data.unwrap_or_default(),
                status,
            }),
        }
    }
}

/// Decodes a response without its outputs. `None` if it is not what a pull returns.
fn split(response: &[u8], decoding: Decoding) -> Option<PullResponse<&[u8]>> {
    let SplitResponse { rest, outputs } = split_outputs(response, decoding)?;
    let rest = match decoding {
        Decoding::Exact => Cow::Borrowed(std::str::from_utf8(&rest).ok()?),
        Decoding::Lenient => String::from_utf8_lossy(&rest),
    };
    let PullResponse { data, status } = serde_json::from_str::<PullResponse<usize>>(&rest).ok()?;
    let with_outputs = |mut chunk: ChunkResult<usize>| {
        let outputs = match chunk.outputs.take() {
            Some(index) => Some(response.get(outputs.get(index)?.clone())?),
            None => None,
        };
        // There is a number for outputs that are null, too.
        Some(chunk.with_outputs(outputs.filter(|json| *json != b"null")))
    };
    let data = match data {
        Some(chunks) => Some(
            chunks
                .into_iter()
                .map(with_outputs)
                .collect::<Option<_>>()?,
        ),
        None => None,
    };
    Some(PullResponse { data, status })
}

/// Decodes the outputs of a chunk. The path of an error starts at the outputs.
fn decode_outputs<T: DeserializeOwned>(
    mut chunk: ChunkResult<&[u8]>,
) -> Result<ChunkResult<Outputs<T>>, DecodeError> {
    let outputs = match chunk.outputs.take() {
        None => None,
        Some(json) => {
            let json = std::str::from_utf8(json).map_err(|error| DecodeError {
                path: String::new(),
                message: error.to_string(),
            })?;
            Some(match serde_json::from_str(json) {
                Ok(outputs) => outputs,
                // One by one: the output of a record that failed need not be a `T`.
                Err(_) => decode_each(json, chunk.errors.as_deref().unwrap_or_default())?,
            })
        }
    };
    Ok(chunk.with_outputs(outputs))
}

/// Decodes outputs, leaving out those of records that have an error.
fn decode_each<T: DeserializeOwned, E>(
    json: &str,
    errors: &[Option<E>],
) -> Result<Outputs<T>, DecodeError> {
    let EachOutput(outputs) = decode(json.as_bytes()).map_err(|mut error: DecodeError| {
        if !error.path.starts_with(['[', '.']) && !error.path.is_empty() {
            error.path.insert(0, '.');
        } else if error.path == "." {
            error.path.clear();
        }
        error
    })?;
    let outputs = outputs.into_iter().enumerate();
    let outputs = outputs.map(|(record, output)| match output {
        Ok(output) => Ok(output),
        Err(_) if errors.get(record).is_some_and(Option::is_some) => Ok(None),
        Err(unreadable) => Err(DecodeError {
            path: format!("[{record}]"),
            message: unreadable.why,
        }),
    });
    Ok(outputs.collect::<Result<Vec<_>, _>>()?.into())
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

    #[test]
    fn bytes_that_are_not_utf8_cost_what_they_are_in() {
        let mut response = br#"{"data": [
            {"id": "good", "outputs": [{"volume": 1}]},
            {"id": "bad", "outputs": [{"volume": 2, "unit": "m?"}]},
            {"id": "noted", "outputs": [{"volume": 3}], "warnings": ["10 m?"]}
        ]}"#
        .to_vec();
        for byte in &mut response {
            if *byte == b'?' {
                *byte = 0xb3;
            }
        }
        let pulled = RawPulled::decode(&response, Decoding::Lenient).unwrap();
        let ids = pulled
            .chunks
            .iter()
            .map(|chunk| chunk.id.as_deref().unwrap());
        assert_eq!(ids.collect::<Vec<_>>(), ["good", "bad", "noted"]);
        let outputs: Vec<_> = pulled
            .chunks
            .iter()
            .map(|chunk| chunk.outputs.unwrap())
            .collect();
        assert_eq!(outputs[0], br#"[{"volume": 1}]"#);
        assert_eq!(outputs[1], b"[{\"volume\": 2, \"unit\": \"m\xb3\"}]");
        let warning = pulled.chunks[2].warnings.as_ref().unwrap()[0].as_ref();
        assert_eq!(warning.unwrap().to_string(), "10 m\u{fffd}");

        // A caller of the verbs gets the whole response in an error instead.
        assert!(RawPulled::decode(&response, Decoding::Exact).is_err());
        assert!(Pulled::<Volume>::parse(&response).is_err());
    }
}
