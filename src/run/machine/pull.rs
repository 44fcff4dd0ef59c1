//! Pulls: when to ask for results, and which results are missing for good.
//!
//! A chunk that the service accepted and whose result does not come is waited for until there is
//! evidence (see [`super::evidence`]) or a limit of the user's is reached:
//!
//! | evidence | outcome for a missing chunk |
//! | --- | --- |
//! | the service proves to be idle | pushed again; as often as allowed, then it is lost |
//! | it claims to be idle, disputed, and something may have lost the result | pushed again, as often as allowed |
//! | it refused the chunk as known, or ignores that it is pushed again, and has no result | the batch is closed, and the chunk pushed to a new one |
//! | the batch timed out or is that of the run before, and it is gone or empty | pushed to a new batch |
//! | the stall limit is reached, something may have lost the result, and the service does not say that it works | as for a disputed claim |
//! | the stall limit is reached | the run ends |
//!
//! Where no other batch may be opened, a chunk that would need one is lost once the service proves
//! to be idle. Silence proves nothing, however long it is. A service that says that it works is
//! believed until the stall limit. The batch of the run before counts as empty by any claim, even a
//! disputed one: nothing is lost by that, since its chunks are pushed again.

use super::batch::{Mode, Origin, Slot};
use super::chunks::{Attempt, Chunk, ChunkState, Loss, Presence};
use super::event::{
    Action, Ending, Failure, FailureKind, Key, Observation, PulledChunk, Reason, Request,
    RequestId, RequestKind, Time,
};
use super::evidence::Claim;
use super::input::SourceState;
use super::polling::Load;
use super::requests::InFlight;
use super::{Machine, latest_largest};

/// How often a chunk is pushed again in one batch before another is tried.
const REPAIRS: u32 = 2;

impl Machine {
    pub(super) fn next_pull(&mut self, now: Time) -> Option<Action> {
        let batch = self.batch().filter(|batch| batch.can_be_pulled())?;
        let in_flight = self.requests.count(RequestKind::Pull);
        let most = match self.requests.is_failing(RequestKind::Pull) {
            true => 1,
            false => self.settings.pulls,
        };
        if in_flight >= most {
            return None;
        }
        if in_flight > 0 {
            // A second pull only for what the first leaves.
            let available = batch.latest().chunks_available?;
            if available <= self.requests.chunks_asked_for() {
                return None;
            }
        } else {
            let due = self.pull_due(now)?;
            if now < due {
                self.agenda.wake_at(due);
                return None;
            }
        }
        let emptying = batch.is_emptying();
        let room = match self.pull_room() {
            // One result at least, or nothing would ever move; more only when the consumer has
            // taken what is there.
            0 if in_flight == 0 && self.chunks.offered() == 0 => 1,
            0 => return None,
            room => room,
        };
        let mut max = room.min(u64::from(self.sizes.pull_limit));
        if self.sizes.result.is_none() {
            // How large results are is not known yet.
            max = max.min(8);
        }
        if !emptying {
            max = max.min(self.chunks.outstanding().max(1));
        }
        if !self.may_send(now, RequestKind::Pull) {
            return None;
        }
        let max = u32::try_from(max).unwrap_or(u32::MAX);
        Some(self.send(now, Request::Pull(max)))
    }

    /// When to pull next, if no pull is in flight.
    fn pull_due(&self, now: Time) -> Option<Time> {
        let batch = self.batch()?;
        let keep_alive = self.requests.last_contact() + self.settings.keep_alive;
        if !self.expects_results() {
            return (batch.mode == Mode::Open).then_some(keep_alive);
        }
        if batch.poll_now {
            return Some(now);
        }
        let wait = batch.polled_at + batch.polling.wait(batch.polled_at, self.load());
        Some(match batch.evidence.due(self.settings.confirm) {
            // The next pull either confirms that the service is idle, or it returns something.
            Some(confirms) if batch.evidence.confirmed().is_none() => {
                confirms.max(batch.polled_at + self.settings.poll_min)
            }
            _ => wait,
        })
    }

    /// Whether the batch may have, or come to have, results that the run waits for.
    pub(super) fn expects_results(&self) -> bool {
        let Some(batch) = self.batch() else {
            return false;
        };
        // What was to be pushed again may be in a batch that takes no more pushes. With another
        // batch, that is no reason to wait.
        let is_last = batch.mode != Mode::Open && !self.settings.reopen;
        let mut ready = self.chunks.ready();
        self.chunks.outstanding() > 0
            || batch.is_emptying()
            || is_last && ready.any(|(.., attempt)| attempt.presence == Presence::Possible)
    }

    /// How many results fit into what is left of the budget.
    pub(super) fn pull_room(&self) -> u64 {
        self.settings.memory.saturating_sub(self.memory_in_use()) / self.pull_cost().max(1)
    }

