//! Record batches to rows of JSON, with arrow-json's encoders for all types but `Float64`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

use arrow_array::cast::AsArray;
use arrow_array::timezone::Tz;
use arrow_array::types::{ArrowPrimitiveType, Float16Type, Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, Float64Array, RecordBatch};
use arrow_json::EncoderOptions;
use arrow_json::writer::{Encoder, EncoderFactory, NullableEncoder, make_encoder};
use arrow_schema::{ArrowError, DataType, FieldRef, Fields, Schema};
use bytes::Bytes;
use cspark_batches::JsonRow;

use crate::error::{Error, Result};

/// The most rows that are encoded at a time, and bytes, but for the last row. They are beside the
/// budget of the run.
const MOST_ROWS: usize = 2048;
const MOST_BYTES: usize = 1 << 20;

/// Encodes the columns that are sent.
#[derive(Debug)]
pub(crate) struct RowEncoder {
    /// The places of the columns in the batches, with their fields.
    columns: Vec<(usize, FieldRef)>,
    options: EncoderOptions,
    /// Set when a moment was written that the calendar does not have.
    out_of_range: Arc<AtomicBool>,
    /// Bytes that a row takes, by the latest rows.
    row_bytes: usize,
}

/// A column of a batch.
struct ColumnEncoder<'a> {
    values: NullableEncoder<'a>,
    has_nulls: bool,
    has_moments: bool,
}

/// A row, or why it cannot be sent.
pub(crate) type Row = Result<JsonRow, Error>;

impl RowEncoder {
    /// An encoder of all columns, or of those with these names.
    ///
    /// # Errors
    ///
    /// If a column does not exist, exists twice, or has a type that cannot be sent.
    pub(crate) fn new(schema: &Schema, send: Option<&[String]>) -> Result<Self> {
        let fields = schema.fields();
        let columns: Vec<(usize, FieldRef)> = match send {
            None => fields.iter().cloned().enumerate().collect(),
            Some(names) => names
                .iter()
                .map(|name| find(fields, name))
                .collect::<Result<_>>()?,
        };
        if columns.is_empty() {
            return Err(Error::Schema("there is no column to send".to_owned()));
        }
        for (_, field) in &columns {
            check(field.name(), field.data_type())?;
        }
        let out_of_range = Arc::default();
        let options = EncoderOptions::default()
            .with_explicit_nulls(true)
            .with_encoder_factory(Arc::new(Leaves {
                out_of_range: Arc::clone(&out_of_range),
            }));
        Ok(Self {
            row_bytes: columns.len() * 12,
            columns,
            options,
            out_of_range,
        })
    }

    /// The names of the columns, in the order of the cells.
    pub(crate) fn names(&self) -> Vec<String> {
        let names = self.columns.iter();
        names.map(|(_, field)| field.name().clone()).collect()
    }

    /// Encodes the first rows of a batch; the first of them is the record of this number.
    pub(crate) fn encode(&mut self, batch: &RecordBatch, first: u64) -> Result<Vec<Row>> {
        // What is looked at of a column is not to be much more than what is encoded of it.
        let most = (MOST_BYTES / self.row_bytes.max(1)).clamp(1, MOST_ROWS);
        let batch = &batch.slice(0, most.min(batch.num_rows()));
        let mut encoders = Vec::with_capacity(self.columns.len());
        // The columns with numbers that JSON does not have.
        let mut suspects = Vec::new();
        for (place, field) in &self.columns {
            let column = batch.columns().get(*place).ok_or_else(|| {
                Error::Schema(format!("a record batch lacks column `{}`", field.name()))
            })?;
            if column.data_type() != field.data_type() {
                return Err(Error::Schema(format!(
                    "column `{}` has the type {} in a record batch, and {} in the table's schema",
                    field.name(),
                    column.data_type(),
                    field.data_type()
                )));
            }
            if has_non_finite(column) {
                suspects.push((column, field));
            }
            let values = make_encoder(field, column, &self.options)?;
            encoders.push(ColumnEncoder {
                has_nulls: values.has_nulls(),
                has_moments: has(field.data_type(), DataType::is_temporal),
                values,
            });
        }
        let mut json = Vec::with_capacity(batch.num_rows() * self.row_bytes);
        let mut ends: Vec<std::result::Result<usize, String>> =
            Vec::with_capacity(batch.num_rows());
        for row in 0..batch.num_rows() {
            let mut wrong = suspects
                .iter()
                .find(|(column, _)| has_non_finite(&column.slice(row, 1)))
                .map(|(_, field)| {
                    format!(
                        "column `{}`: NaN and infinities cannot be sent",
                        field.name()
                    )
                });
            for (place, column) in encoders.iter_mut().enumerate() {
                json.push(if place == 0 { b'[' } else { b',' });
                if column.has_nulls && column.values.is_null(row) {
                    json.extend_from_slice(b"null");
                    continue;
                }
                column.values.encode(row, &mut json);
                if column.has_moments && self.out_of_range.swap(false, Ordering::Relaxed) {
                    wrong = Some(format!(
                        "column `{}`: the date or time is out of range",
                        self.columns[place].1.name()
                    ));
                }
            }
            json.push(b']');
            ends.push(match wrong {
                None => Ok(json.len()),
                Some(why) => {
                    json.truncate(last_end(&ends));
                    Err(why)
                }
            });
            if json.len() >= MOST_BYTES {
                break;
            }
        }
        // With some room for rows that are longer.
        self.row_bytes = (json.len() + json.len() / 8).div_ceil(ends.len().max(1));
        let json = Bytes::from(json);
        let mut start = 0;
        let rows = (first..).zip(ends).map(|(record, end)| match end {
            Ok(end) => {
                let row = JsonRow::new(json.slice(start..end));
                start = end;
                Ok(row)
            }
            Err(why) => Err(Error::Record { record, why }),
        });
        Ok(rows.collect())
    }
}

