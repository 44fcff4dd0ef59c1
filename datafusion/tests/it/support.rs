//! What all tests need.

use std::sync::Arc;
use std::time::Duration;

use cspark_batches::Client;
use cspark_emulator::{Builder, Emulator};
use datafusion::arrow::array::{Float64Array, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::datasource::MemTable;
use datafusion::prelude::{SessionConfig, SessionContext};

use crate::service;
pub(crate) use crate::service::SERVICE;

pub(crate) const WAIT: Duration = Duration::from_secs(60);

pub(crate) async fn start(builder: Builder) -> (Emulator, Client) {
    let builder = builder.service(SERVICE, service::boxes());
    let emulator = builder.start().await.unwrap();
    let spark = Client::builder()
        .base_url(emulator.base_url())
        .bearer_token("open");
    let spark = spark.build().unwrap();
    (emulator, spark)
}

/// A session with the table `boxes`: `id`, `name` and `side` of so many records in so many
/// partitions.
pub(crate) fn session(records: usize, partitions: usize) -> SessionContext {
    let config = SessionConfig::new()
        .with_target_partitions(partitions)
        .with_batch_size(500);
    let context = SessionContext::new_with_config(config);
    context
        .register_table("boxes", Arc::new(boxes(records, partitions)))
        .unwrap();
    context
}

fn boxes(records: usize, partitions: usize) -> MemTable {
    let batch = |ids: Vec<i64>| {
        let sides = ids.iter().map(|id| *id as f64 / 2.0);
        RecordBatch::try_from_iter([
            (
                "name",
                Arc::new(StringArray::from_iter_values(
                    ids.iter().map(|id| format!("box {id}")),
                )) as _,
            ),
            ("side", Arc::new(Float64Array::from_iter_values(sides)) as _),
            ("id", Arc::new(Int64Array::from(ids)) as _),
        ])
        .unwrap()
    };
    let partitions: Vec<Vec<RecordBatch>> = (0..partitions)
        .map(|partition| {
            let ids: Vec<i64> = (0..records as i64)
                .filter(|id| *id as usize % partitions == partition)
                .collect();
            ids.chunks(400).map(|ids| batch(ids.to_vec())).collect()
        })
        .collect();
    let schema = batch(vec![]).schema();
    MemTable::try_new(schema, partitions).unwrap()
}

pub(crate) fn shown(batches: &[RecordBatch]) -> Vec<String> {
    let table = pretty_format_batches(batches).unwrap().to_string();
    let rows = table.lines().filter(|line| line.starts_with('|')).skip(1);
    rows.map(|row| row.split('|').map(str::trim).collect::<Vec<_>>().join("|"))
        .collect()
}

/// The number of rows.
pub(crate) fn count(batches: &[RecordBatch]) -> usize {
    batches.iter().map(RecordBatch::num_rows).sum()
}

/// The statuses of all batches.
pub(crate) fn statuses(emulator: &Emulator) -> Vec<String> {
    let ids = emulator.batch_ids().into_iter();
    ids.map(|id| emulator.batch(&id).unwrap().status).collect()
}

/// Asserts that no batch is left open.
#[track_caller]
pub(crate) fn none_is_open(emulator: &Emulator) {
    let statuses = statuses(emulator);
    assert!(!statuses.iter().any(|it| is_open(it)), "{statuses:?}");
}

/// Waits until no batch is open. Nobody waits for the batches of a query that was dropped or had a
/// limit.
pub(crate) async fn all_end(emulator: &Emulator) {
    let all = async {
        while statuses(emulator).iter().any(|it| is_open(it)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(WAIT, all).await.unwrap();
}

fn is_open(status: &str) -> bool {
    ["created", "in_progress"].contains(&status)
}

/// The records that the service was given.
pub(crate) fn submitted(emulator: &Emulator) -> u64 {
    let ids = emulator.batch_ids().into_iter();
    ids.map(|id| emulator.batch(&id).unwrap().records_submitted)
        .sum()
}
