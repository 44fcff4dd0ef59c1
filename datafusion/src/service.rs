//! A service as queries use it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cspark_batches::service::Columns;
use cspark_batches::{Client, ErrorKind, ServiceUri};
use cspark_batches_arrow::{Inner, output_schema};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::plan_err;
use datafusion::error::{DataFusionError, Result};

use crate::connection::{Connection, SetOptions};
use crate::sharing::Gate;

/// A service with its columns and the limits of its runs. Cheap to clone.
///
/// Queries share it: [`register_spark_services`](crate::register_spark_services) makes it known to
/// SQL, and [`DataFrameExt`](crate::DataFrameExt) is for data frames.
#[derive(Clone)]
pub struct SparkService {
    connection: Connection,
    locator: Arc<str>,
    columns: Arc<Columns>,
    outputs: SchemaRef,
    pub(crate) limits: Limits,
    pub(crate) options: Option<Arc<SetOptions>>,
    pub(crate) correlation_id: Option<Arc<str>>,
    /// Of all queries that share the limits.
    pub(crate) gate: Arc<Gate>,
    records: Arc<AtomicU64>,
}

/// The limits of all batches together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) memory: usize,
    pub(crate) batches: usize,
    pub(crate) runners: Option<u32>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 64 << 20,
            batches: 4,
            runners: None,
        }
    }
}

impl SparkService {
    /// Asks a service for its columns.
    ///
    /// # Errors
    ///
    /// If the locator is malformed, or the service does not respond with its schema.
    pub async fn fetch(spark: &Client, locator: impl AsRef<str>) -> Result<Self> {
        let locator = locator.as_ref();
        let uri = ServiceUri::try_from(locator).map_err(external)?;
        let schema = spark.services().schema(uri).await.map_err(external)?;
        let columns = Columns::of_schema(schema.content());
        Ok(Self::with_columns(spark, locator, columns))
    }

    /// A service whose columns are known.
    #[must_use]
    pub fn with_columns(spark: &Client, locator: impl AsRef<str>, columns: Columns) -> Self {
        Self::new(
            Connection::Process(spark.clone()),
            locator.as_ref(),
            columns,
        )
    }

    pub(crate) fn new(connection: Connection, locator: &str, columns: Columns) -> Self {
        Self {
            connection,
            locator: locator.into(),
            outputs: output_schema(&columns),
            columns: Arc::new(columns),
            limits: Limits::default(),
            options: None,
            correlation_id: None,
            gate: Gate::new(Limits::default().batches),
            records: Arc::default(),
        }
    }

    /// Sets the columns of the outputs instead of the service's own, as for tables whose columns are
    /// to be known; see [`schema`](cspark_batches_arrow::TableRunBuilder::schema).
    #[must_use]
    pub fn outputs(mut self, schema: SchemaRef) -> Self {
        self.outputs = schema;
        self
    }

    /// Sets the bytes of memory for the runs of all queries that share this service; 64 MiB unless
    /// set. Each batch has its part, half of it for the rows of the input that wait for their
    /// outputs. A query reserves that of its batches from DataFusion's memory pool before it opens
    /// them.
    #[must_use]
    pub fn memory(mut self, bytes: usize) -> Self {
        self.limits.memory = bytes.max(1);
        self
    }

    /// Sets the most batches at a time of all queries that share this service; 4 unless set, and at
    /// least one. Memory and runners are divided by this number, so set 1 for an input of one
    /// partition to have all of them.
    ///
    /// In one process an input of more partitions is merged into as many, and several services in one
    /// query divide them. A query waits until there is room for all its batches, with all its
    /// services, and gives none back before its last one has ended; a program that reads two queries
    /// in turn needs services that do not share their limits. That holds in the session of a
    /// [`DataFrame`](crate::DataFrameExt) that got a service, and in one where services [are
    /// registered](crate::register_spark_services). Elsewhere, as for plans that are made by hand,
    /// each operator has the limits for itself.
    ///
    /// On a cluster each partition of the input has a batch of its own, so that it can be computed
    /// again; as many are open as the executors have cores for tasks, so set that number here.
    #[must_use]
    pub fn max_batches(mut self, batches: usize) -> Self {
        self.limits.batches = batches.max(1);
        self.gate = Gate::new(self.limits.batches);
        self
    }

