//! The emulator as a program.

use std::io::{self, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use cspark_emulator::{
    Builder, Emulator, Fault, NothingToPull, Operation, OutputShape, RandomFaults, RepeatedIds,
    Response, ResultOrder, Shapes, Strictness,
};

/// A local emulator of Coherent Spark's Batches API.
///
/// It serves the batch endpoints of one tenant, /health, and a token endpoint, and prints the base
/// URL to give to a client. Three services are there: my-folder/volume-cylinder (radius, height ->
/// volume), my-folder/echo (returns each record) and my-folder/term-life (age, sex, smoker,
/// sum_assured, term -> premium, reserve). Ctrl-C stops it.
#[derive(Parser)]
#[command(version, max_term_width = 110)]
struct Arguments {
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    host: IpAddr,
    /// Port to listen on; 0 takes a free one
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// The tenant: the first segment of every path
    #[arg(long, default_value = "my-tenant")]
    tenant: String,

    /// API key to accept in x-synthetic-key (repeatable); without any credentials everybody may
    /// call
    #[arg(long, value_name = "KEY", help_heading = "Credentials")]
    api_key: Vec<String>,
    /// Bearer token to accept (repeatable)
    #[arg(long, value_name = "TOKEN", help_heading = "Credentials")]
    bearer_token: Vec<String>,
    /// Client id to issue tokens for
    #[arg(
        long,
        value_name = "ID",
        requires = "client_secret",
        help_heading = "Credentials"
    )]
    client_id: Option<String>,
    /// Secret that belongs to the client id
    #[arg(
        long,
        value_name = "SECRET",
        requires = "client_id",
        help_heading = "Credentials"
    )]
    client_secret: Option<String>,
    /// How long an issued token is valid, in real seconds
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 300,
        help_heading = "Credentials"
    )]
    token_lifetime: u64,

    /// Most chunks that a batch computes at a time
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 100,
        help_heading = "Work"
    )]
    workers: usize,
    /// Start with a batch's initial workers, and double them each time this many emulated seconds
    /// have passed
    #[arg(long, value_name = "SECONDS", help_heading = "Work")]
    ramp_up: Option<f64>,
    /// Emulated milliseconds that a worker needs for a record
    #[arg(long, value_name = "MS", default_value_t = 1.0, help_heading = "Work")]
    ms_per_record: f64,
    /// Emulated milliseconds that a worker needs for a chunk besides
    #[arg(long, value_name = "MS", default_value_t = 0.0, help_heading = "Work")]
    ms_per_chunk: f64,
    /// Emulated seconds a real second; 0 stands still
    #[arg(
        long,
        value_name = "FACTOR",
        default_value_t = 1.0,
        help_heading = "Work"
    )]
    time_scale: f64,
    /// Emulated minutes without use after which a batch is closed
    #[arg(
        long,
        value_name = "MINUTES",
        default_value_t = 30.0,
        help_heading = "Work"
    )]
    idle_minutes: f64,
    /// Hand results out in a random order from this seed, rather than as they are completed
    #[arg(long, value_name = "SEED", help_heading = "Work")]
    shuffle: Option<u64>,
    /// How to treat a chunk whose id was pushed before
    #[arg(long, value_enum, default_value_t = Repeated::Compute, help_heading = "Work")]
    repeated_ids: Repeated,

    /// Input buffer of a batch that asks for none, in MB (1,000,000 bytes)
    #[arg(
        long,
        value_name = "MB",
        default_value_t = 100.0,
        help_heading = "Buffers"
    )]
    input_buffer_mb: f64,
    /// Output buffer of a batch that asks for none, in MB
    #[arg(
        long,
        value_name = "MB",
        default_value_t = 100.0,
        help_heading = "Buffers"
    )]
    output_buffer_mb: f64,
    /// Status of the response to a push that does not fit
    #[arg(
        long,
        value_name = "STATUS",
        default_value_t = 422,
        help_heading = "Buffers"
    )]
    full_status: u16,

    /// Shape in which outputs come back
    #[arg(long, value_enum, default_value_t = Outputs::Objects, help_heading = "Responses")]
    outputs: Outputs,
    /// How a pull says that there is nothing to pull
    #[arg(long, value_enum, default_value_t = Nothing::EmptyList, help_heading = "Responses")]
    nothing_to_pull: Nothing,
    /// Compress responses for clients that accept gzip
    #[arg(long, help_heading = "Responses")]
    gzip: bool,
    /// Refuse the mistakes that the official SDKs make day by day, also from them
    #[arg(long, help_heading = "Requests")]
    strict: bool,
    /// Don't insist on x-tenant-name, x-request-id, User-Agent and the right size of a chunk; for
    /// calls by hand
    #[arg(long, conflicts_with = "strict", help_heading = "Requests")]
    lenient: bool,

    /// Make every request to an operation fail, with a status of 500 or another one (repeatable)
    #[arg(
        long,
        value_name = "OPERATION[=STATUS]",
        value_parser = dead_operation,
        help_heading = "Faults"
    )]
    dead: Vec<(Operation, u16)>,
    /// Probability of each kind of fault for a request, from 0 to 0.1
    #[arg(long, value_name = "PROBABILITY", help_heading = "Faults")]
    faults: Option<f64>,
    /// Where the random numbers of the faults start
    #[arg(
        long,
        value_name = "SEED",
        default_value_t = 1,
        help_heading = "Faults"
    )]
    fault_seed: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Repeated {
    /// It is computed and delivered again
    Compute,
    /// The whole push is refused
    Refuse,
    /// That chunk is ignored
    Ignore,
}

