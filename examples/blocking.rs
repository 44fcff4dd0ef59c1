//! A run without async: an iterator over the results. A program needs the feature `blocking` for
//! it.
//!
//! ```text
//! cargo run --example blocking
//! ```

#![allow(clippy::print_stdout, reason = "a program for people at a terminal")]

use std::error::Error;

use cspark_batches::{Client, blocking};
use cspark_emulator::Emulator;

#[derive(serde::Serialize)]
struct Cylinder {
    radius: f64,
    height: f64,
}

#[derive(serde::Deserialize)]
struct Volume {
    volume: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    // For the real service: `let spark = blocking::Client::from_env()?;`
    let emulator = Emulator::builder().start_on_thread()?;
    let settings = Client::builder().base_url(emulator.base_url());
    let spark = blocking::Client::build(settings.bearer_token("open"))?;

    let cylinders = (1..=1000).map(|n| Cylinder {
        radius: f64::from(n),
        height: 4.2,
    });
    let mut run = spark
        .batches()
        .run::<_, Volume>("my-folder/volume-cylinder", cylinders)
        .start()?;
    let mut total = 0.0;
    for delivery in &mut run {
        for (record, outcome) in delivery?.iter() {
            match outcome {
                Ok(output) => total += output.volume,
                Err(error) => println!("{record}: {error}"),
            }
        }
    }
    println!("{}, {total:.1} in all", run.summary());
    Ok(())
}
