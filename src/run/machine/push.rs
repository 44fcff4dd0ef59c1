//! Pushes: what fits, what became of a push without a response, and why one was refused.
//!
//! A push without a response leaves a doubt ([`PushDoubt`]), and nothing is pushed until it is
//! settled:
//!
//! | evidence | outcome |
//! | --- | --- |
//! | a result of one of its chunks | accepted: a push is accepted whole or not at all |
//! | counts of a later response that leave one possibility | accepted, or not accepted |
//! | a later status without such counts (a pull, where the status fails) | each chunk is pushed again under its id |
//!
//! A refused push is judged by the buffer, not by its status code ([`PendingRefusal`]):
//!
//! | the next response that tells | outcome |
//! | --- | --- |
//! | too little room | the buffer is full: wait |
//! | room enough, and the service was busy | wait, and count it as a failure of pushes |
//! | room enough, and the chunk may be in the batch | the batch knows it: accepted |
//! | room enough | each chunk is pushed alone; refused alone three times more, it is given up |
//! | the same, and the batch says "completed" and took no push since | somebody closed the batch |
//! | nothing about the room | full if something of this run may be in the buffer and the batch can know none of the chunks, else as above |

use super::Machine;
use super::batch::{Mode, Slot};
use super::chunks::{Attempt, ChunkState, Loss, Presence};
use super::counts::{PushSize, Submitted};
use super::event::{
    Action, BatchState, Ending, Failure, FailureKind, Key, Observation, Request, RequestId,
    RequestKind, Time,
};
use super::requests::InFlight;
#[cfg(test)]
use super::tests::shift::Shift;

/// How often a chunk may be refused alone.
const REFUSALS: u32 = 3;

/// A push without a response.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct PushDoubt {
    push: RequestId,
    /// When the response was given up.
    pub(super) since: Time,
}

#[cfg(test)]
impl PushDoubt {
    pub(super) fn shift(&mut self, shift: &Shift) {
        shift.id(&mut self.push);
        shift.time(&mut self.since);
    }
}

/// A push that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct PendingRefusal {
    /// Responses to requests from this one on tell.
    from: RequestId,
    chunks: Vec<Key>,
    bytes: u64,
    failure: Failure,
}

#[cfg(test)]
impl PendingRefusal {
    pub(super) fn shift(&mut self, shift: &Shift) {
        shift.id(&mut self.from);
    }
}

impl Machine {
    pub(super) fn next_push(&mut self, now: Time) -> Option<Action> {
        let batch = self.batch().filter(|batch| batch.mode == Mode::Open)?;
        if self.paused
            || batch.is_emptying()
            || batch.refusal.is_some()
            || self.chunks.in_doubt() > 0
        {
            return None;
        }
        let in_flight = self.requests.count(RequestKind::Push);
        let most = match self.requests.is_failing(RequestKind::Push) {
            true => 1,
            false => self.settings.pushes,
        };
        let outstanding = self.chunks.outstanding() > 0;
        if in_flight >= most || (batch.buffers.output_tight() && outstanding) {
            return None;
        }
        let (key, first, attempt) = self.chunks.ready().next()?;
        if attempt.is_alone() && in_flight > 0 {
            return None;
        }
        let (bytes, records) = (first.bytes, first.records);
        if batch.buffers.too_small_for(bytes, !outstanding).is_some() {
            if self.settings.split && records > 1 {
                self.split(key);
            } else {
                self.oversized(key);
            }
            return None;
        }
        let keys = match batch.buffers.room() {
            // The first status is about to tell it.
            None if batch.is_unobserved() && !self.requests.is_failing(RequestKind::Status) => {
                return None;
            }
            // The service does not say: one chunk at a time.
            None if in_flight > 0 => return None,
            None => vec![key],
            Some(room) => self.group(room.min(self.sizes.push_limit.max(bytes))),
        };
        if !self.may_send(now, RequestKind::Push) || keys.is_empty() {
            return None;
        }
        Some(self.send_push(now, keys))
    }

