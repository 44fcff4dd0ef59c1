//! `run --dry-run`: reads the whole input, shows what would be sent, and sends nothing.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::process::ExitCode;

use bytesize::ByteSize;
use cspark_batches::service::{Column, ColumnKind, Columns};
use cspark_batches::{Chunker, Client, ErrorKind};
use serde_json::value::RawValue;

use super::args::Args;
use crate::cli::Global;
use crate::failure::{Exit, Failure};
use crate::input::{Input, InputOptions, is_json_number};
use crate::terminal;

/// Records that are shown.
const SHOWN: usize = 3;
/// Records that cannot be sent of which the reason is shown.
const SHOWN_BAD: usize = 10;

pub(super) async fn execute(
    args: &Args,
    options: InputOptions,
    global: &Global,
) -> Result<ExitCode, Failure> {
    let client = match global.client() {
        Ok(client) => Some(client),
        Err(_) if !global.names_a_service() => None,
        Err(failure) => return Err(failure),
    };
    let input = Input::open(options)?;
    let failure = input.failure();
    let mut chunker = args.chunker()?;
    if !input.columns.is_empty() {
        chunker = chunker.columns(input.columns.clone());
    }
    let scan = tokio::task::spawn_blocking(move || Scan::of(input, &chunker));
    let scan = scan
        .await
        .map_err(|error| Failure::run(format!("the input cannot be read: {error}")))??;
    terminal::print(scan.shown(&args.input.display().to_string()).trim_end())?;
    let fits = match &client {
        Some(client) => compare(client, &args.service, &scan).await?,
        None => {
            terminal::print("\nNot compared with the service: there are no credentials.")?;
            true
        }
    };
    if let Some(why) = failure.get() {
        return Err(Failure::run(format!(
            "cannot read {}: {why}",
            args.input.display()
        )));
    }
    Ok(match fits && scan.bad == 0 {
        true => ExitCode::SUCCESS,
        false => Exit::Failed.into(),
    })
}

