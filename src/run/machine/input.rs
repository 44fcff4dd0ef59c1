//! The way in: when to read the source, and where chunks end.

use std::collections::BTreeMap;

use rangemap::RangeSet;

use super::chunks::{Attempt, Chunk, ChunkState, Presence};
use super::event::{Action, Cut, Ending, Key, Reason, RequestKind, Time};
use super::settings::Order;
use super::{Machine, latest_largest};

/// Bytes of the memory budget that a record takes that cannot be sent: an error with its message.
const REJECTED_RECORD: u64 = 512;

/// The state of the source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum SourceState {
    /// No read is in progress.
    #[default]
    Idle,
    /// A read is in progress.
    Reading,
    /// The source was asked to stop, and has not confirmed that it ended.
    Stopping,
    /// It has no more records; the run ends in this way once it has delivered the rest.
    Ended(Ending),
}

/// What was read, and what a resumed run knows of the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Input {
    pub(super) source: SourceState,
    /// The number of the next record that the source gives.
    pub(super) next_record: u64,
    /// The first record beyond what a read in progress may give, and what the source has begun.
    read_until: u64,
    /// Records from `next_record` on that need not be read.
    covered: RangeSet<u64>,
    /// Chunks of the run that this one resumes: records, and whether they may have been pushed.
    cuts: BTreeMap<Key, (u64, bool)>,
    /// The first record that the run before is not known to have reached.
    known_until: u64,
}

impl Input {
    pub(super) fn resumed(
        next_record: u64,
        covered: RangeSet<u64>,
        cuts: BTreeMap<Key, (u64, bool)>,
    ) -> Self {
        let end_of_cuts = cuts.last_key_value().map_or(0, |(key, cut)| key + cut.0);
        let end_of_covered = covered.last().map_or(0, |range| range.end);
        Self {
            next_record,
            read_until: next_record,
            known_until: end_of_cuts.max(end_of_covered),
            covered,
            cuts,
            ..Self::default()
        }
    }

    /// Whether these records are neither read here nor known to be finished.
    pub(super) fn is_open(&self, records: &std::ops::Range<u64>) -> bool {
        records.start >= self.read_until
            && records.start < records.end
            && !self.covered.overlaps(records)
    }

    /// These records need not be read: their results are here.
    pub(super) fn cover(&mut self, records: std::ops::Range<u64>) {
        self.covered.insert(records);
    }

    /// The chunks of the run before that were not read again.
    pub(super) fn open_cuts(&self) -> impl Iterator<Item = (Key, u64, bool)> {
        self.cuts
            .range(self.next_record..)
            .map(|(&key, &(records, sent))| (key, records, sent))
    }

    /// Skips what need not be read, and decides where the next chunk ends.
    fn next_read(&mut self) -> (u64, Cut) {
        let from = self.next_record;
        while let Some(range) = self.covered.get(&self.next_record) {
            self.next_record = range.end;
        }
        let first = self.next_record;
        let cut = match self.cuts.get(&first) {
            Some(&(records, _)) if !self.covered.overlaps(&(first..first + records)) => {
                Cut::Exactly(records)
            }
            _ => {
                let next_cut = self.cuts.range(first.saturating_add(1)..).next();
                let next_covered = self.covered.overlapping(first..u64::MAX).next();
                next_cut
                    .map(|(&key, _)| key)
                    .into_iter()
                    .chain(next_covered.map(|range| range.start))
                    .min()
                    .map_or(Cut::Free, |next| Cut::AtMost(next - first))
            }
        };
        self.read_until = first.saturating_add(cut.most());
        (first - from, cut)
    }
}

impl Machine {
    /// Whether the memory budget has room for one more chunk.
    pub(super) fn may_read(&self) -> bool {
        let used = self.memory_in_use();
        // A part is kept for results, or pulls would starve when everything is pushed.
        let limit = self.settings.memory - self.settings.memory / 8;
        // When nothing is under way, only reading can make progress: results may wait for a chunk
        // before them.
        let stuck = used == 0
            || (self.chunks.unfinished() == 0
                && self.chunks.offered() == 0
                && self.requests.count(RequestKind::Pull) == 0);
        // Reading far ahead of what can be pushed gains nothing.
        let pushes = self.settings.pushes as u64;
        let ahead = self.chunks.ready_bytes() >= self.settings.push_bytes.saturating_mul(pushes);
        let next = self.sizes.chunk.max(self.expected_result());
        stuck
            || (!ahead
                && self.chunks.len() < self.settings.chunks
                && used.saturating_add(next) <= limit)
    }

    pub(super) fn next_read(&mut self) -> Option<Action> {
        let emptying = self.batch().is_some_and(|batch| batch.is_emptying());
        let finished = self.slot.is_finished() && self.chunks.has_ready();
        if self.input.source != SourceState::Idle
            || self.paused
            || emptying
            || finished
            || !self.may_read()
        {
            return None;
        }
        let (skip, cut) = self.input.next_read();
        self.input.source = SourceState::Reading;
        Some(Action::Read { skip, cut })
    }

