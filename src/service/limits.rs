//! The workbook's data validation, checked before a record is sent.

use std::fmt;

/// An input that the workbook's data validation does not allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutOfRange {
    column: &'static str,
    value: String,
    allowed: String,
}

impl OutOfRange {
    /// A text that is not among the allowed values.
    #[doc(hidden)]
    #[must_use]
    pub fn not_listed(column: &'static str, value: &str, allowed: &[&str]) -> Self {
        Self {
            column,
            value: format!("{value:?}"),
            allowed: format!("one of {}", allowed.join(", ")),
        }
    }

    /// The column.
    #[must_use]
    pub fn column(&self) -> &str {
        self.column
    }
}

impl fmt::Display for OutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            column,
            value,
            allowed,
        } = self;
        write!(
            f,
            "column `{column}`: {value} is not allowed, but {allowed}"
        )
    }
}

impl std::error::Error for OutOfRange {}

/// Checks a number against its limits, which are allowed themselves.
#[doc(hidden)]
pub fn check_range(
    column: &'static str,
    number: f64,
    min: Option<f64>,
    max: Option<f64>,
) -> Result<(), OutOfRange> {
    if min.is_none_or(|min| number >= min) && max.is_none_or(|max| number <= max) {
        return Ok(());
    }
    let allowed = match (min, max) {
        (Some(min), Some(max)) => format!("{min} to {max}"),
        (Some(min), None) => format!("{min} or more"),
        (None, Some(max)) => format!("{max} or less"),
        (None, None) => "any number".to_owned(),
    };
    Err(OutOfRange {
        column,
        value: number.to_string(),
        allowed,
    })
}
