//! Takes the outputs of the chunks out of an answer without reading them.
//!
//! Whose outputs they are has to be known when the answer comes; what they are, only when somebody
//! takes them. They are most of the answer, so looking at them twice would be most of the work:
//! here they are stepped over, by the brackets and quotes alone. Lists that have nothing but nulls,
//! one for each record, are left out as well.

use std::ops::Range;

/// An answer whose outputs are replaced by numbers, and where the outputs of each number stand.
pub(super) struct Lifted {
    pub(super) rest: Vec<u8>,
    pub(super) outputs: Vec<Range<usize>>,
}

/// Nothing if the answer is not what a pull gives. Whether the outputs are JSON is for their reader
/// to find out.
pub(super) fn lift(answer: &[u8]) -> Option<Lifted> {
    let (mut outputs, mut rest) = (Vec::new(), Vec::new());
    let mut copied = 0;
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
                    rest.extend_from_slice(answer.get(copied..start)?);
                    rest.extend_from_slice(outputs.len().to_string().as_bytes());
                    outputs.push(start..cursor.at);
                } else if says_nothing(answer.get(start..cursor.at)?) {
                    rest.extend_from_slice(answer.get(copied..start)?);
                    rest.extend_from_slice(b"null");
                } else {
                    return Some(());
                }
                copied = cursor.at;
                Some(())
            })
        })
    })?;
    rest.extend_from_slice(answer.get(copied..)?);
    Some(Lifted { rest, outputs })
}

/// Whether this is a list of nulls: the errors or the warnings of records that have none.
fn says_nothing(json: &[u8]) -> bool {
    let list = json.strip_prefix(b"[").unwrap_or_default();
    let is_null = |entry| entry == b"null," || entry == b"null]";
    !list.is_empty() && list.chunks(b"null,".len()).all(is_null)
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
        let rest = json.get(at..)?;
        at += rest.iter().position(|byte| b"\"\\".contains(byte))? + 1;
        match json.get(at - 1)? {
            b'"' => return Some(at),
            _ => at += 1,
        }
    }
}

/// Behind the bracket that closes the one here.
///
/// This is where every byte of the results passes, so blocks of 64 are looked at as one, in the way of simdjson: a bit
/// for each byte.
fn end_of_nested(json: &[u8], start: usize) -> Option<usize> {
    let mut strings = Strings::default();
    let mut depth = 0usize;
    let mut at = start;
    loop {
        let rest = json.get(at..).filter(|rest| !rest.is_empty())?;
        let mut last = [0; BLOCK];
        let block = match rest.first_chunk() {
            Some(block) => block,
            None => {
                last[..rest.len()].copy_from_slice(rest);
                &last
            }
        };
        // All brackets, and letters that JSON has in strings only.
        let mut brackets = bits(block, |byte| byte | 0x26 == 0x7f) & !strings.within(block);
        while brackets != 0 {
            let index = brackets.trailing_zeros() as usize;
            // Square brackets and braces differ in this bit.
            match block[index] | 0x20 {
                b'{' => depth += 1,
                b'}' if depth > 1 => depth -= 1,
                b'}' => return Some(at + index + 1),
                _ => {}
            }
            brackets &= brackets - 1;
        }
        at += BLOCK;
    }
}

const BLOCK: usize = 64;

/// What of the blocks so far matters to the next one, as its bits or the lowest of them.
#[derive(Default)]
struct Strings {
    /// All bits are set if the block ends within a string.
    open: u64,
    /// Set if the block ends in a backslash that escapes the next byte.
    escape: u64,
}

impl Strings {
    /// The bytes within strings: from the opening quote to the last byte before the closing one.
    fn within(&mut self, block: &[u8; BLOCK]) -> u64 {
        let mut quotes = bits(block, |byte| byte == b'"');
        let escapes = block.iter().fold(false, |any, &byte| any | (byte == b'\\'));
        if escapes || self.escape != 0 {
            quotes &= !self.escaped(block);
        }
        // Each bit becomes the parity of the quotes up to it.
        let mut within = quotes;
        for shift in [1, 2, 4, 8, 16, 32] {
            within ^= within << shift;
        }
        within ^= self.open;
        self.open = 0u64.wrapping_sub(within >> 63);
        within
    }

    /// The bytes that a backslash escapes. Few blocks have any.
    #[cold]
    fn escaped(&mut self, block: &[u8; BLOCK]) -> u64 {
        let mut escaped = self.escape;
        let mut left = bits(block, |byte| byte == b'\\') & !escaped;
        self.escape = 0;
        while left != 0 {
            let next = left.trailing_zeros() + 1;
            left &= left - 1;
            match 1u64.checked_shl(next) {
                Some(bit) => (escaped, left) = (escaped | bit, left & !bit),
                None => self.escape = 1,
            }
        }
        escaped
    }
}

/// A bit for each byte of the block, the first byte's the lowest. The loop is one that compilers make vector instructions of.
#[inline(always)]
fn bits(block: &[u8; BLOCK], is: impl Fn(u8) -> bool) -> u64 {
    const PLACE: [u8; BLOCK] = {
        let mut place = [0; BLOCK];
        let mut index = 0;
        while index < BLOCK {
            place[index] = 1 << (index % 8);
            index += 1;
        }
        place
    };
    let mut marked = [0; BLOCK];
    for ((mark, &byte), place) in marked.iter_mut().zip(block).zip(PLACE) {
        *mark = if is(byte) { place } else { 0 };
    }
    let (words, _) = marked.as_chunks();
    words.iter().enumerate().fold(0, |bits, (nth, word)| {
        // The sum of the bytes, which have no bit in common.
        let sum = u64::from_le_bytes(*word).wrapping_mul(u64::from_ne_bytes([1; 8])) >> 56;
        bits | sum << (8 * nth)
    })
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
        assert_eq!(terse(rest), terse(whole));
    }

    /// Without lists that say nothing.
    fn terse(mut answer: Value) -> Value {
        let data = answer.get_mut("data").and_then(Value::as_array_mut);
        let chunks = data.into_iter().flatten().filter_map(Value::as_object_mut);
        for (key, value) in chunks.flatten() {
            let list = value.as_array().filter(|list| !list.is_empty());
            if key != "outputs" && list.is_some_and(|list| list.iter().all(Value::is_null)) {
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
        let rest = |answer: &str| String::from_utf8(lift(answer.as_bytes()).unwrap().rest).unwrap();
        assert_eq!(
            rest(
                r#"{"data":[{"errors":[null,null],"outputs":[null],"warnings":[null,"odd"],"id":"x"}],"more":[null]}"#
            ),
            r#"{"data":[{"errors":null,"outputs":0,"warnings":[null,"odd"],"id":"x"}],"more":[null]}"#
        );
        for said in ["[]", "[null,{}]", "[nul]", "null", "[null, 1]", "[[null]]"] {
            let answer = format!(r#"{{"data":[{{"errors":{said}}}]}}"#);
            assert_eq!(rest(&answer), answer);
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

        // Long enough for several blocks, and for escapes that lie across their borders.
        #[test]
        fn strings_hide_what_is_in_them(texts in prop::collection::vec(r#"[\\"\[\]{}a]{0,150}"#, 1..4)) {
            check(json!({"data": [{"outputs": texts, "id": "x"}]}).to_string().as_bytes());
        }

        #[test]
        fn any_text_is_lifted_or_left(text in r#"[\[\]{}":,\\ a1]{0,40}"#) {
            let _ = lift(text.as_bytes());
            let _ = lift(format!(r#"{{"data":[{{"outputs":{text}}}]}}"#).as_bytes());
        }
    }
}
