//! The description itself: the generated types keep its examples unchanged, and tolerate in a
//! response what the service is known to send.

use std::collections::{BTreeMap, BTreeSet};

use cspark_batches::raw::types;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

/// A request or a response of an operation.
struct Payload {
    /// Such as `pull, answer`.
    name: String,
    is_answer: bool,
    /// The names of its schema, or of all schemas that it may have.
    schemas: Vec<String>,
    examples: BTreeMap<String, Value>,
}

#[test]
fn each_example_decodes_and_encodes_back_whole() {
    for payload in payloads() {
        assert!(
            !payload.examples.is_empty(),
            "{}: wants an example",
            payload.name
        );
        for (name, example) in &payload.examples {
            let results: Vec<_> = payload
                .schemas
                .iter()
                .map(|schema| recode(schema, example))
                .collect();
            assert!(
                results
                    .iter()
                    .flatten()
                    .any(|recoded| same(example, recoded)),
                "{}, example {name}: comes back as {results:#?}",
                payload.name
            );
        }
    }
}

#[test]
fn each_field_of_a_schema_is_a_field_of_its_type() {
    let description = description();
    for payload in payloads() {
        for schema in &payload.schemas {
            let full = sample(&description, &description["components"]["schemas"][schema]);
            let recoded = recode(schema, &full);
            assert!(
                recoded.as_ref().is_ok_and(|recoded| same(&full, recoded)),
                "{}: {full:#} comes back as {recoded:#?}",
                payload.name
            );
        }
    }
}

#[test]
fn answers_are_read_with_tolerance() {
    let description = description();
    for payload in payloads().into_iter().filter(|it| it.is_answer) {
        for schema in &payload.schemas {
            let full = sample(&description, &description["components"]["schemas"][schema]);
            for (what, answer) in variations(&full) {
                if let Err(error) = recode(schema, &answer) {
                    panic!("{}: {what}: {error}", payload.name);
                }
            }
        }
    }
}

#[test]
fn requests_know_all_their_fields() {
    for payload in payloads().into_iter().filter(|it| !it.is_answer) {
        for (name, mut example) in payload.examples {
            example["no_such_field"] = json!(1);
            for schema in &payload.schemas {
                assert!(
                    recode(schema, &example).is_err(),
                    "{}, example {name}",
                    payload.name
                );
            }
        }
    }
}

#[test]
fn each_operation_says_how_it_can_fail() {
    for (id, operation) in operations(&description()) {
        for status in ["401", "403", "429", "4XX", "5XX"] {
            assert!(
                operation["responses"].get(status).is_some(),
                "{id}: {status} is missing"
            );
        }
        for header in ["TenantName", "RequestId", "SparkUserAgent"] {
            let reference = json!({ "$ref": format!("#/components/parameters/{header}") });
            let parameters = operation["parameters"].as_array();
            assert!(
                parameters.is_some_and(|it| it.contains(&reference)),
                "{id}: {header} is missing"
            );
        }
    }
}

#[test]
fn nothing_is_described_in_vain() {
    let description = description();
    let mut referred = BTreeSet::new();
    references(&description, &mut referred);
    for (section, components) in description["components"].as_object().expect("an object") {
        // These are named where they are used, without a reference.
        if section == "securitySchemes" {
            continue;
        }
        for name in components.as_object().expect("an object").keys() {
            let reference = format!("#/components/{section}/{name}");
            assert!(
                referred.contains(&reference),
                "nothing refers to {reference}"
            );
        }
    }
}

/// Decodes into the generated type and encodes again.
fn recode(schema: &str, json: &Value) -> serde_json::Result<Value> {
    fn through<T: Serialize + DeserializeOwned>(json: &str) -> serde_json::Result<Value> {
        let typed: T = serde_json::from_str(json)?;
        serde_json::from_str(&serde_json::to_string(&typed)?)
    }
    let json = json.to_string();
    match schema {
        "Batch" => through::<types::Batch>(&json),
        "CreateRequest" => through::<types::CreateRequest>(&json),
        "DescribeResponse" => through::<types::DescribeResponse>(&json),
        "PullResponse" => through::<types::PullResponse<Box<RawValue>>>(&json),
        "ServiceSchema" => through::<types::ServiceSchema>(&json),
        "ServiceVersions" => through::<types::ServiceVersions>(&json),
        // The whole document is kept as it is.
        "SwaggerDocument" => through::<Box<RawValue>>(&json),
        "PushRequest" => through::<types::PushRequest<Box<RawValue>>>(&json),
        "Status" => through::<types::Status>(&json),
        "UpdateRequest" => through::<types::UpdateRequest>(&json),
        other => panic!("add the type of `{other}` here"),
    }
}

/// Whether both mean the same: null and absent are equal, and so are 1 and 1.0.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let value = |of: &Map<String, Value>, key| of.get(key).cloned().unwrap_or_default();
            one.keys()
                .chain(other.keys())
                .all(|key| same(&value(one, key), &value(other, key)))
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        _ => one == other,
    }
}

