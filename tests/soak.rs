//! Runs under random faults, end to end. A seed decides settings, service and faults of a schedule.
//!
//! `SOAK_SEEDS=10000` plays so many schedules (200 unless set), `SOAK_SEED=n` only that one. Seeds
//! that fail are printed.

#[path = "it/support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cspark_batches::run::{Checkpoint, Delivery, Progress, RunBuilder};
use cspark_batches::{Chunker, Client};
use cspark_emulator::{Emulator, RandomFaults, RepeatedIds, ResultOrder};
use support::{Cylinder, SERVICE, Volume, cylinders, quick, volume};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Schedules at a time. They wait most of the time.
const AT_A_TIME: usize = 24;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn promises_hold_under_faults() {
    let seeds = match number("SOAK_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SOAK_SEEDS").unwrap_or(200),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let failures = runtime.block_on(play_all(seeds));
    for (seed, why) in &failures {
        #[expect(clippy::print_stdout, reason = "what a test that fails is for")]
        {
            println!("seed {seed}: {why}");
        }
    }
    if let Some((first, _)) = failures.first() {
        panic!(
            "{} schedules fail; play the first again with SOAK_SEED={first}",
            failures.len()
        );
    }
}

async fn play_all(mut seeds: std::ops::Range<u64>) -> Vec<(u64, String)> {
    let http = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("an HTTP client");
    let (mut playing, mut failures) = (JoinSet::new(), Vec::new());
    loop {
        while playing.len() < AT_A_TIME
            && let Some(seed) = seeds.next()
        {
            let http = http.clone();
            playing.spawn(async move {
                let progress = Watch::default();
                let playing = tokio::spawn(play(seed, http, Arc::clone(&progress)));
                let limited = tokio::time::timeout(Duration::from_secs(120), playing);
                let result = match limited.await {
                    Ok(Ok(result)) => result,
                    Ok(Err(panic)) => Err(format!("panicked: {panic}")),
                    Err(_) => Err(format!(
                        "does not come to an end: {:?}",
                        progress
                            .lock()
                            .expect("not poisoned")
                            .as_ref()
                            .map(|progress| progress.borrow().clone())
                    )),
                };
                (seed, result)
            });
        }
        match playing.join_next().await {
            Some(Ok((_, Ok(())))) => {}
            Some(Ok((seed, Err(why)))) => failures.push((seed, why)),
            Some(Err(error)) => failures.push((u64::MAX, error.to_string())),
            None => break,
        }
    }
    failures.sort();
    failures
}

/// The progress of the current run of a schedule, to be shown if it does not end.
type Watch = Arc<Mutex<Option<watch::Receiver<Progress>>>>;

/// The settings that a seed stands for.
struct Schedule {
    records: u64,
    order: bool,
    chunk: usize,
    memory: usize,
    pushes: usize,
    pulls: usize,
    push_size: (usize, usize),
    pull_chunks: u32,
    crashes: u32,
    slow_consumer: bool,
}

async fn play(seed: u64, http: reqwest::Client, progress: Watch) -> Result<(), String> {
    let mut random = fastrand::Rng::with_seed(seed);
    let r = &mut random;
    let chunk = r.usize(1..40);
    let bytes = chunk * 60 + 300;
    let schedule = Schedule {
        records: r.u64(0..1_000),
        order: r.bool(),
        chunk,
        memory: r.usize(bytes..bytes * 60),
        pushes: r.usize(1..5),
        pulls: r.usize(1..4),
        push_size: (r.usize(1..bytes * 8), r.usize(1..12)),
        pull_chunks: r.u32(1..20),
        crashes: if r.u8(..4) == 0 { r.u32(1..3) } else { 0 },
        slow_consumer: r.u8(..8) == 0,
    };
    let probability = [0.0, 0.002, 0.01, 0.03][r.usize(..4)];
    let mut faults = RandomFaults::mixed(seed, probability);
    faults.timed_out = [0.0, 0.0, probability / 2.0][r.usize(..3)];
    faults.delay = Duration::from_millis(2);
    faults.retry_after = Duration::from_millis(2);
    faults.stall = Duration::from_millis(r.u64(1..30));
    faults.most_in_all = 60;
    let small = bytes as u64 * r.u64(1..20);
    let emulator = Emulator::builder()
        .workers([1, 3, 20][r.usize(..3)])
        .time_per_chunk(Duration::from_micros([0, 200, 3_000][r.usize(..3)]))
        .input_buffer(if r.bool() { small } else { 10_000_000 })
        .output_buffer(if r.bool() { small } else { 10_000_000 })
        .full_status([400, 413, 422, 429, 503][r.usize(..5)])
        .result_order(if r.bool() {
            ResultOrder::Shuffled(seed)
        } else {
            ResultOrder::Completed
        })
        .repeated_ids(
            [
                RepeatedIds::Compute,
                RepeatedIds::Refuse,
                RepeatedIds::Ignore,
            ][r.usize(..3)],
        )
        .record(0, 0)
        .random_faults(faults)
        .start()
        .await
        .map_err(|error| error.to_string())?;
    let spark = Client::builder()
        .base_url(emulator.base_url())
        .bearer_token("open")
        .http_client(http)
        .build()
        .map_err(|error| error.to_string())?;
    run(&spark, &emulator, &schedule, r, &progress).await
}

