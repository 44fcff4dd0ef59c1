//! `close` and `cancel`: batches that end.

use std::process::ExitCode;

use cspark_batches::Batch;

use crate::cli::Global;
use crate::display::{self, Format};
use crate::failure::{Exit, Failure};
use crate::terminal;

/// Close batches: they take no more chunks, and compute those that they have
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  \
    cspark-batch close c9b1a0a3-5f0e-4a3b-9d5c-2f1f6f0a7b11")]
pub(crate) struct Close {
    #[command(flatten)]
    batches: Batches,
}

/// Cancel batches: they stop at once, and drop what is in their buffers
#[derive(Debug, clap::Args)]
#[command(after_help = "Example, for all that run in the tenant:\n  \
    cspark-batch cancel $(cspark-batch describe --json | jq -r '.in_progress_batches[].id')")]
pub(crate) struct Cancel {
    #[command(flatten)]
    batches: Batches,
}

#[derive(Debug, clap::Args)]
struct Batches {
    /// Ids of the batches
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    #[command(flatten)]
    format: Format,
}

impl Close {
    pub(crate) async fn execute(self, global: &Global) -> Result<ExitCode, Failure> {
        let batches = global.client()?.batches();
        self.batches
            .end(async |id| batches.of(id).close().await)
            .await
    }
}

impl Cancel {
    pub(crate) async fn execute(self, global: &Global) -> Result<ExitCode, Failure> {
        let batches = global.client()?.batches();
        self.batches
            .end(async |id| batches.of(id).cancel().await)
            .await
    }
}

impl Batches {
    /// Ends each batch, and goes on with the others if one fails.
    async fn end(
        self,
        end: impl AsyncFn(&str) -> cspark_batches::Result<Batch>,
    ) -> Result<ExitCode, Failure> {
        let mut failed = 0;
        let mut ended = Vec::new();
        for id in &self.ids {
            match end(id).await {
                Ok(batch) => ended.push(batch),
                Err(error) => {
                    failed += 1;
                    terminal::note(&format!("error: {error}"));
                }
            }
        }
        if !ended.is_empty() {
            self.format.print(&ended, |ended| display::batches(ended))?;
        }
        Ok(match failed {
            0 => ExitCode::SUCCESS,
            _ => Exit::Failed.into(),
        })
    }
}
