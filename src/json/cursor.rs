//! Steps through JSON text without decoding it.

use std::ops::Range;

use memchr::memchr2;

use super::blocks::end_of_nested;

/// A position in JSON text.
///
/// The text is taken for valid JSON: only brackets and quotes are looked at. Methods return `None`
/// if they do not find what they look for; the position is of no use then.
#[derive(Debug)]
pub(crate) struct Cursor<'a> {
    json: &'a [u8],
    at: usize,
}

/// The bytes that end a number or a literal.
const ENDS: [bool; 256] = {
    let mut ends = [false; 256];
    let bytes = *b",]} \t\n\r";
    let mut index = 0;
    while index < bytes.len() {
        ends[bytes[index] as usize] = true;
        index += 1;
    }
    ends
};

/// Where a string is, without its quotes.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) range: Range<usize>,
    pub(crate) has_escapes: bool,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(json: &'a [u8]) -> Self {
        Self { json, at: 0 }
    }

    /// The number of bytes before the position.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Skips white space, and returns the next byte without skipping it.
    #[inline]
    pub(crate) fn peek(&mut self) -> Option<u8> {
        loop {
            match *self.json.get(self.at)? {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                byte => return Some(byte),
            }
        }
    }

    /// Skips white space and then this byte.
    #[inline]
    fn eat(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// Skips this text, if it is what comes next.
    #[inline]
    pub(crate) fn eat_text(&mut self, text: &[u8]) -> bool {
        let is_next = self
            .json
            .get(self.at..)
            .is_some_and(|rest| rest.starts_with(text));
        if is_next {
            self.at += text.len();
        }
        is_next
    }

    /// Steps over the members of an object. `member` has to step over the [key](Self::key) and the
    /// value of each of them.
    #[inline]
    pub(crate) fn members(&mut self, member: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.list(b'{', b'}', member)
    }

    /// Steps over a key and its colon, to the value.
    #[inline]
    pub(crate) fn key(&mut self) -> Option<Text> {
        let key = self.string()?;
        self.eat(b':')?;
        self.peek()?;
        Some(key)
    }

    /// Steps over the elements of an array. `element` has to step over each of them.
    #[inline]
    pub(crate) fn elements(&mut self, element: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.list(b'[', b']', element)
    }

    #[inline]
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
            self.peek()?;
            item(self)?;
            match self.peek()? {
                b',' => self.at += 1,
                _ => return self.eat(close),
            }
        }
    }

    #[inline]
    fn string(&mut self) -> Option<Text> {
        self.eat(b'"')?;
        let start = self.at;
        let mut has_escapes = false;
        loop {
            self.at += memchr2(b'"', b'\\', self.json.get(self.at..)?)?;
            if self.json.get(self.at) == Some(&b'"') {
                break;
            }
            has_escapes = true;
            self.at += 2;
        }
        self.at += 1;
        Some(Text {
            range: start..self.at - 1,
            has_escapes,
        })
    }

    /// Steps over a value.
    #[inline]
    pub(crate) fn skip(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => self.string().map(drop),
            b'[' | b'{' => {
                self.at = end_of_nested(self.json, self.at)?;
                Some(())
            }
            _ => {
                let rest = self.json.get(self.at..)?;
                let length = rest.iter().position(|&byte| ENDS[usize::from(byte)])?;
                (length > 0).then(|| self.at += length)
            }
        }
    }
}
