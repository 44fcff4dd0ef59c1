//! Secrets, and their removal from text that comes from outside.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret as _, SecretString};

/// Replaces a secret.
pub(crate) const MASK: &str = "[masked]";

/// A key, token or client secret. `Debug` masks it, and its memory is wiped when it is dropped.
#[derive(Clone)]
pub(crate) struct Secret(SecretString);

impl Secret {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// The text itself.
    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// How many issued tokens are remembered: the one in use, and some that late responses may echo.
const REMEMBERED: usize = 8;

/// The secrets of a client, so that none of them appears in an error.
#[derive(Debug)]
pub(crate) struct Secrets {
    fixed: Vec<Secret>,
    issued: Mutex<VecDeque<Secret>>,
}

impl Secrets {
    pub(crate) fn new(fixed: Vec<Secret>) -> Self {
        Self {
            fixed,
            issued: Mutex::default(),
        }
    }

    /// Adds a token that is about to be sent.
    pub(crate) fn remember(&self, secret: &Secret) {
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        if self.fixed.contains(secret) || issued.contains(secret) {
            return;
        }
        if issued.len() == REMEMBERED {
            issued.pop_front();
        }
        issued.push_back(secret.clone());
    }

    pub(crate) fn redactor(&self) -> Redactor {
        let mut redactor = Redactor::default();
        let issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        for secret in self.fixed.iter().chain(issued.iter()) {
            redactor.add(secret);
        }
        redactor
    }
}

/// The bytes that a URL or a form escapes.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Secrets of fewer bytes are masked only where they stand alone: within longer words they are
/// found by chance, and masking would garble the text.
const SHORT: usize = 8;

/// Masks known secrets in text that comes from outside.
#[derive(Default)]
pub(crate) struct Redactor {
    /// All spellings of all secrets. The longest come first, because a secret may be part of
    /// another one.
    needles: Vec<String>,
}

impl Redactor {
    fn add(&mut self, secret: &Secret) {
        let text = secret.expose();
        if text.is_empty() {
            return;
        }
        let quoted = serde_json::Value::from(text).to_string();
        let spellings = [
            text.to_owned(),
            quoted.trim_matches('"').to_owned(),
            quoted.trim_matches('"').replace('/', "\\/"),
            utf8_percent_encode(text, ESCAPED).to_string(),
            utf8_percent_encode(text, ESCAPED).map(lower_case).collect(),
        ];
        for spelling in spellings {
            if !self.needles.contains(&spelling) {
                self.needles.push(spelling);
            }
        }
        self.needles
            .sort_by_key(|needle| std::cmp::Reverse(needle.len()));
    }

    pub(crate) fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        for needle in &self.needles {
            if let Some(masked) = mask(&text, needle) {
                text = Cow::Owned(masked);
            }
        }
        text
    }

    /// Returns the start of a body as text, with secrets masked.
    pub(crate) fn redact_body(&self, body: &[u8]) -> String {
        const WINDOW: usize = 16 * 1024;
        let text = String::from_utf8_lossy(&body[..body.len().min(WINDOW)]);
        let mut text = self.redact(&text).into_owned();
        if body.len() > WINDOW {
            // A secret that is cut in two by the window is not found, so this drops its first part.
            let longest = self.needles.first().map_or(0, String::len);
            let mut end = text.len().saturating_sub(longest);
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.truncate(end);
        }
        text
    }
}

/// The text with a mask in the place of the needle. `None` if it is not in there.
fn mask(text: &str, needle: &str) -> Option<String> {
    let mut masked = None;
    let mut copied = 0;
    for (start, _) in text.match_indices(needle) {
        let end = start + needle.len();
        let is_part_of_word = text[..start].ends_with(char::is_alphanumeric)
            || text[end..].starts_with(char::is_alphanumeric);
        if needle.len() < SHORT && is_part_of_word {
            continue;
        }
        let masked = masked.get_or_insert_with(String::new);
        masked.push_str(&text[copied..start]);
        masked.push_str(MASK);
        copied = end;
    }
    masked.map(|masked| masked + &text[copied..])
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").finish_non_exhaustive()
    }
}

/// An escape such as `%2F` as `%2f`, which some servers write. Other text stays as it is.
fn lower_case(piece: &str) -> Cow<'_, str> {
    match piece.starts_with('%') {
        true => Cow::Owned(piece.to_ascii_lowercase()),
        false => Cow::Borrowed(piece),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor(secrets: &[&str]) -> Redactor {
        let mut redactor = Redactor::default();
        for secret in secrets {
            redactor.add(&Secret::new(*secret));
        }
        redactor
    }

    #[test]
    fn every_spelling_is_masked() {
        let redactor = redactor(&["a+b/c\"d=="]);
        for spelling in [
            "a+b/c\"d==",
            r#"a+b/c\"d=="#,
            r#"a+b\/c\"d=="#,
            "a%2Bb%2Fc%22d%3D%3D",
            "a%2bb%2fc%22d%3d%3d",
        ] {
            assert_eq!(redactor.redact(&format!("<{spelling}>")), "<[masked]>");
        }
    }

    #[test]
    fn a_secret_within_a_secret_leaves_nothing() {
        assert_eq!(
            redactor(&["key", "key-and-more"]).redact("key-and-more"),
            MASK
        );
    }

    #[test]
    fn a_short_secret_does_not_garble_words() {
        let text = "failed to look up the address: token expired";
        for short in ["", "k", "x", "add", "ken"] {
            assert_eq!(redactor(&[short]).redact(text), text);
        }
        assert_eq!(
            redactor(&["k"]).redact(r#"{"key":"k"}"#),
            r#"{"key":"[masked]"}"#
        );
        assert_eq!(
            redactor(&["k"]).redact("k k, k"),
            "[masked] [masked], [masked]"
        );
    }

    #[test]
    fn a_secret_cut_by_the_window_is_dropped() {
        let redactor = redactor(&["0123456789"]);
        let body = format!("{}0123456789{}", "x".repeat(16 * 1024 - 5), "y".repeat(100));
        let text = redactor.redact_body(body.as_bytes());
        assert!(!text.contains("01234"), "{}", &text[text.len() - 20..]);
        assert_eq!(
            redactor.redact_body(b"\xff 0123456789"),
            "\u{fffd} [masked]"
        );
    }

    #[test]
    fn debug_masks() {
        assert_eq!(format!("{:?}", Secret::new("key")), MASK);
        assert!(!format!("{:?}", redactor(&["key"])).contains("key"));
    }
}
