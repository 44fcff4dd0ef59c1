//! `info`: the details of a batch.

use std::process::ExitCode;

use crate::cli::Global;
use crate::display::{self, Format};
use crate::failure::Failure;

/// Show the details of a batch: its service, totals, configuration and creator
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  \
    cspark-batch info c9b1a0a3-5f0e-4a3b-9d5c-2f1f6f0a7b11")]
pub(crate) struct Args {
    /// Id of the batch
    id: String,
    #[command(flatten)]
    format: Format,
}

impl Args {
    pub(crate) async fn execute(self, global: &Global) -> Result<ExitCode, Failure> {
        let batch = global.client()?.batches().of(self.id).info().await?;
        self.format.print(&batch, display::batch)?;
        Ok(ExitCode::SUCCESS)
    }
}
