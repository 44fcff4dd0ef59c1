//! Every run ends, within a time that follows from its limits, and says truly how.
//!
//! All times are simulated, and the settings are the defaults unless a test is about them: an
//! outage may last for 5 minutes and a stall for 15.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cspark_batches::run::{AfterError, Run, RunBuilder, Source};
use cspark_batches::{Client, Error, ErrorKind};
use cspark_emulator::{
    Alteration, AlteredFields, Emulator, Fault, Operation, RandomFaults, RepeatedIds, Response,
    Service, Shapes, StatusField,
};
use futures_util::FutureExt;
use serde::de::{Deserialize, Deserializer};
use tokio::sync::mpsc;

use crate::support::time::{SimulatedTime, within};
use crate::support::{
    Cylinder, SERVICE, Volume, client, cylinder, cylinders, quick, settings, start,
};

const HOUR: Duration = Duration::from_secs(60 * 60);
/// The limit of a stall and of an outage, one after the other.
const LIMITS: Duration = Duration::from_secs(15 * 60 + 5 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A service that accepts everything and never finishes a chunk.
async fn endless_service() -> Emulator {
    let service = Emulator::builder().workers(2).time_per_chunk(100 * DAY);
    service.start().await.unwrap()
}

fn run(spark: &Client, records: u64) -> RunBuilder<Cylinder, Volume> {
    let run = spark.batches().run(SERVICE, cylinders(0..records));
    run.chunk_size(10)
}

fn unavailable() -> Fault {
    Fault::RespondBefore(Response::status(503))
}

/// A source that is fed by hand.
fn channel() -> (mpsc::UnboundedSender<Cylinder>, Source<Cylinder>) {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let stream = futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx));
    (sender, Source::stream(stream))
}

/// The push has worked, as the service's counters say; so it is no trouble that goes on.
#[tokio::test]
async fn a_stall_is_noticed_after_a_push_whose_response_was_lost() {
    let _time = SimulatedTime::start(seconds(1));
    let emulator = endless_service().await;
    emulator.inject(Operation::Push, Fault::CutAfter);
    let failed = within(HOUR, run(&client(&emulator), 40)).await.unwrap_err();
    assert_eq!(failed.error().kind(), ErrorKind::Stalled, "{failed}");
}

/// A failure counts from itself on, not from another that was settled long ago.
#[tokio::test]
async fn a_failure_is_no_outage_long_after_a_push_whose_response_was_lost() {
    let _time = SimulatedTime::start(Duration::from_millis(50));
    let emulator = Emulator::start().await.unwrap();
    let (records, source) = channel();
    let spark = client(&emulator);
    let run = spark.batches().run::<_, Volume>(SERVICE, source);
    let mut run = run.chunk_size(1).start().unwrap();
    emulator.inject(Operation::Push, Fault::CutAfter);
    records.send(cylinder(0)).unwrap();
    within(HOUR, run.next()).await.unwrap().unwrap();

    tokio::time::sleep(seconds(400)).await;
    emulator.inject(Operation::Push, unavailable());
    records.send(cylinder(1)).unwrap();
    drop(records);
    within(HOUR, run.next()).await.unwrap().unwrap();
    assert!(within(HOUR, run.next()).await.is_none());
    assert!(run.summary().is_complete());
}

/// Failures that pass delay the end of a run that stands still by no more than they last.
#[tokio::test]
async fn failures_that_pass_do_not_keep_a_stall_from_being_noticed() {
    let _time = SimulatedTime::start(seconds(1));
    for (refused, lost) in [(0.03, 0.0), (0.1, 0.0), (0.0, 0.03), (0.0, 0.1)] {
        let emulator = endless_service().await;
        let run = run(&client(&emulator), 40).start().unwrap();
        emulator.set_random_faults(Some(RandomFaults {
            rate_limited: refused,
            gateway_after: lost,
            ..RandomFaults::none(7)
        }));
        let failed = within(LIMITS, run.collect()).await.unwrap_err();
        assert_eq!(failed.error().kind(), ErrorKind::Stalled, "{failed}");
    }
}

