//! The settings of a run, and its start.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::driver::{Driver, Parts};
use super::machine::{Machine, Order, RunId, Settings};
use super::requests::Requests;
use super::shared::Shared;
use super::source::{IntoSource, Source};
use super::{AfterError, Checkpoint, Collected, Incomplete, Run};
use crate::batch::{Batches, Create, Pipeline, ServiceUri};
use crate::chunk::Chunker;
use crate::error::{Error, Result};
use crate::raw::types::SummaryRequest;

/// A run that is to be started: set options, then [`start`](Self::start) it to stream the results, or `.await` it to have
/// them all at once.
#[must_use = "nothing runs before it is started or awaited"]
pub struct RunBuilder<I, O> {
    place: Place,
    source: Source<I>,
    chunker: Chunker,
    settings: Settings,
    resume: Option<(Checkpoint, bool)>,
    total: Option<u64>,
    output: PhantomData<fn() -> O>,
}

/// Where the chunks go.
enum Place {
    New(Box<Create>),
    Existing(Pipeline),
}

impl Batches {
    /// Runs records through a batch that is created for them and closed at the end: any amount of data, in bounded memory,
    /// with nothing lost. See [`run`](super).
    ///
    /// `I` is the type of the records (`_` where it can be inferred), `O` what the outputs of one record are read into.
    pub fn run<I, O>(
        &self,
        service: impl TryInto<ServiceUri, Error: Into<Error>>,
        records: impl IntoSource<I>,
    ) -> RunBuilder<I, O> {
        let create = match service.try_into() {
            Ok(service) => self.create(service),
            Err(error) => self.create_failed(error.into()),
        };
        RunBuilder::create(create, records.into_source())
    }
}

impl Pipeline {
    /// Runs records through this batch, and closes it at the end; see [`run`](super).
    ///
    /// The run takes the batch for itself: results that are not of its own chunks are dropped, and counted as
    /// [foreign](crate::run::Summary::foreign). It opens no other batch in the place of this one.
    pub fn run<I, O>(&self, records: impl IntoSource<I>) -> RunBuilder<I, O> {
        RunBuilder::existing(self.clone(), records.into_source())
    }
}

impl<I, O> RunBuilder<I, O> {
    pub(crate) fn create(create: Create, source: Source<I>) -> Self {
        Self::new(Place::New(Box::new(create)), source)
    }

    pub(crate) fn existing(pipeline: Pipeline, source: Source<I>) -> Self {
        Self::new(Place::Existing(pipeline), source)
    }

    fn new(place: Place, source: Source<I>) -> Self {
        Self {
            place,
            source,
            chunker: Chunker::new(),
            settings: Settings::default(),
            resume: None,
            total: None,
            output: PhantomData,
        }
    }

    /// The batch that the run is to create; none on an existing pipeline.
    pub(super) fn to_create(&self) -> Option<&Create> {
        match &self.place {
            Place::New(create) => Some(create),
            Place::Existing(_) => None,
        }
    }

    fn set(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        set(&mut self.settings);
        self
    }

    /// Records in a chunk; 200 unless set. See [`Chunker::chunk_size`].
    pub fn chunk_size(mut self, records: usize) -> Self {
        self.chunker = self.chunker.chunk_size(records);
        self
    }

    /// Bytes in a chunk at most; see [`Chunker::chunk_bytes`].
    pub fn chunk_bytes(mut self, bytes: usize) -> Self {
        self.chunker = self.chunker.chunk_bytes(bytes);
        self
    }

    /// Inputs that all records share; see [`Chunker::parameters`].
    pub fn parameters<P: ?Sized + Serialize>(mut self, parameters: &P) -> Self {
        self.chunker = self.chunker.parameters(parameters);
        self
    }

    /// What to compute over the records of each chunk; see [`Chunker::summary`].
    pub fn chunk_summary(mut self, summary: SummaryRequest) -> Self {
        self.chunker = self.chunker.summary(summary);
        self
    }

    /// How records become chunks in every detail: columns, what to do with missing cells, layout. It replaces what was set
    /// before of [`chunk_size`](Self::chunk_size) and the like. Prepared chunks are taken as they are.
    pub fn chunker(mut self, chunker: Chunker) -> Self {
        self.chunker = chunker;
        self
    }

    /// Options for the batches that the run creates.
    ///
    /// ```no_run
    /// # fn example(spark: cspark_batches::Client, records: Vec<std::collections::BTreeMap<String, f64>>) {
    /// let run = spark
    ///     .batches()
    ///     .run::<_, serde_json::Value>("my-folder/my-service", records)
    ///     .batch_options(|create| create.max_runners(200).accuracy(0.95));
    /// # }
    /// ```
    ///
    /// A run on an existing pipeline creates none, so it has no use for them.
    pub fn batch_options(mut self, set: impl FnOnce(Create) -> Create) -> Self {
        if let Place::New(create) = self.place {
            self.place = Place::New(Box::new(set(*create)));
        }
        self
    }

