//! Plays the driver, the network, the source and the consumer around a machine and a model of the
//! service, in virtual time, and checks on the way what a run promises.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::ops::Range;
use std::time::Duration;

use rangemap::RangeSet;

use super::random::Random;
use super::service::{Pushed, Repeated, Service, Traits};

use crate::run::machine::{
    Action, BatchState, Cut, Ending, Event, FailedRecords, Failure, FailureKind, Key, Machine,
    Next, Observation, Order, PulledChunk, Reason, Reply, Request, RequestId, RequestKind, RunId,
    Settings, Time, Totals,
};

/// The world around the run.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) settings: Settings,
    pub(super) traits: Traits,
    pub(super) records: u64,
    pub(super) chunk_records: (u64, u64),
    pub(super) record_bytes: (u64, u64),
    pub(super) latency: (Duration, Duration),
    pub(super) read_time: (Duration, Duration),
    pub(super) take_time: (Duration, Duration),
    /// Chance in percent that the source makes a long pause before a chunk.
    pub(super) gaps: u64,
    pub(super) gap: Duration,
    /// Chance in a thousand that a request meets a fault, and until when.
    pub(super) faults: u64,
    pub(super) faults_until: Time,
    /// How long a request hangs that gets no response.
    pub(super) hangs: Duration,
    /// A kind of request that never works.
    pub(super) dead: Option<RequestKind>,
    /// Faults by plan: which requests of a kind (counted from 0) meet which.
    pub(super) script: Vec<(RequestKind, Range<u64>, Fault)>,
    /// How many pulls lose the results that they carry.
    pub(super) lose_results: u64,
    /// Whether the batch is one that somebody else has used before.
    pub(super) handed_in: bool,
    /// How often a process dies and another resumes.
    pub(super) crashes: u32,
    /// Chance in percent that the process that resumes finds the batch's id lost.
    pub(super) forgets_batch: u64,
}

#[derive(Clone, Debug)]
enum Happening {
    Source,
    Arrives(u32, RequestId, Request, Option<usize>),
    /// A pull reaches the service that the client has given up.
    ArrivesLate(Request, Option<usize>),
    Answer(u32, RequestId, Option<Observation>, Result<Reply, Failure>),
    Computed(usize, PulledChunk),
    Consumer,
    Saves,
    Crash,
    Told(Event),
    Strikes(BatchState),
    Stands(Duration),
}

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    /// The service does not get to see it.
    Before(FailureKind),
    /// The service does what it was asked for, but the client is told otherwise.
    After(FailureKind),
    /// The client gives it up, and the service acts on it this much later.
    Late(Duration),
}

#[derive(Clone, Debug)]
struct Saved {
    position: String,
    delivered: RangeSet<u64>,
    has_batch: bool,
    batches: usize,
}

/// One run of a schedule.
#[derive(Debug)]
pub(super) struct Sim {
    world: World,
    random: Random,
    pub(super) machine: Machine,
    pub(super) service: Service,
    now: Time,
    agenda: BinaryHeap<Reverse<(Time, u64)>>,
    happenings: BTreeMap<u64, Happening>,
    serial: u64,
    /// Which process it is: answers to a dead one go nowhere.
    life: u32,

    read: u64,
    /// Records that the source holds beyond those.
    ahead: u64,
    reading: Option<Cut>,
    stopping: bool,
    /// Bytes that the driver holds: encodings and results.
    payloads: BTreeMap<Key, (u64, u64)>,
    held: u64,
    chunk_sizes: BTreeMap<Key, u64>,
    outbox: VecDeque<Key>,
    consumer_busy: bool,
    pub(super) delivered: RangeSet<u64>,
    last_delivered: Option<Key>,
    /// What the latest answer said about the input buffer: request, bytes left.
    room: Option<(RequestId, u64)>,
    pushing: BTreeMap<RequestId, u64>,
    largest: (u64, u64),
    pub(super) peak: u64,
    pub(super) resubmissions: u64,
    pub(super) requests: u64,
    pub(super) trace: Vec<String>,
    pub(super) done_at: Time,
    /// When something last moved, on any side.
    pub(super) last_step: Time,
    steps: [u64; 8],
    listed: usize,
    crashed: bool,
    /// A checkpoint, and what was delivered until then.
    saved: Option<Saved>,
    /// Requests that arrived, by kind.
    seen: BTreeMap<u8, u64>,
    /// Every push: when, and which chunks.
    pub(super) pushes: Vec<(Time, Vec<Key>)>,
}

