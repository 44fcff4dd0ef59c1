//! What the tests of the run share.
#![allow(dead_code, reason = "each test file uses its part")]

use std::ops::Range;
use std::time::Duration;

use cspark_batches::Client;
use cspark_batches::run::RunBuilder;
use cspark_emulator::Emulator;
use serde::{Deserialize, Serialize};

pub(crate) const SERVICE: &str = "my-folder/volume-cylinder";

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Cylinder {
    pub(crate) radius: f64,
    pub(crate) height: f64,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Volume {
    pub(crate) volume: f64,
}

pub(crate) fn client(emulator: &Emulator) -> Client {
    Client::builder()
        .base_url(emulator.base_url())
        .bearer_token("open")
        .build()
        .expect("a client")
}

/// Each cylinder tells its number by its volume.
pub(crate) fn cylinders(numbers: Range<u64>) -> impl Iterator<Item = Cylinder> + Send + 'static {
    numbers.map(|n| Cylinder {
        radius: 1.0,
        height: n as f64,
    })
}

pub(crate) fn volume(number: u64) -> f64 {
    std::f64::consts::PI * number as f64
}

/// All waits as short as they may be on loopback.
pub(crate) fn quick<I, O>(run: RunBuilder<I, O>) -> RunBuilder<I, O> {
    let ms = Duration::from_millis;
    run.poll_interval(ms(1), ms(20))
        .backoff(ms(1), ms(20))
        .certainty(ms(5), ms(5), ms(50))
        .outage_limit(Duration::from_secs(30))
        .stall_limit(Duration::from_secs(30))
}
