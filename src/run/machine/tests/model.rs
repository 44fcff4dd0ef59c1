//! The machine, model-checked: every interleaving of a small run with an abstract service.
//!
//! A state is the real machine together with the service, the network and the consumer. From each
//! state every step is tried: a request reaches the service or gets lost before or after, a
//! response arrives, a worker finishes a chunk, the consumer takes a result, the time passes until
//! the machine wants to look again, somebody closes the batch, the process dies and another
//! resumes. How many faults a path may have is bounded; which, and where, is not.
//!
//! In each state it is checked that no record is delivered twice, that no record is called lost
//! that the service still has or will compute, that the memory is within the budget, that the
//! batches called open at the end are those that are open, and that something can happen unless the
//! run is over. Afterwards it is checked that the states have no cycle: so every path ends, and
//! since each state has a next one unless the run is over, each ends with the end of the run.
//!
//! `MODEL=large` plays the larger bounds. `cargo test --release model -- --nocapture` prints the
//! numbers of states.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::time::Duration;

use stateright::{Checker, Model, Property};

use super::shift::{PRESENT, Shift};
use crate::run::machine::{
    Action, BatchState, Cut, Ending, Event, FailedRecords, Failure, FailureKind, Key, Machine,
    Next, Observation, Order, Position, PulledChunk, Reason, Reply, Request, RequestId,
    RequestKind, RunId, Settings,
};

/// Bytes of a chunk, and of its result.
const CHUNK: u64 = 10;

/// What the service does with a chunk id that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Repeated {
    Computed,
    Ignored,
    Refused,
}

/// What responses say about the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Reports {
    /// Everything.
    All,
    /// Neither submitted nor completed chunks.
    NoCounts,
    /// Nothing.
    Nothing,
    /// All counters stay at zero, as if nothing ever happened.
    Stuck,
}

/// One small world.
#[derive(Clone, Debug)]
struct World {
    chunks: u64,
    workers: usize,
    /// Requests that may be lost or refused.
    faults: u8,
    /// Batches that somebody may close, or the service for idleness.
    closures: u8,
    crashes: u8,
    /// A kind of request that never works.
    dead: Option<RequestKind>,
    /// Results that fit into the output buffer.
    output_buffer: usize,
    /// Whether the consumer may stop for good.
    consumer_stops: bool,
    repeated: Repeated,
    reports: Reports,
    order: Order,
    resubmissions: u32,
    pushes: usize,
    push_chunks: usize,
}

impl World {
    fn new(chunks: u64, workers: usize) -> Self {
        Self {
            chunks,
            workers,
            faults: 1,
            closures: 0,
            crashes: 0,
            dead: None,
            output_buffer: 10,
            consumer_stops: false,
            repeated: Repeated::Computed,
            reports: Reports::All,
            order: Order::Arrival,
            resubmissions: 1,
            pushes: 1,
            push_chunks: 2,
        }
    }

    fn settings(&self) -> Settings {
        let second = Duration::from_secs(1);
        Settings {
            memory: 1_000,
            order: self.order,
            pushes: self.pushes,
            pulls: 1,
            push_chunks: self.push_chunks,
            poll_min: second,
            poll_max: second,
            settle: second,
            confirm: second,
            backoff_min: second,
            backoff_max: second,
            outage: 3 * second,
            first_response: 3 * second,
            stall: 5 * second,
            keep_alive: 50 * second,
            resubmissions: self.resubmissions,
            ..Settings::default()
        }
    }
}

/// One batch of the service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Batch {
    state: BatchState,
    input: VecDeque<Key>,
    computing: Vec<Key>,
    output: VecDeque<Key>,
    known: BTreeSet<Key>,
    submitted: u64,
    completed: u64,
}

impl Batch {
    fn start(&mut self, world: &World) {
        let alive = !matches!(self.state, BatchState::Failed | BatchState::Cancelled);
        while alive
            && self.computing.len() < world.workers
            && self.output.len() < world.output_buffer
            && let Some(key) = self.input.pop_front()
        {
            self.computing.push(key);
            self.computing.sort_unstable();
        }
    }

    fn has(&self, key: Key) -> bool {
        self.input.contains(&key) || self.computing.contains(&key) || self.output.contains(&key)
    }

