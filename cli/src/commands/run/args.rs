//! The options of `run`, checked as far as they can be without a file or the service.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use clap::ValueEnum;
use cspark_batches::run::AfterError;
use cspark_batches::{Chunker, SummaryRequest};
use serde_json::value::RawValue;

use crate::create_options::CreateOptions;
use crate::failure::Failure;
use crate::files::{self, Compression, Format, STANDARD};
use crate::input::{InputOptions, Reading};

/// Run the records of a file through a service, and write the outputs to another file
///
/// CSV cells become JSON by this rule: an empty cell is null; true and false in any case are
/// booleans; a text that is a number of JSON is a number, with the digits that it has; all else is
/// text, so 007 and +49 stay as they are. --text and --types overrule it.
///
/// The output has an entry for each record. A record that failed has its error in the column
/// `error`; in .json, it is null. Unless they are --ordered, entries come as results do, with the
/// number of the record in the column `record`, counted from 0. Until the run is complete, the
/// output has the name OUTPUT.partial.
///
/// Ctrl-C once ends the run in order, see --on-interrupt; twice stops it at once.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cspark-batch run my-folder/term-life --input policies.csv --output premiums.csv\n  \
    cspark-batch run my-folder/term-life --input policies.csv --text zip --dry-run\n  \
    cspark-batch run my-folder/term-life --input policies.parquet --output premiums.parquet \\\n    \
      --with-inputs --errors errors.jsonl --checkpoint premiums.checkpoint --resume\n  \
    zcat policies.jsonl.gz | cspark-batch run my-folder/term-life --input - --format jsonl \\\n    \
      --output - --output-format csv > premiums.csv")]
pub(crate) struct Args {
    /// Service, as folder/service, folder/service[version] or another form of its URI
    pub(super) service: String,
    /// File of records: .csv, .tsv, .json, .jsonl, .parquet or .xlsx, also with .gz or .zst; - is
    /// standard input
    #[arg(long, short, value_name = "FILE")]
    pub(super) input: PathBuf,
    /// File to write: .csv, .tsv, .json, .jsonl or .parquet, also with .gz or .zst; - is standard
    /// output
    #[arg(long, short, value_name = "FILE", required_unless_present = "dry_run")]
    pub(super) output: Option<PathBuf>,
    /// Read the whole input and show what would be sent, but send nothing
    #[arg(long)]
    pub(super) dry_run: bool,

    #[command(flatten)]
    reading: Reading,
    /// Go on without records that cannot be sent, such as rows with too few cells; the run counts
    /// as incomplete then
    #[arg(long, help_heading = "Input")]
    pub(super) skip_bad_records: bool,
    #[command(flatten)]
    pub(super) writing: Writing,
    #[command(flatten)]
    pub(super) chunks: ChunkOptions,
    #[command(flatten)]
    pub(super) limits: Limits,
    #[command(flatten)]
    pub(super) batch: CreateOptions,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Output")]
pub(super) struct Writing {
    /// Format of the output, if its name does not say it
    #[arg(long, value_name = "FORMAT")]
    output_format: Option<Format>,
    /// Write the entries in the order of the input; .json always is
    #[arg(long)]
    ordered: bool,
    /// Write the inputs of each record beside its outputs
    #[arg(long)]
    pub(super) with_inputs: bool,
    /// Columns to write, in this order; all unless set
    #[arg(long, value_name = "COLUMN,...", value_delimiter = ',')]
    pub(super) columns: Vec<String>,
    /// File for records that failed: JSON lines with record, chunk, error and inputs
    #[arg(long, value_name = "FILE")]
    pub(super) errors: Option<PathBuf>,
    /// File that keeps how far the run is, for --resume
    #[arg(long, value_name = "FILE")]
    pub(super) checkpoint: Option<PathBuf>,
    /// Continue from the checkpoint, or begin if there is none yet
    #[arg(long, requires = "checkpoint")]
    pub(super) resume: bool,
    /// Time between checkpoints
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = time)]
    pub(super) checkpoint_interval: Duration,
    /// Exit with 3 if the service reports an error for a record
    #[arg(long)]
    pub(super) fail_on_record_errors: bool,
    /// File for a report on the run: an HTML page with charts, the slowest chunks, the commonest
    /// errors, and this command line with all that is in it
    #[arg(long, value_name = "FILE")]
    pub(super) report: Option<PathBuf>,
    /// Print the summary as JSON on standard output
    #[arg(long)]
    pub(super) json: bool,
    /// Show no progress and no summary
    #[arg(long, short)]
    pub(super) quiet: bool,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Chunks")]
