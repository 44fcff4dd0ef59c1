//! The operator that runs its input through a service.

use std::fmt;
use std::sync::Arc;

use cspark_batches_arrow::{RunTable as _, Table};
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{internal_err, plan_err};
use datafusion::error::Result;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{CardinalityEffect, EmissionType};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties as _, Partitioning,
    PlanProperties,
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::metrics::RunMetrics;
use crate::partition::PartitionRun;
use crate::service::{SparkService, external};
use crate::sharing::{Gate, Group};
use crate::table::ERROR;

/// Runs the rows of its input through a service, with one managed run for each partition.
///
/// The runs share the limits of the service: each has its part of the memory and the runners. In one
/// process there are no more partitions than batches are allowed. On a cluster there are as many as
/// the input has, since the cluster gives each task some partitions of the input by their number.
///
/// A run reads its input no faster than its output is taken. When a query is dropped, its batches
/// are cancelled. On a cluster that is when the scheduler cancels its tasks.
#[derive(Debug)]
pub struct SparkExec {
    input: Arc<dyn ExecutionPlan>,
    service: SparkService,
    /// The columns that are sent.
    sent: Vec<String>,
    /// The columns of the result.
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
    /// With the other runs of the query; `None` where the limits are not shared.
    group: Option<Arc<Group>>,
}

impl SparkExec {
    /// An operator that sends these columns of its input, and returns the columns of `schema`: any
    /// of the input, of the service's outputs, and `error`.
    ///
    /// # Errors
    ///
    /// If the result is to have a column that is none of them.
    pub fn try_new(
        input: Arc<dyn ExecutionPlan>,
        service: SparkService,
        sent: Vec<String>,
        schema: SchemaRef,
    ) -> Result<Self> {
        for field in schema.fields() {
            let name = field.name();
            let is_known = name == ERROR
                || input.schema().field_with_name(name).is_ok()
                || service.output_schema().field_with_name(name).is_ok();
            if !is_known {
                return plan_err!("the service `{}` has no output `{name}`", service.locator());
            }
        }
        let most = service.limits.batches;
        Ok(Self::merging(input, service, sent, schema, most))
    }

    /// An operator of at most so many partitions, unless it is one on a cluster.
    fn merging(
        input: Arc<dyn ExecutionPlan>,
        service: SparkService,
        sent: Vec<String>,
        schema: SchemaRef,
        most: usize,
    ) -> Self {
        let of_input = input.output_partitioning().partition_count();
        let partitions = match service.is_on_cluster() {
            true => of_input,
            false => of_input.min(most),
        };
        // The rows come in the order in which their chunks are computed.
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Incremental,
            input.boundedness(),
        );
        Self {
            input,
            service,
            sent,
            schema,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
            group: None,
        }
    }

    /// Of the limits that are shared, which a cluster cannot do.
    pub(crate) fn gate(&self) -> Option<&Arc<Gate>> {
        (!self.service.is_on_cluster()).then_some(&self.service.gate)
    }

    /// The same as one of the operators of a query that share their limits, with at most so many
    /// batches.
    pub(crate) fn in_group(&self, group: Arc<Group>, batches: usize) -> Self {
        self.again(Arc::clone(&self.input), Some(group), batches)
    }

    /// The same over this input, with at most so many partitions.
    fn again(&self, input: Arc<dyn ExecutionPlan>, group: Option<Arc<Group>>, most: usize) -> Self {
        let (service, sent) = (self.service.clone(), self.sent.clone());
        let schema = Arc::clone(&self.schema);
        Self {
            group,
            ..Self::merging(input, service, sent, schema, most)
        }
    }

    pub(crate) fn partitions(&self) -> usize {
        self.properties.output_partitioning().partition_count()
    }

    /// Of one run.
    pub(crate) fn memory(&self) -> usize {
        self.service.limits.memory / self.service.limits.batches.max(1)
    }

    #[cfg(feature = "codec")]
    pub(crate) fn service(&self) -> &SparkService {
        &self.service
    }

    #[cfg(feature = "codec")]
    pub(crate) fn sent(&self) -> &[String] {
        &self.sent
    }

    /// The outputs that the service is asked for. It has to be asked for one if only errors are
    /// wanted, since to ask for none is to ask for all.
    fn outputs(&self) -> Schema {
        let outputs = self.service.output_schema().fields();
        let is_wanted = |field: &&Arc<Field>| self.schema.field_with_name(field.name()).is_ok();
        let wanted: Vec<_> = outputs.iter().filter(is_wanted).cloned().collect();
        match wanted.is_empty() {
            true => Schema::new(outputs.iter().take(1).cloned().collect::<Vec<_>>()),
            false => Schema::new(wanted),
        }
    }
}

