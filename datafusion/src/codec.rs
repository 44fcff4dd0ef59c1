//! Services in the plans that a cluster sends around.

use std::fmt;
use std::sync::{Arc, OnceLock};

use cspark_batches::Client;
use cspark_batches::service::Columns;
use cspark_batches_arrow::Inner;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::{TableReference, internal_err, plan_err};
use datafusion::datasource::file_format::FileFormatFactory;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{
    AggregateUDF, Extension, HigherOrderUDF, LogicalPlan, ScalarUDF, WindowUDF,
};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr_common::physical_expr::proto_decode::PhysicalExprDecodeCtx;
use datafusion::physical_expr_common::physical_expr::proto_encode::PhysicalExprEncodeCtx;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::logical_plan::{AsLogicalPlan as _, LogicalExtensionCodec};
use datafusion_proto::physical_plan::{PhysicalExtensionCodec, PhysicalProtoConverterExtension};
use datafusion_proto::protobuf;
use prost::Message;

use crate::connection::{Connection, Executor};
use crate::exec::SparkExec;
use crate::service::{Limits, SparkService, external};
use crate::table::SparkTable;

/// The first byte of what these codecs write: whether the rest is theirs or of the codec inside.
const OWN: u8 = 1;
const INNER: u8 = 0;

/// Encodes logical plans with services, for clients and the scheduler of a cluster such as Apache
/// Ballista's. What it does not know goes to another codec.
///
/// A plan holds the locator of a service, its outputs and its limits. It holds no credentials and no
/// address: executors have their own, see [`SparkPhysicalCodec`].
#[derive(Clone, Debug)]
pub struct SparkLogicalCodec {
    inner: Arc<dyn LogicalExtensionCodec>,
}

impl SparkLogicalCodec {
    /// A codec that leaves everything but services to `inner`, such as Ballista's own codec.
    #[must_use]
    pub fn new(inner: Arc<dyn LogicalExtensionCodec>) -> Self {
        Self { inner }
    }
}

/// Encodes and decodes [`SparkExec`], for the scheduler and the executors of a cluster such as
/// Apache Ballista's. What it does not know goes to another codec.
///
/// An executor takes the address of the service and the credentials from its environment; see
/// [`Client::from_env`]. The scheduler needs neither.
#[derive(Clone)]
pub struct SparkPhysicalCodec {
    inner: Arc<dyn PhysicalExtensionCodec>,
    executor: Arc<Executor>,
}

impl SparkPhysicalCodec {
    /// A codec that leaves everything but services to `inner`, such as Ballista's own codec.
    #[must_use]
    pub fn new(inner: Arc<dyn PhysicalExtensionCodec>) -> Self {
        let executor = Arc::default();
        Self { inner, executor }
    }

    /// Sets the client of this executor, instead of one from the environment.
    #[must_use]
    pub fn client(mut self, client: Client) -> Self {
        Arc::make_mut(&mut self.executor).client = OnceLock::from(client);
        self
    }

    /// Sets anything else about the run of each partition on this executor. Those of
    /// [`SparkService::options`] are a function, so they cannot come with a plan.
    #[must_use]
    pub fn options(mut self, set: impl Fn(Inner) -> Inner + Send + Sync + 'static) -> Self {
        Arc::make_mut(&mut self.executor).options = Some(Arc::new(set));
        self
    }
}

