//! Services for data frames.

use std::sync::Arc;

use async_trait::async_trait;
use cspark_batches::Client;
use datafusion::dataframe::DataFrame;
use datafusion::datasource::provider_as_source;
use datafusion::error::Result;
use datafusion::logical_expr::LogicalPlanBuilder;

use crate::service::SparkService;
use crate::sharing::with_shared_limits;
use crate::table::SparkTable;

/// Methods of a [`DataFrame`] that run its rows through a service.
#[async_trait]
pub trait DataFrameExt {
    /// Adds the outputs of a service to each row, and a column `error`; see [`SparkTable`].
    ///
    /// The columns belong to a table `spark_service`. To join two such data frames, give each an
    /// [`alias`](DataFrame::alias).
    ///
    /// ```no_run
    /// use cspark_batches_datafusion::DataFrameExt as _;
    /// use datafusion::dataframe::{DataFrame, DataFrameWriteOptions};
    ///
    /// # async fn example(policies: DataFrame, spark: cspark_batches::Client) -> datafusion::error::Result<()> {
    /// let premiums = policies.spark_service(&spark, "my-folder/term-life").await?;
    /// premiums.write_parquet("premiums/", DataFrameWriteOptions::new(), None).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`SparkService::fetch`] and [`SparkTable::try_new`]. No row is read yet.
    async fn spark_service(self, spark: &Client, locator: &str) -> Result<DataFrame>;

    /// The same for a service whose columns were fetched before, with limits of its own.
    ///
    /// # Errors
    ///
    /// Those of [`SparkTable::try_new`].
    fn with_spark_service(self, service: &SparkService) -> Result<DataFrame>;
}

#[async_trait]
impl DataFrameExt for DataFrame {
    async fn spark_service(self, spark: &Client, locator: &str) -> Result<DataFrame> {
        self.with_spark_service(&SparkService::fetch(spark, locator).await?)
    }

    fn with_spark_service(self, service: &SparkService) -> Result<DataFrame> {
        let (state, plan) = self.into_parts();
        // As for a view: only then are the types those that the plan will have.
        let plan = state
            .analyzer()
            .execute_and_check(plan, state.config_options(), |_, _| {})?;
        let table = Arc::new(SparkTable::try_new(plan, service.clone())?);
        let plan = LogicalPlanBuilder::scan("spark_service", provider_as_source(table), None)?;
        Ok(DataFrame::new(with_shared_limits(state), plan.build()?))
    }
}
