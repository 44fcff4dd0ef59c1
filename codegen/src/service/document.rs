//! Reads the document of a service, of whichever kind.

use super::model::{CellType, Column, Content, DocumentKind, Model};
use super::{json_schema, schema};
use crate::diagnostics::Diagnostics;
use crate::json::Json;

pub(super) fn read(text: &str) -> Result<Model, Diagnostics> {
    let document = Json::parse(text.trim_start_matches('\u{feff}'))?;
    let document = unwrap(&document);
    let model = if document.get("xlInputs").is_some() || document.get("xOutput").is_some() {
        schema::read(document)
    } else if let Some(version) = document.get("swagger") {
        match version {
            Json::Text(version) if version.starts_with("2.") => json_schema::read_swagger(document),
            _ => Err(Diagnostics::at(
                &["swagger".to_owned()],
                "only Swagger 2.0 is supported; fetch the service's Swagger document again",
            )),
        }
    } else if document.get("openapi").is_some() {
        Err(Diagnostics::at(
            &["openapi".to_owned()],
            "this is an OpenAPI 3 document; fetch the service's schema or its Swagger 2 document",
        ))
    } else if document.get("inputs").is_some() || document.get("outputs").is_some() {
        json_schema::read_pair(document)
    } else {
        Err(Diagnostics::on_line(
            1,
            "this does not describe a service; expected a service's schema (`xlInputs` and \
             `xOutput`), its Swagger 2 document (`swagger`), or two JSON Schemas (`inputs` and \
             `outputs`)",
        ))
    }?;
    check(&model)?;
    Ok(model)
}

/// The document within the response that a client saved whole.
fn unwrap(document: &Json) -> &Json {
    let inner = ["response_data", "data"]
        .iter()
        .find_map(|key| document.get(key));
    match inner {
        Some(inner) if inner.get("xlInputs").is_some() || inner.get("xOutput").is_some() => inner,
        _ => document,
    }
}

fn check(model: &Model) -> Result<(), Diagnostics> {
    let mut diagnostics = Diagnostics::default();
    if model.outputs.is_empty() {
        let message = "the service has no outputs; a batch of its records would return nothing";
        diagnostics.add(&[], message);
    }
    for (what, columns) in [("input", &model.inputs), ("output", &model.outputs)] {
        for (n, column) in columns.iter().enumerate() {
            if columns[..n].iter().any(|it| it.name == column.name) {
                let message = format!(
                    "a second {what} has the name `{}`; rename one of them in the workbook",
                    column.name
                );
                diagnostics.add(&column.place, message);
            }
            if column.name.trim().is_empty() {
                let message = format!("this {what} has no name; name its range in the workbook");
                diagnostics.add(&column.place, message);
            }
        }
    }
    diagnostics.or(())
}

/// Whether the text is an error value of Excel, such as `#DIV/0!`.
pub(super) fn is_excel_error(text: &str) -> bool {
    text == "#N/A" || (text.starts_with('#') && text.ends_with(['!', '?']))
}

/// The type that fits all values; none if there are no values to go by.
pub(super) fn type_of_values<'a>(values: impl Iterator<Item = &'a Json>) -> Option<CellType> {
    let mut common = None;
    for value in values {
        let found = match value {
            Json::Number(_) => CellType::Number,
            Json::Bool(_) => CellType::Boolean,
            Json::Text(text) if text.trim().is_empty() || is_excel_error(text) => continue,
            Json::Text(_) => CellType::Text,
            Json::Null => continue,
            Json::List(_) | Json::Object(_) => CellType::Any,
        };
        common = match common {
            Some(other) if other != found => Some(CellType::Any),
            _ => Some(found),
        };
    }
    common
}

/// The columns of a table by its values: a list of objects, or a header row and further rows.
pub(super) fn table_of_values(place: &[String], value: Option<&Json>) -> Vec<Column> {
    let rows = value.and_then(Json::list).unwrap_or_default();
    let mut names: Vec<&str> = Vec::new();
    let header = rows.first().and_then(Json::list);
    if let Some(header) = header {
        names.extend(header.iter().filter_map(Json::text));
        if names.len() != header.len() {
            return Vec::new();
        }
    } else {
        for (name, _) in rows.iter().filter_map(Json::members).flatten() {
            if !names.contains(&name.as_str()) && !name.trim().is_empty() {
                names.push(name);
            }
        }
    }
    let column = |(n, name): (usize, &&str)| {
        let cells = rows.iter().filter_map(|row| match row {
            Json::List(cells) => cells.get(n),
            _ => row.get(name),
        });
        let cells = cells.skip(usize::from(header.is_some()));
        let found = type_of_values(cells).unwrap_or(CellType::Any);
        Column::new(name, place.to_vec(), Content::Cell(found))
    };
    names.iter().enumerate().map(column).collect()
}

impl Model {
    pub(super) fn new(kind: DocumentKind) -> Self {
        Self {
            kind,
            folder: None,
            service: None,
            version: None,
            inputs: Vec::new(),
            outputs: Vec::new(),
        }
    }
}
