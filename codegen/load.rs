//! Reading the description, and refusing what the reader would drop without a word or misplace.

use openapiv3::OpenAPI;
use serde::Deserialize;
use serde_json::Value;

use super::outline::{Kind, Node, nodes};
use super::problems::Problems;

/// Reads YAML. Keys that come twice are problems.
pub(super) fn yaml(text: &str) -> Result<Value, Problems> {
    // By way of the reader's own values, since those of serde_json take the last of two equal keys.
    serde_norway::from_str::<serde_norway::Value>(text)
        .and_then(serde_norway::from_value)
        .map_err(|error| {
            let (mut what, mut line) = (format!("not YAML: {error}"), 1);
            if let Some(at) = error.location() {
                line = at.line();
                what = what.replace(&format!(" at line {line} column {}", at.column()), "");
            }
            Problems::on_line(line, what)
        })
}

/// Reads the description.
///
/// Keys that OpenAPI does not know and references to nothing are problems: the reader drops the first without a word,
/// the generator panics on the second.
pub(super) fn openapi(source: &Value) -> Result<OpenAPI, Problems> {
    let nodes = nodes(source);
    unreadable(&nodes)?;
    let api =
        OpenAPI::deserialize(source).map_err(|error| Problems::on_line(1, error.to_string()))?;
    let understood =
        serde_json::to_value(&api).map_err(|error| Problems::on_line(1, error.to_string()))?;

    let mut problems = Problems::default();
    for node in &nodes {
        unknown_keys(node, &understood, &mut problems);
        dangling_reference(node, source, &mut problems);
    }
    problems.or(api)
}

/// The reader names no place below the paths or the components, so each part is read by itself, the innermost first.
fn unreadable(nodes: &[Node<'_>]) -> Result<(), Problems> {
    let mut problems = Problems::default();
    let mut places: Vec<&[String]> = Vec::new();
    for node in nodes.iter().rev() {
        // What is no object is the fault of the part around it.
        let is_part = node.value.is_object() && reference(node.value).is_none();
        let Some(kind) = node.kind.filter(|_| is_part) else {
            continue;
        };
        // What is wrong in a part is wrong in all around it.
        if places.iter().any(|place| place.starts_with(&node.place)) {
            continue;
        }
        if let Some(failure) = kind.failure(node.value) {
            let at = pinpoint(kind, node.value, &failure)
                .map_or(node.place.clone(), |key| node.below(&key));
            problems.add(&at, failure);
            places.push(&node.place);
        }
    }
    problems.or(())
}

/// The key that a part can't be read because of: without it, the failure would be another one, or none.
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

/// Whatever is in the source and not in what was understood of it is a key that the reader dropped.
fn unknown_keys(node: &Node<'_>, understood: &Value, problems: &mut Problems) {
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
            "beside `$ref` no other key counts; put the reference into `allOf`"
        } else if value.is_null() {
            "a value is wanted here"
        } else {
            "OpenAPI has no such key here"
        };
        problems.add(&node.below(key), what);
    }
}

/// Whether the reader leaves it out when printing, since it says nothing.
fn is_default(value: &Value) -> bool {
    match value {
        Value::Bool(value) => !value,
        Value::Array(elements) => elements.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}

fn dangling_reference(node: &Node<'_>, source: &Value, problems: &mut Problems) {
    let Some(target) = reference(node.value) else {
        return;
    };
    let Some(section) = node.kind.and_then(Kind::section) else {
        problems.add(&node.place, "no reference can stand here");
        return;
    };
    let section_path = format!("#/components/{section}/");
    let what = match target.strip_prefix(&section_path) {
        None => format!("`{target}` does not begin with `{section_path}`"),
        Some(name) if source["components"][section].get(name).is_none() => {
            format!("nothing stands at `{target}`")
        }
        Some(_) => return,
    };
    problems.add(&node.place, what);
}

/// The target, if the value is a reference.
pub(super) fn reference(value: &Value) -> Option<&str> {
    value.get("$ref")?.as_str()
}
