//! Parses chunks from the caller's JSON.

use std::fmt;
use std::num::NonZeroU64;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{Chunk, Shared};
use crate::error::{Error, Result};
use crate::raw::types::SummaryRequest;

/// A chunk in the caller's JSON, where id and size are optional.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Draft<'a> {
    id: Option<String>,
    size: Option<u64>,
    #[serde(borrow)]
    data: DraftData<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DraftData<'a> {
    #[serde(borrow)]
    inputs: &'a RawValue,
    parameters: Option<Box<RawValue>>,
    summary: Option<SummaryRequest>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Push<'a> {
    #[serde(borrow)]
    chunks: Vec<&'a RawValue>,
}

pub(super) fn parse(json: &[u8]) -> Result<Vec<Chunk>> {
    let whole: &RawValue =
        serde_json::from_slice(json).map_err(|error| Error::input(format!("not JSON: {error}")))?;
    let chunks: Vec<&RawValue> = if whole.get().starts_with('[') {
        read(whole, "the list")?
    } else if let Ok(push) = serde_json::from_str::<Push<'_>>(whole.get()) {
        push.chunks
    } else if has_key(whole, "chunks") {
        read::<Push<'_>>(whole, "the object with `chunks`")?.chunks
    } else {
        return Ok(vec![chunk(whole, "the chunk".to_owned())?]);
    };
    if chunks.is_empty() {
        return Err(Error::input(
            "the JSON contains no chunks, but a push needs at least one",
        ));
    }
    chunks
        .into_iter()
        .enumerate()
        .map(|(index, json)| chunk(json, format!("chunk {index}")))
        .collect()
}

fn has_key(json: &RawValue, key: &str) -> bool {
    let members =
        serde_json::from_str::<std::collections::BTreeMap<String, IgnoredAny>>(json.get());
    members.is_ok_and(|members| members.contains_key(key))
}

fn read<'a, T: Deserialize<'a>>(json: &'a RawValue, place: &str) -> Result<T> {
    serde_json::from_str(json.get()).map_err(|error| Error::input(format!("{place}: {error}")))
}

fn chunk(json: &RawValue, place: String) -> Result<Chunk> {
    if !has_key(json, "data") {
        return Err(Error::input(format!(
            "{place} has no `data`; a chunk looks like {{\"id\": .., \"size\": .., \"data\": {{\"inputs\": ..}}}}; \
             to push plain records, use `Push::records`"
        )));
    }
    let draft: Draft<'_> = read(json, &place)?;
    let wrong = |what: String| Error::input(format!("{place}: {what}"));
    let records =
        count(draft.data.inputs).map_err(|error| wrong(format!("data.inputs: {error}")))?;
    let records =
        NonZeroU64::new(records).ok_or_else(|| wrong("data.inputs has no records".to_owned()))?;
    if let Some(size) = draft.size.filter(|size| *size != records.get()) {
        return Err(wrong(format!(
            "size is {size}, but data.inputs has {records} records (the header row does not count)"
        )));
    }
    if let Some(parameters) = draft
        .data
        .parameters
        .as_ref()
        .filter(|json| !json.get().starts_with('{'))
    {
        return Err(wrong(format!(
            "data.parameters has to be an object, not {parameters}"
        )));
    }
    if draft.id.as_deref() == Some("") {
        return Err(wrong("the id is empty; remove it to get a UUID".to_owned()));
    }
    Ok(Chunk {
        id: draft.id.unwrap_or_else(|| Uuid::new_v4().to_string()),
        records,
        inputs: Bytes::copy_from_slice(draft.data.inputs.get().as_bytes()),
        shared: Shared {
            parameters: draft.data.parameters.map(Into::into),
            summary: draft.data.summary.map(Into::into),
        },
    })
}