impl fmt::Debug for SparkPhysicalCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SparkPhysicalCodec")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, PartialEq, Message)]
struct ServiceNode {
    #[prost(string, tag = "1")]
    locator: String,
    #[prost(message, optional, tag = "2")]
    outputs: Option<protobuf::Schema>,
    #[prost(uint64, tag = "3")]
    memory: u64,
    #[prost(uint64, tag = "4")]
    batches: u64,
    #[prost(uint32, optional, tag = "5")]
    runners: Option<u32>,
    #[prost(string, optional, tag = "6")]
    correlation_id: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct TableNode {
    #[prost(message, optional, tag = "1")]
    service: Option<ServiceNode>,
    #[prost(string, repeated, tag = "2")]
    sent: Vec<String>,
    #[prost(message, optional, tag = "3")]
    plan: Option<protobuf::LogicalPlanNode>,
}

#[derive(Clone, PartialEq, Message)]
struct ExecNode {
    #[prost(message, optional, tag = "1")]
    service: Option<ServiceNode>,
    #[prost(string, repeated, tag = "2")]
    sent: Vec<String>,
    #[prost(message, optional, tag = "3")]
    schema: Option<protobuf::Schema>,
}

impl ServiceNode {
    fn try_new(service: &SparkService) -> Result<Self> {
        if service.options.is_some() {
            return plan_err!(
                "the options of the service `{}` are a function, which a plan cannot hold; set them \
                 on the executors, with SparkPhysicalCodec::options",
                service.locator()
            );
        }
        Ok(Self {
            locator: service.locator().to_owned(),
            outputs: Some(encoded(service.output_schema())?),
            memory: service.limits.memory as u64,
            batches: service.limits.batches as u64,
            runners: service.limits.runners,
            correlation_id: service.correlation_id.as_deref().map(ToOwned::to_owned),
        })
    }

    fn service(self, executor: &Arc<Executor>) -> Result<SparkService> {
        let size = |size| usize::try_from(size).map_err(external);
        let limits = Limits {
            memory: size(self.memory)?,
            batches: size(self.batches)?,
            runners: self.runners,
        };
        let connection = Connection::Cluster(Arc::clone(executor));
        // The columns are for planning, which is over.
        let mut service = SparkService::new(connection, &self.locator, Columns::default());
        service = service.outputs(decoded(self.outputs)?);
        service.limits = limits;
        service.correlation_id = self.correlation_id.map(Into::into);
        Ok(service)
    }
}

fn encoded(schema: &Schema) -> Result<protobuf::Schema> {
    protobuf::Schema::try_from(schema).map_err(external)
}

fn decoded(schema: Option<protobuf::Schema>) -> Result<SchemaRef> {
    let schema = Schema::try_from(&schema.unwrap_or_default()).map_err(external)?;
    Ok(Arc::new(schema))
}

fn write_own(message: &impl Message, buf: &mut Vec<u8>) -> Result<()> {
    buf.push(OWN);
    message.encode(buf).map_err(external)
}

/// Codecs may expect an empty buffer, so the inner one gets a buffer of its own.
fn write_inner(buf: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
    let mut inner = Vec::new();
    write(&mut inner)?;
    buf.push(INNER);
    buf.append(&mut inner);
    Ok(())
}

/// The message, or the bytes for the inner codec.
enum Read<'a, M> {
    Own(M),
    Inner(&'a [u8]),
}

fn read<M: Message + Default>(buf: &[u8]) -> Result<Read<'_, M>> {
    match buf.split_first() {
        Some((&OWN, message)) => Ok(Read::Own(M::decode(message).map_err(external)?)),
        Some((&INNER, inner)) => Ok(Read::Inner(inner)),
        _ => internal_err!(
            "a part of the plan was not written by the codecs of cspark-batches-datafusion; client, \
             scheduler and executors need the same"
        ),
    }
}

fn incomplete() -> DataFusionError {
    DataFusionError::Internal("a part of the plan with a service is incomplete".to_owned())
}

/// Functions are of no concern to either codec.
macro_rules! functions_of_inner {
    () => {
        functions_of_inner! {
            try_decode_udf, try_encode_udf: ScalarUDF;
            try_decode_higher_order_function, try_encode_higher_order_function: HigherOrderUDF;
            try_decode_udaf, try_encode_udaf: AggregateUDF;
            try_decode_udwf, try_encode_udwf: WindowUDF;
        }
    };
    ($($decode:ident, $encode:ident: $function:ty;)*) => {
        $(
            fn $decode(&self, name: &str, buf: &[u8]) -> Result<Arc<$function>> {
                self.inner.$decode(name, buf)
            }

            fn $encode(&self, node: &$function, buf: &mut Vec<u8>) -> Result<()> {
                self.inner.$encode(node, buf)
            }
        )*
    };
}

