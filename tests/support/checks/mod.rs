//! Checks that hold for any input from outside, however odd. `tests/hardening.rs` runs them on
//! generated inputs for a few seconds, the targets in `fuzz/` for as long as you like.

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

/// Checks that an error is of this kind and that its message is one line of bounded length.
fn refused(error: &Error, kind: ErrorKind) {
    assert_eq!(error.kind(), kind, "{error}");
    let shown = error.to_string();
    assert!(!shown.contains(char::is_control), "{shown:?}");
    assert!(shown.len() < 10_000, "{} bytes", shown.len());
}
