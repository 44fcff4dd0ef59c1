//! The decisions of a run, without IO, clock or payloads.
//!
//! The driver reports what happened ([`Machine::handle`]) and asks what to do ([`Machine::next`])
//! until there is nothing to do but wait. The machine knows chunks by their first record and their
//! sizes; the driver keeps the bytes.
//!
//! ```text
//!               input finished, an error, cancel              closed, or given up
//!   Running ──────────────────────────────────────► Ending ───────────────────────► Over
//!   (batch: see `batch`, chunks: see `chunks`)      (the batch is closed)
//! ```
//!
//! | question | file |
//! | --- | --- |
//! | what may be read, and where does a chunk end | `input` |
//! | what is the state of each chunk, how much memory is in use | `chunks` |
//! | what fits into the service's buffers | `buffers` |
//! | what may be pushed, and what became of a push | `push`, `counts` |
//! | when to pull, and which results are missing | `pull`, `polling` |
//! | what proves that the service has nothing left | `evidence` |
//! | when is a batch created, left, closed | `batch` |
//! | which request works, when to retry, when to give up | `requests` |
//! | has the service stopped | `stall` |
//! | what may be delivered | `delivery` |
//! | what does a new process need | `position`, `chunk_id` |
//!
//! # Every run ends
//!
//! Let a *step* be whatever starts the clock of progress anew: a chunk or a bad record that is
//! read, the end of the source, an accepted push, a wanted result, chunks that are to be pushed
//! again, a batch that is opened, emptied or left, or a rise in the service's count of completed
//! chunks or records, counted at most once for each chunk or record that it accepted. Each chunk
//! allows a bounded number of steps: it is pushed at most `1 + resubmissions` times for a missing
//! result, and once more for each push without a response and for each batch that is left with it;
//! batches that give no result are replaced at most until the outage limit. Between two steps,
//! whatever the service does:
//!
//! - A push or a creation that fails is repeated until the outage limit; then the run ends. So is
//!   a pull, but a batch that is over and refuses its pulls is left instead. A status is not
//!   needed, and its failures end nothing.
//! - Otherwise the clock of progress strikes at the latest `stall_limit + outage_limit` after the
//!   last step (see [`stall`]), and when it strikes, the run ends, or chunks that may be lost are
//!   pushed again, or a closed batch is left; no request is sent before the ones in flight have
//!   ended, which the client's own time limit sees to.
//! - A run that ends sends at most four requests to close its batch that are refused and four that
//!   fail otherwise; if all work is done, it repeats the latter until the outage limit. After one
//!   that is refused, it asks for the status; if that fails, too, the refusal does not count. It
//!   waits for no `Retry-After` that is longer.
//!
//! Time in which only the consumer, the source or a pause holds up the run does not count.

mod batch;
mod buffers;
mod chunk_id;
mod chunks;
mod counts;
mod delivery;
mod event;
mod evidence;
mod input;
mod polling;
mod position;
mod pull;
mod push;
mod requests;
mod settings;
mod stall;
#[cfg(test)]
mod tests;
mod totals;

use std::collections::VecDeque;

pub(crate) use self::chunk_id::RunId;
pub(crate) use self::event::{
    Action, BatchState, Cut, Ending, Event, FailedRecords, Failure, FailureKind, Key, Next,
    Observation, PulledChunk, Reason, Reply, Request, RequestId, RequestKind, Time,
};
pub(crate) use self::position::Position;
pub use self::settings::AfterError;
pub(crate) use self::settings::{Order, Settings};
pub(crate) use self::totals::Totals;
pub use self::totals::{Count, RequestCounts};

use self::batch::{Batch, Fruitless, Origin, Slot};
use self::chunks::ChunkTable;
use self::delivery::Delivery;
use self::input::{Input, SourceState};
use self::requests::Requests;
use self::stall::ProgressClock;

/// Where the run as a whole is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Phase {
    Running,
    /// The end is decided; the batch is being closed or cancelled, unless it is to be left open.
    Ending(Ending, AfterError),
    Over(Ending),
}

/// What was decided on the way, and when to look again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Agenda {
    actions: VecDeque<Action>,
    wake: Option<Time>,
}

