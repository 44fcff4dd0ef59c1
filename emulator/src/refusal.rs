//! Refusals: the responses to requests that the API does not allow.

use hyper::{Method, StatusCode};

use crate::wire::JsonObject;

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// A short name for programs.
    pub(crate) code: &'static str,
    /// A sentence for people: what is wrong, and what is right.
    pub(crate) message: String,
    /// The methods that the path knows, if the method is wrong.
    pub(crate) allow: Option<&'static str>,
    form: Form,
}

/// The form of a refusal on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// `{"error":{"code":"...","message":"..."}}`.
    Api,
    /// `{"error":"...","error_description":"..."}`.
    OAuth,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            allow: None,
            form: Form::Api,
        }
    }

    /// The request is not one that the API describes (400).
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", message)
    }

    /// Not found (404).
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// The state of the batch forbids it (409).
    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", message)
    }

    /// The path does not know this method (405).
    pub(crate) fn method(method: &Method, path: &str, allow: &'static str) -> Self {
        let message = format!("{path} does not know the method {method}; it knows {allow}");
        let refusal = Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            message,
        );
        Self {
            allow: Some(allow),
            ..refusal
        }
    }

    /// A refusal of the token endpoint.
    pub(crate) fn oauth(
        status: StatusCode,
        code: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            form: Form::OAuth,
            ..Self::new(status, code, message)
        }
    }

    pub(crate) fn body(&self) -> Vec<u8> {
        let body = match self.form {
            Form::Api => JsonObject::new().field(
                "error",
                JsonObject::new()
                    .field("code", self.code)
                    .field("message", &self.message),
            ),
            Form::OAuth => JsonObject::new()
                .field("error", self.code)
                .field("error_description", &self.message),
        };
        // Two texts always serialise.
        serde_json::to_vec(&body).unwrap_or_default()
    }
}
