//! Lets the service aggregate the outputs of each chunk, and return the aggregates alone.
//!
//! ```text
//! cargo run --example summaries
//! ```

#![allow(clippy::print_stdout, reason = "a program for people at a terminal")]

mod support;

use std::error::Error;

use cspark_batches::{Aggregates, SummaryRequest};
use serde::{Deserialize, Serialize};

#[derive(Serialize)]
struct Cylinder {
    radius: f64,
    height: f64,
}

/// The output of a record, of which this program asks for none.
#[derive(Deserialize)]
struct Volume {}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (spark, _emulator) = support::connect().await?;
    let summary = SummaryRequest::new()
        .sum("volume")
        .aggregate("volume", "AVERAGE")
        .without_records();
    let cylinders = (1..=1000).map(|n| Cylinder {
        radius: f64::from(n),
        height: 4.2,
    });
    let mut run = spark
        .batches()
        .run::<_, Volume>("my-folder/volume-cylinder", cylinders)
        .chunk_summary(summary)
        .start()?;
    let mut total = 0.0;
    while let Some(delivery) = run.next().await {
        let delivery = delivery?;
        // By the order in which they were asked for. A struct reads them by name.
        if let Some((sum, _average)) = delivery.summary::<(f64, f64)>()? {
            total += sum;
        }
        // Or whatever there is, with an output that is aggregated twice.
        let aggregates: Aggregates = delivery.summary()?.unwrap_or_default();
        let shown = aggregates
            .iter()
            .map(|(output, value)| format!("{output} {value}"));
        println!(
            "{:?}: {}",
            delivery.records(),
            shown.collect::<Vec<_>>().join(", ")
        );
    }
    assert!(run.summary().all_succeeded());
    println!("{}, {total:.1} in all", run.summary());
    Ok(())
}
