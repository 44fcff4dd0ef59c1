//! `push`: records or chunks into a batch, in one request.

use std::fmt::Display;
use std::path::PathBuf;
use std::process::ExitCode;

use bytes::Bytes;
use cspark_batches::{Chunk, Chunker, MissingCells, Push, Status};
use futures_util::TryStreamExt as _;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::cli::Global;
use crate::display;
use crate::failure::Failure;
use crate::files::{Format, STANDARD};
use crate::input::{Input, InputOptions, Reading, read_text};

/// Push the records of a file into a batch, in one request
///
/// The file is one that `run` reads: .csv, .tsv, .json, .jsonl, .parquet or .xlsx, also with .gz or
/// .zst. A .json file may have prepared chunks instead of records: {"chunks": [..]}, a list of
/// chunks, or one chunk. The service accepts or refuses all of it; for files that are larger than
/// its input buffer, use `run`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cspark-batch push c9b1a0a3-5f0e-4a3b-9d5c-2f1f6f0a7b11 policies.csv --chunk-size 100\n  \
    jq -c '.[]' cylinders.json | cspark-batch push c9b1a0a3-5f0e-4a3b-9d5c-2f1f6f0a7b11 -")]
pub(crate) struct Args {
    /// Id of the batch
    id: String,
    /// File to push; - is standard input, with JSON or JSON lines unless --format is set
    file: PathBuf,
    /// Records in a chunk; 200 unless set. Not for prepared chunks
    #[arg(long, value_name = "NUMBER")]
    chunk_size: Option<usize>,
    #[command(flatten)]
    format: display::Format,
    #[command(flatten)]
    reading: Reading,
}

#[derive(Serialize)]
struct Shown<'a> {
    chunks: Vec<ShownChunk<'a>>,
    status: &'a Status,
}

#[derive(Serialize)]
struct ShownChunk<'a> {
    id: &'a str,
    records: u64,
}

impl Args {
    pub(crate) async fn execute(self, global: &Global) -> Result<ExitCode, Failure> {
        let client = global.client()?;
        let push = Push::chunks(self.chunks().await?);
        let pushed = client.batches().of(&self.id).push(push).await?;
        let chunks = pushed.chunks.iter().map(|chunk| ShownChunk {
            id: &chunk.id,
            records: chunk.records,
        });
        let shown = Shown {
            chunks: chunks.collect(),
            status: &pushed.status,
        };
        self.format.print(&shown, |shown| {
            let rows = shown
                .chunks
                .iter()
                .map(|chunk| [chunk.id.to_owned(), chunk.records.to_string()]);
            let chunks = display::table(["CHUNK", "RECORDS"], &[1], rows);
            format!("{chunks}\n{}", display::status(&self.id, shown.status))
        })?;
        Ok(ExitCode::SUCCESS)
    }

    async fn chunks(&self) -> Result<Vec<Chunk>, Failure> {
        let options = match self.file.as_os_str() == STANDARD && self.reading.format.is_none() {
            true => None,
            false => Some(self.reading.options(&self.file)?),
        };
        match options.filter(|options| !matches!(options.format, Format::Json | Format::Jsonl)) {
            Some(options) => self.chunks_of_table(options).await,
            None => self.chunks_of_json(&read_text(&self.file)?),
        }
    }

    async fn chunks_of_table(&self, options: InputOptions) -> Result<Vec<Chunk>, Failure> {
        let cannot_push = |why: &dyn Display| Failure::file("cannot push", &self.file, why);
        let input = Input::open(options)?;
        let chunker = self.chunker().columns(input.columns.clone());
        let rows: Vec<Bytes> = input
            .into_records()
            .try_collect()
            .await
            .map_err(|bad| cannot_push(&bad))?;
        if rows.is_empty() {
            return Err(cannot_push(&"it has no records"));
        }
        let records = rows.iter().map(|row| serde_json::from_slice(row));
        let records: Vec<&RawValue> = records
            .collect::<Result<_, _>>()
            .map_err(|error| cannot_push(&error))?;
        Ok(chunker.chunks(records).collect::<Result<_, _>>()?)
    }

    fn chunks_of_json(&self, text: &str) -> Result<Vec<Chunk>, Failure> {
        let content =
            Content::of(text).map_err(|why| Failure::file("cannot push", &self.file, why))?;
        match content {
            Content::Chunks if self.chunk_size.is_some() => Err(Failure::usage(format!(
                "{} has prepared chunks, so --chunk-size has nothing to set",
                self.file.display()
            ))),
            Content::Chunks => Ok(Chunk::parse(text)?),
            Content::Records(records) => {
                // As for `run`: what an object leaves out is null.
                let chunker = self.chunker().missing_cells(MissingCells::Null);
                Ok(chunker.chunks(records).collect::<Result<_, _>>()?)
            }
        }
    }

    fn chunker(&self) -> Chunker {
        match self.chunk_size {
            Some(records) => Chunker::new().chunk_size(records),
            None => Chunker::new(),
        }
    }
}

/// What is in the file.
enum Content<'a> {
    Chunks,
    Records(Vec<&'a RawValue>),
}

impl<'a> Content<'a> {
    fn of(text: &'a str) -> Result<Self, String> {
        #[derive(serde::Deserialize)]
        struct Chunks<'a> {
            #[serde(borrow)]
            chunks: Option<&'a RawValue>,
            #[serde(borrow)]
            data: Option<&'a RawValue>,
        }
        let is_chunks = |json: &str| {
            serde_json::from_str::<Chunks<'_>>(json).is_ok_and(|found| {
                let is_object = |data: &RawValue| data.get().starts_with('{');
                found.chunks.is_some() || found.data.is_some_and(is_object)
            })
        };
        if let Ok(list) = serde_json::from_str::<Vec<&RawValue>>(text) {
            return match list.first() {
                None => Err("it has no records".to_owned()),
                Some(first) if first.get().starts_with('{') && is_chunks(first.get()) => {
                    Ok(Self::Chunks)
                }
                Some(_) => Ok(Self::Records(list)),
            };
        }
        if is_chunks(text) {
            return Ok(Self::Chunks);
        }
        let lines = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
        let records: Vec<_> = lines
            .collect::<Result<_, _>>()
            .map_err(|error| error.to_string())?;
        match records.is_empty() {
            true => Err("it is empty".to_owned()),
            false => Ok(Self::Records(records)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_is_recognised() {
        let records = |text| match Content::of(text) {
            Ok(Content::Records(records)) => Some(records.len()),
            Ok(Content::Chunks) => None,
            Err(error) => panic!("{text}: {error}"),
        };
        assert_eq!(records(r#"[{"r":1},{"r":2}]"#), Some(2));
        assert_eq!(records(r#"[["r"],[1],[2]]"#), Some(3));
        assert_eq!(records("{\"r\":1}\n{\"r\":2}\n"), Some(2));
        assert_eq!(records(r#"{"r":1}"#), Some(1));
        assert_eq!(records(r#"{"data":"an input of this name"}"#), Some(1));
        assert_eq!(records(r#"{"chunks":[]}"#), None);
        assert_eq!(records(r#"[{"id":"a","data":{"inputs":[]}}]"#), None);
        assert_eq!(records(r#"{"id":"a","data":{"inputs":[]}}"#), None);
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for (text, expected) in [
            ("", "it is empty"),
            ("[]", "it has no records"),
            ("r,h\n1,2\n", "expected value at line 1 column 1"),
        ] {
            match Content::of(text) {
                Err(error) => assert_eq!(error, expected),
                Ok(_) => panic!("{text:?} passes"),
            }
        }
    }
}