    /// The first chunks, in the order of the input, that fit together.
    fn group(&self, room: u64) -> Vec<Key> {
        let (mut keys, mut bytes) = (Vec::new(), 0);
        for (key, chunk, attempt) in self.chunks.ready().take(self.settings.push_chunks) {
            bytes += chunk.bytes;
            if bytes > room || (attempt.is_alone() && !keys.is_empty()) {
                break;
            }
            keys.push(key);
            if attempt.is_alone() {
                break;
            }
        }
        keys
    }

    fn send_push(&mut self, now: Time, keys: Vec<Key>) -> Action {
        let bytes = self.chunks.bytes_of(&keys);
        self.totals.bytes_pushed += bytes;
        let action = self.send(now, Request::Push(keys.clone()));
        let Slot::Live(batch) = &mut self.slot else {
            return action;
        };
        if let Action::Send { id, .. } = action {
            batch.buffers.pushed(id, bytes);
        }
        for key in keys {
            let Some(ChunkState::Ready(attempt)) = self.chunks.state(key) else {
                continue;
            };
            self.totals.resubmissions += u64::from(attempt.may_compute_twice());
            if attempt.may_be_known() || batch.is_inherited() {
                batch.counts.repeated();
            }
            self.chunks.set(key, ChunkState::Pushing(attempt));
        }
        action
    }

    // What became of it

    pub(super) fn push_accepted(&mut self, now: Time, push: RequestId, keys: &[Key]) {
        let next = self.requests.next();
        if let Some(batch) = self.batch_mut() {
            batch.buffers.settled(push, next);
            batch.takes_more_when_completed |= batch.latest().state == BatchState::Completed;
        }
        let loss = self.loss_since(push);
        for &key in keys {
            if let Some(ChunkState::Pushing(attempt)) = self.chunks.state(key) {
                let repeated = attempt.may_be_known();
                self.accept(now, key, if repeated { Loss::Possible } else { loss });
            }
        }
    }

    /// Whether a pull may have lost results of a push, or the run before may have pushed the same
    /// after its last checkpoint.
    fn loss_since(&self, push: RequestId) -> Loss {
        match self.batch() {
            Some(batch) if push < batch.last_loss || batch.is_inherited() => Loss::Possible,
            _ => Loss::Unexplained,
        }
    }

    /// The service has this chunk.
    fn accept(&mut self, now: Time, key: Key, loss: Loss) {
        self.chunks
            .set(key, ChunkState::AtService { since: now, loss });
        self.count_accepted(key, true);
        self.service_has_more(now);
    }

    /// The service has accepted a chunk; with `newly`, since the counts were last compared.
    pub(super) fn count_accepted(&mut self, key: Key, newly: bool) {
        let Some(chunk) = self.chunks.get_mut(key) else {
            return;
        };
        let records = chunk.records;
        // A chunk that is pushed again after it was lost counts as pushed once.
        let first = !std::mem::replace(&mut chunk.counted, true);
        if first {
            self.totals.pushed.add(records);
        }
        if let Some(batch) = self.batch_mut().filter(|_| newly) {
            batch.counts.accepted(1, records);
        }
    }

    /// The service has accepted a chunk, or returned a result: evidence from before is void.
    pub(super) fn service_has_more(&mut self, now: Time) {
        self.progress.reset(now);
        let (next, outstanding) = (self.requests.next(), self.chunks.outstanding() > 0);
        if let Some(batch) = self.batch_mut() {
            let busy = outstanding || batch.is_emptying();
            batch.evidence.reset(next);
            if batch.polling.busy(now, busy) {
                (batch.polled_at, batch.poll_now) = (now, false);
            }
        }
    }

