//! How long a run takes against a service of known capacity, beside how long it has to take.
//!
//! `cargo bench --bench makespan`. The emulator's workers take half a second for each chunk, and
//! each has twenty of them to compute: ten seconds, if none ever waits for work. `WORKERS`
//! (1,10,100,1000) changes what is measured.

use std::error::Error;
use std::io::{Write, stdout};
use std::time::{Duration, Instant};

use cspark_batches::Client;
use cspark_emulator::Emulator;

const TIME_PER_CHUNK: Duration = Duration::from_millis(500);
const CHUNKS_PER_WORKER: usize = 20;
const RECORDS_PER_CHUNK: usize = 10;

#[derive(serde::Serialize)]
struct Cylinder {
    radius: u32,
    height: u32,
}

#[derive(serde::Deserialize)]
struct Volume {
    volume: f64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let workers = std::env::var("WORKERS").unwrap_or_else(|_| "1,10,100,1000".to_owned());
    let mut out = stdout();
    writeln!(out, "| workers | chunks | ideal | run | more | requests |")?;
    writeln!(out, "| ---: | ---: | ---: | ---: | ---: | ---: |")?;
    for workers in workers.split(',') {
        writeln!(out, "{}", measure(workers.parse()?).await?)?;
    }
    Ok(())
}

async fn measure(workers: usize) -> Result<String, Box<dyn Error>> {
    let emulator = Emulator::builder()
        .workers(workers)
        .time_per_chunk(TIME_PER_CHUNK)
        .record(0, 0)
        .start()
        .await?;
    let spark = Client::builder()
        .base_url(emulator.base_url())
        .bearer_token("open")
        .build()?;
    let chunks = workers * CHUNKS_PER_WORKER;
    let records = (0..chunks * RECORDS_PER_CHUNK).map(|n| Cylinder {
        radius: n as u32 % 100,
        height: 2,
    });

    let started = Instant::now();
    let mut run = spark
        .batches()
        .run::<_, Volume>("my-folder/volume-cylinder", records)
        .chunk_size(RECORDS_PER_CHUNK)
        .batch_options(|create| create.max_runners(workers as u32))
        .start()?;
    let mut total = 0.0;
    while let Some(delivery) = run.next().await {
        for outcome in delivery?.into_outcomes() {
            total += outcome?.volume;
        }
    }
    let took = started.elapsed().as_secs_f64();
    assert!(total > 0.0);
    let ideal = TIME_PER_CHUNK.as_secs_f64() * CHUNKS_PER_WORKER as f64;
    let more = 100.0 * (took / ideal - 1.0);
    let made = run.summary().requests;
    let requests = made.create + made.push + made.pull + made.status + made.end;
    Ok(format!(
        "| {workers} | {chunks} | {ideal:.1} s | {took:.2} s | {more:.1} % | {requests} |"
    ))
}
