//! The named cases, each with a world of its own: what goes wrong, and what has to come of it.

use std::time::Duration;

use super::service::{Lies, Repeated, Traits};
use super::sim::{Fault, Sim, World};
use crate::run::machine::{
    Action, AfterError, BatchState, Ending, Event, FailedRecords, Failure, FailureKind, Machine,
    Next, Observation, Order, PulledChunk, Reason, Reply, Request, RequestId, RequestKind, RunId,
    Settings, Time, Totals,
};

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Ten chunks of 10 records and 1,000 bytes, two workers, nothing goes wrong.
fn calm() -> World {
    World {
        settings: Settings {
            push_chunks: 1,
            ..Settings::default()
        },
        traits: Traits {
            workers: 2,
            input_buffer: 100_000,
            output_buffer: 100_000,
            compute: (ms(100), ms(100)),
            growth: (50, 50),
            repeated: Repeated::Computed,
            shuffles: false,
            idle_limit: secs(1800),
            activity: [true; 3],
            finishes_after_timeout: true,
            tells: [true; 7],
            strangers: 0,
            says_completed: false,
            lies: Lies::None,
        },
        records: 100,
        chunk_records: (10, 10),
        record_bytes: (100, 100),
        latency: (ms(2), ms(2)),
        read_time: (ms(1), ms(1)),
        take_time: (ms(0), ms(0)),
        gaps: 0,
        gap: ms(0),
        faults: 0,
        hangs: Duration::from_secs(10),
        dead: None,
        faults_until: ms(0),
        script: Vec::new(),
        lose_results: 0,
        handed_in: false,
        crashes: 0,
        forgets_batch: 0,
    }
}

fn play(sim: &mut Sim) -> Totals {
    let account = sim.play();
    sim.check_account(&account);
    account
}

fn run(world: World) -> (Totals, Sim) {
    let mut sim = Sim::new(world, 1);
    let account = play(&mut sim);
    (account, sim)
}

fn failure(kind: FailureKind, retry_after: Option<Duration>) -> Failure {
    Failure {
        kind,
        retry_after,
        responded: true,
    }
}

fn respond(
    machine: &mut Machine,
    now: Time,
    request: RequestId,
    observation: Option<Observation>,
    outcome: Result<Reply, Failure>,
) {
    let response = Event::Response {
        request,
        observation,
        outcome,
    };
    machine.handle(now, response);
}

#[track_caller]
fn complete(account: &Totals) {
    assert_eq!(
        (account.ending, account.unfinished.as_slice()),
        (Some(Ending::Complete), [].as_slice()),
        "{account:?}"
    );
}

#[test]
fn a_calm_run() {
    let (account, _) = run(calm());
    complete(&account);
    assert_eq!(
        (account.delivered.records, account.delivered.chunks),
        (100, 10)
    );
    assert_eq!(
        (
            account.batches,
            account.requests.create,
            account.requests.end
        ),
        (1, 1, 1)
    );
    assert_eq!(account.resubmissions, 0);
}

#[test]
fn no_input_needs_no_batch() {
    let (account, sim) = run(World {
        records: 0,
        ..calm()
    });
    complete(&account);
    assert_eq!(sim.requests, 0);
}

#[test]
fn an_ambiguous_push_is_settled_by_the_counters() {
    for (fault, pushes) in [
        (Fault::After(FailureKind::Unknown), 10),
        (Fault::Before(FailureKind::Unknown), 11),
    ] {
        let (account, _) = run(World {
            script: vec![(RequestKind::Push, 3..4, fault)],
            ..calm()
        });
        complete(&account);
        assert_eq!(account.requests.push, pushes, "{fault:?}");
        assert_eq!(account.resubmissions, 0, "the counters told: {fault:?}");
    }
}

#[test]
fn without_counters_the_same_id_is_pushed_again() {
    for repeated in [Repeated::Computed, Repeated::Ignored, Repeated::Refused] {
        let mut world = World {
            script: vec![(RequestKind::Push, 3..4, Fault::After(FailureKind::Unknown))],
            ..calm()
        };
        // Nothing is told that could decide; the chunk takes long, so that no result tells either.
        world.traits.tells = [true, false, false, false, true, true, true];
        world.traits.compute = (secs(5), secs(5));
        world.traits.repeated = repeated;
        let (account, sim) = run(world);
        complete(&account);
        assert_eq!(
            (account.resubmissions, account.requests.push),
            (1, 11),
            "{repeated:?}"
        );
        let keys: Vec<_> = sim.pushes.iter().flat_map(|(_, keys)| keys).collect();
        assert_eq!(
            keys.iter().filter(|key| **key == &30).count(),
            2,
            "{keys:?}"
        );
        assert_eq!(
            account.duplicates,
            u64::from(repeated == Repeated::Computed)
        );
        assert_eq!(account.batches, 1, "already there counts as accepted");
    }
}

#[test]
fn a_result_settles_a_doubt_as_well() {
    let mut world = World {
        script: vec![(RequestKind::Push, 3..4, Fault::After(FailureKind::Unknown))],
        ..calm()
    };
    world.traits.tells = [true, false, false, false, true, true, true];
    world.traits.workers = 100;
    let (account, _) = run(world);
    complete(&account);
    assert_eq!((account.resubmissions, account.requests.push), (0, 10));
}

