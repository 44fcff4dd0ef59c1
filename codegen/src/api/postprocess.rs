//! Reworks progenitor's output: types generic over the caller's data, counters read with tolerance,
//! nothing superfluous, and documentation in the style of the rest of the crate.

use std::collections::{BTreeMap, BTreeSet};

use openapiv3::{AdditionalProperties, OpenAPI, ReferenceOr, SchemaKind, Type as ApiType};
use proc_macro2::{Ident, Span};
use syn::visit_mut::{self, VisitMut};
use syn::{File, ImplItem, Item, ItemEnum, ItemStruct, LitStr, Type, parse_quote};
use typify::{TypeDetails, TypeId, TypeSpace, TypeStruct};

use super::open_enum::OpenEnum;
use super::{READ_COUNT, TYPE_PARAMETER};
use crate::docs::{self, TidyDocs};

/// Reworks the generated file, and adds the open enumerations to its types.
pub(super) fn postprocess(
    file: &mut File,
    api: &OpenAPI,
    types: &TypeSpace,
    open_enums: &[OpenEnum],
) {
    file.items
        .retain(|item| !matches!(item, Item::Mod(module) if module.ident == "prelude"));
    if let Some(items) = types_mut(file) {
        items.extend(open_enums.iter().flat_map(OpenEnum::items));
        make_generic(items, &generic_structs(types));
        let counters = counters(api, types);
        let values = documented_values(api, types);
        for item in items {
            match item {
                Item::Struct(item) => read_with_tolerance(item, &counters),
                Item::Enum(item) => document_variants(item, &values),
                _ => {}
            }
        }
    }
    file.items.iter_mut().for_each(hide_constructors);
    JsonPayloads.visit_file_mut(file);
    TidyDocs.visit_file_mut(file);
}

fn types_mut(file: &mut File) -> Option<&mut Vec<Item>> {
    file.items.iter_mut().find_map(|item| match item {
        Item::Mod(module) if module.ident == "types" => {
            module.content.as_mut().map(|(_, items)| items)
        }
        _ => None,
    })
}

/// The generated structs by name.
fn structs(types: &TypeSpace) -> impl Iterator<Item = (String, BTreeMap<String, TypeId>)> {
    let properties = |details: TypeStruct<'_>| {
        let properties = details.properties();
        properties.map(|(name, id)| (name.to_owned(), id)).collect()
    };
    types.iter_types().filter_map(move |it| match it.details() {
        TypeDetails::Struct(details) => Some((it.name(), properties(details))),
        _ => None,
    })
}

/// The structs that contain the caller's data, directly or in another struct.
fn generic_structs(types: &TypeSpace) -> BTreeSet<String> {
    let mut generic = BTreeSet::new();
    loop {
        let found: Vec<String> = structs(types)
            .filter(|(name, _)| !generic.contains(name))
            .filter(|(_, properties)| properties.values().any(|id| contains(types, id, &generic)))
            .map(|(name, _)| name)
            .collect();
        if found.is_empty() {
            return generic;
        }
        generic.extend(found);
    }
}

/// Whether a value of the type contains the type parameter or one of the generic structs.
fn contains(types: &TypeSpace, id: &TypeId, generic: &BTreeSet<String>) -> bool {
    let Ok(found) = types.get_type(id) else {
        return false;
    };
    match found.details() {
        TypeDetails::Builtin(name) => name == TYPE_PARAMETER,
        TypeDetails::Struct(_) => generic.contains(&found.name()),
        TypeDetails::Option(id)
        | TypeDetails::Vec(id)
        | TypeDetails::Set(id)
        | TypeDetails::Box(id)
        | TypeDetails::Array(id, _) => contains(types, &id, generic),
        TypeDetails::Map(key, value) => [key, value].iter().any(|id| contains(types, id, generic)),
        TypeDetails::Tuple(mut ids) => ids.any(|id| contains(types, &id, generic)),
        TypeDetails::Newtype(newtype) => contains(types, &newtype.inner(), generic),
        TypeDetails::Enum(_) | TypeDetails::Unit | TypeDetails::String => false,
    }
}

