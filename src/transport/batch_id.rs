//! Batch ids become part of a path, so they must not be able to change it.

use crate::{Error, Result};

/// Refuses ids that would make a request go somewhere else. The HTTP layer percent-encodes what
/// is left, except for dots, which it resolves.
pub(crate) fn check_batch_id(id: &str) -> Result<()> {
    let why = if id.is_empty() {
        "it is empty"
    } else if matches!(id, "." | "..") {
        "it stands for another path"
    } else if id.contains(['/', '\\']) {
        "it holds a slash or backslash"
    } else if id.contains(|c: char| c.is_control() || c.is_whitespace()) {
        "it holds a space or control character"
    } else if id.contains(['%', '?', '#']) {
        "it holds a character that URLs give a meaning"
    } else if id.len() > 200 {
        "it is longer than 200 bytes"
    } else {
        return Ok(());
    };
    let start: String = id.chars().take(60).collect();
    Err(Error::input(format!("`{}` is not a batch id: {why}", start.escape_debug())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_change_the_path_are_refused() {
        for id in ["9f1c2d3e-0000-4000-8000-123456789abc", "batch_1", "a.b", "...", "é"] {
            assert!(check_batch_id(id).is_ok(), "{id}");
        }
        let long = "x".repeat(201);
        for id in [
            "", ".", "..", "a/b", "/", "..\\..", "a\\b", "a\0b", "a\nb", "a b", "\u{a0}", "%2e%2e",
            "%2F", "a?b", "a#b", &long,
        ] {
            let error = check_batch_id(id).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Input, "{id}");
            assert_eq!(error.to_string().lines().count(), 1, "{id}");
        }
    }
}