/// Responses to pulls that lack a field which those to status requests have.
#[tokio::test]
async fn fields_that_come_and_go_are_no_progress() {
    let _time = SimulatedTime::start(seconds(1));
    let service = Emulator::builder().workers(1).time_per_chunk(100 * DAY);
    // Too small for all of it, so that the run asks for the status, too.
    let emulator = service.input_buffer(1_000).start().await.unwrap();
    emulator.set_shapes(Shapes {
        altered_fields: vec![AlteredFields {
            responses: vec![Operation::Pull],
            fields: vec![StatusField::InputBufferUsedBytes],
            alteration: Alteration::Absent,
        }],
        ..Shapes::default()
    });
    let failed = within(HOUR, run(&client(&emulator), 400))
        .await
        .unwrap_err();
    assert_eq!(failed.error().kind(), ErrorKind::Stalled, "{failed}");
}

/// Numbers that change for ever, while no result comes.
#[tokio::test]
async fn counters_that_rise_for_ever_are_no_progress() {
    let _time = SimulatedTime::start(seconds(1));
    let emulator = endless_service().await;
    let counters = [
        StatusField::ChunksSubmitted,
        StatusField::ChunksCompleted,
        StatusField::RecordsCompleted,
        StatusField::InputBufferUsedBytes,
        StatusField::WorkersInUse,
    ];
    let rising = AlteredFields::everywhere(counters, Alteration::Rising);
    emulator.set_shapes(Shapes {
        altered_fields: vec![rising],
        ..Shapes::default()
    });
    let failed = within(LIMITS, run(&client(&emulator), 40))
        .await
        .unwrap_err();
    assert_eq!(failed.error().kind(), ErrorKind::Stalled, "{failed}");
}

/// A service that hands out the same result at each pull, and never the other one.
#[tokio::test]
async fn results_that_come_again_are_no_progress() {
    let _time = SimulatedTime::start(seconds(1));
    let service = Emulator::builder().workers(1).time_per_chunk(seconds(10));
    let emulator = service.start().await.unwrap();
    emulator.inject_always(Operation::Pull, Fault::RepeatResults);
    let mut run = run(&client(&emulator), 20).start().unwrap();
    within(HOUR, run.next()).await.unwrap().unwrap();
    emulator.stall_workers(&emulator.batch_ids()[0], 100 * DAY);
    let failed = within(LIMITS, run.collect()).await.unwrap_err();
    assert_eq!(failed.error().kind(), ErrorKind::Stalled, "{failed}");
    let pulls = emulator.traffic(Operation::Pull).requests;
    assert!(pulls < 2_000, "{pulls} pulls");
}

/// What the service asks for in good order is respected, but not longer than the run's limits.
#[tokio::test]
async fn retry_after_does_not_hold_a_run_beyond_its_limits() {
    let _time = SimulatedTime::start(Duration::from_millis(50));
    for operation in [Operation::Pull, Operation::Status, Operation::Push] {
        let emulator = endless_service().await;
        let response = Response::status(429).retry_after(DAY.as_secs());
        emulator.inject_always(operation, Fault::RespondBefore(response));
        let run = run(&client(&emulator), 40)
            .outage_limit(seconds(5))
            .stall_limit(seconds(5));
        let failed = within(seconds(60), run).await.unwrap_err();
        let summary = failed.collected().summary();
        assert!(
            summary.is_over() && summary.left_open.is_empty(),
            "{operation:?}: {failed}"
        );
        let batch = &emulator.batch_ids()[0];
        assert_ne!(
            emulator.batch(batch).unwrap().status,
            "in_progress",
            "{operation:?}"
        );
    }
}

#[tokio::test]
async fn cancelling_does_not_wait_for_a_retry_after() {
    let _time = SimulatedTime::start(Duration::from_millis(50));
    for operation in [Operation::Pull, Operation::Status, Operation::Push] {
        let emulator = endless_service().await;
        let response = Response::status(429).retry_after(200);
        emulator.inject(operation, Fault::RespondBefore(response));
        let run = run(&client(&emulator), 40).start().unwrap();
        tokio::time::sleep(seconds(10)).await;
        assert_eq!(emulator.pending_faults(), 0, "{operation:?}");
        run.handle().cancel();
        let collected = within(seconds(10), run.collect()).await.unwrap();
        assert!(collected.summary().is_over());
        let batch = &emulator.batch_ids()[0];
        assert_eq!(
            emulator.batch(batch).unwrap().status,
            "cancelled",
            "{operation:?}"
        );
    }
}

