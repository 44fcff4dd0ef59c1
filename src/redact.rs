//! Text that must not be shown, and its removal from text that may be.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// What stands where a secret stood.
pub(crate) const MASK: &str = "[masked]";

/// A key, token or client secret. `Debug` masks it and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(Arc<str>);

impl Secret {
    pub(crate) fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text itself. Each caller of this is a place to look at in a review.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// How many issued tokens are remembered: the one in use and some that late answers may echo.
const REMEMBERED: usize = 8;

/// Every secret that a client has, so that none comes back in an error.
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

    /// Takes note of a token that is about to be sent.
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

/// Masks known secrets in text that comes from outside.
#[derive(Default)]
pub(crate) struct Redactor {
    /// Every spelling of every secret, longest first, so that a secret that is part of another
    /// does not leave the rest of it behind.
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
            percent_encoded(text, false),
            percent_encoded(text, true),
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
            if text.contains(needle.as_str()) {
                text = Cow::Owned(text.replace(needle.as_str(), MASK));
            }
        }
        text
    }

    /// The start of a body as text, masked, however long the body is.
    pub(crate) fn redact_body(&self, body: &[u8]) -> String {
        const WINDOW: usize = 16 * 1024;
        let text = String::from_utf8_lossy(&body[..body.len().min(WINDOW)]);
        let mut text = self.redact(&text).into_owned();
        if body.len() > WINDOW {
            // A secret that the window cuts in two is not found, so its first part goes as well.
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

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").finish_non_exhaustive()
    }
}

/// As in a URL or a form; servers differ in the case of the digits.
fn percent_encoded(text: &str, lower: bool) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            _ if lower => out.push_str(&format!("%{byte:02x}")),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
        out
    })
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
        assert_eq!(redactor(&[""]).redact("text"), "text");
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
