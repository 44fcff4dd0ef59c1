//! Whether JSON is of a type of Arrow. arrow-json would take a text for a number, and cut off the
//! digits that a type has no place for.

use std::borrow::Cow;

use arrow_schema::DataType;
use serde_json::value::RawValue;

use crate::cells::Members;

/// The JSON from which arrow-json reads all that a cell says; `None` if that is not of the type.
/// Decimals are rounded to their scale, half away from zero, as Arrow's casts do.
///
/// An empty text is an empty cell where no texts are wanted, and where they are, whatever is nested
/// is its JSON. If `all` is wanted, an object has no members, except for nulls, that its type does
/// not have; otherwise they are left out.
pub(crate) fn fit<'a>(cell: &'a str, data_type: &DataType, all: bool) -> Option<Cow<'a, str>> {
    use DataType as T;
    let first = cell.as_bytes().first()?;
    let fits = |fits: bool| fits.then_some(Cow::Borrowed(cell));
    match data_type {
        T::Utf8 | T::LargeUtf8 | T::Utf8View => match first {
            b'[' | b'{' => serde_json::to_string(cell).ok().map(Cow::Owned),
            _ => fits(true),
        },
        _ if cell == "null" => fits(true),
        _ if cell == "\"\"" => Some(Cow::Borrowed("null")),
        T::Float16 => {
            // What is not below would be rounded to an infinity.
            let is_finite = |number: f32| number.abs() < 65_520.0;
            fits(cell.parse().is_ok_and(is_finite))
        }
        T::Float32 => fits(cell.parse().is_ok_and(f32::is_finite)),
        T::Float64 => fits(cell.parse().is_ok_and(f64::is_finite)),
        T::Decimal32(_, scale)
        | T::Decimal64(_, scale)
        | T::Decimal128(_, scale)
        | T::Decimal256(_, scale) => {
            let (digits, _) = rounded(cell, *scale)?;
            Some(match scale {
                // arrow-json does not take 0e0 for a number.
                0 => digits.into(),
                _ => format!("{digits}e{}", -i16::from(*scale)).into(),
            })
        }
        // A date or a time may be the number of its units.
        _ if data_type.is_integer() || (data_type.is_temporal() && *first != b'"') => {
            let (digits, is_exact) = rounded(cell, 0)?;
            let number: i128 = digits.parse().ok()?;
            // arrow-json compares them with narrower types.
            let is_in_range = match data_type {
                T::UInt64 => u64::try_from(number).is_ok(),
                _ => i64::try_from(number).is_ok(),
            };
            (is_exact && is_in_range).then(|| number.to_string().into())
        }
        T::List(item)
        | T::LargeList(item)
        | T::ListView(item)
        | T::LargeListView(item)
        | T::FixedSizeList(item, _) => {
            let items: Vec<&RawValue> = serde_json::from_str(cell).ok()?;
            let mut json = String::from("[");
            for item_json in items {
                json.push_str(if json.len() > 1 { "," } else { "" });
                json.push_str(&fit(item_json.get(), item.data_type(), all)?);
            }
            Some((json + "]").into())
        }
        T::Struct(fields) => object(cell, all, |name| Some(fields.find(name)?.1.data_type())),
        T::Map(entries, _) => match entries.data_type() {
            T::Struct(entry) if entry.len() == 2 => {
                object(cell, all, |_| Some(entry[1].data_type()))
            }
            _ => fits(true),
        },
        T::RunEndEncoded(_, values) => fit(cell, values.data_type(), all),
        _ => fits(true),
    }
}

/// An object whose members are of these types.
fn object<'a, 't>(
    cell: &str,
    all: bool,
    type_of: impl Fn(&str) -> Option<&'t DataType>,
) -> Option<Cow<'a, str>> {
    let members: Members<'_> = serde_json::from_str(cell).ok()?;
    let mut json = String::from("{");
    for (name, value) in members.0 {
        let Some(data_type) = type_of(&name) else {
            if all && value.get() != "null" {
                return None;
            }
            continue;
        };
        json.push_str(if json.len() > 1 { "," } else { "" });
        json.push_str(&serde_json::to_string(&name).ok()?);
        json.push(':');
        json.push_str(&fit(value.get(), data_type, all)?);
    }
    Some((json + "}").into())
}

