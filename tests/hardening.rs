//! Odd, deep and huge input from outside: no panic, no stack overflow, no more work than its size
//! asks for, and a clear error.

#[path = "support/checks/mod.rs"]
mod checks;

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::fmt;

use cspark_batches::raw::types;
use cspark_batches::{Chunk, Chunker, Error, Outputs, Pulled, ServiceUri};
use proptest::prelude::*;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

const LOCATORS: &[&str] = &[
    "my-folder/my-service[0.4.2]",
    "/folders/my folder/services/volume cylinder[1]",
    "service/6c6fe5ba-9c38-4a4e-a1ea-b56e8f0d7a5b",
    "version/6c6fe5ba-9c38-4a4e-a1ea-b56e8f0d7a5b",
    "proxy/my/endpoint",
];
const SETTINGS: &[&str] = &[
    "https://spark.uat.us.coherent.global/my-tenant/apps",
    "http://localhost:1234/My-Tenant",
    "http://10.0.0.1\nt\n\n\ninsecure",
    "\nmy-tenant\nuat.us",
    "https://me:s3cret-s3cret@excel.us.coherent.global/t?q#f",
    // Issued by https://keycloak.us.coherent.global/auth/realms/t.
    "\n\n\ne30.eyJpc3MiOiJodHRwczovL2tleWNsb2FrLnVzLmNvaGVyZW50Lmdsb2JhbC9hdXRoL3JlYWxtcy90In0.c2ln",
];
const CHUNKS: &[&str] = &[
    r#"{"chunks":[{"id":"a","size":2,"data":{"inputs":[["r","h"],[1,4.20],[3e0,null]],"parameters":{"p":1e5},"summary":{"aggregation":[{"output_name":"v","operator":"SUM"}]}}}]}"#,
    r#"[{"data":{"inputs":[{"a":1},{"b":[null,"\ud83d\ude00"]}]}},{"id":"b","data":{"inputs":[["a"],[12345678901234567890123]]}}]"#,
    r#" {"id":null,"size":null,"data":{"summary":null,"parameters":null,"inputs":[["a"],["]"]]}} "#,
];
const OUTPUTS: &[&str] = &[
    r#"[["premium","years"],[1.5,3],null,[2.0,null]]"#,
    r#"[{"premium":1.5,"years":3,"name":"x"},null,{"premium":2e0,"years":7,"name":"\u0000"}]"#,
    r#"[["a","b"],[[1,2],{"a":[]}],["x",-0.0]]"#,
];
const PULLED: &[&str] = &[
    r#"{"data":[{"id":"x","outputs":[["premium","years"],[1.5,3],null,[2.0,null]],"warnings":[null,null,"old"],"errors":[null,{"message":"no"},null],"process_time":[1,0.5,null]}],"status":{"batch_status":"in_progress"}}"#,
    r#"{"data":[{"outputs":[{"premium":12345678901234567890.5,"name":"a"},{},{"premium":1e-7}],"errors":[null,"DIV/0",null]},{"id":"y","outputs":null}]}"#,
    r#"{"data":[{"outputs":[["premium"],[1],["x"],7,[],{}],"errors":[null,"a","b","c","d"]}]}"#,
    r#"{"batch_status":"completed","chunks_available":0,"records_completed":1e5,"input_buffer_remaining_bytes":-1}"#,
];
const ANSWERS: &[&str] = &[
    r#"{"recent_batches":[{"id":"u","data":{"pipeline_status":"closed","summary":{"records_submitted":123,"compute_time_ms":13.5},"created_timestamp":"1970-12-03T04:56:12.186Z"}}],"tenant":{"status":{"workers_in_use":0}},"environment":{"update":123}}"#,
    r#"{"object":"batch","id":"u","meta":{"configuration":{"acceptable_error_percentage":5},"unique_record_key":null,"batch_status":"odd"}}"#,
    r#"{"service":"f/s[1]","call_purpose":"Demo","max_workers":3,"version_by_timestamp":"2020-01-01T00:00:00Z"}"#,
    r#"{"batch_status":"closed","records_submitted":7.0,"compute_time_ms":1e3}"#,
    "-009999-01-02T01:59:59.999999999-23:59",
    r#""1970-12-03T04:56:12.186+02:00""#,
];

