//! Separates the outputs of the chunks from the rest of a pull's response, without decoding them.
//!
//! Outputs are most of a response. Whose they are has to be known at once; what they are, only when
//! somebody takes the results. So this steps over them by their brackets and quotes alone.

use std::borrow::Cow;
use std::ops::Range;

use crate::json::{Cursor, Text};

/// A response without its outputs.
pub(super) struct SplitResponse {
    /// The response, with a number in the place of the outputs of each chunk.
    pub(super) rest: Vec<u8>,
    /// Where the outputs of each number are in the response.
    pub(super) outputs: Vec<Range<usize>>,
}

/// How exactly a response is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decoding {
    /// Every value as it came, or an error.
    Exact,
    /// For runs, which have no use for a response that cannot be decoded: the service has handed
    /// out its results, and gives the same response for them again.
    ///
    /// Text that is not UTF-8 costs the text or outputs that it is in, and nothing else. Lists of
    /// errors, warnings or times that have nothing but nulls, one a record, are left out, and so
    /// are times that are no numbers. One error or warning in place of a list is that of the first
    /// record.
    Lenient,
}

/// The lists of a chunk that have an entry for each record, besides the outputs.
const PER_RECORD_LISTS: [&[u8]; 3] = [b"errors", b"warnings", b"process_time"];

/// Splits a response. `None` if it is not what a pull returns; the outputs may be invalid JSON.
pub(super) fn split_outputs(response: &[u8], decoding: Decoding) -> Option<SplitResponse> {
    let (mut outputs, mut rest) = (Vec::new(), Vec::new());
    let mut copied = 0;
    Cursor::new(response).members(|cursor| {
        let key = cursor.key()?;
        let key = plain(response, key)?;
        if key != b"data" || cursor.peek()? != b'[' {
            return cursor.skip();
        }
        cursor.elements(|cursor| {
            cursor.members(|cursor| {
                let key = cursor.key()?;
                let key = plain(response, key)?;
                let start = cursor.at();
                cursor.skip()?;
                if key == b"outputs" {
                    rest.extend_from_slice(response.get(copied..start)?);
                    rest.extend_from_slice(outputs.len().to_string().as_bytes());
                    outputs.push(start..cursor.at());
                } else if decoding == Decoding::Lenient
                    && PER_RECORD_LISTS.contains(&key)
                    && let Some(instead) = instead_of(key, response.get(start..cursor.at())?)
                {
                    rest.extend_from_slice(response.get(copied..start)?);
                    rest.extend_from_slice(&instead);
                } else {
                    return Some(());
                }
                copied = cursor.at();
                Some(())
            })
        })
    })?;
    rest.extend_from_slice(response.get(copied..)?);
    Some(SplitResponse { rest, outputs })
}

/// A key without escapes. Any other key may spell one that matters here, which serde_json has to
/// decide.
fn plain(response: &[u8], key: Text) -> Option<&[u8]> {
    response.get(key.range).filter(|_| !key.has_escapes)
}

/// What a run reads in place of a list of a chunk, if that list says nothing or has another shape.
fn instead_of<'a>(key: &[u8], json: &'a [u8]) -> Option<Cow<'a, [u8]>> {
    let is_list = json.starts_with(b"[");
    if json == b"null" {
        None
    } else if is_list && is_all_null(json) || key == b"process_time" && !may_be_numbers(json) {
        Some(Cow::Borrowed(b"null"))
    } else if !is_list {
        Some(Cow::Owned([b"[", json, b"]"].concat()))
    } else {
        None
    }
}

/// Whether this may be a list of numbers and nulls.
fn may_be_numbers(json: &[u8]) -> bool {
    let inner = json
        .strip_prefix(b"[")
        .and_then(|json| json.strip_suffix(b"]"));
    let allowed = |byte: &u8| b"0123456789+-.eE, \t\r\nnul".contains(byte);
    inner.is_some_and(|inner| inner.iter().all(allowed))
}

