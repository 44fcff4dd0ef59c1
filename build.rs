//! Generates the module `raw` (types and calls) from the description of the API.

use std::io;

use cspark_batches_build::Api;

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    Api::new("openapi/batches.yaml").write_to_out_dir("raw.rs")
}
