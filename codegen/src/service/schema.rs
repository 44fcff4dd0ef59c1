//! Reads the schema of a service.

use super::document::{is_excel_error, table_of_values, type_of_values};
use super::model::{CellType, Column, Content, DocumentKind, Model};
use super::validation;
use crate::diagnostics::Diagnostics;
use crate::json::Json;

/// The keys by which a table's header may name a column. The shape is not published.
const HEADER_NAMES: [&str; 5] = ["name", "headerName", "header", "columnName", "title"];

pub(super) fn read(document: &Json) -> Result<Model, Diagnostics> {
    let mut model = Model::new(DocumentKind::Schema);
    let summary = |key| {
        let value = document.at(&["bookSummary", key]);
        value.and_then(Json::text).map(str::to_owned)
    };
    model.folder = summary("product");
    model.service = summary("bookServiceName");
    model.version = summary("bookRevision");
    model.inputs = columns(document, "xlInputs", true)?;
    model.outputs = columns(document, "xOutput", false)?;
    Ok(model)
}

fn columns(document: &Json, key: &str, is_input: bool) -> Result<Vec<Column>, Diagnostics> {
    let entries = match document.get(key) {
        None | Some(Json::Null) => return Ok(Vec::new()),
        Some(Json::List(entries)) => entries,
        Some(_) => {
            let message = "expected a list of named ranges; fetch the service's schema again";
            return Err(Diagnostics::at(&[key.to_owned()], message));
        }
    };
    let column =
        |(n, entry): (usize, &Json)| column(vec![key.to_owned(), n.to_string()], entry, is_input);
    Ok(entries.iter().enumerate().map(column).collect())
}

fn column(place: Vec<String>, entry: &Json, is_input: bool) -> Column {
    let text = |key| entry.get(key).and_then(Json::text).map(str::to_owned);
    let value = entry.get("value").filter(|value| **value != Json::Null);
    let content = if is_table(entry) {
        let named = entry.get("headerSpecs").map(header).unwrap_or_default();
        let by_value = table_of_values(&place, value);
        match named.is_empty() || named.len() == by_value.len() {
            true => Content::Table(by_value),
            false => {
                let column =
                    |name: &String| Column::new(name, place.clone(), Content::Cell(CellType::Any));
                Content::Table(named.iter().map(column).collect())
            }
        }
    } else {
        Content::Cell(cell_type(entry, value, is_input))
    };
    let name = match entry.get("name") {
        Some(Json::Text(name)) => name.as_str(),
        _ => "",
    };
    let mut column = Column::new(name, place, content);
    column.description = text("description");
    column.cell = match (text("sheetName"), text("address")) {
        (Some(sheet), Some(address)) => Some(format!("{sheet}!{address}")),
        (sheet, address) => sheet.or(address),
    };
    column.number_format = text("numberFormat");
    column.sub_service = text("subServiceName");
    column.value = value.cloned();
    if let Some(rules) = entry.get("validation") {
        column.range = validation::range(rules);
        column.values = validation::values(rules);
    }
    column
}

fn is_table(entry: &Json) -> bool {
    let is_more = |key| {
        entry
            .get(key)
            .and_then(Json::number)
            .is_some_and(|n| n > 1.0)
    };
    is_more("rows") || is_more("columns")
}

/// The names of a table's columns.
fn header(specs: &Json) -> Vec<String> {
    let specs = specs.list().unwrap_or_default();
    let name = |spec: &Json| {
        let named = HEADER_NAMES.iter().find_map(|key| spec.get(key)?.text());
        named.or_else(|| spec.text()).map(str::to_owned)
    };
    let names: Vec<String> = specs.iter().filter_map(name).collect();
    if names.len() == specs.len() {
        names
    } else {
        Vec::new()
    }
}

/// The workbook's value decides, because the data type is only the format of the cell.
fn cell_type(entry: &Json, value: Option<&Json>, is_input: bool) -> CellType {
    let format = ["dataType", "numberFormatType"]
        .iter()
        .find_map(|key| entry.get(key)?.text())
        .unwrap_or_default()
        .to_ascii_uppercase();
    let is_number = [
        "NUMBER",
        "PERCENT",
        "CURRENCY",
        "ACCOUNT",
        "FRACTION",
        "SCIENTIFIC",
    ]
    .iter()
    .any(|prefix| format.starts_with(prefix));
    match value {
        Some(Json::Text(text)) if is_number && text.trim().parse::<f64>().is_ok() => {
            return CellType::Number;
        }
        Some(Json::Text(text)) if is_excel_error(text) => {}
        _ => {
            if let Some(found) = type_of_values(value.into_iter()) {
                return found;
            }
        }
    }
    match format.as_str() {
        _ if is_number => CellType::Number,
        _ if format.starts_with("BOOL") => CellType::Boolean,
        // An output of that format can be anything; what is written there is text.
        "TEXT" if is_input => CellType::Text,
        _ => CellType::Any,
    }
}
