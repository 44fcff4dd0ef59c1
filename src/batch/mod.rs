//! The verbs of the Batches API.

mod batch_id;
mod batches;
mod calls;
mod pipeline;
mod pull;
mod push;
mod raw_client;
mod results;
mod service_uri;
mod split_outputs;
mod state;

pub use self::batches::{Batches, Create};
pub(crate) use self::calls::Calls;
pub use self::pipeline::{Pipeline, Pull};
pub use self::pull::Pulled;
pub(crate) use self::pull::RawPulled;
pub use self::push::{Duplicates, Push, Pushed, PushedChunk};
pub(crate) use self::raw_client::raw_client;
pub use self::results::Results;
pub use self::service_uri::{ServiceUri, UriParts};
pub(crate) use self::split_outputs::Decoding;
pub use self::state::{PipelineState, Stats};