    pub(super) fn push_failed(
        &mut self,
        now: Time,
        push: RequestId,
        keys: &[Key],
        failure: Failure,
    ) {
        let next = self.requests.next();
        let doubt = failure.kind == FailureKind::Unknown;
        if let Some(batch) = self.batch_mut() {
            if doubt {
                batch.buffers.settled(push, next);
                batch.evidence.reset(next);
                batch.doubts.push(PushDoubt { push, since: now });
            } else {
                batch.buffers.not_accepted(push);
            }
        }
        for &key in keys {
            if let Some(ChunkState::Pushing(attempt)) = self.chunks.state(key) {
                let state = match doubt {
                    true => ChunkState::InDoubt(push),
                    false => ChunkState::Ready(attempt),
                };
                self.chunks.set(key, state);
            }
        }
        match failure.kind {
            FailureKind::Busy | FailureKind::Refused | FailureKind::TooLarge => {
                let bytes = self.chunks.bytes_of(keys);
                let Some(batch) = self.batch_mut().filter(|batch| batch.mode == Mode::Open) else {
                    return;
                };
                batch.refusal = Some(PendingRefusal {
                    from: next,
                    chunks: keys.to_vec(),
                    bytes,
                    failure,
                });
                if let Some(wait) = failure.retry_after {
                    self.requests.delay(RequestKind::Push, now + wait);
                }
            }
            _ => self.request_failed(now, RequestKind::Push, failure),
        }
    }

    // A doubt

    /// A response that no push overlapped, while pushes are in doubt.
    pub(super) fn settle_doubts(
        &mut self,
        now: Time,
        flight: &InFlight,
        submitted: Option<Submitted>,
    ) {
        let asked = self.is_asked(flight);
        let settle = self.settings.settle;
        let Some(batch) = self.batch_mut() else {
            return;
        };
        if batch
            .doubts
            .iter()
            .any(|doubt| flight.issued < doubt.since + settle)
        {
            return;
        }
        let pushes: Vec<Vec<Key>> = batch
            .doubts
            .iter()
            .map(|doubt| doubt.push)
            .collect::<Vec<_>>()
            .into_iter()
            .map(|push| self.chunks.keys(|state| state == ChunkState::InDoubt(push)))
            .collect();
        let sizes: Vec<PushSize> = pushes.iter().map(|keys| self.push_size(keys)).collect();
        let Some(batch) = self.batch_mut() else {
            return;
        };
        let accepted = submitted.and_then(|theirs| batch.counts.resolve(theirs, &sizes));
        if accepted.is_none() && !asked {
            return;
        }
        batch.doubts.clear();
        let room = batch.latest().input_remaining;
        for (nth, keys) in pushes.into_iter().enumerate() {
            match accepted.as_ref().map(|accepted| accepted[nth]) {
                Some(true) => {
                    self.requests.works(RequestKind::Push);
                    for key in keys {
                        self.accept(now, key, Loss::Possible);
                    }
                }
                Some(false) => {
                    // Its response was lost or came from a gateway, but the reason was a full
                    // buffer.
                    if room.is_some_and(|room| room < self.chunks.bytes_of(&keys)) {
                        self.totals.refused_full += 1;
                        self.requests.works(RequestKind::Push);
                    }
                    for key in keys {
                        let attempt = Attempt::new(Presence::Denied);
                        self.chunks.set(key, ChunkState::Ready(attempt));
                    }
                }
                None => {
                    for key in keys {
                        self.chunks.set(key, ChunkState::Ready(Attempt::REPEAT));
                    }
                }
            }
        }
    }

    /// A result came of a chunk in this push, so the push was accepted.
    pub(super) fn doubt_is_settled_by_result(&mut self, now: Time, push: RequestId) {
        self.requests.works(RequestKind::Push);
        if let Some(batch) = self.batch_mut() {
            batch.doubts.retain(|doubt| doubt.push != push);
        }
        let loss = self.loss_since(push);
        for key in self.chunks.keys(|state| state == ChunkState::InDoubt(push)) {
            self.accept(now, key, loss);
        }
    }

