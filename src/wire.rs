//! Handwritten types and readers that the generated code refers to, where a generated one would be too strict.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::{self, Deserialize, DeserializeOwned, Deserializer, Visitor};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// A moment as the service writes it: ISO 8601 text, such as `1970-12-03T04:56:12.186Z`.
///
/// The text is kept as it came, so that an odd one does not fail the answer that it comes in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(String);

impl Timestamp {
    /// The moment so many milliseconds after 1970-01-01 (UTC), or before it if negative.
    ///
    /// Moments beyond the years -9999 to 9999 are brought to the nearer end of that range.
    pub fn from_unix_millis(millis: i64) -> Self {
        let range = jiff::Timestamp::MIN.as_millisecond()..=jiff::Timestamp::MAX.as_millisecond();
        let within = millis.clamp(*range.start(), *range.end());
        Self(
            jiff::Timestamp::from_millisecond(within)
                .unwrap_or_default()
                .to_string(),
        )
    }

    /// The text as it stands on the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The moment; nothing when the text is not a date and time with an offset (`Z`, `+02:00`).
    pub fn to_system_time(&self) -> Option<SystemTime> {
        self.0.parse::<jiff::Timestamp>().ok().map(SystemTime::from)
    }
}

impl From<&str> for Timestamp {
    /// Takes the text as it is, unchecked.
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for Timestamp {
    /// Takes the text as it is, unchecked.
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<SystemTime> for Timestamp {
    /// Keeps milliseconds.
    fn from(time: SystemTime) -> Self {
        let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_unix_millis(match time.duration_since(UNIX_EPOCH) {
            Ok(after) => millis(after),
            Err(before) => -millis(before.duration()),
        })
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer)
    }
}

/// What the service says of one record, as a warning or an error: JSON of a shape that is not published.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct RecordMessage(Box<RawValue>);

impl RecordMessage {
    /// The JSON text as it came.
    pub fn json(&self) -> &str {
        self.0.get()
    }

    /// Reads the JSON as a type of the caller's.
    ///
    /// # Errors
    ///
    /// When it does not have that shape.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.0.get())
    }
}

impl fmt::Display for RecordMessage {
    /// The text, if the message is a text or an object with a `message`; else the JSON.
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
    /// Compares the texts, not what they mean.
    fn eq(&self, other: &Self) -> bool {
        self.json() == other.json()
    }
}

/// Why JSON can't be read.
#[derive(Debug)]
pub(crate) struct Wrong {
    /// The path of what is wrong (`data[3].outputs`).
    pub(crate) place: String,
    pub(crate) why: String,
}

/// Reads JSON, all of it.
pub(crate) fn read<'de, T: Deserialize<'de>>(json: &'de [u8]) -> Result<T, Wrong> {
    serde_json::from_slice(json).map_err(|error| {
        // A second pass, which keeps track of the place and is slower.
        let mut reader = serde_json::Deserializer::from_slice(json);
        match serde_path_to_error::deserialize::<_, T>(&mut reader) {
            // It does not see what comes after the end.
            Ok(_) => Wrong {
                place: String::new(),
                why: error.to_string(),
            },
            Err(error) => Wrong {
                place: error.path().to_string(),
                why: error.inner().to_string(),
            },
        }
    })
}

/// Reads any text into a type that takes every text. Doesn't allocate before the type does.
pub(crate) fn text<'de, T: for<'a> From<&'a str>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    struct Text<T>(std::marker::PhantomData<T>);

    impl<T: for<'a> From<&'a str>> Visitor<'_> for Text<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            Ok(T::from(text))
        }
    }

    deserializer.deserialize_str(Text(std::marker::PhantomData))
}

/// Reads a counter that may be null, written as a float, or (what remains of an overfull buffer) below zero.
pub(crate) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    struct Count;

    impl<'de> Visitor<'de> for Count {
        type Value = Option<u64>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number or null")
        }

        fn visit_u64<E: de::Error>(self, count: u64) -> Result<Self::Value, E> {
            Ok(Some(count))
        }

        fn visit_i64<E: de::Error>(self, count: i64) -> Result<Self::Value, E> {
            Ok(Some(u64::try_from(count).unwrap_or(0)))
        }

        fn visit_f64<E: de::Error>(self, count: f64) -> Result<Self::Value, E> {
            // `as` saturates at both ends.
            Ok(Some(count.round() as u64))
        }

        fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
    }

    deserializer.deserialize_any(Count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_read_however_they_are_written() {
        #[derive(serde::Deserialize)]
        struct Counter {
            #[serde(default, deserialize_with = "count")]
            n: Option<u64>,
        }
        let read = |text: &str| serde_json::from_str::<Counter>(text).map(|it| it.n).ok();
        assert_eq!(read("{}"), Some(None));
        assert_eq!(read(r#"{"n": null}"#), Some(None));
        assert_eq!(read(r#"{"n": 7}"#), Some(Some(7)));
        assert_eq!(read(r#"{"n": 7.0}"#), Some(Some(7)));
        assert_eq!(read(r#"{"n": 1e5}"#), Some(Some(100_000)));
        assert_eq!(read(r#"{"n": -3}"#), Some(Some(0)));
        assert_eq!(read(r#"{"n": -0.5}"#), Some(Some(0)));
        assert_eq!(read(r#"{"n": 18446744073709551615}"#), Some(Some(u64::MAX)));
        assert_eq!(read(r#"{"n": "7"}"#), None);
    }

    #[test]
    fn a_timestamp_keeps_its_text_and_knows_its_moment() {
        let text = "1970-12-03T04:56:12.186Z";
        let timestamp: Timestamp = serde_json::from_str(&format!("{text:?}")).unwrap();
        assert_eq!(timestamp.as_str(), text);
        assert_eq!(
            timestamp,
            Timestamp::from(timestamp.to_system_time().unwrap())
        );
        assert_eq!(Timestamp::from("yesterday").to_system_time(), None);
        assert_eq!(
            Timestamp::from_unix_millis(0).as_str(),
            "1970-01-01T00:00:00Z"
        );
        assert_eq!(
            Timestamp::from_unix_millis(i64::MIN).as_str(),
            Timestamp::from_unix_millis(i64::MIN + 1).as_str()
        );
    }

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
