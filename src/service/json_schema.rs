//! The columns of a program's own types, by the JSON Schemas that they derive.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

use super::column::{Column, ColumnKind, Columns};

/// How many references lead from one to the next at most.
const MOST_REFERENCES: usize = 32;

impl Columns {
    /// The columns of a record and of its outputs, which are structs that derive `JsonSchema`.
    ///
    /// ```
    /// use cspark_batches::service::{ColumnKind, Columns};
    ///
    /// #[derive(schemars::JsonSchema)]
    /// struct Cylinder {
    ///     radius: f64,
    ///     height: Option<f64>,
    /// }
    /// #[derive(schemars::JsonSchema)]
    /// struct Volume {
    ///     volume: f64,
    /// }
    ///
    /// let columns = Columns::of::<Cylinder, Volume>();
    /// assert_eq!(columns.inputs().len(), 2);
    /// assert_eq!(columns.outputs()[0].kind(), ColumnKind::Number);
    /// ```
    #[must_use]
    pub fn of<I: JsonSchema, O: JsonSchema>() -> Self {
        Self::new(columns::<I>(), columns::<O>())
    }
}

fn columns<T: JsonSchema>() -> Vec<Column> {
    let root = SchemaGenerator::default().into_root_schema_for::<T>();
    let properties = root.get("properties").and_then(Value::as_object);
    let column = |(name, schema): (&String, &Value)| Column::owned(name, kind(&root, schema));
    properties.into_iter().flatten().map(column).collect()
}

fn kind(root: &Schema, schema: &Value) -> ColumnKind {
    let schema = resolve(root, schema);
    let name = match schema.get("type") {
        Some(Value::String(name)) => Some(name.as_str()),
        // An `Option` is its type or null.
        Some(Value::Array(names)) => {
            let mut names = names.iter().filter_map(Value::as_str);
            names.find(|name| *name != "null")
        }
        _ => None,
    };
    match name {
        Some("number" | "integer") => ColumnKind::Number,
        Some("string") => ColumnKind::Text,
        Some("boolean") => ColumnKind::Boolean,
        Some("array") => ColumnKind::Table,
        _ => ColumnKind::Any,
    }
}

/// The schema behind references, and behind an alternative of a schema and null.
fn resolve<'a>(root: &'a Schema, schema: &'a Value) -> &'a Value {
    let mut schema = schema;
    for _ in 0..MOST_REFERENCES {
        let next = match schema.get("$ref").and_then(Value::as_str) {
            Some(target) => root.pointer(target.trim_start_matches('#')),
            None => schema
                .get("anyOf")
                .and_then(Value::as_array)
                .and_then(|parts| parts.iter().find(|part| part["type"] != "null")),
        };
        match next {
            Some(next) => schema = next,
            None => break,
        }
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_follow_from_types() {
        #[derive(JsonSchema)]
        #[allow(dead_code, reason = "only the schema counts")]
        enum Sex {
            Female,
            Male,
        }
        #[derive(JsonSchema)]
        #[allow(dead_code, reason = "only the schema counts")]
        struct Input {
            age: u32,
            rate: Option<f64>,
            name: String,
            smoker: bool,
            sex: Sex,
            #[serde(rename = "Other sex")]
            other: Option<Sex>,
            flows: Vec<f64>,
            unknown: serde_json::Value,
        }
        let columns = Columns::of::<Input, Sex>();
        let kinds: Vec<(&str, ColumnKind)> = columns
            .inputs()
            .iter()
            .map(|column| (column.name(), column.kind()))
            .collect();
        for expected in [
            ("age", ColumnKind::Number),
            ("rate", ColumnKind::Number),
            ("name", ColumnKind::Text),
            ("smoker", ColumnKind::Boolean),
            ("sex", ColumnKind::Text),
            ("Other sex", ColumnKind::Text),
            ("flows", ColumnKind::Table),
            ("unknown", ColumnKind::Any),
        ] {
            assert!(kinds.contains(&expected), "{expected:?} in {kinds:?}");
        }
        assert_eq!(kinds.len(), 8);
        assert!(columns.outputs().is_empty());
    }
}
