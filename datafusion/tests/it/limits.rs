//! Limits, cancelling, and what is shown of a run.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cspark_batches_datafusion::{DataFrameExt as _, SparkService, register_spark_services};
use cspark_emulator::{Emulator, Fault, Operation};
use datafusion::arrow::array::{Float64Array, RecordBatch};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{SessionConfig, SessionContext, col};
use futures_util::{StreamExt as _, stream};

use crate::support::*;

/// A session with the table `boxes`, and so many bytes of memory.
async fn limited_session(bytes: usize, records: usize, partitions: usize) -> SessionContext {
    let config = SessionConfig::new().with_target_partitions(partitions);
    let runtime = RuntimeEnvBuilder::new().with_memory_limit(bytes, 1.0);
    let limited = SessionContext::new_with_config_rt(config, runtime.build_arc().unwrap());
    let boxes = session(records, partitions).table("boxes").await.unwrap();
    limited.register_table("boxes", boxes.into_view()).unwrap();
    limited
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_query_cancels_its_batches() {
    let builder = Emulator::builder()
        .workers(2)
        .time_per_chunk(Duration::from_millis(20));
    let (emulator, spark) = start(builder).await;
    let boxes = session(200_000, 2).table("boxes").await.unwrap();
    let service = SparkService::fetch(&spark, SERVICE).await.unwrap();
    let service = service.options(|run| run.chunk_size(50));
    let mut rows = boxes
        .with_spark_service(&service)
        .unwrap()
        .execute_stream()
        .await
        .unwrap();
    rows.next().await.unwrap().unwrap();
    assert!(service.records() >= 500);
    drop(rows);
    let cancelled = async {
        while statuses(&emulator)
            .iter()
            .any(|status| !status.starts_with("cancel"))
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(WAIT, cancelled).await.unwrap();
    assert_eq!(emulator.batch_ids().len(), 2);
    assert!(submitted(&emulator) < 200_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_share_memory_runners_and_batches() {
    let (emulator, spark) = start(Emulator::builder()).await;
    let limited = limited_session(10 << 20, 3000, 6).await;
    let service = SparkService::fetch(&spark, SERVICE).await.unwrap();
    let service = service.max_batches(3).max_runners(12);

    let boxes = limited.table("boxes").await.unwrap();
    let fitting = boxes
        .clone()
        .with_spark_service(&service.clone().memory(9 << 20))
        .unwrap();
    assert_eq!(count(&fitting.collect().await.unwrap()), 3000);
    assert_eq!(emulator.batch_ids().len(), 3);
    let creations = emulator.requests();
    let creations: Vec<String> = creations
        .iter()
        .map(|request| String::from_utf8_lossy(&request.body).into_owned())
        .filter(|body| body.contains("max_workers"))
        .collect();
    assert_eq!(creations.len(), 3);
    assert!(
        creations
            .iter()
            .all(|body| body.contains(r#""max_workers":4"#)),
        "{creations:?}"
    );

    let too_large = boxes.with_spark_service(&service.memory(11 << 20)).unwrap();
    let error = too_large.collect().await.unwrap_err().to_string();
    assert!(error.contains("SparkExec["), "{error}");
    // It is refused as a whole, and opens no batch.
    assert_eq!(emulator.batch_ids().len(), 3);
    none_is_open(&emulator);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_waits_until_its_memory_is_free() {
    let (emulator, spark) = start(Emulator::builder()).await;
    let limited = limited_session(10 << 20, 2000, 2).await;
    let service = SparkService::fetch(&spark, SERVICE).await.unwrap();
    let service = service.max_batches(1).memory(9 << 20);
    let boxes = limited.table("boxes").await.unwrap();
    let query = || {
        let sizes = boxes.clone().with_spark_service(&service).unwrap();
        sizes.execute_stream()
    };
    // The first one ends after its rows, the second one when it is dropped.
    for drop_it in [false, true] {
        let mut first = query().await.unwrap();
        let mut rows = first.next().await.unwrap().unwrap().num_rows();
        let waiting = query().await.unwrap();
        let waiting = tokio::spawn(datafusion::physical_plan::common::collect(waiting));
        if !drop_it {
            while let Some(batch) = first.next().await {
                rows += batch.unwrap().num_rows();
            }
            assert_eq!(rows, 2000);
        }
        drop(first);
        let waiting = tokio::time::timeout(WAIT, waiting).await.unwrap();
        assert_eq!(count(&waiting.unwrap().unwrap()), 2000);
    }
    assert_eq!(emulator.batch_ids().len(), 4);
}

#[tokio::test]
async fn queries_of_a_session_share_one_limit() {
    let (emulator, spark) = start(Emulator::builder()).await;
    let context = session(20_000, 2);
    let boxes = context.table("boxes").await.unwrap();
    let service = SparkService::fetch(&spark, SERVICE).await.unwrap();
    let service = service.max_batches(3).memory(300 << 10);
    let other = SparkService::fetch(&spark, SERVICE).await.unwrap();
    let other = other.share_limits(&service);
    let query = |service| boxes.clone().with_spark_service(service).unwrap();
    let mut first = query(&service).execute_stream().await.unwrap();
    first.next().await.unwrap().unwrap();
    // Two batches are open, so there is room for one.
    let few = session(100, 1).table("boxes").await.unwrap();
    let few = few.with_spark_service(&service).unwrap();
    assert_eq!(few.collect().await.unwrap()[0].num_rows(), 100);
    let mut second = query(&other).execute_stream().await.unwrap();
    let waiting = tokio::time::timeout(Duration::from_millis(300), second.next());
    assert!(waiting.await.is_err(), "two and two are more than three");
    assert_eq!(emulator.batch_ids().len(), 3);
    drop(first);
    let mut rows = 0;
    while let Some(batch) = second.next().await {
        rows += batch.unwrap().num_rows();
    }
    assert_eq!(rows, 20_000);
}

#[tokio::test]
async fn the_operators_of_a_query_divide_the_limit() {
    let (emulator, spark) = start(Emulator::builder()).await;
    let service = SparkService::fetch(&spark, SERVICE).await.unwrap();
    // One over the other, and one beside the other.
    for max_batches in [1, 4] {
        let service = service.clone().max_batches(max_batches);
        let before = emulator.batch_ids().len();
        let boxes = session(3000, 7).table("boxes").await.unwrap();
        let sizes = boxes.clone().with_spark_service(&service).unwrap();
        let again = sizes.select(vec![col("id"), col("area").alias("side")]);
        let again = again.unwrap().with_spark_service(&service).unwrap();
        let rows = again.collect().await.unwrap();
        assert_eq!(count(&rows), 3000);
        let batches = max_batches.max(2);
        assert_eq!(emulator.batch_ids().len() - before, batches);

        let sizes = boxes.with_spark_service(&service).unwrap();
        let all = sizes.clone().union(sizes).unwrap();
        let rows = all
            .sort_by(vec![col("volume")])
            .unwrap()
            .collect()
            .await
            .unwrap();
        assert_eq!(count(&rows), 6000);
        assert_eq!(emulator.batch_ids().len() - before, 2 * batches);
    }
    none_is_open(&emulator);
}

#[tokio::test]
async fn queries_that_go_through_two_services_in_opposite_orders_end() {
    let (emulator, spark) = start(Emulator::builder()).await;
    let service = SparkService::fetch(&spark, SERVICE).await.unwrap();
    // Each has a limit of its own.
    let [one, other] = [1, 1].map(|batches| service.clone().max_batches(batches));
    let boxes = session(2000, 2).table("boxes").await.unwrap();
    let query = |inner, outer| {
        let sizes = boxes.clone().with_spark_service(inner).unwrap();
        let sides = sizes.select(vec![col("id"), col("area").alias("side")]);
        sides.unwrap().with_spark_service(outer).unwrap().collect()
    };
    let both = futures_util::future::try_join(query(&one, &other), query(&other, &one));
    let (first, second) = tokio::time::timeout(Duration::from_secs(60), both)
        .await
        .unwrap()
        .unwrap();
    for rows in [first, second] {
        assert_eq!(count(&rows), 2000);
    }
    none_is_open(&emulator);
}

#[tokio::test]
async fn explain_analyze_shows_the_run() {
    let (_emulator, spark) = start(Emulator::builder()).await;
    let boxes = session(1000, 2).table("boxes").await.unwrap();
    let plan = boxes.spark_service(&spark, SERVICE).await.unwrap();
    let context = plan.task_ctx();
    let plan = plan.create_physical_plan().await.unwrap();
    collect(plan.clone(), context.into()).await.unwrap();
    fn find(plan: &dyn ExecutionPlan) -> Option<datafusion::physical_plan::metrics::MetricsSet> {
        match plan.name() {
            "SparkExec" => plan.metrics(),
            _ => plan
                .children()
                .into_iter()
                .find_map(|child| find(child.as_ref())),
        }
    }
    let metrics = find(plan.as_ref()).unwrap();
    let sum = |name: &str| metrics.sum_by_name(name).map(|value| value.as_usize());
    assert_eq!(sum("records_pushed"), Some(1000));
    assert_eq!(sum("chunks_pushed"), Some(6));
    assert_eq!(sum("failed_records"), Some(0));
    assert_eq!(sum("resubmissions"), Some(0));
    assert!(sum("bytes_pushed") > Some(1000) && sum("bytes_pulled") > Some(1000));
    assert!(sum("requests") >= Some(6) && sum("waiting_for_results") > Some(0));
    assert_eq!(metrics.output_rows(), Some(1000));
}

#[tokio::test]
async fn explain_analyze_in_sql_shows_what_went_wrong() {
    let (emulator, spark) = start(Emulator::builder()).await;
    let context = session(900, 1);
    let service = SparkService::fetch(&spark, SERVICE).await.unwrap();
    let service = service.options(|run| run.chunk_size(50));
    register_spark_services(&context, [service]);
    // The results of a pull are lost, so their chunks are computed again.
    emulator.inject(Operation::Pull, Fault::CutAfter);
    let query = "EXPLAIN ANALYZE SELECT volume FROM spark_service('my-folder/box', 'boxes')";
    let query = async { context.sql(query).await.unwrap().collect().await.unwrap() };
    let plan = tokio::time::timeout(WAIT, query).await.unwrap();
    assert_eq!(emulator.pending_faults(), 0);
    let plan = shown(&plan).join("\n");
    let run = plan.lines().find(|line| line.contains("SparkExec:"));
    let run = run.unwrap_or_else(|| panic!("{plan}"));
    let shown = |name: &str| -> &str {
        let value = run.split_once(&format!("{name}="));
        let (_, value) = value.unwrap_or_else(|| panic!("no {name}: {run}"));
        value.split([',', ']']).next().unwrap_or_default().trim()
    };
    for name in ["bytes_pushed", "bytes_pulled", "waiting_for_results"] {
        let value = shown(name);
        assert!(
            value.starts_with(|it: char| ('1'..='9').contains(&it)),
            "{name}={value}"
        );
    }
    assert_eq!(shown("records_pushed"), "900");
    assert_eq!(shown("chunks_pushed"), "18");
    let again = submitted(&emulator) - 900;
    assert!(again > 0);
    assert_eq!(shown("resubmissions"), (again / 50).to_string());
}

/// Rows that are counted when they are read.
#[derive(Debug)]
struct Counted {
    batch: RecordBatch,
    batches: usize,
    read: Arc<AtomicUsize>,
}

impl PartitionStream for Counted {
    fn schema(&self) -> &SchemaRef {
        self.batch.schema_ref()
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (batch, read) = (self.batch.clone(), Arc::clone(&self.read));
        let rows = stream::iter(0..self.batches).map(move |_| {
            read.fetch_add(batch.num_rows(), Ordering::Relaxed);
            Ok(batch.clone())
        });
        let schema = self.batch.schema();
        Box::pin(RecordBatchStreamAdapter::new(schema, rows))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_input_is_read_no_faster_than_the_output_is_taken() {
    const RECORDS: usize = 100_000;
    let (emulator, spark) = start(Emulator::builder()).await;
    let batch = RecordBatch::try_from_iter([(
        "side",
        Arc::new(Float64Array::from_iter_values((0..100).map(f64::from))) as _,
    )]);
    let batch = batch.unwrap();
    let (schema, read) = (batch.schema(), Arc::new(AtomicUsize::new(0)));
    let rows = Counted {
        batch,
        batches: RECORDS / 100,
        read: Arc::clone(&read),
    };
    let table = StreamingTable::try_new(schema, vec![Arc::new(rows)]).unwrap();
    let context = session(0, 1);
    context.register_table("counted", Arc::new(table)).unwrap();
    let service = SparkService::fetch(&spark, SERVICE).await.unwrap();
    let service = service.max_batches(1).memory(300 << 10);
    let counted = context.table("counted").await.unwrap();
    let sizes = counted.with_spark_service(&service).unwrap();
    let mut sizes = sizes.execute_stream().await.unwrap();
    let mut taken = sizes.next().await.unwrap().unwrap().num_rows();

    // Nothing is taken until nothing more is read.
    let mut before = 0;
    while before < read.load(Ordering::Relaxed) {
        before = read.load(Ordering::Relaxed);
        assert!(before < RECORDS / 4, "{before} records were read");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    while let Some(batch) = sizes.next().await {
        taken += batch.unwrap().num_rows();
    }
    assert_eq!(taken, RECORDS);
    assert_eq!(read.load(Ordering::Relaxed), RECORDS);
    none_is_open(&emulator);
}
