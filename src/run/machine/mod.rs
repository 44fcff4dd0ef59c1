//! The decisions of a run, without IO, clock or payloads.
//!
//! The driver tells what happened ([`Machine::handle`]) and asks what to do ([`Machine::next`]) until there is nothing to do but wait. Chunks are
//! known by their first record and their sizes; the driver keeps the bytes.
//!
//! | question | file |
//! | --- | --- |
//! | where does each chunk stand, how much memory is in use | `ledger` |
//! | what fits into the service's buffers | `buffers` |
//! | was a push taken whose answer was lost | `counters` |
//! | is anything left at the service, or is what is missing lost | `drain` |
//! | how long to wait between polls | `pace` |
//! | how long to hold back after a failure, when to give up | `trouble` |
//! | what a new process needs | `checkpoint`, `id` |
//! | what to do with an event | `answers` |
//! | what to do next | `decide` |

mod answers;
mod buffers;
mod checkpoint;
mod counters;
mod decide;
mod drain;
mod event;
mod id;
mod ledger;
mod pace;
mod ranges;
mod settings;
mod summary;
#[cfg(test)]
mod tests;
mod trouble;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

pub(crate) use self::checkpoint::Position;
pub(crate) use self::event::{
    Action, BatchState, Call, Cut, Ending, Event, Facts, Failure, Key, Next, Op, Pulled, Reason,
    Reply, RequestId, Time, What,
};
pub(crate) use self::id::RunId;
pub use self::settings::AfterError;
pub(crate) use self::settings::{Order, Settings};
pub(crate) use self::summary::Account;
pub use self::summary::{Count, Requests};

use self::buffers::Buffers;
use self::counters::Counters;
use self::drain::Drain;
use self::ledger::{Chunk, Ledger, State};
use self::pace::Pace;
use self::ranges::Ranges;
use self::trouble::Trouble;

/// Where the run stands as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    /// The end is decided; the batch is being closed or cancelled.
    Ending(Ending, Option<Cleanup>),
    Over(Ending),
}

/// The last request of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cleanup {
    Close,
    Cancel,
}

/// Where the batch stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Batch {
    None,
    Creating,
    Open,
    /// Takes no more pushes; results are pulled as long as there are any.
    Draining(Left),
    /// Closed by us, because only a new one can compute what this one lost.
    Retiring,
    /// Left, and no other may follow.
    Dead(Ending),
}

/// Why a batch takes no more pushes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    TimedOut,
    ClosedElsewhere,
    Gone,
}

/// Where the source stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Idle,
    /// A read is under way; `stopping` says that it was told to come to an end.
    Reading {
        stopping: bool,
    },
    Ended {
        failed: bool,
    },
}

/// A request that has no answer yet.
#[derive(Clone, Debug)]
struct Flight {
    call: Call,
    issued: Time,
    /// No push was under way when it was issued.
    quiet: bool,
    /// Pushes issued before it.
    pushes_before: u64,
}

/// A push was refused; the next answer about the buffers tells why.
#[derive(Clone, Debug)]
struct Verdict {
    /// Answers to requests from this one on count.
    from: RequestId,
    chunks: Vec<Key>,
    bytes: u64,
    failure: Failure,
}

/// The state of a run.
#[derive(Debug)]
pub(crate) struct Machine {
    settings: Settings,
    run: RunId,
    phase: Phase,
    paused: bool,
    out: VecDeque<Action>,
    wake: Option<Time>,

    source: Source,
    /// The first record that the source has not given.
    next_record: u64,
    /// The first record beyond what a read under way may give.
    read_until: u64,
    /// Records beyond `next_record` that need not be read.
    covered: Ranges,
    /// Cuts of the run that this one resumes.
    cuts: BTreeMap<Key, (u64, bool)>,
    /// The batch of the run that this one resumes still has to be emptied.
    resuming: bool,
    /// The batch is that of the run that this one resumes.
    resumed: bool,
    /// Records delivered.
    done: Ranges,
    /// Records of chunks that came to no result.
    given_up: Ranges,
    /// In input order: the next record to deliver.
    next_delivery: u64,

    ledger: Ledger,
    /// Bytes of the largest chunks and results lately.
    chunk_size: u64,
    result_size: Option<u64>,