    /// The source gave a chunk of so many records and bytes.
    pub(super) fn read_chunk(&mut self, now: Time, records: u64, bytes: u64, ahead: u64) {
        let Some(key) = self.advance(now, records) else {
            return;
        };
        self.input.read_until += ahead;
        self.sizes.chunk = latest_largest(self.sizes.chunk, bytes);
        // A chunk that the run before may have pushed may have been computed there as well.
        let same_ids = !self.settings.needs_inputs;
        let presence = match self.input.cuts.remove(&key) {
            Some((before, true)) if before == records => match self.batch() {
                Some(batch) if batch.is_inherited() && same_ids => Presence::Possible,
                _ => Presence::Elsewhere,
            },
            _ => Presence::Never,
        };
        let attempt = Attempt::new(presence);
        let chunk = Chunk::new(records, bytes, self.charge(bytes), attempt);
        self.chunks.insert(key, chunk);
    }

    /// The source gave a record that cannot be sent: that is its result.
    pub(super) fn read_rejected(&mut self, now: Time) {
        if let Some(key) = self.advance(now, 1) {
            let chunk = Chunk::new(1, 0, REJECTED_RECORD, Attempt::FIRST);
            self.chunks.insert(key, chunk);
            self.chunks.arrived(key, REJECTED_RECORD);
        }
    }

    /// Moves past records that were read; `None` if they turn out to be known.
    fn advance(&mut self, now: Time, records: u64) -> Option<Key> {
        if self.input.source == SourceState::Reading {
            self.input.source = SourceState::Idle;
        }
        self.progress.reset(now);
        let key = self.input.next_record;
        self.input.next_record = key.saturating_add(records);
        self.input.read_until = self.input.next_record;
        if self.input.covered.overlaps(&(key..self.input.next_record)) {
            // What was begun when the source was stopped has a result by now.
            self.agenda.act(Action::Forget(key));
            return None;
        }
        self.totals.read.add(records);
        Some(key)
    }

    /// Bytes of the budget that a chunk takes until its result is here, which must find room in
    /// its place.
    fn charge(&self, bytes: u64) -> u64 {
        match (self.sizes.result, self.settings.order) {
            (Some(result), _) => bytes.max(result),
            // In input order many results may have to wait for one: be careful until their size
            // is known.
            (None, Order::Input) => bytes.saturating_mul(2),
            (None, Order::Arrival) => bytes,
        }
    }

    /// The source ended by itself, or because it was stopped.
    pub(super) fn source_ended(&mut self, now: Time) {
        if matches!(self.input.source, SourceState::Ended(_)) {
            // It had ended or failed when it was told to stop.
            return;
        }
        let stopped = self.input.source == SourceState::Stopping;
        let Input {
            next_record: records,
            known_until: expected,
            ..
        } = self.input;
        self.end_source(
            now,
            if stopped || records >= expected {
                Ending::Complete
            } else {
                Ending::SourceTooShort { records, expected }
            },
        );
    }

    /// The source failed; with `record`, because of a record that cannot be sent.
    pub(super) fn source_failed(&mut self, now: Time, record: bool) {
        if record {
            let first = self.input.next_record;
            self.input.next_record = first.saturating_add(1);
            self.totals.read.records += 1;
            self.totals.unfinished(first..first + 1, Reason::Rejected);
        }
        self.end_source(now, Ending::SourceFailed);
    }

    fn end_source(&mut self, now: Time, ending: Ending) {
        self.progress.reset(now);
        self.input.source = SourceState::Ended(ending);
        // Results of the run before may still lie beyond the end.
        self.input.read_until = self.input.next_record;
    }

    /// Reads the source no further.
    pub(super) fn stop_reading(&mut self) {
        // Also when no read is in progress, since the driver may hold the beginning of a chunk.
        if matches!(self.input.source, SourceState::Idle | SourceState::Reading) {
            self.input.source = SourceState::Stopping;
            self.agenda.act(Action::StopReading);
        }
    }

    /// Has a chunk encoded anew as two.
    pub(super) fn split(&mut self, key: Key) {
        self.chunks.set(key, ChunkState::Splitting);
        self.agenda.act(Action::Split(key));
    }

    /// The driver split a chunk, or could not.
    pub(super) fn split_chunk(&mut self, key: Key, parts: &[(u64, u64)]) {
        let Some(whole) = self.chunks.remove(key) else {
            return;
        };
        let total: u64 = parts.iter().map(|&(records, _)| records).sum();
        if parts.len() < 2 || total != whole.records {
            self.chunks.insert(key, whole);
            self.oversized(key);
            return;
        }
        // One chunk becomes several in all counts.
        self.totals.read.chunks += parts.len() as u64 - 1;
        let mut first = key;
        for &(records, bytes) in parts {
            let charge = self.charge(bytes);
            self.chunks
                .insert(first, Chunk::new(records, bytes, charge, Attempt::FIRST));
            first += records;
        }
    }
}
