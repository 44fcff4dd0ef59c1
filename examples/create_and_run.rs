//! Runs a portfolio of term insurance policies through a batch, and writes the premiums to a file.
//!
//! `cargo run --release --example create_and_run` does it against an emulator of the service that
//! it starts itself. With `CSPARK_BASE_URL` and credentials in the environment, it does it against
//! the real service; see `--help`.

#![allow(clippy::print_stderr, reason = "a program for people at a terminal")]

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use cspark_batches::run::{Run, RunHandle};
use cspark_batches::{Client, Result as SparkResult};
use cspark_emulator::Emulator;
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};

/// Runs a portfolio of term insurance policies through a Spark batch, and writes the premiums to a
/// CSV file.
///
/// Without CSPARK_BASE_URL in the environment, an emulator of the service is started for it. With
/// it, the real service is used, with the credentials in CSPARK_API_KEY, CSPARK_BEARER_TOKEN,
/// CSPARK_OAUTH_PATH (a JSON file), or CSPARK_CLIENT_ID and CSPARK_CLIENT_SECRET; --service then
/// names a service that takes the columns of a policy.
///
/// The output has one line a policy, in the order of the input: its number, premium and reserve, or
/// the service's error. Ctrl-C cancels the batch and keeps what was written.
#[derive(Parser)]
struct Options {
    /// CSV file with the columns age, sex, smoker, sum_assured and term. Without it, policies are
    /// made up
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// How many policies to make up
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 10_000,
        conflicts_with = "input"
    )]
    policies: u32,
    /// CSV file to write
    #[arg(long, value_name = "FILE", default_value = "premiums.csv")]
    output: PathBuf,
    /// Service to run
    #[arg(long, value_name = "URI", default_value = "my-folder/term-life")]
    service: String,
    /// Policies in a chunk
    #[arg(long, value_name = "NUMBER", default_value_t = 200)]
    chunk_size: usize,
    /// Most concurrent runners; with the emulator, its workers
    #[arg(long, value_name = "NUMBER", default_value_t = 8)]
    max_runners: u32,
    /// Memory for what is under way, in MiB
    #[arg(long, value_name = "NUMBER", default_value_t = 32)]
    memory: usize,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Policy {
    age: u32,
    sex: char,
    smoker: bool,
    sum_assured: f64,
    term: u32,
}

#[derive(Debug, Serialize, Deserialize)]
struct Premium {
    premium: f64,
    reserve: f64,
}

/// A line of the output. Exactly one of the last two columns is filled for a policy that failed.
#[derive(Serialize)]
struct Line<'a> {
    policy: u64,
    premium: Option<f64>,
    reserve: Option<f64>,
    error: Option<&'a str>,
}

/// A portfolio that is the same each time. Some policies are wrong, as in life.
fn made_up(count: u32) -> impl Iterator<Item = Policy> {
    (0..count).map(|n| {
        let spread = n.wrapping_mul(2_654_435_761) >> 8;
        Policy {
            age: 20 + spread % 45,
            sex: if n % 2 == 0 { 'F' } else { 'M' },
            smoker: spread % 5 == 0,
            sum_assured: f64::from(50_000 + spread % 19 * 25_000),
            term: if n % 1000 == 999 { 0 } else { 5 + spread % 30 },
        }
    })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    // Kept until the end: an emulator that is dropped is gone.
    let emulator = match std::env::var_os("CSPARK_BASE_URL") {
        Some(_) => None,
        None => Some(start_emulator(&options).await?),
    };
    let spark = match &emulator {
        Some(emulator) => Client::builder()
            .base_url(emulator.base_url())
            .bearer_token("open")
            .build()?,
        None => Client::from_env()?,
    };

    let mut run = start(&spark, &options)?;
    tokio::spawn(cancel_on_ctrl_c(run.handle()));
    let bar = progress_bar(&run);
    let written = write_premiums(&mut run, &options).await;
    bar.finish_and_clear();

    let summary = run.summary();
    eprintln!("{summary}");
    for unfinished in &summary.unfinished {
        eprintln!("unfinished: {unfinished}");
    }
    eprintln!("premiums in {}", options.output.display());
    written
}

async fn start_emulator(options: &Options) -> std::io::Result<Emulator> {
    let emulator = Emulator::builder()
        .workers(options.max_runners as usize)
        .time_per_record(Duration::from_millis(2))
        .start()
        .await?;
    eprintln!(
        "using an emulator at {}; set CSPARK_BASE_URL for the real service",
        emulator.base_url()
    );
    Ok(emulator)
}

fn start(spark: &Client, options: &Options) -> Result<Run<Premium>, Box<dyn Error>> {
    let policies: Vec<Policy> = match &options.input {
        Some(path) => csv::Reader::from_path(path)?
            .into_deserialize()
            .collect::<Result<_, _>>()?,
        None => made_up(options.policies).collect(),
    };
    let max_runners = options.max_runners;
    let run = spark
        .batches()
        .run::<Policy, Premium>(options.service.as_str(), policies)
        .chunk_size(options.chunk_size)
        .memory(options.memory << 20)
        .batch_options(|create| create.max_runners(max_runners))
        .in_input_order()
        .start()?;
    Ok(run)
}

/// Writes what comes; nothing is held back, so the portfolio may be of any size.
async fn write_premiums(run: &mut Run<Premium>, options: &Options) -> Result<(), Box<dyn Error>> {
    let mut lines = csv::Writer::from_path(&options.output)?;
    while let Some(delivery) = run.next().await {
        for (policy, outcome) in delivery?.iter() {
            let error = outcome.as_ref().err().map(ToString::to_string);
            let premium = outcome.as_ref().ok();
            lines.serialize(Line {
                policy,
                premium: premium.map(|it| it.premium),
                reserve: premium.map(|it| it.reserve),
                error: error.as_deref(),
            })?;
        }
    }
    lines.flush()?;
    Ok(())
}

/// Follows the run until it is over.
fn progress_bar(run: &Run<Premium>) -> ProgressBar {
    let mut progress = run.progress();
    let total = progress.borrow().total_records.unwrap_or(0);
    let style = "{bar:40} {pos}/{len} policies, {per_sec}, {eta} left{msg}";
    let bar = ProgressBar::new(total)
        .with_style(ProgressStyle::with_template(style).expect("a valid template"));
    let shown = bar.clone();
    tokio::spawn(async move {
        while progress.changed().await.is_ok() {
            let now = progress.borrow_and_update();
            shown.set_position(now.delivered.records);
            if now.failed_records > 0 {
                shown.set_message(format!(", {} failed", now.failed_records));
            }
        }
    });
    bar
}

/// The batch is cancelled, so that it does not go on computing for nobody.
async fn cancel_on_ctrl_c(run: RunHandle) -> SparkResult<()> {
    if tokio::signal::ctrl_c().await.is_ok() {
        run.cancel();
    }
    Ok(())
}
