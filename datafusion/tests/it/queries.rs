//! What queries return.

use std::sync::Arc;
use std::time::Duration;

use cspark_batches_datafusion::{DataFrameExt as _, SparkService, register_spark_services};
use cspark_emulator::{Emulator, Fault, Operation, RecordedRequest, Response};
use datafusion::arrow::array::AsArray as _;
use datafusion::arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::dataframe::DataFrameWriteOptions;
use datafusion::physical_optimizer::PhysicalOptimizerRule as _;
use datafusion::physical_optimizer::limit_pushdown::LimitPushdown;
use datafusion::physical_plan::limit::GlobalLimitExec;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext, col, lit};

use crate::support::*;

async fn sql(context: &SessionContext, sql: &str) -> Vec<String> {
    shown(&context.sql(sql).await.unwrap().collect().await.unwrap())
}

fn check(batches: &[RecordBatch], records: usize) {
    let mut rows = Vec::new();
    for batch in batches {
        let ids = batch
            .column_by_name("id")
            .unwrap()
            .as_primitive::<Int64Type>();
        let volumes = batch
            .column_by_name("volume")
            .unwrap()
            .as_primitive::<Float64Type>();
        rows.extend(
            ids.values()
                .iter()
                .zip(volumes.values())
                .map(|(id, volume)| (*id, *volume)),
        );
    }
    rows.sort_by_key(|row| row.0);
    let expected = (0..records as i64).map(|id| (id, (id as f64 / 2.0).powi(3)));
    assert_eq!(rows, expected.collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_frame_gets_the_outputs_of_each_row() {
    let (emulator, spark) = start(Emulator::builder()).await;
    for partitions in [1, 2, 7] {
        let boxes = session(5000, partitions).table("boxes").await.unwrap();
        let sizes = boxes.spark_service(&spark, SERVICE).await.unwrap();
        let names: Vec<_> = sizes
            .schema()
            .fields()
            .iter()
            .map(|it| it.name().clone())
            .collect();
        assert_eq!(names, ["name", "side", "id", "area", "volume", "error"]);
        check(&sizes.collect().await.unwrap(), 5000);
    }
    // One batch a partition, but no more than four.
    assert_eq!(emulator.batch_ids().len(), 1 + 2 + 4);
    assert!(
        statuses(&emulator)
            .iter()
            .all(|status| status == "completed")
    );
}

#[tokio::test]
async fn parquet_in_and_out() {
    let (_emulator, spark) = start(Emulator::builder()).await;
    let context = session(3000, 3);
    let folder = std::env::temp_dir().join(format!("cspark-{}", std::process::id()));
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned() + "/";
    let boxes = context.table("boxes").await.unwrap();
    let options = DataFrameWriteOptions::new;
    boxes
        .write_parquet(&path("in"), options(), None)
        .await
        .unwrap();
    let boxes = context
        .read_parquet(path("in"), ParquetReadOptions::default())
        .await
        .unwrap();
    let sizes = boxes.spark_service(&spark, SERVICE).await.unwrap();
    sizes
        .write_parquet(&path("out"), options(), None)
        .await
        .unwrap();
    let sizes = context
        .read_parquet(path("out"), ParquetReadOptions::default())
        .await
        .unwrap();
    check(&sizes.collect().await.unwrap(), 3000);
    std::fs::remove_dir_all(folder).unwrap();
}

/// As docs/scale.md says.
#[tokio::test]
async fn a_write_that_fails_may_leave_files() {
    let (emulator, spark) = start(Emulator::builder()).await;
    let folder = std::env::temp_dir().join(format!("cspark-failed-{}", std::process::id()));
    let path = folder.to_str().unwrap().to_owned() + "/";
    let boxes = session(3000, 1).table("boxes").await.unwrap();
    let service = SparkService::fetch(&spark, SERVICE).await.unwrap();
    let service = service.options(|run| run.chunk_size(50));
    // After some results the batch is gone.
    emulator.inject_at(Operation::Pull, 3, Fault::Fail);
    let sizes = boxes.with_spark_service(&service).unwrap();
    let write = sizes.write_parquet(&path, DataFrameWriteOptions::new(), None);
    write.await.unwrap_err();
    let records = service.records();
    assert!((1..3000).contains(&records), "{records}");
    let options = ParquetReadOptions::default();
    let left = SessionContext::new().read_parquet(path, options).await;
    let left = left.unwrap().count().await.unwrap();
    std::fs::remove_dir_all(folder).unwrap();
    assert_eq!(left as u64, records);
}

#[tokio::test]
async fn sql_calls_services_by_name() {
    let (_emulator, spark) = start(Emulator::builder()).await;
    let context = session(4, 2);
    register_spark_services(
        &context,
        [SparkService::fetch(&spark, SERVICE).await.unwrap()],
    );
    let query = "SELECT id, volume, error FROM spark_service('my-folder/box', 'boxes') ORDER BY id";
    assert_eq!(
        sql(&context, query).await,
        ["|0|0.0||", "|1|0.125||", "|2|1.0||", "|3|3.375||"]
    );
    sql(
        &context,
        "CREATE VIEW wrong AS SELECT id, side - 1 AS side FROM boxes",
    )
    .await;
    let query = "SELECT * FROM spark_service('my-folder/box', 'wrong') ORDER BY id LIMIT 3";
    assert_eq!(
        sql(&context, query).await,
        [
            "|0|-1.0|||the side is negative|",
            "|1|-0.5|||the side is negative|",
            "|2|0.0|0.0|0.0||",
        ]
    );
    for (wrong, message) in [
        ("spark_service('my-folder/box')", "two arguments"),
        (
            "spark_service('my-folder/ball', 'boxes')",
            "those that are: `my-folder/box`",
        ),
        (
            "spark_service('my-folder/box', 'balls')",
            "no table `balls`",
        ),
        ("spark_service('my-folder/box', 7)", "are texts"),
    ] {
        let error = context
            .sql(&format!("SELECT * FROM {wrong}"))
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(message), "{error}");
    }
}

#[tokio::test]
async fn only_what_a_query_uses_is_computed() {
    let (emulator, spark) = start(Emulator::builder()).await;
    let context = session(2000, 2);
    let service = SparkService::fetch(&spark, SERVICE).await.unwrap();
    register_spark_services(&context, [service]);
    let table = "spark_service('my-folder/box', 'boxes')";

    // A filter on the input comes before the service, one on the outputs after it.
    let query = format!("SELECT id FROM {table} WHERE id < 10 AND volume > 50 ORDER BY id");
    assert_eq!(sql(&context, &query).await, ["|8|", "|9|"]);
    assert_eq!(submitted(&emulator), 10);

    // A limit ends the input early.
    assert_eq!(
        sql(&context, &format!("SELECT volume FROM {table} LIMIT 30"))
            .await
            .len(),
        30
    );
    let after_limit = submitted(&emulator);
    assert!((40..500).contains(&after_limit), "{after_limit}");

    // Without an output there is nothing to compute.
    let count = format!("SELECT count(*) FROM {table}");
    assert_eq!(sql(&context, &count).await, ["|2000|"]);
    assert_eq!(submitted(&emulator), after_limit);

    // Nor is one asked for that nobody uses.
    emulator.clear_requests();
    let area = format!("SELECT area FROM {table} WHERE id = 4");
    assert_eq!(sql(&context, &area).await, ["|4.0|"]);
    let requests = emulator.requests();
    let is_creation = |it: &&RecordedRequest| it.operation == Some(Operation::Create);
    let creations: Vec<_> = requests.iter().filter(is_creation).collect();
    assert_eq!(creations.len(), 1);
    let body: serde_json::Value = serde_json::from_slice(&creations[0].body).unwrap();
    assert_eq!(body["output"], "area", "{body}");
    assert!(!body.to_string().contains("volume"), "{body}");
    let plan = sql(&context, &format!("EXPLAIN SELECT area FROM {table}"))
        .await
        .join("\n");
    assert!(
        plan.contains("SparkExec: service=my-folder/box, inputs=[side], outputs=[area]"),
        "{plan}"
    );
    all_end(&emulator).await;
}

#[tokio::test]
async fn a_limit_does_not_pass_where_partitions_are_merged() {
    let (emulator, spark) = start(Emulator::builder()).await;
    let context = session(700, 7);
    let service = SparkService::fetch(&spark, SERVICE).await.unwrap();
    let frame = context.table("boxes").await.unwrap();
    let frame = frame.with_spark_service(&service.max_batches(1)).unwrap();
    let (state, plan) = frame.into_parts();
    let plan = state.create_physical_plan(&plan).await.unwrap();
    let limited: Arc<dyn ExecutionPlan> = Arc::new(GlobalLimitExec::new(plan, 3, Some(5)));
    let config = state.config_options();
    let plan = LimitPushdown::new().optimize(limited, config).unwrap();
    let rows = collect(plan, context.task_ctx()).await.unwrap();
    assert_eq!(count(&rows), 5);
    all_end(&emulator).await;
}

#[tokio::test]
async fn types_are_those_after_the_analysis() {
    let (_emulator, spark) = start(Emulator::builder()).await;
    let context = session(4, 1);
    let service = SparkService::fetch(&spark, SERVICE).await.unwrap();
    let whole = context.sql("SELECT 2 AS side").await.unwrap();
    let union = whole.union(context.sql("SELECT 0.5 AS side").await.unwrap());
    let rows = union.unwrap().with_spark_service(&service).unwrap();
    let rows = rows.sort_by(vec![col("side")]).unwrap();
    assert_eq!(
        shown(&rows.collect().await.unwrap()),
        ["|0.5|0.25|0.125||", "|2.0|4.0|8.0||"]
    );
}

#[tokio::test]
async fn another_encoding_of_texts_is_no_obstacle() {
    let (_emulator, spark) = start(Emulator::builder()).await;
    let folder = std::env::temp_dir().join(format!("cspark-views-{}", std::process::id()));
    let folder = folder.to_str().unwrap();
    let context = session(2, 1);
    let boxes = context.table("boxes").await.unwrap();
    boxes
        .write_parquet(folder, DataFrameWriteOptions::new(), None)
        .await
        .unwrap();
    let service = SparkService::fetch(&spark, SERVICE).await.unwrap();
    for expand in [false, true] {
        let mut config = SessionConfig::new();
        config.options_mut().optimizer.expand_views_at_output = expand;
        let context = SessionContext::new_with_config(config);
        let boxes = context.read_parquet(folder, ParquetReadOptions::default());
        let rows = boxes.await.unwrap().with_spark_service(&service).unwrap();
        let rows = rows.select_columns(&["name", "area"]).unwrap();
        assert_eq!(count(&rows.collect().await.unwrap()), 2);
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn an_output_may_not_have_the_name_of_an_input_that_is_sent() {
    let (_emulator, spark) = start(Emulator::builder()).await;
    let service = SparkService::fetch(&spark, SERVICE).await.unwrap();
    let outputs = Schema::new(vec![Field::new("side", DataType::Float64, true)]);
    let service = service.outputs(Arc::new(outputs));
    let boxes = session(4, 1).table("boxes").await.unwrap();
    let error = boxes.with_spark_service(&service).unwrap_err().to_string();
    assert!(
        error.contains("column `side` twice; set the `outputs` of the service without it"),
        "{error}"
    );
}

#[tokio::test]
async fn batches_are_cancelled_though_another_one_fails() {
    let (emulator, spark) = start(Emulator::builder()).await;
    let service = SparkService::fetch(&spark, SERVICE).await.unwrap();
    let service = service.correlation_id("of a test");
    let mut ids = Vec::new();
    for _ in 0..3 {
        let batch = spark.batches().create(SERVICE).correlation_id("of a test");
        ids.push(batch.await.unwrap().id().to_owned());
    }
    emulator.inject(Operation::Info, Fault::RespondBefore(Response::status(403)));
    let error = service.cancel_open_batches().await.unwrap_err().to_string();
    assert!(error.contains("403"), "{error}");
    let open = service.cancel_open_batches().await.unwrap();
    assert_eq!(
        open.len(),
        1,
        "the other two are cancelled already: {open:?}"
    );
    emulator.inject(Operation::Info, Fault::RespondBefore(Response::status(404)));
    assert!(service.cancel_open_batches().await.unwrap().is_empty());
    all_end(&emulator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_after_the_service_ends_it_early() {
    let builder = Emulator::builder()
        .workers(2)
        .time_per_chunk(Duration::from_millis(20));
    let (emulator, spark) = start(builder).await;
    let context = session(100_000, 2);
    let service = SparkService::fetch(&spark, SERVICE).await.unwrap();
    let service = service.memory(100 << 10).options(|run| run.chunk_size(50));
    register_spark_services(&context, [service]);
    let query = "SELECT id FROM spark_service('my-folder/box', 'boxes') WHERE volume > 50 LIMIT 5";
    assert_eq!(sql(&context, query).await.len(), 5);
    all_end(&emulator).await;
    assert_eq!(emulator.batch_ids().len(), 2);
    let submitted = submitted(&emulator);
    assert!((5..20_000).contains(&submitted), "{submitted}");
}

#[tokio::test]
async fn columns_that_do_not_fit_are_named() {
    let (_emulator, spark) = start(Emulator::builder()).await;
    let boxes = session(4, 1).table("boxes").await.unwrap();
    let renamed = boxes.clone().with_column_renamed("side", "length").unwrap();
    let error = renamed
        .spark_service(&spark, SERVICE)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("which has `side`"), "{error}");
    let twice = boxes.clone().with_column("area", lit(1.0)).unwrap();
    let error = twice
        .spark_service(&spark, SERVICE)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("column `area` twice"), "{error}");
    // A service over the outputs of another.
    let service = SparkService::fetch(&spark, SERVICE).await.unwrap();
    let sizes = boxes.with_spark_service(&service).unwrap();
    let again = sizes
        .select(vec![col("id"), col("area").alias("side")])
        .unwrap();
    let again = again.with_spark_service(&service).unwrap();
    let rows = again
        .sort_by(vec![col("id")])
        .unwrap()
        .collect()
        .await
        .unwrap();
    assert_eq!(shown(&rows)[3], "|3|2.25|5.0625|11.390625||");
}