    fn observation(&self, reports: Reports) -> Option<Observation> {
        let all = Observation {
            state: self.state,
            chunks_available: Some(self.output.len() as u64),
            chunks_submitted: Some(self.submitted),
            records_submitted: Some(self.submitted),
            chunks_completed: Some(self.completed),
            records_completed: None,
            records_available: None,
            input_used: Some(self.input.len() as u64 * CHUNK),
            input_remaining: Some(1_000),
            output_used: Some(self.output.len() as u64 * CHUNK),
            output_remaining: Some(1_000),
            workers: Some(self.computing.len() as u64),
        };
        match reports {
            Reports::All => Some(all),
            Reports::NoCounts => Some(Observation {
                chunks_submitted: None,
                records_submitted: None,
                chunks_completed: None,
                ..all
            }),
            Reports::Nothing => None,
            Reports::Stuck => Some(Observation {
                chunks_available: Some(0),
                chunks_submitted: Some(0),
                records_submitted: Some(0),
                chunks_completed: Some(0),
                input_used: Some(0),
                output_used: Some(0),
                workers: Some(0),
                ..all
            }),
        }
    }
}

/// A request or a response on its way.
#[derive(Clone, Debug)]
enum Message {
    Request(RequestId, Request, Option<usize>),
    Response(RequestId, Option<Observation>, Result<Reply, Failure>),
}

impl Message {
    fn id(&mut self) -> &mut RequestId {
        match self {
            Self::Request(id, ..) | Self::Response(id, ..) => id,
        }
    }
}

/// A state of everything.
#[derive(Clone, Debug)]
struct State {
    machine: Machine,
    over: bool,
    batches: Vec<Batch>,
    network: Vec<Message>,
    /// Requests that were given up, and that may reach the service at any time.
    late: Vec<(Request, Option<usize>)>,
    read: u64,
    reading: Option<Cut>,
    outbox: VecDeque<Key>,
    delivered: BTreeSet<Key>,
    delivered_twice: bool,
    faults: u8,
    closures: u8,
    crashes: u8,
    consumer_stopped: bool,
    /// A checkpoint, if one was kept.
    saved: Option<Saved>,
    /// Numbers the state: equal states have equal ones.
    fingerprint: u128,
}

/// A checkpoint, and what was delivered until then.
#[derive(Clone, Debug)]
struct Saved {
    position: Position,
    has_batch: bool,
    batches: usize,
    delivered: BTreeSet<Key>,
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}

impl Eq for State {}

impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.fingerprint.hash(hasher);
    }
}

/// A step from one state to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// A message arrives; a request may meet a fault.
    Arrives(usize, Option<Fault>),
    /// A request reaches the service that the client has given up.
    ArrivesLate(usize),
    /// A worker finishes a chunk.
    Computed(usize, usize),
    Consumer,
    ConsumerStops,
    /// The time passes until the machine wants to look again.
    Time,
    Closes(BatchState),
    /// A checkpoint is kept.
    Saves,
    /// The process dies, and another resumes from the checkpoint that was kept, or from one of this
    /// moment.
    Crash,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// It does not reach the service, and the client knows.
    NotSent,
    /// It does not reach the service, and the client does not know.
    LostBefore,
    /// The service acts on it, but its response is lost.
    LostAfter,
    /// It is lost for the client, and reaches the service later.
    Late,
    /// The service keeps the results that it gives.
    Kept,
    /// The service refuses it for now.
    Busy,
}

impl State {
    /// Performs what the machine decides until it waits, and makes the state comparable.
    fn settle(mut self, world: &World) -> Self {
        let wake = loop {
            match self.machine.next(PRESENT) {
                Next::Do(action) => self.perform(world, action),
                Next::Wait(wake) => break wake,
                Next::Over => {
                    self.over = true;
                    break None;
                }
            }
        };
        self.machine.agenda.wake = wake;
        self.rebase(PRESENT);
        self
    }

    fn rebase(&mut self, now: Duration) {
        let shift = Shift {
            now,
            next: self.machine.requests.next(),
        };
        self.machine.shift(&shift);
        self.network
            .iter_mut()
            .for_each(|message| shift.id(message.id()));
        let mut text = format!(
            "{:?}{:?}{:?}{:?}",
            self.machine, self.batches, self.network, self.late
        );
        text += &format!(
            "{} {} {:?} {:?} {:?} {} {} {} {} {:?}",
            self.over,
            self.read,
            self.reading,
            self.outbox,
            self.delivered,
            self.faults,
            self.closures,
            self.crashes,
            self.consumer_stopped,
            self.saved
        );
        let hash = |seed: u8| {
            let mut hasher = DefaultHasher::new();
            (seed, &text).hash(&mut hasher);
            hasher.finish()
        };
        self.fingerprint = u128::from(hash(0)) << 64 | u128::from(hash(1));
    }