impl Agenda {
    fn act(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    fn wake_at(&mut self, at: Time) {
        self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
    }
}

/// The sizes of chunks and results lately, and the limits learned from refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Sizes {
    /// Bytes of the largest chunk.
    chunk: u64,
    /// Bytes of the largest result.
    result: Option<u64>,
    /// Bytes after which a push takes no further chunk.
    push_limit: u64,
    /// Chunks in one pull.
    pull_limit: u32,
}

/// The state of a run.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    settings: Settings,
    run: RunId,
    phase: Phase,
    paused: bool,
    input: Input,
    chunks: ChunkTable,
    delivery: Delivery,
    slot: Slot,
    fruitless: Fruitless,
    requests: Requests,
    progress: ProgressClock,
    sizes: Sizes,
    agenda: Agenda,
    totals: Totals,
}

impl Machine {
    /// A new run; with `open`, on a batch that exists.
    pub(crate) fn new(settings: Settings, run: RunId, open: bool) -> Self {
        Self::with_batch(settings, run, open.then_some(Origin::HandedIn))
    }

    fn with_batch(settings: Settings, run: RunId, batch: Option<Origin>) -> Self {
        let settings = settings.bounded();
        Self {
            run,
            phase: Phase::Running,
            paused: false,
            input: Input::default(),
            chunks: ChunkTable::default(),
            delivery: Delivery::default(),
            slot: batch.map_or(Slot::Vacant, |origin| {
                Slot::Live(Box::new(Batch::new(origin, &settings)))
            }),
            fruitless: Fruitless::default(),
            requests: Requests::new(run.seed()),
            progress: ProgressClock::default(),
            sizes: Sizes {
                chunk: 0,
                result: None,
                push_limit: settings.push_bytes,
                pull_limit: settings.pull_chunks,
            },
            agenda: Agenda::default(),
            totals: Totals {
                batches: u64::from(batch.is_some()),
                ..Totals::default()
            },
            settings,
        }
    }

    /// A run that continues where another stopped. With `open`, the other's batch may still live:
    /// it is emptied before anything is pushed, because what is in it need not be computed again.
    /// `source_at` is the number of the first record that the source will give. `other` is a run id
    /// that was never used.
    pub(crate) fn resume(
        settings: Settings,
        position: &Position,
        open: bool,
        source_at: u64,
        other: RunId,
    ) -> Self {
        // Results without their inputs are of no use then: what the run before pushed is computed
        // anew, under ids that no batch knows.
        let run = match settings.needs_inputs {
            true => other,
            false => position.run,
        };
        let mut machine = Self::with_batch(settings, run, open.then_some(Origin::Unemptied));
        let done = position.done();
        machine.input = Input::resumed(source_at, done.clone(), position.cuts());
        machine.delivery = Delivery::resumed(done);
        machine
    }

    /// What to do next. Ask again after each action, after each event, and when the time to wait
    /// is over.
    pub(crate) fn next(&mut self, now: Time) -> Next {
        if let Some(wake) = self.agenda.wake.take() {
            // It is later than when the driver was to ask again: the computer was suspended, or
            // the thread was busy. Nobody looked at the service in that time.
            let late = now.saturating_sub(wake);
            self.progress.resumed_late(now, late);
            self.requests.resumed_late(now, late);
        }
        if let Some(action) = self.decide(now) {
            return Next::Do(action);
        }
        match self.phase {
            Phase::Over(_) => Next::Over,
            _ => Next::Wait(self.agenda.wake.map(|at| at.max(now))),
        }
    }

    fn decide(&mut self, now: Time) -> Option<Action> {
        self.offer();
        if let Some(action) = self.agenda.actions.pop_front() {
            return Some(action);
        }
        let mut action = None;
        if self.phase == Phase::Running {
            self.leave_when_empty(now);
            self.repair(now);
            let struck = self.watch_for_stall(now);
            self.complete();
            if self.phase == Phase::Running && !struck {
                action = self
                    .next_create(now)
                    .or_else(|| self.next_retire(now))
                    .or_else(|| self.next_push(now))
                    .or_else(|| self.next_pull(now))
                    .or_else(|| self.next_status(now))
                    .or_else(|| self.next_read());
            }
        }
        if let (None, Phase::Ending(ending, close)) = (&action, self.phase) {
            action = self.next_close(now, ending, close);
        }
        // What was decided on the way comes first.
        self.agenda.actions.extend(action);
        self.agenda.actions.pop_front()
    }

