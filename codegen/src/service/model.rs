//! A service as its document describes it: where it is, and its columns.

use crate::json::Json;

/// The kind of a service's document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocumentKind {
    /// The schema of a service, with `xlInputs` and `xOutput`.
    Schema,
    /// A Swagger 2 document.
    Swagger,
    /// A JSON Schema for `inputs` and one for `outputs`.
    JsonSchemas,
}

impl DocumentKind {
    pub(super) fn phrase(self) -> &'static str {
        match self {
            Self::Schema => "a service schema",
            Self::Swagger => "a Swagger 2 document",
            Self::JsonSchemas => "a pair of JSON Schemas",
        }
    }
}

/// The type of the cells in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CellType {
    /// `f64`, which is what a workbook calculates with.
    Number,
    /// `i64`. A fraction in an output becomes an error of its cell.
    Integer,
    /// `String`.
    Text,
    /// `bool`.
    Boolean,
    /// A number, a text or a boolean.
    Any,
}

#[derive(Debug)]
pub(super) struct Model {
    pub(super) kind: DocumentKind,
    pub(super) folder: Option<String>,
    pub(super) service: Option<String>,
    pub(super) version: Option<String>,
    pub(super) inputs: Vec<Column>,
    pub(super) outputs: Vec<Column>,
}

#[derive(Clone, Debug)]
pub(super) struct Column {
    /// The name on the wire.
    pub(super) name: String,
    /// Where the document describes it.
    pub(super) place: Vec<String>,
    pub(super) content: Content,
    pub(super) description: Option<String>,
    /// Sheet and address.
    pub(super) cell: Option<String>,
    pub(super) number_format: Option<String>,
    pub(super) sub_service: Option<String>,
    /// The workbook's own value.
    pub(super) value: Option<Json>,
    /// Whether the constructor takes it.
    pub(super) required: bool,
    pub(super) range: Range,
    /// The values that the workbook allows.
    pub(super) values: Vec<String>,
}

impl Column {
    pub(super) fn new(name: &str, place: Vec<String>, content: Content) -> Self {
        Self {
            name: name.to_owned(),
            place,
            content,
            description: None,
            cell: None,
            number_format: None,
            sub_service: None,
            value: None,
            required: false,
            range: Range::default(),
            values: Vec::new(),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    Cell(CellType),
    /// A table with these columns; without any if the document does not name them.
    Table(Vec<Column>),
}

/// The numbers that the workbook allows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Range {
    pub(super) min: Option<f64>,
    pub(super) max: Option<f64>,
}

impl Range {
    pub(super) fn is_limited(self) -> bool {
        self != Self::default()
    }
}
