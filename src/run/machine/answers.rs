//! What to do with an event.

use super::counters::{Count as Submitted, Doubt};
use super::drain::sign;
use super::*;

impl Machine {
    /// Takes in what happened.
    pub(crate) fn handle(&mut self, now: Time, event: Event) {
        match event {
            Event::Read { records, bytes } => self.read_chunk(now, records, bytes),
            Event::SourceEnded => self.source_ended(now, false),
            Event::SourceFailed => self.source_ended(now, true),
            Event::Split { key, parts } => self.split_chunk(key, &parts),
            Event::Answered {
                request,
                facts,
                outcome,
            } => self.answered(now, request, facts, outcome),
            Event::Taken { key, failed } => self.taken(key, failed),
            Event::Pause => self.paused = true,
            Event::Resume => {
                self.paused = false;
                self.progress_at = now;
            }
            Event::Finish => self.stop_reading(),
            Event::Cancel => self.end(Ending::Cancelled),
        }
    }

    fn read_chunk(&mut self, now: Time, records: u64, bytes: u64) {
        if let Source::Reading { stopping: false } = self.source {
            self.source = Source::Idle;
        }
        self.progress_at = now;
        let key = self.next_record;
        self.next_record = key.saturating_add(records);
        self.read_until = self.next_record;
        self.chunk_size = latest_largest(self.chunk_size, bytes);
        if self.covered.overlaps(&(key..self.next_record)) {
            // What was begun when the source was stopped turns out to be known.
            self.out.push_back(Action::Forget(key));
            return;
        }
        let mut chunk = Chunk::new(records, bytes, self.charge(bytes));
        // A chunk that the run before may have pushed may have been computed there as well.
        chunk.sent = self
            .cuts
            .remove(&key)
            .is_some_and(|(size, sent)| sent && size == records);
        chunk.repeat = chunk.sent;
        (chunk.maybe_there, chunk.solo) = (chunk.sent && self.resumed, chunk.sent && self.resumed);
        self.account.read.add(records);
        self.ledger.insert(key, chunk);
    }

    /// What a chunk takes from the budget until its result is here: its result must find room in its place.
    fn charge(&self, bytes: u64) -> u64 {
        match (self.result_size, self.settings.order) {
            (Some(result), _) => bytes.max(result),
            // In input order many results may have to wait for one, so be careful until their size is known.
            (None, Order::Input) => bytes.saturating_mul(2),
            (None, Order::Arrival) => bytes,
        }
    }

    fn source_ended(&mut self, now: Time, failed: bool) {
        self.progress_at = now;
        self.source = Source::Ended { failed };
    }

    pub(super) fn stop_reading(&mut self) {
        match self.source {
            // Also when no read is under way, since the driver may hold the beginning of a chunk.
            Source::Idle | Source::Reading { stopping: false } => {
                self.source = Source::Reading { stopping: true };
                self.out.push_back(Action::StopReading);
            }
            Source::Reading { stopping: true } | Source::Ended { .. } => {}
        }
    }

    fn split_chunk(&mut self, key: Key, parts: &[(u64, u64)]) {
        let Some(whole) = self.ledger.remove(key) else {
            return;
        };
        let total: u64 = parts.iter().map(|&(records, _)| records).sum();
        if parts.len() < 2 || total != whole.records {
            self.ledger.insert(key, whole);
            self.oversized(key);
            return;
        }
        // One chunk becomes several in all counts.
        self.account.read.chunks += parts.len() as u64 - 1;
        let mut first = key;
        for &(records, bytes) in parts {
            let mut part = Chunk::new(records, bytes, self.charge(bytes));
            part.repeat = whole.repeat;
            self.ledger.insert(first, part);
            first += records;
        }
    }

    fn taken(&mut self, key: Key, failed: u64) {
        if self
            .ledger
            .get(key)
            .is_some_and(|chunk| chunk.state() == State::Offered)
            && let Some(chunk) = self.ledger.remove(key)
        {
            self.done.insert(key..key + chunk.records);
            self.account.delivered.add(chunk.records);
            self.account.failed += failed;
        }
    }

