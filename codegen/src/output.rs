//! Where generated code goes: a file in `OUT_DIR`, or a report to cargo.

use std::env;
use std::fs;
use std::io;
use std::path::Path;

use crate::diagnostics::Diagnostics;

/// Reads a document that a build script depends on, so that cargo runs the script again when the
/// document changes.
pub(crate) fn read(document: &Path) -> io::Result<String> {
    tell_cargo(&format!("cargo::rerun-if-changed={}", document.display()));
    fs::read_to_string(document)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", document.display())))
}

/// Writes the code to a file in `OUT_DIR`, or reports to cargo why there is none.
pub(crate) fn write(
    document: &Path,
    file_name: &str,
    generated: Result<String, Diagnostics>,
) -> io::Result<()> {
    match generated {
        Ok(source) => {
            let directory = env::var_os("OUT_DIR").ok_or_else(|| {
                io::Error::other("OUT_DIR is not set: call this from a build script")
            })?;
            let file = Path::new(&directory).join(file_name);
            fs::write(&file, source).map_err(|error| {
                io::Error::new(error.kind(), format!("{}: {error}", file.display()))
            })
        }
        Err(diagnostics) => {
            for diagnostic in diagnostics.iter() {
                tell_cargo(&format!("cargo::error={}:{diagnostic}", document.display()));
            }
            Ok(())
        }
    }
}

/// Cargo reads its instructions from a build script's standard output.
#[expect(
    clippy::print_stdout,
    reason = "that is how a build script talks to cargo"
)]
fn tell_cargo(instruction: &str) {
    println!("{instruction}");
}
