//! The types and calls that are generated from the description of the API in `openapi/`.
//!
//! The rest of the crate stands on them. Use them directly for what it lacks:
//! [`crate::Client::raw`] gives a client with credentials, request ids, limits and retries in
//! place.
//!
//! Types that hold the caller's records are generic over them, so that bulk data is read and
//! written without a detour: [`types::PushRequest`], [`types::Chunk`] and [`types::ChunkData`] over
//! the inputs, [`types::PullResponse`] and [`types::ChunkResult`] over the outputs. The calls
//! [`Client::push`] and [`Client::pull`] take and give JSON as bytes.
//!
//! Every field of an answer is optional, since any may be null or absent. Status values are enums
//! with a variant for texts that are not known yet; counters are read however they are written.

pub(crate) mod de;
pub(crate) mod executor;
pub(crate) mod ext;
pub(crate) mod record_message;
pub(crate) mod timestamp;

include!(concat!(env!("OUT_DIR"), "/raw.rs"));