    fn answered(
        &mut self,
        now: Time,
        request: RequestId,
        facts: Option<Facts>,
        outcome: Result<Reply, Failure>,
    ) {
        let Some(flight) = self.flights.remove(&request) else {
            return;
        };
        let op = flight.call.op();
        let told = op == Op::Status && outcome.is_ok();
        if outcome.is_ok() {
            self.last_contact = self.last_contact.max(flight.issued);
        }
        match (&flight.call, outcome) {
            (Call::Push(keys), Ok(_)) => self.push_taken(now, request, keys),
            (Call::Push(keys), Err(failure)) => self.push_failed(now, request, keys, failure),
            (&Call::Pull(max), Ok(Reply::Pulled { results, foreign })) => {
                self.pulled(
                    now,
                    request,
                    &flight,
                    max,
                    &results,
                    foreign,
                    facts.as_ref(),
                );
            }
            (&Call::Pull(max), Err(failure)) => self.pull_failed(now, max, failure),
            (Call::Create, Ok(_)) => self.created(now),
            (Call::Create, Err(failure)) => self.create_failed(now, failure),
            (Call::Status, Err(failure)) => {
                self.want_status = true;
                self.failed(now, Op::Status, failure);
            }
            (Call::Close | Call::Cancel, outcome) => self.ended_batch(now, outcome.err()),
            (Call::Status | Call::Pull(_), Ok(_)) => self.trouble.succeeded(op),
        }
        if let Some(facts) = facts {
            self.observe(now, request, &flight, &facts);
        } else if told
            && self
                .verdict
                .as_ref()
                .is_some_and(|verdict| verdict.from <= request)
        {
            self.judge(now, None);
        }
    }

    fn push_taken(&mut self, now: Time, request: RequestId, keys: &[Key]) {
        self.trouble.succeeded(Op::Push);
        self.buffers.settled(request, self.next_request);
        for &key in keys {
            self.accept(now, key, State::Pushing);
        }
    }

    /// The service has taken this chunk.
    fn accept(&mut self, now: Time, key: Key, from: State) {
        let Some(chunk) = self.ledger.get_mut(key) else {
            return;
        };
        if !same_kind(chunk.state(), from) {
            // Its result overtook the answer, and was counted then.
            return;
        }
        chunk.accepted_at = now;
        chunk.refusals = 0;
        let records = chunk.records;
        self.ledger.set(key, State::Accepted);
        self.count_accepted(key, records);
        self.stir(now);
    }

    fn count_accepted(&mut self, key: Key, records: u64) {
        self.counters.accepted(1, records);
        // A chunk that is pushed again after it was lost counts as pushed once.
        if let Some(chunk) = self.ledger.get_mut(key)
            && !std::mem::replace(&mut chunk.counted, true)
        {
            self.account.pushed.add(records);
        }
    }

    /// Something moved at the service.
    fn stir(&mut self, now: Time) {
        self.progress_at = now;
        self.drain.disturbed(now, self.next_request);
        if self.pace.busy(now, self.ledger.outstanding() > 0) {
            (self.polled_at, self.poll_now) = (now, false);
        }
    }

