//! The bodies on the wire: requests are read strictly, the form of responses is settable.

mod request;
mod response;

pub(crate) use request::{
    Aggregation, Chunk, ChunkData, CreateBatch, Fields, NewStatus, Object, Push, Summary, Text,
    UpdateBatch,
};
pub(crate) use response::JsonObject;
