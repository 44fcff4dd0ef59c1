//! Turns the OpenAPI description into the Rust source of the module `raw`.
//!
//! `build.rs` runs this at build time; `tests/description_changes.rs` runs it on changed descriptions. The steps, one
//! file each:
//!
//! 1. [`load`]: read the description, refuse what the tools behind would drop silently or choke on.
//! 2. [`adapt`]: turn what is true for any reader of OpenAPI into what progenitor can take.
//! 3. [`generate`]: run progenitor, with our own types in the places of some schemas.
//! 4. [`polish`]: make the result generic over the records, lenient with numbers, and readable.

mod adapt;
mod load;
mod open_enum;
mod polish;

use std::fmt;

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

/// What stands in the way of generating code, each with the place in the description.
#[derive(Debug)]
pub(crate) struct Problems(Vec<String>);

impl Problems {
    fn one(problem: impl Into<String>) -> Self {
        Self(vec![problem.into()])
    }

    /// The problems, one line each.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

/// Generates the source of the module `raw` from the text of the description (YAML).
///
/// The same text always gives the same source.
pub(crate) fn generate(description: &str) -> Result<String, Problems> {
    let mut api = load::load(description)?;
    let open_enums = open_enum::find(&api);
    adapt::adapt(&mut api, BULK_REQUEST, BULK_RESPONSE)?;
    let replaced = replacements(&open_enums);
    adapt::check_names(&api, replaced.iter().map(|(schema, _)| schema.as_str()))?;

    let tokens = Generator::new(&settings(&replaced))
        .generate_tokens(&api)
        .map_err(|error| Problems::one(error.to_string()))?;
    let mut file = syn::parse2(tokens).map_err(|error| Problems::one(error.to_string()))?;
    polish::polish(
        &mut file,
        TYPE_PARAMETER,
        open_enums.iter().flat_map(open_enum::OpenEnum::items),
    );
    Ok(prettyplease::unparse(&file))
}

fn replacements(open_enums: &[open_enum::OpenEnum]) -> Vec<(String, String)> {
    let caller_typed = CALLER_TYPED.iter().map(|schema| (*schema, TYPE_PARAMETER));
    let open = open_enums
        .iter()
        .map(|e| (e.name.as_str(), e.name.as_str()));
    caller_typed
        .chain(HANDWRITTEN)
        .chain(open)
        .map(|(schema, path)| (schema.to_owned(), path.to_owned()))
        .collect()
}

fn settings(replaced: &[(String, String)]) -> GenerationSettings {
    let mut settings = GenerationSettings::new();
    settings
        .with_interface(InterfaceStyle::Positional)
        .with_hooks(HooksMode::Expected)
        .with_inner_type(quote::quote!(crate::transport::Hooks));
    for (schema, path) in replaced {
        settings.with_replacement(schema, path, std::iter::empty::<TypeImpl>());
    }
    settings
}
