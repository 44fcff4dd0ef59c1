//! Decodes the outputs of a chunk into the caller's type, from either of their two shapes.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::StrDeserializer;
use serde::de::{
    Deserialize, DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IgnoredAny,
    MapAccess, SeqAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::value::RawValue;

use crate::json::{is_raw_value, raw_value};

/// The outputs of a chunk: one for each record in their order, `None` for a record that failed.
///
/// They are decoded from a table (a header row, then a row for each record) or from a list of
/// objects. `T` is a struct or a map with the names of the outputs, or, for a table, a tuple in the
/// order of the columns. Numbers keep their value to the last bit in an `f64`, `i64` or `u64`, and
/// each digit in a [`RawValue`], as in `HashMap<String, Box<RawValue>>`.
///
/// ```
/// use cspark_batches::Outputs;
///
/// #[derive(Debug, PartialEq, serde::Deserialize)]
/// struct Volume {
///     volume: f64,
/// }
///
/// let objects: Outputs<Volume> = serde_json::from_str(r#"[{"volume": 0.5}, null]"#)?;
/// let table: Outputs<Volume> = serde_json::from_str(r#"[["volume"], [0.5], null]"#)?;
/// assert_eq!(objects.as_slice(), [Some(Volume { volume: 0.5 }), None]);
/// assert_eq!(table, objects);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outputs<T>(Vec<Option<T>>);

impl<T> Outputs<T> {
    /// The outputs, one a record.
    pub fn as_slice(&self) -> &[Option<T>] {
        &self.0
    }

    /// The outputs, one a record.
    pub fn into_vec(self) -> Vec<Option<T>> {
        self.0
    }
}

impl<T> From<Vec<Option<T>>> for Outputs<T> {
    fn from(outputs: Vec<Option<T>>) -> Self {
        Self(outputs)
    }
}

impl<T> Default for Outputs<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> IntoIterator for Outputs<T> {
    type Item = Option<T>;
    type IntoIter = std::vec::IntoIter<Option<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a Outputs<T> {
    type Item = &'a Option<T>;
    type IntoIter = std::slice::Iter<'a, Option<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Outputs<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Read::new(0).deserialize(deserializer).map(Self)
    }
}

impl<T: DeserializeOwned> Outputs<T> {
    /// Decodes outputs from JSON.
    ///
    /// # Errors
    ///
    /// If the text is not JSON, or an output cannot be decoded as a `T`.
    ///
    /// ```
    /// # use cspark_batches::Outputs;
    /// let json = r#"[["premium", "currency"], [812.25, "EUR"]]"#;
    /// let outputs = Outputs::<(f64, String)>::from_json(json)?;
    /// assert_eq!(outputs.as_slice(), [Some((812.25, "EUR".to_owned()))]);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn from_json(json: &str) -> serde_json::Result<Self> {
        Self::with_capacity_hint(0, json)
    }

    /// Decodes outputs, with room for as many as are expected.
    pub(crate) fn with_capacity_hint(outputs: usize, json: &str) -> serde_json::Result<Self> {
        // An output takes at least two bytes.
        let seed = Read::new(outputs.min(json.len() / 2));
        let mut json = serde_json::Deserializer::from_str(json);
        let outputs = seed.deserialize(&mut json)?;
        json.end()?;
        Ok(Self(outputs))
    }
}

/// Outputs that are decoded one by one, so that an error costs one output.
///
/// Slower than [`Outputs`], since it passes over each output twice.
#[derive(Debug)]
pub(crate) struct EachOutput<T>(pub(crate) Vec<EachResult<T>>);

/// An output, `None` for a record that failed, or an output that cannot be decoded.
pub(crate) type EachResult<T> = Result<Option<T>, Unreadable>;

/// An output that cannot be decoded.
#[derive(Clone, Debug)]
pub(crate) struct Unreadable {
    pub(crate) why: String,
    /// The output as it came: an object or a row.
    pub(crate) json: Box<RawValue>,
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for EachOutput<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Read::new(0).deserialize(deserializer).map(Self)
    }
}

/// Decodes either shape into a list.
struct Read<O> {
    /// How many outputs there probably are.
    expected: usize,
    output: PhantomData<O>,
}

impl<O> Read<O> {
    fn new(expected: usize) -> Self {
        Self {
            expected,
            output: PhantomData,
        }
    }
}