impl Sim {
    pub(super) fn new(world: World, seed: u64) -> Self {
        let mut random = Random(seed);
        let run = RunId::from_random(u128::from(random.next()) << 64 | u128::from(random.next()));
        let mut service = Service::new(world.traits.clone());
        if world.handed_in {
            service.create_used(Time::ZERO);
        }
        let mut sim = Self {
            machine: Machine::new(world.settings.clone(), run, world.handed_in),
            service,
            random,
            now: Time::ZERO,
            agenda: BinaryHeap::new(),
            happenings: BTreeMap::new(),
            serial: 0,
            life: 0,
            read: 0,
            ahead: 0,
            reading: None,
            stopping: false,
            payloads: BTreeMap::new(),
            held: 0,
            chunk_sizes: BTreeMap::new(),
            outbox: VecDeque::new(),
            consumer_busy: false,
            delivered: RangeSet::default(),
            last_delivered: None,
            room: None,
            pushing: BTreeMap::new(),
            largest: (0, 0),
            peak: 0,
            resubmissions: 0,
            requests: 0,
            trace: Vec::new(),
            done_at: Time::ZERO,
            last_step: Time::ZERO,
            steps: [0; 8],
            listed: 0,
            crashed: false,
            saved: None,
            seen: BTreeMap::new(),
            pushes: Vec::new(),
            world,
        };
        for nth in 0..sim.world.crashes {
            let at = sim.random.time((
                Duration::from_millis(200),
                Duration::from_secs(5 * u64::from(nth + 1)),
            ));
            if sim.random.percent(50) {
                let age = sim.random.time((Duration::ZERO, Duration::from_secs(2)));
                sim.plan(at.saturating_sub(age), Happening::Saves);
            }
            sim.plan(at, Happening::Crash);
        }
        sim
    }

    /// A process dies at the second time, and another one goes on from the checkpoint of the first.
    pub(super) fn resume_from(&mut self, saved: Time, crash: Time) {
        self.plan(saved, Happening::Saves);
        self.plan(crash, Happening::Crash);
    }

    /// An event that comes from outside at this time.
    pub(super) fn tell(&mut self, at: Time, event: Event) {
        self.plan(at, Happening::Told(event));
    }

    /// All batches get into this state at this time.
    pub(super) fn strike(&mut self, at: Time, state: BatchState) {
        self.plan(at, Happening::Strikes(state));
    }

    /// The computer stands still for this long at this time: what was to happen happens after, and
    /// late.
    pub(super) fn stand_still(&mut self, at: Time, time: Duration) {
        self.plan(at, Happening::Stands(time));
    }

    fn plan(&mut self, at: Time, happening: Happening) {
        self.serial += 1;
        self.happenings.insert(self.serial, happening);
        self.agenda.push(Reverse((at, self.serial)));
    }

    fn note(&mut self, text: impl FnOnce() -> String) {
        if super::tracing() {
            let line = format!("{:>12.3} {}", self.now.as_secs_f64(), text());
            self.trace.push(line);
        }
    }

