//! The same records through a service as structs, as Arrow record batches, and as queries of
//! DataFusion with one and two partitions; beside `loop`, a plain loop of arrow-json and reqwest
//! that keeps no promise of a run.
//!
//! `cargo bench -p cspark-batches-datafusion` prints a table, each figure the median of some rounds;
//! see `support/compare.rs` of the library's benchmarks for the variables. With `WORKERS=10` the
//! service has so many workers, which take a tenth of a second for each chunk of 200 records, and
//! the shortest possible time is printed as well.

#[path = "../../benches/support/by_hand.rs"]
mod by_hand;
#[path = "support/clients.rs"]
mod clients;
#[path = "../../benches/support/compare.rs"]
mod compare;
#[path = "../../benches/support/policy.rs"]
mod policy;
#[path = "support/rows.rs"]
mod rows;
#[path = "../../benches/support/usage.rs"]
mod usage;

use std::io::{Write, stdout};
use std::time::Duration;

use cspark_emulator::{Emulator, Service, Strictness};

use compare::{Comparison, Result};

const TIME_PER_CHUNK: Duration = Duration::from_millis(100);
const IN_A_CHUNK: usize = 200;

fn main() -> Result<()> {
    let workers = compare::setting("WORKERS", 0)?;
    let comparison = Comparison {
        records: 1_000_000,
        clients: "struct,arrow,datafusion-1,datafusion-2,loop",
    };
    let records = compare::setting("RECORDS", comparison.records)?;
    comparison.main(
        || {
            let emulator = Emulator::builder()
                .strictness(Strictness::Lenient)
                .record(0, 0)
                .service(rows::SERVICE, Service::raw(rows::quote));
            match workers {
                0 => emulator.workers(1000),
                _ => emulator.workers(workers).time_per_chunk(TIME_PER_CHUNK),
            }
        },
        async |client, url, records| match client {
            "struct" => clients::structs(url, records).await,
            "arrow" => clients::arrow(url, records).await,
            "datafusion-1" => clients::datafusion(url, records, 1).await,
            "datafusion-2" => clients::datafusion(url, records, 2).await,
            "loop" => clients::by_hand(url, records).await,
            _ => Err(format!("there is no client {client}").into()),
        },
    )?;
    let is_part = std::env::args().any(|arg| arg == "emulator" || arg == "client");
    if workers > 0 && !is_part {
        let rounds = records.div_ceil(IN_A_CHUNK).div_ceil(workers);
        let ideal = TIME_PER_CHUNK.as_secs_f64() * rounds as f64;
        writeln!(stdout(), "\n{workers} workers: {ideal:.2} s at least")?;
    }
    Ok(())
}
