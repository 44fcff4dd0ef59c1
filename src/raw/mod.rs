//! The types and calls that are generated from the description of the API in `openapi/`.
//!
//! The rest of the crate is built on them. Use them directly for what it lacks:
//! [`crate::Client::raw`] returns a client with credentials, request ids, limits and retries.
//!
//! Types that hold the caller's records are generic over them, so that bulk data is read and
//! written directly: [`types::PushRequest`], [`types::Chunk`] and [`types::ChunkData`] over
//! the inputs, [`types::PullResponse`] and [`types::ChunkResult`] over the outputs. The calls
//! [`Client::push`] and [`Client::pull`] take and return JSON as bytes.
//!
//! The types follow the description, which may gain fields in a minor version. So build requests
//! with `..Default::default()`, or with the methods of the rest of this crate, and match answers
//! with `..`. The enums are `non_exhaustive`.
//!
//! Every field of a response is optional, because any may be null or absent. Status values are
//! enums with a variant for unknown texts, and counters are accepted in every notation.

pub(crate) mod de;
pub(crate) mod executor;
pub(crate) mod ext;
pub(crate) mod record_message;
pub(crate) mod timestamp;

include!(concat!(env!("OUT_DIR"), "/raw.rs"));
