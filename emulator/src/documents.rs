//! What a service says about itself: its schema, its Swagger 2 document and its versions.
//!
//! The shapes are those of the documents that the real service sends, without what describes the
//! workbook's file and its compilation.

use serde_json::{Map, Value, json};

use crate::catalogue::Entry;
use crate::columns::{Column, Columns, Kind, row};
use crate::responses::{COMPILER, CREATED_BY};

/// The row of the first input; the rows above it hold headings.
const FIRST_ROW: usize = 7;
const INPUTS: &str = "Inputs";
const OUTPUTS: &str = "Outputs";

/// The schema: the inputs and outputs as named ranges of the workbook.
pub(crate) fn schema(entry: &Entry, columns: &Columns, fetched: &str) -> Value {
    json!({
        "bookSummary": {
            "bookServiceName": entry.name,
            "product": entry.folder,
            "bookRevision": entry.version,
            "versionId": entry.version_id.to_string(),
            "compilerVersion": COMPILER,
            "bookAuthor": CREATED_BY,
            "bookDescription": null,
            "versionLabel": null,
        },
        "engineID": entry.service_id.to_string(),
        "engineType": "Neuron",
        "fetchTimeUTC": fetched,
        "success": true,
        "validationErrors": [],
        "xlInputs": ranges(&columns.inputs, "XInput", INPUTS),
        "xOutput": ranges(&columns.outputs, "XOutput", OUTPUTS),
        "inputMetadata": metadata(&columns.inputs),
        "outputMetadata": metadata(&columns.outputs),
        "totalInputTables": tables(&columns.inputs).count(),
        "totalOutputTables": tables(&columns.outputs).count(),
    })
}

fn ranges(columns: &[Column], kind: &str, sheet: &str) -> Vec<Value> {
    let mut at = FIRST_ROW;
    let mut ranges = Vec::with_capacity(columns.len());
    for column in columns {
        let (rows, wide) = extent(column);
        ranges.push(json!({
            "name": column.name,
            "description": column.description,
            "type": kind,
            "value": column.value,
            "rawValue": column.value,
            "dataType": data_type(column),
            "numberFormatType": data_type(column),
            "numberFormat": "",
            "sheetIndex": if sheet == INPUTS { 1 } else { 2 },
            "sheetName": sheet,
            "rowIndex": at,
            "columnIndex": 3,
            "address": format!("C{at}"),
            "rows": rows,
            "columns": wide,
            "cellCount": rows * wide,
            "headerSpecs": header(column),
            "validation": validation(column),
            "validationRow": 0,
            "validationCol": 0,
            "validationErrors": [],
            "subServiceName": null,
            "xjName": null,
            "textColor": null,
            "backGroundColor": null,
        }));
        at += rows + 1;
    }
    ranges
}

/// Rows and columns of the range; those of a table with its header.
fn extent(column: &Column) -> (usize, usize) {
    match &column.kind {
        Kind::Table(columns) => {
            let rows = column.value.as_array().map_or(1, Vec::len).max(1);
            (rows + 1, columns.len())
        }
        _ => (1, 1),
    }
}

fn data_type(column: &Column) -> &'static str {
    match column.kind {
        Kind::Integer | Kind::Number => "NUMBER",
        Kind::Boolean => "BOOLEAN",
        Kind::Date => "DATE",
        Kind::Text | Kind::Table(_) | Kind::Any => "TEXT",
    }
}

fn header(column: &Column) -> Vec<Value> {
    match &column.kind {
        Kind::Table(columns) => columns
            .iter()
            .map(|column| json!({ "name": column.name, "dataType": data_type(column) }))
            .collect(),
        _ => Vec::new(),
    }
}

/// The workbook's data validation in Excel's terms. Where a list can't be written as Excel writes
/// it, its values are listed.
fn validation(column: &Column) -> Value {
    if !column.choices.is_empty() {
        let texts: Option<Vec<&str>> = column.choices.iter().map(Value::as_str).collect();
        let plain = texts.filter(|texts| !texts.iter().any(|text| text.contains([',', '"'])));
        return match plain {
            Some(texts) => {
                json!({ "type": "list", "formula1": format!("\"{}\"", texts.join(",")) })
            }
            None => json!({ "type": "list", "values": column.choices }),
        };
    }
    let kind = match column.kind {
        Kind::Integer => "whole",
        Kind::Number => "decimal",
        _ => return Value::Null,
    };
    match (&column.minimum, &column.maximum) {
        (Some(minimum), Some(maximum)) => json!({
            "type": kind, "operator": "between", "formula1": minimum, "formula2": maximum,
        }),
        (Some(minimum), None) => {
            json!({ "type": kind, "operator": "greaterThanOrEqual", "formula1": minimum })
        }
        (None, Some(maximum)) => {
            json!({ "type": kind, "operator": "lessThanOrEqual", "formula1": maximum })
        }
        (None, None) => Value::Null,
    }
}

