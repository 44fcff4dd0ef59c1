//! The bodies of requests. A field that the API does not describe is an error.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Deserializer, Error as _, MapAccess};
use serde_json::value::RawValue;

/// A value that must be a JSON object: the structs below would also read from an array of their
/// fields.
#[derive(Debug, Default)]
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> serde::de::Visitor<'de> for Visitor<T> {
            type Value = T;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }
        deserializer.deserialize_map(Visitor(PhantomData)).map(Self)
    }
}

/// Body of a create request.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CreateBatch {
    #[serde(deserialize_with = "text")]
    pub(crate) service: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(crate) version_id: Option<String>,
    #[serde(deserialize_with = "timestamp")]
    pub(crate) version_by_timestamp: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(crate) subservice: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(crate) output: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(crate) unique_record_key: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(crate) call_purpose: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(crate) source_system: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(crate) correlation_id: Option<String>,
    #[serde(deserialize_with = "at_least_one")]
    pub(crate) initial_workers: Option<u32>,
    #[serde(deserialize_with = "at_least_one")]
    pub(crate) max_workers: Option<u32>,
    #[serde(deserialize_with = "at_least_one")]
    pub(crate) chunks_per_request: Option<u32>,
    #[serde(deserialize_with = "at_least_one")]
    pub(crate) runner_thread_count: Option<u32>,
    #[serde(deserialize_with = "percentage")]
    pub(crate) acceptable_error_percentage: Option<u32>,
    #[serde(deserialize_with = "megabytes")]
    pub(crate) max_input_size_in_mb: Option<f64>,
    #[serde(deserialize_with = "megabytes")]
    pub(crate) max_output_size_in_mb: Option<f64>,
    // The names that the TypeScript SDK sends. The service ignores them.
    #[serde(deserialize_with = "megabytes", rename = "max_input_size")]
    pub(crate) _max_input_size: Option<f64>,
    #[serde(deserialize_with = "megabytes", rename = "max_output_size")]
    pub(crate) _max_output_size: Option<f64>,
}

/// Body of a close or cancel request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateBatch {
    pub(crate) batch_status: NewStatus,
}

/// The status that an update asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum NewStatus {
    Closed,
    Cancelled,
}

/// Body of a push request; the chunks are read one by one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Push<'a> {
    #[serde(borrow)]
    pub(crate) chunks: Vec<&'a RawValue>,
}

/// One chunk of a push request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Chunk<'a> {
    #[serde(borrow)]
    pub(crate) id: Cow<'a, str>,
    pub(crate) size: u64,
    #[serde(borrow)]
    pub(crate) data: Object<ChunkData<'a>>,
}

/// The records of a chunk, with the parameters and the summary for all of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChunkData<'a> {
    #[serde(borrow)]
    pub(crate) inputs: Vec<&'a RawValue>,
    // The Python SDK sends null for a summary that is not set.
    #[serde(borrow, default)]
    pub(crate) parameters: Option<Fields<'a>>,
    #[serde(default)]
    pub(crate) summary: Option<Object<Summary>>,
}

/// The aggregates over the outputs of a chunk.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Summary {
    #[serde(deserialize_with = "present")]
    pub(crate) ignore_error: Option<bool>,
    #[serde(deserialize_with = "present")]
    pub(crate) return_all_records: Option<bool>,
    pub(crate) aggregation: Vec<Object<Aggregation>>,
}

/// One aggregate over one output.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Aggregation {
    pub(crate) output_name: String,
    pub(crate) operator: String,
}

/// The fields of a JSON object, in their order, with their values as they were written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields<'a>(pub(crate) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Fields<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::with_capacity(map.size_hint().unwrap_or(0));
                while let Some(Text(name)) = map.next_key()? {
                    fields.push((name, map.next_value()?));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// Text that is borrowed from the input where it holds no escapes, also as an element of something
/// else.
#[derive(Debug, Deserialize)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

/// Reads an optional field that must not be null.
fn present<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        return Err(D::Error::custom("is empty; leave the field out instead"));
    }
    Ok(Some(text))
}

fn timestamp<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.parse::<jiff::Timestamp>().is_err() && text.parse::<jiff::civil::Date>().is_err() {
        return Err(D::Error::custom(format!(
            "{text:?} is not an ISO 8601 date or time with an offset"
        )));
    }
    Ok(Some(text))
}

fn at_least_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    match u32::deserialize(deserializer)? {
        0 => Err(D::Error::custom("must be at least 1")),
        number => Ok(Some(number)),
    }
}

fn percentage<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    match u32::deserialize(deserializer)? {
        number @ 0..=100 => Ok(Some(number)),
        _ => Err(D::Error::custom("must be between 0 and 100")),
    }
}

fn megabytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    let number = f64::deserialize(deserializer)?;
    if number > 0.0 {
        Ok(Some(number))
    } else {
        Err(D::Error::custom("must be more than 0"))
    }
}
