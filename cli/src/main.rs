//! The program `cspark-batch`; everything is in the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    cspark_batch::main()
}
