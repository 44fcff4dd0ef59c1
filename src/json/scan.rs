//! Stepping over JSON without reading it.
//!
//! What is stepped over is taken for JSON: only the brackets and quotes are looked at.

/// A place in JSON.
#[derive(Debug)]
pub(crate) struct Cursor<'a> {
    json: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(json: &'a [u8]) -> Self {
        Self { json, at: 0 }
    }

    /// The number of bytes before this place.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// The next byte that is no white space.
    #[inline]
    pub(crate) fn peek(&mut self) -> Option<u8> {
        loop {
            match *self.json.get(self.at)? {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                byte => return Some(byte),
            }
        }
    }

    #[inline]
    pub(super) fn eat(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// Calls with the key of each member of an object, at its value, which has to be stepped over.
    pub(crate) fn members(
        &mut self,
        mut member: impl FnMut(&mut Self, &'a [u8]) -> Option<()>,
    ) -> Option<()> {
        self.list(b'{', b'}', |cursor| {
            cursor.peek()?;
            let key = cursor.string()?;
            cursor.eat(b':')?;
            cursor.peek()?;
            member(cursor, key)
        })
    }

    /// Calls at each element of an array, which has to be stepped over.
    pub(crate) fn elements(&mut self, element: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
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
    pub(crate) fn skip(&mut self) -> Option<()> {
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
