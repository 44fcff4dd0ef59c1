//! Services that are slow, broken for good or not truthful, over hours of simulated time: every run
//! ends within its bound, and whatever can be computed is delivered. `RUN_SEEDS=n` plays so many
//! worlds for each test.

use std::time::Duration;

use super::random::Random;
use super::service::{Lies, Repeated, Traits};
use super::sim::{Sim, World};
use crate::run::machine::{Ending, Order, Reason, RequestKind, Settings, Totals};

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

const HOUR: u64 = 3_600;

/// A slow service with limits of the user's: chunks of seconds to hours, one record each.
fn world(r: &mut Random) -> World {
    let longest = r.pick(&[5, 60, 600, 3 * HOUR]);
    let order = r.pick(&[Order::Arrival, Order::Input]);
    World {
        settings: Settings {
            order,
            memory: r.within(2_000, 50_000),
            push_chunks: r.within(1, 5) as usize,
            keep_going: true,
            ..Settings::default()
        },
        traits: Traits {
            workers: r.pick(&[1, 2, 10]),
            input_buffer: 20_000,
            output_buffer: r.pick(&[500, 20_000]),
            compute: (secs(1), secs(longest)),
            growth: (50, 50),
            repeated: r.pick(&[Repeated::Computed, Repeated::Ignored, Repeated::Refused]),
            shuffles: r.percent(50),
            idle_limit: secs(HOUR / 2),
            activity: [true; 3],
            finishes_after_timeout: true,
            tells: [true; 7],
            says_completed: r.percent(20),
            lies: Lies::None,
            strangers: 0,
        },
        records: r.within(1, 60),
        chunk_records: (1, 1),
        record_bytes: (100, 100),
        latency: (Duration::from_millis(5), Duration::from_millis(200)),
        read_time: (secs(0), secs(0)),
        take_time: (secs(0), secs(r.pick(&[0, 0, 2 * HOUR]))),
        gaps: r.pick(&[0, 0, 10]),
        gap: secs(5 * HOUR),
        faults: 0,
        faults_until: secs(0),
        hangs: secs(r.pick(&[10, 400])),
        dead: None,
        script: Vec::new(),
        lose_results: 0,
        handed_in: false,
        crashes: 0,
        forgets_batch: 0,
    }
}

/// Plays a world, and checks the bound of its end.
fn play(seed: u64, change: impl FnOnce(&mut World, &mut Random)) -> (Totals, World) {
    let r = &mut Random(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
    let mut world = world(r);
    change(&mut world, r);
    let settings = world.settings.clone();
    let shown = format!("{world:?}");
    let mut sim = Sim::new(world.clone(), seed);
    let totals = sim.play();
    // The rounds of resubmissions, the clock that strikes, the requests in flight, and a close that
    // is patient.
    let strikes = settings.stall + settings.outage + world.hangs * 2;
    let closing = settings.outage * 2 + world.hangs * 12;
    let bound = strikes * (1 + settings.resubmissions) + closing;
    let took = sim.done_at - sim.last_step;
    assert!(
        took <= bound,
        "seed {seed}: {took:?} to end\n{totals:?}\n{shown}"
    );
    // Whatever happens, every record is accounted for.
    sim.check_account_records(&totals);
    (totals, world)
}

fn seeds() -> u64 {
    let seeds = std::env::var("RUN_SEEDS").ok();
    seeds.and_then(|n| n.parse().ok()).unwrap_or(5)
}

/// Whether a chunk can take longer than the stall limit.
fn may_stall(world: &World) -> bool {
    world.traits.compute.1 >= world.settings.stall
}

#[track_caller]
fn complete(seed: u64, totals: &Totals, world: &World) {
    if !may_stall(world) {
        assert_eq!(
            (totals.ending, totals.unfinished.as_slice()),
            (Some(Ending::Complete), [].as_slice()),
            "seed {seed}: {totals:?}\n{world:?}"
        );
    }
}

#[test]
fn slow_services_finish() {
    for seed in 0..seeds() {
        let (totals, world) = play(seed, |_, _| {});
        complete(seed, &totals, &world);
        assert_eq!(totals.resubmissions, 0, "seed {seed}");
    }
}

#[test]
fn one_lost_response_loses_nothing() {
    for seed in 0..seeds() {
        let (totals, world) = play(seed, |world, r| {
            // Two of more in a row would be an outage.
            world.hangs = secs(10);
            // More than faults can use up in an hour.
            world.settings.resubmissions = 20;
            world.lose_results = r.within(0, 1);
            world.faults = 20;
            world.faults_until = secs(r.pick(&[10, HOUR]));
        });
        complete(seed, &totals, &world);
    }
}

#[test]
fn failures_at_any_rate_end_within_the_bound() {
    for seed in 0..seeds() {
        let (totals, _) = play(seed, |world, r| {
            world.faults = r.pick(&[1, 10, 30, 100, 300, 500]);
            world.faults_until = secs(1_000 * HOUR);
        });
        assert!(totals.ending.is_some());
    }
}

#[test]
fn a_service_that_never_finishes_is_a_stall_at_any_rate_of_failures() {
    for seed in 0..seeds() {
        let (totals, world) = play(seed, |world, r| {
            world.traits.compute = (secs(100_000 * HOUR), secs(100_000 * HOUR));
            world.faults = r.pick(&[0, 1, 10, 30, 100]);
            world.faults_until = secs(1_000 * HOUR);
        });
        assert!(
            !matches!(totals.ending, Some(Ending::Complete | Ending::Cancelled)),
            "{totals:?}\n{world:?}"
        );
    }
}

#[test]
fn any_operation_may_be_dead() {
    for seed in 0..seeds() {
        for kind in [
            RequestKind::Create,
            RequestKind::Push,
            RequestKind::Pull,
            RequestKind::Status,
            RequestKind::End,
        ] {
            let (totals, world) = play(seed, |world, _| world.dead = Some(kind));
            match kind {
                // The run can do without.
                RequestKind::Status | RequestKind::End => complete(seed, &totals, &world),
                _ => assert_eq!(totals.ending, Some(Ending::Outage(kind))),
            }
        }
    }
}

#[test]
fn counters_may_be_missing_or_untrue() {
    for seed in 0..seeds() {
        for lies in [Lies::None, Lies::Stuck, Lies::Ahead, Lies::Rising] {
            let (totals, world) = play(seed, |world, r| {
                world.traits.lies = lies;
                world.traits.tells = std::array::from_fn(|_| r.percent(50));
                world.lose_results = r.within(0, 1);
                world.dead = r.pick(&[None, Some(RequestKind::Status)]);
                // What such a batch loses is not computed again in another one.
                world.handed_in = world.lose_results == 0 && r.percent(30);
                world.settings.reopen = !world.handed_in;
            });
            // Nothing is called lost that the service computes; with a stall limit that is longer
            // than the work, everything is delivered or ends at that limit.
            let lost = |(_, reason): &(_, Reason)| *reason == Reason::Lost;
            assert!(
                may_stall(&world) || !totals.unfinished.iter().any(lost),
                "seed {seed}, {lies:?}: {totals:?}\n{world:?}"
            );
        }
    }
}

#[test]
fn processes_that_die_resume() {
    for seed in 0..seeds() {
        let (totals, world) = play(seed, |world, r| {
            world.crashes = r.within(1, 3) as u32;
            world.take_time = (secs(0), secs(0));
        });
        complete(seed, &totals, &world);
    }
}
