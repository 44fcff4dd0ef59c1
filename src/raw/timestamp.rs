//! The dates and times that the service sends.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::{Deserialize, Deserializer};
use serde::{Serialize, Serializer};

use super::de::text;

/// A date and time as the service writes it: ISO 8601 text, such as `1970-12-03T04:56:12.186Z`.
///
/// The text is kept as it is, so that an unusual one does not make a whole response undecodable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(String);

impl Timestamp {
    /// Creates a timestamp from milliseconds since 1970-01-01 (UTC), which may be negative.
    ///
    /// Times outside of the years -9999 to 9999 are clamped to that range.
    pub fn from_unix_millis(millis: i64) -> Self {
        let range = jiff::Timestamp::MIN.as_millisecond()..=jiff::Timestamp::MAX.as_millisecond();
        let within = millis.clamp(*range.start(), *range.end());
        Self(
            jiff::Timestamp::from_millisecond(within)
                .unwrap_or_default()
                .to_string(),
        )
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the time; `None` if the text is not a date and time with an offset (`Z`, `+02:00`).
    pub fn to_system_time(&self) -> Option<SystemTime> {
        self.0.parse::<jiff::Timestamp>().ok().map(SystemTime::from)
    }
}

impl From<&str> for Timestamp {
    /// Keeps the text as it is, without validation.
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for Timestamp {
    /// Keeps the text as it is, without validation.
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<SystemTime> for Timestamp {
    /// Truncates to milliseconds.
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