    fn save(&self) -> Saved {
        Saved {
            position: self.machine.position(),
            has_batch: self.machine.has_batch(),
            batches: self.batches.len(),
            delivered: self.delivered.clone(),
        }
    }

    fn perform(&mut self, world: &World, action: Action) {
        match action {
            Action::Read { skip, cut } => {
                self.read += skip;
                self.reading = Some(cut);
                // A chunk is one record here, and the source always ready.
                let event = if self.read < world.chunks {
                    self.read += 1;
                    Event::Read {
                        records: 1,
                        bytes: CHUNK,
                        ahead: 0,
                    }
                } else {
                    Event::SourceEnded
                };
                self.reading = None;
                self.machine.handle(PRESENT, event);
            }
            Action::StopReading => self.machine.handle(PRESENT, Event::SourceEnded),
            Action::Split(key) => self.machine.handle(
                PRESENT,
                Event::Split {
                    key,
                    parts: Vec::new(),
                },
            ),
            Action::Send { id, request } => {
                let batch = self.batches.len().checked_sub(1);
                self.network.push(Message::Request(id, request, batch));
            }
            Action::Deliver(key) => self.outbox.push_back(key),
            Action::Forget(_) => {}
        }
    }

    /// The service acts on a request.
    fn serve(
        &mut self,
        world: &World,
        request: &Request,
        batch: Option<usize>,
    ) -> (Option<Observation>, Result<Reply, Failure>) {
        let refused = |kind| Err(failure(kind));
        if *request == Request::Create {
            self.batches.push(Batch::default());
            return (None, Ok(Reply::Done));
        }
        let Some(batch) = batch.and_then(|nth| self.batches.get_mut(nth)) else {
            return (None, refused(FailureKind::Gone));
        };
        let reply = match request {
            Request::Push(keys) => {
                if batch.state != BatchState::Live {
                    return (None, refused(FailureKind::Refused));
                }
                let known = keys.iter().any(|key| batch.known.contains(key));
                if known && world.repeated == Repeated::Refused {
                    return (None, refused(FailureKind::Refused));
                }
                for &key in keys {
                    if !batch.known.insert(key) && world.repeated == Repeated::Ignored {
                        continue;
                    }
                    batch.submitted += 1;
                    batch.input.push_back(key);
                }
                Reply::Done
            }
            Request::Pull(max) => {
                let n = batch.output.len().min(*max as usize);
                let results = batch
                    .output
                    .drain(..n)
                    .map(|key| PulledChunk {
                        key,
                        records: 1,
                        bytes: CHUNK,
                    })
                    .collect();
                Reply::Pulled {
                    results,
                    foreign: 0,
                }
            }
            // A batch is closed once.
            Request::Close | Request::Cancel if batch.state != BatchState::Live => {
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
            Request::Status | Request::Create => Reply::Done,
        };
        batch.start(world);
        (batch.observation(world.reports), Ok(reply))
    }

    /// Whether the service has this chunk, or will compute it.
    fn service_has(&self, key: Key) -> bool {
        let alive =
            |batch: &&Batch| !matches!(batch.state, BatchState::Failed | BatchState::Cancelled);
        self.batches
            .last()
            .filter(alive)
            .is_some_and(|batch| batch.has(key))
    }
}

/// What may happen to a request.
fn faults(request: &Request) -> &'static [Fault] {
    use Fault::{Busy, Kept, Late, LostAfter, LostBefore, NotSent};
    match request {
        Request::Pull(_) => &[NotSent, LostBefore, LostAfter, Busy, Late, Kept],
        Request::Push(_) => &[NotSent, LostBefore, LostAfter, Busy, Late],
        _ => &[NotSent, LostBefore, LostAfter, Busy],
    }
}

fn failure(kind: FailureKind) -> Failure {
    Failure {
        kind,
        retry_after: None,
        responded: kind != FailureKind::NotSent,
    }
}

