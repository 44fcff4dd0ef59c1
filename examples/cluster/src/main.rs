//! A folder of Parquet files through a service on a cluster of processes.
//!
//! ```text
//! cargo run --profile tables -p cluster
//! ```
//!
//! It generates 100,000 policies, starts an emulator, a scheduler and two executors, and writes the
//! policies with their premiums to Parquet. This program is also the scheduler and the executors:
//!
//! ```text
//! cluster scheduler <executors>
//! CSPARK_BASE_URL=.. CSPARK_BEARER_TOKEN=.. cluster executor <port of the scheduler> <cores>
//! ```

#![allow(clippy::print_stdout, reason = "a program for people at a terminal")]

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use cluster::LocalCluster;
use cspark_batches::Client;
use cspark_batches_datafusion::{DataFrameExt as _, SparkService};
use cspark_emulator::Emulator;
use datafusion::dataframe::DataFrameWriteOptions;
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext, col};

const POLICIES: usize = 100_000;
const PARTITIONS: usize = 8;
const EXECUTORS: usize = 2;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [] => policies_to_premiums().await,
        ["scheduler", executors] => cluster::scheduler(executors.parse()?).await,
        ["executor", port, cores] => cluster::executor(port.parse()?, cores.parse()?).await,
        _ => Err(
            "use: cluster, cluster scheduler <executors>, or cluster executor <port> <cores>"
                .into(),
        ),
    }
}

async fn policies_to_premiums() -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("cluster-{}", std::process::id()));
    let [policies, premiums] = ["policies", "premiums"].map(|name| text(&folder, name));
    let here =
        SessionContext::new_with_config(SessionConfig::new().with_target_partitions(PARTITIONS));
    generate(&here, &policies).await?;
    println!("{POLICIES} policies are in {policies}");

    let emulator = Emulator::builder().workers(16).start_on_thread()?;
    let base_url = emulator.base_url();
    let credentials = [
        ("CSPARK_BASE_URL", base_url.as_str()),
        ("CSPARK_BEARER_TOKEN", "open"),
    ];
    let program = std::env::current_exe()?;
    let mut cluster = LocalCluster::start(&program, &folder, EXECUTORS, &credentials)?;
    let there = cluster.session(PARTITIONS).await?;
    println!("a scheduler and {EXECUTORS} executors are there");

    // This process asks for the columns of the service. The executors run it.
    let spark = Client::builder()
        .base_url(&base_url)
        .bearer_token("open")
        .build()?;
    let service = SparkService::fetch(&spark, "my-folder/term-life").await?;
    let service = service.correlation_id("an example");
    let started = Instant::now();
    let options = ParquetReadOptions::default();
    let rows = there.read_parquet(&policies, options).await?;
    let rows = rows.with_spark_service(&service)?;
    let written = rows
        .write_parquet(&premiums, DataFrameWriteOptions::new(), None)
        .await;
    // Executors that were killed would have left their batches open.
    let cancelled = service.cancel_open_batches().await;
    written?;
    cancelled?;
    println!(
        "done in {:.1?}; the premiums are in {premiums}",
        started.elapsed()
    );

    let options = ParquetReadOptions::default();
    here.register_parquet("premiums", &premiums, options)
        .await?;
    let sums = "SELECT sex, count(*) AS policies, count(error) AS errors, \
                round(avg(premium), 2) AS average_premium FROM premiums GROUP BY sex ORDER BY sex";
    here.sql(sums).await?.show().await?;
    let result = here.table("premiums").await?;
    let rows = result.clone().count().await?;
    let errors = result.filter(col("error").is_not_null())?.count().await?;
    match rows == POLICIES && errors == 0 {
        true => Ok(()),
        false => Err(format!("{POLICIES} policies gave {rows} rows with {errors} errors").into()),
    }
}

/// Policies that are a function of their number, in one file for each partition.
async fn generate(context: &SessionContext, folder: &str) -> Result<(), Box<dyn Error>> {
    for partition in 0..PARTITIONS {
        let policies = format!(
            "SELECT n AS policy_id, CASE n / {PARTITIONS} % 2 WHEN 0 THEN 'female' ELSE 'male' END AS sex, \
             n % 5 = 0 AS smoker, 18 + n % 48 AS age, 5 + n % 15 AS term, \
             10000.0 + (n % 1000) * 250 AS sum_assured \
             FROM (SELECT value AS n FROM generate_series({partition}, {POLICIES} - 1, {PARTITIONS}))"
        );
        let policies = context.sql(&policies).await?;
        let file = format!("{folder}{partition}.parquet");
        let options = DataFrameWriteOptions::new();
        policies.write_parquet(&file, options, None).await?;
    }
    Ok(())
}

/// A folder as DataFusion names it.
fn text(folder: &Path, name: &str) -> String {
    format!("{}/{name}/", folder.display())
}
