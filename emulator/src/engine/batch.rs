//! One batch: its buffers, its queue and its workers, with time as an input.
//!
//! This is a discrete-event model. Nothing runs between calls: every call first brings the batch to
//! the time that it is given, handling in order what happens until then (workers that
//! finish, workers that start, the idle time-out).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::time::Duration;

use bytes::Bytes;

/// The resources of a batch.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// Size of the input buffer in bytes.
    pub(crate) input_bytes: u64,
    /// Size of the output buffer in bytes.
    pub(crate) output_bytes: u64,
    /// Most chunks in computation at a time.
    pub(crate) workers: usize,
    /// Workers at the start, where `ramp_up` is set.
    pub(crate) initial_workers: usize,
    /// The number of workers doubles each time this has passed since the first push; `None`: all at
    /// once.
    pub(crate) ramp_up: Option<Duration>,
    /// How long without a call and without progress until the system closes the batch.
    pub(crate) idle_timeout: Duration,
    /// Hand results out in a random order with this seed, not as they were completed.
    pub(crate) shuffle: Option<u64>,
}

/// An accepted chunk, with the result that it has once a worker has had its time.
#[derive(Clone, Debug)]
pub(crate) struct Chunk {
    pub(crate) id: String,
    pub(crate) records: u64,
    pub(crate) failed: u64,
    /// Its bytes in the input buffer.
    pub(crate) weight: u64,
    /// The chunk's entry in the response to a pull, as JSON. Its length is its bytes in the
    /// output buffer.
    pub(crate) result: Bytes,
    /// How long a worker needs for it.
    pub(crate) work: Duration,
}

#[derive(Debug)]
struct Running {
    ends: Duration,
    // Ties end in the order in which they started.
    turn: u64,
    chunk: Chunk,
}

impl PartialEq for Running {
    fn eq(&self, other: &Self) -> bool {
        (self.ends, self.turn) == (other.ends, other.turn)
    }
}
impl Eq for Running {}
impl PartialOrd for Running {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Running {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.ends, self.turn).cmp(&(other.ends, other.turn))
    }
}

/// Whether a batch is open, and how it has ended if not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Open,
    Closed,
    Cancelled,
    ClosedByTimeout,
    CompletedByTimeout,
    Failed,
}

/// The counters of a batch since its creation.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) chunks_submitted: u64,
    pub(crate) chunks_completed: u64,
    /// Chunks none of whose records could be computed.
    pub(crate) chunks_failed: u64,
    pub(crate) records_submitted: u64,
    /// All computed records, the failed ones included.
    pub(crate) records_completed: u64,
    pub(crate) records_failed: u64,
    pub(crate) input_bytes: u64,
    pub(crate) output_bytes: u64,
    pub(crate) compute_time: Duration,
}

/// Why a push is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The batch accepts no more chunks.
    Ended,
    /// The chunks need more bytes than the input buffer has left.
    Full { needed: u64, remaining: u64 },
}

#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) limits: Limits,
    phase: Phase,
    now: Duration,
    pub(crate) created: Duration,
    /// When something last happened to the batch.
    pub(crate) updated: Duration,
    /// The last call that counts as use, or the last progress of the workers.
    active: Duration,
    first_push: Option<Duration>,
    stalled_until: Duration,
    turn: u64,
    pending: VecDeque<Chunk>,
    running: BinaryHeap<Reverse<Running>>,
    /// Computed results that wait for room in the output buffer; each still occupies its worker.
    blocked: VecDeque<Chunk>,
    output: VecDeque<Chunk>,
    input_used: u64,
    output_used: u64,
    counts: Counts,
    submissions: BTreeMap<String, u32>,
    random: Option<fastrand::Rng>,
}

impl Batch {
    pub(crate) fn new(limits: Limits, now: Duration) -> Self {
        let random = limits.shuffle.map(fastrand::Rng::with_seed);
        Self {
            limits,
            phase: Phase::Open,
            now,
            created: now,
            updated: now,
            active: now,
            first_push: None,
            stalled_until: Duration::ZERO,
            turn: 0,
            pending: VecDeque::new(),
            running: BinaryHeap::new(),
            blocked: VecDeque::new(),
            output: VecDeque::new(),
            input_used: 0,
            output_used: 0,
            counts: Counts::default(),
            submissions: BTreeMap::new(),
            random,
        }
    }

    /// Brings the batch to this time. Time never runs backwards: an earlier time changes nothing.
    pub(crate) fn advance(&mut self, to: Duration) {
        let to = to.max(self.now);
        loop {
            self.store_blocked();
            self.start_pending();
            match self.next_event() {
                Some(at) if at <= to => {
                    self.now = self.now.max(at);
                    self.end_one();
                }
                _ => break,
            }
        }
        self.now = to;
        // New workers may have come up exactly now.
        self.start_pending();
        self.apply_idle_timeout();
    }

