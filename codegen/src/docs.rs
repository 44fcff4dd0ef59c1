//! Documentation of generated code.

use syn::visit_mut::VisitMut;
use syn::{Attribute, Expr, Lit, Meta, parse_quote};

/// Writes one `///` for each line, without blank lines at the ends or in a row.
pub(crate) struct TidyDocs;

impl VisitMut for TidyDocs {
    fn visit_attributes_mut(&mut self, attributes: &mut Vec<Attribute>) {
        let docs: Vec<String> = attributes.iter().filter_map(doc_text).collect();
        if docs.is_empty() {
            return;
        }
        attributes.retain(|attribute| doc_text(attribute).is_none());
        // `///` adds a space at the start; further indentation belongs to a list.
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

/// Whether the attribute is documentation.
pub(crate) fn is_doc(attribute: &Attribute) -> bool {
    doc_text(attribute).is_some()
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
