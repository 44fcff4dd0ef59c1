//! The generated code of each service, held to the lints of a careful program.

#![deny(warnings, missing_docs, missing_debug_implementations, clippy::all)]

use cspark_batches::include_service;

include_service!("my_schema");
include_service!("my_swagger");
include_service!("data_types");
include_service!("validations");
include_service!("tables");
include_service!("names");
include_service!("sub_services");
include_service!("no_inputs");
include_service!("large");
include_service!("term_life");