#[test]
fn a_pull_may_have_lost_chunks_that_were_in_doubt() {
    // The response to a push of eight chunks is lost, and so is a pull with four of their results.
    // The next pull settles the doubt. The service claims that nothing is in use, as always.
    let mut world = World {
        script: vec![(RequestKind::Push, 0..1, Fault::After(FailureKind::Unknown))],
        lose_results: 1,
        ..calm()
    };
    world.settings.push_chunks = 10;
    world.settings.pull_chunks = 4;
    world.settings.settle = secs(5);
    world.traits.compute = (ms(10), ms(10));
    world.traits.lies = Lies::Stuck;
    let (account, _) = run(world);
    complete(&account);
    assert_eq!((account.resubmissions, account.batches), (4, 1));
}

#[test]
fn results_of_a_lost_pull_are_computed_again() {
    for tells in [
        [true; 7],
        [true, true, true, true, false, false, false],
        [false; 7],
    ] {
        let mut world = World {
            lose_results: 1,
            ..calm()
        };
        world.traits.tells = tells;
        let (account, _) = run(world);
        complete(&account);
        assert_eq!(account.lost_pulls, 1);
        assert!(account.resubmissions >= 1, "{tells:?} {account:?}");
    }
}

#[test]
fn a_pull_may_lose_results_long_after_it_was_given_up() {
    // Chunks come one a second. The first pull reaches the service when it has a later result.
    let mut world = World {
        script: vec![(RequestKind::Pull, 0..1, Fault::Late(ms(5_900)))],
        read_time: (secs(1), secs(1)),
        ..calm()
    };
    world.settings.poll_min = secs(1);
    world.traits.lies = Lies::Stuck;
    let (account, sim) = run(world);
    complete(&account);
    assert_eq!((account.resubmissions, account.batches), (1, 1));
    assert!(sim.done_at >= Settings::default().stall, "only silence");
}

#[test]
fn a_result_lost_too_often_is_reported() {
    let mut world = World {
        lose_results: 2,
        records: 10,
        ..calm()
    };
    world.settings.resubmissions = 1;
    let (account, _) = run(world);
    assert_eq!(account.ending, Some(Ending::Complete));
    assert_eq!(account.unfinished, [(0..10, Reason::Lost)]);
    assert_eq!(account.resubmissions, 1);
}

#[test]
fn an_id_that_the_batch_takes_for_known_is_computed_in_another_batch() {
    for repeated in [Repeated::Refused, Repeated::Ignored] {
        let mut world = World {
            lose_results: 1,
            ..calm()
        };
        world.traits.repeated = repeated;
        let (account, _) = run(world);
        complete(&account);
        assert_eq!(account.batches, 2);
    }
}

#[test]
fn a_batch_whose_close_had_no_response_is_not_called_open() {
    for (repeated, busy) in [
        (Repeated::Computed, 0),
        (Repeated::Ignored, 0),
        (Repeated::Ignored, 6),
    ] {
        let mut world = World {
            // The close that replaces the batch, where one does, and the one at the end.
            script: vec![
                (RequestKind::End, 0..1, Fault::After(FailureKind::Unknown)),
                (
                    RequestKind::End,
                    1..1 + busy,
                    Fault::Before(FailureKind::Busy),
                ),
            ],
            lose_results: 1,
            ..calm()
        };
        world.traits.repeated = repeated;
        let (account, sim) = run(world);
        complete(&account);
        assert!(sim.machine.open_batches().is_empty());
    }
}

#[test]
fn a_full_input_buffer_is_waiting_whatever_the_code() {
    for what in [
        FailureKind::Busy,
        FailureKind::Refused,
        FailureKind::TooLarge,
    ] {
        // The service says that there is room, but refuses once; then that it is full.
        let mut world = World {
            script: vec![(RequestKind::Push, 4..5, Fault::Before(what))],
            ..calm()
        };
        world.traits.input_buffer = 2_500;
        let (account, _) = run(world);
        complete(&account);
    }
}

#[test]
fn a_chunk_that_is_refused_though_it_fits_ends_the_run_or_is_left_out() {
    let script = vec![(RequestKind::Push, 2..6, Fault::Before(FailureKind::Refused))];
    let settings = Settings {
        pushes: 1,
        push_chunks: 1,
        ..Settings::default()
    };
    let (account, _) = run(World {
        script: script.clone(),
        settings: settings.clone(),
        ..calm()
    });
    assert_eq!(account.ending, Some(Ending::Refused(20)));
    assert_eq!(account.unfinished[0], (20..30, Reason::Refused));
    let (account, _) = run(World {
        script,
        settings: Settings {
            keep_going: true,
            ..settings
        },
        ..calm()
    });
    assert_eq!(account.ending, Some(Ending::Complete));
    assert_eq!(account.unfinished, [(20..30, Reason::Refused)]);
    assert_eq!(account.delivered.records, 90);
}

#[test]
fn chunks_that_are_pushed_again_are_refused_one_by_one_as_well() {
    // The first push is lost, and the counters say so. Then the service refuses whatever comes.
    let (account, _) = run(World {
        script: vec![
            (RequestKind::Push, 0..1, Fault::Before(FailureKind::Unknown)),
            (
                RequestKind::Push,
                1..1000,
                Fault::Before(FailureKind::Refused),
            ),
        ],
        settings: Settings {
            pushes: 1,
            push_chunks: 4,
            ..Settings::default()
        },
        ..calm()
    });
    assert_eq!(account.ending, Some(Ending::Refused(0)));
    assert!(account.requests.push < 30, "{:?}", account.requests);
}