/// Whether this is a list of nulls: the errors or the warnings of records that have none.
fn is_all_null(json: &[u8]) -> bool {
    let list = json.strip_prefix(b"[").unwrap_or_default();
    let is_null = |entry| entry == b"null," || entry == b"null]";
    !list.is_empty() && list.chunks(b"null,".len()).all(is_null)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    /// Compares both forms with what serde_json reads.
    fn check(answer: &[u8]) {
        let whole: Value = serde_json::from_slice(answer).unwrap();
        assert_eq!(joined(answer, Decoding::Exact), whole);
        assert_eq!(terse(joined(answer, Decoding::Lenient)), terse(whole));
    }

    /// The response with its outputs back in their places.
    fn joined(answer: &[u8], decoding: Decoding) -> Value {
        let split = split_outputs(answer, decoding).unwrap();
        let mut rest: Value = serde_json::from_slice(&split.rest).unwrap();
        let data = rest.get_mut("data").and_then(Value::as_array_mut);
        let chunks = data.into_iter().flatten();
        for chunk in chunks.filter_map(|chunk| chunk.get_mut("outputs")) {
            let range = split.outputs[chunk.as_u64().unwrap() as usize].clone();
            *chunk = serde_json::from_slice(&answer[range]).unwrap();
        }
        rest
    }

    /// Without lists that say nothing, and with a list where there is one value.
    fn terse(mut answer: Value) -> Value {
        let data = answer.get_mut("data").and_then(Value::as_array_mut);
        let chunks = data.into_iter().flatten().filter_map(Value::as_object_mut);
        for (key, value) in chunks.flatten() {
            let is_list = value.is_array() || value.is_null();
            if PER_RECORD_LISTS.contains(&key.as_bytes()) && !is_list {
                *value = json!([value]);
            }
            let list = value.as_array().filter(|list| !list.is_empty());
            if PER_RECORD_LISTS.contains(&key.as_bytes())
                && list.is_some_and(|list| list.iter().all(Value::is_null))
            {
                *value = Value::Null;
            }
        }
        answer
    }

    #[test]
    fn outputs_are_lifted_wherever_they_stand() {
        for answer in [
            r#"{}"#,
            r#" { "data" : null } "#,
            r#"{"data": [], "status": {"outputs": [1]}}"#,
            r#"{"data": [{}]}"#,
            r#"{"outputs": [1], "data": [{"outputs": null, "id": "x"}, {"id": "y"}, {"id": "z", "outputs": [[2]]}]}"#,
            r#"{"status": {"data": [{"outputs": 1}]}, "data": [{"errors": ["outputs", "\\", "\"]}"], "outputs": ["\"]", {"a": "\\"}]}]}"#,
        ] {
            check(answer.as_bytes());
        }
    }

    #[test]
    fn lists_that_say_nothing_are_left_out() {
        let rest = |answer: &str| {
            String::from_utf8(
                split_outputs(answer.as_bytes(), Decoding::Lenient)
                    .unwrap()
                    .rest,
            )
            .unwrap()
        };
        assert_eq!(
            rest(
                r#"{"data":[{"errors":[null,null],"outputs":[null],"warnings":[null,"odd"],"summary_output":[null]}],"errors":[null]}"#
            ),
            r#"{"data":[{"errors":null,"outputs":0,"warnings":[null,"odd"],"summary_output":[null]}],"errors":[null]}"#
        );
        for said in ["[]", "[null,{}]", "[nul]", "null", "[null, 1]", "[[null]]"] {
            let answer = format!(r#"{{"data":[{{"errors":{said}}}]}}"#);
            assert_eq!(rest(&answer), answer);
        }
    }

    #[test]
    fn lists_of_another_shape_cost_nothing_else() {
        for (said, read) in [
            (r#""errors":"too flat""#, r#""errors":["too flat"]"#),
            (
                r#""errors":{"message":"x"}"#,
                r#""errors":[{"message":"x"}]"#,
            ),
            (r#""warnings":7"#, r#""warnings":[7]"#),
            (r#""process_time":12.5"#, r#""process_time":null"#),
            (r#""process_time":["1 ms"]"#, r#""process_time":null"#),
            (r#""process_time":[1.5,[2]]"#, r#""process_time":null"#),
            (
                r#""process_time":[1.5, null]"#,
                r#""process_time":[1.5, null]"#,
            ),
            (r#""errors":null"#, r#""errors":null"#),
        ] {
            let answer = |list: &str| format!(r#"{{"data":[{{{list},"id":"x"}}]}}"#);
            let split = |decoding| {
                split_outputs(answer(said).as_bytes(), decoding)
                    .unwrap()
                    .rest
            };
            assert_eq!(split(Decoding::Lenient), answer(read).as_bytes());
            assert_eq!(split(Decoding::Exact), answer(said).as_bytes());
        }
    }

    #[test]
    fn what_is_no_answer_is_left_to_others() {
        for answer in [
            "",
            "[]",
            "null",
            "<html>",
            "{",
            r#"{"data"}"#,
            r#"{"data": [7]}"#,
            r#"{"data": [{"outputs": [1}]"#,
            r#"{"data": [{"outputs": [1]}]"#,
            r#"{"data": [{"outputs": "x]}]}"#,
            r#"{"data": [{"outputs": }]}"#,
            r#"{"a": "\"#,
            r#"{"d\u0061ta": [{"outputs": 5}]}"#,
            r#"{"data": [{"outputs": [1]}, {"out\u0070uts": 0}]}"#,
        ] {
            assert!(
                split_outputs(answer.as_bytes(), Decoding::Lenient).is_none(),
                "{answer}"
            );
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            Just(json!("outputs")),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::hash_map("[a-z\"\\\\]{0,3}|outputs|data", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn lifting_loses_nothing(
            chunks in prop::collection::vec(
                prop::collection::hash_map("outputs|id|errors|warnings", any_json(), 0..3),
                0..4,
            ),
            status in any_json(),
            pretty in any::<bool>(),
        ) {
            let answer = json!({"data": chunks, "status": status});
            let text = match pretty {
                true => serde_json::to_vec_pretty(&answer),
                false => serde_json::to_vec(&answer),
            };
            check(&text.unwrap());
        }

        // Long enough for several blocks, and for escapes that lie across their borders.
        #[test]
        fn strings_hide_what_is_in_them(texts in prop::collection::vec(r#"[\\"\[\]{}a]{0,150}"#, 1..4)) {
            check(json!({"data": [{"outputs": texts, "id": "x"}]}).to_string().as_bytes());
        }

        #[test]
        fn any_text_is_lifted_or_left(text in r#"[\[\]{}":,\\ a1]{0,40}"#) {
            let _ = split_outputs(text.as_bytes(), Decoding::Lenient);
            let _ = split_outputs(format!(r#"{{"data":[{{"outputs":{text}}}]}}"#).as_bytes(), Decoding::Lenient);
        }
    }
}
