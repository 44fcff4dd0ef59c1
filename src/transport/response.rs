//! What a call brought back, and the errors of those who can't read it.

use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;

use super::Transport;
use super::hooks::TypedCall;
use crate::error::{Error, Result};
use crate::json::{DecodeError, decode};
use crate::operation::Operation;

/// The body of a 2xx answer, whole.
#[derive(Debug)]
pub(crate) struct ResponseBody {
    pub(super) body: Bytes,
    pub(super) call: Arc<TypedCall>,
    pub(super) transport: Arc<Transport>,
}

impl ResponseBody {
    /// The bytes as the service sent them, decompressed.
    pub(crate) fn body(&self) -> &Bytes {
        &self.body
    }

    /// Reads the JSON as a `T`.
    pub(crate) fn json<'de, T: Deserialize<'de>>(&'de self) -> Result<T> {
        decode(&self.body).map_err(|DecodeError { path, message }| self.undecodable(&path, message))
    }

    /// The error for an answer that does not hold what it should at `path`.
    ///
    /// For a pull it has the whole answer with it, since the service no longer has the results.
    pub(crate) fn undecodable(&self, path: &str, why: impl std::fmt::Display) -> Error {
        let TypedCall { call, log } = &*self.call;
        let redactor = self.transport.sender.redactor();
        // serde repeats values, and a path can hold keys that the service chose.
        let error = Error::decode(&redactor.redact(path), redactor.redact(&why.to_string()))
            .with_body_excerpt(&redactor.redact_body(&self.body));
        let error = log.undecodable(error, call);
        match call.operation {
            Operation::Pull => error.with_response_body(self.body.clone()),
            _ => error,
        }
    }
}