    /// Sets the most runners of all queries that share this service. Each batch asks for its part,
    /// and for at least one.
    #[must_use]
    pub fn max_runners(mut self, runners: u32) -> Self {
        self.limits.runners = Some(runners);
        self
    }

    /// Takes part in the limits of another service, such as one of the same tenant, instead of having
    /// its own.
    #[must_use]
    pub fn share_limits(mut self, of: &Self) -> Self {
        self.limits = of.limits;
        self.gate = Arc::clone(&of.gate);
        self
    }

    /// Sets anything else about the run of each partition; see
    /// [`options`](cspark_batches_arrow::TableRunBuilder::options). On a cluster the executors set it.
    #[must_use]
    pub fn options(mut self, set: impl Fn(Inner) -> Inner + Send + Sync + 'static) -> Self {
        self.options = Some(Arc::new(set));
        self
    }

    /// Sets the correlation id of all batches, by which
    /// [`cancel_open_batches`](Self::cancel_open_batches) finds them: one that no other query has.
    #[must_use]
    pub fn correlation_id(mut self, id: impl AsRef<str>) -> Self {
        self.correlation_id = Some(id.as_ref().into());
        self
    }

    /// Cancels the batches with this service's correlation id that are still open, and returns their
    /// ids. For the end of a query on a cluster, whether it succeeded or not: an executor that was
    /// killed left its batches open, and others have computed their records again. A query that still
    /// runs loses its batches, too.
    ///
    /// A query in one process closes or cancels its own batches. It needs this only if it is dropped
    /// at the end of the program: tasks of the runtime cancel its batches, and they end with it.
    /// Batches that nobody cancels are closed by the service when they are idle for 30 minutes.
    ///
    /// # Errors
    ///
    /// If no [correlation id](Self::correlation_id) is set, or a request fails after retries: the
    /// first such error, after all batches were tried.
    pub async fn cancel_open_batches(&self) -> Result<Vec<String>> {
        let Some(wanted) = self.correlation_id.as_deref() else {
            return plan_err!(
                "the service `{}` has no correlation id, by which its batches are found",
                self.locator
            );
        };
        let batches = self.client()?.batches();
        let listed = batches.describe().await.map_err(external)?;
        let listed = listed.in_progress_batches.into_iter().flatten();
        let (mut cancelled, mut first_error) = (Vec::new(), None);
        for id in listed.filter_map(|batch| batch.id) {
            let pipeline = batches.of(&id);
            let cancel = async || -> cspark_batches::Result<bool> {
                // The list lacks the correlation ids.
                let info = pipeline.info().await?;
                let found = info.details().and_then(|it| it.correlation_id.as_deref());
                let has_ended = info.status().is_some_and(|status| status.is_terminal());
                let is_wanted = found == Some(wanted) && !has_ended;
                if is_wanted {
                    pipeline.cancel().await?;
                }
                Ok(is_wanted)
            };
            match cancel().await {
                Ok(true) => cancelled.push(id),
                Ok(false) => {}
                // It has ended in the meantime.
                Err(error)
                    if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::BatchEnded) => {}
                Err(error) => drop(first_error.get_or_insert(error)),
            }
        }
        match first_error {
            Some(error) => Err(external(error)),
            None => Ok(cancelled),
        }
    }

    /// The locator of the service.
    #[must_use]
    pub fn locator(&self) -> &str {
        &self.locator
    }

    /// How many records have come back so far, in all queries that share this service: for a
    /// progress bar.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }

    pub(crate) fn count(&self, records: usize) {
        self.records.fetch_add(records as u64, Ordering::Relaxed);
    }

    pub(crate) fn client(&self) -> Result<Client> {
        self.connection.client()
    }

    /// Whether the runs are in the executors of a cluster.
    pub(crate) fn is_on_cluster(&self) -> bool {
        self.connection.is_cluster()
    }

    /// The options for all runs: those of the executor, if there is one.
    pub(crate) fn run_options(&self) -> Option<Arc<SetOptions>> {
        self.connection.options().or_else(|| self.options.clone())
    }

    pub(crate) fn columns(&self) -> &Arc<Columns> {
        &self.columns
    }

    pub(crate) fn output_schema(&self) -> &SchemaRef {
        &self.outputs
    }
}

impl fmt::Debug for SparkService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SparkService")
            .field("locator", &self.locator)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

pub(crate) fn external(error: impl std::error::Error + Send + Sync + 'static) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}