    /// Takes in what happened.
    pub(crate) fn handle(&mut self, now: Time, event: Event) {
        match event {
            Event::Read {
                records,
                bytes,
                ahead,
            } => self.read_chunk(now, records, bytes, ahead),
            Event::Rejected => self.read_rejected(now),
            Event::SourceEnded => self.source_ended(now),
            Event::SourceFailed { record } => self.source_failed(now, record),
            Event::Split { key, parts } => self.split_chunk(key, &parts),
            Event::Response {
                request,
                observation,
                outcome,
            } => self.responded(now, request, observation, outcome),
            Event::Taken { key, failed } => self.taken(now, key, failed),
            Event::Pause => self.paused = true,
            Event::Unpause => {
                if std::mem::take(&mut self.paused) {
                    self.progress.reset(now);
                }
            }
            Event::Finish => self.stop_reading(),
            Event::Cancel => self.cancel(),
        }
    }

    fn responded(
        &mut self,
        now: Time,
        id: RequestId,
        observation: Option<Observation>,
        outcome: Result<Reply, Failure>,
    ) {
        let Some(flight) = self.requests.finish(id) else {
            return;
        };
        if outcome.is_ok() {
            self.requests.succeeded(&flight);
        }
        match (&flight.request, outcome) {
            (Request::Create, Ok(_)) => self.created(now),
            (Request::Create, Err(failure)) => self.create_failed(now, failure),
            (Request::Push(keys), Ok(_)) => self.push_accepted(now, id, keys),
            (Request::Push(keys), Err(failure)) => self.push_failed(now, id, keys, failure),
            (Request::Pull(_), Ok(Reply::Pulled { results, foreign })) => {
                return self.pulled(now, id, &flight, (&results, foreign), observation.as_ref());
            }
            (Request::Pull(_), Ok(Reply::Done)) => {
                return self.pulled(now, id, &flight, (&[], 0), observation.as_ref());
            }
            (&Request::Pull(max), Err(failure)) => self.pull_failed(now, max, failure),
            (Request::Status, Ok(_)) => {
                return self.observe(now, id, &flight, &observation.unwrap_or_default());
            }
            (Request::Status, Err(failure)) => self.status_failed(now, failure),
            (Request::Close | Request::Cancel, outcome) => self.close_ended(now, outcome.err()),
        }
        if let Some(observation) = observation {
            self.observe(now, id, &flight, &observation);
        }
    }

    // Requests

    /// Issues a request.
    fn send(&mut self, now: Time, request: Request) -> Action {
        self.totals.requests.add(request.kind());
        let id = self.requests.issue(now, request.clone());
        Action::Send { id, request }
    }

    /// Whether a request of this kind may be sent; if not yet, the machine wakes up when it may.
    fn may_send(&mut self, now: Time, kind: RequestKind) -> bool {
        let at = self.requests.not_before(kind);
        if at > now {
            self.agenda.wake_at(at);
        }
        at <= now
    }

    /// A request failed that the run cannot do without.
    fn request_failed(&mut self, now: Time, kind: RequestKind, failure: Failure) {
        match failure.kind {
            FailureKind::Fatal => self.end(Ending::Denied(kind)),
            FailureKind::Gone if kind == RequestKind::Create => self.end(Ending::NotFound(kind)),
            FailureKind::Gone => self.batch_is_gone(kind),
            _ => match self.note_failure(now, kind, failure) {
                None => {}
                Some(_) if self.is_batch_over(kind, failure) => {}
                Some(ending) => self.end(ending),
            },
        }
    }

    /// Counts a failure. Returns how the run would end, if it has failed for too long.
    fn note_failure(&mut self, now: Time, kind: RequestKind, failure: Failure) -> Option<Ending> {
        // The service asks the tenant to slow down, not only requests of this kind. A status that
        // never works may not say so.
        if let Some(wait) = failure.retry_after
            && failure.kind == FailureKind::Busy
            && !matches!(kind, RequestKind::Push | RequestKind::Status)
            && wait <= self.settings.outage
            && self.phase == Phase::Running
        {
            self.requests.delay_all(now + wait);
        }
        self.requests.failed(now, kind, failure, &self.settings)
    }

    // The end

