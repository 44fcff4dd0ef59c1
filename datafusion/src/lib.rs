//! [Coherent Spark](https://www.coherent.global) services in
//! [DataFusion](https://datafusion.apache.org)'s queries: from data frames and from SQL.
//!
//! ```no_run
//! use cspark_batches_datafusion::DataFrameExt as _;
//! # use cspark_batches::Client;
//! # use datafusion::dataframe::DataFrameWriteOptions;
//! # use datafusion::prelude::*;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let spark = Client::from_env()?;
//! let context = SessionContext::new();
//! let policies = context.read_parquet("policies/", ParquetReadOptions::default()).await?;
//! let premiums = policies.spark_service(&spark, "my-folder/term-life").await?;
//! premiums.write_parquet("premiums/", DataFrameWriteOptions::new(), None).await?;
//! # Ok(())
//! # }
//! ```
//!
//! The result has the columns of the input, the outputs of the service, and `error`; see
//! [`SparkTable`]. [`SparkService`] sets the limits: memory, batches, runners.
//! [`register_spark_services`] is for SQL.
//!
//! With the feature `codec` queries run on a cluster, such as one of Apache Ballista: see
//! `SparkLogicalCodec` and `SparkPhysicalCodec`.

#![forbid(unsafe_code)]

#[cfg(feature = "codec")]
mod codec;
mod connection;
mod dataframe;
mod exec;
mod function;
mod metrics;
mod partition;
mod service;
mod sharing;
mod table;

#[cfg(feature = "codec")]
pub use codec::{SparkLogicalCodec, SparkPhysicalCodec};
pub use dataframe::DataFrameExt;
pub use exec::SparkExec;
pub use function::register_spark_services;
pub use service::SparkService;
pub use table::SparkTable;