/// Responses to pushes and pulls tell the same as those to status requests.
#[tokio::test]
async fn a_run_does_without_status() {
    let _time = SimulatedTime::start(Duration::from_millis(50));
    for push in [
        None,
        Some(unavailable()),
        Some(Fault::CutBefore),
        Some(Fault::CutAfter),
    ] {
        let emulator = Emulator::start().await.unwrap();
        emulator.inject_always(Operation::Status, unavailable());
        if let Some(fault) = push.clone() {
            emulator.inject_at(Operation::Push, 2, fault);
        }
        let run = run(&client(&emulator), 3_010)
            .max_push_bytes(10_000)
            .max_push_chunks(10);
        let collected = within(HOUR, run).await.unwrap_or_else(|failed| {
            panic!("{push:?}: {failed}: {:?}", failed.collected().summary())
        });
        assert!(collected.summary().is_complete());
        assert_eq!(collected.into_outputs().unwrap().len(), 3_010, "{push:?}");
    }
}

#[tokio::test]
async fn a_run_does_without_status_from_the_middle_on() {
    let _time = SimulatedTime::start(Duration::from_millis(500));
    for push in [unavailable(), Fault::CutBefore, Fault::CutAfter] {
        let service = Emulator::builder().workers(2);
        let service = service.time_per_chunk(seconds(20)).start();
        let emulator = service.await.unwrap();
        // So little memory that there is always something left to push.
        let run = run(&client(&emulator), 600)
            .memory(10_000)
            .max_push_bytes(1)
            .max_push_chunks(1);
        let mut run = run.start().unwrap();
        let first = within(HOUR, run.next()).await.unwrap().unwrap();
        emulator.inject_always(Operation::Status, unavailable());
        emulator.inject(Operation::Push, push.clone());
        let rest = within(HOUR, run.collect()).await.unwrap_or_else(|failed| {
            panic!("{push:?}: {failed}: {:?}", failed.collected().summary())
        });
        assert!(rest.summary().is_complete());
        let outputs = first.outcomes().len() + rest.into_outputs().unwrap().len();
        assert_eq!(outputs, 600, "{push:?}");
    }
}

/// Whatever operation is broken for ever, the run ends.
#[tokio::test]
async fn a_broken_operation_ends_a_run_within_its_limits() {
    let _time = SimulatedTime::start(seconds(1));
    for operation in [
        Operation::Create,
        Operation::Push,
        Operation::Pull,
        Operation::Status,
        Operation::Close,
    ] {
        for fault in [unavailable(), Fault::CutAfter, Fault::HangBefore] {
            let case = format!("{operation:?} {fault:?}");
            let emulator = Emulator::start().await.unwrap();
            emulator.inject_always(operation, fault.clone());
            let settings = settings(&emulator).api_key("open");
            let spark = settings.request_timeout(seconds(30)).build().unwrap();
            let run = tokio::time::timeout(LIMITS, run(&spark, 40).into_future());
            match run.await.unwrap_or_else(|_| panic!("{case}: no end")) {
                Ok(collected) => {
                    let summary = collected.summary();
                    assert!(summary.is_complete(), "{case}");
                    if (operation, fault) == (Operation::Close, unavailable()) {
                        assert_eq!(summary.left_open, emulator.batch_ids());
                    }
                }
                Err(failed) => {
                    let summary = failed.collected().summary();
                    let named = summary.delivered.records + summary.unfinished_records();
                    assert_eq!(named, summary.read.records, "{case}: {failed}");
                }
            }
        }
    }
}

/// As behind a base URL that is that of the pages for people.
#[tokio::test]
async fn a_page_in_place_of_the_service_ends_a_run_in_seconds() {
    let _time = SimulatedTime::start(seconds(1));
    let emulator = Emulator::start().await.unwrap();
    let page = Fault::RespondBefore(Response::html(200));
    emulator.inject_always(Operation::Create, page);
    let run = run(&client(&emulator), 40).start().unwrap();
    let error = within(seconds(20), last_error(run)).await.unwrap();
    let message = error.to_string();
    assert!(message.contains("check the base URL"), "{message}");
    assert!(message.contains("not JSON (`text/html"), "{message}");
}

