//! The errors and warnings of single records.

use std::fmt;

use serde::Serialize;
use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use serde_json::value::RawValue;

/// The service's error or warning for one record: JSON of a shape that is not documented.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct RecordMessage(Box<RawValue>);

impl RecordMessage {
    /// Returns the JSON as the service wrote it.
    pub fn json(&self) -> &str {
        self.0.get()
    }

    /// Decodes the JSON as a `T`.
    ///
    /// # Errors
    ///
    /// If it is not a `T`.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.0.get())
    }
}

impl fmt::Display for RecordMessage {
    /// Prints the text of a string or of an object with a `message`, or else the JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[derive(serde::Deserialize)]
        struct WithText {
            message: String,
        }
        match self
            .decode::<String>()
            .or_else(|_| self.decode::<WithText>().map(|it| it.message))
        {
            Ok(text) => f.pad(&text),
            Err(_) => f.pad(self.json()),
        }
    }
}

impl<'de> Deserialize<'de> for RecordMessage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::deserialize(deserializer).map(Self)
    }
}

impl PartialEq for RecordMessage {
    /// Compares the JSON texts.
    fn eq(&self, other: &Self) -> bool {
        self.json() == other.json()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_reads_as_its_text_where_it_has_one() {
        let shown = |json: &str| {
            serde_json::from_str::<RecordMessage>(json)
                .unwrap()
                .to_string()
        };
        assert_eq!(shown(r#""too old""#), "too old");
        assert_eq!(shown(r#"{"message": "too old", "code": 3}"#), "too old");
        assert_eq!(shown(r#"[1, {"a": 2}]"#), r#"[1, {"a": 2}]"#);
    }
}