impl LogicalExtensionCodec for SparkLogicalCodec {
    fn try_decode(
        &self,
        buf: &[u8],
        inputs: &[LogicalPlan],
        ctx: &TaskContext,
    ) -> Result<Extension> {
        self.inner.try_decode(buf, inputs, ctx)
    }

    fn try_encode(&self, node: &Extension, buf: &mut Vec<u8>) -> Result<()> {
        self.inner.try_encode(node, buf)
    }

    fn try_decode_table_provider(
        &self,
        buf: &[u8],
        table_ref: &TableReference,
        schema: SchemaRef,
        ctx: &TaskContext,
    ) -> Result<Arc<dyn TableProvider>> {
        let node: TableNode = match read(buf)? {
            Read::Own(node) => node,
            Read::Inner(buf) => {
                let inner = &self.inner;
                return inner.try_decode_table_provider(buf, table_ref, schema, ctx);
            }
        };
        let (Some(service), Some(plan)) = (node.service, node.plan) else {
            return Err(incomplete());
        };
        let service = service.service(&Arc::default())?;
        let plan = plan.try_into_logical_plan(ctx, self)?;
        let is_sent = |name: &str| node.sent.iter().any(|sent| sent == name);
        Ok(Arc::new(SparkTable::sending(plan, service, is_sent)?))
    }

    fn try_encode_table_provider(
        &self,
        table_ref: &TableReference,
        node: Arc<dyn TableProvider>,
        buf: &mut Vec<u8>,
    ) -> Result<()> {
        let Some(table) = node.downcast_ref::<SparkTable>() else {
            return write_inner(buf, |buf| {
                self.inner.try_encode_table_provider(table_ref, node, buf)
            });
        };
        let node = TableNode {
            service: Some(ServiceNode::try_new(table.service())?),
            sent: table.sent(),
            plan: Some(protobuf::LogicalPlanNode::try_from_logical_plan(
                table.plan(),
                self,
            )?),
        };
        write_own(&node, buf)
    }

    fn try_decode_file_format(
        &self,
        buf: &[u8],
        ctx: &TaskContext,
    ) -> Result<Arc<dyn FileFormatFactory>> {
        self.inner.try_decode_file_format(buf, ctx)
    }

    fn try_encode_file_format(
        &self,
        buf: &mut Vec<u8>,
        node: Arc<dyn FileFormatFactory>,
    ) -> Result<()> {
        self.inner.try_encode_file_format(buf, node)
    }

    functions_of_inner!();
}

impl PhysicalExtensionCodec for SparkPhysicalCodec {
    fn try_decode(
        &self,
        buf: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        ctx: &TaskContext,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let node: ExecNode = match read(buf)? {
            Read::Own(node) => node,
            Read::Inner(buf) => return self.inner.try_decode(buf, inputs, ctx, converter),
        };
        let (Some(service), [input]) = (node.service, inputs) else {
            return Err(incomplete());
        };
        Ok(Arc::new(SparkExec::try_new(
            Arc::clone(input),
            service.service(&self.executor)?,
            node.sent,
            decoded(node.schema)?,
        )?))
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        buf: &mut Vec<u8>,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        let Some(exec) = node.downcast_ref::<SparkExec>() else {
            return write_inner(buf, |buf| self.inner.try_encode(node, buf, converter));
        };
        let node = ExecNode {
            service: Some(ServiceNode::try_new(exec.service())?),
            sent: exec.sent().to_vec(),
            schema: Some(encoded(&exec.schema())?),
        };
        write_own(&node, buf)
    }

    fn try_decode_expr(
        &self,
        buf: &[u8],
        inputs: &[Arc<dyn PhysicalExpr>],
        ctx: &PhysicalExprDecodeCtx<'_>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        self.inner.try_decode_expr(buf, inputs, ctx)
    }

    fn try_encode_expr(
        &self,
        node: &Arc<dyn PhysicalExpr>,
        buf: &mut Vec<u8>,
        ctx: &PhysicalExprEncodeCtx<'_>,
    ) -> Result<()> {
        self.inner.try_encode_expr(node, buf, ctx)
    }

    functions_of_inner!();
}
