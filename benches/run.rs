//! Whole runs beside two other clients that do the same work:
//!
//! - `floor` sends bytes that are ready and drops the responses unread: the cost of HTTP alone;
//! - `plain` is reqwest and `serde_json::Value`, as in a first script;
//! - `run` is this crate, from structs to structs;
//! - `raw` is this crate, from raw JSON to raw JSON (`Box<RawValue>`).
//!
//! `cargo bench --bench run` prints a table of CPU time, wall time and peak memory, each the median
//! of some rounds. Every client runs in a process of its own, against an emulator in another one,
//! and the clients take turns. The variables `RECORDS` (200000), `ROUNDS` (5) and `CLIENTS`
//! (floor,plain,run,raw) change what is measured. Only the ratios mean something: times depend on
//! the machine.

#[path = "support/clients.rs"]
mod clients;
#[path = "support/policy.rs"]
mod policy;
#[path = "support/usage.rs"]
mod usage;

use std::env;
use std::error::Error;
use std::io::{BufRead, BufReader, Write, stdout};
use std::process::{Child, Command, Stdio};

use cspark_emulator::{Emulator, Strictness};

use usage::Usage;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["emulator"] => emulator(),
        ["client", name, url] => client(name, url),
        _ => compare(),
    }
}

fn setting(name: &str, usual: usize) -> Result<usize> {
    Ok(env::var(name).map_or(Ok(usual), |value| value.parse())?)
}

/// Runs until its standard input is closed.
#[tokio::main(flavor = "current_thread")]
async fn emulator() -> Result<()> {
    let emulator = Emulator::builder()
        .workers(1000)
        .strictness(Strictness::Lenient)
        .record(0, 0)
        .start()
        .await?;
    let mut out = stdout();
    writeln!(out, "{}", emulator.base_url())?;
    out.flush()?;
    tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await??;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn client(name: &str, url: &str) -> Result<()> {
    let records = setting("RECORDS", 200_000)?;
    let usage = match name {
        "floor" => clients::floor(url, records).await?,
        "plain" => clients::plain(url, records).await?,
        "run" => clients::run(url, records).await?,
        "raw" => clients::raw(url, records).await?,
        _ => return Err(format!("there is no client {name}").into()),
    };
    writeln!(stdout(), "{usage}")?;
    Ok(())
}

/// A process that ends with this one.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

fn compare() -> Result<()> {
    let rounds = setting("ROUNDS", 5)?.max(1);
    let names = env::var("CLIENTS").unwrap_or_else(|_| "floor,plain,run,raw".to_owned());
    let names: Vec<&str> = names.split(',').collect();
    let mut usages: Vec<Vec<Usage>> = vec![Vec::new(); names.len()];
    for _ in 0..rounds {
        for (name, usages) in names.iter().zip(&mut usages) {
            usages.push(measure(name)?);
        }
    }
    let mut out = stdout();
    writeln!(
        out,
        "{} records, median of {rounds} rounds\n",
        setting("RECORDS", 200_000)?
    )?;
    writeln!(
        out,
        "| client | CPU | times the floor | wall | peak memory | requests |"
    )?;
    writeln!(out, "| --- | ---: | ---: | ---: | ---: | ---: |")?;
    let medians: Vec<Usage> = usages.iter().map(|usages| Usage::median(usages)).collect();
    for (name, usage) in names.iter().zip(&medians) {
        writeln!(
            out,
            "| {name} | {:.2} s | {:.1} | {:.2} s | {:.0} MB | {} |",
            usage.cpu,
            usage.cpu / medians[0].cpu,
            usage.wall,
            usage.peak_mb,
            usage.requests
        )?;
    }
    Ok(())
}

/// One client in a fresh process, against an emulator in a fresh process.
fn measure(name: &str) -> Result<Usage> {
    let this = env::current_exe()?;
    let emulator = Command::new(&this)
        .arg("emulator")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut emulator = Process(emulator);
    let mut url = String::new();
    let output = emulator
        .0
        .stdout
        .take()
        .ok_or("the emulator has no output")?;
    BufReader::new(output).read_line(&mut url)?;
    let output = Command::new(&this)
        .args(["client", name, url.trim()])
        .stderr(Stdio::inherit())
        .output()?;
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout)?.trim().parse()?),
        false => Err(format!("client {name} failed").into()),
    }
}
