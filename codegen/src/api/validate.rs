//! Refuses valid OpenAPI that the generator would panic on, leave undocumented, or turn into types
//! that reject what the service sends.

use std::collections::BTreeSet;

use openapiv3::{AnySchema, Schema, SchemaKind};
use serde::Deserialize;
use serde_json::Value;

use super::load::reference;
use super::openapi_walk::{Kind, Node, nodes};
use crate::diagnostics::Diagnostics;

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];

const NUMBERS: [&str; 10] = [
    "double", "float", "int16", "int32", "int64", "int8", "uint16", "uint32", "uint64", "uint8",
];

/// String formats for which the generator uses strict types. `date-time` is not among them, since
/// it becomes a tolerant type.
const STRICT_TEXTS: [&str; 5] = ["date", "ip", "ipv4", "ipv6", "uuid"];

/// Checks a description that could be read. `replaced` names the schemas that are not generated.
pub(super) fn validate(source: &Value, replaced: &[&str]) -> Result<(), Diagnostics> {
    let mut diagnostics = Diagnostics::default();
    // The generator silently ignores a replacement for a schema that does not exist.
    for name in replaced {
        if source["components"]["schemas"].get(name).is_none() {
            let place = ["components".to_owned(), "schemas".to_owned()];
            diagnostics.add(
                &place,
                format!("`{name}` is missing; the generator has a type to use in its place"),
            );
        }
    }
    let mut ids = BTreeSet::new();
    for node in nodes(source) {
        match node.kind {
            Some(Kind::Operation) => {
                operation(&node, source, &mut diagnostics);
                let id = node.value["operationId"].as_str();
                if !id.is_none_or(|id| ids.insert(id.to_owned())) {
                    diagnostics.add(
                        &node.below("operationId"),
                        "another operation has the same name",
                    );
                }
            }
            Some(Kind::Schema) => {
                schema(&node, &mut diagnostics);
                let name = node.place.get(2).map_or("", String::as_str);
                if node
                    .place
                    .starts_with(&["components".into(), "schemas".into()])
                    && !replaced.contains(&name)
                {
                    scalar(&node, &mut diagnostics);
                }
            }
            _ => {}
        }
    }
    diagnostics.or(())
}

fn schema(node: &Node<'_>, diagnostics: &mut Diagnostics) {
    let [.., parent, _] = node.place.as_slice() else {
        return;
    };
    if ["properties", "schemas"].contains(&parent.as_str()) {
        if reference(node.value).is_some() {
            let what =
                "a bare reference has no place for a description; put the reference into `allOf`";
            diagnostics.add(&node.place, what);
        } else {
            want_text(node, "description", diagnostics);
        }
    }
    for name in node.value["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        if node.value["properties"].get(name).is_none() {
            diagnostics.add(
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
                let what = format!("`{typ}` is not a type; use one of {}", TYPES.join(", "));
                diagnostics.add(&node.below("type"), what);
            }
            _ => diagnostics.add(
                &node.place,
                "these keys do not go together, or one has a value of the wrong type",
            ),
        }
    }
}

/// Checks for misspelt formats, which the generator ignores, and for formats with too strict types.
fn scalar(node: &Node<'_>, diagnostics: &mut Diagnostics) {
    let text = |key| node.value.get(key).and_then(Value::as_str);
    match (text("type"), text("format")) {
        (Some("integer" | "number"), Some(format)) if !NUMBERS.contains(&format) => {
            let what = format!(
                "`{format}` is not a format of numbers; use one of {}",
                NUMBERS.join(", ")
            );
            diagnostics.add(&node.below("format"), what);
        }
        (Some("string"), Some(format)) if STRICT_TEXTS.contains(&format) => {
            let what = format!(
                "a text that is not quite a {format} would fail the whole response; leave the format out"
            );
            diagnostics.add(&node.below("format"), what);
        }
        _ => {}
    }
    if text("pattern").is_some() {
        diagnostics.add(
            &node.below("pattern"),
            "a pattern needs a regular-expression engine at run time; leave it out",
        );
    }
}

fn operation(node: &Node<'_>, source: &Value, diagnostics: &mut Diagnostics) {
    want_text(node, "operationId", diagnostics);
    want_text(node, "description", diagnostics);
    path_parameters(node, source, diagnostics);

    if let Some(body) = resolve(source, &node.value["requestBody"]) {
        media_type(&node.below("requestBody"), body, diagnostics);
    }
    let responses = node.value["responses"].as_object();
    let successes: Vec<&String> = responses
        .into_iter()
        .flatten()
        .map(|(status, _)| status)
        .filter(|it| it.starts_with('2'))
        .collect();
    match successes.as_slice() {
        [status] => {
            let place = [node.below("responses"), vec![(*status).clone()]].concat();
            if let Some(response) = resolve(source, &node.value["responses"][status.as_str()]) {
                media_type(&place, response, diagnostics);
            }
        }
        _ => {
            let what = format!(
                "exactly one success response is needed here, such as `2XX`, but there are {}",
                successes.len()
            );
            diagnostics.add(&node.below("responses"), what);
        }
    }
}

/// A body has one media type, with a schema.
fn media_type(place: &[String], holder: &Value, diagnostics: &mut Diagnostics) {
    let content = holder["content"].as_object();
    if content.is_some_and(|content| content.len() > 1) {
        diagnostics.add(
            place,
            "the generator accepts one media type here, not several",
        );
    }
    for (name, media_type) in content.into_iter().flatten() {
        if media_type.get("schema").is_none() {
            let place = [place, &["content".to_owned(), name.clone()]].concat();
            diagnostics.add(&place, "a `schema` is missing here");
        }
    }
}

/// A path has to use the parameters that are declared for it, and no others.
fn path_parameters(node: &Node<'_>, source: &Value, diagnostics: &mut Diagnostics) {
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
        diagnostics.add(
            &node.place,
            format!("the path parameter `{name}` is not declared as a required parameter"),
        );
    }
    for name in declared.difference(&used) {
        diagnostics.add(
            &node.place,
            format!("the path does not contain the parameter `{{{name}}}`"),
        );
    }
}

/// Names and descriptions become names and rustdoc of public items, which all need both.
fn want_text(node: &Node<'_>, key: &str, diagnostics: &mut Diagnostics) {
    let text = node.value[key].as_str().unwrap_or_default();
    if text.trim().is_empty() {
        let what = format!("`{key}` is missing; it names or documents the generated code");
        diagnostics.add(&node.place, what);
    }
}

/// The value, or the target if it is a reference.
fn resolve<'a>(source: &'a Value, value: &'a Value) -> Option<&'a Value> {
    match reference(value) {
        Some(target) => source.pointer(target.strip_prefix('#')?),
        None => Some(value),
    }
}
