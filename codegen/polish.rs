//! What is still to be done to progenitor's output: types generic over the caller's data, numbers read with tolerance,
//! nothing that only gets in the way, and documentation that reads like the rest of the crate.

use std::collections::BTreeSet;

use proc_macro2::{Ident, Span};
use syn::visit::{self, Visit};
use syn::visit_mut::{self, VisitMut};
use syn::{
    Attribute, Expr, File, ImplItem, Item, ItemStruct, Lit, LitStr, Meta, MetaNameValue, Type,
    parse_quote,
};

/// Reworks the generated file; `extra_types` join the generated ones.
pub(super) fn polish(
    file: &mut File,
    type_parameter: &str,
    extra_types: impl Iterator<Item = Item>,
) {
    file.items
        .retain(|item| !matches!(item, Item::Mod(module) if module.ident == "prelude"));
    if let Some(types) = types_mut(file) {
        types.extend(extra_types);
        make_generic(types, &Ident::new(type_parameter, Span::call_site()));
        types
            .iter_mut()
            .filter_map(as_struct_mut)
            .filter(|item| is_answer(item))
            .for_each(lenient_counts);
        types.iter_mut().for_each(document_variants);
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

fn as_struct_mut(item: &mut Item) -> Option<&mut ItemStruct> {
    match item {
        Item::Struct(item) => Some(item),
        _ => None,
    }
}

/// Adds the type parameter to each struct that holds a value of that type, directly or within another such struct.
fn make_generic(items: &mut [Item], parameter: &Ident) {
    let mut generic = BTreeSet::from([parameter.clone()]);
    loop {
        let before = generic.len();
        for item in items.iter() {
            if let Item::Struct(item) = item {
                let mut mentions = Mentions {
                    names: &generic,
                    found: false,
                };
                mentions.visit_fields(&item.fields);
                if mentions.found {
                    generic.insert(item.ident.clone());
                }
            }
        }
        if generic.len() == before {
            break;
        }
    }
    generic.remove(parameter);

    let mut apply = Apply {
        names: &generic,
        parameter,
    };
    for item in items {
        match item {
            Item::Struct(item) if generic.contains(&item.ident) => {
                item.generics.params.push(parse_quote!(#parameter));
                apply.visit_fields_mut(&mut item.fields);
            }
            Item::Impl(item) => {
                let mut mentions = Mentions {
                    names: &generic,
                    found: false,
                };
                mentions.visit_type(&item.self_ty);
                if mentions.found {
                    item.generics.params.push(parse_quote!(#parameter));
                    apply.visit_item_impl_mut(item);
                }
            }
            _ => {}
        }
    }
}

struct Mentions<'a> {
    names: &'a BTreeSet<Ident>,
    found: bool,
}

impl Visit<'_> for Mentions<'_> {
    fn visit_path(&mut self, path: &syn::Path) {
        self.found |= path
            .get_ident()
            .is_some_and(|ident| self.names.contains(ident));
        visit::visit_path(self, path);
    }
}

struct Apply<'a> {
    names: &'a BTreeSet<Ident>,
    parameter: &'a Ident,
}

impl VisitMut for Apply<'_> {
    fn visit_type_mut(&mut self, node: &mut Type) {
        visit_mut::visit_type_mut(self, node);
        let Type::Path(path) = node else { return };
        if let Some(name) = path
            .path
            .get_ident()
            .filter(|ident| self.names.contains(*ident))
        {
            let parameter = self.parameter;
            *node = parse_quote!(#name<#parameter>);
        }
    }
}

/// Requests deny what they don't know; answers have to tolerate it.
fn is_answer(item: &ItemStruct) -> bool {
    !item.attrs.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) => {
            list.path.is_ident("serde") && list.tokens.to_string() == "deny_unknown_fields"
        }
        _ => false,
    })
}

/// Counters that arrive as `1.0` or below zero don't fail the whole answer.
fn lenient_counts(item: &mut ItemStruct) {
    let count: Type = parse_quote!(::std::option::Option<u64>);
    for field in item.fields.iter_mut().filter(|field| field.ty == count) {
        field
            .attrs
            .push(parse_quote!(#[serde(default, deserialize_with = "crate::wire::count")]));
    }
}

/// A description has no place for texts on the values of an enumeration; the value itself has to do.
fn document_variants(item: &mut Item) {
    let Item::Enum(item) = item else { return };
    for variant in item
        .variants
        .iter_mut()
        .filter(|variant| variant.attrs.iter().all(|it| doc_text(it).is_none()))
    {
        let mut value = variant.ident.to_string();
        for attribute in variant
            .attrs
            .iter()
            .filter(|attribute| attribute.path().is_ident("serde"))
        {
            let renamed = attribute.parse_args::<MetaNameValue>();
            if let Some(Lit::Str(name)) = renamed.ok().and_then(|pair| literal(pair.value)) {
                value = name.value();
            }
        }
        let text = format!("`{value}`");
        variant.attrs.push(parse_quote!(#[doc = #text]));
    }
}

/// The crate's own client makes raw clients, with credentials and limits wired in. The generated `new` has neither, and
/// a time-out of its own.
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

/// Bulk payloads are bytes to the generated calls, and JSON to the service.
struct JsonPayloads;

impl VisitMut for JsonPayloads {
    fn visit_lit_str_mut(&mut self, literal: &mut LitStr) {
        if literal.value() == "application/octet-stream" {
            *literal = LitStr::new("application/json", literal.span());
        }
    }
}

/// One `///` a line, without blank lines at the ends or in a row.
struct TidyDocs;

impl VisitMut for TidyDocs {
    fn visit_attributes_mut(&mut self, attributes: &mut Vec<Attribute>) {
        let docs: Vec<String> = attributes.iter().filter_map(doc_text).collect();
        if docs.is_empty() {
            return;
        }
        attributes.retain(|attribute| doc_text(attribute).is_none());
        // `///` leaves a space at the start; further indentation belongs to a list.
        let docs: Vec<&str> = docs
            .iter()
            .map(|it| it.strip_prefix(' ').unwrap_or(it))
            .collect();
        let text = docs.join("\n");
        let mut lines: Vec<&str> = text.trim().lines().map(str::trim_end).collect();
        lines.dedup_by(|line, before| line.is_empty() && before.is_empty());
        let lines = lines.into_iter().map(|line| {
            if line.is_empty() {
                String::new()
            } else {
                format!(" {line}")
            }
        });
        let tidy: Vec<Attribute> = lines.map(|line| parse_quote!(#[doc = #line])).collect();
        attributes.splice(..0, tidy);
    }
}

fn doc_text(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(pair) = &attribute.meta else {
        return None;
    };
    match literal(pair.value.clone()) {
        Some(Lit::Str(text)) if pair.path.is_ident("doc") => Some(text.value()),
        _ => None,
    }
}

fn literal(expression: Expr) -> Option<Lit> {
    match expression {
        Expr::Lit(literal) => Some(literal.lit),
        _ => None,
    }
}
