//! Performs what the machine decides: reads the source, sends requests, hands results over.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, Sleep};

use super::delivery::{QueuedOutcome, QueuedResult};
use super::machine::{
    Action, Event, Key, Next, Reply, Request, RequestId, RequestKind, RunId, Time,
};
use super::requests::{RawResult, Requests, Response, Returned, failure, observation};
use super::shared::Shared;
use super::source::{Read, Reader, split};
use super::{error, log};
use crate::batch::Pipeline;
use crate::chunk::Chunk;
use crate::error::{Error, ErrorKind};
use crate::raw::types::{BatchTransition, CreateRequest};

/// How long the source may be read before the network and others on the same thread get a turn.
const READING_TIME: Duration = Duration::from_millis(1);

/// The parts of a driver that the builder chooses.
pub(super) struct Parts {
    pub(super) shared: Arc<Shared>,
    pub(super) requests: Requests,
    pub(super) reader: Box<dyn Reader>,
    pub(super) create: Option<CreateRequest>,
    pub(super) pipeline: Option<Pipeline>,
    pub(super) batch: Option<String>,
    /// Whether the inputs of a chunk are handed out with its result.
    pub(super) keep_inputs: bool,
    /// Whether outputs are handed out as they came, too.
    pub(super) keep_outputs: bool,
    /// Whether chunks of the run before asked for their summary alone.
    pub(super) summary_only: bool,
}

/// A run's one task. By itself it only keeps payloads and errors.
pub(super) struct Driver {
    parts: Parts,
    run: RunId,
    reading: bool,
    stopping: bool,
    batch: Option<Arc<str>>,
    /// The chunks that were read and have no result.
    chunks: BTreeMap<Key, Chunk>,
    /// The results that may not be delivered yet.
    results: BTreeMap<Key, QueuedResult>,
    in_flight: FuturesUnordered<Pin<Box<dyn Future<Output = Response> + Send>>>,
    /// The latest failure of each kind of request.
    failures: BTreeMap<RequestKind, Error>,
    /// Since when a kind of request fails.
    failing_since: BTreeMap<RequestKind, Time>,
    source_error: Option<Error>,
}

/// What woke the driver.
#[expect(clippy::large_enum_variant, reason = "it exists once, for a moment")]
enum Wake {
    Response(Response),
    Read(Option<Read>),
    /// Time passed, or the consumer did something.
    Other,
}

impl Driver {
    pub(super) fn new(parts: Parts) -> Self {
        let run = parts.shared.lock().machine.run_id();
        Self {
            run,
            reading: false,
            stopping: false,
            batch: parts.batch.as_deref().map(Arc::from),
            chunks: BTreeMap::new(),
            results: BTreeMap::new(),
            in_flight: FuturesUnordered::new(),
            failures: BTreeMap::new(),
            failing_since: BTreeMap::new(),
            source_error: None,
            parts,
        }
    }

    /// Drives the run to its end.
    pub(super) async fn drive(mut self) {
        let shared = Arc::clone(&self.parts.shared);
        let mut sleep = pin!(tokio::time::sleep_until(Instant::now()));
        let mut turn = std::time::Instant::now();
        loop {
            let wake_at = match self.act() {
                Next::Over => return self.end(),
                Next::Wait(wake_at) => wake_at,
                Next::Do(_) => continue,
            };
            match self.wait(&shared, wake_at, sleep.as_mut()).await {
                Wake::Response(response) => self.responded(response),
                Wake::Read(read) => self.read(read),
                Wake::Other => {}
            }
            // A source that is always ready would keep the network waiting on a runtime of one
            // thread: the runtime looks at sockets and timers when its tasks have yielded.
            if turn.elapsed() >= READING_TIME {
                tokio::task::yield_now().await;
                turn = std::time::Instant::now();
            }
        }
    }

    /// Performs actions until there is nothing to do but wait.
    fn act(&mut self) -> Next {
        loop {
            let next = {
                let shared = &self.parts.shared;
                shared.lock().machine.next(shared.now())
            };
            match next {
                Next::Do(action) => self.perform(action),
                rest => return rest,
            }
        }
    }

