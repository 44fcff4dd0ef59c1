//! The shapes on the wire: strict on what comes in, and settable on what goes out.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Deserializer, Error as _, MapAccess};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

// ---- What comes in ----

/// A value that must be a JSON object: the structs below would also read from an array of their fields.
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
    // The names that the TypeScript SDK sends. The service takes them and does nothing with them.
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

/// What a batch can be told to become.
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

/// The records of a chunk and what goes for all of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChunkData<'a> {
    #[serde(borrow)]
    pub(crate) inputs: Vec<&'a RawValue>,
    // The Python SDK sends null for a summary that was not given, and the service takes it.
    #[serde(borrow, default)]
    pub(crate) parameters: Option<Fields<'a>>,
    #[serde(default)]
    pub(crate) summary: Option<Object<Summary>>,
}

/// What to compute over the outputs of a chunk.
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

/// Text that is borrowed from the input where it holds no escapes, also as an element of something else.
#[derive(Debug, Deserialize)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

/// Reads an optional field that must not be null where it is present.
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

// ---- What goes out ----

/// A field of an answer that the service need not give.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Field<T> {
    Given(T),
    Null,
    Absent,
}

impl<T> Field<T> {
    fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

impl<T: Serialize> Serialize for Field<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Given(value) => value.serialize(serializer),
            Self::Null | Self::Absent => serializer.serialize_none(),
        }
    }
}

/// A duration in milliseconds: a whole number, or with its fraction.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Millis {
    Whole(u128),
    Fractional(f64),
}

impl Serialize for Millis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::Whole(number) => {
                serializer.serialize_u64(u64::try_from(number).unwrap_or(u64::MAX))
            }
            Self::Fractional(number) => serializer.serialize_f64(number),
        }
    }
}

/// Status of a batch: the answer to status and push, and a part of the answer to a pull.
#[derive(Debug, Serialize)]
pub(crate) struct Status {
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub(crate) response_timestamp: Field<String>,
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub(crate) request_timestamp: Field<String>,
    pub(crate) batch_status: String,
    pub(crate) pipeline_status: String,
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub(crate) chunks_available: Field<usize>,
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub(crate) chunks_submitted: Field<u64>,
    pub(crate) record_submitted: u64,
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub(crate) chunks_completed: Field<u64>,
    pub(crate) records_completed: u64,
    pub(crate) compute_time_ms: Millis,
    pub(crate) input_buffer_used_bytes: u64,
    pub(crate) input_buffer_remaining_bytes: u64,
    pub(crate) output_buffer_used_bytes: u64,
    pub(crate) output_buffer_remaining_bytes: u64,
    pub(crate) workers_in_use: usize,
    pub(crate) records_available: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) a_field_of_tomorrow: Option<Tomorrow>,
}

/// Something that a later version of the service might add.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Tomorrow {
    pub(crate) of: [u8; 2],
}

/// A batch as create, info, close and cancel answer it.
#[derive(Debug, Serialize)]
pub(crate) struct BatchAnswer {
    pub(crate) object: &'static str,
    pub(crate) id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<BatchData>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) meta: Option<BatchData>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) a_field_of_tomorrow: Option<Tomorrow>,
}

/// The details of a batch.
#[derive(Debug, Serialize)]
pub(crate) struct BatchData {
    pub(crate) service_id: String,
    pub(crate) version_id: String,
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub(crate) compiler_version: Field<&'static str>,
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub(crate) correlation_id: Field<Option<String>>,
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub(crate) source_system: Field<Option<String>>,
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub(crate) unique_record_key: Field<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) summary: Option<BatchSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) configuration: Option<BatchConfiguration>,
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub(crate) response_timestamp: Field<String>,
    pub(crate) batch_status: String,
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub(crate) created_by: Field<&'static str>,
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub(crate) created_timestamp: Field<String>,
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub(crate) updated_timestamp: Field<String>,
    pub(crate) service_uri: String,
}

