//! `completions` and `man`: what shells and `man` know of the program.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::failure::Failure;
use crate::terminal;

/// Print the completions for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  \
    cspark-batch completions bash >~/.local/share/bash-completion/completions/cspark-batch")]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

/// Write the man pages of the program and of each command to a directory
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  \
    cspark-batch man ~/.local/share/man/man1")]
pub(crate) struct Man {
    /// Directory to write to; it is created if need be
    directory: PathBuf,
}

impl Completions {
    pub(crate) fn execute(self) -> Result<ExitCode, Failure> {
        let mut script = Vec::new();
        let mut command = Cli::command();
        clap_complete::generate(self.shell, &mut command, "cspark-batch", &mut script);
        terminal::print(String::from_utf8_lossy(&script).trim_end())?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Man {
    pub(crate) fn execute(self) -> Result<ExitCode, Failure> {
        std::fs::create_dir_all(&self.directory)
            .and_then(|()| clap_mangen::generate_to(Cli::command(), &self.directory))
            .map_err(|error| Failure::file("cannot write man pages to", &self.directory, error))?;
        Ok(ExitCode::SUCCESS)
    }
}