    batch: Batch,
    /// Batches in a row that the service closed before any result came from them.
    fruitless: u32,
    /// When the first of them was left.
    fruitless_since: Option<Time>,
    /// A result came from this batch.
    fruitful: bool,
    latest: Facts,
    latest_from: RequestId,
    buffers: Buffers,
    counters: Counters,
    drain: Drain,
    pace: Pace,
    trouble: Trouble,

    flights: BTreeMap<RequestId, Flight>,
    next_request: RequestId,
    pushes_issued: u64,
    doubt_since: Time,
    verdict: Option<Verdict>,
    want_status: bool,
    /// When the last pull ended, and whether it left results to be pulled at once.
    polled_at: Time,
    poll_now: bool,
    pull_limit: u32,
    /// Bytes after which a push takes no further chunk.
    push_limit: u64,
    /// A lost answer may have carried results away.
    loss_suspected: bool,
    last_contact: Time,
    progress_at: Time,
    /// Only the service keeps the run from getting on.
    watching: bool,
    cleanups: u32,
    cleanup_failed: bool,
    account: Account,
}

impl Machine {
    /// A new run. `open` says that there is a batch already.
    pub(crate) fn new(settings: Settings, run: RunId, open: bool) -> Self {
        let settings = settings.bounded();
        let (min, max) = (settings.poll_min, settings.poll_max);
        Self {
            phase: Phase::Running,
            paused: false,
            out: VecDeque::new(),
            wake: None,
            source: Source::Idle,
            next_record: 0,
            read_until: 0,
            covered: Ranges::default(),
            cuts: BTreeMap::new(),
            resuming: false,
            resumed: false,
            done: Ranges::default(),
            given_up: Ranges::default(),
            next_delivery: 0,
            ledger: Ledger::default(),
            chunk_size: 0,
            result_size: None,
            batch: if open { Batch::Open } else { Batch::None },
            fruitless: 0,
            fruitless_since: None,
            fruitful: false,
            latest: Facts::default(),
            latest_from: 0,
            buffers: Buffers::default(),
            counters: Counters::default(),
            drain: Drain::default(),
            pace: Pace::new(min, max),
            trouble: Trouble::new(run.seed()),
            flights: BTreeMap::new(),
            next_request: 1,
            pushes_issued: 0,
            doubt_since: Time::ZERO,
            verdict: None,
            want_status: open,
            polled_at: Time::ZERO,
            poll_now: open,
            push_limit: settings.push_bytes,
            pull_limit: settings.pull_chunks.max(1),
            loss_suspected: false,
            last_contact: Time::ZERO,
            progress_at: Time::ZERO,
            watching: false,
            cleanups: 0,
            cleanup_failed: false,
            account: Account {
                batches: u64::from(open),
                closed: !open,
                ..Account::default()
            },
            settings,
            run,
        }
    }

    /// A run that goes on where another stopped. `open` says that the other's batch may still live; it is emptied before
    /// anything is pushed, because what is in it need not be computed again. `source_at` is the number of the first record
    /// that the source will give.
    pub(crate) fn resume(
        settings: Settings,
        position: &Position,
        open: bool,
        source_at: u64,
    ) -> Self {
        let mut machine = Self::new(settings, position.run, open);
        machine.cuts = position.cuts();
        machine.done = position
            .done
            .iter()
            .map(|&(start, end)| start..end)
            .collect();
        machine.covered = machine.done.clone();
        machine.next_delivery = machine.done.first_gap();
        (machine.resuming, machine.resumed) = (open, open);
        (machine.next_record, machine.read_until) = (source_at, source_at);
        machine
    }

    /// What to do next. Ask again after each action, after each event and when the waiting time is over.
    pub(crate) fn next(&mut self, now: Time) -> Next {
        if let Some(wake) = self.wake.take() {
            self.woken(now, now.saturating_sub(wake));
        }
        if let Some(action) = self.decide(now) {
            return Next::Do(action);
        }
        match self.phase {
            Phase::Over(_) => Next::Over,
            _ => Next::Wait(self.wake.map(|at| at.max(now))),
        }
    }

