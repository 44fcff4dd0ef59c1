//! Clients side by side: each in a process of its own, against an emulator in another one.

use std::env;
use std::error::Error;
use std::io::{BufRead, BufReader, Write, stdout};
use std::process::{Child, Command, Stdio};

use cspark_emulator::Builder;

use crate::usage::Usage;

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What is compared unless the environment says otherwise: `RECORDS`, `CLIENTS`, and `ROUNDS` (5).
pub(crate) struct Comparison {
    pub(crate) records: usize,
    /// Separated by commas. The others are compared with the first.
    pub(crate) clients: &'static str,
}

impl Comparison {
    /// The whole program: the comparison, or one of the processes that it starts.
    pub(crate) fn main(
        self,
        emulator: impl FnOnce() -> Builder,
        client: impl AsyncFnOnce(&str, &str, usize) -> Result<Usage>,
    ) -> Result<()> {
        let records = setting("RECORDS", self.records)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let args: Vec<String> = env::args().skip(1).collect();
        match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["emulator"] => runtime.block_on(serve(emulator())),
            ["client", name, url] => {
                let usage = runtime.block_on(client(name, url, records))?;
                writeln!(stdout(), "{usage}")?;
                Ok(())
            }
            _ => self.compare(records),
        }
    }

    fn compare(&self, records: usize) -> Result<()> {
        let rounds = setting("ROUNDS", 5)?.max(1);
        let names = env::var("CLIENTS").unwrap_or_else(|_| self.clients.to_owned());
        let names: Vec<&str> = names.split(',').collect();
        let mut usages: Vec<Vec<Usage>> = vec![Vec::new(); names.len()];
        for _ in 0..rounds {
            for (name, usages) in names.iter().zip(&mut usages) {
                usages.push(measure(name)?);
            }
        }
        let medians: Vec<Usage> = usages.iter().map(|usages| Usage::median(usages)).collect();
        let first = names[0];
        let mut out = stdout();
        writeln!(out, "{records} records, median of {rounds} rounds\n")?;
        writeln!(
            out,
            "| client | CPU | times the {first} | wall | peak memory | requests |"
        )?;
        writeln!(out, "| --- | ---: | ---: | ---: | ---: | ---: |")?;
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
}

/// A setting from the environment, or the usual one.
pub(crate) fn setting(name: &str, usual: usize) -> Result<usize> {
    Ok(env::var(name).map_or(Ok(usual), |value| value.parse())?)
}

/// Runs until standard input is closed.
async fn serve(builder: Builder) -> Result<()> {
    let emulator = builder.start().await?;
    let mut out = stdout();
    writeln!(out, "{}", emulator.base_url())?;
    out.flush()?;
    tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await??;
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
