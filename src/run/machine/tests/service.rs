//! A small model of the service: buffers, workers, batches. It has no clock; the simulation tells
//! the time.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::random::Random;
use crate::run::machine::{BatchState, Key, Observation, PulledChunk, Time};

/// What the service does with an id that it already has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeated {
    Computed,
    Ignored,
    Refused,
}

/// What a service says that is not true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lies {
    None,
    /// All counters stay at zero.
    Stuck,
    /// All that was submitted is completed, and nothing is in use.
    Ahead,
    /// The count of completed chunks rises for ever.
    Rising,
}

/// The service's properties.
#[derive(Clone, Debug)]
pub(super) struct Traits {
    pub(super) workers: u64,
    pub(super) input_buffer: u64,
    pub(super) output_buffer: u64,
    /// Times that a chunk takes.
    pub(super) compute: (Duration, Duration),
    /// Bytes of a result for 100 bytes of input.
    pub(super) growth: (u64, u64),
    pub(super) repeated: Repeated,
    pub(super) shuffles: bool,
    pub(super) idle_limit: Duration,
    /// Whether pushes, pulls and status calls count as activity.
    pub(super) activity: [bool; 3],
    /// Whether what was pushed is still computed after a time-out.
    pub(super) finishes_after_timeout: bool,
    /// Which facts are told: available, submitted, records, completed, input used, output, workers.
    pub(super) tells: [bool; 7],
    /// Whether a batch that is open says "completed" while nothing is left to compute.
    pub(super) says_completed: bool,
    /// What is not true in the responses.
    pub(super) lies: Lies,
    /// Chunks that another client pushes into our batch, for every hundred of ours.
    pub(super) strangers: u64,
}

#[derive(Clone, Copy, Debug)]
struct Item {
    key: Key,
    records: u64,
    bytes: u64,
}

/// One batch.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) state: BatchState,
    input: VecDeque<Item>,
    computing: u64,
    computing_keys: Vec<Key>,
    output: VecDeque<PulledChunk>,
    submitted: u64,
    records: u64,
    completed: u64,
    known: BTreeMap<(Key, u64), ()>,
    pub(super) last_activity: Time,
}

impl Batch {
    fn used(&self) -> u64 {
        self.input.iter().map(|item| item.bytes).sum()
    }

    fn output_used(&self) -> u64 {
        self.output.iter().map(|result| result.bytes).sum()
    }

    pub(super) fn takes_pushes(&self) -> bool {
        self.state == BatchState::Live
    }
}

/// The service with all its batches.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) traits: Traits,
    pub(super) batches: Vec<Batch>,
    /// How often each chunk was computed.
    pub(super) computed: BTreeMap<(Key, u64), u64>,
    /// Chunks that were computed, each time counted.
    pub(super) finished: u64,
    /// How often it was asked.
    asked: u64,
    /// What each chunk took, in the order in which they were begun.
    pub(super) times: Vec<Duration>,
}

/// What became of a push.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    Taken,
    Full,
    Known,
    Closed,
}

impl Service {
    pub(super) fn new(traits: Traits) -> Self {
        Self {
            traits,
            batches: Vec::new(),
            computed: BTreeMap::new(),
            finished: 0,
            asked: 0,
            times: Vec::new(),
        }
    }

    pub(super) fn create(&mut self, now: Time) {
        self.batches.push(Batch {
            last_activity: now,
            ..Batch::default()
        });
    }

    /// A batch whose chunks were computed and pulled before.
    pub(super) fn create_used(&mut self, now: Time) {
        self.create(now);
        for batch in &mut self.batches {
            (batch.submitted, batch.completed, batch.records) = (70, 70, 700);
        }
    }

    pub(super) fn push(
        &mut self,
        batch: usize,
        chunks: &[(Key, u64, u64)],
        random: &mut Random,
    ) -> Pushed {
        let traits = &self.traits;
        let batch = &mut self.batches[batch];
        if !batch.takes_pushes() {
            return Pushed::Closed;
        }
        let bytes: u64 = chunks.iter().map(|chunk| chunk.2).sum();
        if batch.used() + bytes > traits.input_buffer {
            return Pushed::Full;
        }
        let known =
            |batch: &Batch, chunk: &(Key, u64, u64)| batch.known.contains_key(&(chunk.0, chunk.1));
        if traits.repeated == Repeated::Refused && chunks.iter().any(|chunk| known(batch, chunk)) {
            return Pushed::Known;
        }
        for chunk in chunks {
            if known(batch, chunk) && traits.repeated == Repeated::Ignored {
                continue;
            }
            batch.known.insert((chunk.0, chunk.1), ());
            batch.submitted += 1;
            batch.records += chunk.1;
            batch.input.push_back(Item {
                key: chunk.0,
                records: chunk.1,
                bytes: chunk.2,
            });
        }
        if random.percent(traits.strangers) {
            batch.submitted += 1;
            batch.completed += 1;
            batch.records += 3;
        }
        Pushed::Taken
    }

