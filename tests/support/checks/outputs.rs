use std::collections::BTreeMap;
use std::fmt::Debug;

use cspark_batches::Outputs;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

/// An output type with an alias, an optional field and a default.
#[derive(Clone, Debug, Deserialize)]
#[expect(dead_code, reason = "read by Debug")]
pub(super) struct Premium {
    premium: f64,
    #[serde(alias = "term")]
    years: Option<u64>,
    #[serde(default)]
    name: String,
}

/// An output type in which every field may be missing.
#[derive(Clone, Debug, Deserialize)]
#[expect(dead_code, reason = "read by Debug")]
pub(super) struct Open {
    premium: Option<f32>,
    years: Option<i64>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

pub(super) type Numbers = BTreeMap<String, Option<f64>>;
type Cells = BTreeMap<String, Box<RawValue>>;

/// Checks that a table and a list of objects with the same outputs give the same values.
pub(crate) fn outputs(input: &[u8]) {
    if let Ok(json) = std::str::from_utf8(input) {
        either_way::<Cells>(json);
        either_way::<Value>(json);
        either_way::<Numbers>(json);
        either_way::<Option<Premium>>(json);
    }
    let Ok(outputs) = serde_json::from_slice::<Outputs<Cells>>(input) else {
        return;
    };
    let Some(columns) = outputs.as_slice().iter().flatten().next() else {
        return;
    };
    let columns: Vec<&String> = columns.keys().collect();
    let same_columns = |cells: &Cells| cells.keys().eq(columns.iter().copied());
    // What serde_json makes of its private names depends on their position in the object.
    if columns.iter().any(|name| name.starts_with("$serde_json::")) {
        return;
    }
    // An object without names stands for a failed record.
    let comparable = !columns.is_empty() && outputs.as_slice().iter().flatten().all(same_columns);
    // serde_json limits the depth, and counts it from another place for the first object.
    if !comparable
        || input
            .iter()
            .filter(|byte| matches!(byte, b'[' | b'{'))
            .count()
            > 100
    {
        return;
    }

    let objects = json(&outputs.as_slice());
    let rows: Vec<String> = outputs
        .as_slice()
        .iter()
        .map(|output| json(&row(output)))
        .collect();
    let table = format!("[{},{}]", json(&columns), rows.join(","));

    same::<Cells>(&objects, &table);
    same::<Value>(&objects, &table);
    same::<Box<RawValue>>(&objects, &table);
    same::<Premium>(&objects, &table);
    same::<Open>(&objects, &table);
    same::<Numbers>(&objects, &table);
    same::<Option<Premium>>(&objects, &table);
    same::<BTreeMap<String, (i8, u64)>>(&objects, &table);

    // A table can be read as rows.
    let rows: Outputs<Vec<Box<RawValue>>> = serde_json::from_str(&table).expect("rows of a table");
    let expected = outputs.as_slice().iter().map(row);
    assert_eq!(
        format!("{:?}", rows.as_slice()),
        format!("{:?}", expected.collect::<Vec<_>>())
    );
}

fn row(output: &Option<Cells>) -> Option<Vec<&RawValue>> {
    output
        .as_ref()
        .map(|cells| cells.values().map(AsRef::as_ref).collect())
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("raw JSON can be written")
}

fn same<T: DeserializeOwned + Debug>(objects: &str, table: &str) {
    let (objects_read, table_read) = (either_way::<T>(objects), either_way::<T>(table));
    assert_eq!(objects_read, table_read, "{objects} and {table}");
}

/// Checks that our reader and serde_json give the same values; returns them as text.
fn either_way<T: DeserializeOwned + Debug>(json: &str) -> Option<String> {
    let shown = |outputs: Outputs<T>| format!("{:?}", outputs.as_slice());
    let theirs = serde_json::from_str(json).map(shown).ok();
    assert_eq!(Outputs::from_json(json).map(shown).ok(), theirs, "{json}");
    theirs
}
