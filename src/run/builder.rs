//! The settings of a run, and its start.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::checkpoint::Checkpoint;
use super::collected::{Collected, Incomplete};
use super::driver::{Driver, Parts};
use super::handle::Run;
use super::machine::{AfterError, Machine, Order, RunId, Settings};
use super::requests::Requests;
use super::shared::Shared;
use super::source::{BadRecords, IntoSource, Source};

use crate::batch::{Batches, Create, Pipeline, ServiceUri};
use crate::chunk::Chunker;
use crate::error::{Error, Result};
use crate::raw::types::SummaryRequest;

/// A run that is not started yet: set options, then [`start`](Self::start) it to stream the
/// results, or `.await` it to have them all at once.
#[must_use = "nothing runs before it is started or awaited"]
pub struct RunBuilder<I, O> {
    target: Target,
    source: Source<I>,
    chunker: Chunker,
    settings: Settings,
    resume: Option<(Checkpoint, bool)>,
    total: Option<u64>,
    bad_records: BadRecords,
    keep_outputs: bool,
    output: PhantomData<fn() -> O>,
}

/// The batch that the chunks go to.
enum Target {
    New(Box<Create>),
    Existing(Pipeline),
}

impl Batches {
    /// Runs records through a batch that is created for them and closed at the end: any amount of
    /// data, in bounded memory, with nothing lost. See [`run`](super).
    ///
    /// `I` is the type of the records (`_` where it can be inferred), `O` what the outputs of one
    /// record are read into.
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
    /// The run takes the batch for itself: results that are not of its own chunks are dropped, and
    /// counted as [foreign](crate::run::Summary::foreign). It opens no other batch in the place of
    /// this one.
    pub fn run<I, O>(&self, records: impl IntoSource<I>) -> RunBuilder<I, O> {
        RunBuilder::existing(self.clone(), records.into_source())
    }
}

impl<I, O> RunBuilder<I, O> {
    pub(crate) fn create(create: Create, source: Source<I>) -> Self {
        Self::new(Target::New(Box::new(create)), source)
    }

    pub(crate) fn existing(pipeline: Pipeline, source: Source<I>) -> Self {
        Self::new(Target::Existing(pipeline), source)
    }

    fn new(target: Target, source: Source<I>) -> Self {
        Self {
            target,
            source,
            chunker: Chunker::new(),
            settings: Settings::default(),
            resume: None,
            total: None,
            bad_records: BadRecords::default(),
            keep_outputs: false,
            output: PhantomData,
        }
    }

