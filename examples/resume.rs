//! A run that may be killed at any moment: started again, it continues, and its output is the same
//! as without the kill.
//!
//! ```text
//! cargo run --example resume -- DIRECTORY [RECORDS]
//! ```
//!
//! The directory has the output, `volumes.csv`, and `state.json`: a checkpoint, with the length
//! that the output had when it was made. The state is written to a file beside it, which then takes
//! its place at once. What a killed process wrote to the output after its last state is cut off.

#![allow(clippy::print_stdout, reason = "a program for people at a terminal")]

mod support;

use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use cspark_batches::run::Checkpoint;
use serde::{Deserialize, Serialize};

#[derive(Serialize)]
struct Cylinder {
    radius: u64,
    height: f64,
}

#[derive(Deserialize)]
struct Volume {
    volume: f64,
}

#[derive(Serialize, Deserialize)]
struct State {
    checkpoint: Checkpoint,
    /// The bytes of the output that the checkpoint counts as delivered.
    written: u64,
}

impl State {
    fn load(path: &Path) -> Result<Option<Self>, Box<dyn Error>> {
        match fs::read(path) {
            Ok(json) => Ok(Some(serde_json::from_slice(&json)?)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn save(&self, path: &Path) -> Result<(), Box<dyn Error>> {
        let new = path.with_extension("new");
        let mut file = File::create(&new)?;
        serde_json::to_writer(&mut file, self)?;
        file.sync_all()?;
        fs::rename(new, path)?;
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let directory = match arguments.next() {
        Some(directory) => PathBuf::from(directory),
        None => std::env::temp_dir().join(format!("resume-{}", std::process::id())),
    };
    let records = match arguments.next() {
        Some(records) => records.to_string_lossy().parse()?,
        None => 20_000,
    };
    fs::create_dir_all(&directory)?;
    let state_path = directory.join("state.json");
    let state = State::load(&state_path)?;

    let mut options = OpenOptions::new();
    let mut file = options
        .create(true)
        .truncate(false)
        .write(true)
        .open(directory.join("volumes.csv"))?;
    file.set_len(state.as_ref().map_or(0, |state| state.written))?;
    file.seek(SeekFrom::End(0))?;
    let mut output = BufWriter::new(file);

    let (spark, _emulator) = support::connect().await?;
    // The same input each time.
    let cylinders = (1..=records).map(|radius| Cylinder {
        radius,
        height: 4.2,
    });
    let run = spark
        .batches()
        .run::<_, Volume>("my-folder/volume-cylinder", cylinders);
    let run = match state {
        Some(state) => run.resume(state.checkpoint),
        None => run,
    };
    let mut run = run.in_input_order().start()?;
    while let Some(delivery) = run.next().await {
        for (record, outcome) in delivery?.iter() {
            match outcome {
                Ok(output_of) => writeln!(output, "{record},{}", output_of.volume)?,
                Err(error) => writeln!(output, "{record},{error}")?,
            }
        }
        // The output first, then the state that counts on it. Every so many deliveries would do.
        output.flush()?;
        output.get_ref().sync_data()?;
        let written = output.stream_position()?;
        let checkpoint = run.checkpoint();
        State {
            checkpoint,
            written,
        }
        .save(&state_path)?;
    }
    println!("{} in {}", run.summary(), directory.display());
    Ok(())
}