/// The counters of a batch, as info gives them.
#[derive(Debug, Serialize)]
pub(crate) struct BatchSummary {
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub(crate) chunks_submitted: Field<u64>,
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub(crate) chunks_retried: Field<u64>,
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub(crate) chunks_completed: Field<u64>,
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub(crate) chunks_failed: Field<u64>,
    pub(crate) records_retried: u64,
    pub(crate) input_size_bytes: u64,
    pub(crate) output_size_bytes: u64,
    pub(crate) avg_compute_time_ms: Millis,
    pub(crate) records_submitted: u64,
    pub(crate) records_failed: u64,
    pub(crate) records_completed: u64,
    pub(crate) compute_time_ms: Millis,
    pub(crate) batch_time_ms: Millis,
}

/// What a batch was set up with, as info gives it.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct BatchConfiguration {
    pub(crate) initial_workers: usize,
    pub(crate) chunks_per_request: u32,
    pub(crate) runner_thread_count: u32,
    pub(crate) acceptable_error_percentage: u32,
    pub(crate) input_buffer_allocated_bytes: u64,
    pub(crate) output_buffer_allocated_bytes: u64,
    pub(crate) max_workers: usize,
}

/// The answer to describe.
#[derive(Debug, Serialize)]
pub(crate) struct Describe {
    pub(crate) in_progress_batches: Vec<Described>,
    pub(crate) recent_batches: Vec<Described>,
    pub(crate) tenant: Tenant,
    pub(crate) environment: Environment,
}

/// One batch in the answer to describe.
#[derive(Debug, Serialize)]
pub(crate) struct Described {
    pub(crate) object: &'static str,
    pub(crate) id: String,
    pub(crate) data: DescribedData,
}

/// The details of one batch in the answer to describe.
#[derive(Debug, Serialize)]
pub(crate) struct DescribedData {
    pub(crate) pipeline_status: String,
    pub(crate) summary: DescribedSummary,
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub(crate) response_timestamp: Field<String>,
    pub(crate) batch_status: String,
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub(crate) created_by: Field<&'static str>,
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub(crate) created_timestamp: Field<String>,
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub(crate) updated_timestamp: Field<String>,
    pub(crate) service_uri: String,
}

/// The counters of one batch in the answer to describe.
#[derive(Debug, Serialize)]
pub(crate) struct DescribedSummary {
    pub(crate) records_submitted: u64,
    pub(crate) records_failed: u64,
    pub(crate) records_completed: u64,
    pub(crate) compute_time_ms: Millis,
    pub(crate) batch_time_ms: Millis,
}

/// The tenant's share of the environment.
#[derive(Debug, Serialize)]
pub(crate) struct Tenant {
    pub(crate) configuration: TenantConfiguration,
    pub(crate) status: TenantStatus,
}

/// What is set aside for the tenant's batches.
#[derive(Debug, Serialize)]
pub(crate) struct TenantConfiguration {
    pub(crate) input_buffer_allocated_bytes: u64,
    pub(crate) output_buffer_allocated_bytes: u64,
    pub(crate) max_workers: usize,
}

/// What the tenant's batches use.
#[derive(Debug, Serialize)]
pub(crate) struct TenantStatus {
    pub(crate) input_buffer_used_bytes: u64,
    pub(crate) input_buffer_remaining_bytes: u64,
    pub(crate) output_buffer_used_bytes: u64,
    pub(crate) output_buffer_remaining_bytes: u64,
    pub(crate) workers_in_use: usize,
}

/// The environment's state.
#[derive(Debug, Serialize)]
pub(crate) struct Environment {
    pub(crate) update: u64,
}

/// The answer to a token request.
#[derive(Debug, Serialize)]
pub(crate) struct Token {
    pub(crate) access_token: String,
    pub(crate) expires_in: u64,
    pub(crate) refresh_expires_in: u64,
    pub(crate) token_type: &'static str,
    #[serde(rename = "not-before-policy")]
    pub(crate) not_before_policy: u64,
    pub(crate) scope: &'static str,
}

/// The body of every refusal.
#[derive(Debug, Serialize)]
pub(crate) struct ErrorBody<'a> {
    pub(crate) error: ErrorDetail<'a>,
}

/// What was wrong with a request.
#[derive(Debug, Serialize)]
pub(crate) struct ErrorDetail<'a> {
    pub(crate) code: &'a str,
    pub(crate) message: &'a str,
}

/// The body of a refusal of the token endpoint.
#[derive(Debug, Serialize)]
pub(crate) struct OAuthError<'a> {
    pub(crate) error: &'a str,
    pub(crate) error_description: &'a str,
}
