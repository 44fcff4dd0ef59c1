//! Performs what the machine decides: reads the source, sends requests, hands results over.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, Sleep};

use super::ending;
use super::machine::{Action, Call, Event, Key, Next, Op, Reply, RequestId, RunId, Time};
use super::requests::{Answer, Brought, RawResult, Requests, facts, failure};
use super::shared::{Shared, Waiting};
use super::source::{Reader, split};
use crate::batch::Pipeline;
use crate::chunk::Chunk;
use crate::error::{Error, ErrorKind};
use crate::raw::types::{BatchTransition, CreateRequest};

/// Chunks that are read in one go, before others on the same thread get their turn.
const READS: u32 = 4;

/// What the driver is made of.
pub(super) struct Parts {
    pub(super) shared: Arc<Shared>,
    pub(super) requests: Requests,
    pub(super) reader: Box<dyn Reader>,
    pub(super) create: Option<CreateRequest>,
    pub(super) pipeline: Option<Pipeline>,
    pub(super) batch: Option<String>,
}

/// A run's one task. All it does by itself is to keep payloads and errors.
pub(super) struct Driver {
    shared: Arc<Shared>,
    requests: Requests,
    run: RunId,
    reader: Box<dyn Reader>,
    reading: bool,
    stopping: bool,
    create: Option<CreateRequest>,
    pipeline: Option<Pipeline>,
    batch: Option<Arc<str>>,
    /// What was read and has no result.
    chunks: BTreeMap<Key, Chunk>,
    /// Results that may not be delivered yet.
    results: BTreeMap<Key, Waiting>,
    flights: FuturesUnordered<Pin<Box<dyn Future<Output = Answer> + Send>>>,
    sleep: Pin<Box<Sleep>>,
    /// The latest failure of each kind of request, and of the source.
    errors: BTreeMap<Op, Error>,
    source_error: Option<Error>,
}

impl Driver {
    pub(super) fn new(parts: Parts) -> Self {
        let run = parts.shared.lock().machine.run_id();
        Self {
            shared: parts.shared,
            requests: parts.requests,
            run,
            reader: parts.reader,
            reading: false,
            stopping: false,
            create: parts.create,
            pipeline: parts.pipeline,
            batch: parts.batch.map(Arc::from),
            chunks: BTreeMap::new(),
            results: BTreeMap::new(),
            flights: FuturesUnordered::new(),
            sleep: Box::pin(tokio::time::sleep_until(Instant::now())),
            errors: BTreeMap::new(),
            source_error: None,
        }
    }

    fn handle(&self, event: Event) {
        self.shared.lock().machine.handle(self.shared.now(), event);
    }

