//! What plans hold, and what they do not.

use std::sync::Arc;

use cspark_batches_datafusion::{
    DataFrameExt as _, SparkLogicalCodec, SparkPhysicalCodec, SparkService,
};
use cspark_emulator::Emulator;
use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, collect, displayable};
use datafusion_proto::bytes::{
    logical_plan_from_bytes_with_extension_codec, logical_plan_to_bytes_with_extension_codec,
    physical_plan_from_bytes_with_extension_codec, physical_plan_to_bytes_with_extension_codec,
};
use datafusion_proto::logical_plan::DefaultLogicalExtensionCodec;
use datafusion_proto::physical_plan::DefaultPhysicalExtensionCodec;

use crate::support::*;

fn logical_codec() -> SparkLogicalCodec {
    SparkLogicalCodec::new(Arc::new(DefaultLogicalExtensionCodec {}))
}

fn physical_codec() -> SparkPhysicalCodec {
    SparkPhysicalCodec::new(Arc::new(DefaultPhysicalExtensionCodec {}))
}

async fn boxes(folder: &Folder) -> DataFrame {
    let input = folder.table("in");
    write_boxes(200, &input).await;
    let context = local();
    register(&context, &input).await;
    context.table("boxes").await.unwrap()
}

/// Whether the bytes hold the text.
fn hold(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|it| it == text.as_bytes())
}

#[tokio::test]
async fn plans_hold_services_without_secrets() {
    let (emulator, spark) = start(Emulator::builder()).await;
    let folder = Folder::new();
    let boxes = boxes(&folder).await;
    let service = SparkService::fetch(&spark, SERVICE).await.unwrap();
    let service = service.max_batches(3).max_runners(9).memory(9 << 20);
    let service = service.correlation_id("a query");
    let rows = boxes.with_spark_service(&service).unwrap();
    let expected = shown(&rows.clone().collect().await.unwrap());
    let context = rows.task_ctx();

    let secrets = [SECRET, &emulator.base_url()];
    let plan: LogicalPlan = rows.logical_plan().clone();
    let bytes = logical_plan_to_bytes_with_extension_codec(&plan, &logical_codec()).unwrap();
    assert!(hold(&bytes, SERVICE));
    assert!(secrets.iter().all(|secret| !hold(&bytes, secret)));
    let decoded =
        logical_plan_from_bytes_with_extension_codec(&bytes, &context, &logical_codec()).unwrap();
    assert_eq!(decoded.schema(), plan.schema());

    // The scheduler plans it, without credentials, and an executor runs it.
    let plan = local()
        .state()
        .create_physical_plan(&decoded)
        .await
        .unwrap();
    let bytes = physical_plan_to_bytes_with_extension_codec(plan, &physical_codec()).unwrap();
    assert!(hold(&bytes, SERVICE));
    assert!(secrets.iter().all(|secret| !hold(&bytes, secret)));
    let executor = physical_codec()
        .client(spark)
        .options(|run| run.chunk_size(7));
    let decode = |codec: &SparkPhysicalCodec| -> Arc<dyn ExecutionPlan> {
        physical_plan_from_bytes_with_extension_codec(&bytes, &context, codec).unwrap()
    };
    let before = emulator.batch_ids().len();
    let plan = decode(&executor);
    let shown_plan = displayable(plan.as_ref()).indent(true).to_string();
    assert!(
        shown_plan.contains("SparkExec: service=my-folder/box"),
        "{shown_plan}"
    );
    // The partitions are those of the input: a cluster gives them to tasks by their number.
    let partitions = plan.properties().output_partitioning().partition_count();
    assert_eq!(partitions, PARTITIONS);
    let rows = collect(plan, Arc::new(rows.task_ctx())).await.unwrap();
    assert_eq!(shown(&rows), expected);
    let batches = emulator.batch_ids().split_off(before);
    assert_eq!(submitted(&emulator, &batches), 200);
    let chunks = |id: &String| emulator.batch(id).unwrap().submissions.len();
    assert!(batches.iter().map(chunks).sum::<usize>() >= 200 / 7);
    assert_eq!(open_batches(&emulator), 0);

    // An executor without an environment says what is missing.
    let error = collect(decode(&physical_codec()), Arc::new(context)).await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("CSPARK_BASE_URL"), "{error}");
}

#[tokio::test]
async fn what_a_plan_cannot_hold_is_refused() {
    let (_emulator, spark) = start(Emulator::builder()).await;
    let folder = Folder::new();
    let boxes = boxes(&folder).await;
    let service = SparkService::fetch(&spark, SERVICE).await.unwrap();
    let service = service.options(|run| run.chunk_size(7));
    let rows = boxes.with_spark_service(&service).unwrap();
    let plan = rows.logical_plan();
    let error = logical_plan_to_bytes_with_extension_codec(plan, &logical_codec());
    let error = error.unwrap_err().to_string();
    assert!(error.contains("SparkPhysicalCodec::options"), "{error}");

    let error = service.cancel_open_batches().await.unwrap_err().to_string();
    assert!(error.contains("has no correlation id"), "{error}");

    // Bytes of another codec.
    let foreign = DefaultLogicalExtensionCodec {};
    let values = local().sql("SELECT 1").await.unwrap();
    let bytes =
        logical_plan_to_bytes_with_extension_codec(values.logical_plan(), &foreign).unwrap();
    let context = values.task_ctx();
    let decoded = logical_plan_from_bytes_with_extension_codec(&bytes, &context, &logical_codec());
    assert!(decoded.is_ok());
}
