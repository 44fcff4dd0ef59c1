//! Splits generated source, so that each line belongs to exactly one named part.

use std::collections::BTreeMap;

use syn::{ImplItem, Item, Type};

/// The parts of the source by name, each printed: `types__Status` is a type with its
/// implementations, `calls__push` an operation, `client` is whatever remains of the file when those
/// are taken out.
pub(crate) fn split(source: &str) -> BTreeMap<String, String> {
    let mut file = syn::parse_file(source).expect("generated source parses");
    let mut parts: BTreeMap<String, Vec<Item>> = BTreeMap::new();

    for item in &mut file.items {
        match item {
            Item::Mod(types) if types.ident == "types" => {
                let (_, items) = types.content.as_mut().expect("an inline module");
                for item in items.drain(..) {
                    let name = format!("types__{}", name_of(&item));
                    parts.entry(name).or_default().push(item);
                }
            }
            Item::Impl(block) if block.trait_.is_none() => {
                // An operation is printed in an `impl` of its own, with the attributes of the one
                // that it comes from.
                let mut shell = block.clone();
                shell.items.clear();
                block.items.retain(|member| match member {
                    ImplItem::Fn(call) if call.sig.asyncness.is_some() => {
                        let mut alone = shell.clone();
                        alone.items.push(member.clone());
                        let name = format!("calls__{}", call.sig.ident);
                        parts.entry(name).or_default().push(Item::Impl(alone));
                        false
                    }
                    _ => true,
                });
            }
            _ => {}
        }
    }
    parts.insert("client".to_owned(), file.items);
    parts
        .into_iter()
        .map(|(name, items)| (name, print(items)))
        .collect()
}

/// The type that an item defines or implements something for.
fn name_of(item: &Item) -> String {
    match item {
        Item::Struct(item) => item.ident.to_string(),
        Item::Enum(item) => item.ident.to_string(),
        Item::Type(item) => item.ident.to_string(),
        Item::Mod(item) => item.ident.to_string(),
        Item::Impl(item) => match &*item.self_ty {
            Type::Path(path) => path.path.segments.last().map(|it| it.ident.to_string()),
            _ => None,
        }
        .unwrap_or_else(|| "other".to_owned()),
        _ => "other".to_owned(),
    }
}

fn print(items: Vec<Item>) -> String {
    prettyplease::unparse(&syn::parse_quote!(#(#items)*))
}