#[test]
fn a_chunk_larger_than_the_input_buffer() {
    let mut world = calm();
    world.traits.input_buffer = 600;
    let (account, _) = run(world.clone());
    assert_eq!(
        account.ending,
        Some(Ending::Oversized {
            key: 0,
            bytes: 1000,
            capacity: 600
        })
    );
    assert_eq!(account.requests.push, 0);
    world.settings.split = true;
    let (account, _) = run(world);
    complete(&account);
    assert_eq!(account.delivered.chunks, 20);
}

#[test]
fn a_full_output_buffer_is_emptied_first() {
    let mut world = calm();
    world.records = 1000;
    world.traits.output_buffer = 1_000;
    let (account, _) = run(world);
    complete(&account);
}

#[test]
fn a_gap_in_the_input_is_bridged_with_few_requests() {
    let world = World {
        records: 20,
        gaps: 100,
        gap: secs(7200),
        ..calm()
    };
    let (account, sim) = run(world);
    complete(&account);
    assert_eq!(account.batches, 1, "kept alive");
    assert!(sim.requests < 80, "{} requests", sim.requests);
}

#[test]
fn a_batch_closed_by_time_out_is_replaced() {
    for finishes in [true, false] {
        let mut world = World {
            read_time: (ms(50), ms(50)),
            ..calm()
        };
        world.traits.finishes_after_timeout = finishes;
        let mut sim = Sim::new(world, 1);
        sim.strike(ms(300), BatchState::TimedOut);
        let account = play(&mut sim);
        complete(&account);
        assert_eq!(account.batches, 2);
    }
    let mut world = World {
        read_time: (ms(50), ms(50)),
        ..calm()
    };
    world.settings.reopen = false;
    let mut sim = Sim::new(world, 1);
    sim.strike(ms(300), BatchState::TimedOut);
    let account = play(&mut sim);
    assert_eq!(account.ending, Some(Ending::BatchTimedOut));
    assert!(account.delivered.records > 0);
}

#[test]
fn a_service_that_closes_every_batch_at_once_is_not_asked_for_ever() {
    let mut world = calm();
    world.traits.idle_limit = ms(0);
    world.settings.outage = secs(60);
    let (account, sim) = run(world);
    assert_eq!(account.ending, Some(Ending::BatchTimedOut));
    assert!(
        (secs(60)..secs(120)).contains(&sim.done_at),
        "{:?}",
        sim.done_at
    );
    assert!(account.batches < 15, "{} batches", account.batches);
}

#[test]
fn what_somebody_else_does_to_the_batch_ends_the_run() {
    let table = [
        (BatchState::Failed, Ending::BatchFailed),
        (BatchState::Cancelled, Ending::BatchCancelled),
        (BatchState::Closed, Ending::BatchClosed),
    ];
    for (state, ending) in table {
        let mut sim = Sim::new(
            World {
                read_time: (ms(50), ms(50)),
                ..calm()
            },
            1,
        );
        sim.strike(ms(300), state);
        let account = play(&mut sim);
        assert_eq!(account.ending, Some(ending));
        assert!(
            account.delivered.records > 0,
            "what was delivered stays delivered"
        );
        assert!(
            account
                .unfinished
                .iter()
                .all(|(_, reason)| *reason == Reason::Ended(ending))
        );
    }
}

#[test]
fn refusals_that_nothing_can_change_end_the_run() {
    for op in [RequestKind::Create, RequestKind::Push, RequestKind::Pull] {
        for (what, ending) in [
            (FailureKind::Fatal, Ending::Denied(op)),
            (FailureKind::Gone, Ending::NotFound(op)),
        ] {
            let from = u64::from(op == RequestKind::Pull);
            let mut sim = Sim::new(
                World {
                    script: vec![(op, from..u64::MAX, Fault::Before(what))],
                    ..calm()
                },
                1,
            );
            let account = sim.play();
            assert_eq!(account.ending, Some(ending));
        }
    }
}

#[test]
fn an_outage_is_ridden_out_within_its_deadline() {
    for kind in [
        RequestKind::Create,
        RequestKind::Push,
        RequestKind::Pull,
        RequestKind::End,
    ] {
        for what in [
            FailureKind::NotSent,
            FailureKind::Busy,
            FailureKind::Unknown,
        ] {
            let from = u64::from(kind == RequestKind::Push || kind == RequestKind::Pull);
            let mut world = World {
                script: vec![(kind, from..from + 8, Fault::Before(what))],
                ..calm()
            };
            world.settings.first_response = secs(300);
            complete(&run(world.clone()).0);
            world.script = vec![(kind, from..u64::MAX, Fault::Before(what))];
            world.settings.outage = secs(60);
            let mut sim = Sim::new(world, 1);
            let totals = sim.play();
            let contacted = !(kind == RequestKind::Create && what == FailureKind::NotSent);
            let ending = match kind {
                RequestKind::End => Ending::Complete,
                _ if contacted => Ending::Outage(kind),
                _ => Ending::Unreachable(kind),
            };
            assert_eq!(totals.ending, Some(ending), "{kind:?} {what:?}");
            assert_eq!(
                sim.machine.open_batches().is_empty(),
                kind != RequestKind::End,
                "{kind:?} {what:?}"
            );
            assert!(
                (secs(50)..secs(80)).contains(&sim.done_at),
                "{:?}",
                sim.done_at
            );
        }
    }
}

