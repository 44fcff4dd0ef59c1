//! Enumerations that the service may add to: each becomes an enum with a variant for the text that is not known yet.
//!
//! typify's enums are closed, so that a single new status would fail the answer that carries it.

use std::collections::BTreeSet;

use openapiv3::{OpenAPI, ReferenceOr, Schema, SchemaKind, StringType, Type};
use proc_macro2::{Ident, Span};

use super::problems::Problems;

/// An enumeration with its known values.
pub(super) struct OpenEnum {
    /// The name of the schema, and of the type.
    pub(super) name: String,
    description: String,
    values: Vec<String>,
}

/// The open enumerations among the schemas: any of the known values, or any text.
pub(super) fn find(api: &OpenAPI) -> Result<Vec<OpenEnum>, Problems> {
    let components = api.components.iter();
    let schemas = components.flat_map(|components| &components.schemas);
    let found: Vec<OpenEnum> = schemas
        .filter_map(|(name, schema)| {
            let schema = schema.as_item()?;
            Some(OpenEnum {
                name: name.clone(),
                description: schema.schema_data.description.clone().unwrap_or_default(),
                values: known_values(schema)?,
            })
        })
        .collect();

    let mut problems = Problems::default();
    for open_enum in &found {
        let place = ["components", "schemas", &open_enum.name].map(str::to_owned);
        if syn::parse_str::<Ident>(&open_enum.name).is_err() {
            problems.add(&place, "this is no name for a Rust type");
        }
        let mut variants = BTreeSet::from(["Unknown".to_owned()]);
        for value in &open_enum.values {
            let variant = pascal(value);
            if syn::parse_str::<Ident>(&variant).is_err() || !variants.insert(variant) {
                let what = format!("the value `{value}` makes no name of its own for a variant");
                problems.add(&place, what);
            }
        }
    }
    problems.or(found)
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
        let name = Ident::new(&self.name, Span::call_site());
        let description = &self.description;
        let values = &self.values;
        let variants: Vec<Ident> = values
            .iter()
            .map(|value| Ident::new(&pascal(value), Span::call_site()))
            .collect();
        let docs = values.iter().map(|value| format!("`{value}`"));
        let file: syn::File = syn::parse_quote! {
            #[doc = #description]
            #[derive(Clone, Debug, PartialEq, Eq, Hash)]
            #[non_exhaustive]
            pub enum #name {
                #(#[doc = #docs] #variants,)*
                /// A value that this version of the crate does not know, as the service wrote it.
                Unknown(::std::string::String),
            }

            impl #name {
                /// The value as it stands on the wire.
                pub fn as_str(&self) -> &str {
                    match self {
                        #(Self::#variants => #values,)*
                        Self::Unknown(text) => text,
                    }
                }
            }

            impl ::std::convert::From<&str> for #name {
                fn from(text: &str) -> Self {
                    match text {
                        #(#values => Self::#variants,)*
                        _ => Self::Unknown(text.to_owned()),
                    }
                }
            }

            impl ::std::str::FromStr for #name {
                type Err = ::std::convert::Infallible;

                fn from_str(text: &str) -> ::std::result::Result<Self, Self::Err> {
                    Ok(Self::from(text))
                }
            }

            impl ::std::fmt::Display for #name {
                fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                    f.pad(self.as_str())
                }
            }

            impl ::serde::Serialize for #name {
                fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> ::std::result::Result<S::Ok, S::Error> {
                    serializer.serialize_str(self.as_str())
                }
            }

            impl<'de> ::serde::Deserialize<'de> for #name {
                fn deserialize<D: ::serde::Deserializer<'de>>(
                    deserializer: D,
                ) -> ::std::result::Result<Self, D::Error> {
                    crate::wire::text(deserializer)
                }
            }
        };
        file.items
    }
}

/// `closed_by_timeout` and `SUM` as names of variants: `ClosedByTimeout`, `Sum`.
fn pascal(value: &str) -> String {
    value
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter_map(|word| {
            let (first, rest) = word.split_at_checked(1)?;
            Some(first.to_ascii_uppercase() + &rest.to_ascii_lowercase())
        })
        .collect()
}
