//! `emulate`: a local stand-in for Spark.

use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;

use cspark_emulator::Emulator;

use crate::cli::Global;
use crate::emulate::Expressions;
use crate::failure::Failure;
use crate::terminal;

/// Run a local stand-in for Spark, to try everything without an account
///
/// It prints the base URL and runs until Ctrl-C. Any bearer token is accepted. Three services are
/// there: my-folder/volume-cylinder (radius, height -> volume), my-folder/echo (returns each
/// record) and my-folder/term-life (age, sex, smoker, sum_assured, term -> premium, reserve).
///
/// --service adds one that is defined by expressions. Each names an output, a semicolon separates
/// them, and a later one may use an earlier output. All other names are inputs. There are + - * /
/// % ^, comparisons, && || !, texts in double quotes, pi, and the functions abs, acos, asin, atan,
/// atan2, ceil, cos, exp, floor, if, len, ln, log10, log2, max, min, round, sin, sqrt and tan.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cspark-batch emulate\n  \
    cspark-batch emulate --port 8080 --service 'my-folder/cone=volume = pi * r^2 * h / 3'\n  \
    cspark-batch emulate --service 'my-folder/rate=base = 0.001 * 1.09^(age - 20); \
    premium = sum_assured * base * if(smoker, 2, 1)'\n\n\
    Then, in another terminal:\n  \
    export CSPARK_BASE_URL=http://127.0.0.1:8080/my-tenant CSPARK_BEARER_TOKEN=open\n  \
    cspark-batch describe")]
pub(crate) struct Args {
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    host: IpAddr,
    /// Port to listen on; 0 takes a free one
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// A service, and its outputs as expressions over its inputs (repeatable)
    #[arg(long, value_name = "NAME=EXPRESSIONS", value_parser = service)]
    service: Vec<(String, Expressions)>,
    /// Most chunks that a batch computes at a time
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    workers: usize,
}

impl Args {
    pub(crate) async fn execute(self, global: &Global) -> Result<ExitCode, Failure> {
        let address = SocketAddr::new(self.host, self.port);
        let mut builder = Emulator::builder()
            .address(address)
            .workers(self.workers)
            .tenant(global.tenant.as_deref().unwrap_or("my-tenant"))
            // Nobody asks for the requests, which would take memory.
            .record(0, 0);
        for (name, expressions) in self.service {
            let inputs: Vec<&str> = expressions.inputs().collect();
            let outputs: Vec<&str> = expressions.outputs().collect();
            terminal::note(&format!(
                "{name}: {} -> {}",
                inputs.join(", "),
                outputs.join(", ")
            ));
            builder = builder.service(name, expressions.into_service());
        }
        let emulator = builder.start().await.map_err(|error| {
            Failure::run(format!(
                "cannot listen on {address}: {error}; choose another port with --port"
            ))
        })?;
        let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
        // The first poll registers the handler: whoever reads the base URL can count on it.
        tokio::select! {
            biased;
            _ = &mut interrupt => {}
            () = std::future::ready(()) => {
                terminal::print(&emulator.base_url())?;
                // Without a handler there is nothing to wait for.
                let _ = interrupt.await;
            }
        }
        emulator.stop().await;
        Ok(ExitCode::SUCCESS)
    }
}

fn service(text: &str) -> Result<(String, Expressions), String> {
    let (name, expressions) = text
        .split_once('=')
        .ok_or("write it as `my-folder/name=output = expression`")?;
    let name = name.trim();
    match name.split_once('/') {
        Some((folder, service))
            if !folder.is_empty() && !service.is_empty() && !service.contains('/') => {}
        _ => {
            return Err(format!(
                "`{name}` is not a folder and a service; write `my-folder/name=output = expression`"
            ));
        }
    }
    Ok((name.to_owned(), expressions.parse()?))
}
