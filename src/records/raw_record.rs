//! Taking a record of raw JSON apart into its cells.

use serde::ser::Error as _;
use serde_json::Error;

use super::cells::{Cell, CellSink, no_record};
use crate::json::Cursor;

/// Gives the cells of a record to a sink, as the text that they are, so that no digit changes.
///
/// The record is valid JSON, so it is enough to find where each cell ends.
pub(super) fn take_apart(json: &str, sink: &mut impl CellSink) -> Result<(), Error> {
    let mut cursor = Cursor::new(json.as_bytes());
    let mut result = Ok(());
    let end = match cursor.peek() {
        Some(b'{') => cursor.members(|cursor| {
            // Most records have the same keys in the same order.
            if sink.next_key().is_some_and(|key| cursor.eat_text(key)) {
                result = sink.positional(RawCell::read(json, cursor)?);
                return result.is_ok().then_some(());
            }
            let key = cursor.key()?;
            let name = json.get(key.range)?;
            let cell = RawCell::read(json, cursor)?;
            result = match key.has_escapes {
                false => sink.named(name, cell),
                true => serde_json::from_str::<String>(&format!("\"{name}\""))
                    .and_then(|name| sink.named(&name, cell)),
            };
            result.is_ok().then_some(())
        }),
        Some(b'[') => {
            sink.row();
            cursor.elements(|cursor| {
                result = sink.positional(RawCell::read(json, cursor)?);
                result.is_ok().then_some(())
            })
        }
        Some(b'"') => return Err(no_record("a string")),
        Some(b't' | b'f') => return Err(no_record("a boolean")),
        Some(b'n') => return Err(no_record("null")),
        _ => return Err(no_record("a number")),
    };
    result.and_then(|()| end.ok_or_else(|| Error::custom("the raw JSON is malformed")))
}

struct RawCell<'a>(&'a str);

impl<'a> RawCell<'a> {
    #[inline]
    fn read(json: &'a str, cursor: &mut Cursor<'_>) -> Option<Self> {
        cursor.peek()?;
        let start = cursor.at();
        cursor.skip()?;
        json.get(start..cursor.at()).map(Self)
    }
}

impl Cell for RawCell<'_> {
    fn write(&self, json: &mut Vec<u8>) -> Result<(), Error> {
        json.extend_from_slice(self.0.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use crate::chunk::Chunk;

    fn inputs(records: &[&str]) -> Result<String, String> {
        let records = records
            .iter()
            .map(|json| serde_json::from_str::<&RawValue>(json).unwrap());
        let chunk = Chunk::new(records).map_err(|error| error.to_string())?;
        Ok(chunk.inputs().to_owned())
    }

    #[test]
    fn cells_keep_their_text_wherever_they_stand() {
        let records = [
            r#" { "a" : 1.50 , "b\"" : {"x": [ "]}" ]} , "é" : "\u0041\\" } "#,
            r#"{"é":null,"b\u0022":true,"a":-0}"#,
            r#"{"a":[1],"b\"": 2 , "é":"" }"#,
        ];
        assert_eq!(
            inputs(&records).unwrap(),
            r#"[["a","b\"","é"],[1.50,{"x": [ "]}" ]},"\u0041\\"],[-0,true,null],[[1],2,""]]"#
        );
        let rows = [r#"["a", "b"]"#, r#"[ 12345678901234567890123 , [] ]"#];
        assert_eq!(
            inputs(&rows).unwrap(),
            r#"[["a","b"],[12345678901234567890123,[]]]"#
        );
    }

    #[test]
    fn records_of_other_kinds_are_refused() {
        for (json, kind) in [
            ("7", "a number"),
            (r#""text""#, "a string"),
            ("true", "a boolean"),
            ("null", "null"),
        ] {
            let error = inputs(&[json]).unwrap_err();
            assert!(error.ends_with(&format!("not {kind}")), "{error}");
        }
    }
}
