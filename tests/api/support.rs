//! An emulator with a client for it.

use std::time::Duration;

use cspark_batches::{Client, ClientBuilder, RetryPolicy};
use cspark_emulator::Emulator;
use serde::{Deserialize, Serialize};

pub(crate) const CYLINDER: &str = "my-folder/volume-cylinder";
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

pub(crate) fn cylinders(count: u32) -> Vec<Cylinder> {
    let cylinder = |n| Cylinder {
        radius: 1.0 + f64::from(n),
        height: 4.2,
    };
    (0..count).map(cylinder).collect()
}

/// Retries at once, so that tests don't wait.
pub(crate) fn builder(emulator: &Emulator) -> ClientBuilder {
    let at_once = RetryPolicy::default().interval(Duration::ZERO);
    Client::builder()
        .base_url(emulator.base_url())
        .api_key("open")
        .retry(at_once)
}

pub(crate) fn client(emulator: &Emulator) -> Client {
    builder(emulator).build().expect("settings of the emulator")
}

pub(crate) async fn start() -> (Emulator, Client) {
    let emulator = Emulator::start().await.expect("a free port");
    let client = client(&emulator);
    (emulator, client)
}
