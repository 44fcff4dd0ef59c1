//! The program `cspark-batch`: files of records through Coherent Spark services, and what runs in a
//! tenant.
//!
//! It is built on the public API of [`cspark_batches`]. Each command is a file of
//! `commands`; `cli` has the options that all of them share.

#![forbid(unsafe_code)]

mod cells;
mod cli;
mod commands;
mod connection;
mod create_options;
mod display;
mod emulate;
mod failure;
mod files;
mod input;
mod output;
mod profile;
mod report;
mod terminal;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::Cli;
use crate::failure::Failure;

/// Runs the program with the arguments and the environment of the process.
#[must_use]
pub fn main() -> ExitCode {
    // First of all, since it changes the environment, which only one thread may do.
    let environment = connection::load_dotenv();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(usage) => {
            // Help and version come this way as well. There is nowhere to report that they can't be
            // printed.
            let _ = usage.print();
            return ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(2));
        }
    };
    terminal::log(cli.global.verbose);
    match environment.and_then(|()| run(cli)) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

fn run(cli: Cli) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::run(format!("the asynchronous runtime cannot start: {error}")))?;
    let code = runtime.block_on(cli.command.execute(&cli.global));
    // A thread that waits for a terminal or a pipe must not keep the program from its end.
    runtime.shutdown_background();
    code
}