impl Model for World {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        let run = RunId::from_random(7);
        let mut machine = Machine::new(self.settings(), run, false);
        machine.shift(&Shift {
            now: Duration::ZERO,
            next: machine.requests.next(),
        });
        let state = State {
            machine,
            over: false,
            batches: Vec::new(),
            network: Vec::new(),
            late: Vec::new(),
            read: 0,
            reading: None,
            outbox: VecDeque::new(),
            delivered: BTreeSet::new(),
            delivered_twice: false,
            faults: self.faults,
            closures: self.closures,
            crashes: self.crashes,
            consumer_stopped: false,
            saved: None,
            fingerprint: 0,
        };
        vec![state.settle(self)]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        if state.over && state.outbox.is_empty() {
            return;
        }
        for (nth, message) in state.network.iter().enumerate() {
            match message {
                Message::Response(..) => steps.push(Step::Arrives(nth, None)),
                Message::Request(_, request, _) if self.dead == Some(request.kind()) => {
                    steps.push(Step::Arrives(nth, Some(Fault::Busy)));
                }
                Message::Request(_, request, _) => {
                    steps.push(Step::Arrives(nth, None));
                    if state.faults > 0 {
                        let faults = faults(request).iter();
                        steps.extend(faults.map(|&fault| Step::Arrives(nth, Some(fault))));
                    }
                }
            }
        }
        steps.extend((0..state.late.len()).map(Step::ArrivesLate));
        for (nth, batch) in state.batches.iter().enumerate() {
            let last = nth + 1 == state.batches.len();
            if last {
                steps.extend((0..batch.computing.len()).map(|chunk| Step::Computed(nth, chunk)));
            }
        }
        if !state.outbox.is_empty() && !state.consumer_stopped {
            steps.push(Step::Consumer);
            if self.consumer_stops {
                steps.push(Step::ConsumerStops);
            }
        }
        // Requests end within their time limit, which is shorter than a step of this clock.
        if state.machine.agenda.wake.is_some() && state.network.is_empty() {
            steps.push(Step::Time);
        }
        let live = state
            .batches
            .last()
            .is_some_and(|batch| batch.state == BatchState::Live);
        if state.closures > 0 && live && !state.over {
            steps.push(Step::Closes(BatchState::TimedOut));
            steps.push(Step::Closes(BatchState::Closed));
        }
        if state.crashes > 0 && !state.over {
            steps.push(Step::Crash);
            if state.saved.is_none() {
                steps.push(Step::Saves);
            }
        }
    }

    fn next_state(&self, before: &State, step: Step) -> Option<State> {
        let mut state = before.clone();
        match step {
            Step::Arrives(nth, fault) => match state.network.remove(nth) {
                Message::Response(request, observation, outcome) => {
                    state.machine.handle(
                        PRESENT,
                        Event::Response {
                            request,
                            observation,
                            outcome,
                        },
                    );
                }
                Message::Request(id, request, batch) => {
                    if fault.is_some() && self.dead != Some(request.kind()) {
                        state.faults -= 1;
                    }
                    let (observation, outcome) = match fault {
                        None => state.serve(self, &request, batch),
                        Some(Fault::NotSent) => (None, Err(failure(FailureKind::NotSent))),
                        Some(Fault::LostBefore) => (None, Err(failure(FailureKind::Unknown))),
                        Some(Fault::Busy) => (None, Err(failure(FailureKind::Busy))),
                        Some(Fault::LostAfter) => {
                            drop(state.serve(self, &request, batch));
                            (None, Err(failure(FailureKind::Unknown)))
                        }
                        Some(Fault::Late) => {
                            state.late.push((request, batch));
                            (None, Err(failure(FailureKind::Unknown)))
                        }
                        Some(Fault::Kept) => {
                            let before = state.batches.last()?.output.clone();
                            let response = state.serve(self, &request, batch);
                            state.batches.last_mut()?.output = before;
                            response
                        }
                    };
                    state
                        .network
                        .push(Message::Response(id, observation, outcome));
                }
            },
            Step::ArrivesLate(nth) => {
                let (request, batch) = state.late.remove(nth);
                drop(state.serve(self, &request, batch));
            }
            Step::Computed(nth, chunk) => {
                let batch = state.batches.get_mut(nth)?;
                let key = batch.computing.remove(chunk);
                batch.completed += 1;
                batch.output.push_back(key);
                batch.start(self);
            }
            Step::Consumer => {
                let key = state.outbox.pop_front()?;
                state.delivered_twice |= !state.delivered.insert(key);
                let failed = FailedRecords::default();
                state.machine.handle(PRESENT, Event::Taken { key, failed });
            }
            Step::ConsumerStops => state.consumer_stopped = true,
            Step::Time => {
                let now = state.machine.agenda.wake?;
                state.rebase(now);
                state.machine.agenda.wake = Some(PRESENT);
            }
            Step::Closes(to) => {
                state.closures -= 1;
                state.batches.last_mut()?.state = to;
            }
            Step::Saves => state.saved = Some(state.save()),
            Step::Crash => {
                state.crashes -= 1;
                // What was delivered after the checkpoint is delivered again: the output goes back
                // as well.
                let saved = state.saved.take().unwrap_or_else(|| state.save());
                let open = saved.has_batch && saved.batches == state.batches.len();
                state.delivered = saved.delivered;
                let other = RunId::from_random(2);
                state.machine = Machine::resume(self.settings(), &saved.position, open, 0, other);
                state.machine.shift(&Shift {
                    now: Duration::ZERO,
                    next: state.machine.requests.next(),
                });
                // What was under way may still reach the service; its responses reach nobody.
                for message in std::mem::take(&mut state.network) {
                    if let Message::Request(_, request @ Request::Push(_), batch) = message {
                        drop(state.serve(self, &request, batch));
                    }
                }
                (state.read, state.reading) = (0, None);
                state.outbox.clear();
            }
        }
        Some(state.settle(self))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("delivered at most once", |_, state: &State| {
                !state.delivered_twice
            }),
            Property::always(
                "lost only what the service does not have",
                |_, state: &State| {
                    let mut lost = state.machine.totals().unfinished.iter();
                    lost.all(|(records, reason)| {
                        *reason != Reason::Lost || !state.service_has(records.start)
                    })
                },
            ),
            Property::always("memory within the budget", |world, state: &State| {
                state.machine.memory_in_use() <= world.settings().memory
            }),
            Property::always(
                "something can happen, or the run is over",
                |world, state: &State| {
                    let mut steps = Vec::new();
                    world.actions(state, &mut steps);
                    let waits_for_consumer = state.consumer_stopped && !state.outbox.is_empty();
                    !steps.is_empty() || state.over || waits_for_consumer
                },
            ),
            Property::always(
                "a complete run has delivered everything",
                |world, state: &State| {
                    let complete = state.machine.totals().ending == Some(Ending::Complete)
                        && state.machine.totals().unfinished.is_empty()
                        && state.over
                        && state.outbox.is_empty();
                    !complete || state.delivered.len() as u64 == world.chunks
                },
            ),
            Property::always(
                "the batches called open are those that are open",
                |world, state: &State| {
                    // A batch without a response to its create has no number, and a process that
                    // resumes starts to count again.
                    let numbered = state.machine.totals().batches == state.batches.len() as u64;
                    let open = state.batches.iter().zip(1..);
                    let open = open.filter(|(batch, _)| batch.state == BatchState::Live);
                    let open: Vec<u64> = open.map(|(_, number)| number).collect();
                    let mut named = state.machine.open_batches();
                    named.sort_unstable();
                    let told = world.dead.is_none() && world.reports != Reports::Nothing;
                    let can_know = told && world.crashes == 0;
                    !state.over || !numbered || !can_know || named == open
                },
            ),
            Property::always(
                "the stall limit ends only a run that waits for the service",
                |world, state: &State| {
                    let totals = state.machine.totals();
                    let stalled = totals.ending == Some(Ending::Stalled);
                    let tells = matches!(world.reports, Reports::All | Reports::NoCounts);
                    let mut unfinished = totals.unfinished.iter();
                    let batch = state.machine.batch();
                    !stalled
                        || !tells
                        || state.over
                        || unfinished.any(|(records, _)| state.service_has(records.start))
                        || batch.is_none_or(|batch| batch.evidence.is_working())
                },
            ),
            Property::sometimes("a run completes", |_, state: &State| {
                state.over && state.machine.totals().ending == Some(Ending::Complete)
            }),
        ]
    }
}

