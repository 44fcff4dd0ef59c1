//! `push`: records or chunks into a batch, in one request.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cspark_batches::{Push, Status};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::cli::Global;
use crate::display::{self, Format};
use crate::failure::Failure;
use crate::files::STANDARD;

/// Push a JSON file into a batch, in one request
///
/// The file has records (a list of objects, a table with a header row, or JSON lines) or prepared
/// chunks ({"chunks": [..]}, a list of chunks, or one chunk). The service accepts or refuses all
/// of it; for files that are larger than its input buffer, use `run`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cspark-batch push c9b1a0a3-5f0e-4a3b-9d5c-2f1f6f0a7b11 cylinders.json --chunk-size 100\n  \
    jq -c '.[]' cylinders.json | cspark-batch push c9b1a0a3-5f0e-4a3b-9d5c-2f1f6f0a7b11 -")]
pub(crate) struct Args {
    /// Id of the batch
    id: String,
    /// File to push; `-` is standard input
    file: PathBuf,
    /// Records in a chunk; 200 unless set. Not for prepared chunks
    #[arg(long, value_name = "NUMBER")]
    chunk_size: Option<usize>,
    #[command(flatten)]
    format: Format,
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
        let text = read(&self.file)?;
        let content =
            Content::of(&text).map_err(|why| Failure::file("cannot push", &self.file, why))?;
        let push = match (content, self.chunk_size) {
            (Content::Chunks, None) => Push::json(&text),
            (Content::Chunks, Some(_)) => {
                return Err(Failure::usage(format!(
                    "{} has prepared chunks, so --chunk-size has nothing to set",
                    self.file.display()
                )));
            }
            (Content::Records(records), size) => {
                Push::records(records).chunk_size(size.unwrap_or(200))
            }
        };
        let pushed = global.client()?.batches().of(&self.id).push(push).await?;
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
}

fn read(path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let read = match path == Path::new(STANDARD) {
        true => std::io::stdin().read_to_string(&mut text).map(|_| ()),
        false => std::fs::read_to_string(path).map(|all| text = all),
    };
    read.map_err(|error| Failure::file("cannot read", path, error))?;
    // What spreadsheets put before a text to mark it as UTF-8.
    Ok(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    })
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
