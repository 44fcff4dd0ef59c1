//! Services: functions from one record to its outputs.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use schemars::{JsonSchema, Schema};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor, value,
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::columns::Columns;
use crate::shapes::OutputShape;
use crate::wire::Text;

type Function = dyn Fn(&Record<'_>, &mut Output) -> Result<(), String> + Send + Sync;

/// A function from one record to its outputs, typed or raw.
///
/// ```
/// use cspark_emulator::Service;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Deserialize)]
/// struct Square { side: f64 }
/// #[derive(Serialize)]
/// struct Area { area: f64 }
///
/// let service = Service::new(|square: Square| {
///     if square.side < 0.0 {
///         return Err("side is negative".to_owned());
///     }
///     Ok(Area { area: square.side * square.side })
/// });
/// # let _ = service;
/// ```
#[derive(Clone)]
pub struct Service {
    pub(crate) function: Arc<Function>,
    pub(crate) outputs: Option<OutputShape>,
    pub(crate) documents: Arc<Documents>,
}

/// The documents of a service, or the columns to derive them from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Documents {
    pub(crate) columns: Option<Columns>,
    /// Served in place of the document derived from the columns.
    pub(crate) schema: Option<Value>,
    pub(crate) swagger: Option<Value>,
}

impl Service {
    /// A service from a typed function.
    ///
    /// A record that is not an `I`, or for which the function returns an error, fails with that
    /// error. The other records of its chunk are not affected.
    pub fn new<I, O, F>(function: F) -> Self
    where
        I: DeserializeOwned,
        O: Serialize,
        F: Fn(I) -> Result<O, String> + Send + Sync + 'static,
    {
        Self::raw(move |record, output| output.write(&function(record.read()?)?))
    }

    /// A service that reads records and writes outputs itself, as JSON text if need be.
    pub fn raw<F>(function: F) -> Self
    where
        F: Fn(&Record<'_>, &mut Output) -> Result<(), String> + Send + Sync + 'static,
    {
        Self {
            function: Arc::new(function),
            outputs: None,
            documents: Arc::default(),
        }
    }

    /// A service from a typed function, with a schema and a Swagger document derived from its
    /// types.
    ///
    /// Doc comments become descriptions. `#[schemars(example = 40)]` or `#[serde(default)]` becomes
    /// the workbook's own value, `#[schemars(range(min = 18, max = 80))]` and enumerations become
    /// its data validation, and a list of structs becomes a table. The crate `schemars` is
    /// re-exported; without a dependency of your own, add `#[schemars(crate =
    /// "cspark_emulator::schemars")]`.
    ///
    /// ```
    /// use cspark_emulator::{Service, schemars};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Deserialize, schemars::JsonSchema)]
    /// struct Square {
    ///     /// Length of a side in metres
    ///     #[schemars(example = 3.0, range(min = 0.0))]
    ///     side: f64,
    /// }
    /// #[derive(Serialize, schemars::JsonSchema)]
    /// struct Area { area: f64 }
    ///
    /// let area = |square: Square| Ok(Area { area: square.side * square.side });
    /// let service = Service::described(area);
    /// # let _ = service;
    /// ```
    pub fn described<I, O, F>(function: F) -> Self
    where
        I: DeserializeOwned + JsonSchema,
        O: Serialize + JsonSchema,
        F: Fn(I) -> Result<O, String> + Send + Sync + 'static,
    {
        Self::new(function).columns::<I, O>()
    }

    /// Derives the schema and the Swagger document from these types of inputs and outputs, for a
    /// service that reads and writes records itself.
    #[must_use]
    pub fn columns<I: JsonSchema, O: JsonSchema>(mut self) -> Self {
        Arc::make_mut(&mut self.documents).columns = Some(Columns::of::<I, O>());
        self
    }

    /// Derives the schema and the Swagger document from these JSON Schemas of one record's inputs
    /// and outputs, for a service whose columns are known only at run time.
    ///
    /// The columns are the `properties` of each: those that are `required` first, in the order of
    /// that list. References to other schemas are not followed.
    #[must_use]
    pub fn column_schemas(mut self, inputs: &Schema, outputs: &Schema) -> Self {
        Arc::make_mut(&mut self.documents).columns = Some(Columns::from_schemas(inputs, outputs));
        self
    }

    /// Serves this document as the schema, in place of one derived from types.
    #[must_use]
    pub fn schema(mut self, document: Value) -> Self {
        Arc::make_mut(&mut self.documents).schema = Some(document);
        self
    }

    /// Serves this document as the Swagger document, in place of one derived from types.
    #[must_use]
    pub fn swagger(mut self, document: Value) -> Self {
        Arc::make_mut(&mut self.documents).swagger = Some(document);
        self
    }

    /// Sets the shape of this service's outputs, whatever the shape of the others is.
    #[must_use]
    pub fn outputs(mut self, shape: OutputShape) -> Self {
        self.outputs = Some(shape);
        self
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Service")
            .field("outputs", &self.outputs)
            .finish_non_exhaustive()
    }
}

/// One record of a chunk, together with the parameters of the chunk.
///
/// A parameter counts if the record has no field of that name.
#[derive(Debug)]
pub struct Record<'a> {
    pub(crate) row: Row<'a>,
    /// For a table, only the parameters that are not columns; for an object, all of them.
    pub(crate) parameters: &'a [(Cow<'a, str>, &'a RawValue)],
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Row<'a> {
    Cells {
        columns: &'a [Cow<'a, str>],
        cells: &'a RawValue,
    },
    Object(&'a RawValue),
}

