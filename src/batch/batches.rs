//! The batches of a tenant: list them, create one, or use one that exists.

use std::fmt;
use std::num::NonZeroU64;
use std::pin::Pin;

use serde_json::Value;

use super::calls::Calls;
use super::pipeline::Pipeline;
use super::service_uri::ServiceUri;
use crate::raw::types::{CreateRequest, DescribeResponse};

use crate::error::{Error, Result};
use crate::operation::Operation;
use crate::raw::timestamp::Timestamp;

/// The purpose of a batch, unless set.
const CALL_PURPOSE: &str = "Async Batch Execution";
/// The system that created a batch, unless set.
const SOURCE_SYSTEM: &str = "Spark Rust SDK";

/// The batches of a tenant. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Batches {
    calls: Calls,
}

impl Batches {
    pub(crate) fn new(calls: Calls) -> Self {
        Self { calls }
    }

    /// A builder that returns `error` when it is awaited.
    pub(crate) fn create_failed(&self, error: Error) -> Create {
        Create {
            calls: self.calls.clone(),
            request: Err(error),
        }
    }

    /// Lists the batches that are in progress or ended within the past hour, with the tenant's
    /// configuration and load.
    ///
    /// These are the batches of the caller, or those of all users if the caller may see them
    /// (`supervisor:pf`).
    ///
    /// # Errors
    ///
    /// If the request fails after retries.
    pub async fn describe(&self) -> Result<DescribeResponse> {
        self.calls.describe().await
    }

    /// Creates a batch for a service, such as `my-folder/my-service` or any other [`ServiceUri`].
    /// Nothing happens until the result is awaited.
    ///
    /// Close the batch when everything is pushed, so that its workers and buffers are released.
    ///
    /// ```no_run
    /// # async fn example(spark: cspark_batches::Client) -> cspark_batches::Result<()> {
    /// let pipeline = spark.batches().create("my-folder/my-service").max_runners(200).accuracy(0.95).await?;
    /// println!("batch {}", pipeline.id());
    /// # Ok(())
    /// # }
    /// ```
    pub fn create<U>(&self, service: U) -> Create
    where
        U: TryInto<ServiceUri>,
        Error: From<U::Error>,
    {
        let request = service
            .try_into()
            .map_err(Error::from)
            .map(|uri| CreateRequest {
                service: uri.to_wire(),
                version_id: uri.version_id().map(ToOwned::to_owned),
                call_purpose: Some(CALL_PURPOSE.to_owned()),
                source_system: Some(SOURCE_SYSTEM.to_owned()),
                ..CreateRequest::default()
            });
        Create {
            calls: self.calls.clone(),
            request,
        }
    }

    /// Returns a pipeline for a batch that exists, by its id. No request is made, and the id is
    /// validated by the first one.
    ///
    /// The pipeline is open until a response says otherwise. Its statistics count what is pushed
    /// through it, not what was pushed before.
    pub fn of(&self, id: impl Into<String>) -> Pipeline {
        Pipeline::new(self.calls.clone(), id.into(), None)
    }
}

/// A builder for a batch: set options, then `.await` it.
///
/// The service decides about options that are not set. The options from
/// [`min_runners`](Self::min_runners) on are experimental in the API, and may change.
#[must_use = "nothing is created before it is awaited"]
pub struct Create {
    calls: Calls,
    request: Result<CreateRequest>,
}

impl Create {
    /// The calls, and the service that the batch is for.
    pub(crate) fn service(&self) -> Result<(Calls, ServiceUri)> {
        let request = self.request.as_ref().map_err(Error::clone)?;
        let uri = match (&request.service, &request.version_id) {
            (_, Some(id)) => ServiceUri::from_version_id(id)?,
            (Some(service), None) => service.parse()?,
            (None, None) => return Err(Error::input("the batch has no service")),
        };
        Ok((self.calls.clone(), uri))
    }

    /// Sets the transaction date, which selects the version of the service that was active then:
    /// ISO 8601 text, a [`SystemTime`](std::time::SystemTime), or [`Timestamp::from_unix_millis`].
    #[doc(alias = "activeSince")]
    pub fn active_since(self, moment: impl Into<Timestamp>) -> Self {
        self.set(|request| request.version_by_timestamp = Some(moment.into().to_string()))
    }

