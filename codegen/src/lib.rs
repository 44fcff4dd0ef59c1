//! Generates Rust code for `cspark-batches` in a build script.
//!
//! [`Api`] generates the types and calls of the Batches API from its OpenAPI description. It is what
//! the build script of `cspark-batches` itself runs.
//!
//! Both fail with [`Diagnostics`]: each names the line and the place in the document, and what to
//! change there.

#![forbid(unsafe_code)]

mod api;
mod diagnostics;
mod docs;
mod open_enum;
mod output;

pub use api::Api;
pub use diagnostics::{Diagnostic, Diagnostics};
