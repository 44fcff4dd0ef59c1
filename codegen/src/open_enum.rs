//! Enums that keep a text they do not know.

use std::panic;

use proc_macro2::{Ident, Span, TokenStream};
use schemars::schema::{InstanceType, SchemaObject};
use typify::{TypeDetails, TypeSpace};

/// The name of the variant for unknown values.
const UNKNOWN: &str = "Unknown";

/// The known values of an enumeration, with the variant of each.
#[derive(Clone, Debug)]
pub(crate) struct Values(Vec<(String, Ident)>);

impl Values {
    /// Names the variants as typify does.
    ///
    /// # Errors
    ///
    /// With the reason if two values have the same variant.
    pub(crate) fn new(type_name: &str, values: Vec<String>) -> Result<Self, String> {
        let Some(names) = variants(type_name, &values) else {
            let alike = (1..values.len()).find(|n| variants(type_name, &values[..=*n]).is_none());
            let value = &values[alike.unwrap_or(0)];
            return Err(format!(
                "the value `{value}` does not become a variant with a name of its own"
            ));
        };
        let variants: Vec<Ident> = names
            .iter()
            .map(|name| Ident::new(name, Span::call_site()))
            .collect();
        if let Some((value, _)) = values.iter().zip(&names).find(|(_, name)| *name == UNKNOWN) {
            return Err(format!(
                "the value `{value}` becomes the variant `{UNKNOWN}`, which is for unknown values"
            ));
        }
        Ok(Self(values.into_iter().zip(variants).collect()))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Ident)> {
        self.0
            .iter()
            .map(|(value, variant)| (value.as_str(), variant))
    }
}

/// The variants that typify makes of the values, if they differ from each other.
fn variants(type_name: &str, values: &[String]) -> Option<Vec<String>> {
    let schema = SchemaObject {
        instance_type: Some(InstanceType::String.into()),
        enum_values: Some(values.iter().map(|value| value.as_str().into()).collect()),
        ..SchemaObject::default()
    };
    // typify panics on values that it cannot name apart.
    let names = panic::catch_unwind(|| {
        let mut types = TypeSpace::default();
        let id = types
            .add_type_with_name(&schema.into(), Some(type_name.to_owned()))
            .ok()?;
        let found = types.get_type(&id).ok()?;
        let TypeDetails::Enum(details) = found.details() else {
            return None;
        };
        let names = details.variants_info().map(|it| it.name.to_owned());
        Some(names.collect::<Vec<_>>())
    });
    let names = names.ok().flatten()?;
    let mut sorted: Vec<&String> = names.iter().collect();
    sorted.sort_unstable();
    sorted.dedup();
    (sorted.len() == values.len()).then_some(names)
}

/// The type, its conversions from and to text, and its serde implementations. `serde` is the path
/// of that crate, `read_text` of a function that deserializes any type that is `From<&str>`.
pub(crate) fn items(
    name: &str,
    description: &str,
    values: &Values,
    serde: &TokenStream,
    read_text: &TokenStream,
) -> Vec<syn::Item> {
    let name = Ident::new(name, Span::call_site());
    let (values, variants): (Vec<&str>, Vec<&Ident>) = values.iter().unzip();
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

        impl #serde::Serialize for #name {
            fn serialize<S: #serde::Serializer>(
                &self,
                serializer: S,
            ) -> ::std::result::Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> #serde::Deserialize<'de> for #name {
            fn deserialize<D: #serde::Deserializer<'de>>(
                deserializer: D,
            ) -> ::std::result::Result<Self, D::Error> {
                #read_text(deserializer)
            }
        }
    };
    file.items
}
