//! What to do next.

use super::pace::Load;
use super::*;

impl Machine {
    pub(super) fn decide(&mut self, now: Time) -> Option<Action> {
        self.offer();
        if let Some(action) = self.out.pop_front() {
            return Some(action);
        }
        if self.phase == Phase::Running {
            self.leave_batch_when_empty(now);
            self.repair(now);
            self.watch(now);
            self.complete();
        }
        let mut action = None;
        if self.phase == Phase::Running {
            action = self
                .create(now)
                .or_else(|| self.push(now))
                .or_else(|| self.pull(now))
                .or_else(|| self.status(now))
                .or_else(|| self.read());
        }
        if let (None, Phase::Ending(ending, cleanup)) = (&action, self.phase) {
            action = self.clean_up(now, ending, cleanup);
        }
        // What was decided on the way may have left actions of its own; they come first.
        match self.out.pop_front() {
            Some(first) => {
                self.out.extend(action);
                Some(first)
            }
            None => action,
        }
    }

    /// Hands over what may be delivered now.
    fn offer(&mut self) {
        let at_end = matches!(self.phase, Phase::Over(_));
        while let Some(key) = self.ledger.first_held() {
            if self.settings.order == Order::Input && !at_end {
                while let Some(range) = self
                    .done
                    .around(self.next_delivery)
                    .or_else(|| self.given_up.around(self.next_delivery))
                {
                    self.next_delivery = range.end;
                }
                if key != self.next_delivery {
                    return;
                }
                self.next_delivery = key + self.ledger.get(key).map_or(0, |chunk| chunk.records);
            }
            self.ledger.set(key, State::Offered);
            self.out.push_back(Action::Deliver(key));
        }
    }

    fn issue(&mut self, now: Time, call: Call) -> Action {
        let request = self.next_request;
        self.next_request += 1;
        let requests = &mut self.account.requests;
        let quiet = !self
            .flights
            .values()
            .any(|flight| flight.call.op() == Op::Push);
        *match call.op() {
            Op::Create => &mut requests.create,
            Op::Push => {
                self.pushes_issued += 1;
                &mut requests.push
            }
            Op::Pull => &mut requests.pull,
            Op::Status => &mut requests.status,
            Op::End => &mut requests.end,
        } += 1;
        let flight = Flight {
            call: call.clone(),
            issued: now,
            quiet,
            pushes_before: self.pushes_issued,
        };
        self.flights.insert(request, flight);
        Action::Send { request, call }
    }

    /// Whether a request of this kind may be sent; if not yet, the machine wakes up when it may.
    fn free(&mut self, now: Time, op: Op) -> bool {
        let at = self.trouble.free_at(op);
        if at > now {
            self.wake_at(at);
        }
        at <= now
    }

    // The batch

    fn create(&mut self, now: Time) -> Option<Action> {
        let wanted = !self.paused && self.ledger.ready().next().is_some();
        let may_close = self.batch == Batch::Retiring
            && self.in_flight(Op::End) == 0
            && self.free(now, Op::End);
        match self.batch {
            Batch::Dead(ending) if wanted => {
                self.end(ending);
                None
            }
            Batch::None if wanted => {
                if !self.free(now, Op::Create) {
                    return None;
                }
                self.batch = Batch::Creating;
                Some(self.issue(now, Call::Create))
            }
            Batch::Retiring if may_close => Some(self.issue(now, Call::Close)),
            _ => None,
        }
    }

