//! The table of chunks: the state of each one, and the memory that all of them take.
//!
//! ```text
//!                 split            counters: not accepted, or they do not tell
//!            ┌─────────────┐   ┌──────────────────────────────┐
//!            ▼             │   ▼                              │
//! read ──► Ready ──► Splitting │        no response           │
//!          │ │  ▲              └─────────────────────── InDoubt
//!  refused │ │  └───────────────┐ refused, not sent      ▲  │
//! as known │ ▼                  │                        │  │ a result, or the counters
//!          │ Pushing ───────────┴────────────────────────┘  │
//!          │ │ accepted                                     │
//!          ▼ ▼                                              │
//!        AtService ◄────────────────────────────────────────┘
//!            │    └── missing: to Ready again, for this batch or another
//!            ▼ its result is pulled
//!          Held ──► Offered ──► taken by the consumer
//! ```
//!
//! A result may also overtake the response to its push: then a chunk goes to `Held` from `Pushing`,
//! from `InDoubt`, or from `Ready` if it is about to be pushed again.

use std::collections::{BTreeMap, BTreeSet};

use super::event::{Key, RequestId, Time};
#[cfg(test)]
use super::tests::shift::Shift;

/// The state of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum ChunkState {
    /// The driver encodes it anew, as two.
    Splitting,
    /// It waits to be pushed.
    Ready(Attempt),
    /// It is in a push that has no response yet.
    Pushing(Attempt),
    /// It is in this push, whose response was lost: the service may or may not have it.
    InDoubt(RequestId),
    /// The service accepted it.
    AtService {
        /// When it was known to be accepted.
        since: Time,
        /// Whether something may have lost its result.
        loss: Loss,
    },
    /// Its result is here, but may not be delivered yet.
    Held,
    /// Its result was handed to the consumer, who has not taken it yet.
    Offered,
}

/// How a chunk is pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Attempt {
    /// Whether the service may have it.
    pub(super) presence: Presence,
    /// How often it was refused alone, if a push with it was refused at all.
    refusals: Option<u32>,
}

impl Attempt {
    pub(super) const FIRST: Self = Self::new(Presence::Never);
    /// A repetition in the batch that may have the chunk.
    pub(super) const REPEAT: Self = Self::new(Presence::Possible);

    pub(super) const fn new(presence: Presence) -> Self {
        Self {
            presence,
            refusals: None,
        }
    }

    /// Whether it goes into a push of its own: then a refusal says something about this chunk.
    pub(super) fn is_alone(self) -> bool {
        self.presence == Presence::Possible || self.refusals.is_some()
    }

    /// Whether the service may compute the chunk a second time.
    pub(super) fn may_compute_twice(self) -> bool {
        matches!(self.presence, Presence::Possible | Presence::Elsewhere)
    }

    /// Whether the batch may have the chunk.
    pub(super) fn may_be_known(self) -> bool {
        matches!(self.presence, Presence::Possible | Presence::Denied)
    }

    /// The same after one more refusal, and how many there were alone.
    pub(super) fn refused(self, alone: bool) -> (Self, u32) {
        let count = self.refusals.map_or(0, |before| before + u32::from(alone));
        let refusals = Some(count);
        (Self { refusals, ..self }, count)
    }
}

/// Whether the service has a chunk that is to be pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Presence {
    /// It was not pushed, or surely not accepted.
    Never,
    /// This batch may have it.
    Possible,
    /// The batch's counters say that it does not have it.
    Denied,
    /// The batch does not, but another one may have computed it.
    Elsewhere,
}

/// Whether something may have lost the result of an accepted chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Loss {
    /// Nothing that the run has seen.
    Unexplained,
    /// A pull without a response may have carried it; or the chunk was pushed again, and the
    /// service may ignore that.
    Possible,
    /// The service refused the chunk as known.
    Known,
}

