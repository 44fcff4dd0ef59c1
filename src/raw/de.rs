//! Deserialization functions that the generated types name in `deserialize_with`, for values that a
//! derived implementation would reject.

use std::fmt;

use serde::de::{self, Deserializer, Visitor};

/// Deserializes a string into a type that is made from any text, without an allocation of its own.
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

/// Deserializes a counter that may be null, a float, or negative, which counts as 0 (the room left
/// in an overfull buffer).
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
}