    /// Sets the system that creates the batch. `Spark Rust SDK` unless set.
    #[doc(alias = "sourceSystem")]
    pub fn source_system(self, name: impl Into<String>) -> Self {
        self.set(|request| request.source_system = Some(name.into()))
    }

    /// Sets an id of your own, which the batch's details contain.
    #[doc(alias = "correlationId")]
    pub fn correlation_id(self, id: impl Into<String>) -> Self {
        self.set(|request| request.correlation_id = Some(id.into()))
    }

    /// Sets the purpose of the batch. `Async Batch Execution` unless set.
    #[doc(alias = "callPurpose")]
    pub fn call_purpose(self, purpose: impl Into<String>) -> Self {
        self.set(|request| request.call_purpose = Some(purpose.into()))
    }

    /// Selects the outputs to return. All unless set.
    #[doc(alias = "selectedOutputs")]
    pub fn selected_outputs<S: AsRef<str>>(self, names: impl IntoIterator<Item = S>) -> Self {
        self.set(|request| request.output = joined(names))
    }

    /// Selects the sub-services to output.
    pub fn subservices<S: AsRef<str>>(self, names: impl IntoIterator<Item = S>) -> Self {
        self.set(|request| request.subservice = joined(names))
    }

    /// Names the inputs that identify a record.
    #[doc(alias = "inputKey")]
    #[doc(alias = "unique_record_key")]
    pub fn input_key<S: AsRef<str>>(self, names: impl IntoIterator<Item = S>) -> Self {
        self.set(|request| request.unique_record_key = joined(names))
    }

    /// Sets the number of concurrent runners to start with, at least 1. 10 unless set.
    #[doc(alias = "minRunners")]
    #[doc(alias = "initial_workers")]
    pub fn min_runners(self, runners: u32) -> Self {
        self.set_positive("min_runners", runners, |request| {
            &mut request.initial_workers
        })
    }

    /// Sets the maximum number of concurrent runners, at least 1. 100 unless set.
    #[doc(alias = "maxRunners")]
    #[doc(alias = "max_workers")]
    pub fn max_runners(self, runners: u32) -> Self {
        self.set_positive("max_runners", runners, |request| &mut request.max_workers)
    }

    /// Sets how many chunks a VM processes at a time, at least 1. 2 unless set.
    #[doc(alias = "chunksPerVm")]
    #[doc(alias = "chunks_per_request")]
    pub fn chunks_per_vm(self, chunks: u32) -> Self {
        self.set_positive("chunks_per_vm", chunks, |request| {
            &mut request.chunks_per_request
        })
    }

    /// Sets the number of runners in each VM, at least 1. 2 unless set.
    #[doc(alias = "runnersPerVm")]
    #[doc(alias = "runner_thread_count")]
    pub fn runners_per_vm(self, runners: u32) -> Self {
        self.set_positive("runners_per_vm", runners, |request| {
            &mut request.runner_thread_count
        })
    }

    /// Sets the size of the input buffer in megabytes, at least 1.
    #[doc(alias = "maxInputSize")]
    pub fn max_input_size(self, megabytes: u32) -> Self {
        self.set_positive("max_input_size", megabytes, |request| {
            &mut request.max_input_size_in_mb
        })
    }

    /// Sets the size of the output buffer in megabytes, at least 1.
    #[doc(alias = "maxOutputSize")]
    pub fn max_output_size(self, megabytes: u32) -> Self {
        self.set_positive("max_output_size", megabytes, |request| {
            &mut request.max_output_size_in_mb
        })
    }

    /// Sets the share of records that have to succeed, from 0.0 to 1.0. 1.0 unless set.
    ///
    /// The service takes whole percents of acceptable errors, so the share of errors is rounded up:
    /// 0.95 is 5 percent, and so is 0.955.
    #[doc(alias = "acceptable_error_percentage")]
    pub fn accuracy(mut self, share: f64) -> Self {
        match error_percentage(share) {
            Some(percent) => {
                self.set(|request| request.acceptable_error_percentage = Some(percent))
            }
            None => {
                self.refuse(Error::input(format!(
                    "accuracy is {share}; it has to be between 0.0 and 1.0"
                )));
                self
            }
        }
    }

