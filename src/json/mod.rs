//! JSON that is read, or stepped over, in less time than serde_json takes.
//!
//! For the bulk alone, which is the outputs of pulls. Everything else is serde_json's.

mod decode;
mod reader;
mod scan;

pub(crate) use decode::{DecodeError, decode};
pub(crate) use reader::{from_str, quickly};
pub(crate) use scan::Cursor;

/// The name under which serde_json's `RawValue` passes through serializers and deserializers.
pub(crate) const RAW_VALUE: &str = "$serde_json::private::RawValue";
