//! The inputs and outputs of a service as the workbook's named ranges, derived from its types.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

/// The inputs and outputs of a service.
#[derive(Clone, Debug)]
pub(crate) struct Columns {
    pub(crate) inputs: Vec<Column>,
    pub(crate) outputs: Vec<Column>,
}

/// One input or output.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) kind: Kind,
    /// The workbook's own value: the default of an input, and an example of either.
    pub(crate) value: Value,
    /// The values that the workbook allows; empty: all.
    pub(crate) choices: Vec<Value>,
    pub(crate) minimum: Option<Value>,
    pub(crate) maximum: Option<Value>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Integer,
    Number,
    Boolean,
    Text,
    Date,
    /// A list of rows with these columns.
    Table(Vec<Column>),
    Any,
}

impl Columns {
    /// The columns of a service that reads `I` and writes `O`.
    pub(crate) fn of<I: JsonSchema, O: JsonSchema>() -> Self {
        let settings = || {
            let mut settings = SchemaSettings::draft07();
            settings.inline_subschemas = true;
            settings
        };
        let inputs = settings().for_deserialize().into_generator();
        let outputs = settings().for_serialize().into_generator();
        Self::from_schemas(
            &inputs.into_root_schema_for::<I>(),
            &outputs.into_root_schema_for::<O>(),
        )
    }

    /// The columns that these schemas have as properties.
    pub(crate) fn from_schemas(inputs: &Schema, outputs: &Schema) -> Self {
        Self {
            inputs: columns(inputs),
            outputs: columns(outputs),
        }
    }
}

fn columns(schema: &Schema) -> Vec<Column> {
    schema.as_object().map(properties).unwrap_or_default()
}

/// The properties of an object: those that are required first, which are in the order of the
/// struct.
fn properties(object: &Map<String, Value>) -> Vec<Column> {
    let Some(properties) = object.get("properties").and_then(Value::as_object) else {
        return Vec::new();
    };
    let required: Vec<&str> = list(object, "required")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let first = required
        .iter()
        .filter_map(|name| properties.get_key_value(*name));
    let rest = properties
        .iter()
        .filter(|(name, _)| !required.contains(&name.as_str()));
    first
        .chain(rest)
        .map(|(name, schema)| Column::new(name, schema))
        .collect()
}

impl Column {
    fn new(name: &str, schema: &Value) -> Self {
        let empty = Map::new();
        let outer = schema.as_object().unwrap_or(&empty);
        let inner = without_null(outer);
        let find = |key| outer.get(key).or_else(|| inner.get(key));
        let choices = choices(inner);
        let kind = kind(inner, &choices);
        let minimum = find("minimum").or_else(|| find("exclusiveMinimum"));
        let maximum = find("maximum").or_else(|| find("exclusiveMaximum"));
        let example = find("default")
            .filter(|value| !value.is_null())
            .or_else(|| find("examples").and_then(|examples| examples.get(0)))
            .or_else(|| choices.first());
        let value = match (example, &kind) {
            (Some(value), _) => value.clone(),
            (None, Kind::Integer | Kind::Number) => minimum.cloned().unwrap_or(json!(0)),
            (None, Kind::Boolean) => json!(false),
            (None, Kind::Text) => json!(""),
            (None, Kind::Date) => json!("1970-12-03"),
            (None, Kind::Table(columns)) => json!([row(columns)]),
            (None, Kind::Any) => Value::Null,
        };
        Self {
            name: name.to_owned(),
            description: find("description")
                .and_then(Value::as_str)
                .map(str::to_owned),
            value,
            minimum: minimum.cloned(),
            maximum: maximum.cloned(),
            choices,
            kind,
        }
    }
}

/// An object with the value of each column.
pub(crate) fn row(columns: &[Column]) -> Value {
    let fields = columns
        .iter()
        .map(|column| (column.name.clone(), column.value.clone()));
    Value::Object(fields.collect())
}

/// The schema of the value itself, where the schema allows null besides.
fn without_null(schema: &Map<String, Value>) -> &Map<String, Value> {
    for key in ["anyOf", "oneOf", "allOf"] {
        let mut others = list(schema, key)
            .iter()
            .filter_map(Value::as_object)
            .filter(|it| it.get("type").and_then(Value::as_str) != Some("null"));
        if let (Some(only), None) = (others.next(), others.next()) {
            return without_null(only);
        }
    }
    schema
}

/// The values of an enumeration. Those of an enum whose variants have docs stand in a list of
/// constants.
fn choices(schema: &Map<String, Value>) -> Vec<Value> {
    let listed = list(schema, "enum").iter().cloned();
    let constants = list(schema, "oneOf")
        .iter()
        .flat_map(|one| match one.get("const") {
            Some(constant) => vec![constant.clone()],
            None => one
                .get("enum")
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default(),
        });
    listed
        .chain(constants)
        .filter(|value| !value.is_null())
        .collect()
}

fn kind(schema: &Map<String, Value>, choices: &[Value]) -> Kind {
    let types: Vec<&str> = match schema.get("type") {
        Some(Value::String(one)) => vec![one.as_str()],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let format = schema.get("format").and_then(Value::as_str);
    match types.iter().find(|name| **name != "null") {
        Some(&"integer") => Kind::Integer,
        Some(&"number") => Kind::Number,
        Some(&"boolean") => Kind::Boolean,
        Some(&"string") if matches!(format, Some("date" | "date-time")) => Kind::Date,
        Some(&"string") => Kind::Text,
        Some(&"array") => {
            let items = schema.get("items").and_then(Value::as_object);
            match items.map(properties).filter(|columns| !columns.is_empty()) {
                Some(columns) => Kind::Table(columns),
                None => Kind::Any,
            }
        }
        None if !choices.is_empty() && choices.iter().all(Value::is_string) => Kind::Text,
        _ => Kind::Any,
    }
}

fn list<'a>(schema: &'a Map<String, Value>, key: &str) -> &'a [Value] {
    schema
        .get(key)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}