    /// Notes a call that counts as use of the batch.
    pub(crate) fn touch(&mut self) {
        self.active = self.active.max(self.now);
    }

    /// Whether a push of this many bytes is accepted now.
    pub(crate) fn admits(&self, weight: u64) -> Result<(), Refused> {
        if self.phase != Phase::Open {
            return Err(Refused::Ended);
        }
        let remaining = self.input_remaining();
        if weight > remaining {
            return Err(Refused::Full {
                needed: weight,
                remaining,
            });
        }
        Ok(())
    }

    /// Accepts all of the chunks, or none.
    pub(crate) fn push(&mut self, chunks: Vec<Chunk>) -> Result<(), Refused> {
        let weight = chunks.iter().map(|chunk| chunk.weight).sum();
        self.admits(weight)?;
        self.first_push.get_or_insert(self.now);
        self.updated = self.now;
        self.input_used += weight;
        self.counts.input_bytes += weight;
        for chunk in chunks {
            self.count_submission(&chunk);
            self.pending.push_back(chunk);
        }
        self.advance(self.now);
        Ok(())
    }

    /// Counts the chunks as submitted and loses them: they are never computed and take no room.
    pub(crate) fn lose(&mut self, chunks: &[Chunk]) -> Result<(), Refused> {
        self.admits(chunks.iter().map(|chunk| chunk.weight).sum())?;
        self.updated = self.now;
        for chunk in chunks {
            self.count_submission(chunk);
        }
        Ok(())
    }

    fn count_submission(&mut self, chunk: &Chunk) {
        self.counts.chunks_submitted += 1;
        self.counts.records_submitted += chunk.records;
        *self.submissions.entry(chunk.id.clone()).or_default() += 1;
    }

    /// Hands out up to `max` results, which are gone from the buffer then.
    pub(crate) fn pull(&mut self, max: usize) -> Vec<Chunk> {
        let mut pulled = Vec::with_capacity(max.min(self.output.len()));
        while pulled.len() < max {
            let next = match &mut self.random {
                Some(random) if !self.output.is_empty() => self
                    .output
                    .swap_remove_back(random.usize(..self.output.len())),
                _ => self.output.pop_front(),
            };
            let Some(chunk) = next else { break };
            self.output_used = self.output_used.saturating_sub(chunk.result.len() as u64);
            pulled.push(chunk);
        }
        if !pulled.is_empty() {
            self.updated = self.now;
        }
        // The pull made room, so results that waited for it can enter the buffer.
        self.advance(self.now);
        pulled
    }

    /// Puts results back, so that a later pull hands them out once more.
    pub(crate) fn put_back(&mut self, chunks: Vec<Chunk>) {
        for chunk in chunks {
            self.output_used += chunk.result.len() as u64;
            self.output.push_back(chunk);
        }
    }

    /// Accepts no more chunks; pending ones are still computed. Nothing happens to a batch that has
    /// ended.
    pub(crate) fn close(&mut self) -> bool {
        if self.phase != Phase::Open {
            return false;
        }
        self.phase = Phase::Closed;
        self.updated = self.now;
        true
    }

    /// Ends the batch and drops everything in it, unless it has ended before.
    pub(crate) fn end(&mut self, phase: Phase) -> bool {
        if !matches!(self.phase, Phase::Open | Phase::Closed) {
            return false;
        }
        self.phase = phase;
        self.updated = self.now;
        self.pending = VecDeque::new();
        self.running = BinaryHeap::new();
        self.blocked = VecDeque::new();
        self.output = VecDeque::new();
        self.input_used = 0;
        self.output_used = 0;
        true
    }

    /// Ends the batch as the idle time-out would.
    pub(crate) fn time_out(&mut self) -> bool {
        self.end(if self.phase == Phase::Open {
            Phase::ClosedByTimeout
        } else {
            Phase::CompletedByTimeout
        })
    }