/// The service takes repeated chunks for known and does not let the old batch be closed.
#[tokio::test]
async fn a_batch_that_cannot_be_closed_does_not_hold_up_the_next_one() {
    let _time = SimulatedTime::start(Duration::from_millis(50));
    for status in [400, 409] {
        let service = Emulator::builder().repeated_ids(RepeatedIds::Ignore);
        let emulator = service.time_per_chunk(seconds(1)).start().await.unwrap();
        let response = Response::status(status);
        emulator.inject_always(Operation::Close, Fault::RespondBefore(response));
        let run = run(&client(&emulator), 40).start().unwrap();
        while emulator.batch_ids().is_empty()
            || emulator
                .batch(&emulator.batch_ids()[0])
                .unwrap()
                .chunks_available
                < 4
        {
            tokio::task::yield_now().await;
        }
        emulator.inject(Operation::Pull, Fault::CutAfter);
        let next_batch = async {
            while emulator.batch_ids().len() < 2 {
                tokio::task::yield_now().await;
            }
        };
        within(seconds(60), next_batch).await;
        emulator.clear_faults();
        let collected = within(HOUR, run.collect()).await.unwrap();
        assert_eq!(collected.into_outputs().unwrap().len(), 40);
    }
}

/// The runtime that the run was started in goes away, and somebody in another one waits for it.
#[test]
fn a_run_whose_runtime_goes_away_ends_in_an_error() {
    let service = Emulator::builder().time_per_chunk(100 * DAY);
    let emulator = service.start_on_thread().unwrap();
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap()
    };
    let (working, waiting) = (runtime(), runtime());
    let spark = client(&emulator);
    let run = working.block_on(async { run(&spark, 4_800).start().unwrap() });
    let result = waiting.block_on(async move {
        working.shutdown_background();
        run.collect().await
    });
    let failed = result.expect_err("nothing was delivered");
    assert_eq!(failed.error().kind(), ErrorKind::Unfinished, "{failed}");
    assert!(!failed.collected().summary().is_complete());
}

/// An output that panics when it is read, like a careless conversion in somebody's type.
#[derive(Debug)]
struct Careless;

static CARELESS_WITH: AtomicBool = AtomicBool::new(true);

impl<'de> Deserialize<'de> for Careless {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Volume::deserialize(deserializer)?;
        assert!(!CARELESS_WITH.swap(false, Ordering::Relaxed), "on purpose");
        Ok(Self)
    }
}

#[tokio::test]
async fn a_run_whose_output_panicked_is_not_complete() {
    let (_emulator, spark) = start().await;
    let run = spark
        .batches()
        .run::<_, Careless>(SERVICE, cylinders(0..100));
    let mut run = quick(run).chunk_size(10).start().unwrap();
    let (mut delivered, mut panics) = (0, 0);
    loop {
        let next = std::panic::AssertUnwindSafe(run.next())
            .catch_unwind()
            .await;
        match next {
            Ok(Some(Ok(delivery))) => delivered += delivery.outcomes().len(),
            Ok(Some(Err(_))) => {}
            Ok(None) => break,
            Err(_) => panics += 1,
        }
    }
    assert_eq!((delivered, panics), (90, 1));
    assert!(!run.summary().is_complete(), "{:?}", run.summary());
}

/// Records that an earlier run read are missing from the source of the next one.
#[tokio::test]
async fn a_source_that_is_shorter_than_the_checkpoint_is_an_error() {
    let _time = SimulatedTime::start(Duration::from_millis(10));
    let service = Emulator::builder().workers(1).time_per_chunk(seconds(5));
    let emulator = service.start().await.unwrap();
    let spark = client(&emulator);
    let mut first = run(&spark, 1_000).chunk_size(200).start().unwrap();
    within(HOUR, first.next()).await.unwrap().unwrap();
    let checkpoint = first.checkpoint();
    drop(first);
    for records in [0, 50, 900] {
        let resumed = run(&spark, records)
            .chunk_size(200)
            .resume(checkpoint.clone());
        let failed = within(HOUR, resumed)
            .await
            .expect_err("records are missing");
        assert_eq!(
            failed.error().kind(),
            ErrorKind::Input,
            "{records}: {failed}"
        );
    }
}

/// Promise 1, for a record that was read and can't be sent.
#[tokio::test]
async fn a_record_that_cannot_be_encoded_is_unfinished() {
    let (_emulator, spark) = start().await;
    let records = cylinders(0..50).enumerate().map(|(n, cylinder)| Cylinder {
        radius: if n == 25 { f64::NAN } else { cylinder.radius },
        ..cylinder
    });
    let run = spark.batches().run::<_, Volume>(SERVICE, records);
    let failed = quick(run).chunk_size(10).await.unwrap_err();
    assert_eq!(failed.error().kind(), ErrorKind::Input, "{failed}");
    let summary = failed.collected().summary();
    assert!(!summary.is_complete());
    let mut unfinished = summary.unfinished.iter();
    assert!(
        unfinished.any(|one| one.records.contains(&25)),
        "{summary:?}"
    );
    let named = summary.delivered.records + summary.unfinished_records();
    assert_eq!(named, summary.read.records);
    assert_eq!(named, 26);
}

