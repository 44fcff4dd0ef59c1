//! Takes up a batch that another program has created, and pulls its results until it is empty.
//!
//! ```text
//! cargo run --example existing_batch             # a batch of an emulator
//! cargo run --example existing_batch -- ID       # with CSPARK_BASE_URL and credentials
//! ```

#![allow(clippy::print_stdout, reason = "a program for people at a terminal")]

mod support;

use std::collections::HashMap;
use std::error::Error;

use cspark_batches::{Client, Push};
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (spark, _emulator) = support::connect().await?;
    let id = match std::env::args().nth(1) {
        Some(id) => id,
        None => batch_of_somebody_else(&spark).await?,
    };

    let pipeline = spark.batches().of(id);
    println!("{:?}", pipeline.status().await?.batch_status);
    // Without `close`, the results end when the other program closes the batch.
    let mut results = pipeline.results::<HashMap<String, Value>>();
    let (mut outputs, mut errors) = (0, 0);
    while let Some(chunk) = results.next().await {
        for record in chunk?.records() {
            match record.error {
                None => outputs += 1,
                Some(_) => errors += 1,
            }
        }
    }
    println!("{outputs} outputs, {errors} errors");
    Ok(())
}

async fn batch_of_somebody_else(spark: &Client) -> cspark_batches::Result<String> {
    let pipeline = spark.batches().create("my-folder/volume-cylinder").await?;
    let cylinders: Vec<_> = (0..1000)
        .map(|n| json!({"radius": n % 10 + 1, "height": if n % 100 == 0 { -1 } else { 4 }}))
        .collect();
    pipeline
        .push(Push::records(&cylinders).chunk_size(20))
        .await?;
    pipeline.close().await?;
    Ok(pipeline.id().to_owned())
}
