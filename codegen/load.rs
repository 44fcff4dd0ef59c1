//! Reading the description, and refusing what would otherwise go wrong later without a word about the place.

use openapiv3::{OpenAPI, ReferenceOr, Schema, SchemaKind, Type};
use serde_json::Value;

use super::Problems;

/// Keys whose values are free: nothing below them is read as OpenAPI.
const FREE: [&str; 3] = ["example", "default", "x-open-enum"];

/// Reads the description and checks it.
///
/// Keys that OpenAPI does not know and references to nothing are problems: the reader drops the first without a word,
/// the generator panics on the second. So are items without the text that becomes their rustdoc.
pub(super) fn load(text: &str) -> Result<OpenAPI, Problems> {
    let source: Value = serde_norway::from_str(text)
        .map_err(|error| Problems::one(format!("not YAML: {error}")))?;
    let api: OpenAPI = serde_path_to_error::deserialize(&source)
        .map_err(|error| Problems::one(format!("{}: {}", error.path(), error.inner())))?;
    let understood =
        serde_json::to_value(&api).map_err(|error| Problems::one(error.to_string()))?;

    let mut problems = Vec::new();
    let mut place = Vec::new();
    unknown_keys(&source, &understood, &mut place, &mut problems);
    dangling_references(&source, &source, &mut place, &mut problems);
    undescribed(&api, &mut problems);
    if problems.is_empty() {
        Ok(api)
    } else {
        Err(Problems(problems))
    }
}

/// Whatever is in the source and not in what was understood of it is a key that the reader dropped.
fn unknown_keys(
    source: &Value,
    understood: &Value,
    place: &mut Vec<String>,
    problems: &mut Vec<String>,
) {
    match (source, understood) {
        (Value::Object(source), Value::Object(understood)) => {
            for (key, value) in source {
                place.push(key.clone());
                match understood.get(key) {
                    Some(_) if is_free(place) => {}
                    Some(known) => unknown_keys(value, known, place, problems),
                    // The reader leaves out what is the default anyway.
                    None if is_default(value) => {}
                    None => {
                        problems.push(format!("{}: OpenAPI has no such key here", place.join(".")))
                    }
                }
                place.pop();
            }
        }
        (Value::Array(source), Value::Array(understood)) => {
            for (index, (value, known)) in source.iter().zip(understood).enumerate() {
                place.push(index.to_string());
                unknown_keys(value, known, place, problems);
                place.pop();
            }
        }
        _ => {}
    }
}

fn is_default(value: &Value) -> bool {
    *value == Value::Bool(false)
}

/// Whether the place holds data rather than OpenAPI. A property may well be called `example`, and is not free.
fn is_free(place: &[String]) -> bool {
    let [.., parent, key] = place else {
        return false;
    };
    let named_by_us = ["properties", "schemas", "parameters"].contains(&parent.as_str());
    let example_value = key == "value" && place.iter().any(|part| part == "examples");
    !named_by_us && (example_value || FREE.contains(&key.as_str()))
}

fn dangling_references(
    all: &Value,
    here: &Value,
    place: &mut Vec<String>,
    problems: &mut Vec<String>,
) {
    match here {
        Value::Object(members) => {
            for (key, value) in members {
                place.push(key.clone());
                match value {
                    Value::String(target) if key == "$ref" => {
                        if !target
                            .strip_prefix('#')
                            .is_some_and(|pointer| all.pointer(pointer).is_some())
                        {
                            problems
                                .push(format!("{}: nothing stands at `{target}`", place.join(".")));
                        }
                    }
                    _ if is_free(place) => {}
                    _ => dangling_references(all, value, place, problems),
                }
                place.pop();
            }
        }
        Value::Array(elements) => {
            for (index, value) in elements.iter().enumerate() {
                place.push(index.to_string());
                dangling_references(all, value, place, problems);
                place.pop();
            }
        }
        _ => {}
    }
}

/// Descriptions become rustdoc, and the crate documents every public item.
fn undescribed(api: &OpenAPI, problems: &mut Vec<String>) {
    let mut want = |text: &Option<String>, place: String| {
        if text.as_deref().is_none_or(|text| text.trim().is_empty()) {
            problems.push(format!(
                "{place}: a text is wanted here, the generated item is named or documented by it"
            ));
        }
    };
    for (name, schema) in api
        .components
        .iter()
        .flat_map(|components| &components.schemas)
    {
        let ReferenceOr::Item(schema) = schema else {
            continue;
        };
        want(
            &schema.schema_data.description,
            format!("components.schemas.{name}"),
        );
        for (property, schema) in properties(schema) {
            // A bare reference has no room for a text; `allOf` with the reference in it has.
            let text = schema
                .as_item()
                .and_then(|schema| schema.schema_data.description.clone());
            want(
                &text,
                format!("components.schemas.{name}.properties.{property}"),
            );
        }
    }
    for (path, method, operation) in api.operations() {
        let place = format!("paths.{path}.{method}");
        want(&operation.description, place.clone());
        want(&operation.operation_id, format!("{place}.operationId"));
    }
}

fn properties(schema: &Schema) -> impl Iterator<Item = (&String, &ReferenceOr<Box<Schema>>)> {
    let object = match &schema.schema_kind {
        SchemaKind::Type(Type::Object(object)) => Some(object),
        _ => None,
    };
    object.into_iter().flat_map(|object| &object.properties)
}