/// Compares the columns with those of the service. Returns whether it takes them.
async fn compare(client: &Client, service: &str, scan: &Scan) -> Result<bool, Failure> {
    let schema = match client.services().schema(service).await {
        Ok(schema) => schema.into_content(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(error.into()),
        Err(error) => {
            terminal::print(&format!("\nNot compared with the service: {error}"))?;
            return Ok(true);
        }
    };
    let service = Columns::of_schema(&schema);
    let used = scan
        .columns
        .iter()
        .map(|(name, tally)| Column::owned(name, tally.kind()));
    // Outputs are whatever the service returns.
    let used = Columns::new(used, service.outputs().to_vec());
    let differences = used.compare(&service);
    terminal::print(&match differences.is_empty() {
        true => "\nThe columns are those of the service.".to_owned(),
        false => format!("\nCompared with the service: {differences}"),
    })?;
    Ok(differences.is_compatible())
}

/// What the input has.
#[derive(Default)]
struct Scan {
    columns: Vec<(String, Tally)>,
    records: u64,
    bad: u64,
    reasons: Vec<String>,
    first: Vec<String>,
    chunks: u64,
    chunk_bytes: u64,
    largest_chunk: u64,
}

/// The cells of a column by what they are.
#[derive(Default)]
struct Tally {
    kinds: BTreeMap<&'static str, u64>,
    /// Texts that are numbers with leading zeros.
    leading_zeros: u64,
}

impl Tally {
    fn add(&mut self, json: &str) {
        let kind = match json.as_bytes() {
            b"null" => "empty",
            b"true" | b"false" => "boolean",
            [b'"', text @ .., b'"'] => {
                let digits = text.iter().all(u8::is_ascii_digit);
                self.leading_zeros += u64::from(digits && text.len() > 1 && text[0] == b'0');
                "text"
            }
            text if is_json_number(text) => "number",
            [b'[', ..] => "list",
            _ => "object",
        };
        *self.kinds.entry(kind).or_default() += 1;
    }

    fn kind(&self) -> ColumnKind {
        let mut kinds = self.kinds.keys().filter(|kind| **kind != "empty");
        match (kinds.next(), kinds.next()) {
            (Some(&"number"), None) => ColumnKind::Number,
            (Some(&"text"), None) => ColumnKind::Text,
            (Some(&"boolean"), None) => ColumnKind::Boolean,
            (Some(&"list"), None) => ColumnKind::Table,
            _ => ColumnKind::Any,
        }
    }
}

impl Scan {
    fn of(input: Input, chunker: &Chunker) -> Result<Self, Failure> {
        let columns = input.columns.iter();
        let mut scan = Self {
            columns: columns
                .map(|name| (name.clone(), Tally::default()))
                .collect(),
            ..Self::default()
        };
        // The chunker takes the records, and this looks at each on its way.
        let records = input.into_blocking_records().filter_map(|record| {
            let row = record.map_err(|bad| bad.to_string()).and_then(|row| {
                serde_json::from_slice::<Box<RawValue>>(&row).map_err(|error| error.to_string())
            });
            match row {
                Ok(row) => {
                    scan.add(&row);
                    Some(row)
                }
                Err(why) => {
                    scan.bad += 1;
                    if scan.reasons.len() < SHOWN_BAD {
                        scan.reasons.push(why);
                    }
                    None
                }
            }
        });
        let (mut chunks, mut bytes, mut largest) = (0, 0, 0);
        for chunk in chunker.chunks(records) {
            let size = chunk?.input_bytes();
            chunks += 1;
            bytes += size;
            largest = largest.max(size);
        }
        (scan.chunks, scan.chunk_bytes, scan.largest_chunk) = (chunks, bytes, largest);
        Ok(scan)
    }

    fn add(&mut self, row: &RawValue) {
        self.records += 1;
        let cells: Vec<&RawValue> = serde_json::from_str(row.get()).unwrap_or_default();
        for ((_, tally), cell) in self.columns.iter_mut().zip(&cells) {
            tally.add(cell.get());
        }
        if self.first.len() < SHOWN {
            let cells = self.columns.iter().zip(cells);
            let cells = cells.map(|((name, _), cell)| format!("{name:?}: {}", cell.get()));
            let cells = cells.collect::<Vec<_>>().join(", ");
            self.first.push(format!("{{{cells}}}"));
        }
    }

    fn shown(&self, input: &str) -> String {
        let mut text = format!("{input}: {} records\n\nColumns:\n", self.records);
        let width = self
            .columns
            .iter()
            .map(|(name, _)| name.chars().count())
            .max();
        let width = width.unwrap_or(0);
        // Writing to a String does not fail.
        for (name, tally) in &self.columns {
            let kinds = tally
                .kinds
                .iter()
                .map(|(kind, cells)| format!("{kind} {cells}"));
            let kinds = kinds.collect::<Vec<_>>().join(", ");
            let _ = writeln!(text, "  {name:width$}  {kinds}");
        }
        for (name, tally) in &self.columns {
            if tally.leading_zeros > 0 && tally.kinds.contains_key("number") {
                let _ = writeln!(
                    text,
                    "  note: {} cells of `{name}` have leading zeros and go as text, the others as \
                     numbers; --text {name} makes all of them text",
                    tally.leading_zeros
                );
            }
        }
        if !self.first.is_empty() {
            let _ = writeln!(text, "\nThe first records as they would be sent:");
            for record in &self.first {
                let _ = writeln!(text, "  {record}");
            }
        }
        if self.bad > 0 {
            let _ = writeln!(text, "\n{} records cannot be sent:", self.bad);
            for why in &self.reasons {
                let _ = writeln!(text, "  {why}");
            }
            if self.bad > self.reasons.len() as u64 {
                let _ = writeln!(text, "  ...");
            }
        }
        if let Some(average) = self.chunk_bytes.checked_div(self.chunks) {
            let _ = writeln!(
                text,
                "\n{} chunks of {} on average, the largest {}",
                self.chunks,
                ByteSize(average),
                ByteSize(self.largest_chunk)
            );
        }
        text
    }
}
