//! The error of a run over tables.

use std::error::Error as StdError;
use std::fmt;

use arrow_schema::{ArrowError, DataType};

/// Why a run over a table could not start, or ended before its work was done.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The run failed, or a request did.
    Spark(cspark_batches::Error),
    /// Arrow failed, or the source of the record batches did.
    Arrow(ArrowError),
    /// A column of the input cannot be sent.
    Unsendable {
        /// The column, with the path to the part of it that is wrong: `cover.riders`.
        column: String,
        /// The type that is not sent.
        data_type: DataType,
    },
    /// The columns of the input or of the output are wrong.
    Schema(String),
    /// A record has no output, or one that its columns do not hold; only without an
    /// [error column](crate::TableRunBuilder::without_errors).
    Record {
        /// The number of the record, from 0 over the whole input.
        record: u64,
        /// What is wrong, with the name of the column if it is about one.
        why: String,
    },
}

/// A result with the [`Error`] of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spark(error) => error.fmt(f),
            Self::Arrow(error) => error.fmt(f),
            Self::Unsendable { column, data_type } => write!(
                f,
                "column `{column}` has the type {data_type}, which cannot be sent to a service; \
                 cast it, or choose the columns to send with `send`"
            ),
            Self::Schema(why) => f.write_str(why),
            Self::Record { record, why } => write!(f, "record {record}: {why}"),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Spark(error) => error.source(),
            Self::Arrow(error) => error.source(),
            _ => None,
        }
    }
}

impl From<cspark_batches::Error> for Error {
    fn from(error: cspark_batches::Error) -> Self {
        Self::Spark(error)
    }
}

impl From<ArrowError> for Error {
    fn from(error: ArrowError) -> Self {
        Self::Arrow(error)
    }
}

impl From<Error> for ArrowError {
    fn from(error: Error) -> Self {
        match error {
            Error::Arrow(error) => error,
            error => Self::ExternalError(Box::new(error)),
        }
    }
}