    fn push_size(&self, keys: &[Key]) -> PushSize {
        let records = keys.iter().filter_map(|&key| self.chunks.get(key));
        PushSize {
            chunks: keys.len() as u64,
            records: records.map(|chunk| chunk.records).sum(),
        }
    }

    // A refusal

    /// Judges a refused push, if this response tells why it was refused.
    pub(super) fn judge_refusal(
        &mut self,
        now: Time,
        id: RequestId,
        flight: &InFlight,
        observation: &Observation,
    ) {
        let asked = self.is_asked(flight);
        let Some(batch) = self.batch_mut() else {
            return;
        };
        let tells = observation.input_remaining.is_some() || asked;
        let Some(refusal) = batch.refusal.take_if(|refusal| tells && refusal.from <= id) else {
            return;
        };
        self.judge(now, &refusal, observation);
    }

    fn judge(&mut self, now: Time, refusal: &PendingRefusal, observation: &Observation) {
        let room = observation.input_remaining;
        let busy = refusal.failure.kind == FailureKind::Busy;
        // The run before may have pushed more than its last checkpoint says.
        let inherited = self.batch().is_some_and(|batch| batch.is_inherited());
        let any_known = inherited
            || refusal.chunks.iter().any(|&key| {
                matches!(self.chunks.state(key),
                    Some(ChunkState::Ready(attempt)) if attempt.may_be_known())
            });
        let full = match room {
            Some(room) => room < refusal.bytes,
            None => self.chunks.outstanding() > 0 && (busy || !any_known),
        };
        if full {
            self.totals.refused_full += 1;
            let load = self.load();
            if let Some(batch) = self.batch() {
                let wait = batch.polling.wait(now, load);
                self.requests.delay(RequestKind::Push, now + wait);
            }
            return;
        }
        if busy {
            return self.request_failed(now, RequestKind::Push, refusal.failure);
        }
        // Some services call a batch completed that is closed.
        let may_be_closed = observation.state == BatchState::Completed
            && !self
                .batch()
                .is_some_and(|batch| batch.takes_more_when_completed);
        let too_large = refusal.failure.kind == FailureKind::TooLarge;
        let alone = refusal.chunks.len() == 1;
        if too_large && !alone {
            self.sizes.push_limit = (refusal.bytes / 2).max(1);
        }
        for &key in &refusal.chunks {
            let Some(ChunkState::Ready(attempt)) = self.chunks.state(key) else {
                continue;
            };
            if (attempt.may_be_known() || inherited) && alone && !too_large {
                self.requests.works(RequestKind::Push);
                self.accept(now, key, Loss::Known);
                continue;
            }
            // Alone next time, so that a bad chunk takes no good ones with it.
            let (attempt, refusals) = attempt.refused(alone);
            self.chunks.set(key, ChunkState::Ready(attempt));
            let records = self.chunks.get(key).map_or(0, |chunk| chunk.records);
            if refusals < REFUSALS {
                let wait = self.settings.backoff_min * (1 << refusals);
                self.requests.delay(RequestKind::Push, now + wait);
            } else if too_large && self.settings.split && records > 1 {
                self.split(key);
            } else if may_be_closed && !too_large {
                return self.note_state(BatchState::Closed);
            } else {
                self.give_up(key, Ending::Refused(key));
            }
        }
    }

    /// The chunk is larger than a push can be.
    pub(super) fn oversized(&mut self, key: Key) {
        let Some(bytes) = self.chunks.get(key).map(|chunk| chunk.bytes) else {
            return;
        };
        let capacity = self
            .batch()
            .and_then(|batch| batch.buffers.too_small_for(bytes, true))
            .unwrap_or(bytes);
        let ending = Ending::Oversized {
            key,
            bytes,
            capacity,
        };
        self.give_up(key, ending);
    }
}
