//! Reads records from a CSV file, and writes each with its outputs to another one, or with its
//! error to a third. Nothing but the chunks in flight is in memory, so the files may be of any
//! size.
//!
//! ```text
//! cargo run --example csv_to_csv -- cylinders.csv volumes.csv errors.csv
//! ```
//!
//! Without arguments it makes up an input in the directory for temporary files.

#![allow(clippy::print_stdout, reason = "a program for people at a terminal")]

mod support;

use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};

use cspark_batches::run::Source;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Cylinder {
    name: String,
    radius: f64,
    height: f64,
}

#[derive(Deserialize)]
struct Volume {
    volume: f64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [input, output, errors] = match <[PathBuf; 3]>::try_from(paths) {
        Ok(paths) => paths,
        Err(none) if none.is_empty() => made_up()?,
        Err(_) => return Err("usage: csv_to_csv INPUT OUTPUT ERRORS".into()),
    };
    let (spark, _emulator) = support::connect().await?;

    let cylinders = csv::Reader::from_path(&input)?.into_deserialize::<Cylinder>();
    let mut run = spark
        .batches()
        .run::<Cylinder, Volume>("my-folder/volume-cylinder", Source::try_records(cylinders))
        .keep_inputs()
        .deliver_bad_records()
        .in_input_order()
        .start()?;

    let mut output = csv::Writer::from_path(output)?;
    output.write_record(["name", "radius", "height", "volume"])?;
    let mut errors = csv::Writer::from_path(errors)?;
    errors.write_record(["record", "name", "error"])?;
    while let Some(delivery) = run.next().await {
        let delivery = delivery?;
        // A line that could not be read has no input.
        let inputs: Vec<Cylinder> = delivery.inputs().transpose()?.unwrap_or_default();
        let mut inputs = inputs.iter();
        for (record, outcome) in delivery.iter() {
            match (inputs.next(), outcome) {
                (Some(cylinder), Ok(outputs)) => {
                    let Cylinder {
                        name,
                        radius,
                        height,
                    } = cylinder;
                    output.serialize((name, radius, height, outputs.volume))?;
                }
                (cylinder, Err(error)) => {
                    let name = cylinder.map(|cylinder| &cylinder.name);
                    errors.serialize((record, name, error.to_string()))?;
                }
                (None, Ok(_)) => unreachable!("a record with an output has an input"),
            }
        }
    }
    output.flush()?;
    errors.flush()?;
    println!("{}", run.summary());
    Ok(())
}

/// An input in which some lines are wrong.
fn made_up() -> std::io::Result<[PathBuf; 3]> {
    let directory = std::env::temp_dir().join(format!("csv_to_csv-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let path = |name: &str| Path::new(&directory).join(name);
    let mut input = std::io::BufWriter::new(std::fs::File::create(path("cylinders.csv"))?);
    writeln!(input, "name,radius,height")?;
    for n in 0..20_000 {
        let radius = if n % 5_000 == 77 {
            String::from("wide")
        } else {
            (n % 40 + 1).to_string()
        };
        let height = if n % 1_000 == 7 { -1 } else { 4 };
        writeln!(input, "cylinder {n},{radius},{height}")?;
    }
    input.flush()?;
    println!("files in {}", directory.display());
    Ok([
        path("cylinders.csv"),
        path("volumes.csv"),
        path("errors.csv"),
    ])
}
