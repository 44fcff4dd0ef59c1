//! `create`: a batch, to be filled with `push`.

use std::process::ExitCode;

use crate::cli::Global;
use crate::create_options::CreateOptions;
use crate::display::Format;
use crate::failure::Failure;
use crate::terminal;

/// Create a batch, and print its id
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  \
    id=$(cspark-batch create my-folder/volume-cylinder --max-runners 20)\n  \
    cspark-batch push \"$id\" cylinders.json\n  \
    cspark-batch close \"$id\"\n  \
    cspark-batch pull \"$id\" --all")]
pub(crate) struct Args {
    /// Service, as folder/service, folder/service[version] or another form of its URI
    service: String,
    #[command(flatten)]
    batch: CreateOptions,
    #[command(flatten)]
    format: Format,
}

impl Args {
    pub(crate) async fn execute(self, global: &Global) -> Result<ExitCode, Failure> {
        let client = global.client()?;
        let create = client.batches().create(self.service.as_str());
        let pipeline = self.batch.apply(create).await?;
        match self.format.json {
            true => crate::display::print_json(&pipeline.created())?,
            false => terminal::print(pipeline.id())?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
