//! The aggregates that a summary asks for.

use std::fmt;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::Outputs;
use crate::error::{Error, Result};

/// The aggregates of a chunk as names and values, in the order in which they were asked for.
///
/// An output that is aggregated twice is in there twice.
///
/// ```
/// use cspark_batches::{Aggregates, Outputs};
///
/// let json = r#"[["volume", "volume"], [17.5, 3.5]]"#;
/// let summary: Outputs<Aggregates> = serde_json::from_str(json)?;
/// let aggregates = summary.as_slice()[0].as_ref().unwrap();
/// let values: Vec<_> = aggregates.iter().map(|(_, value)| value.as_f64()).collect();
/// assert_eq!(values, [Some(17.5), Some(3.5)]);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Aggregates(Vec<(String, Value)>);

impl Aggregates {
    /// The names of the outputs with their aggregates. An aggregate is null if it could not be
    /// computed.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// The first aggregate of an output.
    pub fn get(&self, output: &str) -> Option<&Value> {
        self.iter()
            .find(|(name, _)| *name == output)
            .map(|(_, value)| value)
    }
}

impl<'de> Deserialize<'de> for Aggregates {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Aggregates;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the names of outputs with their aggregates")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Aggregates, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Aggregates(pairs))
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}

/// Reads the summary of a chunk, which has the shape of the outputs of one record. `None` if it
/// has no aggregates.
pub(crate) fn read_summary<T: DeserializeOwned>(summary: &RawValue) -> Result<Option<T>> {
    let rows = Outputs::from_json(summary.get())
        .map_err(|error| Error::decode("summary_output", &error).with_cause(error))?;
    Ok(rows.into_iter().flatten().next())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Totals {
        total: f64,
        count: u64,
    }

    fn read<T: DeserializeOwned>(json: &str) -> Result<Option<T>> {
        let json: Box<RawValue> = serde_json::from_str(json).unwrap();
        read_summary(&json)
    }

    #[test]
    fn a_summary_is_read_in_every_shape() {
        let table = r#"[["total", "count"], [2.5, 3]]"#;
        let totals = Totals {
            total: 2.5,
            count: 3,
        };
        assert_eq!(read(table).unwrap(), Some(totals));
        assert_eq!(read(table).unwrap(), Some((2.5, 3)));
        let aggregates: Aggregates = read(table).unwrap().unwrap();
        assert_eq!(aggregates.get("count"), Some(&json!(3)));
        assert_eq!(aggregates.get("other"), None);
        let objects = r#"[{"total": 2.5, "count": 3}]"#;
        assert_eq!(read(objects).unwrap(), Some(aggregates));
    }

    #[test]
    fn an_output_may_be_aggregated_twice() {
        let table = r#"[["volume", "volume"], [2.5, null]]"#;
        let aggregates: Aggregates = read(table).unwrap().unwrap();
        let pairs: Vec<_> = aggregates.iter().collect();
        assert_eq!(pairs, [("volume", &json!(2.5)), ("volume", &Value::Null)]);
        assert_eq!(read(table).unwrap(), Some((2.5, None::<f64>)));
    }

    #[test]
    fn nothing_and_nonsense() {
        for json in ["[[]]", "[]", r#"[["total"]]"#, "[null]"] {
            assert_eq!(read::<Aggregates>(json).unwrap(), None, "{json}");
        }
        let error = read::<Totals>(r#"[["total"], ["x"]]"#).unwrap_err();
        assert!(error.to_string().contains("summary_output"), "{error}");
        assert!(read::<Aggregates>("7").is_err());
    }
}
