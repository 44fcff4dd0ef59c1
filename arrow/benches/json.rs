//! What this crate's own reader and writer of numbers save beside arrow-json alone, with the same
//! record batches and the same outputs.
//!
//! `cargo bench -p cspark-batches-arrow`. Only ratios within one run mean something: times depend on
//! the machine.

#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "a benchmark that can't go on has failed; the modules are those of the crate"
)]

#[path = "../src/cells.rs"]
mod cells;
#[path = "../src/decode.rs"]
mod decode;
#[path = "../src/encode.rs"]
mod encode;
#[path = "../src/error.rs"]
mod error;
#[path = "../src/fit.rs"]
mod fit;
#[path = "../../benches/support/policy.rs"]
mod policy;
#[path = "../src/read.rs"]
mod read;

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray, UInt8Array, UInt16Array,
    UInt64Array,
};
use arrow_json::writer::JsonArray;
use arrow_json::{ReaderBuilder, StructMode, WriterBuilder};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use policy::policies;

const RECORDS: usize = 2_000;
const IN_A_CHUNK: usize = 200;

fn main() {
    divan::main();
}

fn batch(records: usize) -> RecordBatch {
    let rows: Vec<_> = policies().take(records).collect();
    let sexes = rows.iter().map(|row| row.sex.to_string());
    let columns: [(&str, ArrayRef); 10] = [
        (
            "policy_id",
            Arc::new(UInt64Array::from_iter_values(
                rows.iter().map(|it| it.policy_id),
            )),
        ),
        (
            "product",
            Arc::new(StringArray::from_iter_values(
                rows.iter().map(|it| it.product),
            )),
        ),
        (
            "age",
            Arc::new(UInt8Array::from_iter_values(rows.iter().map(|it| it.age))),
        ),
        ("sex", Arc::new(StringArray::from_iter_values(sexes))),
        (
            "smoker",
            Arc::new(BooleanArray::from_iter(
                rows.iter().map(|it| Some(it.smoker)),
            )),
        ),
        (
            "term",
            Arc::new(UInt16Array::from_iter_values(rows.iter().map(|it| it.term))),
        ),
        (
            "sum_assured",
            Arc::new(Float64Array::from_iter_values(
                rows.iter().map(|it| it.sum_assured),
            )),
        ),
        (
            "interest",
            Arc::new(Float64Array::from_iter_values(
                rows.iter().map(|it| it.interest),
            )),
        ),
        (
            "loading",
            Arc::new(Float64Array::from_iter(rows.iter().map(|it| it.loading))),
        ),
        (
            "issued",
            Arc::new(StringArray::from_iter_values(
                rows.iter().map(|it| it.issued),
            )),
        ),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

/// The rows of a batch as text.
mod write {
    use super::*;

    #[divan::bench]
    fn ours(bencher: Bencher) {
        let batch = batch(RECORDS);
        let mut encoder = encode::RowEncoder::new(&batch.schema(), None).unwrap();
        bencher
            .counter(ItemsCount::new(RECORDS))
            .bench_local(|| black_box(encoder.encode(&batch, 0).unwrap()).len());
    }

    #[divan::bench]
    fn arrow_json_alone(bencher: Bencher) {
        let batch = batch(RECORDS);
        bencher.counter(ItemsCount::new(RECORDS)).bench_local(|| {
            let mut writer = WriterBuilder::new()
                .with_explicit_nulls(true)
                .with_struct_mode(StructMode::ListOnly)
                .build::<_, JsonArray>(Vec::new());
            writer.write(&batch).unwrap();
            writer.finish().unwrap();
            black_box(writer.into_inner()).len()
        });
    }
}

/// The outputs of a chunk as columns.
mod read_outputs {
    use super::*;

    /// As a service returns them.
    fn outputs() -> (RecordBatch, String) {
        let batch = batch(IN_A_CHUNK);
        let mut writer = WriterBuilder::new()
            .with_explicit_nulls(true)
            .build::<_, JsonArray>(Vec::new());
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
        (batch, String::from_utf8(writer.into_inner()).unwrap())
    }

    #[divan::bench]
    fn ours(bencher: Bencher) {
        let (batch, json) = outputs();
        let schema = batch.schema();
        bencher
            .counter(ItemsCount::new(IN_A_CHUNK))
            .bench_local(|| {
                let read = read::read(schema.fields(), false, &json, IN_A_CHUNK).unwrap();
                assert_eq!(read.rows.len(), IN_A_CHUNK);
                black_box(read.columns)
            });
    }

    /// It takes objects without the list around them.
    #[divan::bench]
    fn arrow_json_alone(bencher: Bencher) {
        let (batch, json) = outputs();
        let objects = json[1..json.len() - 1].replace("},{", "}\n{");
        bencher
            .counter(ItemsCount::new(IN_A_CHUNK))
            .bench_local(|| {
                let reader = ReaderBuilder::new(batch.schema()).with_batch_size(IN_A_CHUNK);
                let mut decoder = reader.build_decoder().unwrap();
                decoder.decode(objects.as_bytes()).unwrap();
                let read = decoder.flush().unwrap().unwrap();
                assert_eq!(read.num_rows(), IN_A_CHUNK);
                black_box(read)
            });
    }
}