/// Counts the records in inputs, which are a table or a list of objects.
fn count(inputs: &RawValue) -> Result<u64, serde_json::Error> {
    struct Count;

    impl<'de> Visitor<'de> for Count {
        type Value = u64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a table (a list of rows) or a list of objects")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut records: A) -> Result<u64, A::Error> {
            let Some(first) = records.next_element::<&RawValue>()? else {
                return Ok(0);
            };
            let is_header = first.get().starts_with('[');
            if !is_header && !first.get().starts_with('{') {
                return Err(serde::de::Error::custom(
                    "a record has to be an object, or a row below a header row",
                ));
            }
            let mut count = u64::from(!is_header);
            while records.next_element::<IgnoredAny>()?.is_some() {
                count += 1;
            }
            Ok(count)
        }
    }

    serde_json::Deserializer::from_str(inputs.get()).deserialize_seq(Count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shape_is_read_and_digits_stay() {
        let one = r#"{"data": {"inputs": [["a"], [1.0], [12345678901234567890123]], "parameters": {"p": 1e5}}}"#;
        for json in [
            one.to_owned(),
            format!("[{one}]"),
            format!(r#" {{"chunks": [{one}]}} "#),
        ] {
            let chunks = parse(json.as_bytes()).unwrap();
            assert_eq!(chunks.len(), 1);
            assert_eq!(chunks[0].records(), 2);
            assert_eq!(
                chunks[0].inputs(),
                r#"[["a"], [1.0], [12345678901234567890123]]"#
            );
            assert_eq!(
                chunks[0].shared.parameters.as_ref().unwrap().get(),
                r#"{"p": 1e5}"#
            );
            assert!(Uuid::try_parse(chunks[0].id()).is_ok());
        }
    }

    #[test]
    fn ids_and_sizes_are_kept() {
        let json = r#"[{"id": "x", "size": 2, "data": {"inputs": [{"a": 1}, {"a": 2}]}},
                       {"id": "y", "size": 1, "data": {"inputs": [["a"], [1]]}}]"#;
        let chunks = parse(json.as_bytes()).unwrap();
        let told: Vec<_> = chunks
            .iter()
            .map(|chunk| (chunk.id(), chunk.records()))
            .collect();
        assert_eq!(told, [("x", 2), ("y", 1)]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let table = [
            ("{", "not JSON"),
            ("7", "the chunk has no `data`"),
            ("[]", "no chunks"),
            (r#"{"chunks": []}"#, "no chunks"),
            (r#"{"chunks": 7}"#, "the object with `chunks`: invalid type"),
            (r#"[{"value": 42}]"#, "chunk 0 has no `data`"),
            (
                r#"[{"data": {"inputs": [[1],[2]]}}, {"data": {}}]"#,
                "chunk 1: missing field `inputs`",
            ),
            (r#"{"data": {"inputs": []}}"#, "data.inputs has no records"),
            (
                r#"{"data": {"inputs": [["a"]]}}"#,
                "data.inputs has no records",
            ),
            (
                r#"{"data": {"inputs": [7]}}"#,
                "a record has to be an object",
            ),
            (r#"{"data": {"inputs": {"a": 1}}}"#, "expected a table"),
            (
                r#"{"size": 3, "data": {"inputs": [["a"],[1],[2]]}}"#,
                "size is 3, but data.inputs has 2 records",
            ),
            (
                r#"{"size": 0, "data": {"inputs": [["a"],[1],[2]]}}"#,
                "size is 0",
            ),
            (
                r#"{"id": "", "data": {"inputs": [["a"],[1]]}}"#,
                "the id is empty",
            ),
            (
                r#"{"id": "x", "sise": 1, "data": {"inputs": [["a"],[1]]}}"#,
                "unknown field `sise`",
            ),
            (
                r#"{"data": {"inputs": [["a"],[1]], "parameters": [1]}}"#,
                "data.parameters has to be an object, not [1]",
            ),
            (
                r#"{"data": {"inputs": [["a"],[1]], "summary": {"agregation": []}}}"#,
                "unknown field `agregation`",
            ),
        ];
        for (json, message) in table {
            let error = parse(json.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(message), "{json}: {error}");
        }
    }
}