impl DisplayAs for SparkExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outputs = self.outputs();
        let outputs: Vec<_> = outputs
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        write!(
            f,
            "SparkExec: service={}, inputs=[{}], outputs=[{}]",
            self.service.locator(),
            self.sent.join(", "),
            outputs.join(", ")
        )
    }
}

impl ExecutionPlan for SparkExec {
    fn name(&self) -> &str {
        "SparkExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![false]
    }

    /// More partitions are more batches, which do not make the service faster.
    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (Some(input), true) = (children.pop(), children.is_empty()) else {
            return internal_err!("SparkExec has one input");
        };
        let most = match self.group {
            Some(_) => self.partitions(),
            None => self.service.limits.batches,
        };
        Ok(Arc::new(self.again(input, self.group.clone(), most)))
    }

    /// Each row of the input is one of the output, so a limit goes on to the input, unless its
    /// partitions are merged: each would have the limit for itself.
    fn supports_limit_pushdown(&self) -> bool {
        self.partitions() == self.input.output_partitioning().partition_count()
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Equal
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let partitions = self.partitions();
        if partition >= partitions {
            return internal_err!("SparkExec has no partition {partition}");
        }
        let of_input = self.input.output_partitioning().partition_count();
        // Read at the same time, since none may have to wait for another.
        let inputs: Vec<_> = (partition..of_input)
            .step_by(partitions)
            .map(|partition| self.input.execute(partition, Arc::clone(&context)))
            .collect::<Result<_>>()?;
        let table = Table::stream(self.input.schema(), stream::select_all(inputs));

        let batches = self.service.limits.batches.max(1);
        let memory = self.memory();
        let runners = self.service.limits.runners.map(|runners| {
            let batches = u32::try_from(batches).unwrap_or(u32::MAX);
            (runners / batches).max(1)
        });
        let correlation_id = self.service.correlation_id.clone();
        let reservation =
            MemoryConsumer::new(format!("SparkExec[{partition}]")).register(context.memory_pool());
        let set = self.service.run_options();
        let run = self
            .service
            .client()?
            .batches()
            .run_table(self.service.locator(), table)
            .send(self.sent.clone())
            .schema(self.outputs())
            .with_inputs()
            .error_column(ERROR)
            .batch_size(context.session_config().batch_size())
            .options(move |run| {
                // The inputs may take as much again.
                let run = run.memory(memory / 2).batch_options(|mut create| {
                    if let Some(runners) = runners {
                        create = create.max_runners(runners);
                    }
                    if let Some(id) = &correlation_id {
                        create = create.correlation_id(&**id);
                    }
                    create
                });
                match set {
                    Some(set) => set(run),
                    None => run,
                }
            });
        let metrics = RunMetrics::new(&self.metrics, partition);
        let service = self.service.clone();
        let schema = Arc::clone(&self.schema);
        let group = self.group.clone();
        // The run starts when the stream is read, since that is where its runtime is.
        let stream = stream::once(async move {
            let permit = match group {
                Some(group) => group.enter(reservation).await?,
                None => {
                    reservation.try_grow(memory)?;
                    Arc::new((reservation, Vec::new()))
                }
            };
            let run = run.start().map_err(external)?;
            PartitionRun::try_new(run, service, schema, metrics, permit)
        });
        let schema = Arc::clone(&self.schema);
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            schema,
            stream.try_flatten().boxed(),
        )))
    }
}
