//! `run`: a file of records through a service, and its outputs to another file.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use cspark_batches::run::Source;
use serde_json::value::RawValue;

use crate::cli::Global;
use crate::create_options::CreateOptions;
use crate::failure::{Exit, Failure};
use crate::terminal;

/// Run the records of a file through a service
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Service, as folder/service, folder/service[version] or another form of its URI
    service: String,
    /// File of records: JSON lines
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// File to write: JSON lines, with null for a record that failed
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Exit with 3 if the service reports an error for a record
    #[arg(long)]
    fail_on_record_errors: bool,
    #[command(flatten)]
    batch: CreateOptions,
}

impl Args {
    pub(crate) async fn execute(self, global: &Global) -> Result<ExitCode, Failure> {
        let client = global.client()?;
        let input = File::open(&self.input)
            .map_err(|error| Failure::file("cannot read", &self.input, error))?;
        let lines = BufReader::new(input).lines();
        let records = lines
            .map(|line| -> std::io::Result<Box<RawValue>> { Ok(serde_json::from_str(&line?)?) });
        let mut run = client
            .batches()
            .run::<Box<RawValue>, Box<RawValue>>(
                self.service.as_str(),
                Source::try_records(records),
            )
            .batch_options(|create| self.batch.apply(create))
            .in_input_order()
            .start()?;
        let cannot_write = |error| Failure::file("cannot write", &self.output, error);
        let mut output = BufWriter::new(File::create(&self.output).map_err(cannot_write)?);
        while let Some(delivery) = run.next().await {
            for outcome in delivery?.outcomes() {
                let output_of = outcome.as_ref().map_or("null", |output| output.get());
                writeln!(output, "{output_of}").map_err(cannot_write)?;
            }
        }
        output.flush().map_err(cannot_write)?;
        let summary = run.summary();
        terminal::note(&summary.to_string());
        Ok(
            match self.fail_on_record_errors && summary.failed_records > 0 {
                true => Exit::RecordErrors.into(),
                false => ExitCode::SUCCESS,
            },
        )
    }
}
