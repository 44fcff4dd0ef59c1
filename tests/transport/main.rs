//! Credentials, faults and secrets, end to end against the emulator.

#![allow(clippy::unwrap_used, reason = "a panic is how a test reports")]
// Without a TLS provider reqwest makes no client at all.
#![cfg(any(
    not(feature = "rustls-no-provider"),
    feature = "rustls",
    feature = "native-tls"
))]

#[cfg(feature = "blocking")]
mod blocking;
#[cfg(feature = "blocking")]
mod blocking_run;
mod credentials;
mod faults;
mod secrets;
#[cfg(feature = "tracing")]
mod traces;

use std::time::Duration;

use cspark_batches::{Client, ClientBuilder, Pipeline, Pulled, Push, RetryPolicy};
use cspark_emulator::{Emulator, Operation, RecordedRequest};
use serde::{Deserialize, Serialize};

const SERVICE: &str = "my-folder/volume-cylinder";

#[derive(Serialize)]
struct Cylinder {
    radius: f64,
    height: f64,
}

#[derive(Debug, Deserialize)]
struct Volume {
    #[allow(dead_code, reason = "only read")]
    volume: f64,
}

fn cylinders() -> Vec<Cylinder> {
    let cylinder = |n| Cylinder {
        radius: f64::from(n),
        height: 1.0,
    };
    (0..200).map(cylinder).collect()
}

fn emulator() -> cspark_emulator::Builder {
    Emulator::builder().time_scale(1000.0)
}

/// Settings without credentials, and with little patience.
fn settings(emulator: &Emulator) -> ClientBuilder {
    Client::builder()
        .base_url(emulator.base_url())
        .retry(RetryPolicy::default().interval(Duration::from_millis(1)))
}

/// Pulls until there is something, as long as it takes.
async fn pull_some(pipeline: &Pipeline) -> cspark_batches::Result<Pulled<Volume>> {
    loop {
        let pulled = pipeline.pull::<Volume>().await?;
        if !pulled.chunks.is_empty() {
            return Ok(pulled);
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Every verb once.
async fn every_verb(client: &Client) -> cspark_batches::Result<()> {
    client.health().await?;
    client.batches().describe().await?;
    let pipeline = client.batches().create(SERVICE).await?;
    pipeline.info().await?;
    pipeline.push(Push::records(cylinders())).await?;
    pipeline.status().await?;
    pull_some(&pipeline).await?;
    pipeline.close().await?;
    client.batches().create(SERVICE).await?.cancel().await?;
    Ok(())
}

fn requests(emulator: &Emulator, operation: Operation) -> Vec<RecordedRequest> {
    let all = emulator.requests().into_iter();
    all.filter(|request| request.operation == Some(operation))
        .collect()
}