    fn push_failed(&mut self, now: Time, request: RequestId, keys: &[Key], failure: Failure) {
        if failure.what == What::Unknown {
            self.buffers.settled(request, self.next_request);
            self.doubt_since = now;
            for &key in keys {
                if self
                    .ledger
                    .get(key)
                    .is_some_and(|chunk| chunk.state() == State::Pushing)
                {
                    self.ledger.set(key, State::Doubtful(request));
                }
                if let Some(chunk) = self.ledger.get_mut(key) {
                    chunk.maybe_there = true;
                }
            }
            self.want_status = true;
            self.stir(now);
            self.failed(now, Op::Push, failure);
            return;
        }
        self.buffers.not_taken(request);
        for &key in keys {
            if let Some(chunk) = self.ledger.get_mut(key)
                && chunk.state() == State::Pushing
            {
                self.ledger.set(key, State::Ready);
            }
        }
        match failure.what {
            What::Busy | What::Refused | What::TooLarge if self.batch != Batch::Open => {}
            What::Busy | What::Refused | What::TooLarge => {
                let bytes = self.bytes_of(keys);
                self.verdict = Some(Verdict {
                    from: self.next_request,
                    chunks: keys.to_vec(),
                    bytes,
                    failure,
                });
                self.want_status = true;
                if let Some(wait) = failure.retry_after {
                    self.trouble.hold(Op::Push, now + wait);
                }
            }
            _ => self.failed(now, Op::Push, failure),
        }
    }

    pub(super) fn bytes_of(&self, keys: &[Key]) -> u64 {
        keys.iter()
            .filter_map(|&key| self.ledger.get(key))
            .map(|chunk| chunk.bytes)
            .sum()
    }

    /// Why was a push refused? By what is left in the input buffer, not by the status code.
    fn judge(&mut self, now: Time, remaining: Option<u64>) {
        let Some(verdict) = self.verdict.take() else {
            return;
        };
        let told = verdict.failure.what != What::Busy;
        let there = |machine: &Self, key| {
            machine
                .ledger
                .get(key)
                .is_some_and(|chunk| chunk.maybe_there)
        };
        let full = match remaining {
            Some(remaining) => remaining < verdict.bytes,
            // Nothing says so, and something of ours may be in the buffer.
            None => {
                self.ledger.outstanding() > 0
                    && !(told && verdict.chunks.iter().any(|&key| there(self, key)))
            }
        };
        if full {
            self.account.refused_full += 1;
            let wait = self.pace.wait(now, self.load());
            self.trouble.hold(Op::Push, now + wait);
            return;
        }
        if verdict.failure.what == What::Busy {
            self.failed(now, Op::Push, verdict.failure);
            return;
        }
        let alone = verdict.chunks.len() == 1;
        if verdict.failure.what == What::TooLarge && !alone {
            self.push_limit = (verdict.bytes / 2).max(1);
        }
        for key in verdict.chunks {
            let Some(chunk) = self.ledger.get_mut(key) else {
                continue;
            };
            if chunk.state() != State::Ready {
                continue;
            }
            if chunk.maybe_there && alone {
                // It was refused although it fits, and was pushed before: the service has it already. Whether its result is
                // still to come is another matter.
                chunk.known = true;
                self.loss_suspected = true;
                self.trouble.succeeded(Op::Push);
                self.counters.blur();
                self.accept(now, key, State::Ready);
                continue;
            }
            // Alone next time, so that a bad chunk takes no good ones with it.
            let was_alone = std::mem::replace(&mut chunk.solo, true) && alone;
            chunk.refusals += u32::from(was_alone);
            let (refusals, records) = (chunk.refusals, chunk.records);
            if refusals < 3 {
                let wait = self.settings.backoff_min * (1 << refusals);
                self.trouble.hold(Op::Push, now + wait);
            } else if verdict.failure.what == What::TooLarge && self.settings.split && records > 1 {
                self.split(key);
            } else {
                self.give_up(key, Reason::Refused, Ending::Refused(key));
            }
        }
    }

    /// The chunk can't be pushed as it is.
    pub(super) fn oversized(&mut self, key: Key) {
        let Some(chunk) = self.ledger.get(key) else {
            return;
        };
        let bytes = chunk.bytes;
        let capacity = self.buffers.too_small_for(bytes, true).unwrap_or(bytes);
        self.give_up(
            key,
            Reason::Oversized,
            Ending::Oversized {
                key,
                bytes,
                capacity,
            },
        );
    }

