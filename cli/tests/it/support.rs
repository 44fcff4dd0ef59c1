//! The program as a process, an emulator, and a directory for files.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};

use cspark_emulator::{Builder, Emulator};
use tempfile::TempDir;

/// An emulator of the service, and an empty directory that is the home and the working directory of
/// the program.
pub(crate) struct World {
    pub(crate) emulator: Emulator,
    pub(crate) directory: TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Emulator::builder())
    }

    pub(crate) fn with(emulator: Builder) -> Self {
        Self {
            emulator: emulator.start_on_thread().expect("a free port"),
            directory: TempDir::new().expect("a writable directory for temporary files"),
        }
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// The program with a line of arguments, which are separated by spaces, and connected to the
    /// emulator.
    pub(crate) fn program(&self, arguments: &str) -> Command {
        let mut program = self.command(env!("CARGO_BIN_EXE_cspark-batch"));
        program.args(arguments.split_whitespace());
        program
    }

    /// Another executable in place of the program.
    pub(crate) fn command(&self, executable: impl AsRef<OsStr>) -> Command {
        let mut command = bare_command(executable, self.directory.path());
        command
            .env("CSPARK_BASE_URL", self.emulator.base_url())
            .env("CSPARK_BEARER_TOKEN", "open");
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &str) -> Finished {
        Finished::of(self.program(arguments).output().unwrap())
    }
}

/// The program without a service, in a directory of its own.
pub(crate) fn bare_program(directory: &Path) -> Command {
    bare_command(env!("CARGO_BIN_EXE_cspark-batch"), directory)
}

fn bare_command(executable: impl AsRef<OsStr>, directory: &Path) -> Command {
    let mut command = Command::new(executable);
    command
        .current_dir(directory)
        .env_clear()
        .env("HOME", directory)
        .env("NO_PROXY", "127.0.0.1");
    command
}

/// What a process left behind.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Asserts the exit code, showing what was printed if it is another one.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Asserts that standard error contains a text.
    #[track_caller]
    pub(crate) fn says(&self, text: &str) {
        assert!(self.stderr.contains(text), "no {text:?} in {}", self.stderr);
    }
}

/// Snapshots that show each batch and chunk by the same id, and each moment as the same.
pub(crate) fn with_same_ids() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    let uuid = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
    // As wide as what they replace, so that the columns stay straight.
    settings.add_filter(uuid, "11111111-2222-4333-8444-555555555555");
    settings.add_filter(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",
        "2026-01-31T00:00:00.000Z",
    );
    settings
}

/// Sends a signal to a process.
#[cfg(unix)]
pub(crate) fn signal(child: &Child, name: &str) {
    let killed = Command::new("kill")
        .arg(name)
        .arg(child.id().to_string())
        .status();
    assert!(killed.unwrap().success());
}
