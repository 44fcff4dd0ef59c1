//! Generates Rust code for `cspark-batches` in a build script.
//!
//! [`Service`] generates the types of one Spark service from the document that describes it, for a
//! program's own build script. [`Api`] generates the types and calls of the Batches API from its
//! OpenAPI description; the build script of `cspark-batches` uses it.
//!
//! Both fail with [`Diagnostics`]: each names the line and the place in the document, and what to
//! change there.

#![forbid(unsafe_code)]

mod api;
mod diagnostics;
mod docs;
#[cfg(feature = "services")]
mod json;
mod open_enum;
mod output;
#[cfg(feature = "services")]
mod service;

pub use api::Api;
pub use diagnostics::{Diagnostic, Diagnostics};
#[cfg(feature = "services")]
pub use service::{CellType, DocumentKind, Generated, Service};
