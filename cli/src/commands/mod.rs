//! The commands, one a file. Each has its `Args` and executes itself.
//!
//! A new command is a module with `Args` and `execute`, a variant of [`Command`], and an arm.

mod completions;
mod create;
mod describe;
mod emulate;
mod end;
mod info;
mod pull;
mod push;
mod run;
mod schema;
mod status;
mod types;

use std::process::ExitCode;

use clap::Subcommand;

use crate::cli::Global;
use crate::failure::Failure;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(Box<run::Args>),
    Describe(describe::Args),
    Status(status::Args),
    Info(info::Args),
    Create(Box<create::Args>),
    Push(push::Args),
    Pull(pull::Args),
    Close(end::Close),
    Cancel(end::Cancel),
    Schema(schema::Args),
    Types(types::Args),
    Emulate(emulate::Args),
    Completions(completions::Completions),
    Man(completions::Man),
}

impl Command {
    pub(crate) async fn execute(self, global: &Global) -> Result<ExitCode, Failure> {
        match self {
            Self::Run(args) => args.execute(global).await,
            Self::Describe(args) => args.execute(global).await,
            Self::Status(args) => args.execute(global).await,
            Self::Info(args) => args.execute(global).await,
            Self::Create(args) => args.execute(global).await,
            Self::Push(args) => args.execute(global).await,
            Self::Pull(args) => args.execute(global).await,
            Self::Close(args) => args.execute(global).await,
            Self::Cancel(args) => args.execute(global).await,
            Self::Schema(args) => args.execute(global).await,
            Self::Types(args) => args.execute(global).await,
            Self::Emulate(args) => args.execute(global).await,
            Self::Completions(args) => args.execute(),
            Self::Man(args) => args.execute(),
        }
    }
}
