//! Generates the types of the service from its schema, which is a file of this package.

use std::io;

fn main() -> io::Result<()> {
    cspark_batches_build::Service::new("spark/term-life.json")
        .type_name("TermLife")
        .required(["age", "sex", "sum_assured", "term"])
        .write_to_out_dir()
}