    /// Performs actions until there is nothing to do but wait.
    fn act(&mut self) -> Next {
        loop {
            let next = self.shared.lock().machine.next(self.shared.now());
            match next {
                Next::Do(action) => self.perform(action),
                rest => return rest,
            }
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Read { skip, cut } => {
                self.reader.begin(skip, cut);
                self.reading = true;
            }
            Action::StopReading => {
                self.reader.stop();
                (self.reading, self.stopping) = (true, true);
            }
            Action::Split(key) => self.split(key),
            Action::Send { request, call } => self.send(request, call),
            Action::Deliver(key) => {
                if let Some(waiting) = self.results.remove(&key) {
                    let mut state = self.shared.lock();
                    state.outbox.push_back(waiting);
                    state.wake_consumer();
                }
            }
            Action::Forget(key) => {
                self.chunks.remove(&key);
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

    fn send(&mut self, request: RequestId, call: Call) {
        let op = call.op();
        let batch = self.batch.clone().unwrap_or_default();
        let requests = self.requests.clone();
        let run = self.run;
        let create = self.create.clone();
        let chunks = match &call {
            Call::Push(keys) => keys
                .iter()
                .filter_map(|key| self.on_the_wire(*key))
                .collect(),
            _ => Vec::new(),
        };
        self.flights.push(Box::pin(async move {
            let mut status = None;
            let outcome = match call {
                Call::Create => match create {
                    Some(create) => requests.create(create).await,
                    None => Err(Error::state("the run has no service to create a batch for")),
                },
                Call::Push(_) => requests.push(batch, chunks).await.map(|told| {
                    status = Some(told);
                    Brought::Nothing
                }),
                Call::Status => requests.status(batch).await.map(|told| {
                    status = Some(told);
                    Brought::Nothing
                }),
                Call::Pull(max) => requests.pull(batch, max, run).await.map(|(brought, told)| {
                    status = told;
                    brought
                }),
                Call::Close => requests
                    .end(batch, BatchTransition::Closed)
                    .await
                    .map(|_| Brought::Nothing),
                Call::Cancel => requests
                    .end(batch, BatchTransition::Cancelled)
                    .await
                    .map(|_| Brought::Nothing),
            };
            Answer {
                request,
                op,
                status,
                outcome,
            }
        }));
    }

    /// The chunk under the id that it has in this run.
    fn on_the_wire(&self, key: Key) -> Option<Chunk> {
        let chunk = self.chunks.get(&key)?.clone();
        let id = self.run.mint(key, chunk.records()).to_string();
        Some(chunk.with_id(id))
    }

    fn take_in(&mut self, answer: Answer) {
        let Answer {
            request,
            op,
            status,
            outcome,
        } = answer;
        if let (Some(pipeline), Some(status)) = (&self.pipeline, &status) {
            pipeline.learn(status.batch_status.as_ref());
        }
        let facts = status.as_ref().map(facts);
        let outcome = match outcome {
            Ok(Brought::Nothing) => Ok(Reply::Done),
            Ok(Brought::Batch(id)) => {
                log::created(&id);
                self.batch = Some(Arc::from(id.as_str()));
                self.shared.lock().batches.push(id);
                Ok(Reply::Done)
            }
            Ok(Brought::Results { ours, foreign }) => {
                let mut results = Vec::with_capacity(ours.len());
                for (pulled, result) in ours {
                    if self.shared.lock().machine.wants(&pulled) {
                        self.keep(pulled.key, pulled.records, result);
                    }
                    results.push(pulled);
                }
                Ok(Reply::Pulled { results, foreign })
            }
            Err(error) => {
                let failure = failure(op, &error);
                log::failed(&error);
                self.errors.insert(op, error);
                Err(failure)
            }
        };
        self.handle(Event::Answered {
            request,
            facts,
            outcome,
        });
    }

    fn keep(&mut self, key: Key, records: u64, result: RawResult) {
        let wire_id = || self.run.mint(key, records).to_string();
        let chunk = self
            .chunks
            .remove(&key)
            .filter(|_| self.reader.has_own_ids());
        let chunk_id = chunk.map_or_else(wire_id, |chunk| chunk.id().to_owned());
        self.results.insert(
            key,
            Waiting {
                key,
                records,
                chunk_id,
                result,
            },
        );
    }

    /// Reads on; true if something came of it.
    fn read(&mut self, cx: &mut Context<'_>) -> bool {
        let Poll::Ready(read) = self.reader.poll_chunk(cx) else {
            return false;
        };
        self.reading = self.stopping && read.is_some();
        let event = match read {
            Some(Ok(chunk)) => {
                let (records, bytes) = (chunk.records(), chunk.wire_bytes());
                let mut state = self.shared.lock();
                self.chunks.insert(state.machine.next_record(), chunk);
                state
                    .machine
                    .handle(self.shared.now(), Event::Read { records, bytes });
                return true;
            }
            Some(Err(error)) => {
                self.source_error = Some(error);
                self.reading = false;
                Event::SourceFailed
            }
            None => Event::SourceEnded,
        };
        self.handle(event);
        true
    }

    fn sleep(&mut self, wake: Option<Time>, cx: &mut Context<'_>) -> bool {
        let Some(at) = wake.and_then(|wake| self.shared.started.checked_add(wake)) else {
            return false;
        };
        if self.sleep.deadline() != at {
            self.sleep.as_mut().reset(at);
        }
        self.sleep.as_mut().poll(cx).is_ready()
    }

    fn end(&mut self) {
        let batch = self.batch.as_deref();
        let mut state = self.shared.lock();
        let account = state.machine.account();
        if let (Some(pipeline), true) = (&self.pipeline, account.closed) {
            pipeline.learn(Some(&ending::status(account)));
        }
        let error = ending::error(account, batch, &self.errors, self.source_error.take());
        log::ended(account, batch);
        state.error = error;
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let mut reads = 0;
        loop {
            let wake = match this.act() {
                Next::Over => {
                    this.end();
                    return Poll::Ready(());
                }
                Next::Wait(wake) => wake,
                Next::Do(_) => continue,
            };
            if let Poll::Ready(Some(answer)) = this.flights.poll_next_unpin(cx) {
                this.take_in(answer);
                continue;
            }
            if this.reading && reads < READS && this.read(cx) {
                reads += 1;
                continue;
            }
            if this.sleep(wake, cx) {
                continue;
            }
            this.shared.report();
            if reads >= READS {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if !this.shared.lock().take_changed(cx.waker()) {
                return Poll::Pending;
            }
        }
    }
}

impl Drop for Driver {
    /// However the driver ends, also by a panic in the caller's iterator: nobody waits for it for ever.
    fn drop(&mut self) {
        // Before the consumer learns of the end, so that it finds the final progress then.
        self.shared.report();
        let mut state = self.shared.lock();
        state.over = true;
        state.ended_at = Some(self.shared.now());
        if state.machine.account().ending.is_none() && std::thread::panicking() {
            let error = Error::new(
                ErrorKind::Unfinished,
                "the run's task panicked, perhaps in the source of the records",
            );
            state.error = Some(match &self.batch {
                Some(batch) => error.with_batch(&**batch),
                None => error,
            });
        }
        state.wake_consumer();
    }
}

/// What the run itself tells to logs; requests tell of themselves.
mod log {
    use super::super::machine::Account;
    use crate::error::Error;

    pub(super) fn created(batch: &str) {
        tracing::info!(cspark.batch.id = batch, "run has a new batch");
    }

    pub(super) fn failed(error: &Error) {
        tracing::debug!(error = %error, "a request of the run failed");
    }

    pub(super) fn ended(account: &Account, batch: Option<&str>) {
        tracing::info!(
            cspark.batch.id = batch,
            cspark.batch.closed = account.closed,
            cspark.records.delivered = account.delivered.records,
            cspark.resubmissions = account.resubmissions,
            ending = ?account.ending,
            "run is over"
        );
    }
}
