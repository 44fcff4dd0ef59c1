//! Finds the end of a list or an object, 64 bytes at a time.
//!
//! Every byte of a pull's outputs passes here, so a block of 64 bytes becomes a few words of 64
//! bits, one bit a byte, as in simdjson. The compiler makes vector instructions of the loops.

/// Returns the position after the bracket that closes the one at `start`.
pub(super) fn end_of_nested(json: &[u8], start: usize) -> Option<usize> {
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

/// What the next block has to know of those before it.
#[derive(Default)]
struct Strings {
    /// All bits are set if the last block ends within a string.
    open: u64,
    /// The lowest bit is set if the last block ends in a backslash that escapes the next byte.
    escape: u64,
}

impl Strings {
    /// Marks the bytes within strings: from the opening quote to the byte before the closing one.
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

    /// Marks the bytes that a backslash escapes. Few blocks have any.
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

/// A bit for each byte of the block, the lowest for the first byte.
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