    fn complete(&mut self) {
        let emptying = self.batch().is_some_and(Batch::is_emptying);
        if let SourceState::Ended(ending) = self.input.source
            && self.chunks.unfinished() == 0
            && !emptying
        {
            self.end(ending);
        }
    }

    fn end(&mut self, ending: Ending) {
        if self.phase != Phase::Running {
            return;
        }
        let close = match ending {
            Ending::Complete => AfterError::Close,
            Ending::Cancelled => AfterError::Cancel,
            _ => self.settings.after_error,
        };
        self.phase = Phase::Ending(ending, close);
        self.requests.end_delays();
        if let Some(batch) = self.batch_mut() {
            batch.status_wanted = false;
        }
    }

    fn cancel(&mut self) {
        if let Phase::Ending(ending, _) = self.phase {
            // The run waits for nothing but the close of its batch. What was tried is enough.
            if self.requests.is_failing(RequestKind::End) {
                self.phase = Phase::Ending(ending, AfterError::Leave);
            }
        }
        self.end(Ending::Cancelled);
    }

    fn over(&mut self, ending: Ending) {
        self.phase = Phase::Over(ending);
        self.totals.ending = Some(ending);
        self.list_unfinished(ending);
        self.offer();
    }

    // What others may know

    /// Mints and reads the ids of the chunks.
    pub(crate) fn run_id(&self) -> RunId {
        self.run
    }

    /// The totals of the run; complete once the run is over and its results are taken.
    pub(crate) fn totals(&self) -> &Totals {
        &self.totals
    }

    /// The latest observation of the batch.
    pub(crate) fn latest(&self) -> Observation {
        self.batch()
            .map(|batch| *batch.latest())
            .unwrap_or_default()
    }

    /// Whether there is a batch that another process could continue with.
    pub(crate) fn has_batch(&self) -> bool {
        self.batch().is_some_and(Batch::can_be_pulled)
    }

    /// The number of the next record that the source gives.
    pub(crate) fn next_record(&self) -> u64 {
        self.input.next_record
    }

    /// The number of the first record that was not delivered.
    pub(crate) fn first_open(&self) -> u64 {
        delivery::first_open(&self.delivery.done)
    }

    /// Where the run is, for a new process to continue from.
    pub(crate) fn position(&self) -> Position {
        let done = &self.delivery.done;
        let known = self
            .input
            .open_cuts()
            .filter(|&(key, records, _)| !done.overlaps(&(key..key + records)));
        let read = self
            .chunks
            .iter()
            .map(|(key, chunk)| (key, chunk.records, chunk.may_have_been_accepted()));
        Position::new(self.run, done, known.chain(read))
    }

    /// The same state with other times and numbers of requests, and no totals: states that differ
    /// only in these are one for a model check.
    #[cfg(test)]
    fn shift(&mut self, shift: &tests::shift::Shift) {
        self.chunks.shift(shift);
        self.slot.shift(shift);
        self.fruitless.shift(shift);
        self.requests.shift(shift);
        self.progress.shift(shift);
        self.agenda.wake.iter_mut().for_each(|at| shift.time(at));
        self.totals = Totals {
            batches: self.totals.batches,
            left_open: std::mem::take(&mut self.totals.left_open),
            unfinished: std::mem::take(&mut self.totals.unfinished),
            ending: self.totals.ending,
            ..Totals::default()
        };
    }

    // Memory

    /// Bytes of the memory budget in use: encoded chunks, results, and what reads and pulls in
    /// progress may bring.
    pub(crate) fn memory_in_use(&self) -> u64 {
        let reading = match self.input.source {
            SourceState::Reading | SourceState::Stopping => self.sizes.chunk,
            _ => 0,
        };
        let pulling = self
            .requests
            .chunks_asked_for()
            .saturating_mul(self.pull_cost());
        self.chunks.charged() + self.chunks.pushing_bytes() + reading + pulling
    }

    /// Bytes that one pulled chunk takes for a moment: in the response, and taken out of it.
    fn pull_cost(&self) -> u64 {
        self.expected_result().saturating_mul(2)
    }

    /// Bytes that a result will hardly exceed.
    fn expected_result(&self) -> u64 {
        self.sizes.result.unwrap_or(self.sizes.chunk)
    }
}

/// The largest of the latest sizes: follows a larger one at once, a smaller one slowly.
fn latest_largest(before: u64, size: u64) -> u64 {
    size.max(before - before / 16)
}
