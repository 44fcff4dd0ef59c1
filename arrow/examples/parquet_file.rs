//! A Parquet file through a service, to a Parquet file with the outputs beside the inputs, in bounded
//! memory.
//!
//! ```text
//! cargo run --profile tables -p cspark-batches-arrow --example parquet_file
//! ```
//!
//! It generates 100,000 policies, unless another number is given. The service is an emulator, or the
//! real one if `CSPARK_BASE_URL` is set, with credentials in the environment.

#![allow(clippy::print_stdout, reason = "a program for people at a terminal")]

use std::error::Error;
use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::ArrowError;
use cspark_batches::Client;
use cspark_batches::service::Columns;
use cspark_batches_arrow::{RunTable as _, Table, output_schema};
use cspark_emulator::Emulator;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

const SERVICE: &str = "my-folder/term-life";
const ROWS_IN_A_BATCH: usize = 8192;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let records = std::env::args()
        .nth(1)
        .map_or(Ok(100_000), |records| records.parse())?;
    let folder = std::env::temp_dir();
    let [policies, premiums] = ["policies.parquet", "premiums.parquet"].map(|it| folder.join(it));
    generate(records, &policies)?;

    let (spark, _emulator) = connect().await?;
    // The types of the outputs are those of the service. Otherwise, the first outputs would tell.
    let service = spark.services().schema(SERVICE).await?;
    let outputs = output_schema(&Columns::of_schema(service.content()));
    let input = ParquetRecordBatchReaderBuilder::try_new(File::open(&policies)?)?.build()?;
    let run = spark.batches().run_table(SERVICE, Table::reader(input));
    // The column that the service has no input for passes by.
    let run = run.send(["age", "sex", "smoker", "term", "sum_assured"]);
    let run = run.schema(outputs).with_inputs();
    let mut run = run.options(|run| run.in_input_order()).start()?;

    let schema = run.schema().ok_or("the schema of the outputs was set")?;
    let mut output = ArrowWriter::try_new(File::create(&premiums)?, schema, None)?;
    while let Some(batch) = run.next().await {
        output.write(&batch?)?;
    }
    output.close()?;
    println!("{}", run.summary());
    println!("{} -> {}", policies.display(), premiums.display());
    Ok(())
}

fn generate(records: i64, file: &Path) -> Result<(), Box<dyn Error>> {
    let schema = policies(0..0)?.schema();
    let mut output = ArrowWriter::try_new(File::create(file)?, schema, None)?;
    for first in (0..records).step_by(ROWS_IN_A_BATCH) {
        let end = records.min(first + ROWS_IN_A_BATCH as i64);
        output.write(&policies(first..end)?)?;
    }
    output.close()?;
    Ok(())
}

/// Policies that are a function of their number.
fn policies(numbers: Range<i64>) -> Result<RecordBatch, ArrowError> {
    let integers = |of: fn(i64) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(numbers.clone().map(of)))
    };
    let sexes = numbers
        .clone()
        .map(|n| ["female", "male"][(n % 2) as usize]);
    let smokers = numbers.clone().map(|n| Some(n % 5 == 0));
    let sums = numbers
        .clone()
        .map(|n| 10_000.0 + (n % 1000) as f64 * 250.0);
    let sums = Float64Array::from_iter_values(sums);
    RecordBatch::try_from_iter([
        ("policy_id", integers(|n| n)),
        ("age", integers(|n| 18 + n % 48)),
        ("sex", Arc::new(StringArray::from_iter_values(sexes))),
        ("smoker", Arc::new(BooleanArray::from_iter(smokers))),
        ("term", integers(|n| 5 + n % 15)),
        ("sum_assured", Arc::new(sums)),
    ])
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
