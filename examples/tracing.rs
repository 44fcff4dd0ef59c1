//! Prints what the library tells through `tracing`, here to the console: one span a call, and an
//! event for each attempt that is repeated.
//!
//! ```text
//! cargo run --example tracing
//! ```
//!
//! The spans carry OpenTelemetry's names, so with the layer of `tracing-opentelemetry` in place of
//! the console they arrive at a collector as they are. It runs against the emulator, which is told
//! to be busy once.

use std::time::Duration;

use cspark_batches::{Client, Push, RetryPolicy};
use cspark_emulator::{Emulator, Fault, Operation, Response};
use serde_json::json;
use tracing_subscriber::fmt::format::FmtSpan;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::INFO)
        .with_span_events(FmtSpan::CLOSE)
        .init();

    let emulator = Emulator::start().await?;
    let busy = Response::status(503).x_retry_after(Duration::from_millis(250));
    emulator.inject(Operation::Push, Fault::RespondBefore(busy));

    let spark = Client::builder()
        .base_url(emulator.base_url())
        .api_key("open")
        .retry(RetryPolicy::default().max_retries(3))
        .build()?;
    let pipeline = spark.batches().create("my-folder/volume-cylinder").await?;
    let cylinders = [
        json!({"radius": 1, "height": 4.2}),
        json!({"radius": 3, "height": 5}),
    ];
    pipeline.push(Push::records(&cylinders)).await?;
    pipeline.status().await?;
    pipeline.close().await?;
    Ok(())
}
