//! The commands, one a file. Each has its `Args` and executes itself.
//!
//! A new command is a module with `Args` and `execute`, a variant of [`Command`], and an arm.

mod run;

use std::process::ExitCode;

use clap::Subcommand;

use crate::cli::Global;
use crate::failure::Failure;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(Box<run::Args>),
}

impl Command {
    pub(crate) async fn execute(self, global: &Global) -> Result<ExitCode, Failure> {
        match self {
            Self::Run(args) => args.execute(global).await,
        }
    }
}
