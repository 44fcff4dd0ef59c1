//! What all tests need.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cluster::LocalCluster;
use cspark_batches::Client;
use cspark_emulator::{Builder, Emulator};
use datafusion::arrow::array::{Float64Array, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::dataframe::DataFrameWriteOptions;
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};

use crate::service;
pub(crate) use crate::service::SERVICE;

pub(crate) const SECRET: &str = "a-token-that-nobody-may-see";
pub(crate) const PARTITIONS: usize = 8;

pub(crate) async fn start(builder: Builder) -> (Emulator, Client) {
    let builder = builder.service(SERVICE, service::boxes());
    let emulator = builder.bearer_token(SECRET).start().await.unwrap();
    let spark = Client::builder()
        .base_url(emulator.base_url())
        .bearer_token(SECRET);
    (emulator, spark.build().unwrap())
}

/// A folder that is removed at the end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("cspark-cluster-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// As DataFusion names a folder.
    pub(crate) fn table(&self, name: &str) -> String {
        format!("{}/{name}/", self.0.display())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Two executors whose credentials are those of the emulator.
pub(crate) fn cluster(emulator: &Emulator, folder: &Folder) -> LocalCluster {
    let base_url = emulator.base_url();
    let credentials = [
        ("CSPARK_BASE_URL", base_url.as_str()),
        ("CSPARK_BEARER_TOKEN", SECRET),
    ];
    let program = Path::new(env!("CARGO_BIN_EXE_cluster"));
    LocalCluster::start(program, folder.path(), 2, &credentials).unwrap()
}

/// Writes so many boxes into a folder of Parquet files, one for each partition: `id`, `name` and
/// `side`.
pub(crate) async fn write_boxes(records: usize, folder: &str) {
    let context = local();
    for partition in 0..PARTITIONS {
        let boxes = boxes(records, partition);
        let file = format!("{folder}{partition}.parquet");
        let frame = context.read_batch(boxes).unwrap();
        let options = DataFrameWriteOptions::new();
        frame.write_parquet(&file, options, None).await.unwrap();
    }
}

pub(crate) fn local() -> SessionContext {
    let config = SessionConfig::new().with_target_partitions(PARTITIONS);
    SessionContext::new_with_config(config)
}

pub(crate) async fn register(context: &SessionContext, folder: &str) {
    let options = ParquetReadOptions::default();
    context
        .register_parquet("boxes", folder, options)
        .await
        .unwrap();
}

fn boxes(records: usize, partition: usize) -> RecordBatch {
    let of_partition = |id: &i64| *id as usize % PARTITIONS == partition;
    let ids: Vec<i64> = (0..records as i64).filter(of_partition).collect();
    // Some are refused by the service.
    let sides = ids.iter().map(|id| *id as f64 / 2.0 - 3.0);
    let names = ids.iter().map(|id| format!("box {id}"));
    RecordBatch::try_from_iter([
        ("name", Arc::new(StringArray::from_iter_values(names)) as _),
        ("side", Arc::new(Float64Array::from_iter_values(sides)) as _),
        ("id", Arc::new(Int64Array::from(ids)) as _),
    ])
    .unwrap()
}

/// The rows as text, sorted, so that results can be compared record for record.
pub(crate) fn shown(batches: &[RecordBatch]) -> Vec<String> {
    let table = pretty_format_batches(batches).unwrap().to_string();
    let rows = table.lines().filter(|line| line.starts_with('|')).skip(1);
    let mut rows: Vec<String> = rows.map(ToOwned::to_owned).collect();
    rows.sort();
    rows
}

/// How many records these batches were given.
pub(crate) fn submitted(emulator: &Emulator, batches: &[String]) -> usize {
    let records = |id: &String| emulator.batch(id).unwrap().records_submitted as usize;
    batches.iter().map(records).sum()
}

/// How many batches are open.
pub(crate) fn open_batches(emulator: &Emulator) -> usize {
    count(emulator, &["created", "in_progress"])
}

/// How many batches have records and are open.
pub(crate) fn working_batches(emulator: &Emulator) -> usize {
    count(emulator, &["in_progress"])
}

fn count(emulator: &Emulator, statuses: &[&str]) -> usize {
    let ids = emulator.batch_ids().into_iter();
    let status = ids.map(|id| emulator.batch(&id).unwrap().status);
    status
        .filter(|status| statuses.contains(&status.as_str()))
        .count()
}