fn builder(spark: &Client, schedule: &Schedule) -> RunBuilder<Cylinder, Volume> {
    let run = spark.batches().run(SERVICE, cylinders(0..schedule.records));
    let run = quick(run)
        .chunker(Chunker::new().chunk_size(schedule.chunk))
        .memory(schedule.memory)
        .pushes_in_flight(schedule.pushes)
        .pulls_in_flight(schedule.pulls)
        .max_push_bytes(schedule.push_size.0)
        .max_push_chunks(schedule.push_size.1)
        .max_pull_chunks(schedule.pull_chunks)
        .resubmissions(50);
    if schedule.order {
        run.in_input_order()
    } else {
        run
    }
}

async fn run(
    spark: &Client,
    emulator: &Emulator,
    schedule: &Schedule,
    r: &mut fastrand::Rng,
    progress: &Watch,
) -> Result<(), String> {
    let mut seen = BTreeMap::new();
    let mut checkpoint: Option<Checkpoint> = None;
    let mut resubmissions = 0;
    for life in 0..=schedule.crashes {
        let last = life == schedule.crashes;
        let dies_after = if last { usize::MAX } else { r.usize(..20) };
        let run = builder(spark, schedule);
        let run = match checkpoint.take() {
            Some(checkpoint) => run.resume(checkpoint),
            None => run,
        };
        let mut run = run.start().map_err(|error| error.to_string())?;
        *progress.lock().expect("not poisoned") = Some(run.progress());
        let (mut deliveries, mut next) = (0, 0);
        while deliveries < dies_after
            && let Some(delivery) = run.next().await
        {
            let delivery: Delivery<Volume> =
                delivery.map_err(|error| format!("{error} ({:?})", run.summary()))?;
            for (record, outcome) in delivery.iter() {
                let outcome = outcome
                    .as_ref()
                    .map_err(|error| format!("record {record}: {error}"))?;
                if outcome.volume != volume(record) {
                    return Err(format!("record {record} has the output of another"));
                }
                if seen.insert(record, ()).is_some() {
                    return Err(format!("record {record} was delivered twice"));
                }
            }
            if schedule.order && delivery.records().start < next {
                return Err(format!(
                    "out of order: {:?} after {next}",
                    delivery.records()
                ));
            }
            next = delivery.records().end;
            deliveries += 1;
            if schedule.slow_consumer {
                // Stands for the consumer's own work.
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        let summary = run.summary();
        resubmissions += summary.resubmissions;
        if last {
            if !summary.is_complete() {
                return Err(format!("{summary:?}"));
            }
            if !summary.left_open.is_empty() {
                return Err(format!("left open: {:?}", summary.left_open));
            }
        }
        let text = serde_json::to_string(&run.checkpoint()).map_err(|error| error.to_string())?;
        checkpoint = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    }
    if seen.len() as u64 != schedule.records {
        return Err(format!(
            "{} of {} records came back",
            seen.len(),
            schedule.records
        ));
    }
    let views = emulator
        .batch_ids()
        .into_iter()
        .filter_map(|id| emulator.batch(&id));
    let mut computed: BTreeMap<String, u32> = BTreeMap::new();
    for (id, times) in views.flat_map(|view| view.submissions) {
        *computed.entry(id).or_default() += times;
    }
    let twice: u32 = computed.values().map(|times| times - 1).sum();
    // A resumed run can't know of pushes after the checkpoint.
    if schedule.crashes == 0 && u64::from(twice) > resubmissions {
        return Err(format!(
            "{twice} chunks computed again, {resubmissions} reported"
        ));
    }
    Ok(())
}
