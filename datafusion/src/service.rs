//! A service as queries use it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cspark_batches::service::Columns;
use cspark_batches::{Client, ServiceUri};
use cspark_batches_arrow::{Inner, output_schema};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::error::{DataFusionError, Result};

/// A service with its columns and the limits of its runs. Cheap to clone.
///
/// Queries share it: [`register_spark_services`](crate::register_spark_services) makes it known to
/// SQL, and [`DataFrameExt`](crate::DataFrameExt) is for data frames.
#[derive(Clone)]
pub struct SparkService {
    pub(crate) spark: Client,
    locator: Arc<str>,
    columns: Arc<Columns>,
    outputs: SchemaRef,
    pub(crate) limits: Limits,
    pub(crate) options: Option<Arc<SetOptions>>,
    records: Arc<AtomicU64>,
}

type SetOptions = dyn Fn(Inner) -> Inner + Send + Sync;

/// The limits of one operator, all its partitions together.
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
        Self {
            spark: spark.clone(),
            locator: locator.as_ref().into(),
            outputs: output_schema(&columns),
            columns: Arc::new(columns),
            limits: Limits::default(),
            options: None,
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

    /// Sets the bytes of memory for the runs of an operator, all partitions together; 64 MiB unless
    /// set. They are reserved from DataFusion's memory pool. The input's batches that wait for their
    /// outputs come on top.
    #[must_use]
    pub fn memory(mut self, bytes: usize) -> Self {
        self.limits.memory = bytes.max(1);
        self
    }

    /// Sets the most batches of an operator, and so its number of partitions; 4 unless set, at least
    /// 1. An input of more partitions is merged into as many.
    #[must_use]
    pub fn max_batches(mut self, batches: usize) -> Self {
        self.limits.batches = batches.max(1);
        self
    }

    /// Sets the most runners of an operator, all batches together. Each batch asks for its share,
    /// and for at least one.
    #[must_use]
    pub fn max_runners(mut self, runners: u32) -> Self {
        self.limits.runners = Some(runners);
        self
    }

    /// Sets anything else about the run of each partition; see
    /// [`options`](cspark_batches_arrow::TableRunBuilder::options).
    #[must_use]
    pub fn options(mut self, set: impl Fn(Inner) -> Inner + Send + Sync + 'static) -> Self {
        self.options = Some(Arc::new(set));
        self
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

    pub(crate) fn columns(&self) -> &Columns {
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