    /// Makes all workers stand still for this long.
    pub(crate) fn stall(&mut self, by: Duration) {
        self.stalled_until = self.stalled_until.max(self.now).saturating_add(by);
        self.running = std::mem::take(&mut self.running)
            .into_iter()
            .map(|Reverse(running)| {
                Reverse(Running {
                    ends: running.ends.saturating_add(by),
                    ..running
                })
            })
            .collect();
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// How often each chunk id was accepted.
    pub(crate) fn submissions(&self) -> &BTreeMap<String, u32> {
        &self.submissions
    }

    /// Whether there is nothing left to compute.
    pub(crate) fn is_drained(&self) -> bool {
        self.pending.is_empty() && self.running.is_empty() && self.blocked.is_empty()
    }

    /// Whether the batch has ended: it accepts nothing and computes nothing any more.
    pub(crate) fn has_ended(&self) -> bool {
        match self.phase {
            Phase::Open => false,
            Phase::Closed => self.is_drained(),
            _ => true,
        }
    }

    pub(crate) fn workers_in_use(&self) -> usize {
        self.running.len() + self.blocked.len()
    }

    pub(crate) fn chunks_available(&self) -> usize {
        self.output.len()
    }

    pub(crate) fn records_available(&self) -> u64 {
        self.output.iter().map(|chunk| chunk.records).sum()
    }

    pub(crate) fn input_used(&self) -> u64 {
        self.input_used
    }

    pub(crate) fn input_remaining(&self) -> u64 {
        self.limits.input_bytes.saturating_sub(self.input_used)
    }

    pub(crate) fn output_used(&self) -> u64 {
        self.output_used
    }

    pub(crate) fn output_remaining(&self) -> u64 {
        self.limits.output_bytes.saturating_sub(self.output_used)
    }

    /// How long the batch has lived; it stops counting at the end.
    pub(crate) fn age(&self) -> Duration {
        let until = if self.has_ended() {
            self.updated
        } else {
            self.now
        };
        until.saturating_sub(self.created)
    }

    /// The next moment at which something changes by itself.
    fn next_event(&self) -> Option<Duration> {
        let ends = self.running.peek().map(|Reverse(running)| running.ends);
        let more_workers = if self.blocked.is_empty() && !self.pending.is_empty() {
            self.next_ramp_up()
        } else {
            None
        };
        match (ends, more_workers) {
            (Some(ends), Some(more)) => Some(ends.min(more)),
            (one, other) => one.or(other),
        }
    }

    /// Completes the chunk whose time is over, if there is one.
    fn end_one(&mut self) {
        let due = matches!(self.running.peek(), Some(Reverse(running)) if running.ends <= self.now);
        let Some(Reverse(running)) = due.then(|| self.running.pop()).flatten() else {
            return;
        };
        self.active = self.active.max(self.now);
        self.blocked.push_back(running.chunk);
    }

    /// Moves computed chunks into the output buffer, as far as there is room.
    fn store_blocked(&mut self) {
        while let Some(chunk) = self.blocked.front() {
            let weight = chunk.result.len() as u64;
            // A result larger than the whole buffer could never leave otherwise.
            if weight > self.output_remaining() && !self.output.is_empty() {
                break;
            }
            let Some(chunk) = self.blocked.pop_front() else {
                break;
            };
            self.counts.chunks_completed += 1;
            self.counts.chunks_failed +=
                u64::from(chunk.failed > 0 && chunk.failed == chunk.records);
            self.counts.records_completed += chunk.records;
            self.counts.records_failed += chunk.failed;
            self.counts.output_bytes += weight;
            self.counts.compute_time = self.counts.compute_time.saturating_add(chunk.work);
            self.output_used += weight;
            self.output.push_back(chunk);
            self.updated = self.now;
        }
    }

    /// Starts pending chunks on idle workers. None starts while a result waits for room.
    fn start_pending(&mut self) {
        while self.blocked.is_empty() && self.running.len() < self.workers_now() {
            let Some(chunk) = self.pending.pop_front() else {
                break;
            };
            self.input_used = self.input_used.saturating_sub(chunk.weight);
            let begins = self.now.max(self.stalled_until);
            self.turn += 1;
            self.running.push(Reverse(Running {
                ends: begins.saturating_add(chunk.work),
                turn: self.turn,
                chunk,
            }));
        }
    }

    fn workers_now(&self) -> usize {
        let Some(period) = self.limits.ramp_up.filter(|period| !period.is_zero()) else {
            return self.limits.workers;
        };
        let doublings = self.ramp_ups(period);
        let workers = u32::try_from(doublings)
            .ok()
            .and_then(|doublings| 1_usize.checked_shl(doublings));
        workers
            .and_then(|factor| self.limits.initial_workers.checked_mul(factor))
            .map_or(self.limits.workers, |workers| {
                workers.min(self.limits.workers)
            })
    }

    fn ramp_ups(&self, period: Duration) -> u128 {
        let since = self.now.saturating_sub(self.first_push.unwrap_or(self.now));
        since.as_nanos() / period.as_nanos().max(1)
    }

    fn next_ramp_up(&self) -> Option<Duration> {
        let period = self.limits.ramp_up.filter(|period| !period.is_zero())?;
        if self.workers_now() >= self.limits.workers {
            return None;
        }
        let periods = u32::try_from(self.ramp_ups(period) + 1).ok()?;
        self.first_push?.checked_add(period.checked_mul(periods)?)
    }

    fn apply_idle_timeout(&mut self) {
        let at_work = !self.running.is_empty();
        let holds_nothing = self.is_drained() && self.output.is_empty();
        let deadline = self.active.saturating_add(self.limits.idle_timeout);
        let applies = match self.phase {
            Phase::Open => true,
            // Nothing is left that a time-out could take away: it stays completed.
            Phase::Closed => !holds_nothing,
            _ => false,
        };
        if applies && !at_work && deadline <= self.now {
            self.time_out();
            self.updated = deadline;
        }
    }
}
