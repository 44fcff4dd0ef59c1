//! What the program prints: results to stdout, everything else to stderr.

use std::io::{self, IsTerminal, Write};

use tracing_subscriber::EnvFilter;

use crate::failure::Failure;

/// Prints a line for people on stderr.
pub(crate) fn note(line: &str) {
    // Nobody is left to report to if stderr is closed.
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Prints a result on stdout, with a line end.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}")
        .and_then(|()| stdout.flush())
        .map_err(|error| Failure::run(format!("cannot write to stdout: {error}")))
}

/// Whether colours are wanted on stderr.
pub(crate) fn colours_on_stderr() -> bool {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stderr().is_terminal() && !unwanted
}

/// Shows logs on stderr: none, or those of the library from INFO, DEBUG or TRACE on. `RUST_LOG`
/// goes before `-v`.
pub(crate) fn log(verbose: u8) {
    let filter = match std::env::var("RUST_LOG") {
        Ok(directives) if !directives.is_empty() => EnvFilter::new(directives),
        _ => EnvFilter::new(match verbose {
            0 => return,
            1 => "cspark_batches=info",
            2 => "cspark_batches=debug",
            _ => "trace",
        }),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours_on_stderr())
        .with_writer(io::stderr)
        .init();
}
