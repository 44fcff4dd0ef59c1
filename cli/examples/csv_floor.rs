//! The least work that there is for a table: reads a CSV file, and writes it again.
//!
//! ```text
//! cargo run --release -p cspark-batches-cli --example csv_floor -- INPUT OUTPUT
//! ```

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let [input, output] = std::env::args_os()
        .skip(1)
        .collect::<Vec<_>>()
        .try_into()
        .map_err(|_| "usage: csv_floor INPUT OUTPUT")?;
    let mut table = csv::Reader::from_path(input)?;
    let mut copy = csv::Writer::from_path(output)?;
    copy.write_byte_record(table.byte_headers()?)?;
    let mut row = csv::ByteRecord::new();
    while table.read_byte_record(&mut row)? {
        copy.write_byte_record(&row)?;
    }
    copy.flush()?;
    Ok(())
}