impl<'a> Record<'a> {
    /// Reads the record into a type.
    ///
    /// # Errors
    ///
    /// If a field is missing, unknown or of another type. The message names it.
    pub fn read<T: Deserialize<'a>>(&self) -> Result<T, String> {
        match self.row {
            Row::Cells { columns, cells } => {
                let mut json = serde_json::Deserializer::from_str(cells.get());
                ReadCells {
                    columns,
                    parameters: self.parameters,
                    of: std::marker::PhantomData,
                }
                .deserialize(&mut json)
                .map_err(|error| plain(&error))
            }
            Row::Object(object) if self.parameters.is_empty() => {
                serde_json::from_str(object.get()).map_err(|error| plain(&error))
            }
            Row::Object(_) => {
                let fields = self.fields()?;
                T::deserialize(value::MapAccessDeserializer::new(FieldsAccess {
                    fields: fields.into_iter(),
                    value: None,
                }))
                .map_err(|error| plain(&error))
            }
        }
    }

    /// The names and the values of the record, in their order, each value as the client wrote it.
    ///
    /// # Errors
    ///
    /// If the record has fewer or more values than the table has columns.
    pub fn fields(&self) -> Result<Vec<(Cow<'a, str>, &'a RawValue)>, String> {
        let mut fields = match self.row {
            Row::Cells { columns, cells } => {
                let cells: Vec<&RawValue> =
                    serde_json::from_str(cells.get()).map_err(|error| plain(&error))?;
                if cells.len() != columns.len() {
                    return Err(format!(
                        "the record has {} values for {} columns",
                        cells.len(),
                        columns.len()
                    ));
                }
                columns.iter().cloned().zip(cells).collect()
            }
            Row::Object(object) => {
                serde_json::from_str::<crate::wire::Fields<'a>>(object.get())
                    .map_err(|error| plain(&error))?
                    .0
            }
        };
        let own = fields.len();
        for (name, value) in self.parameters {
            if !fields[..own].iter().any(|(taken, _)| taken == name) {
                fields.push((name.clone(), value));
            }
        }
        Ok(fields)
    }
}

/// The output of one record, written by the service.
#[derive(Debug, Default)]
pub struct Output {
    /// The text of the object, without its closing brace.
    pub(crate) object: Vec<u8>,
    pub(crate) warning: Option<String>,
    /// Emulated time that the record takes beyond what is set for every record.
    pub(crate) extra_time: Duration,
}

impl Output {
    /// Adds a field whose value is JSON text, which is sent unchanged.
    ///
    /// # Errors
    ///
    /// Never today. Return an error from here as the error of the record.
    pub fn field(&mut self, name: &str, value: &RawValue) -> Result<(), String> {
        self.begin_field(name)?;
        self.object.extend_from_slice(value.get().as_bytes());
        Ok(())
    }

    /// Adds a field.
    ///
    /// # Errors
    ///
    /// If the value can't be written as JSON.
    pub fn value<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), String> {
        self.begin_field(name)?;
        serde_json::to_writer(&mut self.object, value).map_err(|error| error.to_string())
    }

    /// Writes the whole output at once, from a struct or a map.
    ///
    /// # Errors
    ///
    /// If the value is not a JSON object, or if the output has been written already.
    pub fn write<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), String> {
        if !self.object.is_empty() {
            return Err("the output has been written already".to_owned());
        }
        serde_json::to_writer(&mut self.object, value).map_err(|error| error.to_string())?;
        if self.object.first() != Some(&b'{') {
            return Err("the output of a service must be a struct or a map".to_owned());
        }
        // Left open, so that fields can still be added.
        self.object.pop();
        Ok(())
    }

    /// Adds a warning to the record; the last one counts.
    pub fn warn(&mut self, warning: impl Into<String>) {
        self.warning = Some(warning.into());
    }

    /// Makes the record take this much more emulated time, on top of
    /// [`time_per_record`](crate::Builder::time_per_record).
    pub fn take_time(&mut self, time: Duration) {
        self.extra_time = self.extra_time.saturating_add(time);
    }

    fn begin_field(&mut self, name: &str) -> Result<(), String> {
        self.object
            .push(if self.object.is_empty() { b'{' } else { b',' });
        if self.object == b"{," {
            self.object.pop();
        }
        serde_json::to_writer(&mut self.object, name).map_err(|error| error.to_string())?;
        self.object.push(b':');
        Ok(())
    }
}