/// Has `f64` written by serde_json, so that rows one by one take no longer than arrow-json takes for
/// all (benchmark `json`), and notes moments that the calendar does not have. It also mends what
/// arrow-json gets wrong: a null among the values of a dictionary, and a zero with hidden digits.
#[derive(Debug)]
struct Leaves {
    out_of_range: Arc<AtomicBool>,
}

impl EncoderFactory for Leaves {
    fn make_default_encoder<'a>(
        &self,
        field: &'a FieldRef,
        array: &'a dyn Array,
        options: &'a EncoderOptions,
    ) -> Result<Option<NullableEncoder<'a>>, ArrowError> {
        /// arrow-json alone, for values without parts.
        static PLAIN: LazyLock<EncoderOptions> = LazyLock::new(EncoderOptions::default);
        let encoder: Box<dyn Encoder> =
            if let Some(floats) = array.as_primitive_opt::<Float64Type>() {
                Box::new(FloatEncoder(floats))
            } else if array.data_type().is_temporal() {
                Box::new(MomentEncoder {
                    encoder: make_encoder(field, array, &PLAIN)?,
                    out_of_range: Arc::clone(&self.out_of_range),
                })
            } else if has_negative_scale(array.data_type()) {
                Box::new(ZerosEncoder(make_encoder(field, array, &PLAIN)?))
            } else if let Some(dictionary) = array.as_any_dictionary_opt() {
                let values = dictionary.values();
                Box::new(DictionaryEncoder {
                    keys: match values.is_empty() {
                        true => Vec::new(),
                        false => dictionary.normalized_keys(),
                    },
                    values: make_encoder(field, values, options)?,
                })
            } else {
                return Ok(None);
            };
        Ok(Some(NullableEncoder::new(encoder, array.logical_nulls())))
    }
}

struct MomentEncoder<'a> {
    encoder: NullableEncoder<'a>,
    out_of_range: Arc<AtomicBool>,
}

impl Encoder for MomentEncoder<'_> {
    fn encode(&mut self, row: usize, json: &mut Vec<u8>) {
        let start = json.len();
        self.encoder.encode(row, json);
        // Arrow writes this for a moment that the calendar does not have.
        if json[start..].starts_with(b"\"ERROR") {
            self.out_of_range.store(true, Ordering::Relaxed);
        }
    }
}

/// Values by their keys, of which none is used whose value is null.
struct DictionaryEncoder<'a> {
    keys: Vec<usize>,
    values: NullableEncoder<'a>,
}

impl Encoder for DictionaryEncoder<'_> {
    fn encode(&mut self, row: usize, json: &mut Vec<u8>) {
        self.values.encode(self.keys[row], json);
    }
}

/// Decimals with digits before the point that are not stored, which Arrow writes as zeros, also
/// behind a zero. That is no number of JSON.
struct ZerosEncoder<'a>(NullableEncoder<'a>);

impl Encoder for ZerosEncoder<'_> {
    fn encode(&mut self, row: usize, json: &mut Vec<u8>) {
        let start = json.len();
        self.0.encode(row, json);
        if json[start..].starts_with(b"0") {
            json.truncate(start + 1);
        }
    }
}

fn has_negative_scale(data_type: &DataType) -> bool {
    match data_type {
        DataType::Decimal32(_, scale)
        | DataType::Decimal64(_, scale)
        | DataType::Decimal128(_, scale)
        | DataType::Decimal256(_, scale) => *scale < 0,
        _ => false,
    }
}

struct FloatEncoder<'a>(&'a Float64Array);

