//! What serde_json does not do: stepping over JSON without decoding it, and naming the path of an
//! error.
//!
//! - [`cursor`] steps through JSON text and finds where values end.
//! - [`blocks`] finds the bracket that closes a list or an object, 64 bytes at a time.
//! - [`raw_value`] recognizes serde_json's `RawValue` among the types of the caller.
//! - [`mod@decode`] names the path of a value that cannot be decoded.

mod blocks;
mod cursor;
mod decode;
mod raw_value;

pub(crate) use cursor::{Cursor, Text};
pub(crate) use decode::{DecodeError, decode};
pub(crate) use raw_value::{is_raw_value, raw_value};
