//! Tables for people, and JSON for programs.

use std::io::IsTerminal as _;
use std::time::Duration;

use bytesize::ByteSize;
use clap::Args;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use cspark_batches::raw::types::BatchDetails;
use cspark_batches::run::BufferLevel;
use cspark_batches::{Batch, Status};
use serde::Serialize;

use crate::failure::Failure;
use crate::terminal;

/// How a command shows its result.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Format {
    /// Print JSON, for programs
    #[arg(long)]
    pub(crate) json: bool,
}

impl Format {
    /// Prints a result as JSON, or as the text that `text` makes of it.
    pub(crate) fn print<T: Serialize>(
        self,
        result: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        match self.json {
            true => print_json(result),
            false => terminal::print(text(result).trim_end()),
        }
    }
}

/// Prints one line of JSON.
pub(crate) fn print_json<T: Serialize>(value: &T) -> Result<(), Failure> {
    let json = serde_json::to_string(value)
        .map_err(|error| Failure::run(format!("the result cannot be written as JSON: {error}")))?;
    terminal::print(&json)
}

/// Whether to show a result again and again.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Watch {
    /// Show it again and again, until Ctrl-C
    #[arg(long)]
    pub(crate) watch: bool,
    /// Seconds between two requests, with --watch
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = interval, requires = "watch")]
    interval: Duration,
}

impl Watch {
    /// Waits for the next time to show; says `false` if there is none.
    pub(crate) async fn again(self) -> bool {
        if !self.watch {
            return false;
        }
        tokio::select! {
            () = tokio::time::sleep(self.interval) => true,
            _ = tokio::signal::ctrl_c() => false,
        }
    }

    /// Clears the terminal, so that a result replaces the one before it.
    pub(crate) fn begin(self, format: Format) -> Result<(), Failure> {
        match self.watch && !format.json && std::io::stdout().is_terminal() {
            true => terminal::print("\x1b[2J\x1b[H"),
            false => Ok(()),
        }
    }
}

fn interval(text: &str) -> Result<Duration, String> {
    let seconds = text
        .parse()
        .ok()
        .filter(|seconds| (0.1..=86_400.0).contains(seconds));
    seconds
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "use seconds from 0.1 to 86400".to_owned())
}

/// A table with a header row, and numbers to the right.
pub(crate) fn table<const N: usize>(
    header: [&str; N],
    to_the_right: &[usize],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = bare();
    table.set_header(header);
    table.add_rows(rows);
    for index in to_the_right {
        if let Some(column) = table.column_mut(*index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    trimmed(&table)
}

/// A name and a value a line, without those that have no value.
pub(crate) fn fields<'a>(fields: impl IntoIterator<Item = (&'a str, Option<String>)>) -> String {
    let mut table = bare();
    for (name, value) in fields {
        if let Some(value) = value {
            table.add_row([name.to_owned(), value]);
        }
    }
    trimmed(&table)
}

fn bare() -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table
}

/// The lines of a table without the spaces around them.
fn trimmed(table: &Table) -> String {
    let mut lines = String::new();
    for line in table.lines() {
        lines.push_str(line.strip_prefix(' ').unwrap_or(&line).trim_end());
        lines.push('\n');
    }
    lines
}

/// Bytes in the unit that suits them.
pub(crate) fn bytes(bytes: u64) -> String {
    ByteSize(bytes).display().si().to_string()
}

/// How full a buffer is, in percent.
pub(crate) fn percent(level: BufferLevel) -> Option<f64> {
    let (used, remaining) = (level.used?, level.remaining?);
    let size = used.checked_add(remaining).filter(|size| *size > 0)?;
    #[allow(clippy::cast_precision_loss, reason = "a share for people")]
    Some(used as f64 * 100.0 / size as f64)
}

fn buffer(used: Option<u64>, remaining: Option<u64>) -> Option<String> {
    match (used, remaining) {
        (Some(used), Some(remaining)) => {
            Some(format!("{} used, {} free", bytes(used), bytes(remaining)))
        }
        (Some(used), None) => Some(format!("{} used", bytes(used))),
        (None, Some(remaining)) => Some(format!("{} free", bytes(remaining))),
        (None, None) => None,
    }
}

/// Numbers with what they count, without those that are unknown.
fn counts(counts: &[(Option<u64>, &str)]) -> Option<String> {
    let known: Vec<String> = counts
        .iter()
        .filter_map(|(number, what)| number.map(|number| format!("{number} {what}")))
        .collect();
    (!known.is_empty()).then(|| known.join(", "))
}

fn milliseconds(ms: f64) -> String {
    format!("{:.1} s", ms / 1000.0)
}

fn of(some: Option<u64>, all: Option<u64>) -> Option<String> {
    match (some, all) {
        (Some(some), Some(all)) => Some(format!("{some} of {all}")),
        (Some(some), None) => Some(some.to_string()),
        (None, Some(all)) => Some(format!("up to {all}")),
        (None, None) => None,
    }
}

