//! Properties of chunks, however they are cut and whatever the records are made of.

use proptest::prelude::*;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::*;
use crate::records::{ExtraCells, Layout, MissingCells};

#[derive(Serialize)]
struct Policy {
    age: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    smoker: Option<bool>,
    term: u8,
}

fn all(chunker: &Chunker, records: &[Value]) -> Result<Vec<Chunk>> {
    chunker.chunks(records).collect()
}

/// The records of chunks as objects again, and their number, which has to be what each chunk says.
fn read_back(chunks: &[Chunk]) -> Vec<Map<String, Value>> {
    let mut records = Vec::new();
    for chunk in chunks {
        let rows: Vec<Vec<Value>> = serde_json::from_str(chunk.inputs()).unwrap();
        let (header, rows) = rows.split_first().unwrap();
        assert_eq!(rows.len() as u64, chunk.records());
        for row in rows {
            assert_eq!(row.len(), header.len());
            let named = header
                .iter()
                .map(|name| name.as_str().unwrap().to_owned())
                .zip(row.clone());
            records.push(named.collect());
        }
    }
    records
}

fn sizes(chunks: &[Chunk]) -> Vec<u64> {
    chunks.iter().map(Chunk::records).collect()
}

/// Records with the same columns, each in an order of its own.
fn shuffled_records() -> impl Strategy<Value = Vec<Value>> {
    let value = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| if number.is_finite() {
            json!(number)
        } else {
            Value::Null
        }),
        ".{0,12}".prop_map(Value::from),
        Just(json!({"nested": [1, null, {"b": "c"}]})),
    ];
    let names = prop::collection::hash_set("[a-zé\"]{1,4}", 1..6);
    let record = names.prop_flat_map(move |names| {
        let names: Vec<String> = names.into_iter().collect();
        let cells = prop::collection::vec(value.clone(), names.len());
        let order = Just(names).prop_shuffle();
        prop::collection::vec((order, cells), 1..40)
    });
    record.prop_map(|records| {
        let object = |(names, cells): (Vec<String>, Vec<Value>)| {
            // serde_json's map sorts its keys; a list of pairs keeps their order until it is text.
            let pairs: Vec<String> = names
                .iter()
                .zip(cells)
                .map(|(name, cell)| format!("{}:{cell}", json!(name)))
                .collect();
            Value::String(format!("{{{}}}", pairs.join(",")))
        };
        records.into_iter().map(object).collect()
    })
}

proptest! {
    #[test]
    fn records_survive_whatever_their_order_and_the_size_of_chunks(
        texts in shuffled_records(), size in 1usize..12, kind in 0..3,
    ) {
        let raw = |text: &Value| RawValue::from_string(text.as_str().unwrap().to_owned()).unwrap();
        let raw: Vec<Box<RawValue>> = texts.iter().map(raw).collect();
        let sent = raw.iter().map(|record| serde_json::from_str(record.get()).unwrap());
        let sent: Vec<Map<String, Value>> = sent.collect();
        let chunker = match kind {
            0 => Chunker::new().chunk_size(size),
            1 => Chunker::new().chunk_count(size),
            _ => Chunker::new().chunk_bytes(size * 40),
        };
        let from_raw: Vec<Chunk> = chunker.chunks(&raw).collect::<Result<_>>().unwrap();
        let from_maps: Vec<Chunk> = chunker.chunks(&sent).collect::<Result<_>>().unwrap();
        prop_assert_eq!(&read_back(&from_raw), &sent);
        prop_assert_eq!(&read_back(&from_maps), &sent);
        prop_assert!(from_raw.iter().all(|chunk| chunk.records() > 0));
        let sizes = sizes(&from_raw);
        let (least, most) = (sizes.iter().min(), sizes.iter().max());
        match kind {
            0 => prop_assert_eq!(from_raw.len(), sent.len().div_ceil(size)),
            1 => {
                prop_assert_eq!(from_raw.len(), size.min(sent.len()));
                prop_assert!(most.unwrap() - least.unwrap() <= 1);
            }
            _ => {
                let limit = (size * 40) as u64;
                let fits = |chunk: &Chunk| chunk.records() == 1 || chunk.input_bytes() <= limit;
                prop_assert!(from_raw.iter().all(fits));
            }
        }
    }
}

