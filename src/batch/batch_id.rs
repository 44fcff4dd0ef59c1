//! Validation of batch ids, which become part of a path and must not be able to change it.

use crate::error::{Error, Result};

const LONGEST: usize = 200;

/// Rejects ids that would send a request to another path, or that would need an encoding in which
/// servers differ. The service's own ids are UUIDs.
pub(crate) fn check_batch_id(id: &str) -> Result<()> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    let why = if id.is_empty() {
        "it is empty"
    } else if matches!(id, "." | ".." | "status") {
        "it would change the path of the request"
    } else if id.len() > LONGEST {
        "it is longer than 200 bytes"
    } else if !id.bytes().all(plain) {
        "only letters, digits, `-`, `_`, `.` and `~` are allowed"
    } else {
        return Ok(());
    };
    let start: String = id.chars().take(60).collect();
    Err(Error::input(format!(
        "`{}` is not a batch id: {why}",
        start.escape_debug()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_change_the_path_are_refused() {
        for id in [
            "9f1c2d3e-0000-4000-8000-123456789abc",
            "batch_1",
            "a.b",
            "...",
            "~",
        ] {
            assert!(check_batch_id(id).is_ok(), "{id}");
        }
        let long = "x".repeat(LONGEST + 1);
        for id in [
            "", "status", ".", "..", "a/b", "/", "..\\..", "a\\b", "a\0b", "a\nb", "a b", "\u{a0}",
            "%2e%2e", "%2F", "a?b", "a#b", "é", &long,
        ] {
            let error = check_batch_id(id).unwrap_err();
            assert_eq!(error.kind(), crate::error::ErrorKind::Input, "{id}");
            assert_eq!(error.to_string().lines().count(), 1, "{id}");
        }
    }

    proptest::proptest! {
        #[test]
        fn an_accepted_id_is_one_path_segment(id in "([a-zA-Z0-9._~-]|[%/?#@: é]|\\\\){0,40}") {
            if check_batch_id(&id).is_ok() {
                let url = format!("https://host/t/api/v4/batch/{id}/status");
                let url = reqwest::Url::parse(&url).unwrap();
                proptest::prop_assert_eq!(url.path(), format!("/t/api/v4/batch/{id}/status"));
            }
        }
    }
}