#[test]
fn a_service_that_never_responds_is_given_up_in_seconds() {
    let world = World {
        script: vec![(
            RequestKind::Create,
            0..u64::MAX,
            Fault::Before(FailureKind::NotSent),
        )],
        ..calm()
    };
    let (totals, sim) = run(world);
    assert_eq!(
        totals.ending,
        Some(Ending::Unreachable(RequestKind::Create))
    );
    assert!(sim.done_at < secs(15), "{:?}", sim.done_at);
}

#[test]
fn a_stalled_service_is_noticed() {
    let mut world = calm();
    world.traits.compute = (secs(1_000_000), secs(1_000_000));
    world.settings.stall = secs(120);
    let (account, sim) = run(world);
    assert_eq!(account.ending, Some(Ending::Stalled));
    assert_eq!(
        account.unfinished,
        [(0..100, Reason::Ended(Ending::Stalled))]
    );
    assert!(
        (secs(120)..secs(122)).contains(&sim.done_at),
        "{:?}",
        sim.done_at
    );
}

#[test]
fn limits_may_be_as_good_as_none() {
    let most = Duration::MAX;
    let mut world = World {
        script: vec![
            (RequestKind::Push, 1..3, Fault::Before(FailureKind::NotSent)),
            (RequestKind::Push, 5..7, Fault::After(FailureKind::Unknown)),
            (RequestKind::Pull, 2..4, Fault::After(FailureKind::Unknown)),
        ],
        ..calm()
    };
    let settings = &mut world.settings;
    (settings.stall, settings.outage) = (most, most);
    (settings.keep_alive, settings.poll_max) = (most, most);
    complete(&run(world.clone()).0);
    // Who sets these has to wait, but gets no worse.
    let settings = &mut world.settings;
    (settings.poll_min, settings.settle, settings.confirm) = (most, most, most);
    (settings.backoff_min, settings.backoff_max) = (most, most);
    let mut sim = Sim::new(world, 1);
    sim.tell(secs(60), Event::Cancel);
    assert_eq!(play(&mut sim).ending, Some(Ending::Cancelled));
}

#[test]
fn a_computer_that_stood_still_is_no_stall() {
    for at in (0..1_000).step_by(20).map(ms) {
        let mut world = calm();
        world.settings.stall = secs(120);
        let mut sim = Sim::new(world, 1);
        sim.stand_still(at, secs(600));
        complete(&play(&mut sim));
    }
}

#[test]
fn a_computer_that_stood_still_is_no_outage() {
    for at in (0..4_000).step_by(100).map(ms) {
        let mut world = World {
            script: vec![(RequestKind::Push, 1..6, Fault::Before(FailureKind::NotSent))],
            ..calm()
        };
        world.settings.outage = secs(60);
        let mut sim = Sim::new(world, 1);
        sim.stand_still(at, secs(600));
        complete(&play(&mut sim));
    }
}

#[test]
fn a_slow_consumer_is_no_stall_and_bounds_the_memory() {
    for order in [Order::Arrival, Order::Input] {
        let mut world = World {
            take_time: (secs(60), secs(60)),
            ..calm()
        };
        world.settings.stall = secs(30);
        world.settings.memory = 3_000;
        world.settings.order = order;
        let (account, sim) = run(world);
        complete(&account);
        assert!(sim.peak <= 3_000, "{}", sim.peak);
    }
}

#[test]
fn finish_delivers_what_was_read() {
    let mut sim = Sim::new(
        World {
            records: 1_000_000,
            read_time: (ms(10), ms(10)),
            ..calm()
        },
        1,
    );
    sim.tell(ms(500), Event::Finish);
    let account = play(&mut sim);
    complete(&account);
    assert!(
        (400..600).contains(&account.delivered.records),
        "{account:?}"
    );
}

#[test]
fn cancel_cancels_the_batch() {
    let mut sim = Sim::new(
        World {
            records: 1_000_000,
            ..calm()
        },
        1,
    );
    sim.tell(ms(500), Event::Cancel);
    let account = play(&mut sim);
    assert_eq!(account.ending, Some(Ending::Cancelled));
    assert_eq!(sim.service.batches[0].state, BatchState::Cancelled);
}

#[test]
fn a_pause_stops_pushes_and_keeps_the_batch() {
    let mut sim = Sim::new(
        World {
            read_time: (ms(50), ms(50)),
            ..calm()
        },
        1,
    );
    sim.tell(ms(220), Event::Pause);
    sim.tell(secs(7200), Event::Unpause);
    let account = play(&mut sim);
    complete(&account);
    assert_eq!(account.batches, 1);
    assert!(
        sim.pushes
            .iter()
            .all(|(at, _)| *at < ms(260) || *at >= secs(7200)),
        "{:?}",
        sim.pushes
    );
}

#[test]
fn a_failed_source_delivers_what_it_gave() {
    let mut sim = Sim::new(
        World {
            read_time: (ms(50), ms(50)),
            ..calm()
        },
        1,
    );
    sim.tell(ms(220), Event::SourceFailed { record: false });
    let account = sim.play();
    assert_eq!(account.ending, Some(Ending::SourceFailed));
    assert!(
        account.delivered.records >= 40 && account.unfinished.is_empty(),
        "{account:?}"
    );
}