    /// Bytes of memory for encoded chunks and results; 32 MiB unless set.
    ///
    /// It bounds how much is read ahead, and with that how many chunks the service has at a time: to keep `n` workers
    /// busy, it has to hold some two chunks for each. It does not count what the program makes of a delivery, nor the
    /// connections' own buffers. One chunk is always allowed, and results may exceed the budget where they turn out
    /// larger than all before.
    pub fn memory(self, bytes: usize) -> Self {
        self.set(|settings| settings.memory = bytes.max(1) as u64)
    }

    /// Delivers in the order of the input, rather than as results come. Results that are early wait within the memory budget.
    pub fn in_input_order(self) -> Self {
        self.set(|settings| settings.order = Order::Input)
    }

    /// Pushes in flight at a time; 4 unless set, at least 1.
    pub fn pushes_in_flight(self, pushes: usize) -> Self {
        self.set(|settings| settings.pushes = pushes.max(1))
    }

    /// Pulls in flight at a time; 2 unless set, at least 1.
    pub fn pulls_in_flight(self, pulls: usize) -> Self {
        self.set(|settings| settings.pulls = pulls.max(1))
    }

    /// How large a push may get: bytes after which it takes no further chunk (1 MiB unless set), and chunks (100).
    pub fn push_size(self, bytes: usize, chunks: usize) -> Self {
        self.set(|settings| {
            (settings.push_bytes, settings.push_chunks) = (bytes.max(1) as u64, chunks.max(1))
        })
    }

    /// The most chunks in a pull; 100 unless set, at least 1.
    pub fn pull_chunks(self, chunks: u32) -> Self {
        self.set(|settings| settings.pull_chunks = chunks.max(1))
    }

    /// The shortest and the longest wait between two polls while results are expected; 20 ms and 5 s unless set.
    ///
    /// In between, waits adapt: to the rate of results, to how long the service's queue lasts, and to the time that the run
    /// has taken so far, so that polling costs less than 2 % of it.
    pub fn poll_interval(self, shortest: Duration, longest: Duration) -> Self {
        self.set(|settings| (settings.poll_min, settings.poll_max) = (shortest, longest))
    }

    /// The first and the longest wait after a failed request; 250 ms and 30 s unless set. Waits double in between, and are
    /// jittered by a quarter.
    ///
    /// This takes the place of the client's [`RetryPolicy`](crate::RetryPolicy), which a run does not use: it has to know of
    /// every failure to decide what may be repeated.
    pub fn backoff(self, first: Duration, longest: Duration) -> Self {
        self.set(|settings| {
            (settings.backoff_min, settings.backoff_max) = (first, longest.max(first))
        })
    }

    /// The longest time that an open batch goes without a request; 10 minutes unless set. The service closes a batch that is
    /// idle for 30.
    pub fn keep_alive(self, time: Duration) -> Self {
        self.set(|settings| settings.keep_alive = time)
    }

    /// How long requests may fail without a success before the run gives up; 5 minutes unless set. Time in which this
    /// computer was suspended does not count.
    pub fn outage_limit(self, time: Duration) -> Self {
        self.set(|settings| settings.outage = time)
    }

    /// How long the service may make no progress before the run gives up; 15 minutes unless set. It has to be longer than
    /// a chunk takes to compute. Time in which this computer was suspended does not count.
    pub fn stall_limit(self, time: Duration) -> Self {
        self.set(|settings| settings.stall = time)
    }

    /// How often a chunk is pushed again whose result does not come; 3 unless set. Then its records are listed as
    /// unfinished.
    pub fn resubmissions(self, times: u32) -> Self {
        self.set(|settings| settings.resubmissions = times)
    }

    /// How sure to be before chunks are pushed again.
    ///
    /// `settle` (500 ms unless set): how long after a push without an answer the counters of the service are believed.
    /// `confirm` (1 s): how long the service has to look idle before chunks without a result are taken for lost.
    /// `patience` (1 min): the same where it does not say whether it is idle.
    pub fn certainty(self, settle: Duration, confirm: Duration, patience: Duration) -> Self {
        self.set(|settings| {
            (settings.settle, settings.confirm, settings.patience) = (settle, confirm, patience)
        })
    }

    /// Whether to open a new batch when the system closed the one in use, or when it takes chunks for known whose results
    /// are lost. Yes unless set; never on an existing pipeline.
    pub fn reopen(self, reopen: bool) -> Self {
        self.set(|settings| settings.reopen = reopen)
    }

    /// Whether to split chunks that are larger than the whole input buffer, or than a request may be. No unless set: such a
    /// chunk is an error.
    pub fn split_large_chunks(self, split: bool) -> Self {
        self.set(|settings| settings.split = split)
    }

    /// Whether to go on without chunks that the service refuses for good or that are too large. No unless set: the first
    /// one ends the run. Their records are listed as unfinished in either case, and the run ends with an error.
    pub fn skip_refused_chunks(self, skip: bool) -> Self {
        self.set(|settings| settings.keep_going = skip)
    }