    /// Starts what can be computed: the chunks, each with the time that it takes.
    pub(super) fn start(
        &mut self,
        nth: usize,
        random: &mut Random,
    ) -> Vec<(Duration, PulledChunk)> {
        let batch = &mut self.batches[nth];
        let alive = match batch.state {
            BatchState::TimedOut => self.traits.finishes_after_timeout,
            BatchState::Failed | BatchState::Cancelled => false,
            _ => true,
        };
        let mut started = Vec::new();
        while alive
            && batch.computing < self.traits.workers
            && batch.output_used() < self.traits.output_buffer
            && let Some(item) = batch.input.pop_front()
        {
            batch.computing += 1;
            batch.computing_keys.push(item.key);
            let growth = random.within(self.traits.growth.0, self.traits.growth.1);
            let result = PulledChunk {
                key: item.key,
                records: item.records,
                bytes: (item.bytes * growth / 100).max(1),
            };
            let time = random.time(self.traits.compute);
            self.times.push(time);
            started.push((time, result));
        }
        started
    }

    pub(super) fn finish(&mut self, batch: usize, result: PulledChunk, random: &mut Random) {
        let batch = &mut self.batches[batch];
        self.finished += 1;
        batch.computing -= 1;
        if let Some(at) = batch
            .computing_keys
            .iter()
            .position(|key| *key == result.key)
        {
            batch.computing_keys.swap_remove(at);
        }
        if matches!(batch.state, BatchState::Failed | BatchState::Cancelled) {
            return;
        }
        batch.completed += 1;
        *self
            .computed
            .entry((result.key, result.records))
            .or_default() += 1;
        let at = if self.traits.shuffles {
            random.within(0, batch.output.len() as u64) as usize
        } else {
            batch.output.len()
        };
        batch.output.insert(at, result);
    }

    pub(super) fn pull(&mut self, batch: usize, max: u32) -> Vec<PulledChunk> {
        let output = &mut self.batches[batch].output;
        let n = output.len().min(max as usize);
        output.drain(..n).collect()
    }

    /// Whether a batch that is alive has a chunk of these records, or will compute it.
    pub(super) fn has(&self, records: &std::ops::Range<u64>) -> bool {
        let lives =
            |batch: &&Batch| !matches!(batch.state, BatchState::Failed | BatchState::Cancelled);
        self.batches.last().filter(lives).is_some_and(|batch| {
            let has = |key: Key| records.contains(&key);
            batch.input.iter().any(|item| has(item.key))
                || batch.computing_keys.iter().any(|key| has(*key))
                || batch.output.iter().any(|result| has(result.key))
        })
    }

    pub(super) fn facts(&mut self, batch: usize) -> Observation {
        let observation = self.true_facts(batch);
        self.asked += 1;
        let zero = |field: Option<u64>| field.map(|_| 0);
        match self.traits.lies {
            Lies::None => observation,
            Lies::Stuck => Observation {
                chunks_available: zero(observation.chunks_available),
                chunks_submitted: zero(observation.chunks_submitted),
                records_submitted: zero(observation.records_submitted),
                chunks_completed: zero(observation.chunks_completed),
                input_used: zero(observation.input_used),
                workers: zero(observation.workers),
                ..observation
            },
            Lies::Ahead => Observation {
                chunks_completed: observation.chunks_submitted,
                input_used: zero(observation.input_used),
                workers: zero(observation.workers),
                ..observation
            },
            Lies::Rising => Observation {
                chunks_completed: Some(self.asked),
                ..observation
            },
        }
    }

    fn true_facts(&self, batch: usize) -> Observation {
        let batch = &self.batches[batch];
        let [
            available,
            submitted,
            records,
            completed,
            input_used,
            output,
            workers,
        ] = self.traits.tells;
        let output_used = batch.output_used();
        let is_done = batch.takes_pushes() && batch.submitted == batch.completed;
        Observation {
            state: match self.traits.says_completed && is_done {
                true => BatchState::Completed,
                false => batch.state,
            },
            chunks_available: available.then_some(batch.output.len() as u64),
            chunks_submitted: submitted.then_some(batch.submitted),
            records_submitted: records.then_some(batch.records),
            chunks_completed: completed.then_some(batch.completed),
            records_completed: None,
            records_available: None,
            input_used: input_used.then_some(batch.used()),
            input_remaining: Some(self.traits.input_buffer.saturating_sub(batch.used())),
            output_used: output.then_some(output_used),
            output_remaining: output
                .then_some(self.traits.output_buffer.saturating_sub(output_used)),
            workers: workers.then_some(batch.computing),
        }
    }
}