/// Whether the states have a cycle, found by taking away states that nothing leads to.
fn has_cycle(world: &World) -> bool {
    let mut numbers: HashMap<u128, usize> = HashMap::new();
    let mut next: Vec<Vec<usize>> = Vec::new();
    let mut queue: VecDeque<State> = world.init_states().into();
    for state in &queue {
        numbers.insert(state.fingerprint, next.len());
        next.push(Vec::new());
    }
    while let Some(state) = queue.pop_front() {
        let number = numbers[&state.fingerprint];
        for (_, follower) in world.next_steps(&state) {
            let to = *numbers.entry(follower.fingerprint).or_insert_with(|| {
                next.push(Vec::new());
                queue.push_back(follower);
                next.len() - 1
            });
            next[number].push(to);
        }
    }
    let mut incoming = vec![0usize; next.len()];
    for to in next.iter().flatten() {
        incoming[*to] += 1;
    }
    let mut free: Vec<usize> = (0..next.len()).filter(|n| incoming[*n] == 0).collect();
    let mut removed = 0;
    while let Some(number) = free.pop() {
        removed += 1;
        for &to in &next[number] {
            incoming[to] -= 1;
            if incoming[to] == 0 {
                free.push(to);
            }
        }
    }
    removed < next.len()
}

fn check(name: &str, world: World, completes: bool) {
    let checker = world.clone().checker().threads(2).spawn_bfs().join();
    let states = checker.unique_state_count();
    #[expect(clippy::print_stdout, reason = "shown with --nocapture")]
    {
        println!("{name}: {states} states, depth {}", checker.max_depth());
    }
    let discoveries: BTreeMap<_, _> = checker.discoveries().into_iter().collect();
    for (property, path) in discoveries {
        if property == "a run completes" {
            continue;
        }
        let steps: Vec<_> = path.into_actions();
        panic!("{name}: not so: {property}\n{steps:#?}\n{world:#?}");
    }
    assert_eq!(
        checker.discovery("a run completes").is_some(),
        completes,
        "{name}: whether a run can complete"
    );
    assert!(!has_cycle(&world), "{name}: a run need not end");
}