impl<'de, O: FromElement<'de>> DeserializeSeed<'de> for Read<O> {
    type Value = Vec<O>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<O>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, O: FromElement<'de>> Visitor<'de> for Read<O> {
    type Value = Vec<O>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("outputs: a table or a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let mut outputs = Vec::with_capacity(self.expected);
        // The first element shows the shape. It is text, so that it can be looked at twice.
        let Some(first) = elements.next_element::<&RawValue>()? else {
            return Ok(outputs);
        };
        if first.get().starts_with('[') {
            let columns: Vec<String> = serde_json::from_str(first.get()).map_err(|error| {
                A::Error::custom(format_args!("the header of the outputs: {error}"))
            })?;
            while let Some(output) = O::next_row(&columns, &mut elements)? {
                outputs.push(output);
            }
        } else {
            outputs.push(O::from_text(first).map_err(A::Error::custom)?);
            while let Some(output) = O::next_object(&mut elements)? {
                outputs.push(output);
            }
        }
        Ok(outputs)
    }
}

/// A type that an element of the outputs is decoded into.
trait FromElement<'de>: Sized {
    fn from_text(json: &RawValue) -> Result<Self, serde_json::Error>;

    fn next_object<A: SeqAccess<'de>>(elements: &mut A) -> Result<Option<Self>, A::Error>;

    fn next_row<A: SeqAccess<'de>>(
        columns: &[String],
        rows: &mut A,
    ) -> Result<Option<Self>, A::Error>;
}

impl<'de, T: DeserializeOwned> FromElement<'de> for Option<T> {
    fn from_text(json: &RawValue) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json.get())
    }

    fn next_object<A: SeqAccess<'de>>(elements: &mut A) -> Result<Option<Self>, A::Error> {
        elements.next_element()
    }

    fn next_row<A: SeqAccess<'de>>(
        columns: &[String],
        rows: &mut A,
    ) -> Result<Option<Self>, A::Error> {
        rows.next_element_seed(RowSeed {
            columns,
            output: PhantomData,
        })
    }
}

impl<'de, T: DeserializeOwned> FromElement<'de> for EachResult<T> {
    fn from_text(json: &RawValue) -> Result<Self, serde_json::Error> {
        Ok(read_one(json, || serde_json::from_str(json.get())))
    }

    fn next_object<A: SeqAccess<'de>>(elements: &mut A) -> Result<Option<Self>, A::Error> {
        let json: Option<&RawValue> = elements.next_element()?;
        Ok(json.map(|json| read_one(json, || serde_json::from_str(json.get()))))
    }

    fn next_row<A: SeqAccess<'de>>(
        columns: &[String],
        rows: &mut A,
    ) -> Result<Option<Self>, A::Error> {
        let json: Option<&RawValue> = rows.next_element()?;
        Ok(json.map(|json| {
            let row = RowSeed {
                columns,
                output: PhantomData,
            };
            read_one(json, || {
                row.deserialize(&mut serde_json::Deserializer::from_str(json.get()))
            })
        }))
    }
}

fn read_one<T>(
    json: &RawValue,
    read: impl FnOnce() -> Result<Option<T>, serde_json::Error>,
) -> EachResult<T> {
    let inner = |brackets| {
        json.get()
            .strip_prefix(brackets)
            .map(|rest: &str| rest[..rest.len() - 1].trim())
    };
    read().or_else(|error| {
        // A record that failed has null, or one of these. A type that can be decoded from them
        // never comes here, so it gets an output, as it does where all are decoded at once.
        if inner('{') == Some("") || inner('[') == Some("") {
            return Ok(None);
        }
        Err(Unreadable {
            why: error.to_string(),
            json: json.to_owned(),
        })
    })
}

/// Decodes a row, or null, as a `T` with the names of the columns.
struct RowSeed<'a, T> {
    columns: &'a [String],
    output: PhantomData<T>,
}

impl<'de, T: DeserializeOwned> DeserializeSeed<'de> for RowSeed<'_, T> {
    type Value = Option<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: DeserializeOwned> Visitor<'de> for RowSeed<'_, T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a row of {} cells, or null", self.columns.len())
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, cells: A) -> Result<Self::Value, A::Error> {
        let mut cells = Counted {
            cells,
            left: self.columns.len(),
        };
        let output = T::deserialize(Row {
            columns: self.columns,
            cells: &mut cells,
        })?;
        // Fails unless this is the end of the row.
        cells.next_element::<IgnoredAny>()?;
        Ok(Some(output))
    }
}

/// A row as a deserializer: a map from the names of the columns, or a sequence on request.
struct Row<'a, A> {
    columns: &'a [String],
    cells: &'a mut A,
}

