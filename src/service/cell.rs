//! The cell of an output, which holds its value or whatever stands in its place.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{
    Deserialize, DeserializeOwned, Deserializer, Error as _, MapAccess, SeqAccess, Visitor,
};
use serde::{Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::records::Outputs;

/// One cell of a record's outputs.
///
/// A workbook can put an Excel error or a text where it usually puts a number. Such a cell becomes
/// an [`Error`](Self::Error), and the other outputs of the record are read all the same.
///
/// ```
/// use cspark_batches::service::Cell;
///
/// let cells: Vec<Cell<f64>> = serde_json::from_str(r##"[812.25, null, "#DIV/0!"]"##)?;
/// assert_eq!(cells[0].value(), Some(&812.25));
/// assert_eq!(cells[1], Cell::Empty);
/// assert!(cells[2].error().is_some_and(|error| error.is_excel_error()));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Cell<T> {
    /// The value.
    Value(T),
    /// Null, or no such output in the response. A batch that selects outputs or sub-services
    /// returns no others.
    #[default]
    Empty,
    /// Something else than a `T`.
    Error(CellError),
}

impl<T> Cell<T> {
    /// The value, if there is one.
    #[must_use]
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Empty | Self::Error(_) => None,
        }
    }

    /// The value, if there is one.
    #[must_use]
    pub fn into_value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Empty | Self::Error(_) => None,
        }
    }

    /// What stands in place of a value, unless the cell is empty.
    #[must_use]
    pub fn error(&self) -> Option<&CellError> {
        match self {
            Self::Error(error) => Some(error),
            Self::Value(_) | Self::Empty => None,
        }
    }

    /// The value, nothing for an empty cell, or the error.
    ///
    /// # Errors
    ///
    /// If something else than a `T` is in the cell.
    pub fn into_result(self) -> Result<Option<T>, CellError> {
        match self {
            Self::Value(value) => Ok(Some(value)),
            Self::Empty => Ok(None),
            Self::Error(error) => Err(error),
        }
    }
}

impl<T> From<T> for Cell<T> {
    fn from(value: T) -> Self {
        Self::Value(value)
    }
}

impl<T: fmt::Display> fmt::Display for Cell<T> {
    /// The value, nothing, or the text of the error as it came.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => value.fmt(f),
            Self::Empty => Ok(()),
            Self::Error(error) => f.pad(error.content()),
        }
    }
}

/// What stands in a cell in place of a value: an Excel error, or a value of another type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellError {
    /// A text as it is; anything else as JSON.
    content: String,
    is_text: bool,
}

impl CellError {
    fn text(text: &str) -> Self {
        Self {
            content: text.to_owned(),
            is_text: true,
        }
    }

    fn json(json: impl fmt::Display) -> Self {
        Self {
            content: json.to_string(),
            is_text: false,
        }
    }

    /// The content of the cell: a text as it is, anything else as JSON.
    #[must_use]
    pub fn content(&self) -> &str {
        &self.content
    }

    /// Whether the content is an error value of Excel, such as `#DIV/0!` or `#N/A`.
    #[must_use]
    pub fn is_excel_error(&self) -> bool {
        self.is_text && is_excel_error(&self.content)
    }
}

impl fmt::Display for CellError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_excel_error() {
            true => write!(f, "the workbook calculated the error {}", self.content),
            false => write!(f, "the cell holds `{}` instead of a value", self.content),
        }
    }
}

impl std::error::Error for CellError {}

/// Whether a text is an error value of Excel.
pub(super) fn is_excel_error(text: &str) -> bool {
    text == "#N/A" || (text.starts_with('#') && text.ends_with(['!', '?']))
}

/// A value of a cell: a number, a text or a boolean.
///
/// It stands for cells whose type is not known from the service's document.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Scalar {
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// A boolean.
    Boolean(bool),
}

impl From<f64> for Scalar {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for Scalar {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Scalar {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Scalar {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => f.pad(text),
            Self::Boolean(value) => value.fmt(f),
        }
    }
}

impl Default for Scalar {
    /// An empty text, as an empty cell reads in Excel.
    fn default() -> Self {
        Self::Text(String::new())
    }
}

impl Serialize for Scalar {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => super::write_number(number, serializer),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Boolean(value) => serializer.serialize_bool(*value),
        }
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Cell::<Self>::deserialize(deserializer)? {
            Cell::Value(value) => Ok(value),
            Cell::Empty => Ok(Self::default()),
            Cell::Error(error) if error.is_text => Ok(Self::Text(error.content)),
            Cell::Error(error) => Err(D::Error::custom(error)),
        }
    }
}

