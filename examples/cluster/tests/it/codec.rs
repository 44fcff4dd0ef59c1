//! What plans hold, and what they do not.

use std::sync::{Arc, OnceLock};

use cspark_batches_datafusion::{
    DataFrameExt as _, SparkLogicalCodec, SparkPhysicalCodec, SparkService,
};
use cspark_emulator::Emulator;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::common::{TableReference, internal_err};
use datafusion::dataframe::DataFrame;
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::{Extension, LogicalPlan};
use datafusion::physical_plan::common::collect as collect_stream;
use datafusion::physical_plan::test::TestPartitionStream;
use datafusion::physical_plan::{ExecutionPlan, collect, displayable};
use datafusion::prelude::{SessionConfig, SessionContext, col};
use datafusion_proto::bytes::{
    logical_plan_from_bytes_with_extension_codec, logical_plan_to_bytes_with_extension_codec,
    physical_plan_from_bytes_with_extension_codec, physical_plan_to_bytes_with_extension_codec,
};
use datafusion_proto::logical_plan::{DefaultLogicalExtensionCodec, LogicalExtensionCodec};
use datafusion_proto::physical_plan::{
    DefaultPhysicalExtensionCodec, DefaultPhysicalProtoConverter, PhysicalExtensionCodec,
    PhysicalProtoConverterExtension,
};

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

