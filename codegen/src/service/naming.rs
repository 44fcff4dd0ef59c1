//! Rust names for columns, whose own names may be any text.

use std::collections::BTreeSet;

use heck::{ToSnakeCase as _, ToUpperCamelCase as _};

/// Names that are in use in one scope.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    pub(super) fn with(taken: &[&str]) -> Self {
        Self(taken.iter().map(|it| (*it).to_owned()).collect())
    }

    /// The field for a column: its name in snake case, with a number if an earlier column has
    /// the same. `position` counts from 1, and names a column without letters and digits.
    pub(super) fn field(&mut self, column: &str, position: usize) -> String {
        let snake = letters(column).to_snake_case();
        self.free(identifier(snake, &format!("column_{position}")), "_")
    }

    /// A type: the name in camel case, with a number if there is another one.
    pub(super) fn type_name(&mut self, name: &str) -> String {
        let camel = letters(name).to_upper_camel_case();
        self.free(identifier(camel, "Column"), "")
    }

    fn free(&mut self, name: String, separator: &str) -> String {
        let numbered = (2_u64..).map(|n| format!("{name}{separator}{n}"));
        let mut names = std::iter::once(name.clone()).chain(numbered);
        let free = names.find(|name| !self.0.contains(name));
        let free = free.unwrap_or(name);
        self.0.insert(free.clone());
        free
    }
}

/// The name of the module for a service.
pub(super) fn module(type_name: &str) -> String {
    identifier(letters(type_name).to_snake_case(), "service")
}

/// The characters that can be part of an identifier, with blanks for the others.
fn letters(name: &str) -> String {
    let to_blank = |c| {
        if unicode_ident::is_xid_continue(c) {
            c
        } else {
            ' '
        }
    };
    name.chars().map(to_blank).collect()
}

fn identifier(name: String, fallback: &str) -> String {
    let name = match name.chars().next() {
        None => return fallback.to_owned(),
        Some(first) if unicode_ident::is_xid_start(first) => name,
        Some(_) => format!("x{name}"),
    };
    // A keyword.
    if syn::parse_str::<syn::Ident>(&name).is_err() || !typify::accept_as_ident(&name) {
        return format!("{name}_");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::Names;

    #[test]
    fn columns_become_fields() {
        let mut names = Names::default();
        let mut field = |column| names.field(column, 7);
        assert_eq!(field("SumAssured"), "sum_assured");
        assert_eq!(field("sum assured"), "sum_assured_2");
        assert_eq!(field("sum_assured"), "sum_assured_3");
        assert_eq!(field("Metadata.Font"), "metadata_font");
        assert_eq!(field("2024 premium"), "x2024_premium");
        assert_eq!(field("type"), "type_");
        assert_eq!(field("Self"), "self_");
        assert_eq!(field("gen"), "gen_");
        assert_eq!(field("\u{1f600}"), "column_7");
        assert_eq!(field("  "), "column_7_2");
        assert_eq!(field("Prämie (€)"), "prämie");
        assert_eq!(field("_"), "column_7_3");
    }

    #[test]
    fn tables_become_types() {
        let mut names = Names::with(&["Input", "Output"]);
        assert_eq!(names.type_name("cash flows"), "CashFlows");
        assert_eq!(names.type_name("input"), "Input2");
        assert_eq!(names.type_name("self"), "Self_");
    }
}