    /// Whether only the consumer can make room for results.
    pub(super) fn consumer_holds_up(&self) -> bool {
        self.chunks.offered() > 0 && self.pull_room() == 0
    }

    pub(super) fn load(&self) -> Load {
        let batch = self.batch();
        Load {
            outstanding: self.chunks.outstanding(),
            workers: batch.and_then(|batch| batch.latest().workers),
            limited: self.chunks.has_ready()
                || (self.input.source == SourceState::Idle && !self.may_read()),
            output_room: batch
                .and_then(|batch| batch.buffers.output_room())
                .map(|bytes| bytes / self.expected_result().max(1)),
        }
    }

    // Results

    pub(super) fn pulled(
        &mut self,
        now: Time,
        id: RequestId,
        flight: &InFlight,
        (results, foreign): (&[PulledChunk], u64),
        observation: Option<&Observation>,
    ) {
        let max = match flight.request {
            Request::Pull(max) => u64::from(max),
            _ => 0,
        };
        let found = results.len() as u64 + foreign;
        self.totals.foreign += foreign;
        if let Some(batch) = self.batch_mut() {
            batch.may_have_handed_out(found);
        }
        let mut wanted = false;
        for result in results {
            wanted |= self.result(now, result);
        }
        if wanted {
            if let Some(batch) = self.batch_mut() {
                batch.polling.pulled(now, batch.polled_at);
            }
            self.service_has_more(now);
        }
        match observation {
            Some(observation) => self.observe(now, id, flight, observation),
            None => self.observe(now, id, flight, &Observation::default()),
        }
        let confirm = self.settings.confirm;
        let waiting = self.expects_results();
        self.sizes.pull_limit = self
            .sizes
            .pull_limit
            .saturating_mul(2)
            .min(self.settings.pull_chunks);
        let Some(batch) = self.batch_mut() else {
            return;
        };
        batch.polled_at = now;
        // Results that come again for ever are no reason to hurry.
        batch.poll_now = wanted
            && match observation.and_then(|observation| observation.chunks_available) {
                Some(available) => available > 0,
                None => found >= max,
            };
        if found == 0 {
            batch.buffers.nothing_to_pull();
            batch
                .evidence
                .empty_pull(flight.issued, id, confirm, batch.handed_out);
            // Only the status can tell whether the service has work, if its pulls do not.
            batch.status_wanted |= batch.pull_is_silent && !batch.status_is_silent && waiting;
        }
    }

    /// Takes over a result; whether it is one that the run lacked.
    fn result(&mut self, now: Time, result: &PulledChunk) -> bool {
        if !self.wants(result) {
            self.totals.duplicates += 1;
            return false;
        }
        let PulledChunk {
            key,
            records,
            bytes,
        } = *result;
        self.batch_is_fruitful();
        self.totals.bytes_pulled += bytes;
        self.totals.pulled.add(records);
        self.sizes.result = Some(match self.sizes.result {
            Some(size) => latest_largest(size, bytes),
            None => bytes,
        });
        match self.chunks.state(key) {
            // From the run before; these records need not be read.
            None => {
                let mut chunk = Chunk::new(records, 0, 0, Attempt::FIRST);
                chunk.counted = true;
                self.input.cover(key..key + records);
                self.totals.read.add(records);
                self.totals.pushed.add(records);
                self.chunks.insert(key, chunk);
                self.chunks.arrived(key, bytes);
            }
            Some(ChunkState::AtService { since, .. }) => {
                if let Some(batch) = self.batch_mut() {
                    batch.polling.result(now.saturating_sub(since));
                }
                self.chunks.arrived(key, bytes);
            }
            // The result proves that the push was accepted, whatever became of its response.
            Some(state) => {
                self.count_accepted(key, !matches!(state, ChunkState::Ready(_)));
                self.chunks.arrived(key, bytes);
                if let ChunkState::InDoubt(push) = state {
                    self.doubt_is_settled_by_result(now, push);
                }
            }
        }
        true
    }

    pub(super) fn pull_failed(&mut self, now: Time, max: u32, failure: Failure) {
        if matches!(failure.kind, FailureKind::Unknown | FailureKind::TooLarge) {
            // Results may have been on their way, and the service has dropped what it sent.
            self.totals.lost_pulls += 1;
            self.chunks.suspect_losses();
            let next = self.requests.next();
            if let Some(batch) = self.batch_mut() {
                batch.evidence.reset(next);
                batch.last_loss = next;
                batch.may_have_handed_out(u64::from(max));
            }
        }
        if failure.kind == FailureKind::TooLarge {
            self.sizes.pull_limit = (max / 2).max(1);
        }
        if failure.kind == FailureKind::Refused
            && let Some(batch) = self.batch_mut()
        {
            // Perhaps the batch is over: the status says so.
            batch.status_wanted = true;
        }
        self.request_failed(now, RequestKind::Pull, failure);
    }

    // Missing results