/// Texts that the edits insert in random places.
const ODD: &[&str] = &[
    "",
    "/",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "\"",
    "\\",
    "\n",
    " ",
    "\0",
    "%2e",
    "..",
    "@",
    "#",
    "é",
    "\u{2028}",
    "null",
    "{}",
    "[]",
    "0",
    "-1",
    "1.0",
    "1e400",
    "18446744073709551616",
    "\\ud800",
    "\"a\"",
    "\"premium\":",
    "xn--",
    "folders/",
];

/// One of the samples after a few edits.
fn edited(samples: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let edit = (
        any::<prop::sample::Index>(),
        0usize..4,
        prop::sample::select(ODD),
    );
    let edits = prop::collection::vec(edit, 0..4);
    (prop::sample::select(samples), edits).prop_map(|(sample, edits)| {
        let mut text = sample.as_bytes().to_vec();
        for (at, removed, odd) in edits {
            let at = at.index(text.len() + 1);
            let end = (at + removed).min(text.len());
            text.splice(at..end, odd.bytes());
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn locators_hold(text in edited(LOCATORS)) {
        checks::service_uri(&text);
    }

    #[test]
    fn settings_hold(text in edited(SETTINGS)) {
        checks::settings(&text);
    }

    #[test]
    fn chunks_hold(json in edited(CHUNKS)) {
        checks::chunk_json(&json);
    }

    #[test]
    fn outputs_hold(json in edited(OUTPUTS)) {
        checks::outputs(&json);
    }

    #[test]
    fn pulled_results_hold(json in edited(PULLED)) {
        checks::pulled(&json);
    }

    #[test]
    fn answers_hold(json in edited(ANSWERS)) {
        checks::answers(&json);
    }

    #[test]
    fn tables_hold(bytes in prop::collection::vec(any::<u8>(), 0..1000)) {
        checks::tables(&bytes);
    }
}

/// Runs on a stack of the usual size, whatever the test runner's is.
fn on_a_usual_stack(test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(test);
    thread.expect("a thread").join().expect("the test holds");
}

fn nested(open: &str, close: &str) -> String {
    const DEPTH: usize = 50_000;
    format!("{}{}", open.repeat(DEPTH), close.repeat(DEPTH))
}

fn in_a_pull(cell: &str) -> String {
    format!(r#"{{"data":[{{"outputs":[["a"],[{cell}]]}}],"status":{{}},"later":{cell}}}"#)
}

fn raw(json: String) -> Box<RawValue> {
    RawValue::from_string(json).expect("it is JSON")
}

fn bounded(error: Error) -> String {
    let shown = error.to_string();
    assert!(
        shown.len() < 5_000 && shown.lines().count() == 1,
        "{} bytes",
        shown.len()
    );
    shown
}

#[test]
fn deep_json_needs_no_deep_stack() {
    on_a_usual_stack(|| {
        for deep in [nested("[{\"a\":", "}]"), nested("{\"a\":[", "")] {
            let inputs =
                format!(r#"{{"data":{{"inputs":[["a"],[{deep}]],"parameters":{{"a":{deep}}}}}}}"#);
            checks::chunk_json(deep.as_bytes());
            checks::chunk_json(inputs.as_bytes());
            checks::outputs(deep.as_bytes());
            checks::outputs(format!(r#"[["a"],[{deep}]]"#).as_bytes());
            checks::pulled(deep.as_bytes());
            checks::pulled(in_a_pull(&deep).as_bytes());
            checks::answers(deep.as_bytes());
            checks::answers(in_a_pull(&deep).as_bytes());
        }
    });
}

#[test]
fn deep_json_passes_where_it_is_not_looked_into() {
    on_a_usual_stack(|| {
        let deep = nested("[", "]");
        let chunks = Chunk::parse(format!(r#"{{"data":{{"inputs":[["a"],[{deep}]]}}}}"#))
            .expect("inputs are not read");
        assert_eq!(chunks[0].inputs(), format!(r#"[["a"],[{deep}]]"#));

        let record = BTreeMap::from([("a", raw(deep.clone()))]);
        let chunk = Chunk::new([&record]).expect("raw JSON is not read");
        assert_eq!(chunk.inputs(), format!(r#"[["a"],[{deep}]]"#));
        let chunk = Chunk::new([raw(format!(r#"{{"a":{deep}}}"#))]).expect("raw JSON is not read");
        assert_eq!(chunk.inputs(), format!(r#"[["a"],[{deep}]]"#));

        let response = in_a_pull(&deep);
        let pulled = Pulled::<BTreeMap<String, Box<RawValue>>>::parse(response.as_bytes())
            .expect("raw JSON is not read");
        let outputs = pulled.chunks[0].outputs.as_ref().expect("outputs");
        assert_eq!(
            outputs.as_slice()[0].as_ref().expect("an output")["a"].get(),
            deep
        );
        let error = Pulled::<Value>::parse(response.as_bytes()).expect_err("values are read");
        assert!(bounded(error).contains("recursion limit"));

        let status = format!(r#"{{"chunks_available":3,"later":{deep}}}"#);
        let status: types::Status =
            serde_json::from_str(&status).expect("unknown fields are not read");
        assert_eq!(status.chunks_available, Some(3));
    });
}

#[test]
fn a_long_text_passes_and_its_errors_are_short() {
    let long = "x".repeat(50_000_000);
    let chunks =
        Chunk::parse(format!(r#"{{"data":{{"inputs":[["a"],["{long}"]]}}}}"#)).expect("a chunk");
    assert_eq!(
        chunks[0].input_bytes(),
        50_000_000 + r#"[["a"],[""]]"#.len() as u64
    );
    let outputs: Outputs<(String,)> = serde_json::from_str(chunks[0].inputs()).expect("outputs");
    assert_eq!(
        outputs.as_slice()[0].as_ref().map(|(text,)| text.len()),
        Some(long.len())
    );

    // Shorter, since these pass over the text more than once.
    let long = "x".repeat(1_000_000);
    let parameters = format!(r#"{{"data":{{"inputs":[["a"],[1]],"parameters":"{long}"}}}}"#);
    assert!(
        bounded(Chunk::parse(parameters).expect_err("no object")).contains("has to be an object")
    );
    let unknown = format!(r#"{{"data":{{"inputs":[["a"],[1]]}},"{long}":1}}"#);
    assert!(bounded(Chunk::parse(unknown).expect_err("unknown")).contains("unknown field"));
    bounded(long.parse::<ServiceUri>().expect_err("one segment"));
    let response = in_a_pull(&format!("\"{long}\""));
    let error = Pulled::<(f64,)>::parse(response.as_bytes()).expect_err("no number");
    assert!(bounded(error).contains("data[0].outputs[0]"));
}

#[test]
fn a_long_number_keeps_its_digits() {
    let long = format!("0.{}", "123456789".repeat(111_112));
    let chunk = Chunk::new([raw(format!(r#"{{"a":{long}}}"#))]).expect("a chunk");
    assert_eq!(chunk.inputs(), format!(r#"[["a"],[{long}]]"#));
    assert_eq!(
        Chunk::parse(format!(r#"{{"data":{{"inputs":{}}}}}"#, chunk.inputs())).expect("the same")
            [0]
        .inputs(),
        chunk.inputs()
    );
    let digits: Outputs<BTreeMap<String, Box<RawValue>>> =
        serde_json::from_str(chunk.inputs()).expect("outputs");
    assert_eq!(
        digits.as_slice()[0].as_ref().expect("an output")["a"].get(),
        long
    );
    let number: Outputs<(f64,)> = serde_json::from_str(chunk.inputs()).expect("outputs");
    assert_eq!(number.as_slice(), [Some((0.123_456_789_123_456_78,))]);

    let large = "9".repeat(1_000_000);
    let error = Pulled::<(f64,)>::parse(in_a_pull(&large).as_bytes()).expect_err("no f64 holds it");
    assert!(bounded(error).contains("out of range"));
    let status: Result<types::Status, _> =
        serde_json::from_str(&format!(r#"{{"chunks_available":{large}}}"#));
    assert!(status.is_err_and(|error| error.to_string().len() < 1_000));
}

thread_local! {
    static TOUCHED: Cell<usize> = const { Cell::new(0) };
}

/// A cell that counts how often it is written or read.
struct Counted;

impl Serialize for Counted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        TOUCHED.set(TOUCHED.get() + 1);
        serializer.serialize_u8(7)
    }
}

impl<'de> Deserialize<'de> for Counted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        TOUCHED.set(TOUCHED.get() + 1);
        u8::deserialize(deserializer).map(|_| Self)
    }
}

const COLUMNS: usize = 200_000;

/// A record with many columns, in the order of their names or backwards.
struct Wide {
    backwards: bool,
}

impl Serialize for Wide {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let place = |n| if self.backwards { COLUMNS - 1 - n } else { n };
        serializer.collect_map((0..COLUMNS).map(|n| (place(n).to_string(), Counted)))
    }
}

impl<'de> Deserialize<'de> for Wide {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Cells;
        impl<'de> Visitor<'de> for Cells {
            type Value = Wide;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("many cells")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut cells: A) -> Result<Wide, A::Error> {
                while cells.next_entry::<IgnoredAny, Counted>()?.is_some() {}
                Ok(Wide { backwards: false })
            }
        }
        deserializer.deserialize_map(Cells)
    }
}

#[test]
fn each_cell_is_written_once_and_read_once_however_many_columns_there_are() {
    let records = [false, true].map(|backwards| Wide { backwards });
    let chunk = Chunk::new(records).expect("a chunk");
    assert_eq!(TOUCHED.replace(0), 2 * COLUMNS);
    let names: usize = (0..COLUMNS).map(|n| n.to_string().len() + 3).sum();
    // Two rows of digits and commas, and the brackets.
    assert_eq!(chunk.inputs().len(), names + 4 * COLUMNS + 7);

    // An output that no type can decode costs another pass over its own chunk, and over no other.
    let odd = r#"{"outputs":[["a"],7],"errors":["no"]}"#;
    let inputs = chunk.inputs();
    let response = format!(r#"{{"data":[{{"outputs":{inputs}}},{odd}]}}"#);
    let pulled = Pulled::<Wide>::parse(response.as_bytes()).expect("a response");
    assert_eq!(pulled.chunks.len(), 2);
    assert_eq!(TOUCHED.replace(0), 2 * COLUMNS);
}

#[test]
fn each_record_is_written_once_however_chunks_are_cut() {
    const RECORDS: usize = 20_000;
    let chunkers = [
        Chunker::new().chunk_size(1),
        Chunker::new().chunk_size(RECORDS),
        Chunker::new().chunk_count(RECORDS),
        Chunker::new().chunk_bytes(1),
        Chunker::new().chunk_bytes(100),
        Chunker::new().chunk_bytes(usize::MAX),
    ];
    for chunker in chunkers {
        let records = (0..RECORDS).map(|_| HashMap::from([("a", Counted)]));
        let chunks: Result<Vec<Chunk>, Error> = chunker.chunks(records).collect();
        let chunks = chunks.expect("chunks");
        assert_eq!(
            chunks.iter().map(Chunk::records).sum::<u64>(),
            RECORDS as u64
        );
        assert_eq!(TOUCHED.replace(0), RECORDS);
    }
}