/// One chunk.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Chunk {
    pub(super) records: u64,
    /// Bytes of the encoding.
    pub(super) bytes: u64,
    /// Bytes of the memory budget that it takes now.
    charge: u64,
    state: ChunkState,
    /// How often it was pushed again because its result was missing.
    pub(super) resubmissions: u32,
    /// The same in this batch.
    pub(super) repairs: u32,
    /// Whether the totals count it as pushed.
    pub(super) counted: bool,
}

impl Chunk {
    pub(super) fn new(records: u64, bytes: u64, charge: u64, attempt: Attempt) -> Self {
        Self {
            records,
            bytes,
            charge,
            state: ChunkState::Ready(attempt),
            resubmissions: 0,
            repairs: 0,
            counted: false,
        }
    }

    pub(super) fn state(&self) -> ChunkState {
        self.state
    }

    /// Whether its result is here.
    pub(super) fn has_result(&self) -> bool {
        matches!(self.state, ChunkState::Held | ChunkState::Offered)
    }

    /// Whether the service may have it, or have had it.
    pub(super) fn may_have_been_accepted(&self) -> bool {
        match self.state {
            ChunkState::Ready(attempt) => attempt.presence != Presence::Never,
            ChunkState::Splitting => false,
            _ => true,
        }
    }
}

/// All chunks that were read and not yet taken by the consumer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct ChunkTable {
    chunks: BTreeMap<Key, Chunk>,
    /// The same chunks by the kind of their state.
    groups: [Group; 7],
    charged: u64,
}

/// The chunks in states of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Group {
    keys: BTreeSet<Key>,
    bytes: u64,
}

/// A state without what it carries.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Splitting,
    Ready,
    Pushing,
    InDoubt,
    AtService,
    Held,
    Offered,
}

impl ChunkState {
    fn kind(self) -> Kind {
        match self {
            Self::Splitting => Kind::Splitting,
            Self::Ready(_) => Kind::Ready,
            Self::Pushing(_) => Kind::Pushing,
            Self::InDoubt(_) => Kind::InDoubt,
            Self::AtService { .. } => Kind::AtService,
            Self::Held => Kind::Held,
            Self::Offered => Kind::Offered,
        }
    }
}