#[test]
fn after_an_error_the_batch_is_treated_as_set() {
    let table = [
        (AfterError::Close, BatchState::Closed),
        (AfterError::Cancel, BatchState::Cancelled),
        (AfterError::Leave, BatchState::Live),
    ];
    for (after_error, state) in table {
        let mut world = World {
            script: vec![(
                RequestKind::Push,
                3..u64::MAX,
                Fault::Before(FailureKind::Fatal),
            )],
            ..calm()
        };
        world.settings.after_error = after_error;
        let mut sim = Sim::new(world, 1);
        let account = sim.play();
        assert_eq!(account.ending, Some(Ending::Denied(RequestKind::Push)));
        assert_eq!(sim.service.batches[0].state, state);
        assert_eq!(
            sim.machine.open_batches().is_empty(),
            state != BatchState::Live
        );
    }
}

#[test]
fn input_order_waits_for_its_turn_within_the_budget() {
    let mut world = World {
        records: 2_000,
        ..calm()
    };
    world.traits.shuffles = true;
    world.traits.workers = 20;
    world.traits.compute = (ms(10), ms(3_000));
    world.settings.order = Order::Input;
    world.settings.memory = 20_000;
    let (account, sim) = run(world);
    complete(&account);
    assert!(sim.peak <= 20_000, "{}", sim.peak);
}

#[test]
fn a_checkpoint_names_what_is_left() {
    let mut world = calm();
    world.traits.compute = (ms(10), ms(2_000));
    let mut sim = Sim::new(world, 1);
    sim.resume_from(ms(2_000), ms(2_000));
    let account = play(&mut sim);
    complete(&account);
    assert!(
        account.delivered.records < 100,
        "some were delivered before"
    );
}

#[test]
fn a_checkpoint_may_be_older_than_the_last_push() {
    for repeated in [Repeated::Computed, Repeated::Ignored, Repeated::Refused] {
        let mut world = World {
            read_time: (ms(300), ms(300)),
            ..calm()
        };
        world.traits.repeated = repeated;
        let mut sim = Sim::new(world, 1);
        // The checkpoint knows of the first chunk, which is delivered. Two more follow, and their
        // results.
        sim.resume_from(ms(580), ms(1_150));
        let account = play(&mut sim);
        complete(&account);
    }
}

#[test]
fn records_that_cannot_be_sent_are_bounded_by_the_memory_as_well() {
    let settings = Settings {
        memory: 100_000,
        ..Settings::default()
    };
    let mut machine = Machine::new(settings, RunId::from_random(1), false);
    let mut read = 0;
    // Nobody takes their errors.
    while let Next::Do(action) = machine.next(Time::ZERO) {
        if let Action::Read { .. } = action {
            machine.handle(Time::ZERO, Event::Rejected);
            read += 1;
        }
        assert!(read < 1000);
    }
    assert!(read > 100, "{read}");
}

#[test]
fn telling_a_run_again_what_it_knows_is_no_progress() {
    let mut world = calm();
    world.traits.compute = (secs(1_000_000), secs(1_000_000));
    let bound = world.settings.stall + world.settings.outage;
    let mut sim = Sim::new(world, 1);
    for minute in 1..60 {
        sim.tell(secs(60 * minute), Event::Finish);
        sim.tell(secs(60 * minute), Event::Unpause);
    }
    let account = sim.play();
    assert_eq!(account.ending, Some(Ending::Stalled));
    assert!(sim.done_at < bound + secs(60), "{:?}", sim.done_at);
}

#[test]
fn a_source_that_failed_has_not_ended_when_it_is_told_to_stop() {
    let mut machine = Machine::new(Settings::default(), RunId::from_random(1), false);
    assert!(matches!(
        machine.next(Time::ZERO),
        Next::Do(Action::Read { .. })
    ));
    machine.handle(Time::ZERO, Event::Finish);
    machine.handle(Time::ZERO, Event::SourceFailed { record: false });
    // The driver carries out the order to stop after that.
    machine.handle(Time::ZERO, Event::SourceEnded);
    while let Next::Do(_) = machine.next(Time::ZERO) {}
    assert_eq!(machine.totals().ending, Some(Ending::SourceFailed));
}

#[test]
fn a_closed_batch_that_refuses_its_pulls_is_replaced() {
    let mut world = calm();
    world.script = vec![(
        RequestKind::Pull,
        2..u64::MAX,
        Fault::Before(FailureKind::Refused),
    )];
    world.settings.outage = secs(30);
    let mut sim = Sim::new(world, 1);
    sim.strike(ms(150), BatchState::TimedOut);
    let account = sim.play();
    // The other batch refuses them as well, and that one is open.
    assert_eq!(account.ending, Some(Ending::Outage(RequestKind::Pull)));
    assert_eq!(account.batches, 2);
}

#[test]
fn a_status_that_asks_for_a_day_does_not_hold_up_the_end() {
    let refused = failure(FailureKind::Refused, None);
    let busy = failure(FailureKind::Busy, Some(secs(86_400)));
    let settings = Settings::default();
    let mut machine = Machine::new(settings, RunId::from_random(1), true);
    machine.handle(Time::ZERO, Event::Cancel);
    let mut now = Time::ZERO;
    loop {
        match machine.next(now) {
            Next::Do(Action::Send { id, request }) => {
                let outcome = match request.kind() {
                    RequestKind::End => Err(refused),
                    _ => Err(busy),
                };
                respond(&mut machine, now, id, None, outcome);
            }
            Next::Do(_) => {}
            Next::Wait(at) => now = at.expect("a time"),
            Next::Over => break,
        }
    }
    assert!(now < secs(600), "{now:?}");
    assert_eq!(machine.open_batches(), [1]);
}

