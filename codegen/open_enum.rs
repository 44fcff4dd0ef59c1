//! Enumerations that the service may add to: each becomes an enum with a variant for the text that is not known yet.
//!
//! typify's enums are closed, so that a single new status would fail the answer that carries it.

use std::collections::BTreeSet;

use openapiv3::{OpenAPI, ReferenceOr, SchemaKind, Type};
use proc_macro2::{Ident, Span};
use serde_json::Value;

use super::outline::Node;

/// The mark of an open enumeration in the description.
pub(super) const MARK: &str = "x-open-enum";

/// An enumeration with its known values.
pub(super) struct OpenEnum {
    /// The name of the schema, and of the type.
    pub(super) name: String,
    description: String,
    values: Vec<String>,
}

/// What speaks against the mark that a schema bears, if it bears it.
pub(super) fn misuse(node: &Node<'_>) -> Option<String> {
    node.value.get(MARK)?;
    let [_, schemas, name] = node.place.as_slice() else {
        return Some("only a schema with a name can be an open enumeration".to_owned());
    };
    let values = node.value["enum"].as_array();
    if schemas != "schemas" || node.value["type"] != "string" || values.is_none() {
        return Some(
            "only a schema of type `string` with an `enum` can be an open enumeration".to_owned(),
        );
    }
    let mut names = BTreeSet::from(["Unknown".to_owned()]);
    let texts = values.into_iter().flatten().filter_map(Value::as_str);
    let unfit = texts
        .filter(|text| {
            let name = pascal(text);
            syn::parse_str::<Ident>(&name).is_err() || !names.insert(name)
        })
        .map(|text| format!("the value `{text}` makes no name of its own for a variant"));
    let unfit_name = syn::parse_str::<Ident>(name).is_err();
    unfit
        .chain(unfit_name.then(|| format!("`{name}` is no name for a Rust type")))
        .next()
}

/// The open enumerations among the schemas.
pub(super) fn find(api: &OpenAPI) -> Vec<OpenEnum> {
    let schemas = api
        .components
        .iter()
        .flat_map(|components| &components.schemas);
    schemas
        .filter_map(|(name, schema)| {
            let ReferenceOr::Item(schema) = schema else {
                return None;
            };
            let SchemaKind::Type(Type::String(string)) = &schema.schema_kind else {
                return None;
            };
            schema
                .schema_data
                .extensions
                .get(MARK)
                .filter(|mark| **mark == serde_json::Value::Bool(true))?;
            Some(OpenEnum {
                name: name.clone(),
                description: schema.schema_data.description.clone().unwrap_or_default(),
                values: string.enumeration.iter().flatten().cloned().collect(),
            })
        })
        .collect()
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
