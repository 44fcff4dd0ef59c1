//! Credentials, faults, secrets and traces.

mod credentials;
mod faults;
mod secrets;
mod traces;

use cspark_batches::{Client, Push, Result};

use crate::support::{SERVICE, cylinders, pull_some};

/// Every verb once.
async fn every_verb(client: &Client) -> Result<()> {
    client.health().await?;
    client.batches().describe().await?;
    let pipeline = client.batches().create(SERVICE).await?;
    pipeline.info().await?;
    pipeline.push(Push::records(cylinders(0..200))).await?;
    pipeline.status().await?;
    pull_some(&pipeline).await?;
    pipeline.close().await?;
    client.batches().create(SERVICE).await?.cancel().await?;
    Ok(())
}