    /// Acts on evidence that the service has nothing left.
    pub(super) fn repair(&mut self, now: Time) {
        let in_flight =
            self.requests.count(RequestKind::Push) + self.requests.count(RequestKind::Pull);
        let Some(batch) = self.batch() else {
            return;
        };
        let Some(claim) = batch.evidence.confirmed() else {
            return;
        };
        if batch.mode != Mode::Open || in_flight > 0 || self.chunks.in_doubt() > 0 {
            return;
        }
        if batch.is_emptying() {
            self.stop_emptying(now);
        } else {
            self.push_missing_again(now, claim);
        }
    }

    /// The batch of the run before has nothing left, or nothing that is worth more waiting.
    fn stop_emptying(&mut self, now: Time) {
        let next = self.requests.next();
        self.progress.reset(now);
        if let Some(batch) = self.batch_mut() {
            batch.origin = Origin::Emptied;
            batch.status_wanted = true;
            batch.evidence.reset(next);
            batch.polling.busy(now, false);
        }
    }

    /// Pushes missing chunks again, or gives them up, as far as the claim allows; whether there was
    /// any.
    fn push_missing_again(&mut self, now: Time, claim: Claim) -> bool {
        let (mut acted, mut needs_new_batch) = (false, Vec::new());
        for key in self.chunks.at_service() {
            let Some(chunk) = self.chunks.get_mut(key) else {
                continue;
            };
            let ChunkState::AtService { loss, .. } = chunk.state() else {
                continue;
            };
            if claim == Claim::Disputed && loss == Loss::Unexplained {
                continue;
            }
            let known = loss == Loss::Known || chunk.repairs >= REPAIRS;
            if chunk.resubmissions >= self.settings.resubmissions
                || (known && !self.settings.reopen)
            {
                if claim == Claim::Proven {
                    self.drop_chunk(key, Reason::Lost);
                    acted = true;
                }
            } else if known {
                needs_new_batch.push(key);
            } else {
                chunk.resubmissions += 1;
                chunk.repairs += 1;
                self.chunks.set(key, ChunkState::Ready(Attempt::REPEAT));
                acted = true;
            }
        }
        // The batch takes these chunks for known and has no results of them. First it computes
        // what it can.
        if !acted && !needs_new_batch.is_empty() {
            for key in needs_new_batch {
                if let Some(chunk) = self.chunks.get_mut(key) {
                    chunk.resubmissions += 1;
                }
            }
            if let Some(batch) = self.batch_mut() {
                batch.mode = Mode::Retiring;
            }
            acted = true;
        }
        if acted {
            self.service_has_more(now);
        }
        acted
    }

    // Stalls

    /// Looks at the clock of progress. When it strikes, the run ends, or gives up waiting for what
    /// may be lost. Returns whether it has struck, so that no request may be sent for now.
    pub(super) fn watch_for_stall(&mut self, now: Time) -> bool {
        let Slot::Live(batch) = &self.slot else {
            return false;
        };
        let pushable = !self.paused && self.chunks.has_ready() && batch.mode == Mode::Open;
        let expects = self.expects_results() || pushable;
        if !expects || self.consumer_holds_up() {
            self.progress.reset(now);
            return false;
        }
        let in_trouble = self.requests.in_trouble();
        let deadline = self.progress.deadline(now, in_trouble, &self.settings);
        if now < deadline {
            // Several times until then, to notice if this computer is what stands still.
            self.agenda
                .wake_at(deadline.min(now + self.settings.stall / 16));
            return false;
        }
        if self.requests.count(RequestKind::Push) + self.requests.count(RequestKind::Pull) > 0 {
            // Their responses may be what is waited for.
            return true;
        }
        match batch.mode {
            Mode::Draining(_) => self.leave_batch(now),
            Mode::Retiring => {
                // It is listed as open.
                if let Some(batch) = self.batch_mut() {
                    batch.close_failed = true;
                }
            }
            Mode::Open if batch.is_emptying() => self.stop_emptying(now),
            Mode::Open => {
                let working = batch.evidence.is_working();
                if batch.last_loss > 0 {
                    // The service may have acted on a lost pull long after, when it had more.
                    self.chunks.suspect_losses();
                }
                if working || !self.push_missing_again(now, Claim::Disputed) {
                    self.end(Ending::Stalled);
                }
            }
        }
        false
    }

    /// Whether this is the result of a chunk that has none yet: the driver keeps it only then.
    pub(crate) fn wants(&self, result: &PulledChunk) -> bool {
        let records: std::ops::Range<Key> = result.key..result.key.saturating_add(result.records);
        match self.chunks.get(result.key) {
            Some(chunk) => chunk.records == result.records && !chunk.has_result(),
            // A result of the run before, of records that have not been read here.
            None => {
                !self.settings.needs_inputs
                    && self.input.is_open(&records)
                    && !self.delivery.done.overlaps(&records)
            }
        }
    }
}