    /// Leaves a batch that takes no more pushes, once it has given what it had.
    fn leave_batch_when_empty(&mut self, now: Time) {
        if self.in_flight(Op::Push) + self.in_flight(Op::Pull) > 0 {
            return;
        }
        let left = match self.batch {
            Batch::Draining(left) => left,
            Batch::Retiring => {
                if !self.account.closed && !self.cleanup_failed {
                    return;
                }
                Left::TimedOut
            }
            _ => return,
        };
        let silent_at = self.progress_at + self.settings.patience;
        let empty = left == Left::Gone
            || self.batch == Batch::Retiring
            || self.drain.is_drained()
            || (self.ledger.outstanding() == 0 && !self.resuming)
            || now >= silent_at;
        if !empty {
            return self.wake_at(silent_at);
        }
        for key in self
            .ledger
            .keys(|state| matches!(state, State::Accepted | State::Doubtful(_)))
        {
            self.again(key);
            if let Some(chunk) = self.ledger.get_mut(key) {
                (chunk.known, chunk.repairs) = (false, 0);
            }
        }
        // Another batch has none of them.
        for key in self.ledger.keys(|state| state == State::Ready) {
            if let Some(chunk) = self.ledger.get_mut(key) {
                chunk.maybe_there = false;
            }
        }
        // A batch that we gave up ourselves says nothing about the next one.
        if !self.fruitful && self.batch != Batch::Retiring {
            let wait = self
                .settings
                .backoff_min
                .saturating_mul(1 << self.fruitless.min(16));
            self.trouble
                .hold(Op::Create, now + wait.min(self.settings.backoff_max));
            self.fruitless_since.get_or_insert(now);
            self.fruitless += 1;
        }
        let hopeless = self.fruitless >= 3
            && self
                .fruitless_since
                .is_some_and(|since| now >= since + self.settings.outage);
        let may_reopen = self.settings.reopen && !hopeless;
        self.batch = match left {
            // The run before, or whoever ended it, may have closed its batch.
            _ if self.resumed && self.settings.reopen => Batch::None,
            Left::TimedOut if may_reopen => Batch::None,
            Left::TimedOut => Batch::Dead(Ending::BatchTimedOut),
            Left::ClosedElsewhere => Batch::Dead(Ending::BatchClosed),
            Left::Gone => Batch::Dead(Ending::NotFound(Op::Pull)),
        };
        self.forget_batch(now);
        self.account.closed = true;
    }

    fn forget_batch(&mut self, now: Time) {
        (self.resuming, self.resumed) = (false, false);
        (self.cleanups, self.cleanup_failed) = (0, false);
        self.flights.clear();
        self.latest = Facts::default();
        self.buffers = Buffers::default();
        self.counters = Counters::default();
        self.verdict = None;
        self.want_status = false;
        self.loss_suspected = false;
        self.drain.disturbed(now, self.next_request);
        self.pace.busy(now, false);
        self.progress_at = now;
    }

    /// The service has nothing left for us: what is missing now was lost.
    fn repair(&mut self, now: Time) {
        let quiet =
            self.in_flight(Op::Push) + self.in_flight(Op::Pull) == 0 && self.ledger.doubtful() == 0;
        if !quiet || self.batch != Batch::Open || !self.drain.is_drained() {
            return;
        }
        self.drain.disturbed(now, self.next_request);
        self.progress_at = now;
        if std::mem::take(&mut self.resuming) {
            self.want_status = true;
            self.pace.busy(now, false);
            return;
        }
        let (mut known, mut pushed_again) = (Vec::new(), false);
        for key in self.ledger.keys(|state| state == State::Accepted) {
            let Some(chunk) = self.ledger.get_mut(key) else {
                continue;
            };
            if chunk.resubmissions >= self.settings.resubmissions {
                self.drop_chunk(key, Reason::Lost);
            } else if chunk.known || chunk.repairs >= 2 {
                known.push(key);
            } else {
                chunk.resubmissions += 1;
                chunk.repairs += 1;
                pushed_again = true;
                self.again(key);
            }
        }
        if pushed_again {
            return;
        }
        // The service takes these ids for known, and has no results for them: only another batch can compute them.
        for key in known {
            if !self.settings.reopen {
                self.drop_chunk(key, Reason::Lost);
            } else if let Some(chunk) = self.ledger.get_mut(key) {
                chunk.resubmissions += 1;
                (self.batch, self.cleanup_failed) = (Batch::Retiring, false);
            }
        }
    }

    // The source