impl ChunkTable {
    pub(super) fn insert(&mut self, key: Key, chunk: Chunk) {
        self.remove(key);
        self.charged += chunk.charge;
        self.enter(key, chunk.state, chunk.bytes);
        self.chunks.insert(key, chunk);
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<Chunk> {
        let chunk = self.chunks.remove(&key)?;
        self.charged -= chunk.charge;
        self.leave(key, chunk.state, chunk.bytes);
        Some(chunk)
    }

    pub(super) fn get(&self, key: Key) -> Option<&Chunk> {
        self.chunks.get(&key)
    }

    /// For the counts of a chunk; its state and charge change through [`set`](Self::set) and
    /// [`arrived`](Self::arrived).
    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut Chunk> {
        self.chunks.get_mut(&key)
    }

    pub(super) fn state(&self, key: Key) -> Option<ChunkState> {
        self.chunks.get(&key).map(Chunk::state)
    }

    pub(super) fn set(&mut self, key: Key, state: ChunkState) {
        let Some(chunk) = self.chunks.get_mut(&key) else {
            return;
        };
        let old = std::mem::replace(&mut chunk.state, state);
        let bytes = chunk.bytes;
        self.leave(key, old, bytes);
        self.enter(key, state, bytes);
    }

    /// The result is here: it takes the place of the encoding.
    pub(super) fn arrived(&mut self, key: Key, bytes: u64) {
        if let Some(chunk) = self.chunks.get_mut(&key) {
            self.charged = self.charged - chunk.charge + bytes;
            chunk.charge = bytes;
            self.set(key, ChunkState::Held);
        }
    }

    fn enter(&mut self, key: Key, state: ChunkState, bytes: u64) {
        let group = &mut self.groups[state.kind() as usize];
        group.keys.insert(key);
        group.bytes += bytes;
    }

    fn leave(&mut self, key: Key, state: ChunkState, bytes: u64) {
        let group = &mut self.groups[state.kind() as usize];
        group.keys.remove(&key);
        group.bytes -= bytes;
    }

    fn of(&self, kind: Kind) -> &Group {
        &self.groups[kind as usize]
    }

    fn count(&self, kind: Kind) -> usize {
        self.of(kind).keys.len()
    }

    pub(super) fn len(&self) -> usize {
        self.chunks.len()
    }

    /// Bytes of the chunks that wait to be pushed.
    pub(super) fn ready_bytes(&self) -> u64 {
        self.of(Kind::Ready).bytes
    }

    /// Bytes of the chunks in pushes that have no response yet: the requests hold them once more.
    pub(super) fn pushing_bytes(&self) -> u64 {
        self.of(Kind::Pushing).bytes
    }

    /// Bytes of the memory budget in use.
    pub(super) fn charged(&self) -> u64 {
        self.charged
    }

    /// Chunks that the service has, or may have.
    pub(super) fn outstanding(&self) -> u64 {
        let kinds = [Kind::Pushing, Kind::InDoubt, Kind::AtService];
        kinds.map(|kind| self.count(kind) as u64).iter().sum()
    }

    /// Chunks without a result.
    pub(super) fn unfinished(&self) -> usize {
        self.chunks.len() - self.count(Kind::Held) - self.count(Kind::Offered)
    }

    pub(super) fn in_doubt(&self) -> usize {
        self.count(Kind::InDoubt)
    }

    pub(super) fn offered(&self) -> usize {
        self.count(Kind::Offered)
    }

    /// Whether a chunk waits to be pushed.
    pub(super) fn has_ready(&self) -> bool {
        self.count(Kind::Ready) > 0
    }

    /// The chunks that wait to be pushed and how, in the order of the input.
    pub(super) fn ready(&self) -> impl Iterator<Item = (Key, &Chunk, Attempt)> {
        self.of(Kind::Ready).keys.iter().filter_map(|key| {
            let chunk = self.chunks.get(key)?;
            match chunk.state {
                ChunkState::Ready(attempt) => Some((*key, chunk, attempt)),
                _ => None,
            }
        })
    }

    /// The first result that waits for its turn.
    pub(super) fn first_held(&self) -> Option<Key> {
        self.of(Kind::Held).keys.first().copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Key, &Chunk)> {
        self.chunks.iter().map(|(key, chunk)| (*key, chunk))
    }

    /// The keys of all chunks in a state that `is` accepts.
    pub(super) fn keys(&self, is: impl Fn(ChunkState) -> bool) -> Vec<Key> {
        self.iter()
            .filter(|(_, chunk)| is(chunk.state))
            .map(|(key, _)| key)
            .collect()
    }

    /// The chunks that the service accepted and that have no result.
    pub(super) fn at_service(&self) -> Vec<Key> {
        self.of(Kind::AtService).keys.iter().copied().collect()
    }

    /// The bytes of these chunks.
    pub(super) fn bytes_of(&self, keys: &[Key]) -> u64 {
        keys.iter()
            .filter_map(|&key| self.get(key))
            .map(|chunk| chunk.bytes)
            .sum()
    }

    /// Something happened that may have lost the result of any accepted chunk.
    pub(super) fn suspect_losses(&mut self) {
        for chunk in self.chunks.values_mut() {
            if let ChunkState::AtService {
                loss: loss @ Loss::Unexplained,
                ..
            } = &mut chunk.state
            {
                *loss = Loss::Possible;
            }
        }
    }

    #[cfg(test)]
    pub(super) fn shift(&mut self, shift: &Shift) {
        for chunk in self.chunks.values_mut() {
            match &mut chunk.state {
                ChunkState::InDoubt(push) => shift.id(push),
                // Only the polling looks at it.
                ChunkState::AtService { since, .. } => *since = Time::ZERO,
                _ => {}
            }
        }
    }
}
