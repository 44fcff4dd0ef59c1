//! Takes the outputs of the chunks out of an answer without reading them.
//!
//! Whose outputs they are has to be known when the answer comes; what they are, only when somebody
//! takes them. They are most of the answer, so looking at them twice would be most of the work:
//! here they are stepped over, by the brackets and quotes alone.

use std::ops::Range;

/// An answer whose outputs are replaced by numbers, and where the outputs of each number stand.
pub(super) struct Lifted {
    pub(super) rest: Vec<u8>,
    pub(super) outputs: Vec<Range<usize>>,
}

/// Nothing if the answer is not what a pull gives. Whether the outputs are JSON is for their reader
/// to find out.
pub(super) fn lift(answer: &[u8]) -> Option<Lifted> {
    let mut outputs = Vec::new();
    let mut cursor = Cursor {
        json: answer,
        at: 0,
    };
    cursor.members(|cursor, key| {
        if key != b"data" || cursor.peek()? != b'[' {
            return cursor.skip();
        }
        cursor.elements(|cursor| {
            cursor.members(|cursor, key| {
                let start = cursor.at;
                cursor.skip()?;
                if key == b"outputs" {
                    outputs.push(start..cursor.at);
                }
                Some(())
            })
        })
    })?;

    let lifted: usize = outputs.iter().map(Range::len).sum();
    let mut rest = Vec::with_capacity(answer.len() - lifted + 8 * outputs.len());
    let mut from = 0;
    for (number, range) in outputs.iter().enumerate() {
        rest.extend_from_slice(answer.get(from..range.start)?);
        rest.extend_from_slice(number.to_string().as_bytes());
        from = range.end;
    }
    rest.extend_from_slice(answer.get(from..)?);
    Some(Lifted { rest, outputs })
}

struct Cursor<'a> {
    json: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        loop {
            match *self.json.get(self.at)? {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                byte => return Some(byte),
            }
        }
    }

    fn eat(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// Calls with the key of each member of an object, at its value, which has to be stepped over.
    fn members(&mut self, mut member: impl FnMut(&mut Self, &'a [u8]) -> Option<()>) -> Option<()> {
        self.list(b'{', b'}', |cursor| {
            cursor.peek()?;
            let key = cursor.string()?;
            cursor.eat(b':')?;
            cursor.peek()?;
            member(cursor, key)
        })
    }

    /// Calls at each element of an array, which has to be stepped over.
    fn elements(&mut self, element: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.list(b'[', b']', element)
    }

    fn list(
        &mut self,
        open: u8,
        close: u8,
        mut item: impl FnMut(&mut Self) -> Option<()>,
    ) -> Option<()> {
        self.eat(open)?;
        if self.peek()? == close {
            return self.eat(close);
        }
        loop {
            item(self)?;
            match self.peek()? {
                b',' => self.at += 1,
                _ => return self.eat(close),
            }
        }
    }

    /// What stands between the quotes of a string.
    fn string(&mut self) -> Option<&'a [u8]> {
        self.eat(b'"')?;
        let start = self.at;
        self.at = end_of_string(self.json, start)?;
        self.json.get(start..self.at - 1)
    }

    /// Steps over a value.
    fn skip(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => self.string().map(drop),
            b'[' | b'{' => {
                self.at = end_of_nested(self.json, self.at)?;
                Some(())
            }
            _ => {
                let rest = self.json.get(self.at..)?;
                let length = rest.iter().position(|byte| b",]} \t\n\r".contains(byte))?;
                (length > 0).then(|| self.at += length)
            }
        }
    }
}

/// Behind the closing quote of the string that starts here.
fn end_of_string(json: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at = find(json, at, |word| equal(word, b'"') | equal(word, b'\\'))?;
        match json.get(at)? {
            b'"' => return Some(at + 1),
            _ => at += 2,
        }
    }
}

/// Behind the bracket that closes the one here.
fn end_of_nested(json: &[u8], mut at: usize) -> Option<usize> {
    // Square brackets and braces differ in one bit.
    let marks = |word| {
        let braced = word | u64::from_ne_bytes([0x20; 8]);
        equal(word, b'"') | equal(braced, b'{') | equal(braced, b'}')
    };
    let mut depth = 0usize;
    loop {
        at = find(json, at, marks)?;
        let mark = *json.get(at)?;
        at += 1;
        match mark {
            b'"' => at = end_of_string(json, at)?,
            b'[' | b'{' => depth += 1,
            _ if depth > 1 => depth -= 1,
            _ => return Some(at),
        }
    }
}

// Eight bytes at a time: this is where every byte of the results passes.

/// The first place from here on that `marks` marks. It marks bytes of a word by their highest bits;
/// those before the first one have to be right.
fn find(json: &[u8], mut at: usize, marks: impl Fn(u64) -> u64) -> Option<usize> {
    while let Some(bytes) = json.get(at..)?.first_chunk() {
        let marked = marks(u64::from_le_bytes(*bytes));
        if marked != 0 {
            return Some(at + marked.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    let rest = json.get(at..)?;
    rest.iter()
        .position(|byte| marks(u64::from(*byte)) & 0x80 != 0)
        .map(|index| at + index)
}

/// Marks the bytes of a word that equal this one. Behind the first that does, others may be marked
/// as well.
fn equal(word: u64, byte: u8) -> u64 {
    let difference = word ^ u64::from_ne_bytes([byte; 8]);
    difference.wrapping_sub(u64::from_ne_bytes([0x01; 8]))
        & !difference
        & u64::from_ne_bytes([0x80; 8])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    /// The outputs by the number that stands for them, as serde_json sees both.
    fn check(answer: &[u8]) {
        let whole: Value = serde_json::from_slice(answer).unwrap();
        let lifted = lift(answer).unwrap();
        let mut rest: Value = serde_json::from_slice(&lifted.rest).unwrap();
        let data = rest.get_mut("data").and_then(Value::as_array_mut);
        let chunks = data.into_iter().flatten();
        for chunk in chunks.filter_map(|chunk| chunk.get_mut("outputs")) {
            let range = lifted.outputs[chunk.as_u64().unwrap() as usize].clone();
            *chunk = serde_json::from_slice(&answer[range]).unwrap();
        }
        assert_eq!(rest, whole);
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
        ] {
            assert!(lift(answer.as_bytes()).is_none(), "{answer}");
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
            chunks in prop::collection::vec(prop::collection::hash_map("outputs|id|errors", any_json(), 0..3), 0..4),
            status in any_json(), pretty in any::<bool>(),
        ) {
            let answer = json!({"data": chunks, "status": status});
            let text = if pretty { serde_json::to_vec_pretty(&answer) } else { serde_json::to_vec(&answer) };
            check(&text.unwrap());
        }

        #[test]
        fn any_text_is_lifted_or_left(text in r#"[\[\]{}":,\\ a1]{0,40}"#) {
            let _ = lift(text.as_bytes());
            let _ = lift(format!(r#"{{"data":[{{"outputs":{text}}}]}}"#).as_bytes());
        }
    }
}
