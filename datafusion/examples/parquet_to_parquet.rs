//! A partitioned folder of Parquet files through a service, to a partitioned folder of Parquet files
//! with the outputs beside the inputs.
//!
//! ```text
//! cargo run --release -p cspark-batches-datafusion --example parquet_to_parquet
//! ```
//!
//! It generates its policies, 1,000,000 unless another number is given. The service is an emulator,
//! or the real one if `CSPARK_BASE_URL` is set, with credentials in the environment.

#![allow(clippy::print_stdout, reason = "a program for people at a terminal")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use cspark_batches::Client;
use cspark_batches_datafusion::{DataFrameExt as _, SparkService};
use cspark_emulator::Emulator;
use datafusion::arrow::array::RecordBatch;
use datafusion::dataframe::DataFrameWriteOptions;
use datafusion::error::DataFusionError;
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext, col};
use indicatif::{ProgressBar, ProgressStyle};

const PARTITIONS: usize = 4;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let records = std::env::args()
        .nth(1)
        .map_or(Ok(1_000_000), |records| records.parse::<u64>())?;
    let (spark, _emulator) = connect().await?;
    let folder = std::env::args().nth(2).map_or_else(
        || std::env::temp_dir().join(format!("parquet_to_parquet-{}", std::process::id())),
        PathBuf::from,
    );
    let context =
        SessionContext::new_with_config(SessionConfig::new().with_target_partitions(PARTITIONS));
    let (policies, premiums) = (folder.join("policies"), folder.join("premiums"));
    generate(&context, records, &policies).await?;
    println!("{records} policies are in {}", policies.display());

    // The columns `sex`, `smoker`, `age`, `term` and `sum_assured` are sent, since the service has
    // inputs of these names. `policy_id` and `region` pass by.
    let policies = read(&context, &policies).await?;
    let service = SparkService::fetch(&spark, "my-folder/term-life").await?;
    let service = service.correlation_id(unique_id()?);
    let with_premiums = policies.with_spark_service(&service)?;

    let started = Instant::now();
    let by_region = DataFrameWriteOptions::new().with_partition_by(vec!["region".to_owned()]);
    let target = text(&premiums)?;
    let query = with_premiums.write_parquet(&target, by_region, None);
    let written = until_written(query, &service, records).await;
    if written.is_err() {
        // A query that is dropped cancels its batches in tasks, which end with this function.
        while !service.cancel_open_batches().await?.is_empty() {}
    }
    written?;
    println!(
        "done in {:.1?}; the premiums are in {}",
        started.elapsed(),
        premiums.display()
    );

    let result = read(&context, &premiums).await?;
    let rows = result.clone().count().await? as u64;
    let errors = result.clone().filter(col("error").is_not_null())?;
    let errors = errors.count().await?;
    context.register_table("premiums", result.into_view())?;
    let sums = "SELECT region, count(*) AS policies, count(error) AS errors, \
                round(avg(premium), 2) AS average_premium FROM premiums GROUP BY region \
                ORDER BY region";
    context.sql(sums).await?.show().await?;
    match rows == records && errors == 0 {
        true => Ok(()),
        false => Err(format!("{records} policies gave {rows} rows with {errors} errors").into()),
    }
}

/// Shows how far the query is until it has ended, or somebody presses Ctrl-C.
async fn until_written(
    query: impl Future<Output = Result<Vec<RecordBatch>, DataFusionError>> + Send,
    service: &SparkService,
    records: u64,
) -> Result<(), DataFusionError> {
    let bar = progress(records);
    let mut query = std::pin::pin!(query);
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    let written = loop {
        tokio::select! {
            written = &mut query => break written.map(drop),
            pressed = &mut interrupted => {
                pressed?;
                break Err(DataFusionError::Execution("interrupted".to_owned()));
            }
            () = tokio::time::sleep(Duration::from_millis(100)) => {
                bar.set_position(service.records());
            }
        }
    };
    bar.finish_and_clear();
    written
}

/// A correlation id that no other query has.
fn unique_id() -> Result<String, Box<dyn Error>> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Ok(format!("parquet_to_parquet {}", now.as_nanos()))
}

/// Policies that are a function of their number, in one file for each partition of the plan.
async fn generate(
    context: &SessionContext,
    records: u64,
    folder: &Path,
) -> Result<(), Box<dyn Error>> {
    let policies = format!(
        "SELECT n AS policy_id, \
         CASE n % 3 WHEN 0 THEN 'north' WHEN 1 THEN 'south' ELSE 'west' END AS region, \
         CASE n % 2 WHEN 0 THEN 'female' ELSE 'male' END AS sex, n % 5 = 0 AS smoker, \
         18 + n % 48 AS age, 5 + n % 15 AS term, 10000.0 + (n % 1000) * 250 AS sum_assured \
         FROM (SELECT value AS n FROM generate_series(1, {records}))"
    );
    let policies = context.sql(&policies).await?;
    let by_region = DataFrameWriteOptions::new().with_partition_by(vec!["region".to_owned()]);
    let folder = text(folder)?;
    policies.write_parquet(&folder, by_region, None).await?;
    Ok(())
}

/// The files of a folder, whose subfolders are the regions.
async fn read(
    context: &SessionContext,
    folder: &Path,
) -> Result<datafusion::dataframe::DataFrame, Box<dyn Error>> {
    use datafusion::arrow::datatypes::DataType;
    let options = ParquetReadOptions::default()
        .table_partition_cols(vec![("region".to_owned(), DataType::Utf8)]);
    let folder = text(folder)?;
    Ok(context.read_parquet(folder, options).await?)
}

fn text(folder: &Path) -> Result<String, Box<dyn Error>> {
    let folder = folder
        .to_str()
        .ok_or("the path of the folder is not UTF-8")?;
    Ok(format!("{folder}/"))
}

fn progress(records: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {per_sec}, {eta} left");
    let bar = ProgressBar::new(records);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

async fn connect() -> Result<(Client, Option<Emulator>), Box<dyn Error>> {
    if std::env::var_os("CSPARK_BASE_URL").is_some() {
        return Ok((Client::from_env()?, None));
    }
    let emulator = Emulator::builder().workers(16).start_on_thread()?;
    let spark = Client::builder()
        .base_url(emulator.base_url())
        .bearer_token("open")
        .build()?;
    Ok((spark, Some(emulator)))
}