/// A type that a [`Cell`] can hold.
///
/// Implement it for types of your own, such as dates, to use them in your own output structs.
pub trait CellValue: Sized {
    /// Whether values are tables, whose JSON [`from_json`](Self::from_json) reads.
    const IS_TABLE: bool = false;

    /// The value for a number.
    fn from_number(number: f64) -> Option<Self> {
        let _ = number;
        None
    }

    /// The value for a text that is not an Excel error.
    fn from_text(text: &str) -> Option<Self> {
        let _ = text;
        None
    }

    /// The value for a boolean.
    fn from_boolean(value: bool) -> Option<Self> {
        let _ = value;
        None
    }

    /// The value for a list or an object, if [`IS_TABLE`](Self::IS_TABLE).
    fn from_json(json: &str) -> Option<Self> {
        let _ = json;
        None
    }
}

impl CellValue for f64 {
    fn from_number(number: f64) -> Option<Self> {
        Some(number)
    }
}

/// Numbers with a fraction, and those beyond 2^53, are not read as integers.
impl CellValue for i64 {
    fn from_number(number: f64) -> Option<Self> {
        super::exact_integer(number)
    }
}

impl CellValue for bool {
    fn from_boolean(value: bool) -> Option<Self> {
        Some(value)
    }
}

impl CellValue for String {
    fn from_text(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

impl CellValue for Scalar {
    fn from_number(number: f64) -> Option<Self> {
        Some(Self::Number(number))
    }

    fn from_text(text: &str) -> Option<Self> {
        Some(Self::Text(text.to_owned()))
    }

    fn from_boolean(value: bool) -> Option<Self> {
        Some(Self::Boolean(value))
    }
}

/// A table, as a list of objects or as a header row and further rows.
impl<R: DeserializeOwned + Default> CellValue for Vec<R> {
    const IS_TABLE: bool = true;

    fn from_json(json: &str) -> Option<Self> {
        let rows = Outputs::<R>::from_json(json).ok()?;
        Some(rows.into_iter().map(Option::unwrap_or_default).collect())
    }
}

impl<'de, T: CellValue> Deserialize<'de> for Cell<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !T::IS_TABLE {
            return deserializer.deserialize_any(CellVisitor(PhantomData));
        }
        let json = Box::<RawValue>::deserialize(deserializer)?;
        let json = json.get();
        if json == "null" {
            return Ok(Self::Empty);
        }
        Ok(match T::from_json(json) {
            Some(value) => Self::Value(value),
            None => Self::Error(match serde_json::from_str::<String>(json) {
                Ok(text) => CellError::text(&text),
                Err(_) => CellError::json(json),
            }),
        })
    }
}

struct CellVisitor<T>(PhantomData<T>);

impl<T: CellValue> CellVisitor<T> {
    fn number<E>(number: f64) -> Result<Cell<T>, E> {
        Ok(match T::from_number(number) {
            Some(value) => Cell::Value(value),
            None => Cell::Error(CellError::json(number)),
        })
    }
}

