//! What the tests share: records and their results, a client of an emulator, short waits.
#![allow(dead_code, reason = "the soak uses a part of it")]

pub(crate) mod snapshots;
pub(crate) mod time;

use std::ops::Range;
use std::time::Duration;

use cspark_batches::run::RunBuilder;
use cspark_batches::{Client, ClientBuilder, Pipeline, Pulled, Push, Result, RetryPolicy};
use cspark_emulator::{Emulator, Operation, RecordedRequest};
use serde::{Deserialize, Serialize};

/// Computes the [`Volume`] of a [`Cylinder`].
pub(crate) const SERVICE: &str = "my-folder/volume-cylinder";
/// Returns its inputs.
pub(crate) const ECHO: &str = "my-folder/echo";

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Cylinder {
    pub(crate) radius: f64,
    pub(crate) height: f64,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Volume {
    pub(crate) volume: f64,
}

/// Cylinders that differ, so that the volume shows which of them it belongs to.
pub(crate) fn cylinder(number: u64) -> Cylinder {
    Cylinder {
        radius: 1.0 + number as f64,
        height: 4.2,
    }
}

pub(crate) fn cylinders(numbers: Range<u64>) -> impl Iterator<Item = Cylinder> + Send + 'static {
    numbers.map(cylinder)
}

/// The volume of that cylinder, to the last digit.
pub(crate) fn volume(number: u64) -> f64 {
    let Cylinder { radius, height } = cylinder(number);
    std::f64::consts::PI * radius * radius * height
}

/// An emulator with the default settings, and a client.
pub(crate) async fn start() -> (Emulator, Client) {
    let emulator = Emulator::start().await.expect("a free port");
    let client = client(&emulator);
    (emulator, client)
}

pub(crate) fn client(emulator: &Emulator) -> Client {
    let settings = settings(emulator).api_key("open");
    settings.build().expect("settings of the emulator")
}

/// The settings of a client that retries at once. Credentials are left to the test.
pub(crate) fn settings(emulator: &Emulator) -> ClientBuilder {
    Client::builder()
        .base_url(emulator.base_url())
        .retry(RetryPolicy::default().interval(Duration::ZERO))
}

/// Makes all waits of a run as short as loopback allows.
pub(crate) fn quick<I, O>(run: RunBuilder<I, O>) -> RunBuilder<I, O> {
    let ms = Duration::from_millis;
    run.min_poll_interval(ms(1))
        .max_poll_interval(ms(20))
        .initial_backoff(ms(1))
        .max_backoff(ms(20))
        .settle_time(ms(5))
        .confirm_time(ms(5))
        .outage_limit(Duration::from_secs(30))
        .stall_limit(Duration::from_secs(30))
}

/// Pushes and waits until all of it is computed.
pub(crate) async fn push_and_compute(pipeline: &Pipeline, push: Push<'_>) {
    let pushed = pipeline.push(push).await.expect("accepted").chunks.len() as u64;
    let available = || async {
        let status = pipeline.status().await.expect("a status");
        status.chunks_available
    };
    while available().await < Some(pushed) {}
}

/// Pulls until there is something.
pub(crate) async fn pull_some(pipeline: &Pipeline) -> Result<Pulled<Volume>> {
    loop {
        let pulled = pipeline.pull::<Volume>().await?;
        if !pulled.chunks.is_empty() {
            return Ok(pulled);
        }
    }
}

/// The recorded requests of one operation.
pub(crate) fn requests(emulator: &Emulator, operation: Operation) -> Vec<RecordedRequest> {
    let all = emulator.requests().into_iter();
    all.filter(|request| request.operation == Some(operation))
        .collect()
}
