//! The options of a batch, for the commands that create one.

use clap::Args;
use cspark_batches::{Create, Timestamp};

/// Options of the batch that is created.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Batch")]
pub(crate) struct CreateOptions {
    /// Most runners that compute at the same time
    #[arg(long, value_name = "NUMBER")]
    pub(crate) max_runners: Option<u32>,
    /// Runners to begin with
    #[arg(long, value_name = "NUMBER")]
    pub(crate) min_runners: Option<u32>,
    /// Chunks that one virtual machine takes at a time
    #[arg(long, value_name = "NUMBER")]
    pub(crate) chunks_per_vm: Option<u32>,
    /// Runners on one virtual machine
    #[arg(long, value_name = "NUMBER")]
    pub(crate) runners_per_vm: Option<u32>,
    /// Size of the service's input buffer in megabytes
    #[arg(long, value_name = "MEGABYTES")]
    pub(crate) max_input_size: Option<u32>,
    /// Size of the service's output buffer in megabytes
    #[arg(long, value_name = "MEGABYTES")]
    pub(crate) max_output_size: Option<u32>,
    /// Share of records that have to succeed, from 0.0 to 1.0; the service fails the batch else
    #[arg(long, value_name = "SHARE")]
    pub(crate) accuracy: Option<f64>,
    /// Outputs to return; all unless set
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    pub(crate) outputs: Vec<String>,
    /// Subservices to run
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    pub(crate) subservices: Vec<String>,
    /// Inputs that identify a record in the service's logs
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    pub(crate) input_key: Vec<String>,
    /// Run the version that was active at this moment, as 2026-01-31T00:00:00Z
    #[arg(long, value_name = "MOMENT")]
    pub(crate) active_since: Option<Timestamp>,
    /// Purpose of the call, for the service's logs
    #[arg(long, value_name = "TEXT")]
    pub(crate) call_purpose: Option<String>,
    /// Name of the calling system, for the service's logs
    #[arg(long, value_name = "TEXT")]
    pub(crate) source_system: Option<String>,
    /// Id that ties the batch to others in the service's logs
    #[arg(long, value_name = "TEXT")]
    pub(crate) correlation_id: Option<String>,
}

/// A method that sets an option.
type Set<T> = fn(Create, T) -> Create;

impl CreateOptions {
    /// Sets the options on a batch to create.
    pub(crate) fn apply(self, mut create: Create) -> Create {
        let numbers: [(Option<u32>, Set<u32>); 6] = [
            (self.max_runners, Create::max_runners),
            (self.min_runners, Create::min_runners),
            (self.chunks_per_vm, Create::chunks_per_vm),
            (self.runners_per_vm, Create::runners_per_vm),
            (self.max_input_size, Create::max_input_size),
            (self.max_output_size, Create::max_output_size),
        ];
        for (number, set) in numbers {
            if let Some(number) = number {
                create = set(create, number);
            }
        }
        let texts: [(Option<String>, Set<String>); 3] = [
            (self.call_purpose, Create::call_purpose),
            (self.source_system, Create::source_system),
            (self.correlation_id, Create::correlation_id),
        ];
        for (text, set) in texts {
            if let Some(text) = text {
                create = set(create, text);
            }
        }
        if let Some(share) = self.accuracy {
            create = create.accuracy(share);
        }
        if let Some(moment) = self.active_since {
            create = create.active_since(moment);
        }
        create
            .selected_outputs(self.outputs)
            .subservices(self.subservices)
            .input_key(self.input_key)
    }
}
