//! `schema`: what a service says about its inputs and outputs.

use std::path::PathBuf;
use std::process::ExitCode;

use cspark_batches::service::{Column, Columns};

use crate::cli::Global;
use crate::display;
use crate::failure::Failure;
use crate::terminal;

/// Show the inputs and outputs of a service, or write its schema to a file
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cspark-batch schema my-folder/term-life\n  \
    cspark-batch schema my-folder/term-life --output spark/term-life.json\n  \
    cspark-batch schema 'my-folder/term-life[0.4.2]' --json | jq '.xlInputs[].name'")]
pub(crate) struct Args {
    /// Service, as folder/service, folder/service[version] or version/UUID
    service: String,
    /// Write the schema to this file, as the service sends it
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    output: Option<PathBuf>,
    /// Print the schema as the service sends it, for programs
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(crate) async fn execute(self, global: &Global) -> Result<ExitCode, Failure> {
        let schema = global
            .client()?
            .services()
            .schema(self.service.as_str())
            .await?;
        if let Some(path) = &self.output {
            std::fs::write(path, schema.json())
                .map_err(|error| Failure::file("cannot write", path, error))?;
        } else if self.json {
            terminal::print(&String::from_utf8_lossy(schema.json()))?;
        } else {
            let columns = Columns::of_schema(schema.content());
            let row = |what: &str, column: &Column| {
                [
                    what.to_owned(),
                    column.name().to_owned(),
                    column.kind().to_string(),
                ]
            };
            let inputs = columns.inputs().iter().map(|column| row("input", column));
            let outputs = columns.outputs().iter().map(|column| row("output", column));
            let table = display::table(["", "NAME", "TYPE"], &[], inputs.chain(outputs));
            terminal::print(table.trim_end())?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
