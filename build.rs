//! Generates the module `raw` (types and calls) from the description in `openapi/`.

#[path = "codegen/mod.rs"]
mod codegen;

use std::env;
use std::error::Error;
use std::fs;
use std::path::Path;

const DESCRIPTION: &str = "openapi/batches.yaml";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={DESCRIPTION}");
    println!("cargo::rerun-if-changed=codegen");
    println!("cargo::rerun-if-changed=build.rs");

    match codegen::generate(&fs::read_to_string(DESCRIPTION)?) {
        Ok(source) => fs::write(Path::new(&env::var("OUT_DIR")?).join("raw.rs"), source)?,
        Err(problems) => {
            for problem in problems.iter() {
                println!("cargo::error={DESCRIPTION}:{problem}");
            }
        }
    }
    Ok(())
}