    /// What to do with the batch when the run ends in an error.
    pub fn after_error(self, what: AfterError) -> Self {
        self.set(|settings| settings.after_error = what)
    }

    /// The number of records in the source, for the estimate of the time left, where the source does not tell it.
    pub fn expect_records(mut self, records: u64) -> Self {
        self.total = Some(records);
        self
    }

    /// Goes on where another run stopped, with the same input from its beginning: records that were delivered are passed
    /// over.
    ///
    /// The batch of that run is taken over while it lives. It is emptied before anything is pushed, so that what it
    /// computed in the meantime is not computed again; what the other run had pulled and not delivered is. Chunk ids and
    /// sizes of chunks that were in flight stay the same.
    pub fn resume(mut self, checkpoint: Checkpoint) -> Self {
        self.resume = Some((checkpoint, false));
        self
    }

    /// Like [`resume`](Self::resume), with an input that begins at the record of the number
    /// [`Checkpoint::first_open_record`].
    pub fn resume_at(mut self, checkpoint: Checkpoint) -> Self {
        self.resume = Some((checkpoint, true));
        self
    }
}

impl<I, O: DeserializeOwned> RunBuilder<I, O> {
    /// Starts the run. It needs a tokio runtime with time and IO, and works in a task of its own.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`](crate::ErrorKind::Input) if a setting is wrong or the checkpoint belongs to something else,
    /// [`ErrorKind::State`](crate::ErrorKind::State) if the pipeline takes no chunks,
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if there is no tokio runtime. No request is made before.
    pub fn start(self) -> Result<Run<O>> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|error| {
            Error::config("a run needs a tokio runtime to work in").with_source(error)
        })?;
        let Self {
            place,
            source,
            chunker,
            mut settings,
            resume,
            total,
            ..
        } = self;
        let known = resume.as_ref().map_or(0, |(checkpoint, from_there)| {
            checkpoint.delivered_of_source(*from_there)
        });
        let total = total
            .or(source.length())
            .map(|total| total.saturating_sub(known));
        let reader = source.open(&chunker)?;
        let (calls, create, pipeline) = match place {
            Place::New(create) => {
                let (calls, request) = create.into_parts();
                (calls, Some(request?), None)
            }
            Place::Existing(pipeline) => {
                settings.reopen = false;
                pipeline.check_open()?;
                (pipeline.calls().clone(), None, Some(pipeline))
            }
        };
        let service = create
            .as_ref()
            .and_then(|create| create.service.clone().or(create.version_id.clone()));
        let own = pipeline.as_ref().map(|pipeline| pipeline.id().to_owned());
        let (machine, batch) = match resume {
            None => {
                let run = RunId::from_random(uuid::Uuid::new_v4().as_u128());
                (Machine::new(settings, run, own.is_some()), own)
            }
            Some((checkpoint, from_there)) => {
                check(&checkpoint, service.as_deref())?;
                let batch = own.or_else(|| checkpoint.batch_id().map(str::to_owned));
                let source_at = if from_there {
                    checkpoint.first_open_record()
                } else {
                    0
                };
                (
                    Machine::resume(settings, checkpoint.position(), batch.is_some(), source_at),
                    batch,
                )
            }
        };
        let shared = Arc::new(Shared::new(machine, total, service, batch.clone()));
        let parts = Parts {
            shared: Arc::clone(&shared),
            requests: Requests {
                calls: calls.without_retries(),
            },
            reader,
            create,
            pipeline,
            batch,
        };
        let task = runtime.spawn(Driver::new(parts));
        Ok(Run::new(shared, task))
    }
}

fn check(checkpoint: &Checkpoint, service: Option<&str>) -> Result<()> {
    if !checkpoint.is_readable() {
        return Err(Error::input(
            "the checkpoint is of a version that this version of the crate does not know",
        ));
    }
    match (checkpoint.service(), service) {
        (Some(then), Some(now)) if then != now => Err(Error::input(format!(
            "the checkpoint belongs to a run of service `{then}`, and this one is of `{now}`"
        ))),
        _ => Ok(()),
    }
}

impl<I, O> IntoFuture for RunBuilder<I, O>
where
    I: 'static,
    O: DeserializeOwned + Send + 'static,
{
    type Output = Result<Collected<O>, Incomplete<O>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    /// Runs to the end, and gives all outcomes in the order of the input. They are all held in memory, beside the budget.
    ///
    /// # Errors
    ///
    /// Why the run could not start, or ended before its work was done; with everything that was delivered until then.
    fn into_future(self) -> Self::IntoFuture {
        let run = self.start();
        Box::pin(async move {
            match run {
                Ok(run) => run.collect().await,
                Err(error) => Err(Incomplete::not_started(error)),
            }
        })
    }
}

impl<I, O> fmt::Debug for RunBuilder<I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunBuilder")
            .field("source", &self.source)
            .field("chunker", &self.chunker)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
