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
use std::time::{Duration, Instant};

use cspark_batches::Client;
use cspark_batches_datafusion::{DataFrameExt as _, SparkService};
use cspark_emulator::Emulator;
use datafusion::dataframe::DataFrameWriteOptions;
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
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
    let with_premiums = policies.with_spark_service(&service)?;

    let started = Instant::now();
    let bar = progress(records);
    let by_region = DataFrameWriteOptions::new().with_partition_by(vec!["region".to_owned()]);
    let target = text(&premiums)?;
    let mut writing = std::pin::pin!(with_premiums.write_parquet(&target, by_region, None));
    loop {
        tokio::select! {
            written = &mut writing => break drop(written?),
            // Nothing is left open: the query is dropped, and so its batches are cancelled.
            _ = tokio::signal::ctrl_c() => return Err("interrupted".into()),
            () = tokio::time::sleep(Duration::from_millis(100)) => {
                bar.set_position(service.records());
            }
        };
    }
    bar.finish_and_clear();
    println!(
        "done in {:.1?}; the premiums are in {}",
        started.elapsed(),
        premiums.display()
    );

    let result = read(&context, &premiums).await?;
    context.register_table("premiums", result.into_view())?;
    let sums = "SELECT region, count(*) AS policies, count(error) AS errors, \
                round(avg(premium), 2) AS average_premium FROM premiums GROUP BY region \
                ORDER BY region";
    context.sql(sums).await?.show().await?;
    Ok(())
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
