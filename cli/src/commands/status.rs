//! `status`: the counters and buffers of a batch.

use std::process::ExitCode;

use crate::cli::Global;
use crate::display::{self, Format, Watch};
use crate::failure::Failure;

/// Show the status of a batch: its counters and the fill of its buffers
///
/// With --watch, it ends when the batch has ended, too.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cspark-batch status c9b1a0a3-5f0e-4a3b-9d5c-2f1f6f0a7b11 --watch\n  \
    cspark-batch status c9b1a0a3-5f0e-4a3b-9d5c-2f1f6f0a7b11 --json | jq .records_available")]
pub(crate) struct Args {
    /// Id of the batch
    id: String,
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    format: Format,
}

impl Args {
    pub(crate) async fn execute(self, global: &Global) -> Result<ExitCode, Failure> {
        let pipeline = global.client()?.batches().of(&self.id);
        loop {
            let status = pipeline.status().await?;
            self.watch.begin(self.format)?;
            self.format
                .print(&status, |status| display::status(&self.id, status))?;
            let ended = status
                .batch_status
                .as_ref()
                .is_some_and(|it| it.is_terminal());
            let computing = status.chunks_completed < status.chunks_submitted;
            if ended && !computing || !self.watch.again().await {
                return Ok(ExitCode::SUCCESS);
            }
        }
    }
}
