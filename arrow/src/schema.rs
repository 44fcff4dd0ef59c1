//! The schema of the outputs: from a service's columns, or from its first outputs.

use std::sync::Arc;

use arrow_json::reader::infer_json_schema_from_iterator;
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Schema, SchemaRef};
use cspark_batches::service::{Cell, CellError, ColumnKind, Columns};
use serde_json::Value;

use crate::cells::Cells;
use crate::fit::fit;

/// The schema of a service's outputs: numbers are `Float64`, since a workbook has no others,
/// booleans `Boolean`, and everything else `Utf8`. A table is the text of its JSON; give a schema
/// with a list of structs for it to have its columns.
///
/// All columns are nullable: a record may fail, and a cell may be empty.
#[must_use]
pub fn output_schema(columns: &Columns) -> SchemaRef {
    let fields = columns.outputs().iter().map(|column| {
        let data_type = match column.kind() {
            ColumnKind::Number => DataType::Float64,
            ColumnKind::Boolean => DataType::Boolean,
            _ => DataType::Utf8,
        };
        Field::new(column.name(), data_type, true)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The types of the outputs by what they are in one chunk; `None` if that has no output at all.
pub(crate) fn infer(json: &str) -> Option<SchemaRef> {
    let cells = Cells::parse(json)?;
    let fields = cells.columns().iter().map(|column| {
        let data_type = infer_column(column.cells.iter().flatten().copied());
        Field::new(&column.name, data_type, true)
    });
    let fields: Vec<Field> = fields.collect();
    (!fields.is_empty()).then(|| Arc::new(Schema::new(fields)))
}

fn infer_column<'a>(cells: impl Iterator<Item = &'a str>) -> DataType {
    let (mut numbers, mut booleans, mut texts) = (false, false, false);
    let mut nested = Vec::new();
    for cell in cells {
        match cell.as_bytes().first() {
            Some(b'-' | b'0'..=b'9') => numbers = true,
            Some(b't' | b'f') => booleans = true,
            // Errors of the workbook and empty cells stand in columns of any type.
            Some(b'"') if cell == "\"\"" || is_excel_error(cell) => {}
            Some(b'"') => texts = true,
            Some(b'[' | b'{') => nested.push(cell),
            _ => {}
        }
    }
    match (numbers, booleans, texts, nested.is_empty()) {
        (true, false, false, true) => DataType::Float64,
        (false, true, false, true) => DataType::Boolean,
        (false, false, false, false) => infer_nested(&nested).unwrap_or(DataType::Utf8),
        _ => DataType::Utf8,
    }
}

/// The type of cells with parts; `None` unless they are of one, and tell all of it.
fn infer_nested(cells: &[&str]) -> Option<DataType> {
    let values = cells.iter().map(|cell| {
        let value: Value =
            serde_json::from_str(cell).map_err(|error| ArrowError::JsonError(error.to_string()))?;
        Ok(serde_json::json!({ "cell": value }))
    });
    let schema = infer_json_schema_from_iterator(values).ok()?;
    let data_type = told(schema.field(0).data_type())?;
    // arrow-json takes a value beside lists for one of them, and does not read it.
    let fits = |cell: &&str| fit(cell, &data_type, true).is_some();
    cells.iter().all(fits).then_some(data_type)
}

/// A type that arrow-json inferred, with the numbers of a workbook. `None` if some of it is open.
fn told(data_type: &DataType) -> Option<DataType> {
    let field = |field: &FieldRef| {
        let data_type = told(field.data_type())?;
        Some(field.as_ref().clone().with_data_type(data_type))
    };
    match data_type {
        DataType::Null => None,
        DataType::Int64 => Some(DataType::Float64),
        DataType::List(item) => Some(DataType::List(Arc::new(field(item)?))),
        DataType::Struct(fields) if fields.is_empty() => None,
        DataType::Struct(fields) => Some(DataType::Struct(
            fields.iter().map(field).collect::<Option<_>>()?,
        )),
        _ => Some(data_type.clone()),
    }
}

fn is_excel_error(cell: &str) -> bool {
    let cell: Result<Cell<f64>, _> = serde_json::from_str(cell);
    cell.is_ok_and(|cell| cell.error().is_some_and(CellError::is_excel_error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inferred(json: &str) -> Vec<(String, DataType)> {
        let schema = infer(json).unwrap();
        let fields = schema.fields().iter();
        fields
            .map(|field| (field.name().clone(), field.data_type().clone()))
            .collect()
    }

    #[test]
    fn the_type_of_a_column_is_that_of_all_its_cells() {
        let expected = [
            ("premium".to_owned(), DataType::Float64),
            ("smoker".to_owned(), DataType::Boolean),
            ("note".to_owned(), DataType::Utf8),
            ("empty".to_owned(), DataType::Utf8),
            ("mixed".to_owned(), DataType::Utf8),
        ];
        let table = r##"[["premium","smoker","note","empty","mixed"],
            [null,null,null,null,null],
            ["#DIV/0!",true,"x",null,1],
            [7,false,"",null,"x"],
            null]"##;
        assert_eq!(inferred(table), expected);
        let objects = r#"[{}, {"premium": 1, "smoker": true, "note": "x", "empty": null, "mixed": true},
            {"mixed": 1}]"#;
        assert_eq!(inferred(objects), expected);
        assert_eq!(infer("[null, {}]"), None);
        assert_eq!(infer("7"), None);
    }

    #[test]
    fn tables_have_the_columns_of_their_rows() {
        let json = r#"[["cash_flows"], [[{"year": 1, "amount": 2.5}]]]"#;
        let DataType::List(row) = &inferred(json)[0].1 else {
            panic!("not a list");
        };
        let DataType::Struct(fields) = row.data_type() else {
            panic!("not a list of structs");
        };
        assert_eq!(fields.len(), 2);
    }
}
