//! `pull`: results out of a batch.

use std::process::ExitCode;

use cspark_batches::{ChunkResult, Outputs, RecordMessage};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::cli::Global;
use crate::display::{self, Format};
use crate::failure::Failure;
use crate::terminal;

/// Pull results out of a batch
///
/// The service hands results out once: what is pulled is no longer there. With --json, each chunk
/// is one line, with its outputs and errors in the order of its records.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cspark-batch pull c9b1a0a3-5f0e-4a3b-9d5c-2f1f6f0a7b11 --max-chunks 10\n  \
    cspark-batch pull c9b1a0a3-5f0e-4a3b-9d5c-2f1f6f0a7b11 --all --json >results.jsonl")]
pub(crate) struct Args {
    /// Id of the batch
    id: String,
    /// Most chunks in a request; 100 unless set
    #[arg(long, value_name = "NUMBER")]
    max_chunks: Option<u32>,
    /// Pull until the batch is closed and all its results are pulled
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    format: Format,
}

type Chunk = ChunkResult<Outputs<Box<RawValue>>>;

#[derive(Serialize)]
struct Shown<'a> {
    id: Option<&'a str>,
    outputs: &'a [Option<Box<RawValue>>],
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<&'a Vec<Option<RecordMessage>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    warnings: Option<&'a Vec<Option<RecordMessage>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    process_time: Option<&'a Vec<Option<f64>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary_output: Option<&'a RawValue>,
}

impl Args {
    pub(crate) async fn execute(self, global: &Global) -> Result<ExitCode, Failure> {
        let pipeline = global.client()?.batches().of(&self.id);
        if self.all {
            let mut results = pipeline.results::<Box<RawValue>>();
            if let Some(chunks) = self.max_chunks {
                results = results.max_chunks(chunks);
            }
            while let Some(chunk) = results.next().await {
                self.show(&chunk?)?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        let mut pull = pipeline.pull::<Box<RawValue>>();
        if let Some(chunks) = self.max_chunks {
            pull = pull.max_chunks(chunks);
        }
        let pulled = pull.await?;
        for chunk in &pulled.chunks {
            self.show(chunk)?;
        }
        let left = match pulled.status.chunks_available {
            Some(chunks) => format!(", {chunks} are left to pull"),
            None => String::new(),
        };
        terminal::note(&format!("{} chunks pulled{left}", pulled.chunks.len()));
        Ok(ExitCode::SUCCESS)
    }

    fn show(&self, chunk: &Chunk) -> Result<(), Failure> {
        let shown = Shown {
            id: chunk.id.as_deref(),
            outputs: chunk.outputs.as_ref().map_or(&[], Outputs::as_slice),
            errors: chunk.errors.as_ref(),
            warnings: chunk.warnings.as_ref(),
            process_time: chunk.process_time.as_ref(),
            summary_output: chunk.summary_json(),
        };
        self.format.print(&shown, |_| {
            let rows = chunk.records().map(|record| {
                [
                    record.index.to_string(),
                    record
                        .output
                        .map_or_else(String::new, |output| output.get().to_owned()),
                    record.error.map_or_else(String::new, ToString::to_string),
                ]
            });
            let id = chunk.id.as_deref().unwrap_or("without an id");
            let records = display::table(["RECORD", "OUTPUT", "ERROR"], &[0], rows);
            // A chunk that asks for no aggregates has an empty table of them.
            let summary = chunk.summary_json().filter(|json| json.get() != "[[]]");
            let summary = summary.map_or_else(String::new, |json| format!("summary: {json}\n"));
            format!("chunk {id}\n{records}{summary}")
        })
    }
}
