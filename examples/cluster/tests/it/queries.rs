//! What queries on a cluster return.

use std::path::Path;
use std::time::Duration;

use cluster::LocalCluster;
use cspark_batches_datafusion::{DataFrameExt as _, SparkService, register_spark_services};
use cspark_emulator::Emulator;
use datafusion::dataframe::DataFrameWriteOptions;
use datafusion::prelude::SessionContext;
use tokio::task::JoinHandle;

use crate::support::*;

const RECORDS: usize = 8000;
const WAIT: Duration = Duration::from_secs(120);

/// A cluster, and a session on it with the boxes of the folder.
async fn cluster_with_boxes(
    emulator: &Emulator,
    folder: &Folder,
) -> (LocalCluster, SessionContext) {
    let mut cluster = cluster(emulator, folder);
    let context = cluster.session(PARTITIONS);
    let context = tokio::time::timeout(WAIT, context).await.unwrap().unwrap();
    register(&context, &folder.table("in")).await;
    (cluster, context)
}

async fn in_one_process(service: &SparkService, folder: &str) -> Vec<String> {
    let context = local();
    register(&context, folder).await;
    let boxes = context.table("boxes").await.unwrap();
    let rows = boxes.with_spark_service(service).unwrap();
    let rows = shown(&rows.collect().await.unwrap());
    assert_eq!(rows.len(), RECORDS);
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_returns_what_one_process_returns() {
    let (emulator, spark) = start(Emulator::builder()).await;
    let folder = Folder::new();
    let input = folder.table("in");
    write_boxes(RECORDS, &input).await;
    let service = SparkService::fetch(&spark, SERVICE).await.unwrap();
    let service = service.max_batches(4).max_runners(12);
    let expected = in_one_process(&service, &input).await;
    let before = emulator.batch_ids().len();

    let (_cluster, context) = cluster_with_boxes(&emulator, &folder).await;
    let boxes = context.table("boxes").await.unwrap();
    let rows = boxes.clone().with_spark_service(&service).unwrap();
    let rows = tokio::time::timeout(WAIT, rows.clone().collect())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(shown(&rows), expected);
    // One batch for each partition that has rows, each with its share of the runners. A partition
    // may have none, since the partitions of a task take files from each other.
    let batches = emulator.batch_ids().split_off(before);
    assert!((4..=PARTITIONS).contains(&batches.len()), "{batches:?}");
    assert_eq!(submitted(&emulator, &batches), RECORDS);
    let requests = emulator.requests();
    let bodies = requests
        .iter()
        .map(|request| String::from_utf8_lossy(&request.body));
    let shares = bodies
        .filter(|body| body.contains(r#""max_workers":3"#))
        .count();
    assert_eq!(shares, before + batches.len());

    // In SQL, with what is pushed down.
    register_spark_services(&context, [service.clone()]);
    let query = "SELECT id, volume FROM spark_service('my-folder/box', 'boxes') \
                 WHERE id >= 7 AND id < 10 AND volume > 0.2 ORDER BY id";
    let few = context.sql(query).await.unwrap();
    let few = tokio::time::timeout(WAIT, few.collect())
        .await
        .unwrap()
        .unwrap();
    let few = shown(&few).join("").replace(' ', "");
    assert_eq!(few, "|8|1.0||9|3.375|");

    // To Parquet, written by the executors.
    let output = folder.table("out");
    let rows = boxes.with_spark_service(&service).unwrap();
    let write = rows.write_parquet(&output, DataFrameWriteOptions::new(), None);
    tokio::time::timeout(WAIT, write).await.unwrap().unwrap();
    let local = local();
    register(&local, &output).await;
    let rows = local.table("boxes").await.unwrap().collect().await.unwrap();
    assert_eq!(shown(&rows), expected);
    assert_eq!(open_batches(&emulator), 0);
}

/// An emulator that takes its time, and a folder with boxes.
async fn slow(correlation_id: &str) -> (Emulator, Folder, SparkService) {
    let builder = Emulator::builder()
        .workers(2)
        .time_per_chunk(Duration::from_millis(100));
    let (emulator, spark) = start(builder).await;
    let folder = Folder::new();
    write_boxes(RECORDS, &folder.table("in")).await;
    let service = SparkService::fetch(&spark, SERVICE).await.unwrap();
    (emulator, folder, service.correlation_id(correlation_id))
}

/// Waits until both executors are at work: each has two cores, so one alone has two batches at
/// most.
async fn both_work<T>(emulator: &Emulator, query: &JoinHandle<T>) {
    let both = async {
        while working_batches(emulator) < 3 {
            assert!(!query.is_finished(), "the query ended too early");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(WAIT, both).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_executor_that_is_killed_changes_nothing() {
    let (emulator, folder, service) = slow("the query of this test").await;
    let input = folder.table("in");
    let expected = in_one_process(&service, &input).await;
    let before = emulator.batch_ids().len();

    let (mut cluster, context) = cluster_with_boxes(&emulator, &folder).await;
    let rows = context.table("boxes").await.unwrap();
    let rows = rows.with_spark_service(&service).unwrap();
    let query = tokio::spawn(rows.collect());
    both_work(&emulator, &query).await;
    cluster.kill_executor(0).unwrap();

    let rows = tokio::time::timeout(WAIT, query)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(shown(&rows), expected);
    // Its batches are still open, and their partitions were computed again in others.
    let left = open_batches(&emulator);
    assert!((1..=2).contains(&left), "{left}");
    let batches = emulator.batch_ids().split_off(before);
    assert!(submitted(&emulator, &batches) > RECORDS);

    let other = service.clone().correlation_id("another query");
    assert!(other.cancel_open_batches().await.unwrap().is_empty());
    assert_eq!(service.cancel_open_batches().await.unwrap().len(), left);
    assert_eq!(open_batches(&emulator), 0);
    assert!(service.cancel_open_batches().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_executor_that_is_killed_changes_nothing_in_what_is_written() {
    let (emulator, folder, service) = slow("the writes of this test").await;
    let input = folder.table("in");
    let expected = in_one_process(&service, &input).await;
    // A folder of files, and one file.
    for output in [folder.table("out"), folder.table("file") + "boxes.parquet"] {
        let (mut cluster, context) = cluster_with_boxes(&emulator, &folder).await;
        let rows = context.table("boxes").await.unwrap();
        let rows = rows.with_spark_service(&service).unwrap();
        let target = output.clone();
        let query = tokio::spawn(async move {
            let options = DataFrameWriteOptions::new();
            rows.write_parquet(&target, options, None).await
        });
        both_work(&emulator, &query).await;
        cluster.kill_executor(0).unwrap();
        tokio::time::timeout(WAIT, query)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        let local = local();
        register(&local, &output).await;
        let rows = local.table("boxes").await.unwrap().collect().await.unwrap();
        assert_eq!(shown(&rows), expected);
        assert!(!service.cancel_open_batches().await.unwrap().is_empty());
        assert_eq!(open_batches(&emulator), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_nobody_waits_for_goes_on_until_its_batches_are_cancelled() {
    let (emulator, folder, service) = slow("a query that is aborted").await;
    let (_cluster, context) = cluster_with_boxes(&emulator, &folder).await;
    let rows = context.table("boxes").await.unwrap();
    let query = rows.clone().with_spark_service(&service).unwrap();
    let query = tokio::spawn(query.collect());
    both_work(&emulator, &query).await;
    query.abort();
    assert!(query.await.unwrap_err().is_cancelled());
    // The executors do not learn of it: they go on with more partitions than they have cores.
    let goes_on = async {
        while emulator.batch_ids().len() <= 4 || working_batches(&emulator) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(WAIT, goes_on).await.unwrap();

    // A task whose batch is cancelled fails, and the query with it. The scheduler cancels the other
    // tasks, whose executors cancel their batches.
    assert!(!service.cancel_open_batches().await.unwrap().is_empty());
    let other = service.correlation_id("another query");
    let rows = rows.with_spark_service(&other).unwrap();
    let rows = tokio::time::timeout(WAIT, rows.collect()).await.unwrap();
    assert_eq!(shown(&rows.unwrap()).len(), RECORDS);
    let end = async {
        while open_batches(&emulator) > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(WAIT, end).await.unwrap();
    // No batch is opened again in place of one that was cancelled.
    let batches = emulator.batch_ids().len();
    assert!(
        (PARTITIONS..=2 * PARTITIONS).contains(&batches),
        "{batches}"
    );
}

#[tokio::test]
async fn a_process_that_has_ended_is_named() {
    let (emulator, _) = start(Emulator::builder()).await;
    let folder = Folder::new();
    let mut cluster = cluster(&emulator, &folder);
    cluster.kill_executor(1).unwrap();
    let session = tokio::time::timeout(WAIT, cluster.session(PARTITIONS)).await;
    let error = session.unwrap().err().unwrap().to_string();
    assert!(error.contains("executor 1 has ended: signal: 9"), "{error}");

    let none = LocalCluster::start(Path::new("false"), folder.path(), 1, &[]);
    let error = none.unwrap_err().to_string();
    assert_eq!(error, "the scheduler has ended: exit status: 1");
}