    /// A field of the request that this crate does not know. It replaces a known field of the same
    /// name.
    ///
    /// ```no_run
    /// # fn example(spark: cspark_batches::Client) {
    /// let create = spark.batches().create("my-folder/my-service").extra("priority", "high");
    /// # }
    /// ```
    #[doc(alias = "extras")]
    pub fn extra(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.calls = self.calls.with_create_field(name.into(), value.into());
        self
    }

    /// For callers that create several batches with the same options.
    pub(crate) fn into_parts(self) -> (Calls, Result<CreateRequest>) {
        (self.calls, self.request.and_then(checked))
    }

    fn set(mut self, set: impl FnOnce(&mut CreateRequest)) -> Self {
        if let Ok(request) = &mut self.request {
            set(request);
        }
        self
    }

    fn set_positive(
        mut self,
        option: &str,
        value: u32,
        field: impl FnOnce(&mut CreateRequest) -> &mut Option<NonZeroU64>,
    ) -> Self {
        match NonZeroU64::new(value.into()) {
            Some(value) => self.set(|request| *field(request) = Some(value)),
            None => {
                self.refuse(Error::input(format!(
                    "{option} is 0; it has to be at least 1"
                )));
                self
            }
        }
    }

    /// Keeps the first error.
    fn refuse(&mut self, error: Error) {
        if self.request.is_ok() {
            self.request = Err(error.with_operation(Operation::Create));
        }
    }

    async fn send(self) -> Result<Pipeline> {
        let request = self.request.and_then(checked)?;
        let (id, batch) = self.calls.create(&request).await?;
        Ok(Pipeline::new(self.calls, id, Some(batch)))
    }
}

impl IntoFuture for Create {
    type Output = Result<Pipeline>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Pipeline>> + Send>>;

    /// Creates the batch.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`](crate::ErrorKind::Input) if the locator or an option is wrong, and
    /// nothing was sent. Otherwise, if the request fails. It is repeated only if the service did
    /// not process it. If [`may_have_been_processed`](crate::Error::may_have_been_processed) is
    /// true, there may be a batch whose id is unknown.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

impl fmt::Debug for Create {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Create")
            .field("request", &self.request)
            .finish_non_exhaustive()
    }
}

/// Refuses options that contradict each other.
fn checked(request: CreateRequest) -> Result<CreateRequest> {
    match (request.initial_workers, request.max_workers) {
        (Some(min), Some(max)) if min > max => {
            let message =
                format!("min_runners is {min}; it has to be at most max_runners, which is {max}");
            Err(Error::input(message).with_operation(Operation::Create))
        }
        _ => Ok(request),
    }
}

fn joined<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Option<String> {
    let names: Vec<S> = names.into_iter().collect();
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    (!names.is_empty()).then(|| names.join(","))
}

/// `ceil((1 - share) * 100)`, computed on the decimal digits that the caller wrote: in binary
/// fractions, `1.0 - 0.95` is a little more than 0.05 and would give 6.
fn error_percentage(share: f64) -> Option<u64> {
    if !(0.0..=1.0).contains(&share) {
        return None;
    }
    // Display never writes an exponent, and gives the shortest digits that mean this number.
    let digits = share.to_string();
    let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
    let mut percent = u64::from(whole == "1") * 100;
    for (digit, weight) in fraction.chars().zip([10, 1]) {
        percent += u64::from(digit.to_digit(10)?) * weight;
    }
    Some(100 - percent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accuracy_is_taken_in_decimals() {
        let table = [
            (1.0, 0),
            (0.99, 1),
            (0.95, 5),
            (0.955, 5),
            (0.9, 10),
            (0.57, 43),
            (0.29, 71),
            (0.07, 93),
            (0.001, 100),
            (1e-300, 100),
            (-0.0, 100),
            (0.0, 100),
            (0.999_999_999_999_999_9, 1),
        ];
        for (share, percent) in table {
            assert_eq!(error_percentage(share), Some(percent), "{share}");
        }
        for share in [-0.01, 1.01, f64::NAN, f64::INFINITY] {
            assert_eq!(error_percentage(share), None, "{share}");
        }
    }
}