impl Encoder for FloatEncoder<'_> {
    fn encode(&mut self, row: usize, json: &mut Vec<u8>) {
        // Writing a number to a Vec does not fail.
        let _ = serde_json::to_writer(json, &self.0.value(row));
    }
}

fn last_end(ends: &[std::result::Result<usize, String>]) -> usize {
    ends.iter()
        .rev()
        .find_map(|end| end.as_ref().ok().copied())
        .unwrap_or(0)
}

fn find(fields: &Fields, name: &str) -> Result<(usize, FieldRef)> {
    let mut found = fields
        .iter()
        .enumerate()
        .filter(|(_, field)| field.name() == name);
    match (found.next(), found.next()) {
        (Some((place, field)), None) => Ok((place, FieldRef::clone(field))),
        (Some(_), Some(_)) => Err(Error::Schema(format!(
            "the table has column `{name}` twice"
        ))),
        (None, _) => {
            let names: Vec<_> = fields.iter().map(|field| field.name().as_str()).collect();
            let names = names.join("`, `");
            Err(Error::Schema(format!(
                "the table has no column `{name}`, but `{names}`"
            )))
        }
    }
}

/// Whether values of a type can be sent, with the name of the part that cannot.
fn check(path: &str, data_type: &DataType) -> Result<()> {
    use DataType as T;
    match data_type {
        T::Null | T::Boolean | T::Utf8 | T::LargeUtf8 | T::Utf8View => Ok(()),
        // An encoder needs the rules of the zone.
        T::Timestamp(_, Some(zone)) if zone.parse::<Tz>().is_ok() => Ok(()),
        T::Timestamp(_, None) | T::Date32 | T::Date64 | T::Time32(_) | T::Time64(_) => Ok(()),
        T::Decimal32(..) | T::Decimal64(..) | T::Decimal128(..) | T::Decimal256(..) => Ok(()),
        numeric if numeric.is_integer() || numeric.is_floating() => Ok(()),
        T::Dictionary(_, values) => check(path, values),
        T::List(item) | T::LargeList(item) | T::ListView(item) | T::LargeListView(item) => {
            check(path, item.data_type())
        }
        T::FixedSizeList(item, _) => check(path, item.data_type()),
        T::Struct(fields) => fields
            .iter()
            .try_for_each(|field| check(&format!("{path}.{}", field.name()), field.data_type())),
        _ => Err(Error::Unsendable {
            column: path.to_owned(),
            data_type: data_type.clone(),
        }),
    }
}

/// Whether a type is one that `is` accepts, or has such a part.
fn has(data_type: &DataType, is: fn(&DataType) -> bool) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => has(values, is),
        DataType::Struct(fields) => fields.iter().any(|field| has(field.data_type(), is)),
        nested => item(nested).map_or_else(|| is(nested), |item| has(item, is)),
    }
}

/// The type of the items of a list.
fn item(data_type: &DataType) -> Option<&DataType> {
    match data_type {
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => Some(item.data_type()),
        _ => None,
    }
}

/// Whether there is a NaN or an infinity, which arrow-json would write as null.
fn has_non_finite(array: &ArrayRef) -> bool {
    fn any<T: ArrowPrimitiveType>(array: &ArrayRef, is_finite: fn(T::Native) -> bool) -> bool {
        let array = array.as_primitive::<T>();
        match array.null_count() {
            0 => !array.values().iter().all(|value| is_finite(*value)),
            _ => !array.iter().flatten().all(is_finite),
        }
    }
    if !has(array.data_type(), DataType::is_floating) {
        return false;
    }
    let in_list = |values: &dyn Fn(usize) -> ArrayRef| {
        (0..array.len()).any(|row| array.is_valid(row) && has_non_finite(&values(row)))
    };
    match array.data_type() {
        DataType::Float16 => any::<Float16Type>(array, |value| value.is_finite()),
        DataType::Float32 => any::<Float32Type>(array, f32::is_finite),
        DataType::Float64 => any::<Float64Type>(array, f64::is_finite),
        DataType::Struct(_) => {
            let array = array.as_struct();
            // What a null struct holds is not written.
            (0..array.len()).any(|row| {
                array.is_valid(row)
                    && array
                        .columns()
                        .iter()
                        .any(|column| has_non_finite(&column.slice(row, 1)))
            })
        }
        DataType::List(_) => in_list(&|row| array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => in_list(&|row| array.as_list::<i64>().value(row)),
        DataType::ListView(_) => in_list(&|row| array.as_list_view::<i32>().value(row)),
        DataType::LargeListView(_) => in_list(&|row| array.as_list_view::<i64>().value(row)),
        DataType::FixedSizeList(..) => in_list(&|row| array.as_fixed_size_list().value(row)),
        DataType::Dictionary(_, values) => {
            arrow_cast::cast(array, values).is_ok_and(|array| has_non_finite(&array))
        }
        _ => false,
    }
}
