//! Random schedules: faults, reorderings, duplicates, lost answers, buffer sizes and speeds, each
//! from a seed.
//!
//! `RUN_SEED=n` plays one schedule, with `RUN_TRACE=1` step by step; `RUN_SEEDS=n` plays that many.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::random::Random;
use super::service::{Lies, Repeated, Traits};
use super::sim::{Sim, World};
use crate::run::machine::{Ending, Order, Reason, Settings};

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A world made up from the seed.
fn world(seed: u64, crashes: bool) -> World {
    let r = &mut Random(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
    let order = r.pick(&[Order::Arrival, Order::Arrival, Order::Input]);
    let chunk_records = (1, r.within(1, 8));
    let record_bytes = (20, r.within(20, 60));
    let largest = chunk_records.1 * record_bytes.1;
    let split = r.percent(20);
    let input_buffer = if split {
        r.within(largest.div_ceil(4).max(130), largest * 2 + 130)
    } else {
        r.within(largest, largest * 30)
    };
    let often = r.percent(60);
    let tells = std::array::from_fn(|_| often || r.percent(60));
    let speeds = [(ms(0), ms(0)), (ms(0), ms(20)), (ms(10), ms(800))];
    World {
        settings: Settings {
            memory: r.within(largest, largest * 60),
            order,
            pushes: r.within(1, 5) as usize,
            pulls: r.within(1, 4) as usize,
            push_bytes: r.within(1, largest * 6),
            push_chunks: r.within(1, 20) as usize,
            pull_chunks: r.within(1, 30) as u32,
            keep_alive: ms(60_000),
            resubmissions: 20,
            outage: ms(3_600_000),
            stall: ms(600_000),
            split,
            keep_going: r.percent(30),
            ..Settings::default()
        },
        traits: Traits {
            workers: r.pick(&[1, 2, 5, 40]),
            input_buffer,
            output_buffer: r.within(1, largest * 20),
            compute: (ms(1), ms(r.pick(&[2, 50, 3000]))),
            growth: r.pick(&[
                (10, 100),
                (50, 150),
                (100, 200),
                (100, if order == Order::Input { 200 } else { 600 }),
            ]),
            repeated: r.pick(&[Repeated::Computed, Repeated::Ignored, Repeated::Refused]),
            shuffles: r.percent(60),
            idle_limit: r.pick(&[ms(1_800_000), ms(1_800_000), ms(90_000), ms(8_000)]),
            activity: r.pick(&[
                [true; 3],
                [true, true, false],
                [true, false, true],
                [true, false, false],
            ]),
            finishes_after_timeout: r.percent(50),
            tells,
            strangers: r.pick(&[0, 0, 0, 5]),
            says_completed: r.percent(20),
            lies: Lies::None,
        },
        records: r.within(0, 400),
        chunk_records,
        record_bytes,
        latency: r.pick(&[(ms(1), ms(1)), (ms(1), ms(60)), (ms(20), ms(900))]),
        read_time: r.pick(&speeds),
        take_time: r.pick(&speeds),
        gaps: r.pick(&[0, 0, 1, 5]),
        gap: r.pick(&[ms(5_000), ms(200_000), ms(4_000_000)]),
        faults: r.pick(&[0, 20, 100, 400]),
        hangs: ms(r.pick(&[10_000, 10_000, 400_000])),
        dead: None,
        faults_until: ms(r.within(0, 60_000)),
        script: Vec::new(),
        lose_results: 0,
        handed_in: false,
        crashes: if crashes { r.within(1, 3) as u32 } else { 0 },
        forgets_batch: r.pick(&[0, 50]),
    }
}

fn play(seed: u64, crashes: bool) {
    let world = world(seed, crashes);
    let short_lived = world.traits.idle_limit < ms(10_000);
    let mut sim = Sim::new(world, seed);
    let r = &mut Random(!seed);
    if r.percent(20) {
        sim.stand_still(ms(r.within(0, 20_000)), ms(r.within(1, 1_200_000)));
    }
    let result = catch_unwind(AssertUnwindSafe(|| {
        let account = sim.play();
        sim.check_account(&account);
        // A service that closes batch after batch before it gives a result is the one thing here
        // that ends a run.
        let hopeless = Ending::BatchTimedOut;
        let ending = account.ending.expect("over");
        assert!(
            ending == Ending::Complete || (ending == hopeless && short_lived),
            "{account:?}"
        );
        let fine =
            |reason: &Reason| matches!(reason, Reason::Lost) || *reason == Reason::Ended(hopeless);
        assert!(
            account.unfinished.iter().all(|(_, reason)| fine(reason)),
            "{account:?}"
        );
    }));
    for line in &sim.trace {
        #[expect(clippy::print_stdout, reason = "asked for by RUN_TRACE")]
        {
            println!("{line}");
        }
    }
    if result.is_err() {
        panic!("schedule {seed} fails; play it again with RUN_SEED={seed} RUN_TRACE=1");
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn play_all(crashes: bool) {
    match number("RUN_SEED") {
        Some(seed) => play(seed, crashes),
        None => (0..number("RUN_SEEDS").unwrap_or(100)).for_each(|seed| play(seed, crashes)),
    }
}

#[test]
fn promises_hold_under_random_schedules() {
    play_all(false);
}

#[test]
fn promises_hold_when_processes_die_and_resume() {
    play_all(true);
}
