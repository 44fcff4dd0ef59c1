//! How the text of a cell becomes JSON.
//!
//! The rule, for a cell of a column without a type of its own: an empty cell is null; `true` and
//! `false` in any case are booleans; a text that is a number of JSON is a number, and goes to the
//! service with the digits that it has; everything else is text. A number of JSON has no leading
//! zeros and no leading plus, so `007` and `+49` stay as they are.

use std::fmt;
use std::str::FromStr;

/// The type of a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum CellType {
    /// By the rule.
    #[default]
    Auto,
    Text,
    Number,
    Boolean,
}

impl FromStr for CellType {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "auto" => Ok(Self::Auto),
            "text" => Ok(Self::Text),
            "number" => Ok(Self::Number),
            "boolean" => Ok(Self::Boolean),
            other => Err(format!(
                "`{other}` is not a type; there are text, number, boolean and auto"
            )),
        }
    }
}

/// A cell that is not of the type of its column.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct WrongType(&'static str);

impl fmt::Display for WrongType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Appends the JSON of a cell.
pub(crate) fn write_cell(kind: CellType, text: &str, json: &mut Vec<u8>) -> Result<(), WrongType> {
    if text.is_empty() {
        json.extend_from_slice(b"null");
        return Ok(());
    }
    match kind {
        CellType::Auto if is_json_number(text.as_bytes()) => {
            json.extend_from_slice(text.as_bytes());
        }
        CellType::Auto => match boolean(text) {
            Some(word) => json.extend_from_slice(word),
            None => write_text(text, json),
        },
        CellType::Text => write_text(text, json),
        CellType::Number => {
            let number = number(text.trim()).ok_or(WrongType("not a number"))?;
            json.extend_from_slice(number.as_bytes());
        }
        CellType::Boolean => {
            let word = match text {
                "1" => b"true".as_slice(),
                "0" => b"false",
                text => boolean(text).ok_or(WrongType("not true, false, 1 or 0"))?,
            };
            json.extend_from_slice(word);
        }
    }
    Ok(())
}

/// Appends a JSON string.
pub(crate) fn write_text(text: &str, json: &mut Vec<u8>) {
    serde_json::to_writer(json, text).expect("a string is JSON, and memory takes it");
}

fn boolean(text: &str) -> Option<&'static [u8]> {
    if text.eq_ignore_ascii_case("true") {
        Some(b"true")
    } else if text.eq_ignore_ascii_case("false") {
        Some(b"false")
    } else {
        None
    }
}

/// A number as JSON writes it, from how people and other programs write it: `+5`, `.5`, `5.`, `007`.
fn number(text: &str) -> Option<String> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let mantissa_ends = digits.find(['e', 'E']).unwrap_or(digits.len());
    let (mantissa, exponent) = digits.split_at(mantissa_ends);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        whole => whole,
    };
    let point = if fraction.is_empty() { "" } else { "." };
    let json = [sign, whole, point, fraction, exponent].concat();
    is_json_number(json.as_bytes()).then_some(json)
}

/// Whether a text is a number by JSON's grammar.
pub(crate) fn is_json_number(text: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut rest = text.strip_prefix(b"-").unwrap_or(text);
    let whole = digits(rest);
    if whole == 0 || (whole > 1 && rest[0] == b'0') {
        return false;
    }
    rest = &rest[whole..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let length = digits(fraction);
        if length == 0 {
            return false;
        }
        rest = &fraction[length..];
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent = match exponent {
            [b'+' | b'-', digits @ ..] => digits,
            digits => digits,
        };
        return !exponent.is_empty() && digits(exponent) == exponent.len();
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(kind: CellType, text: &str) -> Result<String, WrongType> {
        let mut json = Vec::new();
        write_cell(kind, text, &mut json).map(|()| String::from_utf8(json).unwrap())
    }

    #[test]
    fn no_digit_and_no_leading_zero_is_lost() {
        for (text, expected) in [
            ("", "null"),
            ("0", "0"),
            ("-0", "-0"),
            ("1.50", "1.50"),
            ("1e5", "1e5"),
            ("1E-05", "1E-05"),
            ("9007199254740993", "9007199254740993"),
            ("0.12345678901234567", "0.12345678901234567"),
            ("TRUE", "true"),
            ("False", "false"),
            ("007", r#""007""#),
            ("-01", r#""-01""#),
            ("+49", r#""+49""#),
            (".5", r#"".5""#),
            ("5.", r#""5.""#),
            ("1e", r#""1e""#),
            ("-", r#""-""#),
            ("NaN", r#""NaN""#),
            ("1,5", r#""1,5""#),
            (" 1", r#"" 1""#),
            ("a \"b\"\n", r#""a \"b\"\n""#),
        ] {
            assert_eq!(json(CellType::Auto, text).unwrap(), expected, "{text:?}");
        }
    }

    #[test]
    fn a_type_overrules_the_rule() {
        assert_eq!(json(CellType::Text, "12").unwrap(), r#""12""#);
        assert_eq!(json(CellType::Text, "").unwrap(), "null");
        for (text, expected) in [
            ("007", "7"),
            ("+5", "5"),
            (".5", "0.5"),
            ("5.", "5"),
            ("-00.50e+3", "-0.50e+3"),
            (" 3 ", "3"),
            ("000", "0"),
        ] {
            assert_eq!(json(CellType::Number, text).unwrap(), expected, "{text:?}");
        }
        for text in ["x", "NaN", "1 2", "--1", ".", "e5", "1,5", "0x10"] {
            assert!(json(CellType::Number, text).is_err(), "{text:?}");
        }
        assert_eq!(json(CellType::Boolean, "1").unwrap(), "true");
        assert_eq!(json(CellType::Boolean, "False").unwrap(), "false");
        assert!(json(CellType::Boolean, "yes").is_err());
    }
}