/// An error of serde_json without the position, which would point into a single record.
pub(crate) fn plain(error: &serde_json::Error) -> String {
    let mut text = error.to_string();
    while let Some(end) = text.rfind(" at line ") {
        let position = &text[end + " at line ".len()..];
        if !position
            .replace(" column ", "")
            .bytes()
            .all(|byte| byte.is_ascii_digit())
        {
            break;
        }
        text.truncate(end);
    }
    text
}

/// Reads a row of a table as if it were an object with the columns' names.
struct ReadCells<'a, T> {
    columns: &'a [Cow<'a, str>],
    parameters: &'a [(Cow<'a, str>, &'a RawValue)],
    of: std::marker::PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for ReadCells<'de, T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for ReadCells<'de, T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a row of a table")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut row: A) -> Result<T, A::Error> {
        let access = CellsAccess {
            columns: self.columns.iter(),
            column: "",
            parameters: self.parameters.iter(),
            parameter: None,
            row: &mut row,
        };
        let value = T::deserialize(value::MapAccessDeserializer::new(access))?;
        if row.next_element::<serde::de::IgnoredAny>()?.is_some() {
            return Err(A::Error::custom(format!(
                "the record has more than {} values",
                self.columns.len()
            )));
        }
        Ok(value)
    }
}

struct CellsAccess<'a, 'r, A> {
    columns: std::slice::Iter<'a, Cow<'a, str>>,
    column: &'a str,
    parameters: std::slice::Iter<'a, (Cow<'a, str>, &'a RawValue)>,
    parameter: Option<&'a (Cow<'a, str>, &'a RawValue)>,
    row: &'r mut A,
}

impl<'de, A: SeqAccess<'de>> MapAccess<'de> for CellsAccess<'de, '_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        let name = match self.columns.next() {
            Some(column) => {
                self.column = column;
                self.column
            }
            None => {
                self.parameter = self.parameters.next();
                match self.parameter {
                    Some((name, _)) => name,
                    None => return Ok(None),
                }
            }
        };
        seed.deserialize(value::StrDeserializer::new(name))
            .map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        if let Some((name, value)) = self.parameter {
            return seed
                .deserialize(&mut serde_json::Deserializer::from_str(value.get()))
                .map_err(|error| A::Error::custom(format!("{name}: {}", plain(&error))));
        }
        match self.row.next_element_seed(seed) {
            Ok(Some(value)) => Ok(value),
            Ok(None) => Err(A::Error::custom(format!(
                "the record has no value for column {}",
                self.column
            ))),
            Err(error) => Err(A::Error::custom(format!("{}: {error}", self.column))),
        }
    }
}

struct FieldsAccess<'a, I> {
    fields: I,
    value: Option<(Cow<'a, str>, &'a RawValue)>,
}

impl<'de, I: Iterator<Item = (Cow<'de, str>, &'de RawValue)>> MapAccess<'de>
    for FieldsAccess<'de, I>
{
    type Error = serde_json::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Self::Error> {
        self.value = self.fields.next();
        match &self.value {
            Some((name, _)) => seed
                .deserialize(value::StrDeserializer::new(name))
                .map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, Self::Error> {
        let Some((name, value)) = self.value.take() else {
            return Err(serde_json::Error::custom("no value"));
        };
        seed.deserialize(&mut serde_json::Deserializer::from_str(value.get()))
            .map_err(|error| serde_json::Error::custom(format!("{name}: {}", plain(&error))))
    }
}

/// The column names of a table's header row.
pub(crate) fn columns(header: &RawValue) -> Result<Vec<Cow<'_, str>>, String> {
    let names: Vec<Text<'_>> = serde_json::from_str(header.get())
        .map_err(|_| "must hold the column names as texts".to_owned())?;
    let names: Vec<Cow<'_, str>> = names.into_iter().map(|Text(name)| name).collect();
    let mut seen = HashSet::new();
    for name in &names {
        if !seen.insert(name) {
            return Err(format!("names the column {name:?} twice"));
        }
    }
    Ok(names)
}
