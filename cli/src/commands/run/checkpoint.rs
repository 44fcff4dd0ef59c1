//! What a run needs to continue in another process: the library's checkpoint, with the lengths that
//! the files had when it was made.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use cspark_batches::run::Checkpoint;
use serde::{Deserialize, Serialize};

use super::args::Args;
use crate::failure::Failure;
use crate::files::{STANDARD, beside};
use crate::output::{EncoderState, lock};

/// The format of the file.
const VERSION: u32 = 1;

/// The content of a checkpoint file.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct State {
    version: u32,
    /// The options that decide what the files contain.
    settings: BTreeMap<String, String>,
    /// The bytes of each file that the checkpoint counts on.
    pub(super) output_bytes: u64,
    pub(super) errors_bytes: u64,
    pub(super) summaries_bytes: u64,
    pub(super) encoder: EncoderState,
    pub(super) failed: Failed,
    /// All records are in the files; only their names are left to change.
    pub(super) finished: bool,
    pub(super) run: Checkpoint,
}

/// Records without an output, over all runs of the checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failed {
    /// The service has an error for them.
    pub(super) at_service: u64,
    /// Their output is not what it should be.
    pub(super) unreadable: u64,
    /// They could not be sent.
    pub(super) rejected: u64,
}

/// The place of a checkpoint, which one run has at a time.
#[derive(Debug)]
pub(super) struct CheckpointFile {
    path: PathBuf,
    lock_path: PathBuf,
    settings: BTreeMap<String, String>,
    /// Locked until the process ends.
    _lock: File,
}

impl CheckpointFile {
    /// Takes the place, and reads what is there.
    pub(super) fn open(path: &Path, args: &Args) -> Result<(Self, Option<State>), Failure> {
        let lock_path = beside(path, ".lock");
        let lock_file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .map_err(|error| Failure::file("cannot write", &lock_path, error))?;
        lock(&lock_file, path)?;
        let file = Self {
            path: path.to_owned(),
            lock_path,
            settings: settings(args)?,
            _lock: lock_file,
        };
        let state = match fs::read(path) {
            Ok(json) => Some(file.check(&json)?),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(Failure::file("cannot read", path, error)),
        };
        if state.is_some() && !args.writing.resume {
            return Err(Failure::usage(format!(
                "the checkpoint {} of an earlier run exists; continue that with --resume, or \
                 delete the file",
                path.display()
            )));
        }
        Ok((file, state))
    }

    fn check(&self, json: &[u8]) -> Result<State, Failure> {
        let shown = self.path.display();
        let state: State = serde_json::from_slice(json)
            .map_err(|error| Failure::usage(format!("{shown} is not a checkpoint: {error}")))?;
        if state.version != VERSION {
            return Err(Failure::usage(format!(
                "the checkpoint {shown} is of another version of this program"
            )));
        }
        let names = state.settings.keys().chain(self.settings.keys());
        for name in names {
            let (then, now) = (state.settings.get(name), self.settings.get(name));
            if then != now {
                let shown_value =
                    |value: Option<&String>| value.map_or("none", String::as_str).to_owned();
                return Err(Failure::usage(format!(
                    "the checkpoint {shown} is of a run with another {name}: {} then, {} now",
                    shown_value(then),
                    shown_value(now)
                )));
            }
        }
        Ok(state)
    }

    /// Replaces the checkpoint. The files have to be on disk as far as it counts on them.
    pub(super) fn save(&self, mut state: State) -> Result<(), Failure> {
        state.settings.clone_from(&self.settings);
        let new = beside(&self.path, ".new");
        let write = || -> std::io::Result<()> {
            let mut file = File::create(&new)?;
            file.write_all(&serde_json::to_vec(&state)?)?;
            file.sync_all()?;
            fs::rename(&new, &self.path)
        };
        write().map_err(|error| Failure::file("cannot write", &self.path, error))
    }

    /// Removes the checkpoint of a run that is complete.
    pub(super) fn remove(self) -> Result<(), Failure> {
        for path in [&self.path, &self.lock_path] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(Failure::file("cannot remove", path, error));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl State {
    pub(super) fn new(run: Checkpoint, encoder: EncoderState, failed: Failed) -> Self {
        Self {
            version: VERSION,
            settings: BTreeMap::new(),
            output_bytes: 0,
            errors_bytes: 0,
            summaries_bytes: 0,
            encoder,
            failed,
            finished: false,
            run,
        }
    }
}

/// The options that decide what the files contain, and which input it is.
fn settings(args: &Args) -> Result<BTreeMap<String, String>, Failure> {
    let input = args.input_options()?;
    let (output, format) = args.output()?;
    let path =
        |path: Option<&PathBuf>| path.map_or(String::new(), |path| path.display().to_string());
    let text = |text: Option<&String>| text.cloned().unwrap_or_default();
    let writing = &args.writing;
    let mut settings: BTreeMap<&str, String> = BTreeMap::from([
        ("service", args.service.clone()),
        ("input", args.input.display().to_string()),
        (
            "input format",
            format!(
                "{:?} {:?} {:?} {:?}",
                input.format, input.delimiter, input.sheet, input.types
            ),
        ),
        ("output", output.display().to_string()),
        ("output format", format!("{format:?}")),
        (
            "order of the output",
            if args.is_ordered(format) {
                "input"
            } else {
                "any"
            }
            .to_owned(),
        ),
        ("choice of --with-inputs", writing.with_inputs.to_string()),
        ("choice of --columns", writing.columns.join(",")),
        ("file for errors", path(writing.errors.as_ref())),
        ("file for summaries", path(args.chunks.summaries.as_ref())),
        (
            "choice of --parameters",
            text(args.chunks.parameters.as_ref()),
        ),
        ("choice of --outputs", args.batch.outputs.join(",")),
        ("choice of --subservices", args.batch.subservices.join(",")),
        (
            "choice of --active-since",
            args.batch
                .active_since
                .as_ref()
                .map_or_else(String::new, |moment| moment.as_str().to_owned()),
        ),
        (
            "choice of --skip-bad-records",
            args.skip_bad_records.to_string(),
        ),
    ]);
    if args.input.as_os_str() != STANDARD
        && let Ok(metadata) = fs::metadata(&args.input)
        && metadata.is_file()
    {
        let modified = metadata
            .modified()
            .ok()
            .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let modified = modified.map_or(0, |time| time.as_millis());
        settings.insert(
            "content of the input",
            format!("{} bytes of time {modified}", metadata.len()),
        );
    }
    Ok(settings
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect())
}