    /// The batch that the run is to create; none on an existing pipeline.
    pub(super) fn to_create(&self) -> Option<&Create> {
        match &self.target {
            Target::New(create) => Some(create),
            Target::Existing(_) => None,
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

    /// The aggregates to compute over the records of each chunk; see [`Chunker::summary`].
    pub fn chunk_summary(mut self, summary: SummaryRequest) -> Self {
        self.chunker = self.chunker.summary(summary);
        self
    }

    /// How records become chunks in every detail: columns, missing cells, layout. It replaces what
    /// [`chunk_size`](Self::chunk_size) and the like have set before. Prepared chunks stay as they
    /// are.
    pub fn chunker(mut self, chunker: Chunker) -> Self {
        self.chunker = chunker;
        self
    }

    /// Options for the batches that the run creates.
    ///
    /// ```no_run
    /// # use std::collections::BTreeMap;
    /// # fn example(spark: cspark_batches::Client, records: Vec<BTreeMap<String, f64>>) {
    /// let run = spark
    ///     .batches()
    ///     .run::<_, serde_json::Value>("my-folder/my-service", records)
    ///     .batch_options(|create| create.max_runners(200).accuracy(0.95));
    /// # }
    /// ```
    ///
    /// A run on an existing pipeline creates none, so it has no use for them.
    pub fn batch_options(mut self, set: impl FnOnce(Create) -> Create) -> Self {
        if let Target::New(create) = self.target {
            self.target = Target::New(Box::new(set(*create)));
        }
        self
    }

    /// Bytes of memory for encoded chunks and results; 20 MiB unless set.
    ///
    /// It bounds how far the source is read ahead, and so how many chunks the service has at a
    /// time: to keep `n` workers busy, it has to hold about two chunks for each. It counts neither
    /// what the program makes of a delivery nor the buffers of the connections. One chunk is always
    /// allowed, and results may exceed the budget if they turn out larger than all before.
    pub fn memory(self, bytes: usize) -> Self {
        self.set(|settings| settings.memory = bytes.max(1) as u64)
    }

    /// Chunks that the run holds at a time; 16,384 unless set, at least 1. It bounds the size of a
    /// [`Checkpoint`].
    pub fn chunks_in_flight(self, chunks: usize) -> Self {
        self.set(|settings| settings.chunks = chunks)
    }

    /// Delivers in the order of the input, rather than as results come. Early results wait within
    /// the memory budget.
    pub fn in_input_order(self) -> Self {
        self.set(|settings| settings.order = Order::Input)
    }

    /// Keeps the inputs of each chunk and hands them out with its outcomes; see
    /// [`Delivery::inputs`](super::Delivery::inputs). They count against the memory budget.
    ///
    /// A resumed run computes the chunks again that were in flight, since their inputs have to be
    /// read again.
    pub fn keep_inputs(self) -> Self {
        self.set(|settings| settings.needs_inputs = true)
    }

    /// Hands out the outputs of each chunk as JSON as well; see
    /// [`Delivery::outputs_json`](super::Delivery::outputs_json). A reader of one's own for whole
    /// chunks has no use for decoded records: it can take [`IgnoredAny`](serde::de::IgnoredAny) as
    /// the output type.
    pub fn keep_outputs(mut self) -> Self {
        self.keep_outputs = true;
        self
    }

    /// Delivers a record that the source cannot give or that cannot be encoded (`NaN`, a missing
    /// column) as an outcome of its own: [`RecordError::Rejected`](super::RecordError::Rejected).
    /// Unless set, such a record ends the run, and is listed as unfinished.
    ///
    /// A chunk ends before such a record, so many of them make chunks small.
    pub fn deliver_bad_records(mut self) -> Self {
        self.bad_records = BadRecords::AreDelivered;
        self
    }

    /// Records without an output that are tolerated, for whatever reason they have none; with one
    /// more the run ends with an error. No limit unless set.
    ///
    /// They are counted as chunks are delivered, so the whole chunk that reaches the limit counts,
    /// and what is delivered after it, since its results are there already.
    pub fn failure_limit(self, records: u64) -> Self {
        self.set(|settings| settings.failures = Some(records))
    }

    /// Continues when no output of the first delivered chunk can be read as the output type. Unless
    /// set, that ends the run, since the type is probably wrong.
    pub fn allow_unreadable_outputs(self) -> Self {
        self.set(|settings| settings.allow_unreadable = true)
    }

    /// Pushes in flight at a time; 4 unless set, at least 1.
    pub fn pushes_in_flight(self, pushes: usize) -> Self {
        self.set(|settings| settings.pushes = pushes)
    }

    /// Pulls in flight at a time; 2 unless set, at least 1.
    pub fn pulls_in_flight(self, pulls: usize) -> Self {
        self.set(|settings| settings.pulls = pulls)
    }

    /// Bytes after which a push takes no further chunk; 1 MiB unless set.
    pub fn max_push_bytes(self, bytes: usize) -> Self {
        self.set(|settings| settings.push_bytes = bytes.max(1) as u64)
    }

    /// The most chunks in a push; 100 unless set, at least 1.
    pub fn max_push_chunks(self, chunks: usize) -> Self {
        self.set(|settings| settings.push_chunks = chunks)
    }

    /// The most chunks in a pull; 100 unless set, at least 1.
    pub fn max_pull_chunks(self, chunks: u32) -> Self {
        self.set(|settings| settings.pull_chunks = chunks)
    }

    /// The shortest wait between two polls while results are expected; 50 ms unless set.
    ///
    /// Waits adapt between this one and [the longest](Self::max_poll_interval): to the rate of
    /// results, to how long the service's queue lasts, and to the time that the service has worked
    /// so far. So a run polls at most 20 times a second while nothing comes, and once a second
    /// after a minute.
    pub fn min_poll_interval(self, interval: Duration) -> Self {
        self.set(|settings| settings.poll_min = interval)
    }

    /// The longest wait between two polls while results are expected; 5 s unless set, at least
    /// [the shortest](Self::min_poll_interval).
    pub fn max_poll_interval(self, interval: Duration) -> Self {
        self.set(|settings| settings.poll_max = interval)
    }

    /// The wait after the first failed request; 250 ms unless set. It doubles with each further
    /// failure of the same kind of request, and is shortened at random by up to a half.
    ///
    /// A run does not use the client's [`RetryPolicy`](crate::RetryPolicy): it has to know of every
    /// failure to decide what may be repeated.
    pub fn initial_backoff(self, wait: Duration) -> Self {
        self.set(|settings| settings.backoff_min = wait)
    }

    /// The longest wait after a failed request; 30 s unless set, at least
    /// [the first](Self::initial_backoff). A longer `Retry-After` is respected.
    pub fn max_backoff(self, wait: Duration) -> Self {
        self.set(|settings| settings.backoff_max = wait)
    }

    /// The longest time that an open batch goes without a request; 10 minutes unless set. The
    /// service closes a batch that is idle for 30 minutes.
    pub fn keep_alive(self, time: Duration) -> Self {
        self.set(|settings| settings.keep_alive = time)
    }

    /// How long one kind of request (creations, pushes, pulls) may fail without a success before
    /// the run ends; 5 minutes unless set. Time in which this computer was suspended does not
    /// count.
    pub fn outage_limit(self, time: Duration) -> Self {
        self.set(|settings| settings.outage = time)
    }

    /// The same as long as the service has not responded even once: the host or the proxy is
    /// probably wrong. A page in place of the service, such as one to log in, is no response of it.
    /// 10 s unless set, and never longer than the
    /// [outage limit](Self::outage_limit).
    ///
    /// It counts from the first failure. A host that accepts connections and never responds fails
    /// by the client's request timeout, which may be longer than this limit, since the first
    /// response of a service that works can take long.
    pub fn first_response_limit(self, time: Duration) -> Self {
        self.set(|settings| settings.first_response = time)
    }

    /// How long the service may make no progress before the run ends; 15 minutes unless set. It has
    /// to be longer than a chunk takes to compute. Time in which this computer was suspended does
    /// not count.
    ///
    /// When the limit is reached while results may have been lost and the service does not say that
    /// it works, their chunks are pushed again first, as often as [set](Self::resubmissions).
    pub fn stall_limit(self, time: Duration) -> Self {
        self.set(|settings| settings.stall = time)
    }

    /// How often a chunk is pushed again whose result is missing; 3 unless set. Then, if the
    /// service proves to have nothing left, its records are listed as unfinished.
    pub fn resubmissions(self, times: u32) -> Self {
        self.set(|settings| settings.resubmissions = times)
    }

    /// How long after a push without a response the counters of the service are believed about it;
    /// 500 ms unless set.
    pub fn settle_time(self, time: Duration) -> Self {
        self.set(|settings| settings.settle = time)
    }

    /// How long the service has to report that it is idle before missing results count as lost;
    /// 1 s unless set.
    pub fn confirm_time(self, time: Duration) -> Self {
        self.set(|settings| settings.confirm = time)
    }

    /// Whether to open a new batch when the service closed the one in use, or when that takes
    /// chunks for known whose results are lost. Yes unless set; never on an existing pipeline.
    pub fn reopen(self, reopen: bool) -> Self {
        self.set(|settings| settings.reopen = reopen)
    }

    /// Whether to split chunks that are larger than the whole input buffer, or than a request may
    /// be. No unless set: such a chunk is an error.
    pub fn split_large_chunks(self, split: bool) -> Self {
        self.set(|settings| settings.split = split)
    }

    /// Whether to continue without chunks that the service refuses for good or that are too large.
    /// No unless set: the first one ends the run. Either way their records are listed as
    /// unfinished, and the run ends with an error.
    pub fn skip_refused_chunks(self, skip: bool) -> Self {
        self.set(|settings| settings.keep_going = skip)
    }

    /// What to do with the batch when the run ends in an error; it is closed unless set.
    pub fn after_error(self, what: AfterError) -> Self {
        self.set(|settings| settings.after_error = what)
    }

    /// The number of records in the source, for the estimate of the time left, if the source does
    /// not know it.
    pub fn expect_records(mut self, records: u64) -> Self {
        self.total = Some(records);
        self
    }

    /// Continues where another run stopped, with the same input from its beginning: records that
    /// were delivered are passed over.
    ///
    /// The run takes over the batch of the other one while it lives. It first pulls what the batch
    /// has, so that this is not computed again; what the other run had pulled and not delivered is.
    /// Chunks that were in flight keep their ids and sizes.
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

    /// The bytes of the [memory budget](Self::memory), for sources that hold what they read beside
    /// it.
    pub fn memory_budget(&self) -> usize {
        usize::try_from(self.settings.memory).unwrap_or(usize::MAX)
    }

    /// The most records that a chunk can have. A source that holds back records until others are
    /// delivered has to give as many before, or the run may wait for the rest of a chunk forever.
    pub fn max_chunk_records(&self) -> usize {
        // A resumed run cuts its chunks as the one before did.
        let before = self.checkpoint().map_or(0, Checkpoint::max_chunk_records);
        self.chunker.max_records().max(before)
    }

    /// The checkpoint from which the run [resumes](Self::resume), if it does.
    pub fn checkpoint(&self) -> Option<&Checkpoint> {
        self.resume.as_ref().map(|(checkpoint, _)| checkpoint)
    }

    /// The number of the first record of the source: 0, unless the run [resumes at a
    /// record](Self::resume_at).
    pub fn first_record(&self) -> u64 {
        match &self.resume {
            Some((checkpoint, true)) => checkpoint.first_open_record(),
            _ => 0,
        }
    }
}

impl<I, O: DeserializeOwned> RunBuilder<I, O> {
    /// Starts the run, in a task of its own on the current tokio runtime, which needs time and IO.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`](crate::ErrorKind::Input) if a setting is wrong or the checkpoint
    /// belongs to something else, [`ErrorKind::State`](crate::ErrorKind::State) if the pipeline
    /// takes no chunks, [`ErrorKind::Config`](crate::ErrorKind::Config) if there is no tokio
    /// runtime. No request is made before.
    pub fn start(self) -> Result<Run<O>> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|error| {
            Error::config("a run needs a tokio runtime to work in").with_source(error)
        })?;
        let source_at = self.first_record();
        let Self {
            target,
            source,
            chunker,
            mut settings,
            resume,
            total,
            bad_records,
            keep_outputs,
            ..
        } = self;
        let known = resume.as_ref().map_or(0, |(checkpoint, from_there)| {
            checkpoint.delivered_of_source(*from_there)
        });
        let total = total
            .or(source.length())
            .map(|total| total.saturating_sub(known));
        let keep_inputs = settings.needs_inputs;
        let reader = source.open(&chunker, bad_records)?;
        let (calls, create, pipeline) = match target {
            Target::New(create) => {
                let (calls, request) = create.into_parts();
                (calls, Some(request?), None)
            }
            Target::Existing(pipeline) => {
                settings.reopen = false;
                pipeline.check_open()?;
                (pipeline.calls().clone(), None, Some(pipeline))
            }
        };
        let service = create
            .as_ref()
            .and_then(|create| create.service.clone().or(create.version_id.clone()));
        let own = pipeline.as_ref().map(|pipeline| pipeline.id().to_owned());
        let run = RunId::from_random(uuid::Uuid::new_v4().as_u128());
        let (machine, batch) = match resume {
            None => (Machine::new(settings, run, own.is_some()), own),
            Some((checkpoint, _)) => {
                check(&checkpoint, service.as_deref())?;
                let batch = own.or_else(|| checkpoint.batch_id().map(str::to_owned));
                let position = checkpoint.position();
                let open = batch.is_some();
                (
                    Machine::resume(settings, position, open, source_at, run),
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
            keep_inputs,
            keep_outputs,
            summary_only: chunker.asks_for_summary_only(),
        };
        let task = runtime.spawn(Driver::new(parts).drive());
        Ok(Run::new(shared, task))
    }
}

fn check(checkpoint: &Checkpoint, service: Option<&str>) -> Result<()> {
    if !checkpoint.is_readable() {
        return Err(Error::input(
            "the checkpoint has a version that this version of the crate does not know",
        ));
    }
    match (checkpoint.service(), service) {
        (Some(then), Some(now)) if then != now => Err(Error::input(format!(
            "the checkpoint belongs to a run of service `{then}`, and this run is of `{now}`"
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

    /// Runs to the end, and returns all outcomes in the order of the input. They are all held in
    /// memory, beside the budget.
    ///
    /// # Errors
    ///
    /// The reason for which the run could not start, or ended before its work was done, together
    /// with everything that was delivered.
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