    async fn wait(
        &mut self,
        shared: &Shared,
        wake_at: Option<Time>,
        mut sleep: Pin<&mut Sleep>,
    ) -> Wake {
        let wake_at = wake_at.and_then(|at| shared.started.checked_add(at));
        if let Some(at) = wake_at.filter(|at| *at != sleep.deadline()) {
            sleep.as_mut().reset(at);
        }
        let mut changed = pin!(shared.changed.notified());
        let mut reported = false;
        poll_fn(|cx| {
            if let Poll::Ready(Some(response)) = self.in_flight.poll_next_unpin(cx) {
                return Poll::Ready(Wake::Response(response));
            }
            if self.reading
                && let Poll::Ready(read) = self.parts.reader.poll_read(cx)
            {
                return Poll::Ready(Wake::Read(read));
            }
            if wake_at.is_some() && sleep.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Wake::Other);
            }
            if !std::mem::replace(&mut reported, true) {
                shared.report();
            }
            changed.as_mut().poll(cx).map(|()| Wake::Other)
        })
        .await
    }

    fn handle(&self, event: Event) {
        let shared = &self.parts.shared;
        shared.lock().machine.handle(shared.now(), event);
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Read { skip, cut } => {
                self.parts.reader.begin(skip, cut);
                self.reading = true;
            }
            Action::StopReading => {
                self.parts.reader.stop();
                (self.reading, self.stopping) = (true, true);
            }
            Action::Split(key) => self.split(key),
            Action::Send { id, request } => self.send(id, request),
            Action::Deliver(key) => {
                if let Some(result) = self.results.remove(&key) {
                    self.parts.shared.lock().outbox.push_back(result);
                    self.parts.shared.consumer.wake();
                }
            }
            Action::Forget(key) => {
                self.chunks.remove(&key);
                self.results.remove(&key);
            }
        }
    }

    fn split(&mut self, key: Key) {
        let halves = self
            .chunks
            .remove(&key)
            .map(|chunk| (split(&chunk, chunk.records() / 2), chunk));
        let parts = match halves {
            Some((Some((first, second)), _)) => {
                let parts = [&first, &second].map(|part| (part.records(), part.wire_bytes()));
                self.chunks.insert(key + first.records(), second);
                self.chunks.insert(key, first);
                parts.to_vec()
            }
            Some((None, whole)) => {
                self.chunks.insert(key, whole);
                Vec::new()
            }
            None => Vec::new(),
        };
        self.handle(Event::Split { key, parts });
    }

    fn send(&mut self, id: RequestId, request: Request) {
        let kind = request.kind();
        let batch = self.batch.clone().unwrap_or_default();
        let requests = self.parts.requests.clone();
        let run = self.run;
        let create = self.parts.create.clone();
        let chunks = match &request {
            Request::Push(keys) => keys.iter().filter_map(|&key| self.to_push(key)).collect(),
            _ => Vec::new(),
        };
        self.in_flight.push(Box::pin(async move {
            let done = |status| (Returned::Nothing, status);
            let outcome = match request {
                Request::Create => match create {
                    Some(create) => requests.create(create).await.map(|batch| (batch, None)),
                    None => Err(Error::state(
                        "the run works on a batch that it did not create, and may open no other",
                    )),
                },
                Request::Push(_) => {
                    let status = requests.push(batch, chunks).await;
                    status.map(|status| done(Some(status)))
                }
                Request::Status => requests
                    .status(batch)
                    .await
                    .map(|status| done(Some(status))),
                Request::Pull(max) => requests.pull(batch, max, run).await,
                Request::Close => {
                    let closed = requests.end(batch, BatchTransition::Closed).await;
                    closed.map(|_| done(None))
                }
                Request::Cancel => {
                    let cancelled = requests.end(batch, BatchTransition::Cancelled).await;
                    cancelled.map(|_| done(None))
                }
            };
            let (outcome, status) = match outcome {
                Ok((returned, status)) => (Ok(returned), status),
                Err(error) => (Err(error), None),
            };
            Response {
                request: id,
                kind,
                status,
                outcome,
            }
        }));
    }

    /// The chunk under the id that it has in this run.
    fn to_push(&self, key: Key) -> Option<Chunk> {
        let chunk = self.chunks.get(&key)?.clone();
        let id = self.run.mint(key, chunk.records()).to_string();
        Some(chunk.with_id(id))
    }

    fn responded(&mut self, response: Response) {
        let Response {
            request,
            kind,
            status,
            outcome,
        } = response;
        if let (Some(pipeline), Some(status)) = (&self.parts.pipeline, &status) {
            pipeline.learn(status.batch_status.as_ref());
        }
        let observation = status.as_ref().map(observation);
        let now = self.parts.shared.now();
        if outcome.is_ok()
            && let Some(since) = self.failing_since.remove(&kind)
        {
            log::requests_work(kind, self.batch.as_deref(), now.saturating_sub(since));
        }
        let outcome = match outcome {
            Ok(Returned::Nothing) => Ok(Reply::Done),
            Ok(Returned::Batch(id)) => {
                log::batch_created(&id);
                self.batch = Some(Arc::from(id.as_str()));
                self.parts.shared.lock().batches.push(id);
                Ok(Reply::Done)
            }
            Ok(Returned::Results { ours, foreign }) => {
                let mut results = Vec::with_capacity(ours.len());
                for (mut pulled, result) in ours {
                    let wanted = self.parts.shared.lock().machine.wants(&pulled);
                    // The same result may come twice in one response.
                    if wanted && !self.results.contains_key(&pulled.key) {
                        pulled.bytes += self.keep(pulled.key, pulled.records, result);
                    }
                    results.push(pulled);
                }
                Ok(Reply::Pulled { results, foreign })
            }
            Err(error) => {
                let failure = failure(kind, &error);
                let first = !self.failing_since.contains_key(&kind);
                log::request_failed(kind, self.batch.as_deref(), first, &error);
                self.failing_since.entry(kind).or_insert(now);
                self.failures.insert(kind, error);
                Err(failure)
            }
        };
        self.handle(Event::Response {
            request,
            observation,
            outcome,
        });
    }

    /// Keeps a result until it may be delivered; the bytes that it takes besides its own.
    fn keep(&mut self, first: Key, records: u64, result: RawResult) -> u64 {
        let chunk = self.chunks.remove(&first);
        let chunk_id = chunk
            .as_ref()
            .filter(|_| self.parts.reader.has_own_ids())
            .map_or_else(
                || self.run.mint(first, records).to_string(),
                |chunk| chunk.id().to_owned(),
            );
        let summary_only = match &chunk {
            Some(chunk) => chunk.asks_for_summary_only(),
            None => self.parts.summary_only,
        };
        let inputs = chunk.filter(|_| self.parts.keep_inputs);
        let bytes = inputs.as_ref().map_or(0, Chunk::wire_bytes);
        let outcome = QueuedOutcome::Result(result);
        self.results.insert(
            first,
            QueuedResult {
                first,
                records,
                chunk_id,
                outcome,
                summary_only,
                inputs,
                keep_outputs: self.parts.keep_outputs,
            },
        );
        bytes
    }

    fn read(&mut self, read: Option<Read>) {
        self.reading = self.stopping && read.is_some();
        let event = match read {
            Some(Read::Chunk(chunk)) => {
                let (records, bytes) = (chunk.records(), chunk.wire_bytes());
                let next = self.parts.shared.lock().machine.next_record();
                self.chunks.insert(next, chunk);
                Event::Read {
                    records,
                    bytes,
                    ahead: self.parts.reader.ahead(),
                }
            }
            Some(Read::Rejected(error)) => {
                let first = self.parts.shared.lock().machine.next_record();
                self.results.insert(
                    first,
                    QueuedResult {
                        first,
                        records: 1,
                        chunk_id: self.run.mint(first, 1).to_string(),
                        outcome: QueuedOutcome::Rejected(error),
                        summary_only: false,
                        inputs: None,
                        keep_outputs: false,
                    },
                );
                Event::Rejected
            }
            Some(Read::Failed { error, record }) => {
                self.reading = false;
                self.source_error = Some(error);
                Event::SourceFailed { record }
            }
            None => Event::SourceEnded,
        };
        self.handle(event);
    }

    fn end(&mut self) {
        let mut state = self.parts.shared.lock();
        if let Some(pipeline) = &self.parts.pipeline
            && state.machine.open_batches().is_empty()
        {
            pipeline.learn(Some(&error::batch_status(state.machine.totals())));
        }
        state.error = error::of_run(
            state.machine.totals(),
            self.batch.as_deref(),
            &self.failures,
            self.source_error.take(),
            state.first_failure.as_deref(),
        );
    }
}

impl Drop for Driver {
    /// However the driver ends, nobody waits for it for ever, and nobody takes that for success.
    fn drop(&mut self) {
        // Before the consumer learns of the end, so that it finds the final progress then.
        self.parts.shared.report();
        let mut state = self.parts.shared.lock();
        state.ended_at = Some(self.parts.shared.now());
        if state.machine.totals().ending.is_none() {
            let why = match std::thread::panicking() {
                true => "the run's task panicked, perhaps in the source of the records",
                false => {
                    "the run's task was dropped before its end: the tokio runtime that it was \
                     started in has shut down"
                }
            };
            let error = Error::new(ErrorKind::Unfinished, why);
            state.error = Some(match &self.batch {
                Some(batch) => error.with_batch(&**batch),
                None => error,
            });
        }
        drop(state);
        self.parts.shared.consumer.wake();
    }
}