#[test]
fn a_header_is_not_a_record() {
    // The official SDKs make chunks of 200, 200 and none of this.
    let mut table = vec![json!(["a", "b"])];
    table.extend((0..400).map(|n| json!([n, -n])));
    assert_eq!(sizes(&all(&Chunker::new(), &table).unwrap()), [200, 200]);
    assert_eq!(
        sizes(&all(&Chunker::new().chunk_count(3), &table).unwrap()),
        [134, 133, 133]
    );
    assert_eq!(all(&Chunker::new(), &table[..1]).unwrap().len(), 0);
    let error = Chunk::new(&table[..1]).unwrap_err();
    assert!(error.to_string().contains("no records"));
}

#[test]
fn sizes_are_as_asked() {
    let records: Vec<Value> = (0..10).map(|n| json!({"n": n})).collect();
    let of = |chunker: Chunker| sizes(&all(&chunker, &records).unwrap());
    assert_eq!(of(Chunker::new()), [10]);
    assert_eq!(of(Chunker::new().chunk_size(4)), [4, 4, 2]);
    assert_eq!(of(Chunker::new().chunk_size(5)), [5, 5]);
    assert_eq!(of(Chunker::new().chunk_count(4)), [3, 3, 2, 2]);
    assert_eq!(of(Chunker::new().chunk_count(99)), [1; 10]);
    // `[["n"],[0],[1]]` has 15 bytes.
    assert_eq!(of(Chunker::new().chunk_bytes(15)), [2; 5]);
    assert_eq!(of(Chunker::new().chunk_bytes(14)), [1; 10]);
    assert_eq!(of(Chunker::new().chunk_bytes(1)), [1; 10]);
    assert_eq!(of(Chunker::new().chunk_bytes(usize::MAX)), [10]);
}

#[test]
fn wrong_settings_are_reported_before_anything_is_read() {
    let wrong = [
        (Chunker::new().chunk_size(0), "chunk_size is 0"),
        (Chunker::new().chunk_count(0), "chunk_count is 0"),
        (Chunker::new().chunk_bytes(0), "chunk_bytes is 0"),
        (Chunker::new().columns([""; 0]), "no columns"),
        (
            Chunker::new().columns(["a", "a"]),
            "column `a` is there twice",
        ),
        (
            Chunker::new().parameters(&[1]),
            "parameters have to be a struct or a map",
        ),
        (
            Chunker::new().parameters(&json!({"a": 1})).chunk_count(3),
            "knows the number of its records",
        ),
    ];
    for (chunker, message) in wrong {
        let endless = std::iter::repeat_with(|| -> Value { panic!("nothing may be read") });
        let mut chunks = chunker.chunks(endless);
        let error = chunks.next().unwrap().unwrap_err();
        assert_eq!(error.kind(), crate::error::ErrorKind::Input);
        assert!(error.to_string().contains(message), "{error}");
        assert!(chunks.next().is_none());
    }
}

#[test]
fn records_that_don_t_fit_are_named() {
    let good = json!({"a": 1, "b": 2});
    let wrong = [
        (json!({"a": 1}), "record 1: it lacks column `b`"),
        (json!({"b": 1}), "record 1: it lacks column `a`"),
        (
            json!({"a": 1, "b": 2, "c": 3}),
            "record 1: it has `c`, which is not among the columns",
        ),
        (json!([1]), "record 1: it has 1 cells for 2 columns"),
        (
            json!([1, 2, 3]),
            "record 1: it has more cells than the 2 columns",
        ),
        (
            json!(7),
            "record 1: a record is a struct, a map or a row of cells, not a number",
        ),
        (
            json!("a"),
            "record 1: a record is a struct, a map or a row of cells, not a string",
        ),
        (
            Value::Null,
            "record 1: a record is a struct, a map or a row of cells, not nothing",
        ),
    ];
    for (record, message) in wrong {
        let error = all(&Chunker::new(), &[good.clone(), record]).unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
    }
    // A row is not a record that lacks cells, even if it has none.
    let lenient = Chunker::new().missing_cells(MissingCells::Null);
    let error = all(&lenient, &[good.clone(), json!([])]).unwrap_err();
    assert!(
        error.to_string().contains("it has 0 cells for 2 columns"),
        "{error}"
    );
    let error = Chunk::new([[("a", f64::NAN)]
        .into_iter()
        .collect::<std::collections::HashMap<_, _>>()])
    .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("record 0: column `a`: NaN cannot be represented in JSON"),
        "{error}"
    );
    let twice = RawValue::from_string(r#"{"a": 1, "b": 2, "a": 3}"#.to_owned()).unwrap();
    let good = serde_json::value::to_raw_value(&good).unwrap();
    let error = Chunk::new([good, twice]).unwrap_err();
    assert!(
        error.to_string().contains("record 1: it has `a` twice"),
        "{error}"
    );
    let error = Chunk::new([[1, 2]]).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("the columns of rows have to be named"),
        "{error}"
    );
    let keys = std::collections::BTreeMap::from([(1, 2)]);
    let error = Chunk::new([keys]).unwrap_err();
    assert!(error.to_string().contains("a record"), "{error}");
    let keys = std::collections::BTreeMap::from([([(); 0], 2)]);
    let error = Chunk::new([keys]).unwrap_err();
    assert!(error.to_string().contains("have to be strings"), "{error}");
}