/// The shortest wait is longer than the longest one.
#[tokio::test]
async fn poll_intervals_in_the_wrong_order_are_no_panic() {
    let _time = SimulatedTime::start(Duration::from_millis(50));
    let service = Emulator::builder().workers(1).time_per_chunk(seconds(1));
    let emulator = service.input_buffer(1_000).start().await.unwrap();
    let run = run(&client(&emulator), 400)
        .min_poll_interval(seconds(5))
        .max_poll_interval(seconds(1));
    match run.start() {
        Ok(run) => assert!(
            within(HOUR, run.collect())
                .await
                .unwrap()
                .summary()
                .is_complete()
        ),
        Err(error) => assert_eq!(error.kind(), ErrorKind::Input, "{error}"),
    }
}

/// Results that are on their way when the run fails are delivered, not computed again.
#[tokio::test]
async fn a_run_that_leaves_its_batch_waits_for_its_pulls() {
    let _time = SimulatedTime::start(Duration::from_millis(10));
    let emulator = Emulator::builder()
        .time_per_chunk(seconds(1))
        .start()
        .await
        .unwrap();
    let (records, source) = channel();
    let spark = client(&emulator);
    let first = spark
        .batches()
        .run::<_, Volume>(SERVICE, source)
        .chunk_size(10)
        .after_error(AfterError::Leave)
        .start()
        .unwrap();
    for cylinder in cylinders(0..10) {
        records.send(cylinder).unwrap();
    }
    let batch = || emulator.batch(emulator.batch_ids().first()?);
    while batch().is_none_or(|batch| batch.chunks_available == 0) {
        tokio::task::yield_now().await;
    }
    emulator.inject(Operation::Pull, Fault::Slow(seconds(20)));
    while batch().is_some_and(|batch| batch.chunks_available > 0) {
        tokio::task::yield_now().await;
    }
    emulator.inject(Operation::Push, Fault::RespondBefore(Response::status(401)));
    for cylinder in cylinders(10..20) {
        records.send(cylinder).unwrap();
    }
    let failed = within(HOUR, first.collect()).await.unwrap_err();
    assert_eq!(
        failed.collected().summary().delivered.records,
        10,
        "{failed}"
    );
}

/// Waits until there is nothing left to do but to take the results.
async fn over<O>(run: &Run<O>) {
    while !run.summary().is_over() {
        tokio::task::yield_now().await;
    }
}

/// The error that the stream of a run ends with.
async fn last_error<O: serde::de::DeserializeOwned>(mut run: Run<O>) -> Option<Error> {
    let mut last = None;
    while let Some(delivery) = run.next().await {
        last = delivery.err();
    }
    assert!(!run.summary().is_complete());
    last
}

#[tokio::test]
async fn outputs_that_nobody_can_read_end_a_run_however_late_they_are_taken() {
    #[derive(Debug, serde::Deserialize)]
    struct Misspelt {
        #[serde(rename = "volumen")]
        _volume: f64,
    }
    let (_emulator, client) = start().await;
    let records = cylinders(0..30);
    let run = client.batches().run::<_, Misspelt>(SERVICE, records);
    let run = quick(run).start().unwrap();
    over(&run).await;
    let error = last_error(run).await.expect("an error");
    assert_eq!(error.kind(), ErrorKind::Decode);
    let message = error.to_string();
    assert!(message.contains("record 0: "), "{message}");
    assert!(message.contains("missing field `volumen`"), "{message}");
}

#[tokio::test]
async fn a_failure_limit_ends_a_run_however_late_the_failures_are_taken() {
    let service = Service::raw(|_, _| Err("out of range".to_owned()));
    let emulator = Emulator::builder().service(SERVICE, service);
    let emulator = emulator.start().await.unwrap();
    for (limit, fails) in [(29, true), (30, false)] {
        let run = run(&client(&emulator), 30).failure_limit(limit);
        let run = quick(run).start().unwrap();
        over(&run).await;
        if !fails {
            assert!(run.collect().await.is_ok());
            continue;
        }
        let message = last_error(run).await.expect("an error").to_string();
        let expected =
            "30 records have no output, and the failure limit is 29: record 0: out of range";
        assert!(message.contains(expected), "{message}");
    }
}