/// The plan as an executor gets it from the scheduler, which gets the logical one from the client.
async fn through_codecs(
    rows: DataFrame,
    logical: &SparkLogicalCodec,
    physical: &SparkPhysicalCodec,
) -> Arc<dyn ExecutionPlan> {
    let context = rows.task_ctx();
    let plan = rows.logical_plan();
    let bytes = logical_plan_to_bytes_with_extension_codec(plan, logical).unwrap();
    let plan = logical_plan_from_bytes_with_extension_codec(&bytes, &context, logical).unwrap();
    let plan = local().state().create_physical_plan(&plan).await.unwrap();
    let bytes = physical_plan_to_bytes_with_extension_codec(plan, physical).unwrap();
    physical_plan_from_bytes_with_extension_codec(&bytes, &context, physical).unwrap()
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

/// Of a session with so many bytes of memory.
fn context_with_memory(bytes: usize) -> Arc<TaskContext> {
    let runtime = RuntimeEnvBuilder::new().with_memory_limit(bytes, 1.0);
    let runtime = runtime.build_arc().unwrap();
    SessionContext::new_with_config_rt(SessionConfig::new(), runtime).task_ctx()
}

#[tokio::test]
async fn plans_hold_the_memory_of_services() {
    let (_emulator, spark) = start(Emulator::builder()).await;
    let folder = Folder::new();
    let boxes = boxes(&folder).await;
    let service = SparkService::fetch(&spark, SERVICE).await.unwrap();
    let service = service.max_batches(3).memory(9 << 20);
    let rows = boxes.with_spark_service(&service).unwrap();
    let plan = through_codecs(rows, &logical_codec(), &physical_codec().client(spark)).await;
    let run = |memory| collect_stream(plan.execute(0, context_with_memory(memory)).unwrap());
    run(3 << 20).await.unwrap();
    let error = run((3 << 20) - 1).await.unwrap_err().to_string();
    assert!(error.contains("SparkExec["), "{error}");
}

#[tokio::test]
async fn a_service_over_the_outputs_of_another_is_the_same_after_the_codecs() {
    let (emulator, spark) = start(Emulator::builder()).await;
    let folder = Folder::new();
    let boxes = boxes(&folder).await;
    let service = SparkService::fetch(&spark, SERVICE).await.unwrap();
    let sizes = boxes.with_spark_service(&service).unwrap();
    let sides = sizes.select(vec![col("id"), col("area").alias("side")]);
    let rows = sides.unwrap().with_spark_service(&service).unwrap();
    let expected = shown(&rows.clone().collect().await.unwrap());
    assert_eq!(expected.len(), 200);
    let context = Arc::new(rows.task_ctx());
    let before = emulator.batch_ids().len();
    let plan = through_codecs(rows, &logical_codec(), &physical_codec().client(spark)).await;
    let rows = collect(plan, context).await.unwrap();
    assert_eq!(shown(&rows), expected);
    let batches = emulator.batch_ids().split_off(before);
    assert!(submitted(&emulator, &batches) > 200, "{batches:?}");
}

/// Knows one table and its plan, which DataFusion's codecs do not.
#[derive(Debug)]
struct OneTable {
    table: Arc<StreamingTable>,
    plan: OnceLock<Arc<dyn ExecutionPlan>>,
}

impl OneTable {
    const BYTES: &[u8] = b"the one table";

    fn new(rows: Vec<RecordBatch>) -> Arc<Self> {
        let schema = rows[0].schema();
        let rows = Arc::new(TestPartitionStream::new_with_batches(rows));
        let table = Arc::new(StreamingTable::try_new(schema, vec![rows]).unwrap());
        let plan = OnceLock::new();
        Arc::new(Self { table, plan })
    }

    fn write(buf: &mut Vec<u8>) {
        assert!(buf.is_empty(), "codecs may expect so");
        buf.extend_from_slice(Self::BYTES);
    }
}

impl LogicalExtensionCodec for OneTable {
    fn try_decode(&self, _: &[u8], _: &[LogicalPlan], _: &TaskContext) -> Result<Extension> {
        internal_err!("there is no such node")
    }

    fn try_encode(&self, _: &Extension, _: &mut Vec<u8>) -> Result<()> {
        internal_err!("there is no such node")
    }

    fn try_decode_table_provider(
        &self,
        buf: &[u8],
        _: &TableReference,
        _: SchemaRef,
        _: &TaskContext,
    ) -> Result<Arc<dyn TableProvider>> {
        assert_eq!(buf, Self::BYTES);
        Ok(Arc::clone(&self.table) as _)
    }

    fn try_encode_table_provider(
        &self,
        _: &TableReference,
        node: Arc<dyn TableProvider>,
        buf: &mut Vec<u8>,
    ) -> Result<()> {
        assert!(node.downcast_ref::<StreamingTable>().is_some());
        Self::write(buf);
        Ok(())
    }
}

impl PhysicalExtensionCodec for OneTable {
    fn try_decode(
        &self,
        buf: &[u8],
        _: &[Arc<dyn ExecutionPlan>],
        _: &TaskContext,
        _: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        assert_eq!(buf, Self::BYTES);
        Ok(Arc::clone(self.plan.get().unwrap()))
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        buf: &mut Vec<u8>,
        _: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        assert_eq!(node.name(), "StreamingTableExec");
        self.plan.set(node).unwrap();
        Self::write(buf);
        Ok(())
    }
}

#[tokio::test]
async fn what_only_the_inner_codec_knows_goes_through_it() {
    let (_emulator, spark) = start(Emulator::builder()).await;
    let folder = Folder::new();
    let boxes = boxes(&folder).await.collect().await.unwrap();
    let inner = OneTable::new(boxes);
    let context = local();
    let table = Arc::clone(&inner.table);
    context.register_table("boxes", table).unwrap();
    let boxes = context.table("boxes").await.unwrap();
    let service = SparkService::fetch(&spark, SERVICE).await.unwrap();
    let rows = boxes.with_spark_service(&service).unwrap();
    let expected = shown(&rows.clone().collect().await.unwrap());
    assert_eq!(expected.len(), 200);
    let logical = SparkLogicalCodec::new(Arc::clone(&inner) as _);
    let physical = SparkPhysicalCodec::new(Arc::clone(&inner) as _).client(spark);
    let plan = through_codecs(rows, &logical, &physical).await;
    assert!(inner.plan.get().is_some());
    let rows = collect(plan, context.task_ctx()).await.unwrap();
    assert_eq!(shown(&rows), expected);
}

#[test]
fn bytes_of_an_unknown_kind_are_refused() {
    let context = SessionContext::new().task_ctx();
    for bytes in [&[][..], b"\x07the future"] {
        let schema = Arc::new(Schema::empty());
        let table = TableReference::bare("boxes");
        let logical = logical_codec().try_decode_table_provider(bytes, &table, schema, &context);
        let converter = DefaultPhysicalProtoConverter {};
        let physical = physical_codec().try_decode(bytes, &[], &context, &converter);
        for error in [logical.unwrap_err(), physical.unwrap_err()] {
            let error = error.to_string();
            assert!(
                error.contains("client, scheduler and executors need the same"),
                "{error}"
            );
        }
    }
    // Of the right kind, and broken.
    let converter = DefaultPhysicalProtoConverter {};
    let broken = physical_codec().try_decode(b"\x01\xff", &[], &context, &converter);
    let error = broken.unwrap_err().to_string();
    assert!(error.contains("failed to decode"), "{error}");
    let without_service = physical_codec().try_decode(b"\x01", &[], &context, &converter);
    let error = without_service.unwrap_err().to_string();
    assert!(error.contains("is incomplete"), "{error}");
}