impl<'de, T: CellValue> Visitor<'de> for CellVisitor<T> {
    type Value = Cell<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a cell")
    }

    fn visit_unit<E>(self) -> Result<Cell<T>, E> {
        Ok(Cell::Empty)
    }

    fn visit_none<E>(self) -> Result<Cell<T>, E> {
        Ok(Cell::Empty)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cell<T>, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Cell<T>, E> {
        Ok(match T::from_boolean(value) {
            Some(value) => Cell::Value(value),
            None => Cell::Error(CellError::json(value)),
        })
    }

    fn visit_i64<E>(self, number: i64) -> Result<Cell<T>, E> {
        Self::number(number as f64)
    }

    fn visit_u64<E>(self, number: u64) -> Result<Cell<T>, E> {
        Self::number(number as f64)
    }

    fn visit_f64<E>(self, number: f64) -> Result<Cell<T>, E> {
        Self::number(number)
    }

    fn visit_str<E>(self, text: &str) -> Result<Cell<T>, E> {
        let value = T::from_text(text).filter(|_| !is_excel_error(text));
        Ok(match value {
            Some(value) => Cell::Value(value),
            None => Cell::Error(CellError::text(text)),
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Cell<T>, A::Error> {
        // One odd cell, so the detour by way of a tree does no harm.
        let value = Value::deserialize(SeqAccessDeserializer::new(list))?;
        Ok(Cell::Error(CellError::json(value)))
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Cell<T>, A::Error> {
        let value = Value::deserialize(MapAccessDeserializer::new(object))?;
        Ok(Cell::Error(CellError::json(value)))
    }
}

impl<T: Serialize> Serialize for Cell<T> {
    /// As the service would write it.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Value(value) => value.serialize(serializer),
            Self::Empty => serializer.serialize_none(),
            Self::Error(error) => serializer.serialize_str(&error.content),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: CellValue>(json: &str) -> Cell<T> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_cell_holds_its_value_or_what_stands_there() {
        assert_eq!(read::<f64>("2.5"), Cell::Value(2.5));
        assert_eq!(read::<f64>("-7"), Cell::Value(-7.0));
        assert_eq!(read::<f64>("null"), Cell::Empty);
        for other in ["\"n/a\"", "true", "[1]", "{\"a\": 1}"] {
            assert!(read::<f64>(other).error().is_some(), "{other}");
        }
        assert_eq!(read::<i64>("3.0"), Cell::Value(3));
        assert_eq!(read::<i64>("3.5").error().unwrap().content(), "3.5");
        assert_eq!(read::<bool>("false"), Cell::Value(false));
        assert_eq!(read::<String>("\"a\""), Cell::Value("a".to_owned()));
        assert!(read::<String>("\"#N/A\"").error().unwrap().is_excel_error());
        assert_eq!(read::<String>("42").error().unwrap().content(), "42");
        assert_eq!(read::<Scalar>("42"), Cell::Value(Scalar::Number(42.0)));
    }

    #[test]
    fn an_odd_cell_does_not_lose_the_other_outputs() {
        #[derive(Debug, Default, PartialEq, serde::Deserialize)]
        #[serde(default)]
        struct Output {
            premium: Cell<f64>,
            reserve: Cell<f64>,
            not_selected: Cell<f64>,
        }
        let outputs = Outputs::<Output>::from_json(
            r##"[["premium", "reserve"], ["#DIV/0!", 3.25], [1, null]]"##,
        );
        let outputs = outputs.unwrap().into_vec();
        let first = outputs[0].as_ref().unwrap();
        assert!(first.premium.error().unwrap().is_excel_error());
        assert_eq!(first.reserve, Cell::Value(3.25));
        assert_eq!(first.not_selected, Cell::Empty);
        let second = outputs[1].as_ref().unwrap();
        assert_eq!(second.premium, Cell::Value(1.0));
        assert_eq!(second.reserve, Cell::Empty);
    }

    #[test]
    fn a_table_comes_in_two_shapes() {
        #[derive(Debug, Default, PartialEq, serde::Deserialize)]
        #[serde(default)]
        struct Row {
            year: Cell<f64>,
        }
        let row = |year: f64| Row { year: year.into() };
        let table = Cell::Value(vec![row(1.0), row(2.0)]);
        assert_eq!(read::<Vec<Row>>(r#"[{"year": 1}, {"year": 2}]"#), table);
        assert_eq!(read::<Vec<Row>>(r#"[["year"], [1], [2]]"#), table);
        assert_eq!(read::<Vec<Row>>("null"), Cell::Empty);
        let error = read::<Vec<Row>>("\"#REF!\"");
        assert!(error.error().unwrap().is_excel_error());
        assert_eq!(read::<Vec<Row>>("7").error().unwrap().content(), "7");
    }

    #[test]
    fn a_cell_is_written_as_the_service_would() {
        let written = |cell: &Cell<f64>| serde_json::to_string(cell).unwrap();
        assert_eq!(written(&Cell::Value(2.5)), "2.5");
        assert_eq!(written(&Cell::Empty), "null");
        assert_eq!(written(&read("\"#N/A\"")), "\"#N/A\"");
    }
}