/// The status of a batch.
pub(crate) fn status(id: &str, status: &Status) -> String {
    fields([
        ("batch", Some(id.to_owned())),
        (
            "status",
            status.batch_status.as_ref().map(ToString::to_string),
        ),
        (
            "pipeline",
            status.pipeline_status.as_ref().map(ToString::to_string),
        ),
        (
            "records",
            counts(&[
                (status.submitted(), "pushed"),
                (status.records_completed, "computed"),
                (status.records_available, "to pull"),
            ]),
        ),
        (
            "chunks",
            counts(&[
                (status.chunks_submitted, "pushed"),
                (status.chunks_completed, "computed"),
                (status.chunks_available, "to pull"),
            ]),
        ),
        (
            "workers",
            status.workers_in_use.map(|workers| workers.to_string()),
        ),
        (
            "input buffer",
            buffer(
                status.input_buffer_used_bytes,
                status.input_buffer_remaining_bytes,
            ),
        ),
        (
            "output buffer",
            buffer(
                status.output_buffer_used_bytes,
                status.output_buffer_remaining_bytes,
            ),
        ),
        ("compute time", status.compute_time_ms.map(milliseconds)),
    ])
}

/// The details of a batch.
pub(crate) fn batch(batch: &Batch) -> String {
    let unknown = BatchDetails::default();
    let details = batch.details().unwrap_or(&unknown);
    let summary = details.summary.clone().unwrap_or_default();
    let configuration = details.configuration.clone().unwrap_or_default();
    fields([
        ("batch", batch.id.clone()),
        (
            "status",
            details.batch_status.as_ref().map(ToString::to_string),
        ),
        (
            "pipeline",
            details.pipeline_status.as_ref().map(ToString::to_string),
        ),
        ("service", details.service_uri.clone()),
        ("version id", details.version_id.clone()),
        ("compiler", details.compiler_version.clone()),
        (
            "records",
            counts(&[
                (summary.records_submitted, "pushed"),
                (summary.records_completed, "computed"),
                (summary.records_failed, "failed"),
                (summary.records_retried, "computed again"),
            ]),
        ),
        (
            "chunks",
            counts(&[
                (summary.chunks_submitted, "pushed"),
                (summary.chunks_completed, "computed"),
                (summary.chunks_failed, "failed"),
                (summary.chunks_retried, "computed again"),
            ]),
        ),
        ("input", summary.input_size_bytes.map(bytes)),
        ("output", summary.output_size_bytes.map(bytes)),
        ("compute time", summary.compute_time_ms.map(milliseconds)),
        ("time", summary.batch_time_ms.map(milliseconds)),
        (
            "workers",
            of(configuration.initial_workers, configuration.max_workers)
                .map(|workers| format!("{workers} to begin with")),
        ),
        (
            "input buffer",
            configuration.input_buffer_allocated_bytes.map(bytes),
        ),
        (
            "output buffer",
            configuration.output_buffer_allocated_bytes.map(bytes),
        ),
        ("source system", details.source_system.clone()),
        ("correlation id", details.correlation_id.clone()),
        ("created by", details.created_by.clone()),
        (
            "created",
            details
                .created_timestamp
                .as_ref()
                .map(|it| it.as_str().to_owned()),
        ),
        (
            "updated",
            details
                .updated_timestamp
                .as_ref()
                .map(|it| it.as_str().to_owned()),
        ),
    ])
}

/// What a tenant uses of what it may use.
pub(crate) fn tenant(name: &str, tenant: &cspark_batches::raw::types::Tenant) -> String {
    let configuration = tenant.configuration.clone().unwrap_or_default();
    let status = tenant.status.clone().unwrap_or_default();
    fields([
        ("tenant", Some(name.to_owned())),
        (
            "workers",
            of(status.workers_in_use, configuration.max_workers),
        ),
        (
            "input buffers",
            buffer(
                status.input_buffer_used_bytes,
                status.input_buffer_remaining_bytes,
            ),
        ),
        (
            "output buffers",
            buffer(
                status.output_buffer_used_bytes,
                status.output_buffer_remaining_bytes,
            ),
        ),
    ])
}

/// Batches, one a line.
pub(crate) fn batches(batches: &[Batch]) -> String {
    let number = |number: Option<u64>| number.map_or_else(String::new, |it| it.to_string());
    let row = |batch: &Batch| {
        let details = batch.details().cloned().unwrap_or_default();
        let summary = details.summary.unwrap_or_default();
        [
            batch.id.clone().unwrap_or_default(),
            details.service_uri.unwrap_or_default(),
            details
                .batch_status
                .map_or_else(String::new, |it| it.to_string()),
            number(summary.records_submitted),
            number(summary.records_completed),
            number(summary.records_failed),
            details
                .created_timestamp
                .map_or_else(String::new, |it| it.as_str().to_owned()),
            details.created_by.unwrap_or_default(),
        ]
    };
    let header = [
        "BATCH", "SERVICE", "STATUS", "PUSHED", "COMPUTED", "FAILED", "CREATED", "BY",
    ];
    table(header, &[3, 4, 5], batches.iter().map(row))
}