    /// Plays until the run is over and its results are taken.
    pub(super) fn play(&mut self) -> Totals {
        let mut steps = 0u64;
        loop {
            steps += 1;
            assert!(
                steps < 3_000_000,
                "the run does not come to an end: {:?}",
                self.machine
            );
            let wake = match self.machine.next(self.now) {
                Next::Do(action) => {
                    self.note(|| format!("do {action:?}"));
                    self.perform(action);
                    continue;
                }
                Next::Wait(wake) => wake,
                Next::Over => {
                    if self.outbox.is_empty() {
                        break;
                    }
                    None
                }
            };
            let next = self.agenda.peek().map(|Reverse((at, _))| *at);
            match (next, wake) {
                (Some(at), wake) if wake.is_none_or(|wake| at <= wake) => {
                    let Some(Reverse((at, serial))) = self.agenda.pop() else {
                        unreachable!()
                    };
                    self.now = self.now.max(at);
                    let happening = self.happenings.remove(&serial).expect("planned");
                    self.note(|| format!("{happening:?}"));
                    self.happen(happening);
                }
                (_, Some(wake)) => {
                    assert!(
                        wake > self.now,
                        "a wait that is over at once: {:?}",
                        self.machine
                    );
                    self.now = wake;
                }
                (_, None) => panic!("nothing will ever happen: {:?}", self.machine),
            }
            self.check_memory();
            self.note_step();
        }
        self.done_at = self.now;
        self.machine.totals().clone()
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Read { skip, cut } => {
                // What the source has begun is part of the next chunk.
                assert!(self.ahead == 0 || skip == 0, "{skip} skipped");
                assert!(self.ahead <= cut.most());
                self.read += skip;
                self.reading = Some(cut);
                let mut wait = self.random.time(self.world.read_time);
                if self.random.percent(self.world.gaps) {
                    wait += self.world.gap;
                }
                self.plan(self.now + wait, Happening::Source);
            }
            Action::StopReading => {
                self.stopping = true;
                if self.reading.is_none() {
                    self.give(self.ahead, 0);
                    self.machine.handle(self.now, Event::SourceEnded);
                }
            }
            Action::Split(key) => {
                let bytes = self.payloads[&key].0;
                let records = self.chunk_sizes[&key];
                let half = records / 2;
                let parts = vec![(half, bytes / 2 + 1), (records - half, bytes / 2 + 1)];
                self.hold(key, (parts[0].1, 0));
                self.hold(key + half, (parts[1].1, 0));
                self.chunk_sizes.insert(key, half);
                self.chunk_sizes.insert(key + half, records - half);
                self.machine.handle(self.now, Event::Split { key, parts });
            }
            Action::Send { id, request } => self.send(id, request),
            Action::Deliver(key) => {
                if self.world.settings.order == Order::Input {
                    assert!(self.last_delivered < Some(key), "out of order: {key}");
                }
                self.last_delivered = Some(key);
                self.outbox.push_back(key);
                self.wake_consumer();
            }
            Action::Forget(key) => self.drop_payload(key),
        }
    }

    fn hold(&mut self, key: Key, payload: (u64, u64)) {
        self.drop_payload(key);
        self.held += payload.0 + payload.1;
        self.payloads.insert(key, payload);
    }

    fn drop_payload(&mut self, key: Key) {
        if let Some((encoded, result)) = self.payloads.remove(&key) {
            self.held -= encoded + result;
        }
    }

    fn wake_consumer(&mut self) {
        if !self.consumer_busy && !self.outbox.is_empty() {
            self.consumer_busy = true;
            let wait = self.random.time(self.world.take_time);
            self.plan(self.now + wait, Happening::Consumer);
        }
    }

    fn send(&mut self, request: RequestId, call: Request) {
        self.requests += 1;
        if let Request::Push(keys) = &call {
            let bytes: u64 = keys.iter().map(|key| self.payloads[key].0).sum();
            // Promise 5: nothing is pushed that does not fit, by what the last answer said.
            if let Some((_, room)) = self.room {
                let under_way: u64 = self.pushing.values().sum();
                assert!(
                    bytes + under_way <= room,
                    "push of {bytes} with {under_way} under way into {room}"
                );
            }
            self.pushing.insert(request, bytes);
            self.pushes.push((self.now, keys.clone()));
        }
        let wait = self.random.time(self.world.latency);
        let batch = self.service.batches.len().checked_sub(1);
        self.plan(
            self.now + wait,
            Happening::Arrives(self.life, request, call, batch),
        );
    }

    fn happen(&mut self, happening: Happening) {
        if matches!(
            happening,
            Happening::Source | Happening::Consumer | Happening::Crash
        ) {
            self.last_step = self.now;
        }
        match happening {
            // The driver reads no more once the run is over.
            Happening::Source if self.machine.totals().ending.is_some() => {}
            Happening::Source => self.read_chunk(),
            Happening::Arrives(life, request, call, batch) => {
                self.arrive(life, request, call, batch)
            }
            Happening::ArrivesLate(request, batch) => drop(self.serve(&request, batch)),
            Happening::Strikes(state) => {
                for batch in &mut self.service.batches {
                    batch.state = state;
                }
            }
            Happening::Answer(life, request, facts, outcome) => {
                self.answer(life, request, facts, outcome)
            }
            Happening::Computed(batch, result) => {
                self.service.finish(batch, result, &mut self.random);
                self.compute(batch);
            }
            Happening::Consumer => {
                self.consumer_busy = false;
                let Some(key) = self.outbox.pop_front() else {
                    return;
                };
                let records = self.chunk_sizes[&key];
                // Promise 1 and 2: exactly once.
                assert!(
                    !self.delivered.overlaps(&(key..key + records)),
                    "delivered twice: {key}"
                );
                self.delivered.insert(key..key + records);
                self.drop_payload(key);
                self.machine.handle(
                    self.now,
                    Event::Taken {
                        key,
                        failed: FailedRecords::default(),
                    },
                );
                self.wake_consumer();
            }
            Happening::Saves => self.saved = Some(self.save()),
            Happening::Crash => self.crash(),
            Happening::Stands(time) => self.now += time,
            Happening::Told(event) => self.machine.handle(self.now, event),
        }
    }

    fn read_chunk(&mut self) {
        let Some(cut) = self.reading else { return };
        let wanted = match cut {
            Cut::Exactly(records) => records,
            Cut::Free => self
                .random
                .within(self.world.chunk_records.0, self.world.chunk_records.1),
            Cut::AtMost(most) => self
                .random
                .within(self.world.chunk_records.0, self.world.chunk_records.1)
                .min(most),
        };
        let left = self.world.records.saturating_sub(self.read);
        let records = wanted.max(self.ahead).min(left);
        self.reading = None;
        if records == 0 {
            self.machine.handle(self.now, Event::SourceEnded);
            return;
        }
        let ahead = match self.stopping {
            true => 0,
            false => self.random.within(0, 1).min(left.min(cut.most()) - records),
        };
        self.give(records, ahead);
        if self.stopping {
            self.machine.handle(self.now, Event::SourceEnded);
        }
    }

    fn give(&mut self, records: u64, ahead: u64) {
        self.ahead = ahead;
        if records == 0 {
            return;
        }
        let bytes = (0..records)
            .map(|_| {
                self.random
                    .within(self.world.record_bytes.0, self.world.record_bytes.1)
            })
            .sum();
        self.largest.0 = self.largest.0.max(bytes);
        self.hold(self.read, (bytes, 0));
        self.chunk_sizes.insert(self.read, records);
        self.read += records;
        let read = Event::Read {
            records,
            bytes,
            ahead,
        };
        self.machine.handle(self.now, read);
    }

    fn compute(&mut self, batch: usize) {
        for (time, result) in self.service.start(batch, &mut self.random) {
            self.plan(self.now + time, Happening::Computed(batch, result));
        }
    }

    /// A request reaches the service, or a fault on the way.
    fn arrive(&mut self, life: u32, request: RequestId, call: Request, batch: Option<usize>) {
        let failure = |what| Failure {
            kind: what,
            retry_after: None,
            responded: what != FailureKind::NotSent,
        };
        let faulty = self.now < self.world.faults_until && self.random.per_mille(self.world.faults);
        let late = self.now + self.random.time(self.world.latency);
        let seen = self.seen.entry(call.kind() as u8).or_default();
        let nth = std::mem::replace(seen, *seen + 1);
        let planned = self
            .world
            .script
            .iter()
            .find(|(op, which, _)| *op == call.kind() && which.contains(&nth));
        if self.world.dead == Some(call.kind()) {
            let failure = failure(FailureKind::Busy);
            return self.plan(late, Happening::Answer(life, request, None, Err(failure)));
        }
        if let Some(&(_, _, fault)) = planned {
            let what = match fault {
                Fault::Before(what) => what,
                Fault::After(what) => {
                    drop(self.serve(&call, batch));
                    what
                }
                Fault::Late(wait) => {
                    self.plan(late + wait, Happening::ArrivesLate(call, batch));
                    FailureKind::Unknown
                }
            };
            return self.plan(
                late,
                Happening::Answer(life, request, None, Err(failure(what))),
            );
        }
        if faulty {
            let fault = self.random.within(0, 6);
            let (at, failure) = match fault {
                0 => (late, failure(FailureKind::NotSent)),
                1 => (late, failure(FailureKind::Busy)),
                2 => {
                    let wait = Duration::from_millis(self.random.within(1, 3000));
                    (
                        late,
                        Failure {
                            kind: FailureKind::Busy,
                            retry_after: Some(wait),
                            responded: true,
                        },
                    )
                }
                // Lost on the way there, after a long or a short wait.
                3 => (late + self.world.hangs, failure(FailureKind::Unknown)),
                // Lost on the way there for the client, who gives it up too early.
                4 if call.kind() == RequestKind::Pull => {
                    let wait = self.random.time((Duration::ZERO, Duration::from_secs(60)));
                    self.plan(late + wait, Happening::ArrivesLate(call, batch));
                    (late, failure(FailureKind::Unknown))
                }
                // Lost on the way back.
                _ => {
                    drop(self.serve(&call, batch));
                    (late, failure(FailureKind::Unknown))
                }
            };
            return self.plan(at, Happening::Answer(life, request, None, Err(failure)));
        }
        let (facts, outcome) = self.serve(&call, batch);
        if let Ok(Reply::Pulled { results, .. }) = &outcome
            && !results.is_empty()
            && self.world.lose_results > 0
        {
            self.world.lose_results -= 1;
            return self.plan(
                late,
                Happening::Answer(life, request, None, Err(failure(FailureKind::Unknown))),
            );
        }
        self.plan(late, Happening::Answer(life, request, facts, outcome));
    }

    fn serve(
        &mut self,
        call: &Request,
        batch: Option<usize>,
    ) -> (Option<Observation>, Result<Reply, Failure>) {
        if *call == Request::Create {
            self.service.create(self.now);
            return (None, Ok(Reply::Done));
        }
        let refused = |what| {
            Err(Failure {
                kind: what,
                retry_after: None,
                responded: what != FailureKind::NotSent,
            })
        };
        let Some(nth) = batch else {
            return (None, refused(FailureKind::Gone));
        };
        let traits = self.service.traits.clone();
        let batch = &mut self.service.batches[nth];
        if batch.takes_pushes() && self.now >= batch.last_activity + traits.idle_limit {
            batch.state = BatchState::TimedOut;
        }
        let counts = match call {
            Request::Push(_) => traits.activity[0],
            Request::Pull(_) => traits.activity[1],
            _ => traits.activity[2],
        };
        if counts {
            batch.last_activity = self.now;
        }
        let outcome = match call {
            Request::Push(keys) => {
                let chunks: Vec<_> = keys
                    .iter()
                    .map(|key| {
                        (
                            *key,
                            self.chunk_sizes[key],
                            self.payloads.get(key).map_or(0, |p| p.0),
                        )
                    })
                    .collect();
                match self.service.push(nth, &chunks, &mut self.random) {
                    Pushed::Taken => {
                        self.compute(nth);
                        Ok(Reply::Done)
                    }
                    Pushed::Full => {
                        return (
                            None,
                            refused(self.random.pick(&[
                                FailureKind::Busy,
                                FailureKind::Refused,
                                FailureKind::TooLarge,
                            ])),
                        );
                    }
                    Pushed::Known => return (None, refused(FailureKind::Refused)),
                    Pushed::Closed => return (None, refused(FailureKind::Refused)),
                }
            }
            Request::Pull(max) => {
                let results = self.service.pull(nth, *max);
                self.compute(nth);
                Ok(Reply::Pulled {
                    results,
                    foreign: 0,
                })
            }
            // A batch is closed once.
            Request::Close | Request::Cancel if !batch.takes_pushes() => {
                return (None, refused(FailureKind::Refused));
            }
            Request::Close => {
                batch.state = BatchState::Closed;
                return (None, Ok(Reply::Done));
            }
            Request::Cancel => {
                batch.state = BatchState::Cancelled;
                return (None, Ok(Reply::Done));
            }
            Request::Status | Request::Create => Ok(Reply::Done),
        };
        (Some(self.service.facts(nth)), outcome)
    }

    fn answer(
        &mut self,
        life: u32,
        request: RequestId,
        facts: Option<Observation>,
        outcome: Result<Reply, Failure>,
    ) {
        if life != self.life {
            return;
        }
        self.pushing.remove(&request);
        if let Some(remaining) = facts.and_then(|facts| facts.input_remaining)
            && self.room.is_none_or(|(latest, _)| latest < request)
        {
            self.room = Some((request, remaining));
        }
        if let Ok(Reply::Pulled { results, .. }) = &outcome {
            for result in results {
                if self.machine.wants(result) {
                    self.largest.1 = self.largest.1.max(result.bytes);
                    self.hold(result.key, (0, result.bytes));
                    self.chunk_sizes.insert(result.key, result.records);
                }
            }
        }
        if matches!(outcome, Ok(Reply::Done)) && facts.is_none() {
            // A batch was created or ended: what was said about the one before is void.
            self.room = None;
        }
        self.machine.handle(
            self.now,
            Event::Response {
                request,
                observation: facts,
                outcome,
            },
        );
    }

    fn save(&self) -> Saved {
        Saved {
            position: serde_json::to_string(&self.machine.position()).expect("serialise"),
            delivered: self.delivered.clone(),
            has_batch: self.machine.has_batch(),
            batches: self.service.batches.len(),
        }
    }

    /// The process dies; another one goes on from the checkpoint.
    fn crash(&mut self) {
        if matches!(self.machine.next(self.now), Next::Over)
            || self.machine.totals().ending.is_some()
        {
            return;
        }
        // What was delivered after the checkpoint is delivered again: the output goes back as well.
        let saved = self.saved.take().unwrap_or_else(|| self.save());
        let position = serde_json::from_str(&saved.position).expect("deserialise");
        self.delivered = saved.delivered;
        let batch = saved.has_batch && saved.batches == self.service.batches.len();
        let open = batch && !self.random.percent(self.world.forgets_batch);
        self.resubmissions += self.machine.totals().resubmissions;
        let other = RunId::from_random(u128::from(self.random.next()));
        let settings = self.world.settings.clone();
        self.machine = Machine::resume(settings, &position, open, 0, other);
        self.life += 1;
        (self.read, self.ahead) = (0, 0);
        (self.reading, self.stopping) = (None, false);
        self.payloads.clear();
        self.held = 0;
        self.outbox.clear();
        (self.room, self.last_delivered) = (None, None);
        self.pushing.clear();
        self.crashed = true;
        // The new process has a clock of its own, but the world's goes on.
    }

    /// Notes when something moves, and checks that nothing is called lost that the service has.
    fn note_step(&mut self) {
        let totals = self.machine.totals();
        let steps = [
            totals.pushed.chunks,
            totals.pulled.chunks,
            totals.read.chunks,
            totals.delivered.chunks,
            totals.batches,
            totals.resubmissions,
            self.service.times.len() as u64,
            self.service.finished,
        ];
        if steps != std::mem::replace(&mut self.steps, steps) {
            self.last_step = self.now;
        }
        for (records, reason) in totals.unfinished.iter().skip(self.listed) {
            assert!(
                *reason != Reason::Lost || !self.service.has(records),
                "called lost although the service has it: {records:?}, {:?}",
                self.world
            );
        }
        self.listed = totals.unfinished.len();
    }

    /// Promise 4: what the driver holds stays within the budget, but for what could not be known
    /// beforehand.
    fn check_memory(&mut self) {
        let held = self.held;
        self.peak = self.peak.max(held);
        let slack = self.largest.0 + 9 * self.largest.1;
        assert!(
            held <= self.world.settings.memory + slack || self.crashed,
            "{held} bytes held, {} allowed, {:?} largest",
            self.world.settings.memory,
            self.largest
        );
    }

    /// Promise 1: every record that was read is delivered or listed, and not both.
    pub(super) fn check_account_records(&self, account: &Totals) {
        let mut all = self.delivered.clone();
        for (records, _) in &account.unfinished {
            assert!(
                !self.delivered.overlaps(records),
                "both delivered and unfinished: {records:?}"
            );
            all.insert(records.clone());
        }
        // Promise 1: nothing is missing.
        let whole: RangeSet<u64> = std::iter::once(0..self.read)
            .filter(|read| !read.is_empty())
            .collect();
        if self.crashed {
            // What an earlier process has delivered need not have been read again.
            all.extend(whole);
            if account.ending == Some(Ending::Complete) {
                let records = 0..self.world.records;
                let known = account
                    .unfinished
                    .iter()
                    .map(|(records, _)| records.clone());
                let known: RangeSet<u64> = known.chain(self.delivered.iter().cloned()).collect();
                assert!(
                    known.gaps(&records).next().is_none(),
                    "{known:?} of {records:?}"
                );
            }
            let listed = account.unfinished.iter();
            let listed: u64 = listed.map(|(records, _)| records.end - records.start).sum();
            assert!(account.delivered.records + listed >= account.read.records);
        } else {
            assert_eq!(all, whole, "{account:?}");
        }
    }

    /// Checks at the end what can only be checked there.
    pub(super) fn check_account(&self, account: &Totals) {
        self.check_account_records(account);
        if !self.crashed {
            assert_eq!(
                account.delivered.records,
                self.delivered.iter().map(|r| r.end - r.start).sum::<u64>()
            );
            assert_eq!(account.pulled, account.delivered);
            // Promise 2: computed twice only where the summary says so.
            let twice: u64 = self.service.computed.values().map(|times| times - 1).sum();
            let reported = self.resubmissions + account.resubmissions;
            assert!(
                twice <= reported,
                "{twice} chunks computed again, {reported} reported"
            );
            if self.service.traits.repeated != Repeated::Computed && account.batches == 1 {
                assert_eq!(twice, 0);
            }
        }
        assert!(self.machine.open_batches().is_empty());
    }
}
