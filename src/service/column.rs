//! The columns of a service, and their comparison.

use std::borrow::Cow;
use std::fmt;

use super::cell::is_excel_error;
use crate::raw::types::{ServiceColumn, ServiceSchema};

/// An input or output of a service.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Column {
    name: Cow<'static, str>,
    kind: ColumnKind,
}

impl Column {
    /// A column by its name on the wire.
    #[must_use]
    pub const fn new(name: &'static str, kind: ColumnKind) -> Self {
        Self {
            name: Cow::Borrowed(name),
            kind,
        }
    }

    /// A column whose name is known at run time only.
    #[must_use]
    pub fn owned(name: impl Into<String>, kind: ColumnKind) -> Self {
        Self {
            name: Cow::Owned(name.into()),
            kind,
        }
    }

    /// The name on the wire.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The kind of its values.
    #[must_use]
    pub fn kind(&self) -> ColumnKind {
        self.kind
    }
}

/// The kind of a column's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ColumnKind {
    /// Numbers.
    Number,
    /// Texts.
    Text,
    /// Booleans.
    Boolean,
    /// Tables: lists of rows.
    Table,
    /// Not known, which agrees with every other kind.
    Any,
}

impl ColumnKind {
    fn agrees_with(self, other: Self) -> bool {
        self == other || self == Self::Any || other == Self::Any
    }
}

impl fmt::Display for ColumnKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Number => "number",
            Self::Text => "text",
            Self::Boolean => "boolean",
            Self::Table => "table",
            Self::Any => "any",
        })
    }
}

/// The inputs and outputs of a service, or those that a program sends and reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    inputs: Vec<Column>,
    outputs: Vec<Column>,
}

impl Columns {
    /// These inputs and outputs.
    #[must_use]
    pub fn new(
        inputs: impl IntoIterator<Item = Column>,
        outputs: impl IntoIterator<Item = Column>,
    ) -> Self {
        Self {
            inputs: inputs.into_iter().collect(),
            outputs: outputs.into_iter().collect(),
        }
    }

    /// The columns in the schema of a service.
    #[must_use]
    pub fn of_schema(schema: &ServiceSchema) -> Self {
        let columns = |columns: &Option<Vec<ServiceColumn>>, is_input: bool| {
            let columns = columns.iter().flatten();
            columns.filter_map(|it| column(it, is_input)).collect()
        };
        Self {
            inputs: columns(&schema.xl_inputs, true),
            outputs: columns(&schema.x_output, false),
        }
    }

    /// The inputs.
    #[must_use]
    pub fn inputs(&self) -> &[Column] {
        &self.inputs
    }

    /// The outputs.
    #[must_use]
    pub fn outputs(&self) -> &[Column] {
        &self.outputs
    }

    /// A number that differs between different columns, the same on every machine and in every
    /// version of this crate. Their order does not matter.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let fingerprint = |side: &str, columns: &[Column]| {
            let column = |column: &Column| {
                // FNV-1a, whose result does not change between versions of Rust.
                let text = format!("{side}\0{}\0{}", column.name, column.kind);
                text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                    (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
                })
            };
            columns.iter().map(column).fold(0_u64, u64::wrapping_add)
        };
        fingerprint("input", &self.inputs).wrapping_add(fingerprint("output", &self.outputs))
    }

    /// Compares the columns that a program uses with those that the service has.
    #[must_use]
    pub fn compare(&self, service: &Self) -> Differences {
        let mut differences = Differences::default();
        differences.compare(Side::Input, &self.inputs, &service.inputs);
        differences.compare(Side::Output, &self.outputs, &service.outputs);
        differences
    }
}

/// The column that an entry of the schema stands for. Entries without a name are none.
fn column(entry: &ServiceColumn, is_input: bool) -> Option<Column> {
    let name = entry.name.clone().filter(|name| !name.is_empty())?;
    let is_table = [entry.rows, entry.columns]
        .into_iter()
        .flatten()
        .any(|n| n > 1);
    let kind = match is_table {
        true => ColumnKind::Table,
        false => kind(entry, is_input),
    };
    Some(Column::owned(name, kind))
}

/// The kind by the workbook's value, and by the cell's format if there is none, as in the
/// generator.
fn kind(entry: &ServiceColumn, is_input: bool) -> ColumnKind {
    let format = entry
        .data_type
        .as_ref()
        .or(entry.number_format_type.as_ref());
    let format = format.map(|it| it.to_ascii_uppercase()).unwrap_or_default();
    const NUMBERS: [&str; 6] = [
        "NUMBER",
        "PERCENT",
        "CURRENCY",
        "ACCOUNT",
        "FRACTION",
        "SCIENTIFIC",
    ];
    let is_number = NUMBERS.iter().any(|prefix| format.starts_with(prefix));
    let value = entry.value.as_ref().map_or("null", |value| value.get());
    match value.as_bytes().first() {
        Some(b'-' | b'0'..=b'9') => return ColumnKind::Number,
        Some(b't' | b'f') => return ColumnKind::Boolean,
        Some(b'[' | b'{') => return ColumnKind::Any,
        Some(b'"') => {
            let text: String = serde_json::from_str(value).unwrap_or_default();
            let text = text.trim();
            if is_number && text.parse::<f64>().is_ok() {
                return ColumnKind::Number;
            }
            if !text.is_empty() && !is_excel_error(text) {
                return ColumnKind::Text;
            }
        }
        _ => {}
    }
    match format.as_str() {
        _ if is_number => ColumnKind::Number,
        _ if format.starts_with("BOOL") => ColumnKind::Boolean,
        "TEXT" if is_input => ColumnKind::Text,
        _ => ColumnKind::Any,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Input,
    Output,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Input => "input",
            Self::Output => "output",
        })
    }
}

