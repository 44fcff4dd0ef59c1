//! What queries on a cluster return.

use std::time::Duration;

use cspark_batches_datafusion::{DataFrameExt as _, SparkService, register_spark_services};
use cspark_emulator::Emulator;
use datafusion::dataframe::DataFrameWriteOptions;

use crate::support::*;

const RECORDS: usize = 8000;
const WAIT: Duration = Duration::from_secs(120);

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

    let cluster = cluster(&emulator, &folder);
    let context = cluster.session(PARTITIONS);
    let context = tokio::time::timeout(WAIT, context).await.unwrap().unwrap();
    register(&context, &input).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn an_executor_that_is_killed_changes_nothing() {
    let builder = Emulator::builder()
        .workers(2)
        .time_per_chunk(Duration::from_millis(100));
    let (emulator, spark) = start(builder).await;
    let folder = Folder::new();
    let input = folder.table("in");
    write_boxes(RECORDS, &input).await;
    let service = SparkService::fetch(&spark, SERVICE).await.unwrap();
    let service = service.correlation_id("the query of this test");
    let expected = in_one_process(&service, &input).await;
    let before = emulator.batch_ids().len();

    let mut cluster = cluster(&emulator, &folder);
    let context = cluster.session(PARTITIONS);
    let context = tokio::time::timeout(WAIT, context).await.unwrap().unwrap();
    register(&context, &input).await;
    let rows = context.table("boxes").await.unwrap();
    let rows = rows.with_spark_service(&service).unwrap();
    let query = tokio::spawn(rows.collect());
    // Both executors are at work: each has two cores, so one alone has two batches at most.
    let both = async {
        while working_batches(&emulator) < 3 {
            assert!(!query.is_finished(), "the query ended too early");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(WAIT, both).await.unwrap();
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
