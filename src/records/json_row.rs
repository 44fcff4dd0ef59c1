//! Rows that the caller has encoded.

use bytes::Bytes;

/// A record that is encoded as a row of JSON already, such as `[40,"female",true]`: a list with a
/// cell for each column. [`Source::json_rows`](crate::run::Source::json_rows) takes them.
///
/// Its bytes are copied into the chunk as they are, so no digit changes, and nothing is decoded or
/// encoded again. For the same reason they are not checked: a row that is not JSON, or has another
/// number of cells than there are columns, makes the service refuse its chunk or fail its records.
/// Raw JSON of unknown origin is better given as a [`RawValue`](serde_json::value::RawValue), which
/// is a record like any other.
///
/// Rows that are slices of one buffer share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonRow(Bytes);

impl JsonRow {
    /// A row from the bytes of its JSON.
    #[must_use]
    pub fn new(json: impl Into<Bytes>) -> Self {
        Self(json.into())
    }

    pub(crate) fn json(&self) -> &[u8] {
        &self.0
    }
}