impl<'de, A: SeqAccess<'de>> Deserializer<'de> for Row<'_, A> {
    type Error = A::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, A::Error> {
        visitor.visit_map(Cells {
            columns: self.columns.iter(),
            cells: self.cells,
        })
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, A::Error> {
        visitor.visit_some(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, A::Error> {
        visitor.visit_seq(self.cells)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        match is_raw_value(name) {
            // Raw JSON is the object that the row stands for.
            true => raw_value(self.into_object()?, visitor),
            false => visitor.visit_newtype_struct(self),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct map struct enum identifier ignored_any
    }
}

impl<'de, A: SeqAccess<'de>> Row<'_, A> {
    fn into_object(self) -> Result<String, A::Error> {
        let mut object = String::from("{");
        for column in self.columns {
            let cell: &RawValue = self.cells.next_element()?.ok_or_else(too_short)?;
            let name = serde_json::to_string(column).map_err(A::Error::custom)?;
            let comma = if object.len() > 1 { "," } else { "" };
            object.extend([comma, &name, ":", cell.get()]);
        }
        object.push('}');
        Ok(object)
    }
}

/// The cells of a row under the names of their columns.
struct Cells<'a, A> {
    columns: std::slice::Iter<'a, String>,
    cells: &'a mut A,
}

impl<'de, A: SeqAccess<'de>> MapAccess<'de> for Cells<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        self.columns
            .next()
            .map(|column| seed.deserialize(StrDeserializer::new(column)))
            .transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.cells.next_element_seed(seed)?.ok_or_else(too_short)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.columns.len())
    }
}