pub(super) struct ChunkOptions {
    /// Records in a chunk; 200 unless set
    #[arg(long, value_name = "NUMBER")]
    chunk_size: Option<usize>,
    /// Bytes in a chunk at most, as 500kB or 1MiB
    #[arg(long, value_name = "SIZE")]
    chunk_bytes: Option<ByteSize>,
    /// Inputs that all records share: a JSON object, or the name of a file with one. An object on
    /// the command line shows in lists of processes and in the report; a file does not
    #[arg(long, value_name = "FILE|JSON")]
    pub(super) parameters: Option<String>,
    /// Aggregates for the service to compute over each chunk, as SUM:premium; with --summaries
    #[arg(long, value_name = "OPERATOR:OUTPUT,...", value_delimiter = ',', value_parser = aggregate, requires = "summaries")]
    summary: Vec<(String, String)>,
    /// Let the service aggregate although records of the chunk failed
    #[arg(long, requires = "summary")]
    summary_ignores_errors: bool,
    /// File for the aggregates: JSON lines with chunk, first record, records and summary
    #[arg(long, value_name = "FILE", requires = "summary")]
    pub(super) summaries: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
pub(super) struct Limits {
    /// Memory for what is under way; 20MiB unless set
    #[arg(long, value_name = "SIZE")]
    pub(super) max_memory: Option<ByteSize>,
    /// End the run when more records than this have failed
    #[arg(long, value_name = "NUMBER")]
    pub(super) failure_limit: Option<u64>,
    /// How long the service may make no progress; 15m unless set
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) stall_limit: Option<Duration>,
    /// How long requests may fail without a success; 5m unless set
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) outage_limit: Option<Duration>,
    /// Time limit of one request; 60s unless set
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) request_timeout: Option<Duration>,
    /// How often a chunk is pushed again whose result is lost; 3 unless set
    #[arg(long, value_name = "NUMBER")]
    pub(super) resubmissions: Option<u32>,
    /// Pushes at a time; 4 unless set
    #[arg(long, value_name = "NUMBER")]
    pub(super) pushes_in_flight: Option<usize>,
    /// Pulls at a time; 2 unless set
    #[arg(long, value_name = "NUMBER")]
    pub(super) pulls_in_flight: Option<usize>,
    /// Split chunks that are larger than the service's input buffer
    #[arg(long)]
    pub(super) split_large_chunks: bool,
    /// Go on without chunks that the service refuses; the run counts as incomplete then
    #[arg(long)]
    pub(super) skip_refused_chunks: bool,
    /// What to do with the batch after an error
    #[arg(long, value_name = "WHAT", default_value = "close")]
    pub(super) after_error: AfterErrorOption,
    /// What Ctrl-C does: finish what is at the service, or cancel it
    #[arg(long, value_name = "WHAT", default_value = "finish")]
    pub(super) on_interrupt: OnInterrupt,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum AfterErrorOption {
    Close,
    Cancel,
    Leave,
}