    pub(super) fn split(&mut self, key: Key) {
        self.ledger.set(key, State::Splitting);
        self.out.push_back(Action::Split(key));
    }

    /// The service won't have this chunk: the run goes on without it or ends, as set.
    fn give_up(&mut self, key: Key, reason: Reason, ending: Ending) {
        if self.settings.keep_going {
            self.drop_chunk(key, reason);
        } else {
            // It stays in the book as ready, and so on the list of what the end left unfinished.
            self.ledger.set(key, State::Ready);
            if let Some(chunk) = self.ledger.get_mut(key) {
                chunk.reason = Some(reason);
            }
            self.end(ending);
        }
    }

    pub(super) fn drop_chunk(&mut self, key: Key, reason: Reason) {
        if let Some(chunk) = self.ledger.remove(key) {
            self.given_up.insert(key..key + chunk.records);
            self.account.unfinished(key..key + chunk.records, reason);
            self.out.push_back(Action::Forget(key));
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one answer")]
    fn pulled(
        &mut self,
        now: Time,
        request: RequestId,
        flight: &Flight,
        max: u32,
        results: &[Pulled],
        foreign: u64,
        facts: Option<&Facts>,
    ) {
        self.trouble.succeeded(Op::Pull);
        self.account.foreign += foreign;
        for result in results {
            self.result(now, result);
        }
        let found = results.len() as u64 + foreign;
        if found > 0 {
            self.pace.pulled(now);
            self.stir(now);
        }
        (self.polled_at, self.poll_now) = (now, false);
        self.poll_now = match facts.and_then(|facts| facts.chunks_available) {
            Some(available) => found > 0 && available > 0,
            None => found >= u64::from(max),
        };
        if found == 0 {
            self.buffers.nothing_to_pull();
            let repeated = self.account.resubmissions > 0;
            match facts {
                Some(facts) => self
                    .drain
                    .saw(flight.issued, request, sign(facts, repeated)),
                // The answer was silent about the batch.
                None => self.want_status = true,
            }
            let unclear =
                self.loss_suspected || !matches!(self.batch, Batch::Open) || self.resuming;
            let patience = self.settings.patience;
            self.drain.empty_pull(
                flight.issued,
                request,
                self.settings.confirm,
                patience,
                unclear,
            );
        }
        self.pull_limit = self
            .pull_limit
            .saturating_mul(2)
            .min(self.settings.pull_chunks.max(1));
    }

    fn result(&mut self, now: Time, result: &Pulled) {
        if !self.wants(result) {
            self.account.duplicates += 1;
            return;
        }
        self.fruitful = true;
        (self.fruitless, self.fruitless_since) = (0, None);
        self.account.bytes_pulled += result.bytes;
        self.result_size = Some(match self.result_size {
            Some(size) => latest_largest(size, result.bytes),
            None => result.bytes,
        });
        self.account.pulled.add(result.records);
        let Some(chunk) = self.ledger.get(result.key) else {
            // From the run before; these records need not be read.
            let mut chunk = Chunk::new(result.records, 0, 0);
            (chunk.sent, chunk.counted) = (true, true);
            self.covered.insert(result.key..result.key + result.records);
            self.account.read.add(result.records);
            self.account.pushed.add(result.records);
            self.ledger.insert(result.key, chunk);
            self.ledger.arrived(result.key, result.bytes);
            return;
        };
        self.pace.result(now.saturating_sub(chunk.accepted_at));
        let state = chunk.state();
        if state != State::Accepted {
            // The result proves that the push was taken, whatever became of its answer.
            self.count_accepted(result.key, result.records);
        }
        self.ledger.arrived(result.key, result.bytes);
        if let State::Doubtful(_) = state {
            // A push is taken whole or not at all.
            for key in self.ledger.keys(|other| other == state) {
                self.accept(now, key, state);
            }
        }
    }

    fn pull_failed(&mut self, now: Time, max: u32, failure: Failure) {
        if matches!(failure.what, What::Unknown | What::TooLarge) {
            // Results may have been on their way, and the service has dropped what it sent.
            self.loss_suspected = true;
            self.account.lost_pulls += 1;
            self.drain.disturbed(now, self.next_request);
        }
        if failure.what == What::TooLarge {
            self.pull_limit = (max / 2).max(1);
        }
        self.failed(now, Op::Pull, failure);
    }

    fn created(&mut self, now: Time) {
        self.trouble.succeeded(Op::Create);
        self.batch = Batch::Open;
        self.account.batches += 1;
        self.account.closed = false;
        self.progress_at = now;
        self.want_status = true;
        self.fruitful = false;
    }

    fn create_failed(&mut self, now: Time, failure: Failure) {
        self.batch = Batch::None;
        if failure.what == What::Unknown {
            self.account.batches_in_doubt += 1;
        }
        match failure.what {
            What::Refused | What::TooLarge => self.end(Ending::Denied(Op::Create)),
            _ => self.failed(now, Op::Create, failure),
        }
    }

    /// A request failed in a way that may pass, or not.
    fn failed(&mut self, now: Time, op: Op, failure: Failure) {
        match failure.what {
            What::Fatal => return self.end(Ending::Denied(op)),
            What::Gone
                if op != Op::Create
                    && (self.resuming || matches!(self.batch, Batch::Draining(_))) =>
            {
                self.batch = Batch::Draining(Left::Gone);
                return;
            }
            What::Gone => return self.end(Ending::NotFound(op)),
            // A client that knows the batch as closed refuses as well; the status tells.
            What::Refused if op == Op::Pull => self.want_status = true,
            What::Busy if op != Op::Push => {
                if let Some(wait) = failure.retry_after {
                    self.trouble.hold_all(now + wait);
                }
            }
            _ => {}
        }
        if self
            .trouble
            .failed(now, op, failure.retry_after, &self.settings)
        {
            self.end(Ending::Outage(op));
        }
    }

    /// Takes over what an answer says about the batch.
    fn observe(&mut self, now: Time, request: RequestId, flight: &Flight, facts: &Facts) {
        if moved(&self.latest, facts) {
            self.progress_at = now;
        }
        if request > self.latest_from {
            (self.latest, self.latest_from) = (*facts, request);
        }
        self.buffers.saw(now, request, facts);
        if flight.call == Call::Status {
            self.drain.saw(
                flight.issued,
                request,
                sign(facts, self.account.resubmissions > 0),
            );
        }
        self.take_over(facts.state);
        if flight.quiet && flight.pushes_before == self.pushes_issued {
            self.compare_counts(now, flight, facts);
        }
        if self
            .verdict
            .as_ref()
            .is_some_and(|verdict| verdict.from <= request)
            && (facts.input_remaining.is_some() || flight.call == Call::Status)
        {
            if facts.state == BatchState::Completed {
                self.take_over(BatchState::Closed);
            }
            self.judge(now, facts.input_remaining);
        }
    }

    /// The service says that the batch is over.
    fn take_over(&mut self, state: BatchState) {
        let left = match state {
            BatchState::Completed if matches!(self.phase, Phase::Ending(..)) => {
                Left::ClosedElsewhere
            }
            BatchState::Live | BatchState::Completed => return,
            BatchState::TimedOut => Left::TimedOut,
            BatchState::Closed => Left::ClosedElsewhere,
            BatchState::Failed | BatchState::Cancelled => Left::Gone,
        };
        self.account.closed = true;
        match state {
            _ if self.phase != Phase::Running => {}
            BatchState::Failed if !self.resuming => return self.end(Ending::BatchFailed),
            BatchState::Cancelled if !self.resuming => return self.end(Ending::BatchCancelled),
            _ => {}
        }
        if self.batch == Batch::Open {
            self.batch = Batch::Draining(left);
            self.verdict = None;
        }
    }

    /// No push was under way while this answer was made: the service's counts can be compared with ours.
    fn compare_counts(&mut self, now: Time, flight: &Flight, facts: &Facts) {
        let theirs = facts.chunks_submitted.map(|chunks| Submitted {
            chunks,
            records: facts.records_submitted,
        });
        let mut pushes: BTreeMap<RequestId, Vec<Key>> = BTreeMap::new();
        if self.ledger.doubtful() > 0 {
            for (key, chunk) in self.ledger.iter() {
                if let State::Doubtful(push) = chunk.state() {
                    pushes.entry(push).or_default().push(key);
                }
            }
        }
        if pushes.is_empty() {
            if let Some(theirs) = theirs {
                self.counters.quiet(theirs);
            }
            return;
        }
        if flight.issued < self.doubt_since + self.settings.settle {
            return;
        }
        let doubts: Vec<Doubt> = pushes.values().map(|keys| self.doubt(keys)).collect();
        let verdict = theirs.and_then(|theirs| self.counters.resolve(theirs, &doubts));
        if verdict.is_none() && flight.call != Call::Status {
            return;
        }
        let mut full = false;
        for (nth, keys) in pushes.into_values().enumerate() {
            for key in keys {
                match verdict.as_ref().map(|taken| taken[nth]) {
                    Some(true) => self.accept(now, key, State::Doubtful(0)),
                    Some(false) => {
                        full |= facts
                            .input_remaining
                            .is_some_and(|remaining| remaining < doubts[nth].bytes);
                        self.ledger.set(key, State::Ready);
                    }
                    None => self.again(key),
                }
            }
        }
        if full {
            // The answer was lost or came from a gateway, but its reason was the full buffer.
            self.account.refused_full += 1;
            self.trouble.succeeded(Op::Push);
        }
    }

    fn doubt(&self, keys: &[Key]) -> Doubt {
        let records = keys
            .iter()
            .filter_map(|&key| self.ledger.get(key))
            .map(|chunk| chunk.records)
            .sum();
        Doubt {
            chunks: keys.len() as u64,
            records,
            bytes: self.bytes_of(keys),
        }
    }

    /// Pushes a chunk again that the service may have or have had, by the same id and in a request of its own.
    pub(super) fn again(&mut self, key: Key) {
        if let Some(chunk) = self.ledger.get_mut(key) {
            (chunk.solo, chunk.repeat, chunk.maybe_there) = (true, true, true);
            self.counters.blur();
            self.ledger.set(key, State::Ready);
        }
    }

    /// The close or cancel of the batch ended.
    fn ended_batch(&mut self, now: Time, failure: Option<Failure>) {
        let Some(failure) = failure else {
            self.trouble.succeeded(Op::End);
            self.account.closed = true;
            return;
        };
        // At the end of all work a failed close is worth as much patience as any other request; after an error it is not.
        let patient = matches!(
            self.phase,
            Phase::Running | Phase::Ending(Ending::Complete, _)
        );
        self.cleanups += 1;
        match failure.what {
            What::Gone => self.account.closed = true,
            What::Fatal => self.cleanup_failed = true,
            // Perhaps because it is closed already; the status tells.
            What::Refused if self.cleanups < 4 => self.want_status = true,
            _ => {
                let late = self
                    .trouble
                    .failed(now, Op::End, failure.retry_after, &self.settings);
                self.cleanup_failed |= late || (!patient && self.cleanups >= 4);
            }
        }
    }
}

/// Whether anything that only work can change has changed.
fn moved(before: &Facts, after: &Facts) -> bool {
    let of = |facts: &Facts| {
        (
            facts.chunks_completed,
            facts.records_completed,
            facts.chunks_available,
            facts.input_used,
            facts.output_used,
        )
    };
    of(before) != of(after)
}

fn same_kind(a: State, b: State) -> bool {
    std::mem::discriminant(&a) == std::mem::discriminant(&b)
}