#[test]
fn rules_for_missing_and_extra_cells() {
    let records = [
        json!({"a": 1, "b": 2}),
        json!({"b": 3}),
        json!({"c": 4, "b": 5, "a": 6}),
    ];
    let lenient = Chunker::new()
        .missing_cells(MissingCells::Null)
        .extra_cells(ExtraCells::Drop);
    let inputs = |chunker: Chunker| all(&chunker, &records).unwrap()[0].inputs().to_owned();
    assert_eq!(
        inputs(lenient.clone()),
        r#"[["a","b"],[1,2],[null,3],[6,5]]"#
    );
    let columns = lenient.columns(["c", "b", "d"]);
    assert_eq!(
        inputs(columns),
        r#"[["c","b","d"],[null,2,null],[null,3,null],[4,5,null]]"#
    );
}

#[test]
fn a_struct_that_skips_a_field_has_its_column_all_the_same() {
    let policy = |smoker| Policy {
        age: 40,
        smoker,
        term: 20,
    };
    let chunk = Chunk::new([policy(None), policy(Some(true)), policy(None)]).unwrap();
    assert_eq!(
        chunk.inputs(),
        r#"[["age","smoker","term"],[40,null,20],[40,true,20],[40,null,20]]"#
    );
}

#[test]
fn a_record_may_be_of_a_type_that_holds_itself() {
    #[derive(Serialize)]
    struct Rider {
        premium: f64,
        inner: Option<Box<Rider>>,
    }
    let inner = |inner| {
        Some(Box::new(Rider {
            premium: 1.0,
            inner,
        }))
    };
    let chunk = Chunk::new([Rider {
        premium: 0.5,
        inner: inner(inner(None)),
    }])
    .unwrap();
    assert_eq!(
        chunk.inputs(),
        r#"[["premium","inner"],[0.5,{"premium":1.0,"inner":{"premium":1.0,"inner":null}}]]"#
    );
}

#[test]
fn objects_stay_as_they_are() {
    let chunker = Chunker::new().layout(Layout::Objects);
    let records = [json!({"a": 1}), json!({"b": {"c": [2]}})];
    let chunks = all(&chunker.clone().chunk_bytes(10), &records).unwrap();
    assert_eq!(chunks[0].inputs(), r#"[{"a":1}]"#);
    assert_eq!(chunks[1].inputs(), r#"[{"b":{"c":[2]}}]"#);
    let error = all(&chunker, &[json!({"a": 1}), json!([1])]).unwrap_err();
    assert!(
        error.to_string().contains("record 1: it is not an object"),
        "{error}"
    );
}

#[test]
fn ids_are_unique() {
    let records: Vec<Value> = (0..50).map(|n| json!({"n": n})).collect();
    let chunks = all(&Chunker::new().chunk_size(1), &records).unwrap();
    let ids: std::collections::HashSet<&str> = chunks.iter().map(Chunk::id).collect();
    assert_eq!(ids.len(), 50);
}

#[test]
fn a_body_is_what_the_generated_types_would_write() {
    let summary = types::SummaryRequest {
        aggregation: vec![types::Aggregation {
            operator: "SUM".into(),
            output_name: "null".to_owned(),
        }],
        ignore_error: Some(false),
        return_all_records: None,
    };
    let chunks: Vec<Chunk> = Chunker::new()
        .chunk_size(2)
        .parameters(&json!({"null": null}))
        .summary(summary)
        .chunks([json!({"a": null}), json!({"a": "null"}), json!({"a": 1.0})])
        .map(|chunk| chunk.unwrap().with_id("null"))
        .collect();
    let body = push_body(chunks.iter()).unwrap();
    let read: types::PushRequest<Box<RawValue>> = serde_json::from_slice(&body).unwrap();
    assert_eq!(serde_json::to_vec(&read).unwrap(), body);
    assert_eq!(read.chunks.len(), 2);
    assert_eq!(
        read.chunks[0].data.inputs.get(),
        r#"[["a"],[null],["null"]]"#
    );
    assert_eq!(read.chunks[1].data.inputs.get(), r#"[["a"],[1.0]]"#);
    assert_eq!(read.chunks[1].size.get(), 1);
}
