//! A cluster of processes, and what all tests need.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ballista::prelude::{SessionConfigExt as _, SessionContextExt as _};
use ballista_core::serde::BallistaLogicalExtensionCodec;
use cspark_batches::Client;
use cspark_batches_datafusion::SparkLogicalCodec;
use cspark_emulator::{Builder, Emulator};
use datafusion::arrow::array::{Float64Array, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::dataframe::DataFrameWriteOptions;
use datafusion::execution::SessionStateBuilder;
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

/// A program that is killed at the end.
pub(crate) struct Process(Child);

impl Process {
    fn start(arguments: &[&str], environment: &[(&str, &str)], folder: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cluster"));
        command.args(arguments).current_dir(folder);
        // Executors keep their shuffle files in folders of their own in the one for such files.
        command.env("TMPDIR", folder);
        for name in ["CSPARK_BASE_URL", "CSPARK_BEARER_TOKEN", "CSPARK_API_KEY"] {
            command.env_remove(name);
        }
        command.envs(environment.iter().copied());
        command.stdout(Stdio::piped());
        Self(command.spawn().unwrap())
    }

    /// As `kill -9` does it: the program cannot say goodbye.
    pub(crate) fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A scheduler and executors, each a process.
pub(crate) struct Cluster {
    port: u16,
    _scheduler: Process,
    pub(crate) executors: Vec<Process>,
}

impl Cluster {
    pub(crate) fn start(emulator: &Emulator, folder: &Folder, executors: usize) -> Self {
        let wanted = executors.to_string();
        let mut scheduler = Process::start(&["scheduler", &wanted], &[], folder.path());
        let mut number = String::new();
        let output = BufReader::new(scheduler.0.stdout.take().unwrap());
        output.take(16).read_line(&mut number).unwrap();
        let number = number.trim().to_owned();
        let base_url = emulator.base_url();
        let environment = [
            ("CSPARK_BASE_URL", base_url.as_str()),
            ("CSPARK_BEARER_TOKEN", SECRET),
        ];
        let start = |_| Process::start(&["executor", &number, "2"], &environment, folder.path());
        Self {
            port: number.parse().unwrap(),
            _scheduler: scheduler,
            executors: (0..executors).map(start).collect(),
        }
    }

    /// A session whose queries run on the cluster, once all executors are there.
    pub(crate) async fn session(&self) -> SessionContext {
        while !self.is_ready() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let codec = SparkLogicalCodec::new(Arc::new(BallistaLogicalExtensionCodec::default()));
        let config = SessionConfig::new_with_ballista()
            .with_target_partitions(PARTITIONS)
            .with_ballista_logical_extension_codec(Arc::new(codec));
        let state = SessionStateBuilder::new()
            .with_config(config)
            .with_default_features()
            .build();
        let url = format!("df://127.0.0.1:{}", self.port);
        SessionContext::remote_with_state(&url, state)
            .await
            .unwrap()
    }

    fn is_ready(&self) -> bool {
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            let request = "GET /readyz HTTP/1.1\r\nhost: scheduler\r\nconnection: close\r\n\r\n";
            stream.write_all(request.as_bytes())?;
            let mut response = String::new();
            stream.read_to_string(&mut response)?;
            Ok(response)
        };
        ask().is_ok_and(|response| response.starts_with("HTTP/1.1 200"))
    }
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
