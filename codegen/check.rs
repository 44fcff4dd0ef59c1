//! What is good OpenAPI and yet no good for the generator: it would panic, document nothing, or make types that refuse
//! what the service sends.

use std::collections::BTreeSet;

use openapiv3::{AnySchema, Schema, SchemaKind};
use serde::Deserialize;
use serde_json::Value;

use super::load::reference;
use super::outline::{Kind, Node, nodes};
use super::problems::Problems;

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];

const NUMBERS: [&str; 10] = [
    "double", "float", "int16", "int32", "int64", "int8", "uint16", "uint32", "uint64", "uint8",
];

/// Formats of texts that the generator has strict types for.
const STRICT_TEXTS: [&str; 6] = ["date", "date-time", "ip", "ipv4", "ipv6", "uuid"];

/// Checks all parts of a description that could be read. `handwritten` are the schemas that the generator leaves alone.
pub(super) fn check(source: &Value, handwritten: &[&str]) -> Result<(), Problems> {
    let mut problems = Problems::default();
    // The generator ignores what it is told about schemas that are not there.
    for name in handwritten {
        if source["components"]["schemas"].get(name).is_none() {
            let place = ["components".to_owned(), "schemas".to_owned()];
            problems.add(
                &place,
                format!("`{name}` is missing, and codegen/mod.rs has a type for it"),
            );
        }
    }
    let mut ids = BTreeSet::new();
    for node in nodes(source) {
        match node.kind {
            Some(Kind::Operation) => {
                operation(&node, source, &mut problems);
                let id = node.value["operationId"].as_str();
                if !id.is_none_or(|id| ids.insert(id.to_owned())) {
                    problems.add(
                        &node.below("operationId"),
                        "another operation has this name",
                    );
                }
            }
            Some(Kind::Schema) => {
                schema(&node, &mut problems);
                let name = node.place.get(2).map_or("", String::as_str);
                if node
                    .place
                    .starts_with(&["components".into(), "schemas".into()])
                    && !handwritten.contains(&name)
                {
                    scalar(&node, &mut problems);
                }
            }
            _ => {}
        }
    }
    problems.or(())
}

fn schema(node: &Node<'_>, problems: &mut Problems) {
    let [.., parent, _] = node.place.as_slice() else {
        return;
    };
    if ["properties", "schemas"].contains(&parent.as_str()) {
        if reference(node.value).is_some() {
            let what = "a bare reference has no room for the text that documents it; put the reference into `allOf`";
            problems.add(&node.place, what);
        } else {
            want_text(node, "description", problems);
        }
    }
    for name in node.value["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        if node.value["properties"].get(name).is_none() {
            problems.add(
                &node.below("required"),
                format!("there is no property `{name}`"),
            );
        }
    }
    if let Ok(SchemaKind::Any(any)) = Schema::deserialize(node.value).map(|it| it.schema_kind)
        && any != AnySchema::default()
    {
        match any.typ.as_deref() {
            Some(typ) if !TYPES.contains(&typ) => {
                let what = format!("`{typ}` is no type; the types are {}", TYPES.join(", "));
                problems.add(&node.below("type"), what);
            }
            _ => problems.add(
                &node.place,
                "these keys make no schema together, or hold values of the wrong type",
            ),
        }
    }
}

/// Formats that a misspelling would change without a word, and those whose types are stricter than the service.
fn scalar(node: &Node<'_>, problems: &mut Problems) {
    let text = |key| node.value.get(key).and_then(Value::as_str);
    match (text("type"), text("format")) {
        (Some("integer" | "number"), Some(format)) if !NUMBERS.contains(&format) => {
            let what = format!(
                "`{format}` is no format of numbers; they are {}",
                NUMBERS.join(", ")
            );
            problems.add(&node.below("format"), what);
        }
        (Some("string"), Some(format)) if STRICT_TEXTS.contains(&format) => {
            let what = format!(
                "one text that is not quite a {format} would fail the whole answer; refer to `Timestamp`, or leave it out"
            );
            problems.add(&node.below("format"), what);
        }
        _ => {}
    }
    if text("pattern").is_some() {
        problems.add(
            &node.below("pattern"),
            "checking patterns takes a regular-expression engine, which the crate does not have",
        );
    }
}

fn operation(node: &Node<'_>, source: &Value, problems: &mut Problems) {
    want_text(node, "operationId", problems);
    want_text(node, "description", problems);
    path_parameters(node, source, problems);

    if let Some(body) = resolve(source, &node.value["requestBody"]) {
        media_type(&node.below("requestBody"), body, problems);
    }
    let answers = node.value["responses"].as_object();
    let successes: Vec<&String> = answers
        .into_iter()
        .flatten()
        .map(|(status, _)| status)
        .filter(|it| it.starts_with('2'))
        .collect();
    match successes.as_slice() {
        [status] => {
            let place = [node.below("responses"), vec![(*status).clone()]].concat();
            if let Some(answer) = resolve(source, &node.value["responses"][status.as_str()]) {
                media_type(&place, answer, problems);
            }
        }
        _ => {
            let what = format!(
                "exactly one answer that is a success is wanted here, such as `2XX`, and there are {}",
                successes.len()
            );
            problems.add(&node.below("responses"), what);
        }
    }
}

/// A body or an answer has one shape or none.
fn media_type(place: &[String], holder: &Value, problems: &mut Problems) {
    let content = holder["content"].as_object();
    if content.is_some_and(|content| content.len() > 1) {
        problems.add(
            place,
            "the generator takes one media type here, not several",
        );
    }
    for (name, media_type) in content.into_iter().flatten() {
        if media_type.get("schema").is_none() {
            let place = [place, &["content".to_owned(), name.clone()]].concat();
            problems.add(&place, "a `schema` is wanted here");
        }
    }
}

/// The parameters in a path and those that are declared for it have to be the same.
fn path_parameters(node: &Node<'_>, source: &Value, problems: &mut Problems) {
    let [paths, path, _] = node.place.as_slice() else {
        return;
    };
    let declared: BTreeSet<&str> = [&source[paths][path], node.value]
        .into_iter()
        .flat_map(|holder| holder["parameters"].as_array().into_iter().flatten())
        .filter_map(|parameter| resolve(source, parameter))
        .filter(|parameter| parameter["in"] == "path" && parameter["required"] == true)
        .filter_map(|parameter| parameter["name"].as_str())
        .collect();
    let used: BTreeSet<&str> = path
        .split('{')
        .skip(1)
        .filter_map(|rest| Some(rest.split_once('}')?.0))
        .collect();
    for name in used.difference(&declared) {
        problems.add(
            &node.place,
            format!("the parameter `{name}` of the path is not declared as required"),
        );
    }
    for name in declared.difference(&used) {
        problems.add(
            &node.place,
            format!("the path has no place for the parameter `{{{name}}}`"),
        );
    }
}

/// Texts become names and rustdoc, and the crate documents every public item.
fn want_text(node: &Node<'_>, key: &str, problems: &mut Problems) {
    let text = node.value[key].as_str().unwrap_or_default();
    if text.trim().is_empty() {
        let what =
            format!("`{key}` is missing, which the generated code is named or documented by");
        problems.add(&node.place, what);
    }
}

/// What stands here, or where the reference here leads.
fn resolve<'a>(source: &'a Value, value: &'a Value) -> Option<&'a Value> {
    match reference(value) {
        Some(target) => source.pointer(target.strip_prefix('#')?),
        None => Some(value),
    }
}
