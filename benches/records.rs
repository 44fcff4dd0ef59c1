//! Encoding records into chunks and decoding outputs, beside serde_json with the same data.
//!
//! `cargo bench --bench records`. Only ratios within one run mean something: times depend on the
//! machine.

#![allow(
    clippy::unwrap_used,
    reason = "a benchmark that can't go on has failed"
)]

#[path = "support/policy.rs"]
mod policy;

use cspark_batches::{Chunk, Chunker, Outputs, Pulled};
use divan::counter::BytesCount;
use divan::{AllocProfiler, Bencher, black_box};
use serde_json::Value;

use policy::{Policy, policies};

#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

const RECORDS: usize = 20_000;
const IN_A_CHUNK: usize = 200;

fn main() {
    divan::main();
}

fn records() -> Vec<Policy<&'static str>> {
    policies().take(RECORDS).collect()
}

/// The lines to compare with: objects instead of tables, or a tree of values on the way.
#[divan::bench_group]
mod encode {
    use super::*;

    fn bytes(records: &[Policy<&'static str>]) -> BytesCount {
        BytesCount::new(serde_json::to_vec(records).unwrap().len())
    }

    #[divan::bench]
    fn chunks_of_tables(bencher: Bencher) {
        let records = records();
        let chunker = Chunker::new().chunk_size(IN_A_CHUNK);
        bencher.counter(bytes(&records)).bench_local(|| {
            chunker.chunks(&records).for_each(|chunk| {
                black_box(chunk.unwrap());
            });
        });
    }

    #[divan::bench]
    fn objects_by_serde_json(bencher: Bencher) {
        let records = records();
        bencher.counter(bytes(&records)).bench_local(|| {
            for chunk in records.chunks(IN_A_CHUNK) {
                black_box(serde_json::to_vec(chunk).unwrap());
            }
        });
    }

    #[divan::bench]
    fn objects_by_way_of_values(bencher: Bencher) {
        let records = records();
        bencher.counter(bytes(&records)).bench_local(|| {
            for chunk in records.chunks(IN_A_CHUNK) {
                let value = serde_json::to_value(chunk).unwrap();
                black_box(serde_json::to_vec(&value).unwrap());
            }
        });
    }
}

#[divan::bench_group]
mod decode {
    use super::*;

    /// An answer with all chunks in it, as tables or as objects.
    fn answer(tables: bool) -> Vec<u8> {
        let records = records();
        let chunk = |chunk: &[Policy<&'static str>]| match tables {
            true => Chunk::new(chunk).unwrap().inputs().to_owned(),
            false => serde_json::to_string(chunk).unwrap(),
        };
        let nulls = vec!["null"; IN_A_CHUNK].join(",");
        let chunks: Vec<String> = records
            .chunks(IN_A_CHUNK)
            .map(|records| {
                let outputs = chunk(records);
                format!(
                    r#"{{"id":"x","outputs":{outputs},"warnings":[{nulls}],"errors":[{nulls}],
                    "process_time":[{nulls}]}}"#
                )
            })
            .collect();
        format!(r#"{{"data":[{}],"status":{{}}}}"#, chunks.join(",")).into_bytes()
    }

    #[divan::bench]
    fn structs_from_tables(bencher: Bencher) {
        pulled(bencher, true);
    }

    #[divan::bench]
    fn structs_from_objects(bencher: Bencher) {
        pulled(bencher, false);
    }

    fn pulled(bencher: Bencher, tables: bool) {
        let answer = answer(tables);
        bencher
            .counter(BytesCount::new(answer.len()))
            .bench_local(|| {
                let pulled: Pulled<Policy<String>> = Pulled::parse(&answer).unwrap();
                black_box(pulled);
            });
    }

    /// As a run decodes the outputs of a chunk.
    #[divan::bench]
    fn outputs_from_objects(bencher: Bencher) {
        let records = records();
        let chunks = records.chunks(IN_A_CHUNK);
        let json: Vec<String> = chunks
            .map(|chunk| serde_json::to_string(chunk).unwrap())
            .collect();
        let bytes: usize = json.iter().map(String::len).sum();
        bencher.counter(BytesCount::new(bytes)).bench_local(|| {
            for chunk in &json {
                black_box(Outputs::<Policy<String>>::from_json(chunk).unwrap());
            }
        });
    }

    #[divan::bench]
    fn structs_by_serde_json(bencher: Bencher) {
        #[derive(serde::Deserialize)]
        #[allow(dead_code)]
        struct Answer {
            data: Vec<Chunk>,
        }
        #[derive(serde::Deserialize)]
        #[allow(dead_code)]
        struct Chunk {
            outputs: Vec<Policy<String>>,
        }
        let answer = answer(false);
        bencher
            .counter(BytesCount::new(answer.len()))
            .bench_local(|| {
                black_box(serde_json::from_slice::<Answer>(&answer).unwrap());
            });
    }

    #[divan::bench]
    fn structs_by_way_of_values(bencher: Bencher) {
        let answer = answer(false);
        bencher
            .counter(BytesCount::new(answer.len()))
            .bench_local(|| {
                let value: Value = serde_json::from_slice(&answer).unwrap();
                for chunk in value["data"].as_array().unwrap() {
                    let outputs: Vec<Policy<String>> =
                        serde_json::from_value(chunk["outputs"].clone()).unwrap();
                    black_box(outputs);
                }
            });
    }
}