    /// Whether the memory budget has a permit for one more chunk.
    fn may_read(&self) -> bool {
        let used = self.memory_in_use();
        // A part is kept for results, or pulls would starve when everything is pushed.
        let limit = self.settings.memory - self.settings.memory / 8;
        // When nothing is under way, only reading can get the run on: results may wait for a chunk before them.
        let stuck = used == 0
            || (self.ledger.unfinished() == 0
                && self.ledger.offered() == 0
                && self.in_flight(Op::Pull) == 0);
        // No use in reading far ahead of what can be pushed.
        let ahead = self.ledger.ready_bytes()
            >= self
                .settings
                .push_bytes
                .saturating_mul(self.settings.pushes.max(1) as u64);
        stuck || !ahead && used.saturating_add(self.chunk_size.max(self.expected_result())) <= limit
    }

    fn read(&mut self) -> Option<Action> {
        let dead = matches!(self.batch, Batch::Dead(_)) && self.ledger.ready().next().is_some();
        if self.source != Source::Idle || self.paused || self.resuming || dead || !self.may_read() {
            return None;
        }
        let from = self.next_record;
        while let Some(range) = self.covered.around(self.next_record) {
            self.next_record = range.end;
        }
        let first = self.next_record;
        let cut = match self.cuts.get(&first) {
            Some(&(records, _)) if !self.covered.overlaps(&(first..first + records)) => {
                Cut::Exactly(records)
            }
            _ => {
                let next_cut = self
                    .cuts
                    .range(first.saturating_add(1)..)
                    .next()
                    .map(|(&key, _)| key);
                let next = [next_cut, self.covered.next_start(first)]
                    .into_iter()
                    .flatten()
                    .min();
                next.map_or(Cut::Free, |next| Cut::AtMost(next - first))
            }
        };
        self.read_until = match cut {
            Cut::Free => u64::MAX,
            Cut::AtMost(records) | Cut::Exactly(records) => first.saturating_add(records),
        };
        self.source = Source::Reading { stopping: false };
        Some(Action::Read {
            skip: first - from,
            cut,
        })
    }

    // Requests

    fn push(&mut self, now: Time) -> Option<Action> {
        let blocked =
            self.paused || self.resuming || self.verdict.is_some() || self.ledger.doubtful() > 0;
        if blocked || self.batch != Batch::Open {
            return None;
        }
        let in_flight = self.in_flight(Op::Push);
        let most = if self.trouble.in_trouble(Op::Push) {
            1
        } else {
            self.settings.pushes.max(1)
        };
        if in_flight >= most || (self.buffers.output_tight() && self.ledger.outstanding() > 0) {
            return None;
        }
        let (key, first) = self.ledger.ready().next()?;
        let (alone, bytes, records) = (first.solo, first.bytes, first.records);
        if alone && in_flight > 0 {
            return None;
        }
        let idle = self.ledger.outstanding() == 0;
        if self.buffers.too_small_for(bytes, idle).is_some() {
            if self.settings.split && records > 1 {
                self.split(key);
            } else {
                self.oversized(key);
            }
            return None;
        }
        let keys = match self.buffers.room() {
            // Nothing is known yet, and the answer is under way.
            None if self.want_status || self.in_flight(Op::Status) > 0 => return None,
            // The service doesn't say: one chunk at a time.
            None if in_flight > 0 => return None,
            None => vec![key],
            Some(room) => self.group(room.min(self.push_limit.max(bytes))),
        };
        if keys.is_empty() || !self.free(now, Op::Push) {
            return None;
        }
        let action = self.issue(now, Call::Push(keys.clone()));
        if let Action::Send { request, .. } = action {
            let bytes = self.bytes_of(&keys);
            self.account.bytes_pushed += bytes;
            self.buffers.pushed(request, bytes);
        }
        for key in keys {
            let Some(chunk) = self.ledger.get_mut(key) else {
                continue;
            };
            chunk.sent = true;
            chunk.accepted_at = now;
            if std::mem::take(&mut chunk.repeat) {
                self.account.resubmissions += 1;
                // The service may take it for known, although its result is lost.
                self.loss_suspected = true;
                self.counters.blur();
            }
            self.ledger.set(key, State::Pushing);
        }
        Some(action)
    }