#[derive(Clone, Copy, ValueEnum)]
enum Outputs {
    /// A list of objects
    Objects,
    /// A table with a header row
    Table,
}

#[derive(Clone, Copy, ValueEnum)]
enum Nothing {
    /// data is an empty list
    EmptyList,
    /// data is null
    Null,
    /// There is no data
    Absent,
    /// The bare status
    BareStatus,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let dead = arguments.dead.clone();
    let outcome = builder(arguments).and_then(|builder| {
        tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?
            .block_on(run(builder, dead))
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If standard error is closed, the exit code still reports the failure.
            let _ = writeln!(io::stderr(), "cspark-emulator: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(builder: Builder, dead: Vec<(Operation, u16)>) -> io::Result<()> {
    let emulator = builder.start().await?;
    for (operation, status) in dead {
        let response = Response::status(status);
        emulator.inject_always(operation, Fault::RespondBefore(response));
    }
    let mut interrupt = pin!(tokio::signal::ctrl_c());
    // The first poll registers the handler: whoever reads the base URL can count on it.
    tokio::select! {
        biased;
        interrupted = &mut interrupt => return interrupted,
        () = std::future::ready(()) => {}
    }
    let mut out = io::stdout();
    writeln!(out, "{}", emulator.base_url())?;
    out.flush()?;
    interrupt.await?;
    emulator.stop().await;
    Ok(())
}

fn builder(arguments: Arguments) -> io::Result<Builder> {
    let shapes = Shapes {
        outputs: match arguments.outputs {
            Outputs::Objects => OutputShape::Objects,
            Outputs::Table => OutputShape::Table,
        },
        nothing_to_pull: match arguments.nothing_to_pull {
            Nothing::EmptyList => NothingToPull::EmptyList,
            Nothing::Null => NothingToPull::Null,
            Nothing::Absent => NothingToPull::Absent,
            Nothing::BareStatus => NothingToPull::BareStatus,
        },
        ..Shapes::default()
    };
    let mut builder = Emulator::builder()
        .address(SocketAddr::new(arguments.host, arguments.port))
        .tenant(arguments.tenant)
        .token_lifetime(Duration::from_secs(arguments.token_lifetime))
        .workers(arguments.workers)
        .time_per_record(seconds(
            "--ms-per-record",
            arguments.ms_per_record / 1000.0,
        )?)
        .time_per_chunk(seconds("--ms-per-chunk", arguments.ms_per_chunk / 1000.0)?)
        .time_scale(arguments.time_scale)
        .idle_timeout(seconds("--idle-minutes", arguments.idle_minutes * 60.0)?)
        .result_order(
            arguments
                .shuffle
                .map_or(ResultOrder::Completed, ResultOrder::Shuffled),
        )
        .repeated_ids(match arguments.repeated_ids {
            Repeated::Compute => RepeatedIds::Compute,
            Repeated::Refuse => RepeatedIds::Refuse,
            Repeated::Ignore => RepeatedIds::Ignore,
        })
        .input_buffer(bytes("--input-buffer-mb", arguments.input_buffer_mb)?)
        .output_buffer(bytes("--output-buffer-mb", arguments.output_buffer_mb)?)
        .full_status(arguments.full_status)
        .gzip(arguments.gzip)
        .strictness(match (arguments.strict, arguments.lenient) {
            (true, _) => Strictness::Strict,
            (_, true) => Strictness::Lenient,
            _ => Strictness::OfficialSdks,
        })
        // The program shows its requests to nobody.
        .record(0, 0)
        .shapes(shapes);
    for key in arguments.api_key {
        builder = builder.api_key(key);
    }
    for token in arguments.bearer_token {
        builder = builder.bearer_token(token);
    }
    if let (Some(id), Some(secret)) = (arguments.client_id, arguments.client_secret) {
        builder = builder.oauth_client(id, secret);
    }
    if let Some(period) = arguments.ramp_up {
        builder = builder.ramp_up(seconds("--ramp-up", period)?);
    }
    if let Some(probability) = arguments.faults {
        if !(0.0..=0.1).contains(&probability) {
            return Err(invalid(format!(
                "--faults must be between 0 and 0.1, but is {probability}"
            )));
        }
        builder = builder.random_faults(RandomFaults::mixed(arguments.fault_seed, probability));
    }
    Ok(builder)
}

/// Reads `push` or `push=503`.
fn dead_operation(text: &str) -> Result<(Operation, u16), String> {
    let (name, status) = text.split_once('=').unwrap_or((text, "500"));
    let operation = Operation::ALL
        .into_iter()
        .find(|operation| operation.name() == name)
        .ok_or_else(|| {
            let names = Operation::ALL.map(Operation::name).join(", ");
            format!("{name:?} is not an operation; use one of {names}")
        })?;
    let status = status
        .parse()
        .ok()
        .filter(|status| (200..600).contains(status))
        .ok_or_else(|| format!("{status:?} is not a status from 200 to 599"))?;
    Ok((operation, status))
}

fn seconds(option: &str, number: f64) -> io::Result<Duration> {
    Duration::try_from_secs_f64(number)
        .map_err(|_| invalid(format!("{option} must be 0 or more, and finite")))
}

fn bytes(option: &str, megabytes: f64) -> io::Result<u64> {
    if megabytes.is_finite() && megabytes > 0.0 {
        // A number that is too large becomes the largest one.
        Ok((megabytes * 1e6) as u64)
    } else {
        Err(invalid(format!(
            "{option} must be more than 0, but is {megabytes}"
        )))
    }
}

fn invalid(problem: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, problem)
}