/// An instance of a schema with all fields.
fn sample(description: &Value, schema: &Value) -> Value {
    let schema = resolve(description, schema);
    let first = |key: &str| schema[key].get(0).cloned();
    if let Some(part) = first("allOf").or_else(|| first("anyOf")) {
        return sample(description, &part);
    }
    match schema["type"].as_str() {
        Some("object") => {
            let properties = schema["properties"].as_object().into_iter().flatten();
            properties
                .map(|(name, schema)| (name.clone(), sample(description, schema)))
                .collect()
        }
        Some("array") => json!([sample(description, &schema["items"])]),
        Some("string") => first("enum").unwrap_or_else(|| json!("text")),
        Some("integer" | "number") => json!(1),
        Some("boolean") => json!(true),
        _ => json!({ "any": ["thing"] }),
    }
}

/// Variants that the service may send, each with a name for what is odd about it.
fn variations(full: &Value) -> Vec<(String, Value)> {
    let mut variations = Vec::new();
    for pointer in pointers(full) {
        let mut vary = |what: &str, to: Value| {
            let mut varied = full.clone();
            *varied.pointer_mut(&pointer).expect("it is there") = to;
            variations.push((format!("`{pointer}` {what}"), varied));
        };
        match full.pointer(&pointer).expect("it is there") {
            Value::Object(members) => {
                let mut more = members.clone();
                more.insert("no_such_field".to_owned(), json!({ "a": [1] }));
                vary("with a field that is not known", Value::Object(more));
                for name in members.keys() {
                    let mut less = members.clone();
                    less.remove(name);
                    vary(&format!("without `{name}`"), Value::Object(less));
                    let mut less = members.clone();
                    less.insert(name.clone(), Value::Null);
                    vary(&format!("with `{name}` as null"), Value::Object(less));
                }
            }
            Value::Array(_) => vary("empty", json!([])),
            Value::String(_) => {
                vary("with a text that is not known", json!("never heard of"));
                vary("as an empty text", json!(""));
            }
            Value::Number(_) => {
                for number in [
                    json!(0),
                    json!(-1),
                    json!(1.0),
                    json!(1.5),
                    json!(1e300),
                    json!(u64::MAX),
                ] {
                    vary(&format!("as {number}"), number);
                }
            }
            _ => {}
        }
    }
    variations
}

/// The JSON pointers of a value and of all values in it.
fn pointers(value: &Value) -> Vec<String> {
    let below: Vec<(String, &Value)> = match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, it)| (name.clone(), it))
            .collect(),
        Value::Array(elements) => elements
            .iter()
            .enumerate()
            .map(|(i, it)| (i.to_string(), it))
            .collect(),
        _ => Vec::new(),
    };
    let below = below.into_iter().flat_map(|(key, value)| {
        pointers(value)
            .into_iter()
            .map(move |pointer| format!("/{key}{pointer}"))
    });
    std::iter::once(String::new()).chain(below).collect()
}

fn payloads() -> Vec<Payload> {
    let description = description();
    let mut payloads = Vec::new();
    for (id, operation) in operations(&description) {
        let mut add = |name: &str, is_answer, holder: &Value| {
            let Some(media_type) = holder["content"].get("application/json") else {
                return;
            };
            let examples = media_type["examples"].as_object().into_iter().flatten();
            payloads.push(Payload {
                name: format!("{id}, {name}"),
                is_answer,
                schemas: schemas(&media_type["schema"]),
                examples: examples
                    .map(|(name, it)| (name.clone(), resolve(&description, it)["value"].clone()))
                    .collect(),
            });
        };
        add("request", false, &operation["requestBody"]);
        add("answer", true, &operation["responses"]["2XX"]);
    }
    assert!(!payloads.is_empty());
    payloads
}

/// The names behind a reference, or behind a choice of references.
fn schemas(schema: &Value) -> Vec<String> {
    let mut referred = BTreeSet::new();
    references(schema, &mut referred);
    let name = |reference: String| reference.rsplit('/').next().map(str::to_owned);
    referred.into_iter().filter_map(name).collect()
}

fn references(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            into.extend(
                members
                    .get("$ref")
                    .and_then(Value::as_str)
                    .map(str::to_owned),
            );
            members.values().for_each(|value| references(value, into));
        }
        Value::Array(elements) => elements.iter().for_each(|value| references(value, into)),
        _ => {}
    }
}

fn operations(description: &Value) -> Vec<(String, Value)> {
    let items = description["paths"].as_object().into_iter().flatten();
    let members = items.flat_map(|(_, item)| item.as_object().into_iter().flatten());
    members
        .filter_map(|(_, it)| Some((it.get("operationId")?.as_str()?.to_owned(), it.clone())))
        .collect()
}

fn resolve<'a>(description: &'a Value, value: &'a Value) -> &'a Value {
    match value.get("$ref").and_then(Value::as_str) {
        Some(target) => description
            .pointer(&target[1..])
            .expect("the build checks references"),
        None => value,
    }
}

fn description() -> Value {
    serde_norway::from_str(include_str!("../openapi/batches.yaml")).expect("the build reads it too")
}