/// A number in units of `scale` digits after the point, and whether it is exactly that. `None` if it
/// is none, or has more digits than any decimal.
fn rounded(number: &str, scale: i8) -> Option<(String, bool)> {
    const MOST_DIGITS: i64 = 76;
    let (sign, size) = match number.strip_prefix('-') {
        Some(size) => ("-", size),
        None => ("", number),
    };
    if !size.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let (size, exponent) = size.split_once(['e', 'E']).unwrap_or((size, "0"));
    let exponent: i32 = exponent.parse().ok()?;
    let (integer, fraction) = size.split_once('.').unwrap_or((size, ""));
    let digits = format!("{integer}{fraction}");
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Some(("0".to_owned(), true));
    }
    let length = digits.len() as i64;
    let kept = length + i64::from(exponent) + i64::from(scale) - fraction.len() as i64;
    if kept > MOST_DIGITS {
        return None;
    }
    if kept >= length {
        let zeros = "0".repeat((kept - length) as usize);
        return Some((format!("{sign}{digits}{zeros}"), true));
    }
    let Ok(kept) = usize::try_from(kept) else {
        return Some(("0".to_owned(), false));
    };
    let (kept, rest) = digits.split_at(kept);
    let is_exact = rest.bytes().all(|digit| digit == b'0');
    let mut kept = format!("0{kept}").into_bytes();
    if rest.as_bytes()[0] >= b'5' {
        // There is a digit that is no 9: the first.
        let place = kept.iter().rposition(|digit| *digit != b'9')?;
        kept[place] += 1;
        kept[place + 1..].fill(b'0');
    }
    let digits = String::from_utf8(kept).ok()?;
    Some(match digits.trim_start_matches('0') {
        "" => ("0".to_owned(), is_exact),
        digits => (format!("{sign}{digits}"), is_exact),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_schema::Field;

    use super::*;

    #[test]
    fn numbers_are_rounded_half_away_from_zero() {
        for (number, scale, expected, is_exact) in [
            ("0", 2, "0", true),
            ("-0.0e9", 2, "0", true),
            ("12", 2, "1200", true),
            ("1.25", 2, "125", true),
            ("1.250", 2, "125", true),
            ("1.245", 2, "125", false),
            ("-1.245", 2, "-125", false),
            ("1.2449", 2, "124", false),
            ("9.995", 2, "1000", false),
            ("0.004", 2, "0", false),
            ("-0.004", 2, "0", false),
            ("0.005", 2, "1", false),
            ("0.0005", 2, "0", false),
            ("1e-400", 2, "0", false),
            ("1.5E+1", 0, "15", true),
            ("1500e-2", 0, "15", true),
            ("0.3e1", 0, "3", true),
            ("1250", -2, "13", false),
            ("1e5", -2, "1000", true),
        ] {
            let expected = Some((expected.to_owned(), is_exact));
            assert_eq!(rounded(number, scale), expected, "{number}, {scale}");
        }
        let long = "9".repeat(76);
        assert_eq!(rounded(&long, 0), Some((long.clone(), true)));
        for none in ["1e76", "1e2147483648", "true", "\"1\"", "-", "[1]"] {
            assert_eq!(rounded(none, 0), None, "{none}");
        }
        assert_eq!(rounded(&long, 1), None);
    }

    fn fields(data_types: &[(&str, DataType)]) -> DataType {
        let fields = data_types.iter();
        let fields = fields.map(|(name, data_type)| Field::new(*name, data_type.clone(), true));
        DataType::Struct(fields.collect())
    }

    #[test]
    fn parts_fit_as_cells_do() {
        let row = fields(&[("n", DataType::Int64), ("t", DataType::Utf8)]);
        let table = DataType::new_list(row.clone(), true);
        let map = fields(&[("keys", DataType::Utf8), ("values", DataType::Int64)]);
        let map = DataType::Map(Arc::new(Field::new("entries", map, false)), false);
        for (cell, data_type, expected) in [
            (
                r#" [ {"n" : 1.0} , null ]"#.trim(),
                &table,
                Some(r#"[{"n":1},null]"#),
            ),
            ("[]", &table, Some("[]")),
            ("{}", &row, Some("{}")),
            (
                r#"{"more":[1], "t":[1, "\n"], "n":""}"#,
                &row,
                Some(r#"{"t":"[1, \"\\n\"]","n":null}"#),
            ),
            (r#"[{"n":1.5}]"#, &table, None),
            (r#"[{"n":"1"}]"#, &table, None),
            (r#"[1]"#, &table, None),
            (r#"{"n":1}"#, &table, None),
            (r#"[]"#, &row, None),
            ("7", &row, None),
            (r#"{"a\"b": 2e0}"#, &map, Some(r#"{"a\"b":2}"#)),
            (r#"{"a": 2.5}"#, &map, None),
        ] {
            assert_eq!(fit(cell, data_type, false).as_deref(), expected, "{cell}");
        }
        assert!(fit(r#"[{"more":1}]"#, &table, true).is_none());
        let null = fit(r#"[{"more":null}]"#, &table, true);
        assert_eq!(null.as_deref(), Some("[{}]"));
    }

    #[test]
    fn the_ends_of_each_range_fit_and_no_more() {
        let fits = |cell: &str, data_type| fit(cell, &data_type, false).is_some();
        assert!(fits("18446744073709551615", DataType::UInt64));
        assert!(!fits("18446744073709551616", DataType::UInt64));
        assert!(!fits("-1", DataType::UInt64));
        assert!(fits("-9223372036854775808", DataType::Int64));
        assert!(!fits("-9223372036854775809", DataType::Int64));
        assert!(fits("9223372036854775807", DataType::Date64));
        assert!(!fits("9223372036854775808", DataType::Date64));
        assert!(fits("1e308", DataType::Float64) && !fits("1e309", DataType::Float64));
        assert!(fits("3.4e38", DataType::Float32) && !fits("3.5e38", DataType::Float32));
        assert!(fits("65504", DataType::Float16) && !fits("65520", DataType::Float16));
    }
}
