//! The body of a response, for callers that decode it themselves.

use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;

use super::{CallContext, Transport};
use crate::error::{Error, Result};
use crate::json::{DecodeError, decode};
use crate::operation::Operation;

/// The whole body of a 2xx response, with what an error about it needs.
#[derive(Debug)]
pub(crate) struct ResponseBody {
    pub(super) body: Bytes,
    pub(super) context: Arc<CallContext>,
    pub(super) transport: Arc<Transport>,
}

impl ResponseBody {
    /// The bytes as the service sent them, decompressed.
    pub(crate) fn bytes(&self) -> &Bytes {
        &self.body
    }

    /// Decodes the JSON as a `T`.
    pub(crate) fn json<'de, T: Deserialize<'de>>(&'de self) -> Result<T> {
        decode(&self.body).map_err(|error| self.undecodable(error))
    }

    /// The error for a body that is not what the API describes.
    ///
    /// For a pull it carries the whole body, because the service no longer has the results.
    pub(crate) fn undecodable(&self, error: DecodeError) -> Error {
        let redactor = self.transport.sender.redactor();
        // serde repeats values, and a path can hold keys that the service chose.
        let path = redactor.redact(&error.path);
        let error = Error::decode(&path, redactor.redact(&error.message))
            .with_body_excerpt(&redactor.redact_body(&self.body));
        let error = self.context.undecodable(error);
        match self.context.operation() {
            Operation::Pull => error.with_response_body(self.body.clone()),
            _ => error,
        }
    }
}
