//! Reads the description, and refuses what the reader would drop silently.

use openapiv3::OpenAPI;
use serde::Deserialize;
use serde_json::Value;

use super::openapi_walk::{Kind, Node, nodes};
use crate::diagnostics::Diagnostics;

/// Reads YAML, and refuses duplicate keys.
pub(super) fn yaml(text: &str) -> Result<Value, Diagnostics> {
    // serde_json's own values would keep the last of two equal keys.
    serde_norway::from_str::<serde_norway::Value>(text)
        .and_then(serde_norway::from_value)
        .map_err(|error| {
            let (mut what, mut line) = (format!("this is not YAML: {error}"), 1);
            if let Some(at) = error.location() {
                line = at.line();
                what = what.replace(&format!(" at line {line} column {}", at.column()), "");
            }
            Diagnostics::on_line(line, what)
        })
}

/// Reads the description.
///
/// Refuses keys that OpenAPI does not have, which the reader would drop, and references without a
/// target, on which the generator would panic.
pub(super) fn openapi(source: &Value) -> Result<OpenAPI, Diagnostics> {
    let nodes = nodes(source);
    unreadable(&nodes)?;
    let api =
        OpenAPI::deserialize(source).map_err(|error| Diagnostics::on_line(1, error.to_string()))?;
    let understood =
        serde_json::to_value(&api).map_err(|error| Diagnostics::on_line(1, error.to_string()))?;

    let mut diagnostics = Diagnostics::default();
    for node in &nodes {
        unknown_keys(node, &understood, &mut diagnostics);
        dangling_reference(node, source, &mut diagnostics);
    }
    diagnostics.or(api)
}

/// Reads each part by itself, the innermost first, because the reader names no places within paths
/// and components.
fn unreadable(nodes: &[Node<'_>]) -> Result<(), Diagnostics> {
    let mut diagnostics = Diagnostics::default();
    let mut places: Vec<&[String]> = Vec::new();
    for node in nodes.iter().rev() {
        // A part that is not an object is reported with the part around it.
        let is_part = node.value.is_object() && reference(node.value).is_none();
        let Some(kind) = node.kind.filter(|_| is_part) else {
            continue;
        };
        // A mistake in a part makes every part around it unreadable, too.
        if places.iter().any(|place| place.starts_with(&node.place)) {
            continue;
        }
        if let Some(failure) = kind.failure(node.value) {
            let at = pinpoint(kind, node.value, &failure)
                .map_or(node.place.clone(), |key| node.below(&key));
            diagnostics.add(&at, failure);
            places.push(&node.place);
        }
    }
    diagnostics.or(())
}

/// The key that makes a part unreadable: without it, the failure is another one, or none.
fn pinpoint(kind: Kind, value: &Value, failure: &str) -> Option<String> {
    if failure.starts_with("missing field") {
        return None;
    }
    let members = value.as_object()?;
    let is_to_blame = |key: &&String| {
        let mut others = members.clone();
        others.remove(*key);
        kind.failure(&Value::Object(others))
            .is_none_or(|other| other != failure)
    };
    members.keys().find(is_to_blame).cloned()
}

/// Keys in the source that are missing from what was understood are those that the reader dropped.
fn unknown_keys(node: &Node<'_>, understood: &Value, diagnostics: &mut Diagnostics) {
    let understood = node
        .place
        .iter()
        .try_fold(understood, |value, key| match value {
            Value::Array(elements) => elements.get(key.parse::<usize>().ok()?),
            _ => value.get(key),
        });
    let (Some(keys), Some(known)) = (
        node.value.as_object(),
        understood.and_then(Value::as_object),
    ) else {
        return;
    };
    for (key, value) in keys {
        if known.contains_key(key) || is_default(value) {
            continue;
        }
        let what = if reference(node.value).is_some() {
            "keys beside `$ref` are ignored; put the reference into `allOf`"
        } else if value.is_null() {
            "the value is missing"
        } else {
            "OpenAPI does not have this key here"
        };
        diagnostics.add(&node.below(key), what);
    }
}

/// Whether the reader leaves the value out when printing.
fn is_default(value: &Value) -> bool {
    match value {
        Value::Bool(value) => !value,
        Value::Array(elements) => elements.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}

fn dangling_reference(node: &Node<'_>, source: &Value, diagnostics: &mut Diagnostics) {
    let Some(target) = reference(node.value) else {
        return;
    };
    let Some(section) = node.kind.and_then(Kind::section) else {
        diagnostics.add(&node.place, "a reference is not possible here");
        return;
    };
    let section_path = format!("#/components/{section}/");
    let what = match target.strip_prefix(&section_path) {
        None => format!("`{target}` does not begin with `{section_path}`"),
        Some(name) if source["components"][section].get(name).is_none() => {
            format!("`{target}` does not exist")
        }
        Some(_) => return,
    };
    diagnostics.add(&node.place, what);
}

/// The target of a reference.
pub(super) fn reference(value: &Value) -> Option<&str> {
    value.get("$ref")?.as_str()
}