/// The cells of a row. There have to be as many as columns.
struct Counted<A> {
    cells: A,
    /// How many cells are missing yet.
    left: usize,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Counted<A> {
    type Error = A::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, A::Error> {
        let cell = self.cells.next_element_seed(seed)?;
        match (&cell, self.left.checked_sub(1)) {
            (Some(_), Some(left)) => self.left = left,
            (None, None) => {}
            (None, Some(_)) => return Err(too_short()),
            (Some(_), None) => {
                return Err(A::Error::custom(
                    "the row has more cells than there are columns",
                ));
            }
        }
        Ok(cell)
    }
}

fn too_short<E: serde::de::Error>() -> E {
    E::custom("the row has fewer cells than there are columns")
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Premium {
        premium: f64,
        years: Option<u64>,
    }

    fn strict<T: DeserializeOwned>(json: &str) -> Result<Vec<Option<T>>, String> {
        serde_json::from_str::<Outputs<T>>(json)
            .map(Outputs::into_vec)
            .map_err(|error| error.to_string())
    }

    fn each<T: DeserializeOwned>(json: &str) -> Vec<Result<Option<T>, String>> {
        let each = serde_json::from_str::<EachOutput<T>>(json).unwrap().0;
        each.into_iter()
            .map(|it| it.map_err(|it| it.json.to_string()))
            .collect()
    }

    #[test]
    fn both_shapes_read_the_same() {
        let expected = vec![
            Some(Premium {
                premium: 1.5,
                years: Some(3),
            }),
            None,
            Some(Premium {
                premium: 2.0,
                years: None,
            }),
        ];
        for json in [
            r#"[{"premium": 1.5, "years": 3}, null, {"years": null, "premium": 2}]"#,
            r#"[["premium", "years"], [1.5, 3], null, [2, null]]"#,
            r#"[["years", "new", "premium"], [3, {"a": []}, 1.5], null, [null, 0, 2]]"#,
        ] {
            assert_eq!(strict::<Premium>(json).as_ref(), Ok(&expected), "{json}");
            assert_eq!(
                each::<Premium>(json)
                    .into_iter()
                    .map(Result::unwrap)
                    .collect::<Vec<_>>(),
                expected
            );
        }
        assert_eq!(strict::<Premium>("[]"), Ok(vec![]));
        assert_eq!(strict::<Premium>(r#"[["premium"]]"#), Ok(vec![]));
        assert_eq!(strict::<Premium>("[null, null]"), Ok(vec![None, None]));
    }

    #[test]
    fn rows_read_as_maps_tuples_trees_and_raw_json() {
        let table = r#"[["a", "b"], [1.0, 12345678901234567890123], [1e5, "x"]]"#;
        let raw = strict::<HashMap<String, Box<RawValue>>>(table).unwrap();
        assert_eq!(
            raw[0].as_ref().unwrap()["b"].get(),
            "12345678901234567890123"
        );
        assert_eq!(raw[1].as_ref().unwrap()["a"].get(), "1e5");
        let rows = strict::<(f64, serde_json::Value)>(table).unwrap();
        assert_eq!(rows[1], Some((1e5, "x".into())));
        let trees = strict::<serde_json::Value>(r#"[["a"], [[1]]]"#).unwrap();
        assert_eq!(trees, [Some(serde_json::json!({"a": [1]}))]);
        let whole = strict::<Box<RawValue>>(table).unwrap();
        assert_eq!(
            whole[0].as_ref().unwrap().get(),
            r#"{"a":1.0,"b":12345678901234567890123}"#
        );
        let whole = strict::<Box<RawValue>>(r#"[{"a": 1.0}, {"b":  1e5}]"#).unwrap();
        assert_eq!(whole[1].as_ref().unwrap().get(), r#"{"b":  1e5}"#);
        let optional = strict::<Option<BTreeMap<String, u8>>>(r#"[["a"], [7], null]"#).unwrap();
        assert_eq!(
            optional,
            [Some(Some(BTreeMap::from([("a".to_owned(), 7)]))), None]
        );
    }

    #[test]
    fn numbers_arrive_bit_for_bit() {
        let json = r#"[["f", "i", "u"],
                       [0.1234567890123456789, -9223372036854775808, 18446744073709551615],
                       [5e-324, 9007199254740993, 9007199254740993]]"#;
        let rows = strict::<(f64, i64, u64)>(json).unwrap();
        assert_eq!(
            rows[0],
            Some((0.123_456_789_012_345_68, i64::MIN, u64::MAX))
        );
        assert_eq!(
            rows[1],
            Some((5e-324, 9_007_199_254_740_993, 9_007_199_254_740_993))
        );
    }

    #[test]
    fn a_row_of_another_length_is_refused_by_who_takes_cells_without_their_names() {
        let table = r#"[["a", "b"], [1, 2], [3], []]"#;
        assert!(
            strict::<Vec<i32>>(r#"[["a"], [1, 2]]"#)
                .unwrap_err()
                .contains("more cells")
        );
        assert!(
            strict::<Vec<i32>>(table)
                .unwrap_err()
                .contains("fewer cells")
        );
        assert!(
            strict::<(i32,)>(r#"[["a", "b"], [3]]"#)
                .unwrap_err()
                .contains("fewer cells")
        );
        let expected = [Ok(Some(vec![1, 2])), Err("[3]".to_owned()), Ok(None)];
        assert_eq!(each::<Vec<i32>>(table), expected);
    }

    #[test]
    fn an_output_that_may_be_empty_is_one_however_outputs_are_read() {
        let objects = r#"[{}, {"a": 1}]"#;
        let expected = vec![
            Some(BTreeMap::new()),
            Some(BTreeMap::from([("a".to_owned(), 1)])),
        ];
        assert_eq!(strict::<BTreeMap<String, i32>>(objects).unwrap(), expected);
        let each = each::<BTreeMap<String, i32>>(objects);
        assert_eq!(each, expected.into_iter().map(Ok).collect::<Vec<_>>());
    }

    #[test]
    fn what_does_not_fit_is_refused_or_set_aside() {
        let table =
            r#"[["premium", "years"], [1.5, 3], [2], ["x", 1], [1, 2, 3], {}, [], 7, [3, 4]]"#;
        assert!(
            strict::<Premium>(table)
                .unwrap_err()
                .contains("fewer cells")
        );
        let good = |premium, years| {
            Ok(Some(Premium {
                premium,
                years: Some(years),
            }))
        };
        let bad = |json: &str| Err(json.to_owned());
        assert_eq!(
            each::<Premium>(table),
            [
                good(1.5, 3),
                bad("[2]"),
                bad(r#"["x", 1]"#),
                bad("[1, 2, 3]"),
                Ok(None),
                Ok(None),
                bad("7"),
                good(3.0, 4)
            ]
        );
        let objects = r#"[{ }, {"premium": 1, "years": 2}, {"years": 2}, null]"#;
        assert_eq!(
            each::<Premium>(objects),
            [Ok(None), good(1.0, 2), bad(r#"{"years": 2}"#), Ok(None)]
        );
        assert!(
            strict::<Premium>("7")
                .unwrap_err()
                .contains("expected outputs")
        );
        assert!(
            strict::<Premium>("[[1]]")
                .unwrap_err()
                .contains("the header of the outputs")
        );
    }
}
