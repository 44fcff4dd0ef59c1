//! From the OpenAPI description of the Batches API to the module `raw`.
//!
//! The steps, one file each:
//!
//! 1. [`load`]: read the description, and refuse what the reader would drop silently.
//! 2. [`validate`]: refuse what the generator would panic on or generate bad types for.
//! 3. [`prepare`]: turn a description for any reader of OpenAPI into one that progenitor accepts.
//! 4. [`source`]: run progenitor, with handwritten types in place of some schemas.
//! 5. [`postprocess`]: make the code generic over the records, tolerant of odd numbers, readable.
//!
//! [`openapi_walk`] knows which keys of a description are OpenAPI's.

mod load;
mod open_enum;
mod openapi_walk;
mod postprocess;
mod prepare;
mod validate;

use std::any::Any;
use std::io;
use std::panic;
use std::path::PathBuf;

use progenitor::{GenerationSettings, Generator, HooksMode, InterfaceStyle, TypeImpl};
use schemars::schema::{InstanceType, ObjectValidation, Schema, SchemaObject};

use crate::diagnostics::Diagnostics;
use crate::output;

/// Schemas that stand for the caller's own data. Every type that contains one becomes generic.
const CALLER_TYPED: [&str; 2] = ["Records", "Outputs"];

/// The type parameter in their place.
const TYPE_PARAMETER: &str = "R";

/// Schemas with a type in their place, since any JSON has to fit.
const REPLACED: [(&str, &str); 4] = [
    ("AnyValue", RAW_JSON),
    (
        "RecordMessage",
        "::std::option::Option<crate::raw::record_message::RecordMessage>",
    ),
    ("SummaryOutput", RAW_JSON),
    ("SwaggerDocument", RAW_JSON),
];

/// The type of a `date-time`. One text that is not quite a date-time must not fail a response.
const DATE_TIME: &str = "crate::raw::timestamp::Timestamp";

/// The type of an object with any properties.
const RAW_JSON: &str = "::std::boxed::Box<::serde_json::value::RawValue>";

/// The type through which the generated client sends requests.
const EXECUTOR: &str = "crate::raw::executor::Executor";

/// The readers that generated types refer to.
const READ_COUNT: &str = "crate::raw::de::count";
const READ_TEXT: &str = "crate::raw::de::text";

/// Operations whose request passes as bytes, because it is bulk data.
const BYTES_REQUESTS: [&str; 1] = ["push"];

/// Operations whose response passes as bytes, because it is bulk data or kept as it is.
const BYTES_RESPONSES: [&str; 5] = [
    "pull",
    "service_schema",
    "service_swagger",
    "version_schema",
    "version_swagger",
];

/// The OpenAPI description of the Batches API.
///
/// The generated code is the module `raw` of `cspark-batches`, and refers to handwritten types of
/// that crate.
///
/// ```no_run
/// # fn main() -> std::io::Result<()> {
/// cspark_batches_build::Api::new("openapi/batches.yaml").write_to_out_dir("raw.rs")
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Api {
    description: PathBuf,
}

impl Api {
    /// The description in a file, as YAML or JSON.
    pub fn new(description: impl Into<PathBuf>) -> Self {
        Self {
            description: description.into(),
        }
    }

    /// Writes the generated code to a file in `OUT_DIR`.
    ///
    /// Reports mistakes in the description to cargo, which then fails the build.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or written, or if `OUT_DIR` is not set.
    pub fn write_to_out_dir(&self, file_name: &str) -> io::Result<()> {
        let text = output::read(&self.description)?;
        output::write(&self.description, file_name, Self::source(&text))
    }

    /// Generates the code from the text of a description. The same text always gives the same code.
    ///
    /// # Errors
    ///
    /// If the description is not OpenAPI 3.0, or has something that the generator cannot handle.
    pub fn source(description: &str) -> Result<String, Diagnostics> {
        source(description).map_err(|diagnostics| diagnostics.in_text(description))
    }
}

fn source(description: &str) -> Result<String, Diagnostics> {
    let document = load::yaml(description)?;
    let mut api = load::openapi(&document)?;
    let replaced: Vec<&str> = CALLER_TYPED
        .into_iter()
        .chain(REPLACED.map(|(schema, _)| schema))
        .collect();
    validate::validate(&document, &replaced)?;
    let open_enums = open_enum::find(&api)?;
    prepare::prepare(&mut api, &BYTES_REQUESTS, &BYTES_RESPONSES)?;

    let mut generator = Generator::new(&settings(&open_enums));
    // Known reasons for a panic are checked before; this one is for the others.
    let tokens = panic::catch_unwind(panic::AssertUnwindSafe(|| generator.generate_tokens(&api)))
        .map_err(|panic| {
            let why = panic_message(&*panic);
            Diagnostics::on_line(1, format!("progenitor panicked: {why}"))
        })?
        .map_err(|error| Diagnostics::on_line(1, error.to_string()))?;
    let mut file =
        syn::parse2(tokens).map_err(|error| Diagnostics::on_line(1, error.to_string()))?;
    postprocess::postprocess(&mut file, &api, generator.get_type_space(), &open_enums);
    Ok(prettyplease::unparse(&file))
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no reason given")
}

fn settings(open_enums: &[open_enum::OpenEnum]) -> GenerationSettings {
    let mut settings = GenerationSettings::new();
    settings
        .with_interface(InterfaceStyle::Positional)
        .with_hooks(HooksMode::Expected)
        .with_inner_type(path(EXECUTOR));
    let caller_typed = CALLER_TYPED.map(|schema| (schema, TYPE_PARAMETER));
    let open = open_enums
        .iter()
        .map(|it| (it.name.as_str(), it.name.as_str()));
    for (schema, path) in caller_typed.into_iter().chain(REPLACED).chain(open) {
        settings.with_replacement(schema, path, std::iter::empty::<TypeImpl>());
    }
    for (schema, path) in [(date_time(), DATE_TIME), (free_form(), RAW_JSON)] {
        settings.with_conversion(schema, path, std::iter::empty::<TypeImpl>());
    }
    settings
}

/// `{type: string, format: date-time}`
fn date_time() -> SchemaObject {
    SchemaObject {
        instance_type: Some(InstanceType::String.into()),
        format: Some("date-time".to_owned()),
        ..SchemaObject::default()
    }
}

/// `{type: object, additionalProperties: true}`
fn free_form() -> SchemaObject {
    SchemaObject {
        instance_type: Some(InstanceType::Object.into()),
        object: Some(Box::new(ObjectValidation {
            additional_properties: Some(Box::new(Schema::Bool(true))),
            ..ObjectValidation::default()
        })),
        ..SchemaObject::default()
    }
}

/// The tokens of a path such as `crate::raw::de::count`.
fn path(path: &str) -> proc_macro2::TokenStream {
    path.parse()
        .unwrap_or_else(|error| unreachable!("`{path}` is a constant of this module: {error}"))
}
