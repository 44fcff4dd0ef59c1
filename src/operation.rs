//! The operations of the service.

use std::fmt;

/// An operation of the service.
///
/// [`Error::operation`](crate::Error::operation) returns the one that failed. New operations may
/// appear in minor versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// List the batches of the tenant.
    Describe,
    /// Create a batch.
    Create,
    /// Read the details of a batch.
    Info,
    /// Read the status of a batch.
    Status,
    /// Add chunks to a batch.
    Push,
    /// Take results out of a batch.
    Pull,
    /// Close a batch.
    Close,
    /// Cancel a batch.
    Cancel,
    /// Read the schema of a service.
    Schema,
    /// Read the Swagger document of a service.
    Swagger,
    /// List the versions of a service.
    Versions,
    /// Ask whether the environment is up.
    Health,
    /// Obtain an access token.
    Token,
}

impl Operation {
    /// Returns the name in lower case, as in logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Describe => "describe",
            Self::Create => "create",
            Self::Info => "info",
            Self::Status => "status",
            Self::Push => "push",
            Self::Pull => "pull",
            Self::Close => "close",
            Self::Cancel => "cancel",
            Self::Schema => "schema",
            Self::Swagger => "swagger",
            Self::Versions => "versions",
            Self::Health => "health",
            Self::Token => "token",
        }
    }

    /// The operation as the subject of a sentence, up to the batch id.
    pub(crate) fn phrase(self) -> &'static str {
        match self {
            Self::Describe => "describe batches",
            Self::Create => "create batch",
            Self::Info => "info of batch",
            Self::Status => "status of batch",
            Self::Push => "push to batch",
            Self::Pull => "pull from batch",
            Self::Close => "close of batch",
            Self::Cancel => "cancel of batch",
            Self::Schema => "schema of a service",
            Self::Swagger => "Swagger document of a service",
            Self::Versions => "versions of a service",
            Self::Health => "health check",
            Self::Token => "token request",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