    /// It is later by this much than when the driver was to ask again: the computer was suspended, or the thread busy with
    /// something else. Nobody looked at the service in that time, so it counts neither as a stall nor as an outage.
    fn woken(&mut self, now: Time, late: Duration) {
        self.progress_at = now.min(self.progress_at + late);
        self.trouble.woken(now, late);
    }

    /// Mints and reads the ids of the chunks.
    pub(crate) fn run_id(&self) -> RunId {
        self.run
    }

    /// Whether this is the result of a chunk that has none yet: the driver keeps it only then.
    pub(crate) fn wants(&self, result: &Pulled) -> bool {
        let range = result.key..result.key.saturating_add(result.records);
        match self.ledger.get(result.key) {
            Some(chunk) => {
                chunk.records == result.records
                    && !matches!(chunk.state(), State::Held | State::Offered)
            }
            // A result of the run that this one resumes, of records that have not been read here.
            None => {
                range.start >= self.read_until
                    && range.start < range.end
                    && !self.done.overlaps(&range)
                    && !self.covered.overlaps(&range)
            }
        }
    }

    /// The counts of the run; complete once the run is over and its results are taken.
    pub(crate) fn account(&self) -> &Account {
        &self.account
    }

    /// Bytes of the memory budget in use: encoded chunks, results, and what reads and pulls under way may bring.
    pub(crate) fn memory_in_use(&self) -> u64 {
        let reading = if matches!(self.source, Source::Reading { .. }) {
            self.chunk_size
        } else {
            0
        };
        self.ledger.charged() + self.ledger.pushing_bytes() + reading + self.pulling()
    }

    /// The latest facts that the service told.
    pub(crate) fn latest(&self) -> &Facts {
        &self.latest
    }

    /// Whether there is a batch that another process could go on with.
    pub(crate) fn has_batch(&self) -> bool {
        matches!(
            self.batch,
            Batch::Open | Batch::Draining(Left::TimedOut | Left::ClosedElsewhere)
        )
    }

    /// The number of the next record that the source gives.
    pub(crate) fn next_record(&self) -> u64 {
        self.next_record
    }

    /// Where the run stands, for a new process to go on from.
    pub(crate) fn position(&self) -> Position {
        let done = self
            .done
            .iter()
            .map(|range| (range.start, range.end))
            .collect();
        let mut position = Position {
            run: self.run,
            done,
            chunks: Vec::new(),
        };
        // Results of the run before may lie beyond what was read here, so the two lists overlap.
        let read = self.next_record;
        let mut cuts: BTreeMap<_, _> = self
            .cuts
            .range(read..)
            .map(|(&key, &cut)| (key, cut))
            .collect();
        cuts.retain(|&key, &mut (records, _)| !self.done.overlaps(&(key..key + records)));
        cuts.extend(
            self.ledger
                .iter()
                .map(|(key, chunk)| (key, (chunk.records, chunk.sent))),
        );
        for (key, (records, sent)) in cuts {
            position.cut(key, records, sent);
        }
        position
    }

    fn flights_of(&self, op: Op) -> impl Iterator<Item = &Flight> {
        self.flights
            .values()
            .filter(move |flight| flight.call.op() == op)
    }

    fn in_flight(&self, op: Op) -> usize {
        self.flights_of(op).count()
    }

    /// The most chunks that the pulls in flight may bring.
    fn chunks_asked_for(&self) -> u64 {
        let asked = |flight: &Flight| match flight.call {
            Call::Pull(max) => u64::from(max),
            _ => 0,
        };
        self.flights_of(Op::Pull).map(asked).sum()
    }

    /// Bytes that the pulls in flight may bring.
    fn pulling(&self) -> u64 {
        self.chunks_asked_for().saturating_mul(self.pull_cost())
    }

    /// Bytes that one pulled chunk takes for a moment: in the answer, and taken out of it.
    fn pull_cost(&self) -> u64 {
        self.expected_result().saturating_mul(2)
    }

    /// Bytes that a result will hardly exceed.
    fn expected_result(&self) -> u64 {
        self.result_size.unwrap_or(self.chunk_size)
    }

    fn wake_at(&mut self, at: Time) {
        self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
    }
}

/// The largest of the latest sizes: follows a larger one at once, a smaller one slowly.
fn latest_largest(before: u64, size: u64) -> u64 {
    size.max(before - before / 16)
}