#[test]
fn a_batch_that_says_completed_is_still_closed_at_the_end() {
    let mut machine = Machine::new(Settings::default(), RunId::from_random(1), true);
    let (mut now, mut push, mut pull) = (Time::ZERO, None, None);
    loop {
        match machine.next(now) {
            Next::Do(Action::Read { .. }) => {
                let read = Event::Read {
                    records: 10,
                    bytes: 1000,
                    ahead: 0,
                };
                machine.handle(now, read);
            }
            Next::Do(Action::Send { id, request }) => match request {
                Request::Push(_) => push = Some(id),
                Request::Pull(_) => pull = Some(id),
                Request::Close => return,
                _ => respond(&mut machine, now, id, None, Ok(Reply::Done)),
            },
            Next::Do(_) => {}
            Next::Wait(at) => match (push, pull) {
                // The run ends, and waits for the pull that is under way.
                (Some(push), Some(pull)) => {
                    let denied = failure(FailureKind::Fatal, None);
                    respond(&mut machine, now, push, None, Err(denied));
                    while let Next::Do(_) = machine.next(now) {}
                    let observation = Observation {
                        state: BatchState::Completed,
                        ..Observation::default()
                    };
                    respond(&mut machine, now, pull, Some(observation), Ok(Reply::Done));
                }
                _ => now = at.expect("a time"),
            },
            Next::Over => panic!("over without a close"),
        }
    }
}

/// Plays a machine with a source of so many chunks of 10 records. `respond_to` says what a request
/// gives, or `None` if it hangs: then its response counts as lost after a minute.
fn drive(
    machine: &mut Machine,
    mut chunks: u64,
    until: Time,
    mut respond_to: impl FnMut(Time, &Request) -> Option<(Observation, Result<Reply, Failure>)>,
) -> Vec<(Time, Request)> {
    let (mut now, mut sent, mut hanging) = (Time::ZERO, Vec::new(), Vec::new());
    while now <= until {
        match machine.next(now) {
            Next::Do(Action::Read { .. }) => {
                let event = match chunks.checked_sub(1) {
                    Some(_) => Event::Read {
                        records: 10,
                        bytes: 1000,
                        ahead: 0,
                    },
                    None => Event::SourceEnded,
                };
                chunks = chunks.saturating_sub(1);
                machine.handle(now, event);
            }
            Next::Do(Action::Send { id, request }) => {
                match respond_to(now, &request) {
                    Some((observation, outcome)) => {
                        respond(machine, now, id, Some(observation), outcome);
                    }
                    None => hanging.push((now + secs(60), id)),
                }
                sent.push((now, request));
            }
            Next::Do(Action::Deliver(key)) => {
                let failed = FailedRecords::default();
                machine.handle(now, Event::Taken { key, failed });
            }
            Next::Do(_) => {}
            Next::Wait(at) => {
                let lost = hanging.iter().map(|(at, _)| *at).min();
                now = match (at, lost) {
                    (Some(at), Some(lost)) => at.min(lost),
                    (at, lost) => at.or(lost).expect("nothing will ever happen"),
                };
                if let Some(place) = hanging.iter().position(|(at, _)| *at <= now) {
                    let (_, id) = hanging.swap_remove(place);
                    let lost = failure(FailureKind::Unknown, None);
                    respond(machine, now, id, None, Err(lost));
                }
            }
            Next::Over => break,
        }
    }
    sent
}

/// A result of ten records.
fn result(key: u64) -> PulledChunk {
    PulledChunk {
        key,
        records: 10,
        bytes: 100,
    }
}

fn pulled(results: &[PulledChunk]) -> Result<Reply, Failure> {
    Ok(Reply::Pulled {
        results: results.to_vec(),
        foreign: 0,
    })
}

/// What a service responds that computes at once.
fn compute(results: &mut Vec<PulledChunk>, request: &Request) -> Result<Reply, Failure> {
    match request {
        Request::Push(keys) => {
            results.extend(keys.iter().copied().map(result));
            Ok(Reply::Done)
        }
        Request::Pull(_) => pulled(&std::mem::take(results)),
        _ => Ok(Reply::Done),
    }
}

/// A batch with room.
fn roomy(state: BatchState) -> Observation {
    Observation {
        state,
        input_remaining: Some(1_000_000),
        ..Observation::default()
    }
}

#[test]
fn counts_that_never_rise_are_no_proof_where_the_status_fails() {
    let settings = Settings {
        keep_going: true,
        ..Settings::default()
    };
    let mut machine = Machine::new(settings, RunId::from_random(1), false);
    // The service is at work for minutes, and its counts stay at zero.
    let stuck = Observation {
        chunks_submitted: Some(0),
        chunks_completed: Some(0),
        ..Observation::default()
    };
    drive(&mut machine, 1, secs(600), |_, request| match request {
        Request::Status => Some((
            Observation::default(),
            Err(failure(FailureKind::Busy, None)),
        )),
        Request::Pull(_) => Some((stuck, pulled(&[]))),
        _ => Some((Observation::default(), Ok(Reply::Done))),
    });
    assert_eq!(machine.totals().unfinished, []);
    assert_eq!(machine.totals().resubmissions, 0);
}

