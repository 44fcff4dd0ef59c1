//! Whole runs beside three other clients that do the same work:
//!
//! - `floor` sends bytes that are ready and drops the responses unread: the cost of HTTP alone;
//! - `serde` is the same with serde_json between it and the structs, and nothing else;
//! - `plain` is reqwest and `serde_json::Value`, as in a first script;
//! - `run` is this crate, from structs to structs;
//! - `raw` is this crate, from raw JSON to raw JSON (`Box<RawValue>`).
//!
//! `cargo bench --bench run` prints a table of CPU time, wall time and peak memory, each the median
//! of some rounds. Every client runs in a process of its own, against an emulator in another one,
//! and the clients take turns. The variables `RECORDS` (200000), `ROUNDS` (5) and `CLIENTS`
//! (floor,serde,plain,run,raw) change what is measured. Only the ratios mean something: times
//! depend on the machine.

#[path = "support/by_hand.rs"]
mod by_hand;
#[path = "support/clients.rs"]
mod clients;
#[path = "support/compare.rs"]
mod compare;
#[path = "support/policy.rs"]
mod policy;
#[path = "support/usage.rs"]
mod usage;

use cspark_emulator::{Emulator, Strictness};

use compare::{Comparison, Result};

fn main() -> Result<()> {
    let emulator = || {
        Emulator::builder()
            .workers(1000)
            .strictness(Strictness::Lenient)
            .record(0, 0)
    };
    Comparison {
        records: 200_000,
        clients: "floor,serde,plain,run,raw",
    }
    .main(emulator, async |client, url, records| match client {
        "floor" => clients::floor(url, records).await,
        "serde" => clients::serde(url, records).await,
        "plain" => clients::plain(url, records).await,
        "run" => clients::run(url, records).await,
        "raw" => clients::raw(url, records).await,
        _ => Err(format!("there is no client {client}").into()),
    })
}
