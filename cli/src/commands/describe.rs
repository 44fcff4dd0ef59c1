//! `describe`: what runs in a tenant.

use std::process::ExitCode;

use crate::cli::Global;
use crate::display::{self, Format, Watch};
use crate::failure::Failure;

/// Show what runs in the tenant: workers, buffers, and running and recent batches
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cspark-batch describe\n  \
    cspark-batch describe --watch --interval 2\n  \
    cspark-batch describe --json | jq '.in_progress_batches[].id'")]
pub(crate) struct Args {
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    format: Format,
}

impl Args {
    pub(crate) async fn execute(self, global: &Global) -> Result<ExitCode, Failure> {
        let client = global.client()?;
        loop {
            let described = client.batches().describe().await?;
            self.watch.begin(self.format)?;
            self.format.print(&described, |described| {
                let tenant = described.tenant.clone().unwrap_or_default();
                let running = described.in_progress_batches.as_deref().unwrap_or_default();
                let recent = described.recent_batches.as_deref().unwrap_or_default();
                let mut text = display::tenant(client.tenant(), &tenant);
                for (title, batches) in [
                    ("Batches in progress", running),
                    ("Batches that ended within the past hour", recent),
                ] {
                    text.push_str(&match batches.is_empty() {
                        true => format!("\n{title}: none\n"),
                        false => format!("\n{title}:\n{}", display::batches(batches)),
                    });
                }
                text
            })?;
            if !self.watch.again().await {
                return Ok(ExitCode::SUCCESS);
            }
        }
    }
}
