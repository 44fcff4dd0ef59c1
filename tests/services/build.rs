//! Generates the types of the services whose documents the tests of the generator read.

use std::io;

use cspark_batches_build::{CellType, Service};

fn main() -> io::Result<()> {
    let service = |name: &str, type_name: &str| {
        let document = format!("../../codegen/tests/documents/{name}.json");
        Service::new(document).type_name(type_name)
    };
    service("schema", "MySchema").write_to_out_dir()?;
    service("swagger", "MySwagger").write_to_out_dir()?;
    service("data_types", "DataTypes").write_to_out_dir()?;
    service("validations", "Validations").write_to_out_dir()?;
    service("tables", "Tables").write_to_out_dir()?;
    service("names", "Names").write_to_out_dir()?;
    service("sub_services", "SubServices")
        .latest()
        .write_to_out_dir()?;
    service("no_inputs", "NoInputs").write_to_out_dir()?;
    service("large", "Large").write_to_out_dir()?;
    service("term_life", "TermLife")
        .column("term", CellType::Integer)
        .write_to_out_dir()
}
