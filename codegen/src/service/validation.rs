//! The workbook's data validation: lists of values and ranges of numbers.
//!
//! The shape is not published. This reads the terms of Excel (`type`, `operator`, `formula1`,
//! `formula2`) and plain ones (`values`, `min`, `max`), and ignores the rest.

use super::model::Range;
use crate::json::Json;

const LISTS: [&str; 6] = [
    "values",
    "list",
    "options",
    "allowedValues",
    "dropDown",
    "enum",
];
const MINIMA: [&str; 3] = ["min", "minimum", "minValue"];
const MAXIMA: [&str; 3] = ["max", "maximum", "maxValue"];

/// The values of a list. Empty if there is no list, or if it is a range of cells.
pub(super) fn values(validation: &Json) -> Vec<String> {
    let lists = LISTS.iter().find_map(|key| validation.get(key)?.list());
    if let Some(list) = lists.or_else(|| validation.list()) {
        let texts: Vec<String> = list.iter().filter_map(text).collect();
        return if texts.len() == list.len() {
            texts
        } else {
            Vec::new()
        };
    }
    let is_list = kind(validation).is_some_and(|it| it.eq_ignore_ascii_case("list"));
    let formula = validation.get("formula1").and_then(Json::text);
    match formula.filter(|formula| is_list && !formula.starts_with('=')) {
        Some(formula) => {
            let values = formula.trim_matches('"').split(',').map(str::trim);
            values
                .filter(|it| !it.is_empty())
                .map(str::to_owned)
                .collect()
        }
        None => Vec::new(),
    }
}

fn text(value: &Json) -> Option<String> {
    match value {
        Json::Text(text) => Some(text.clone()),
        _ => None,
    }
}

/// The range of numbers. Dates, times and lengths of texts have none.
pub(super) fn range(validation: &Json) -> Range {
    let plain = |keys: [&str; 3]| keys.iter().find_map(|key| number(validation.get(key)?));
    let range = Range {
        min: plain(MINIMA),
        max: plain(MAXIMA),
    };
    let kind = kind(validation).unwrap_or_default().to_ascii_lowercase();
    let is_number = ["whole", "integer", "decimal", "number"].contains(&kind.as_str());
    if range.is_limited() || !is_number {
        return range;
    }
    let first = validation.get("formula1").and_then(number);
    let second = validation.get("formula2").and_then(number);
    let operator = validation.get("operator").and_then(Json::text);
    let operator = operator.unwrap_or("between").to_ascii_lowercase();
    // Limits that are excluded are not known to the type, so the check is a little wider there.
    match operator.as_str() {
        "between" => Range {
            min: first,
            max: second,
        },
        "equal" => Range {
            min: first,
            max: first,
        },
        "greaterthan" | "greaterthanorequal" => Range {
            min: first,
            max: None,
        },
        "lessthan" | "lessthanorequal" => Range {
            min: None,
            max: first,
        },
        _ => Range::default(),
    }
}

fn kind(validation: &Json) -> Option<&str> {
    let keys = ["type", "validationType"];
    keys.iter().find_map(|key| validation.get(key)?.text())
}

fn number(value: &Json) -> Option<f64> {
    let number = value.number().or_else(|| value.text()?.parse().ok());
    number.filter(|number| number.is_finite())
}
