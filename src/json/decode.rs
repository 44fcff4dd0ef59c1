//! Decoding JSON with the path of the value that is wrong.

use serde::de::Deserialize;

/// Why JSON can't be decoded.
#[derive(Debug)]
pub(crate) struct DecodeError {
    /// The path of the value that is wrong (`data[3].outputs`); empty for the whole document.
    pub(crate) path: String,
    pub(crate) message: String,
}

/// Decodes a whole JSON document.
pub(crate) fn decode<'de, T: Deserialize<'de>>(json: &'de [u8]) -> Result<T, DecodeError> {
    serde_json::from_slice(json).map_err(|error| {
        // The second pass keeps track of the path, which makes it slower.
        let mut reader = serde_json::Deserializer::from_slice(json);
        match serde_path_to_error::deserialize::<_, T>(&mut reader) {
            // It does not look at what follows the value.
            Ok(_) => DecodeError {
                path: String::new(),
                message: error.to_string(),
            },
            Err(error) => DecodeError {
                path: error.path().to_string(),
                message: error.inner().to_string(),
            },
        }
    })
}
