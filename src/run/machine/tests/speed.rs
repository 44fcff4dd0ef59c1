//! The makespan against a service of known capacity: within 1 % of the ideal one, with few
//! requests.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::service::{Lies, Repeated, Traits};
use super::sim::{Sim, World};
use crate::run::machine::{Ending, Settings};

/// A service that takes `compute` for each chunk of 200 records and 40 kB, without faults.
pub(super) fn world(
    workers: u64,
    chunks: u64,
    compute: (Duration, Duration),
    memory: u64,
) -> World {
    let none = (Duration::ZERO, Duration::ZERO);
    World {
        settings: Settings {
            memory,
            ..Settings::default()
        },
        traits: Traits {
            workers,
            input_buffer: 200_000_000,
            output_buffer: 200_000_000,
            compute,
            growth: (50, 50),
            repeated: Repeated::Computed,
            shuffles: false,
            idle_limit: Duration::from_secs(1800),
            activity: [true; 3],
            finishes_after_timeout: true,
            tells: [true; 7],
            strangers: 0,
            says_completed: false,
            lies: Lies::None,
        },
        records: chunks * 200,
        chunk_records: (200, 200),
        record_bytes: (200, 200),
        latency: (Duration::from_millis(2), Duration::from_millis(3)),
        read_time: (Duration::from_micros(20), Duration::from_micros(20)),
        take_time: none,
        gaps: 0,
        gap: Duration::ZERO,
        faults: 0,
        hangs: Duration::from_secs(10),
        dead: None,
        faults_until: Duration::ZERO,
        script: Vec::new(),
        lose_results: 0,
        handed_in: false,
        crashes: 0,
        forgets_batch: 0,
    }
}

/// The time that these chunks take if no worker ever waits for one.
pub(super) fn ideal(workers: u64, times: &[Duration]) -> Duration {
    let mut free: BinaryHeap<_> = (0..workers).map(|_| Reverse(Duration::ZERO)).collect();
    for time in times {
        let Reverse(at) = free.pop().expect("a worker");
        free.push(Reverse(at + *time));
    }
    free.into_iter()
        .map(|Reverse(at)| at)
        .max()
        .expect("a worker")
}

/// Time over the ideal one in percent, and requests.
fn measure(workers: u64, chunks: u64, compute: (u64, u64), memory: u64) -> (f64, u64) {
    let compute = (
        Duration::from_millis(compute.0),
        Duration::from_millis(compute.1),
    );
    let mut sim = Sim::new(world(workers, chunks, compute, memory), workers);
    let account = sim.play();
    assert_eq!(account.ending, Some(Ending::Complete));
    sim.check_account(&account);
    let ideal = ideal(workers, &sim.service.times).as_secs_f64();
    (
        (sim.done_at.as_secs_f64() / ideal - 1.0) * 100.0,
        sim.requests,
    )
}

#[test]
fn the_makespan_is_near_the_ideal_one() {
    // (workers, chunks, shortest and longest compute time in ms, memory in MB)
    let table = [
        (1, 20, (500, 500), 64),
        (10, 200, (500, 500), 64),
        (100, 2_000, (500, 500), 64),
        (1, 20, (2_000, 2_000), 64),
        (1, 200, (50, 350), 64),
        (10, 500, (1_000, 1_000), 64),
        (10, 5_000, (100, 300), 16),
        (100, 5_000, (1_000, 1_000), 64),
        (100, 20_000, (100, 500), 32),
        (1_000, 20_000, (2_000, 2_000), 128),
        (1_000, 50_000, (1_000, 1_000), 128),
        (1_000, 40_000, (500, 1_500), 128),
    ];
    let mut report = String::new();
    let mut worst = 0f64;
    for (workers, chunks, compute, memory) in table {
        let (over, requests) = measure(workers, chunks, compute, memory << 20);
        report += &format!(
            "{workers:>5} workers, {chunks:>6} chunks of {compute:?} ms, {memory} MB: {over:+.2} %, {requests} requests\n"
        );
        worst = worst.max(over);
    }
    assert!(worst <= 1.0, "\n{report}");
    #[expect(clippy::print_stdout, reason = "shown with --nocapture")]
    {
        println!("{report}");
    }
}
