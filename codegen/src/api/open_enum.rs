//! Enumerations that the service may extend, as enums with a variant for unknown values.
//!
//! typify's enums are closed: a single new status would fail the response that contains it.

use openapiv3::{OpenAPI, ReferenceOr, Schema, SchemaKind, StringType, Type};
use syn::Ident;

use super::READ_TEXT;
use crate::diagnostics::Diagnostics;
use crate::open_enum::{self, Values};

/// An enumeration with its known values.
pub(super) struct OpenEnum {
    /// The name of the schema, and of the type.
    pub(super) name: String,
    description: String,
    values: Values,
}

/// The open enumerations among the schemas: any of the known values, or any text.
pub(super) fn find(api: &OpenAPI) -> Result<Vec<OpenEnum>, Diagnostics> {
    let mut diagnostics = Diagnostics::default();
    let mut found = Vec::new();
    let components = api.components.iter();
    for (name, schema) in components.flat_map(|components| &components.schemas) {
        let Some(schema) = schema.as_item() else {
            continue;
        };
        let Some(values) = known_values(schema) else {
            continue;
        };
        let place = ["components", "schemas", name].map(str::to_owned);
        if syn::parse_str::<Ident>(name).is_err() {
            diagnostics.add(&place, "this is not the name of a Rust type");
        }
        match Values::new(name, values) {
            Ok(values) => found.push(OpenEnum {
                name: name.clone(),
                description: schema.schema_data.description.clone().unwrap_or_default(),
                values,
            }),
            Err(why) => diagnostics.add(&place, why),
        }
    }
    diagnostics.or(found)
}

fn known_values(schema: &Schema) -> Option<Vec<String>> {
    let SchemaKind::AnyOf { any_of } = &schema.schema_kind else {
        return None;
    };
    let [ReferenceOr::Item(known), ReferenceOr::Item(any)] = any_of.as_slice() else {
        return None;
    };
    let (known, any) = (text(known)?, text(any)?);
    let is_open = !known.enumeration.is_empty() && *any == StringType::default();
    is_open.then(|| known.enumeration.iter().flatten().cloned().collect())
}

fn text(schema: &Schema) -> Option<&StringType> {
    match &schema.schema_kind {
        SchemaKind::Type(Type::String(text)) => Some(text),
        _ => None,
    }
}

impl OpenEnum {
    /// The type, its conversions from and to text, and its serde implementations.
    pub(super) fn items(&self) -> Vec<syn::Item> {
        let (serde, read_text) = (super::path("::serde"), super::path(READ_TEXT));
        open_enum::items(
            &self.name,
            &self.description,
            &self.values,
            &serde,
            &read_text,
        )
    }
}
