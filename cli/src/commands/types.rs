//! `types`: the Rust types of a service.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cspark_batches_build::Service;

use crate::cli::Global;
use crate::failure::Failure;
use crate::terminal;

/// Generate the Rust types of a service, from the service itself or from a file with its schema
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cspark-batch types my-folder/term-life --output src/term_life.rs\n  \
    cspark-batch types spark/term-life.json --type-name TermLife --required age,sum_assured")]
pub(crate) struct Args {
    /// Service, as folder/service or folder/service[version]; or a file with its schema or Swagger
    /// document
    #[arg(value_name = "SERVICE|FILE")]
    source: String,
    /// File to write; standard output unless set
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Name of the type that stands for the service; the service's name in camel case unless set
    #[arg(long, value_name = "NAME")]
    type_name: Option<String>,
    /// Inputs that `Input::new` takes as arguments
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    required: Vec<String>,
    /// Run the latest version of the service, whatever version the document is of
    #[arg(long)]
    latest: bool,
}

impl Args {
    pub(crate) async fn execute(self, global: &Global) -> Result<ExitCode, Failure> {
        let path = Path::new(&self.source);
        let is_file = path.is_file() || path.extension().is_some_and(|it| it == "json");
        let (document, mut service) = if is_file {
            let document = std::fs::read_to_string(path)
                .map_err(|error| Failure::file("cannot read", path, error))?;
            (document, Service::new(path))
        } else {
            let schema = global
                .client()?
                .services()
                .schema(self.source.as_str())
                .await?;
            let document = String::from_utf8_lossy(schema.json()).into_owned();
            (document, Service::new(&self.source))
        };
        if let Some(name) = self.type_name {
            service = service.type_name(name);
        }
        if self.latest {
            service = service.latest();
        }
        let generated = service
            .required(self.required)
            .generate(&document)
            .map_err(|diagnostics| {
                Failure::run(format!(
                    "cannot generate types of {}: {diagnostics}",
                    self.source
                ))
            })?;
        match &self.output {
            Some(path) => std::fs::write(path, generated.source)
                .map_err(|error| Failure::file("cannot write", path, error))?,
            None => terminal::print(generated.source.trim_end())?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