#[test]
fn a_batch_that_refuses_its_pulls_is_left_when_its_pushes_have_ended() {
    let settings = Settings {
        push_chunks: 1,
        ..Settings::default()
    };
    let mut machine = Machine::new(settings, RunId::from_random(1), false);
    let (mut batches, mut pushes, mut pulls) = (0, 0, 0);
    let refused = failure(FailureKind::Refused, Some(secs(86_400)));
    let sent = drive(&mut machine, 2, secs(3_600), |_, request| {
        let live = roomy(BatchState::Live);
        match request {
            Request::Create => {
                batches += 1;
                Some((live, Ok(Reply::Done)))
            }
            Request::Push(_) => {
                pushes += 1;
                // The second push hangs, and is lost.
                (pushes != 2).then_some((live, Ok(Reply::Done)))
            }
            Request::Pull(_) if batches == 1 => {
                pulls += 1;
                Some(match (pushes, pulls) {
                    (1, _) => (live, pulled(&[])),
                    (_, 1..3) => (roomy(BatchState::TimedOut), pulled(&[])),
                    _ => (Observation::default(), Err(refused)),
                })
            }
            Request::Pull(_) => Some((live, pulled(&[result(0), result(10)]))),
            _ => Some((live, Ok(Reply::Done))),
        }
    });
    complete(machine.totals());
    assert_eq!(
        (machine.totals().batches, machine.totals().delivered.chunks),
        (2, 2),
        "{sent:?}"
    );
}

#[test]
fn a_batch_that_timed_out_is_replaced_whatever_becomes_of_it() {
    for gone in [None, Some(BatchState::Failed), Some(BatchState::Cancelled)] {
        let mut machine = Machine::new(Settings::default(), RunId::from_random(1), false);
        let (mut batches, mut pulls) = (0, 0);
        drive(&mut machine, 1, secs(3_600), |_, request| match request {
            Request::Create => {
                batches += 1;
                Some((Observation::default(), Ok(Reply::Done)))
            }
            Request::Pull(_) if batches == 2 => {
                Some((roomy(BatchState::Live), pulled(&[result(0)])))
            }
            Request::Pull(_) => {
                pulls += 1;
                Some(match (pulls, gone) {
                    (1, _) => (roomy(BatchState::TimedOut), pulled(&[])),
                    (_, Some(state)) => (roomy(state), pulled(&[])),
                    (_, None) => (
                        Observation::default(),
                        Err(failure(FailureKind::Gone, None)),
                    ),
                })
            }
            _ => Some((roomy(BatchState::Live), Ok(Reply::Done))),
        });
        complete(machine.totals());
        assert_eq!(machine.totals().batches, 2);
    }
}

#[test]
fn a_closed_batch_that_is_not_replaced_gives_what_it_may_have() {
    let settings = Settings {
        reopen: false,
        ..Settings::default()
    };
    let mut machine = Machine::new(settings, RunId::from_random(1), true);
    let (mut pushed, mut closed, mut computed) = (false, false, vec![result(0)]);
    drive(&mut machine, 1, secs(3_600), |_, request| {
        // The counters do not tell what became of the push, and the next status says "closed".
        closed |= pushed && *request == Request::Status;
        let state = match closed {
            true => BatchState::Closed,
            false => BatchState::Live,
        };
        let outcome = match request {
            // It is accepted, but nobody hears of that.
            Request::Push(_) => {
                pushed = true;
                return None;
            }
            Request::Pull(_) if closed => pulled(&std::mem::take(&mut computed)),
            Request::Pull(_) => pulled(&[]),
            _ => Ok(Reply::Done),
        };
        Some((roomy(state), outcome))
    });
    complete(machine.totals());
}

#[test]
fn a_batch_that_says_completed_takes_more_pushes() {
    for kind in [
        FailureKind::Busy,
        FailureKind::TooLarge,
        FailureKind::Refused,
    ] {
        let mut machine = Machine::new(Settings::default(), RunId::from_random(1), false);
        let (mut first, mut results) = (true, Vec::new());
        drive(&mut machine, 1, secs(3_600), |_, request| {
            let outcome = match request {
                Request::Push(_) if std::mem::take(&mut first) => Err(failure(kind, None)),
                _ => compute(&mut results, request),
            };
            Some((roomy(BatchState::Completed), outcome))
        });
        complete(machine.totals());
        assert_eq!(machine.totals().batches, 1);
    }
}

#[test]
fn results_of_what_the_source_has_begun_are_not_taken() {
    let (mut machine, run) = resumed(Settings::default());
    let read = Event::Read {
        records: 10,
        bytes: 1000,
        ahead: 2,
    };
    machine.handle(Time::ZERO, read);
    let result = |key| machine.wants(&result(key));
    assert_eq!(
        [0, 10, 11, 12, 20].map(result),
        [true, false, false, true, true]
    );
    assert_eq!(machine.run_id(), run);
}

