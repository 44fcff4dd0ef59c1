//! How often a run asks, and how it shares a thread with its source.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cspark_emulator::{Emulator, Operation};

use crate::support::time::{SimulatedTime, within};
use crate::support::{SERVICE, Volume, client, cylinders};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// Twenty times a second would be plenty.
#[tokio::test]
async fn a_late_chunk_is_asked_for_with_moderation() {
    let _time = SimulatedTime::start(Duration::from_millis(1));
    let service = Emulator::builder().time_per_chunk(Duration::from_secs(4));
    let emulator = service.start().await.unwrap();
    let run = client(&emulator)
        .batches()
        .run::<_, Volume>(SERVICE, cylinders(0..10));
    let collected = within(HOUR, run).await.unwrap();
    assert!(collected.summary().is_complete());
    let pulls = emulator.traffic(Operation::Pull).requests;
    assert!(pulls <= 80, "{pulls} pulls in 4 s");
    let late = collected.summary().elapsed - Duration::from_secs(4);
    assert!(late < Duration::from_millis(400), "{late:?} late");
}

/// The emulator is on a thread of its own, so it is only the run that the source could hold up.
#[tokio::test]
async fn a_source_that_computes_does_not_starve_the_connections() {
    const RECORDS: u64 = 20_000;
    let emulator = Emulator::builder().start_on_thread().unwrap();
    let read = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&read);
    let records = cylinders(0..RECORDS).inspect(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        let started = Instant::now();
        while started.elapsed() < Duration::from_micros(50) {
            std::hint::spin_loop();
        }
    });
    let run = client(&emulator)
        .batches()
        .run::<_, Volume>(SERVICE, records);
    let mut run = run.chunk_size(20).start().unwrap();
    run.next().await.unwrap().unwrap();
    let read = read.load(Ordering::Relaxed);
    assert!(
        read < RECORDS / 4,
        "{read} records were read before the first delivery"
    );
}

/// A run that waits for what another one has pushed is not in more of a hurry than that one.
#[tokio::test]
async fn a_resumed_run_asks_for_a_late_chunk_with_moderation() {
    let _time = SimulatedTime::start(Duration::from_millis(50));
    let service = Emulator::builder().time_per_chunk(Duration::from_secs(100));
    let emulator = service.start().await.unwrap();
    let run = || {
        let spark = client(&emulator);
        spark.batches().run::<_, Volume>(SERVICE, cylinders(0..10))
    };
    within(HOUR, run()).await.unwrap();
    let pulls = emulator.traffic(Operation::Pull).requests;

    let first = run().start().unwrap();
    while emulator.traffic(Operation::Push).requests < 2 {
        tokio::task::yield_now().await;
    }
    let checkpoint = first.checkpoint();
    drop(first);
    within(HOUR, run().resume(checkpoint)).await.unwrap();
    let resumed = emulator.traffic(Operation::Pull).requests - pulls;
    assert!(resumed < 2 * pulls, "{resumed} pulls instead of {pulls}");
}
