//! Turns the OpenAPI description into the Rust source of the module `raw`.
//!
//! `build.rs` runs this at build time; `tests/description_changes.rs` runs it on changed descriptions. The steps, one
//! file each:
//!
//! 1. [`load`]: read the description, and refuse what the reader would drop silently.
//! 2. [`check`]: refuse what the generator would choke on.
//! 3. [`adapt`]: turn what is true for any reader of OpenAPI into what progenitor can take.
//! 4. [`generate`]: run progenitor, with our own types in the places of some schemas.
//! 5. [`polish`]: make the result generic over the records, lenient with numbers, and readable.
//!
//! [`outline`] knows what stands where in a description, and [`problems`] on which line.

mod adapt;
mod check;
mod load;
mod open_enum;
mod outline;
mod polish;
mod problems;

use std::any::Any;
use std::panic;

use problems::Problems;
use progenitor::{GenerationSettings, Generator, HooksMode, InterfaceStyle, TypeImpl};

/// Schemas that stand for the caller's own data. Every type that holds one, at whatever depth, becomes generic.
const CALLER_TYPED: [&str; 2] = ["Records", "Outputs"];

/// The name of the type parameter that takes their place.
const TYPE_PARAMETER: &str = "R";

/// Schemas that are not generated but written by hand, with the path of the type that takes their place.
const HANDWRITTEN: [(&str, &str); 4] = [
    (
        "Parameters",
        "::std::boxed::Box<::serde_json::value::RawValue>",
    ),
    (
        "RecordMessage",
        "::std::option::Option<crate::wire::RecordMessage>",
    ),
    (
        "SummaryOutput",
        "::std::boxed::Box<::serde_json::value::RawValue>",
    ),
    ("Timestamp", "crate::wire::Timestamp"),
];

/// Operations whose payload is not worth a tree: the request of the first and the answer of the second pass as bytes.
const BULK_REQUEST: &str = "push";
const BULK_RESPONSE: &str = "pull";

/// Generates the source of the module `raw` from the text of the description (YAML).
///
/// The same text always gives the same source.
pub(crate) fn generate(description: &str) -> Result<String, Problems> {
    generate_from(description).map_err(|problems| problems.in_text(description))
}

fn generate_from(description: &str) -> Result<String, Problems> {
    let source = load::yaml(description)?;
    let mut api = load::openapi(&source)?;
    let left_alone: Vec<&str> = CALLER_TYPED
        .into_iter()
        .chain(HANDWRITTEN.map(|(schema, _)| schema))
        .collect();
    check::check(&source, &left_alone)?;
    let open_enums = open_enum::find(&api)?;
    adapt::adapt(&mut api, BULK_REQUEST, BULK_RESPONSE)?;

    // What the generator panics on is checked before; this is for what is not known yet.
    let settings = settings(&open_enums);
    let tokens = panic::catch_unwind(|| Generator::new(&settings).generate_tokens(&api))
        .map_err(|panic| {
            Problems::on_line(1, format!("progenitor panicked: {}", message(&*panic)))
        })?
        .map_err(|error| Problems::on_line(1, error.to_string()))?;
    let mut file = syn::parse2(tokens).map_err(|error| Problems::on_line(1, error.to_string()))?;
    polish::polish(
        &mut file,
        TYPE_PARAMETER,
        open_enums.iter().flat_map(open_enum::OpenEnum::items),
    );
    Ok(prettyplease::unparse(&file))
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("it does not say why")
}

fn settings(open_enums: &[open_enum::OpenEnum]) -> GenerationSettings {
    let mut settings = GenerationSettings::new();
    settings
        .with_interface(InterfaceStyle::Positional)
        .with_hooks(HooksMode::Expected)
        .with_inner_type(quote::quote!(crate::transport::Hooks));
    let caller_typed = CALLER_TYPED.map(|schema| (schema, TYPE_PARAMETER));
    let open = open_enums
        .iter()
        .map(|e| (e.name.as_str(), e.name.as_str()));
    for (schema, path) in caller_typed.into_iter().chain(HANDWRITTEN).chain(open) {
        settings.with_replacement(schema, path, std::iter::empty::<TypeImpl>());
    }
    settings
}