impl From<AfterErrorOption> for AfterError {
    fn from(option: AfterErrorOption) -> Self {
        match option {
            AfterErrorOption::Close => Self::Close,
            AfterErrorOption::Cancel => Self::Cancel,
            AfterErrorOption::Leave => Self::Leave,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum OnInterrupt {
    Finish,
    Cancel,
}

/// `5m`, `1h 30m`, `500ms`.
fn time(text: &str) -> Result<Duration, String> {
    let time = text.parse::<jiff::SignedDuration>();
    let time = time.map_err(|_| "it is not a time, as 30s, 5m or 1h30m".to_owned())?;
    match Duration::try_from(time) {
        Ok(time) if !time.is_zero() => Ok(time),
        _ => Err("it has to be more than nothing".to_owned()),
    }
}

fn aggregate(text: &str) -> Result<(String, String), String> {
    let (operator, output) = text
        .split_once(':')
        .ok_or("it is not OPERATOR:OUTPUT, as SUM:premium")?;
    Ok((operator.to_ascii_uppercase(), output.to_owned()))
}

impl Args {
    /// Finds what is wrong with the options for the output, before anything is read.
    pub(super) fn check_output(&self) -> Result<(), Failure> {
        let columns = &self.writing.columns;
        let again = |(place, name): (usize, &String)| columns[..place].contains(name);
        match columns.iter().enumerate().position(again) {
            Some(place) => Err(Failure::usage(format!(
                "--columns has `{}` twice",
                columns[place]
            ))),
            None => self.output().map(drop),
        }
    }

    /// How to read the input.
    pub(super) fn input_options(&self) -> Result<InputOptions, Failure> {
        self.reading.options(&self.input)
    }

    /// The output's name and format.
    pub(super) fn output(&self) -> Result<(PathBuf, Format), Failure> {
        let path = self.output.clone().unwrap_or_else(|| STANDARD.into());
        let format = files::format(&path, self.writing.output_format, "--output-format")
            .map_err(Failure::usage)?;
        let is_stdout = path.as_os_str() == STANDARD;
        match format {
            Format::Xlsx => Err(Failure::usage(
                "an output cannot be .xlsx; Excel opens .csv as well",
            )),
            Format::Parquet if is_stdout => {
                Err(Failure::usage("Parquet cannot go to standard output"))
            }
            Format::Parquet if files::compression(&path).0 != Compression::None => Err(
                Failure::usage("Parquet is compressed in itself; leave out .gz and .zst"),
            ),
            _ if is_stdout && self.writing.checkpoint.is_some() => Err(Failure::usage(
                "--checkpoint needs an output file: standard output cannot be cut off",
            )),
            _ if is_stdout && self.writing.json => Err(Failure::usage(
                "--json and the output both want standard output",
            )),
            format => Ok((path, format)),
        }
    }

    /// Whether entries come in the order of the input.
    pub(super) fn is_ordered(&self, format: Format) -> bool {
        self.writing.ordered || format == Format::Json
    }

    /// Whether the inputs of records are wanted with their results.
    pub(super) fn needs_inputs(&self) -> bool {
        self.writing.with_inputs || self.writing.errors.is_some()
    }

    /// How records become chunks.
    pub(super) fn chunker(&self) -> Result<Chunker, Failure> {
        let mut chunker = Chunker::new();
        if let Some(records) = self.chunks.chunk_size {
            chunker = chunker.chunk_size(records);
        }
        if let Some(ByteSize(bytes)) = self.chunks.chunk_bytes {
            chunker = chunker.chunk_bytes(usize::try_from(bytes).unwrap_or(usize::MAX));
        }
        if let Some(parameters) = &self.chunks.parameters {
            chunker = chunker.parameters(&read_parameters(parameters)?);
        }
        if !self.chunks.summary.is_empty() {
            let mut request = SummaryRequest::new();
            for (operator, output) in &self.chunks.summary {
                request = request.aggregate(output, operator.as_str());
            }
            if self.chunks.summary_ignores_errors {
                request = request.ignore_errors();
            }
            chunker = chunker.summary(request);
        }
        Ok(chunker)
    }
}

fn read_parameters(given: &str) -> Result<Box<RawValue>, Failure> {
    let json = match given.trim_start().starts_with('{') {
        true => given.to_owned(),
        false => fs::read_to_string(given).map_err(|error| {
            Failure::usage(format!("cannot read the parameters from {given}: {error}"))
        })?,
    };
    let parameters: Box<RawValue> = serde_json::from_str(json.trim())
        .map_err(|error| Failure::usage(format!("--parameters is not JSON: {error}")))?;
    match parameters.get().starts_with('{') {
        true => Ok(parameters),
        false => Err(Failure::usage("--parameters is not a JSON object")),
    }
}
