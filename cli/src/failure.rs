//! How a command fails: one line for people, and an exit code for programs.

use std::fmt::{self, Display};
use std::path::Path;
use std::process::ExitCode;

use cspark_batches::ErrorKind;

use crate::terminal;

/// What the exit codes mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The command failed, or its output is incomplete.
    Failed = 1,
    /// The command line or a setting is wrong; nothing was sent.
    Usage = 2,
    /// The service reported errors for records, and the user asked for this exit code then.
    RecordErrors = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command failed, in one line.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
}

impl Failure {
    /// The command failed while it worked.
    pub(crate) fn run(message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Failed,
            message: message.into(),
        }
    }

    /// The command line or a setting is wrong.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Usage,
            message: message.into(),
        }
    }

    /// A file cannot be read or written: `what` is what was tried, as in "cannot read".
    pub(crate) fn file(what: &str, path: &Path, error: impl Display) -> Self {
        Self::run(format!("{what} {}: {error}", path.display()))
    }

    /// Prints the failure on stderr, and returns its exit code.
    pub(crate) fn report(&self) -> ExitCode {
        terminal::note(&format!("error: {self}"));
        self.exit.into()
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // One failure is one line, whatever a service or a parser put into its message.
        let mut lines = self.message.lines().map(str::trim);
        f.write_str(lines.next().unwrap_or_default())?;
        lines
            .filter(|line| !line.is_empty())
            .try_for_each(|line| write!(f, " {line}"))
    }
}

impl From<cspark_batches::Error> for Failure {
    fn from(error: cspark_batches::Error) -> Self {
        match error.kind() {
            ErrorKind::Config => Self::usage(error.to_string()),
            _ => Self::run(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_one_line() {
        let failure = Failure::usage("bad TOML\n  |\n2 | x = \n");
        assert_eq!(failure.to_string(), "bad TOML | 2 | x =");
    }
}
