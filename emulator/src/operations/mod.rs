//! The operations of the API: each one reads its request, acts on the model, and writes the
//! response.

mod batches;
mod chunks;
mod services;

use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::refusal::Refusal;
use crate::responses::Writer;
use crate::state::{BatchEntry, Shared, State};

/// The body of a response, in parts that are sent one after the other, or why the request is
/// refused.
pub(crate) type Outcome = Result<Vec<Bytes>, Refusal>;

impl Shared {
    /// Acts on a batch, brought to the present.
    fn with_batch(
        &self,
        id: &str,
        act: impl FnOnce(&Writer<'_>, &mut BatchEntry) -> Outcome,
    ) -> Outcome {
        let mut state = self.lock();
        let now = self.clock.now();
        let shapes = state.shapes.clone();
        let entry = find(&mut state, id, now)?;
        let writer = Writer {
            shapes: &shapes,
            clock: &self.clock,
            now,
        };
        act(&writer, entry)
    }
}

fn find<'a>(state: &'a mut State, id: &str, now: Duration) -> Result<&'a mut BatchEntry, Refusal> {
    state.batch(id, now).ok_or_else(|| {
        let hint = if id.parse::<Uuid>().is_ok() {
            ""
        } else {
            " (an id is a UUID)"
        };
        Refusal::new(
            StatusCode::NOT_FOUND,
            "batch_not_found",
            format!("there is no batch {id:?}{hint}"),
        )
    })
}

/// Reads a body, or says which part of it is wrong. `place` is where in the whole body the text
/// stands.
fn read<'a, T: Deserialize<'a>>(body: &'a str, place: &str) -> Result<T, Refusal> {
    serde_json::from_str(body).map_err(|error| {
        // Read once more for the path of the mistake, which would cost too much in every request.
        let mut json = serde_json::Deserializer::from_str(body);
        let path = match serde_path_to_error::deserialize::<_, T>(&mut json) {
            Err(error) => error.path().to_string(),
            Ok(_) => String::new(),
        };
        let path = if path == "." { "" } else { path.as_str() };
        let dot = if place.is_empty() || path.is_empty() {
            ""
        } else {
            "."
        };
        let problem = crate::service::plain(&error);
        match (place, path) {
            ("", "") => Refusal::invalid(format!("the body: {error}")),
            _ => Refusal::invalid(format!("{place}{dot}{path}: {problem}")),
        }
    })
}

/// The body of a response, as JSON.
pub(crate) fn json<T: Serialize>(value: &T) -> Outcome {
    Ok(vec![serde_json::to_vec(value).map_err(internal)?.into()])
}

fn internal(error: serde_json::Error) -> Refusal {
    Refusal::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal_error",
        error.to_string(),
    )
}
