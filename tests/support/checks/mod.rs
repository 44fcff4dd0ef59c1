//! What has to hold for any input from outside, however odd.
//!
//! Used by `tests/hardening.rs`, which makes up inputs for a moment, and by the targets in `fuzz/`, which do it for long.

mod answers;
mod chunks;
mod outputs;
mod records;
mod service_uri;
mod settings;
mod tables;

use cspark_batches::{Error, ErrorKind};

pub(crate) use answers::{answers, pulled};
pub(crate) use chunks::chunk_json;
pub(crate) use outputs::outputs;
pub(crate) use service_uri::service_uri;
pub(crate) use settings::settings;
pub(crate) use tables::tables;

/// An error says what it is about on one line, however much it is about.
fn refused(error: &Error, kind: ErrorKind) {
    assert_eq!(error.kind(), kind, "{error}");
    let shown = error.to_string();
    assert!(!shown.contains(char::is_control), "{shown:?}");
    assert!(shown.len() < 10_000, "{} bytes", shown.len());
}