/// Adds the type parameter to the structs, and wherever they are named.
fn make_generic(items: &mut [Item], generic: &BTreeSet<String>) {
    let parameter = Ident::new(TYPE_PARAMETER, Span::call_site());
    let mut add_arguments = AddArguments {
        generic,
        parameter: &parameter,
    };
    for item in items {
        match item {
            Item::Struct(item) if generic.contains(&item.ident.to_string()) => {
                item.generics.params.push(parse_quote!(#parameter));
                add_arguments.visit_fields_mut(&mut item.fields);
            }
            Item::Impl(item) if names_one_of(&item.self_ty, generic).is_some() => {
                item.generics.params.push(parse_quote!(#parameter));
                add_arguments.visit_item_impl_mut(item);
            }
            _ => {}
        }
    }
}

/// The name of the type if it is one of those given.
fn names_one_of<'a>(node: &'a Type, names: &BTreeSet<String>) -> Option<&'a Ident> {
    let Type::Path(path) = node else { return None };
    let name = path.path.get_ident()?;
    names.contains(&name.to_string()).then_some(name)
}

struct AddArguments<'a> {
    generic: &'a BTreeSet<String>,
    parameter: &'a Ident,
}

impl VisitMut for AddArguments<'_> {
    fn visit_type_mut(&mut self, node: &mut Type) {
        visit_mut::visit_type_mut(self, node);
        if let Some(name) = names_one_of(node, self.generic) {
            let parameter = self.parameter;
            *node = parse_quote!(#name<#parameter>);
        }
    }
}

/// The fields of responses that count something: the type's name and the field's.
fn counters(api: &OpenAPI, types: &TypeSpace) -> BTreeSet<(String, String)> {
    let requests = requests(api);
    let is_count = |id: &TypeId| {
        let Ok(found) = types.get_type(id) else {
            return false;
        };
        let TypeDetails::Option(id) = found.details() else {
            return false;
        };
        let inner = types.get_type(&id);
        inner.is_ok_and(|it| matches!(it.details(), TypeDetails::Builtin("u64")))
    };
    structs(types)
        .filter(|(name, _)| !requests.contains(name.as_str()))
        .flat_map(|(name, properties)| {
            let fields = properties.into_iter().filter(|(_, id)| is_count(id));
            let fields: Vec<String> = fields.map(|(field, _)| field).collect();
            fields.into_iter().map(move |field| (name.clone(), field))
        })
        .collect()
}

/// The schemas that refuse unknown fields. Responses have to tolerate those.
fn requests(api: &OpenAPI) -> BTreeSet<&str> {
    let schemas = api.components.iter().flat_map(|it| &it.schemas);
    schemas
        .filter(|(_, schema)| {
            let ReferenceOr::Item(schema) = schema else {
                return false;
            };
            let SchemaKind::Type(ApiType::Object(object)) = &schema.schema_kind else {
                return false;
            };
            object.additional_properties == Some(AdditionalProperties::Any(false))
        })
        .map(|(name, _)| name.as_str())
        .collect()
}

/// A counter that arrives as `1.0` or below zero must not fail the whole response.
fn read_with_tolerance(item: &mut ItemStruct, counters: &BTreeSet<(String, String)>) {
    let name = item.ident.to_string();
    for field in &mut item.fields {
        let Some(ident) = &field.ident else { continue };
        if counters.contains(&(name.clone(), ident.to_string())) {
            field
                .attrs
                .push(parse_quote!(#[serde(default, deserialize_with = #READ_COUNT)]));
        }
    }
}

/// The value on the wire of each variant, by the names of the type and the variant.
fn documented_values(api: &OpenAPI, types: &TypeSpace) -> BTreeMap<(String, String), String> {
    let mut documented = BTreeMap::new();
    for found in types.iter_types() {
        let TypeDetails::Enum(details) = found.details() else {
            continue;
        };
        let name = found.name();
        let schemas = api.components.iter().find_map(|it| it.schemas.get(&name));
        let Some(ReferenceOr::Item(schema)) = schemas else {
            continue;
        };
        let SchemaKind::Type(ApiType::String(string)) = &schema.schema_kind else {
            continue;
        };
        let values = string.enumeration.iter().flatten();
        for (variant, value) in details.variants_info().zip(values) {
            documented.insert((name.clone(), variant.name.to_owned()), value.clone());
        }
    }
    documented
}

/// Documents a variant by its value, because a description has no text for it.
fn document_variants(item: &mut ItemEnum, values: &BTreeMap<(String, String), String>) {
    let name = item.ident.to_string();
    for variant in &mut item.variants {
        if variant.attrs.iter().any(docs::is_doc) {
            continue;
        }
        let variant_name = variant.ident.to_string();
        let value = values.get(&(name.clone(), variant_name.clone()));
        let text = format!("`{}`", value.unwrap_or(&variant_name));
        variant.attrs.push(parse_quote!(#[doc = #text]));
    }
}

/// Only the crate's own client constructs raw clients, with credentials and limits. The generated
/// `new` has neither, and a time-out of its own.
fn hide_constructors(item: &mut Item) {
    let Item::Impl(item) = item else { return };
    if item.trait_.is_some() {
        return;
    }
    item.items
        .retain(|item| !matches!(item, ImplItem::Fn(function) if function.sig.ident == "new"));
    for item in &mut item.items {
        match item {
            ImplItem::Fn(function) if function.sig.ident == "new_with_client" => {
                function.vis = parse_quote!(pub(crate))
            }
            _ => {}
        }
    }
}

/// The generated calls pass bulk payloads as bytes, but to the service they are JSON.
struct JsonPayloads;

impl VisitMut for JsonPayloads {
    fn visit_lit_str_mut(&mut self, literal: &mut LitStr) {
        if literal.value() == "application/octet-stream" {
            *literal = LitStr::new("application/json", literal.span());
        }
    }
}