fn metadata(columns: &[Column]) -> Value {
    let names = |of_tables: bool| -> Vec<&str> {
        let columns = columns
            .iter()
            .filter(|column| matches!(column.kind, Kind::Table(_)) == of_tables);
        columns.map(|column| column.name.as_str()).collect()
    };
    json!({
        "single": names(false),
        "tables": names(true),
        "solves": [],
        "reports": [],
        "images": [],
        "csv": [],
    })
}

fn tables(columns: &[Column]) -> impl Iterator<Item = &Column> {
    columns
        .iter()
        .filter(|column| matches!(column.kind, Kind::Table(_)))
}

/// The Swagger 2 document: one path, whose body holds the inputs and whose response holds the
/// outputs.
pub(crate) fn swagger(entry: &Entry, columns: &Columns, host: &str, tenant: &str) -> Value {
    let version_id = entry.version_id.to_string();
    let parameter = |name: &str, example: &str, description: &str| {
        json!({
            "name": name, "in": "path", "required": true, "type": "string",
            "x-example": example, "description": description,
        })
    };
    let body = json!({
        "type": "object",
        "properties": { "request_data": {
            "type": "object",
            "properties": { "inputs": object(&columns.inputs) },
        } },
        "example": {
            "request_data": { "inputs": row(&columns.inputs) },
            "request_meta": { "version_id": version_id, "call_purpose": null },
        },
    });
    let response = json!({
        "type": "object",
        "properties": { "response_data": {
            "type": "object",
            "properties": { "outputs": object(&columns.outputs) },
        } },
        "example": {
            "status": "Success",
            "response_data": { "outputs": row(&columns.outputs), "warnings": null, "errors": null },
            "response_meta": { "version_id": version_id, "version": entry.version },
            "error": null,
        },
    });
    json!({
        "swagger": "2.0",
        "info": {
            "title": entry.name,
            "description": format!(
                "\n **Product Name** : {}\n **Service Name** : {}\n", entry.folder, entry.name
            ),
            "version": "v3",
        },
        "host": host,
        "schemes": ["http"],
        "paths": { "/{tenant}/api/v3/folders/{product}/services/{engine}/execute": { "post": {
            "tags": ["Spark Api"],
            "consumes": ["application/json"],
            "parameters": [
                parameter("tenant", tenant, "Tenant Name"),
                parameter("product", &entry.folder, "Product Name"),
                parameter("engine", &entry.name, "Engine Name"),
                { "name": "request", "in": "body", "required": true, "schema": body,
                  "description": "Engine Request Object." },
            ],
            "responses": {
                "200": { "description": "Success response", "schema": response },
                "401": { "description": "Access token is missing or invalid" },
                "404": { "description": "Service cannot be found" },
            },
        } } },
    })
}

/// An object with these properties. None of them is required, since a workbook has a value for each
/// input.
fn object(columns: &[Column]) -> Value {
    let properties: Map<String, Value> = columns
        .iter()
        .map(|column| (column.name.clone(), property(column)))
        .collect();
    json!({ "type": "object", "properties": properties })
}

fn property(column: &Column) -> Value {
    let mut property = match &column.kind {
        Kind::Integer => json!({ "type": "integer" }),
        Kind::Number => json!({ "type": "number" }),
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Text => json!({ "type": "string" }),
        Kind::Date => json!({ "type": "string", "format": "date" }),
        Kind::Table(columns) => json!({ "type": "array", "items": object(columns) }),
        Kind::Any => json!({}),
    };
    let choices = (!column.choices.is_empty()).then(|| json!(column.choices));
    for (key, value) in [
        (
            "description",
            column.description.as_ref().map(|it| json!(it)),
        ),
        ("enum", choices),
        ("minimum", column.minimum.clone()),
        ("maximum", column.maximum.clone()),
    ] {
        if let Some(value) = value {
            property[key] = value;
        }
    }
    property
}

/// The versions of a service, newest first.
pub(crate) fn versions<'a>(
    entries: impl Iterator<Item = &'a Entry>,
    created: &str,
    until: &str,
) -> Value {
    let versions: Vec<Value> = entries
        .map(|entry| {
            json!({
                "id": entry.version_id.to_string(),
                "engine": entry.name,
                "revision": entry.version,
                "versionLabel": "",
                "releaseNote": "Registered with the emulator",
                "isActive": true,
                "createdAt": created,
                "effectiveStartDate": created,
                "effectiveEndDate": until,
            })
        })
        .collect();
    json!({ "status": "Success", "data": versions, "errorCode": null, "message": null })
}