fn large() -> bool {
    std::env::var("MODEL").is_ok_and(|size| size == "large")
}

const ALL_REPEATED: [Repeated; 3] = [Repeated::Computed, Repeated::Ignored, Repeated::Refused];

#[test]
#[ignore = "takes a release build: cargo test --release --lib model -- --ignored"]
fn each_response_may_be_lost() {
    let bounds: &[_] = match large() {
        true => &[(2, 1, 2), (3, 2, 1)],
        false => &[(2, 1, 1)],
    };
    for &(chunks, workers, faults) in bounds {
        for repeated in ALL_REPEATED {
            for reports in [Reports::All, Reports::NoCounts] {
                let mut world = World::new(chunks, workers);
                (world.faults, world.repeated, world.reports) = (faults, repeated, reports);
                let name =
                    format!("lost, {chunks} chunks, {faults} faults, {repeated:?}, {reports:?}");
                check(&name, world, true);
            }
        }
    }
}

#[test]
#[ignore = "takes a release build: cargo test --release --lib model -- --ignored"]
fn responses_may_say_nothing_or_lie() {
    for repeated in ALL_REPEATED {
        for reports in [Reports::Nothing, Reports::Stuck] {
            let mut world = World::new(1, 1);
            (world.repeated, world.reports) = (repeated, reports);
            world.chunks = if large() { 2 } else { 1 };
            check(&format!("silent, {repeated:?}, {reports:?}"), world, true);
        }
    }
}

#[test]
#[ignore = "takes a release build: cargo test --release --lib model -- --ignored"]
fn somebody_may_close_the_batch() {
    for chunks in [1, if large() { 3 } else { 2 }] {
        let mut world = World::new(chunks, 1);
        (world.closures, world.faults) = (1, u8::from(large()));
        check(&format!("closed, {chunks} chunks"), world, true);
    }
}

#[test]
#[ignore = "takes a release build: cargo test --release --lib model -- --ignored"]
fn the_process_may_die_at_every_point() {
    for repeated in ALL_REPEATED {
        let mut world = World::new(if large() { 2 } else { 1 }, 1);
        (world.repeated, world.crashes) = (repeated, 1);
        world.faults = u8::from(large());
        // One chunk in a push, so that a checkpoint may know of the other as not pushed.
        world.push_chunks = 1;
        check(&format!("dies, {repeated:?}"), world, true);
    }
}

#[test]
#[ignore = "takes a release build: cargo test --release --lib model -- --ignored"]
fn any_kind_of_request_may_be_dead() {
    for (dead, completes) in [
        (RequestKind::Create, false),
        (RequestKind::Push, false),
        (RequestKind::Pull, false),
        (RequestKind::Status, true),
        (RequestKind::End, true),
    ] {
        let mut world = World::new(2, 1);
        (world.dead, world.faults) = (Some(dead), u8::from(large()));
        check(&format!("dead, {dead:?}"), world, completes);
    }
}

#[test]
#[ignore = "takes a release build: cargo test --release --lib model -- --ignored"]
fn the_output_buffer_may_be_full_and_the_consumer_may_stop() {
    for order in [Order::Arrival, Order::Input] {
        let mut world = World::new(3, 2);
        (world.output_buffer, world.consumer_stops) = (1, true);
        (world.order, world.faults) = (order, u8::from(large()));
        check(&format!("stops, {order:?}"), world, true);
    }
}
