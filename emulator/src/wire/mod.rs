//! What stands on the wire: requests, which are read strictly, and responses, whose form is
//! settable.

mod request;
mod response;

pub(crate) use request::{
    Aggregation, Chunk, ChunkData, CreateBatch, Fields, NewStatus, Object, Push, Summary, Text,
    UpdateBatch,
};
pub(crate) use response::JsonObject;