    /// The first chunks, in the order of the input, that fit together.
    fn group(&self, room: u64) -> Vec<Key> {
        let (mut keys, mut bytes) = (Vec::new(), 0);
        for (key, chunk) in self.ledger.ready().take(self.settings.push_chunks.max(1)) {
            bytes += chunk.bytes;
            if bytes > room || (chunk.solo && !keys.is_empty()) {
                break;
            }
            keys.push(key);
            if chunk.solo {
                break;
            }
        }
        keys
    }

    /// How many results fit into what is left of the budget.
    fn pull_room(&self) -> u64 {
        self.settings.memory.saturating_sub(self.memory_in_use()) / self.pull_cost().max(1)
    }

    /// Whether only the consumer can make room for results.
    fn consumer_holds_up(&self) -> bool {
        self.ledger.offered() > 0 && self.pull_room() == 0
    }

    fn pull(&mut self, now: Time) -> Option<Action> {
        if !matches!(
            self.batch,
            Batch::Open | Batch::Draining(Left::TimedOut | Left::ClosedElsewhere)
        ) {
            return None;
        }
        let outstanding = self.ledger.outstanding();
        let keep_alive = self.last_contact + self.settings.keep_alive;
        let expects = outstanding > 0 || self.resuming;
        let in_flight = self.in_flight(Op::Pull);
        let most = if self.trouble.in_trouble(Op::Pull) {
            1
        } else {
            self.settings.pulls.max(1)
        };
        if in_flight >= most {
            return None;
        }
        if in_flight > 0 {
            // A second pull only for what the first leaves.
            let asked = self.chunks_asked_for();
            if self
                .latest
                .chunks_available
                .is_none_or(|available| available <= asked)
            {
                return None;
            }
        } else {
            let due = match (expects, self.poll_now) {
                (true, true) => now,
                (true, false) => {
                    let wait = self.polled_at + self.pace.wait(self.polled_at, self.load());
                    let settles = self.drain.due(self.settings.confirm).unwrap_or(wait);
                    wait.min(settles.max(self.polled_at + self.settings.poll_min))
                }
                (false, _) if self.batch == Batch::Open => keep_alive,
                (false, _) => return None,
            };
            if now < due {
                self.wake_at(due);
                return None;
            }
        }
        let room = match self.pull_room() {
            // One result at least, or nothing would ever move; more only when the consumer has taken what is there.
            0 if in_flight == 0 && self.ledger.offered() == 0 => 1,
            0 => return None,
            room => room,
        };
        let mut max = room.min(u64::from(self.pull_limit));
        if self.result_size.is_none() {
            // How large results are is not known yet.
            max = max.min(8);
        }
        if !self.resuming {
            max = max.min(outstanding.max(1));
        }
        if !self.free(now, Op::Pull) {
            return None;
        }
        Some(self.issue(now, Call::Pull(u32::try_from(max).unwrap_or(u32::MAX))))
    }

    pub(super) fn load(&self) -> Load {
        let waiting = self.ledger.ready().next().is_some();
        Load {
            outstanding: self.ledger.outstanding(),
            workers: self.latest.workers,
            limited: waiting || (self.source == Source::Idle && !self.may_read()),
            output_room: self
                .buffers
                .output_room()
                .map(|bytes| bytes / self.expected_result().max(1)),
        }
    }

    fn status(&mut self, now: Time) -> Option<Action> {
        let live = matches!(
            self.batch,
            Batch::Open | Batch::Draining(Left::TimedOut | Left::ClosedElsewhere)
        );
        if !live || self.in_flight(Op::Status) > 0 {
            return None;
        }
        let due = if self.ledger.doubtful() > 0 {
            if self.in_flight(Op::Push) > 0 {
                return None;
            }
            self.doubt_since + self.settings.settle
        } else if self.want_status || self.verdict.is_some() {
            now
        } else {
            let mut due = self.last_contact + self.settings.keep_alive;
            if self.waits_for_room(now) {
                due = due.min(self.room_due());
            }
            due
        };
        if now < due {
            self.wake_at(due);
            return None;
        }
        self.ask_status(now)
    }

    fn ask_status(&mut self, now: Time) -> Option<Action> {
        if self.in_flight(Op::Status) > 0 || !self.free(now, Op::Status) {
            return None;
        }
        self.want_status = false;
        Some(self.issue(now, Call::Status))
    }