#[test]
fn a_bad_chunk_is_left_out_of_a_batch_that_says_completed() {
    let settings = Settings {
        keep_going: true,
        push_chunks: 1,
        pushes: 1,
        ..Settings::default()
    };
    let mut machine = Machine::new(settings, RunId::from_random(1), false);
    let mut results = Vec::new();
    drive(&mut machine, 4, secs(3_600), |_, request| {
        let outcome = match request {
            Request::Push(keys) if keys.contains(&20) => Err(failure(FailureKind::Refused, None)),
            _ => compute(&mut results, request),
        };
        Some((roomy(BatchState::Completed), outcome))
    });
    let totals = machine.totals();
    assert_eq!(totals.unfinished, [(20..30, Reason::Refused)]);
    assert_eq!(
        (totals.ending, totals.delivered.chunks),
        (Some(Ending::Complete), 3)
    );
}

/// A machine that resumes where nothing was delivered, and the id of the run before.
fn resumed(settings: Settings) -> (Machine, RunId) {
    let before = Machine::new(settings.clone(), RunId::from_random(7), false);
    let (position, other) = (before.position(), RunId::from_random(8));
    let machine = Machine::resume(settings, &position, false, 0, other);
    (machine, before.run_id())
}

#[test]
fn a_run_that_needs_its_inputs_computes_what_it_resumes_anew() {
    let settings = Settings {
        needs_inputs: true,
        ..Settings::default()
    };
    let (machine, before) = resumed(settings);
    assert_ne!(machine.run_id(), before, "no id is known to the batch");
}

#[test]
fn a_status_that_never_works_is_asked_for_less_and_less_often() {
    let mut machine = Machine::new(Settings::default(), RunId::from_random(1), false);
    drive(&mut machine, 1, secs(3_600), |_, request| {
        // Nothing says whether the service is at work.
        let unclear = roomy(BatchState::Live);
        let busy = failure(FailureKind::Busy, None);
        Some(match request {
            Request::Status => (unclear, Err(busy)),
            Request::Pull(_) => (unclear, pulled(&[])),
            _ => (unclear, Ok(Reply::Done)),
        })
    });
    let requests = machine.totals().requests;
    assert!((30..100).contains(&requests.status), "{requests:?}");
}

#[test]
fn a_push_that_waits_for_room_is_looked_at_in_time() {
    // Others fill the buffer for a second.
    let mut machine = Machine::new(Settings::default(), RunId::from_random(1), true);
    let (mut results, mut first) = (Vec::new(), true);
    let sent = drive(&mut machine, 1, secs(3_600), |now, request| {
        let observation = Observation {
            input_used: Some(if now < secs(1) { 1_000_000 } else { 0 }),
            input_remaining: Some(if now < secs(1) { 0 } else { 1_000_000 }),
            ..Observation::default()
        };
        let outcome = match request {
            Request::Push(_) if now < secs(1) => Err(failure(FailureKind::Busy, None)),
            _ => compute(&mut results, request),
        };
        // The first status says nothing, so that the first push is tried.
        let observation = match std::mem::take(&mut first) {
            true => Observation::default(),
            false => observation,
        };
        Some((observation, outcome))
    });
    complete(machine.totals());
    let (end, _) = sent.last().expect("requests");
    assert!(*end < secs(10), "{sent:?}");
}

#[test]
fn a_status_that_asks_for_time_holds_up_nothing_else() {
    let mut machine = Machine::new(Settings::default(), RunId::from_random(1), false);
    let mut results = Vec::new();
    let sent = drive(&mut machine, 20, secs(3_600), |_, request| {
        let outcome = match request {
            Request::Status => Err(failure(FailureKind::Busy, Some(secs(250)))),
            _ => compute(&mut results, request),
        };
        Some((roomy(BatchState::Live), outcome))
    });
    complete(machine.totals());
    let (end, _) = sent.last().expect("requests");
    assert!(*end < secs(20), "{end:?}");
}

#[test]
fn a_close_that_is_refused_is_explained_by_the_status_as_soon_as_that_works() {
    let mut world = calm();
    // The first close works, and nobody hears of it.
    world.script = vec![
        (RequestKind::End, 0..1, Fault::After(FailureKind::Unknown)),
        (
            RequestKind::Status,
            1..7,
            Fault::Before(FailureKind::Unknown),
        ),
    ];
    let (account, sim) = run(world);
    complete(&account);
    assert!(sim.machine.open_batches().is_empty());
}

#[test]
fn a_batch_of_somebody_else_may_overstate_what_it_completed_as_well() {
    let settings = Settings {
        reopen: false,
        keep_going: true,
        ..Settings::default()
    };
    let mut machine = Machine::new(settings, RunId::from_random(1), true);
    let (mut asked, mut pushes) = (0, 0);
    drive(&mut machine, 1, secs(3_600), |now, request| {
        // It has had 70 chunks before. The count of completed ones rises whenever it is asked.
        asked += 1;
        pushes += u64::from(matches!(request, Request::Push(_)));
        let observation = Observation {
            chunks_available: Some(0),
            chunks_submitted: Some(70 + pushes),
            chunks_completed: Some(69 + asked),
            input_used: Some(0),
            workers: Some(1),
            ..roomy(BatchState::Live)
        };
        let outcome = match request {
            Request::Pull(_) if now > secs(300) => pulled(&[result(0)]),
            Request::Pull(_) => pulled(&[]),
            _ => Ok(Reply::Done),
        };
        Some((observation, outcome))
    });
    complete(machine.totals());
    assert_eq!(machine.totals().resubmissions, 0);
}
