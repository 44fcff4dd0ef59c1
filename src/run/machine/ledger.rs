//! The book of chunks: where each one stands, and how much memory all of them take.

use std::collections::{BTreeMap, BTreeSet};

use super::event::{Key, Reason, RequestId, Time};

/// Where a chunk stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The driver encodes it anew as two.
    Splitting,
    /// To be pushed.
    Ready,
    /// In a push that has no answer yet.
    Pushing,
    /// In this push, whose answer was lost.
    Doubtful(RequestId),
    /// With the service.
    Accepted,
    /// Its result is here, but may not be delivered yet.
    Held,
    /// Its result was handed to the consumer, who has not taken it yet.
    Offered,
}

/// One chunk.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    pub(super) records: u64,
    /// Bytes of the encoding.
    pub(super) bytes: u64,
    /// Bytes of the memory budget that it takes now.
    charge: u64,
    state: State,
    /// When the service took it, or when it was sent, until that is known.
    pub(super) accepted_at: Time,
    /// How often it was pushed again because its result was missing.
    pub(super) resubmissions: u32,
    /// The same within this batch.
    pub(super) repairs: u32,
    /// How often the service refused it although it fits.
    pub(super) refusals: u32,
    /// To be pushed in a request of its own, so that the answer is about nothing else.
    pub(super) solo: bool,
    /// May have been sent at any time.
    pub(super) sent: bool,
    /// The next push may make the service compute it a second time.
    pub(super) repeat: bool,
    /// The service refuses it as already there.
    pub(super) known: bool,
    /// This batch may have it already.
    pub(super) maybe_there: bool,
    /// It is in the count of what was pushed.
    pub(super) counted: bool,
    /// Why it comes to no result, if that ends the run.
    pub(super) reason: Option<Reason>,
}

impl Chunk {
    pub(super) fn new(records: u64, bytes: u64, charge: u64) -> Self {
        Self {
            records,
            bytes,
            charge,
            state: State::Ready,
            accepted_at: Time::ZERO,
            resubmissions: 0,
            repairs: 0,
            refusals: 0,
            solo: false,
            sent: false,
            repeat: false,
            known: false,
            maybe_there: false,
            counted: false,
            reason: None,
        }
    }

    pub(super) fn state(&self) -> State {
        self.state
    }
}

/// All chunks that were read and not yet taken by the consumer.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    chunks: BTreeMap<Key, Chunk>,
    ready: BTreeSet<Key>,
    held: BTreeSet<Key>,
    splitting: usize,
    pushing: usize,
    doubtful: usize,
    accepted: usize,
    offered: usize,
    charged: u64,
    ready_bytes: u64,
    pushing_bytes: u64,
}

impl Ledger {
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

    /// For the notes on a chunk; its state and charge change through [`Ledger::set`] and [`Ledger::arrived`].
    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut Chunk> {
        self.chunks.get_mut(&key)
    }

    pub(super) fn set(&mut self, key: Key, state: State) {
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
            self.set(key, State::Held);
        }
    }

    fn enter(&mut self, key: Key, state: State, bytes: u64) {
        match state {
            State::Splitting => self.splitting += 1,
            State::Ready => {
                self.ready.insert(key);
                self.ready_bytes += bytes;
            }
            State::Pushing => {
                self.pushing += 1;
                self.pushing_bytes += bytes;
            }
            State::Doubtful(_) => self.doubtful += 1,
            State::Accepted => self.accepted += 1,
            State::Held => drop(self.held.insert(key)),
            State::Offered => self.offered += 1,
        }
    }

    fn leave(&mut self, key: Key, state: State, bytes: u64) {
        match state {
            State::Splitting => self.splitting -= 1,
            State::Ready => {
                self.ready.remove(&key);
                self.ready_bytes -= bytes;
            }
            State::Pushing => {
                self.pushing -= 1;
                self.pushing_bytes -= bytes;
            }
            State::Doubtful(_) => self.doubtful -= 1,
            State::Accepted => self.accepted -= 1,
            State::Held => drop(self.held.remove(&key)),
            State::Offered => self.offered -= 1,
        }
    }

    /// Bytes of the chunks to push.
    pub(super) fn ready_bytes(&self) -> u64 {
        self.ready_bytes
    }

    /// Bytes of the chunks in pushes that have no answer yet: the requests hold them once more.
    pub(super) fn pushing_bytes(&self) -> u64 {
        self.pushing_bytes
    }

    /// Bytes of the memory budget in use.
    pub(super) fn charged(&self) -> u64 {
        self.charged
    }

    /// Chunks that are, or may be, with the service.
    pub(super) fn outstanding(&self) -> u64 {
        (self.pushing + self.doubtful + self.accepted) as u64
    }

    /// Chunks whose result has not come.
    pub(super) fn unfinished(&self) -> usize {
        self.chunks.len() - self.held.len() - self.offered
    }

    pub(super) fn doubtful(&self) -> usize {
        self.doubtful
    }

    pub(super) fn offered(&self) -> usize {
        self.offered
    }

    /// Chunks to push, in the order of the input.
    pub(super) fn ready(&self) -> impl Iterator<Item = (Key, &Chunk)> {
        self.ready
            .iter()
            .filter_map(|key| Some((*key, self.chunks.get(key)?)))
    }

    /// The first result that waits for its turn.
    pub(super) fn first_held(&self) -> Option<Key> {
        self.held.first().copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Key, &Chunk)> {
        self.chunks.iter().map(|(key, chunk)| (*key, chunk))
    }

    /// The keys of all chunks whose state passes.
    pub(super) fn keys(&self, passes: impl Fn(State) -> bool) -> Vec<Key> {
        self.iter()
            .filter(|(_, chunk)| passes(chunk.state))
            .map(|(key, _)| key)
            .collect()
    }
}
