//! Aggregates over the outputs of a chunk.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::wire::{self, Object};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Sum,
    Count,
    Average,
    Min,
    Max,
}

impl Operator {
    fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_uppercase().as_str() {
            "SUM" => Self::Sum,
            "COUNT" => Self::Count,
            "AVERAGE" | "AVG" | "MEAN" => Self::Average,
            "MIN" | "MINIMUM" => Self::Min,
            "MAX" | "MAXIMUM" => Self::Max,
            _ => return None,
        })
    }
}

#[derive(Debug)]
struct Aggregate<'a> {
    output: &'a str,
    operator: Operator,
    count: u64,
    sum: f64,
    min: f64,
    max: f64,
}

/// The aggregates that a chunk asked for, in the making.
///
/// Values that are not numbers don't count. If a record failed, and errors are not to be ignored,
/// every aggregate is null.
#[derive(Debug)]
pub(crate) struct Aggregates<'a> {
    all: Vec<Aggregate<'a>>,
    ignore_error: bool,
    failed: bool,
}

impl<'a> Aggregates<'a> {
    /// Checks the operators.
    pub(crate) fn new(
        asked: &'a [Object<wire::Aggregation>],
        ignore_error: bool,
    ) -> Result<Self, String> {
        let all = asked
            .iter()
            .enumerate()
            .map(|(index, Object(asked))| {
                let operator = Operator::parse(&asked.operator).ok_or_else(|| {
                    format!(
                        "data.summary.aggregation[{index}].operator: {:?} is unknown; use SUM, COUNT, AVERAGE, MIN or MAX",
                        asked.operator
                    )
                })?;
                let (min, max) = (f64::INFINITY, f64::NEG_INFINITY);
                Ok(Aggregate { output: &asked.output_name, operator, count: 0, sum: 0.0, min, max })
            })
            .collect::<Result<_, String>>()?;
        Ok(Self {
            all,
            ignore_error,
            failed: false,
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Takes in the output of one record.
    pub(crate) fn add(&mut self, fields: &[(Cow<'_, str>, &RawValue)]) {
        for aggregate in &mut self.all {
            let value = fields.iter().find(|(name, _)| name == aggregate.output);
            let Some(number) =
                value.and_then(|(_, value)| serde_json::from_str::<f64>(value.get()).ok())
            else {
                continue;
            };
            aggregate.count += 1;
            aggregate.sum += number;
            aggregate.min = aggregate.min.min(number);
            aggregate.max = aggregate.max.max(number);
        }
    }

    /// Notes that a record failed.
    pub(crate) fn failed(&mut self) {
        self.failed = true;
    }

    /// Writes `[[names],[values]]`, or `[[]]` if nothing was asked for.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        if self.all.is_empty() {
            out.extend_from_slice(b"[[]]");
            return;
        }
        let names: Vec<&str> = self.all.iter().map(|aggregate| aggregate.output).collect();
        let void = self.failed && !self.ignore_error;
        let values: Vec<Value> = self
            .all
            .iter()
            .map(|aggregate| {
                if void {
                    Value::Real(None)
                } else {
                    aggregate.value()
                }
            })
            .collect();
        // Texts and numbers always serialise, and a Vec takes all that is written.
        let _ = serde_json::to_writer(out, &(names, values));
    }
}

#[derive(serde::Serialize)]
#[serde(untagged)]
enum Value {
    Whole(u64),
    Real(Option<f64>),
}

impl Aggregate<'_> {
    fn value(&self) -> Value {
        let some = |number: f64| Value::Real((self.count > 0).then_some(number));
        match self.operator {
            Operator::Count => Value::Whole(self.count),
            Operator::Sum => Value::Real(Some(self.sum)),
            Operator::Average => some(self.sum / self.count as f64),
            Operator::Min => some(self.min),
            Operator::Max => some(self.max),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(operators: &[&str]) -> Vec<Object<wire::Aggregation>> {
        operators
            .iter()
            .map(|operator| {
                Object(wire::Aggregation {
                    output_name: "v".to_owned(),
                    operator: (*operator).to_owned(),
                })
            })
            .collect()
    }

    fn run(operators: &[&str], values: &[&str], failed: bool, ignore_error: bool) -> String {
        let asked = asked(operators);
        let mut aggregates = Aggregates::new(&asked, ignore_error).unwrap();
        for value in values {
            let value: &RawValue = serde_json::from_str(value).unwrap();
            aggregates.add(&[("v".into(), value)]);
        }
        if failed {
            aggregates.failed();
        }
        let mut out = Vec::new();
        aggregates.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_operator() {
        let all = ["SUM", "count", "AVERAGE", "Mean", "MIN", "max"];
        assert_eq!(
            run(&all, &["1", "2.5", "\"no number\"", "-3"], false, false),
            r#"[["v","v","v","v","v","v"],[0.5,3,0.16666666666666666,0.16666666666666666,-3.0,2.5]]"#
        );
        assert_eq!(
            run(&all, &[], false, false),
            r#"[["v","v","v","v","v","v"],[0.0,0,null,null,null,null]]"#
        );
        assert_eq!(run(&[], &["1"], false, false), "[[]]");
    }

    #[test]
    fn a_failed_record_voids_the_aggregates_unless_errors_are_ignored() {
        assert_eq!(run(&["SUM"], &["1", "2"], true, false), r#"[["v"],[null]]"#);
        assert_eq!(run(&["SUM"], &["1", "2"], true, true), r#"[["v"],[3.0]]"#);
    }

    #[test]
    fn an_unknown_operator_is_named() {
        let asked = asked(&["SUM", "MEDIAN"]);
        let problem = Aggregates::new(&asked, false).unwrap_err();
        assert!(
            problem.contains("aggregation[1].operator: \"MEDIAN\""),
            "{problem}"
        );
    }
}