    /// Whether only the input buffer keeps the next chunk from being pushed.
    fn waits_for_room(&self, now: Time) -> bool {
        let held = self.paused || self.resuming || self.trouble.free_at(Op::Push) > now;
        let first = self.ledger.ready().next();
        self.batch == Batch::Open
            && !held
            && first
                .is_some_and(|(_, chunk)| self.buffers.room().is_none_or(|room| chunk.bytes > room))
    }

    /// When to ask for the room in the input buffer, unless another answer tells before.
    fn room_due(&self) -> Time {
        let (polled, told) = (self.polled_at, self.buffers.room_as_of());
        let wait = if self.ledger.outstanding() > 0 {
            // Pulls tell it as well, as a rule.
            self.pace.wait(polled.max(told), self.load()) * 2
        } else {
            told.saturating_sub(self.progress_at) / 4
        };
        told + wait.clamp(self.settings.poll_min, self.settings.poll_max)
    }

    // The end

    /// Ends the run if the service has made no progress for too long.
    fn watch(&mut self, now: Time) {
        let open = matches!(self.batch, Batch::Open | Batch::Draining(_));
        let pushable = !self.paused && self.ledger.ready().next().is_some();
        let expects = open && (self.ledger.outstanding() > 0 || self.resuming || pushable);
        if !expects || self.consumer_holds_up() || self.trouble.any() {
            self.watching = false;
            return;
        }
        if !std::mem::replace(&mut self.watching, true) {
            self.progress_at = now;
        }
        let due = self.progress_at + self.settings.stall;
        if now >= due {
            self.end(Ending::Stalled);
        } else {
            // Several times until then, to notice if this computer is what stands still.
            self.wake_at(due.min(now + self.settings.stall / 16));
        }
    }

    fn complete(&mut self) {
        if let Source::Ended { failed } = self.source
            && self.ledger.unfinished() == 0
            && !self.resuming
        {
            self.end(if failed {
                Ending::SourceFailed
            } else {
                Ending::Complete
            });
        }
    }

    pub(super) fn end(&mut self, ending: Ending) {
        if self.phase != Phase::Running {
            return;
        }
        let cleanup = match (ending, self.settings.after_error) {
            (Ending::Complete, _) => Some(Cleanup::Close),
            (Ending::Cancelled, _) | (_, AfterError::Cancel) => Some(Cleanup::Cancel),
            (_, AfterError::Close) => Some(Cleanup::Close),
            (_, AfterError::Leave) => None,
        };
        self.phase = Phase::Ending(ending, cleanup);
        self.want_status = false;
    }

    fn clean_up(&mut self, now: Time, ending: Ending, cleanup: Option<Cleanup>) -> Option<Action> {
        if self.in_flight(Op::Create) + self.in_flight(Op::End) > 0 {
            // The batch that is being created has to be closed as well.
            return None;
        }
        if cleanup.is_some() && self.want_status && self.batch != Batch::None {
            return self.ask_status(now);
        }
        match cleanup {
            Some(cleanup)
                if matches!(self.batch, Batch::Open | Batch::Retiring)
                    && !self.account.closed
                    && !self.cleanup_failed =>
            {
                if !self.free(now, Op::End) {
                    return None;
                }
                let call = if cleanup == Cleanup::Close {
                    Call::Close
                } else {
                    Call::Cancel
                };
                Some(self.issue(now, call))
            }
            _ => {
                self.over(ending);
                self.offer();
                None
            }
        }
    }

    fn over(&mut self, ending: Ending) {
        self.phase = Phase::Over(ending);
        self.account.ending = Some(ending);
        let mut unfinished = std::mem::take(&mut self.account.unfinished);
        for (key, chunk) in self.ledger.iter() {
            if !matches!(chunk.state(), State::Held | State::Offered) {
                unfinished.push((
                    key..key + chunk.records,
                    chunk.reason.unwrap_or(Reason::Ended(ending)),
                ));
            }
        }
        unfinished.sort_by_key(|(records, _)| records.start);
        for (records, reason) in unfinished {
            self.account.unfinished(records, reason);
        }
    }
}