/// The differences between the columns that a program uses and those that the service has.
///
/// Displays as one sentence for each, separated by semicolons.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences(Vec<Difference>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Difference {
    side: Side,
    name: String,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    /// The service has no such column, but perhaps one of a similar name.
    Missing(Option<String>),
    /// The program expects another kind than the service has.
    Mistyped(ColumnKind, ColumnKind),
    /// The service has a column that the program does not use.
    Added,
}

/// Names that differ by more than this are not taken for a renaming.
const LIKENESS: f64 = 0.7;

impl Differences {
    fn compare(&mut self, side: Side, used: &[Column], service: &[Column]) {
        let find = |name: &str, columns: &[Column]| {
            columns.iter().find(|column| column.name == name).cloned()
        };
        let mut added: Vec<&Column> = service
            .iter()
            .filter(|column| find(&column.name, used).is_none())
            .collect();
        for column in used {
            let what = match find(&column.name, service) {
                Some(found) if found.kind.agrees_with(column.kind) => continue,
                Some(found) => What::Mistyped(column.kind, found.kind),
                None => {
                    let likeness = |other: &Column| {
                        let [one, other] = [&column.name, &other.name].map(|it| it.to_lowercase());
                        strsim::normalized_damerau_levenshtein(&one, &other)
                            .max(strsim::jaro_winkler(&one, &other) - 0.15)
                    };
                    let scored = added.iter().enumerate();
                    let best = scored
                        .map(|(n, other)| (likeness(other), n))
                        .max_by(|one, other| one.0.total_cmp(&other.0))
                        .filter(|(likeness, _)| *likeness >= LIKENESS);
                    What::Missing(best.map(|(_, n)| added.remove(n).name.to_string()))
                }
            };
            self.0.push(Difference {
                side,
                name: column.name.to_string(),
                what,
            });
        }
        self.0.extend(added.into_iter().map(|column| Difference {
            side,
            name: column.name.to_string(),
            what: What::Added,
        }));
    }

    /// Whether there are no differences at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the program works with the service as it is: all columns that it uses are there, of
    /// the same kind. Columns that the service has in addition do no harm: inputs keep the
    /// workbook's values, outputs are not read.
    #[must_use]
    pub fn is_compatible(&self) -> bool {
        self.0
            .iter()
            .all(|difference| difference.what == What::Added)
    }
}

impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, difference) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str("; ")?;
            }
            let Difference { side, name, what } = difference;
            match what {
                What::Missing(None) => write!(f, "the service has no {side} `{name}`")?,
                What::Missing(Some(near)) => write!(
                    f,
                    "the service has no {side} `{name}`; perhaps it is now called `{near}`"
                )?,
                What::Mistyped(used, found) => write!(
                    f,
                    "{side} `{name}` has the type {found} at the service, not {used}"
                )?,
                What::Added => write!(f, "the service has the {side} `{name}` in addition")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(inputs: &[(&'static str, ColumnKind)]) -> Columns {
        Columns::new(
            inputs.iter().map(|(name, kind)| Column::new(name, *kind)),
            [],
        )
    }

    use ColumnKind::{Any, Number, Text};

    #[test]
    fn all_differences_come_at_once() {
        let used = columns(&[
            ("age", Number),
            ("sum_assured", Number),
            ("region", Text),
            ("gone", Text),
            ("unsure", Any),
        ]);
        let service = columns(&[
            ("age", Text),
            ("SumAssured", Number),
            ("region", Text),
            ("new", Number),
            ("unsure", Text),
        ]);
        let differences = used.compare(&service);
        assert!(!differences.is_compatible());
        assert_eq!(
            differences.to_string(),
            "input `age` has the type text at the service, not number; \
             the service has no input `sum_assured`; perhaps it is now called `SumAssured`; \
             the service has no input `gone`; \
             the service has the input `new` in addition"
        );
    }

    #[test]
    fn additions_do_no_harm() {
        let used = columns(&[("age", Number)]);
        let service = columns(&[("age", Number), ("new", Number)]);
        assert!(used.compare(&service).is_compatible());
        assert!(!used.compare(&service).is_empty());
        assert!(used.compare(&used).is_empty());
    }

    #[test]
    fn the_fingerprint_tells_columns_apart() {
        let one = columns(&[("age", Number), ("term", Number)]);
        let turned = columns(&[("term", Number), ("age", Number)]);
        assert_eq!(one.fingerprint(), turned.fingerprint());
        assert_ne!(one.fingerprint(), columns(&[("age", Number)]).fingerprint());
        let text = columns(&[("age", Text), ("term", Number)]);
        assert_ne!(one.fingerprint(), text.fingerprint());
        let outputs = Columns::new([], one.inputs().to_vec());
        assert_ne!(one.fingerprint(), outputs.fingerprint());
        // It must stay the same in future versions.
        assert_eq!(one.fingerprint(), 0x67b2_fc23_b4ad_274d);
    }
}
