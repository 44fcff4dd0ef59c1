//! Records whose columns are known only when the program runs. JSON in, JSON out, and every number
//! keeps its digits.
//!
//! ```text
//! cargo run --example untyped
//! ```

#![allow(clippy::print_stdout, reason = "a program for people at a terminal")]

mod support;

use std::collections::HashMap;
use std::error::Error;

use serde_json::value::RawValue;

/// One record a line, as in a file of JSON lines.
const LINES: &str = r#"
{"radius": 1, "height": 4.2}
{"radius": 2.50, "height": 1e1}
{"radius": -1, "height": 4.2}
"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (spark, _emulator) = support::connect().await?;
    let lines = LINES.lines().filter(|line| !line.is_empty());
    let records: Vec<Box<RawValue>> = lines.map(serde_json::from_str).collect::<Result<_, _>>()?;

    // `serde_json::Value` works as well, for programs that look into the values.
    let mut run = spark
        .batches()
        .run::<_, HashMap<String, Box<RawValue>>>("my-folder/volume-cylinder", records)
        .start()?;
    while let Some(delivery) = run.next().await {
        for (record, outcome) in delivery?.iter() {
            match outcome {
                Ok(outputs) => println!("{record}: {}", serde_json::to_string(outputs)?),
                Err(error) => println!("{record}: {error}"),
            }
        }
    }
    println!("{}", run.summary());
    Ok(())
}
