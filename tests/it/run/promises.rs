//! The promises of a run, end to end. Their numbers are those of the module `run`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cspark_batches::run::{AfterError, Checkpoint, Delivery, RunBuilder, Source};
use cspark_batches::{Chunker, ErrorKind, Push};
use cspark_emulator::{Emulator, Fault, Operation, RepeatedIds, Response};

use crate::support::time::{SimulatedTime, within};
use crate::support::{
    Cylinder, ECHO, SERVICE, Volume, client, cylinder, cylinders, quick, requests, volume,
};

/// Promise 1.
#[tokio::test]
async fn all_outputs_in_input_order() {
    let _time = SimulatedTime::start(Duration::from_millis(1));
    let emulator = Emulator::start().await.unwrap();
    let spark = client(&emulator);
    let collected = spark
        .batches()
        .run::<_, Volume>(SERVICE, cylinders(0..1_000))
        .chunk_size(30)
        .await
        .unwrap();
    assert!(collected.summary().is_complete());
    let outputs = collected.into_outputs().unwrap();
    assert_eq!(outputs.len(), 1_000);
    assert!(
        outputs
            .iter()
            .enumerate()
            .all(|(n, output)| output.volume == volume(n as u64))
    );
    let batch = emulator.batch(&emulator.batch_ids()[0]).unwrap();
    assert_eq!(batch.status, "completed", "the batch is closed at the end");
}

#[tokio::test]
async fn a_stream_of_deliveries_ends_in_a_summary() {
    let _time = SimulatedTime::start(Duration::from_millis(1));
    let emulator = Emulator::start().await.unwrap();
    let spark = client(&emulator);
    let mut run = spark
        .batches()
        .run::<_, Volume>(SERVICE, cylinders(0..450))
        .in_input_order()
        .start()
        .unwrap();
    let mut next = 0;
    while let Some(delivery) = run.next().await {
        let delivery: Delivery<Volume> = delivery.unwrap();
        assert_eq!(delivery.records().start, next);
        for (record, outcome) in delivery.iter() {
            assert_eq!(outcome.as_ref().unwrap().volume, volume(record));
        }
        next = delivery.records().end;
    }
    let summary = run.summary();
    assert!(summary.is_complete() && summary.is_over());
    assert_eq!(
        (summary.delivered.records, summary.delivered.chunks),
        (450, 3)
    );
    assert_eq!(summary.batches, emulator.batch_ids());
    assert!(summary.left_open.is_empty());
    let progress = run.progress().borrow().clone();
    assert_eq!(
        (progress.total_records, progress.delivered.records),
        (Some(450), 450)
    );
    assert!(progress.is_over);
}

/// Promise 1.
#[tokio::test]
async fn failed_records_are_reported_one_by_one() {
    let _time = SimulatedTime::start(Duration::from_millis(1));
    let emulator = Emulator::start().await.unwrap();
    let spark = client(&emulator);
    let records = (0..10).map(|n| Cylinder {
        radius: if n == 7 { -1.0 } else { n as f64 },
        height: 1.0,
    });
    let collected = spark
        .batches()
        .run::<_, Volume>(SERVICE, records)
        .chunk_size(4)
        .await
        .unwrap();
    assert_eq!(collected.summary().failed_records, 1);
    assert!(collected.summary().is_complete());
    for (record, outcome) in collected.iter() {
        assert_eq!(outcome.is_err(), record == 7, "{record}: {outcome:?}");
    }
}

#[tokio::test]
async fn async_streams_tables_and_prepared_chunks_are_sources() {
    let _time = SimulatedTime::start(Duration::from_millis(1));
    let emulator = Emulator::start().await.unwrap();
    let spark = client(&emulator);
    let stream = futures_util::stream::iter(cylinders(0..50));
    let collected = spark
        .batches()
        .run::<_, Volume>(SERVICE, Source::stream(stream))
        .chunk_size(20)
        .await
        .unwrap();
    assert_eq!(collected.into_outputs().unwrap().len(), 50);

    let rows = vec![vec![1.0, 2.0], vec![3.0, 4.0]];
    let chunker = Chunker::new().columns(["radius", "height"]);
    let collected = spark
        .batches()
        .run::<_, Volume>(SERVICE, rows)
        .chunker(chunker)
        .await
        .unwrap();
    assert_eq!(
        collected.into_outputs().unwrap()[0].volume,
        volume_of(1.0, 2.0)
    );

    let chunks = Push::records(cylinders(0..50))
        .chunk_size(20)
        .into_chunks()
        .unwrap();
    let ids: Vec<_> = chunks.iter().map(|chunk| chunk.id().to_owned()).collect();
    let run = spark
        .batches()
        .run::<_, Volume>(SERVICE, Source::chunks(chunks))
        .start()
        .unwrap();
    let collected = run.collect().await.unwrap();
    let back: Vec<_> = collected
        .deliveries()
        .iter()
        .map(|delivery| delivery.chunk_id().to_owned())
        .collect();
    assert_eq!(back, ids, "results come back with the caller's ids");
}

fn volume_of(radius: f64, height: f64) -> f64 {
    std::f64::consts::PI * radius * radius * height
}

/// Promise 4: what is read ahead of the consumer fits into the budget.
#[tokio::test]
async fn memory_is_bounded_for_any_length_and_speed() {
    let _time = SimulatedTime::start(Duration::from_millis(1));
    const BUDGET: usize = 100_000;
    let emulator = Emulator::start().await.unwrap();
    for in_order in [false, true] {
        let read = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&read);
        let records = cylinders(0..20_000).inspect(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let run = quick(
            client(&emulator)
                .batches()
                .run::<_, Volume>(SERVICE, records),
        )
        .memory(BUDGET);
        let run = if in_order { run.in_input_order() } else { run };
        let mut run = run.start().unwrap();
        let (mut delivered, mut most) = (0, 0);
        while let Some(delivery) = run.next().await {
            delivered += delivery.unwrap().outcomes().len() as u64;
            // A row has at least ten bytes, as in `[1.0,4.2],`, and so has its result.
            most = most.max(read.load(Ordering::Relaxed) - delivered);
            tokio::task::yield_now().await;
        }
        assert!(
            most > 0 && most * 10 < BUDGET as u64 + 10_000,
            "{most} records in flight"
        );
        assert!(run.summary().is_complete());
    }
}

/// Promise 6: a gap in the input that is longer than the idle time-out.
#[tokio::test]
async fn a_batch_is_kept_alive_over_a_gap() {
    let _time = SimulatedTime::start(Duration::from_millis(1));
    let emulator = Emulator::builder().time_scale(0.0).start().await.unwrap();
    let (records, source) = futures_channel();
    let run = quick(
        client(&emulator)
            .batches()
            .run::<_, Volume>(SERVICE, source),
    )
    .chunk_size(1);
    let mut run = run.keep_alive(Duration::from_millis(2)).start().unwrap();
    records.send(cylinder(0)).unwrap();
    run.next().await.unwrap().unwrap();
    for _ in 0..10 {
        let before = emulator.traffic(Operation::Pull).requests;
        while emulator.traffic(Operation::Pull).requests == before {
            tokio::task::yield_now().await;
        }
        emulator.advance(Duration::from_secs(20 * 60));
    }
    records.send(cylinder(1)).unwrap();
    drop(records);
    run.next().await.unwrap().unwrap();
    assert!(run.next().await.is_none());
    assert_eq!(run.summary().batches.len(), 1);
}

/// A stream that is fed by hand.
fn futures_channel() -> (
    tokio::sync::mpsc::UnboundedSender<Cylinder>,
    Source<Cylinder>,
) {
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let stream = futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx));
    (sender, Source::stream(stream))
}

#[tokio::test]
async fn a_pause_pushes_nothing_and_delivers_what_is_there() {
    let _time = SimulatedTime::start(Duration::from_millis(1));
    let emulator = Emulator::start().await.unwrap();
    let (records, source) = futures_channel();
    let run = quick(
        client(&emulator)
            .batches()
            .run::<_, Volume>(SERVICE, source),
    )
    .chunk_size(1);
    let mut run = run.keep_alive(Duration::from_millis(2)).start().unwrap();
    records.send(cylinder(0)).unwrap();
    run.next().await.unwrap().unwrap();
    run.handle().pause();
    records.send(cylinder(1)).unwrap();
    let pushes = emulator.traffic(Operation::Push).requests;
    let pulls = emulator.traffic(Operation::Pull).requests;
    while emulator.traffic(Operation::Pull).requests < pulls + 5 {
        tokio::task::yield_now().await;
    }
    assert_eq!(emulator.traffic(Operation::Push).requests, pushes);
    run.handle().unpause();
    run.next().await.unwrap().unwrap();
    run.handle().finish();
    assert!(run.next().await.is_none());
    assert!(run.summary().is_complete());
}

/// A run whose source fails after 450 records.
fn with_a_failing_source(emulator: &Emulator) -> RunBuilder<Cylinder, Volume> {
    let records = (0..500).map(|n| match n {
        450 => Err("no more paper"),
        n => Ok(Cylinder {
            radius: n as f64,
            height: 1.0,
        }),
    });
    let batches = client(emulator).batches();
    quick(batches.run(SERVICE, Source::try_records(records)))
}

/// Promise 8: what becomes of the batch after an error.
#[tokio::test]
async fn after_an_error_the_batch_is_closed_cancelled_or_left() {
    let _time = SimulatedTime::start(Duration::from_millis(1));
    for (what, status) in [
        (AfterError::Close, "completed"),
        (AfterError::Cancel, "cancelled"),
        (AfterError::Leave, "in_progress"),
    ] {
        let emulator = Emulator::start().await.unwrap();
        let run = with_a_failing_source(&emulator).after_error(what);
        let failed = run.await.unwrap_err();
        let batch = &emulator.batch_ids()[0];
        assert_eq!(emulator.batch(batch).unwrap().status, status);
        let left_open = failed.collected().summary().left_open.clone();
        assert_eq!(left_open.contains(batch), what == AfterError::Leave);
    }
}

#[tokio::test]
async fn no_records_need_no_batch() {
    let _time = SimulatedTime::start(Duration::from_millis(1));
    let emulator = Emulator::start().await.unwrap();
    let collected = client(&emulator)
        .batches()
        .run::<Cylinder, Volume>(SERVICE, vec![])
        .await
        .unwrap();
    assert!(collected.summary().is_complete());
    assert!(emulator.batch_ids().is_empty());
}

#[tokio::test]
async fn a_pipeline_is_run_and_closed() {
    let _time = SimulatedTime::start(Duration::from_millis(1));
    let emulator = Emulator::start().await.unwrap();
    let pipeline = client(&emulator).batches().create(SERVICE).await.unwrap();
    let collected = pipeline.run::<_, Volume>(cylinders(0..300)).await.unwrap();
    assert_eq!(collected.into_outputs().unwrap().len(), 300);
    assert_eq!(pipeline.state(), cspark_batches::PipelineState::Closed);
    let error = pipeline
        .run::<_, Volume>(cylinders(0..300))
        .start()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::State);
}

/// Promises 2 and 3.
#[tokio::test]
async fn lost_responses_lose_no_record() {
    let _time = SimulatedTime::start(Duration::from_millis(1));
    for repeated in [
        RepeatedIds::Compute,
        RepeatedIds::Refuse,
        RepeatedIds::Ignore,
    ] {
        let emulator = Emulator::builder()
            .repeated_ids(repeated)
            .start()
            .await
            .unwrap();
        for fault in [Fault::CutAfter, Fault::CutBefore, Fault::Truncate] {
            emulator.inject_at(Operation::Push, 2, fault.clone());
            emulator.inject(Operation::Pull, fault);
        }
        let run = quick(
            client(&emulator)
                .batches()
                .run::<_, Volume>(SERVICE, cylinders(0..900))
                .max_push_bytes(1)
                .max_push_chunks(1),
        );
        let collected = run.await.unwrap();
        let summary = collected.summary().clone();
        assert_eq!(collected.into_outputs().unwrap().len(), 900, "{repeated:?}");
        let twice: u32 = emulator
            .batch_ids()
            .iter()
            .flat_map(|id| emulator.batch(id).unwrap().submissions.into_values())
            .map(|times| times - 1)
            .sum();
        assert!(
            u64::from(twice) <= summary.resubmissions,
            "{repeated:?} {summary:?}"
        );
    }
}

/// Promise 5: a push that is refused because the buffer is full is sent again, whatever the status.
#[tokio::test]
async fn a_full_input_buffer_is_waited_for() {
    let _time = SimulatedTime::start(Duration::from_millis(1));
    for status in [400, 413, 422, 429, 503] {
        let emulator = Emulator::builder()
            .input_buffer(20_000)
            .output_buffer(20_000)
            .full_status(status)
            .workers(2)
            .time_per_chunk(Duration::from_millis(20))
            .start()
            .await
            .unwrap();
        // The run asks for the room before it pushes, so it has to be wrong about it once.
        let more_than_there_is = r#"{"batch_status":"in_progress","input_buffer_used_bytes":0,
            "input_buffer_remaining_bytes":1000000}"#;
        let response = Response::json(200, more_than_there_is);
        emulator.inject(Operation::Status, Fault::RespondAfter(response));
        let run = client(&emulator)
            .batches()
            .run::<_, Volume>(SERVICE, cylinders(0..5_000));
        let collected = within(Duration::from_secs(60), run).await.unwrap();
        let summary = collected.summary();
        assert!(summary.is_complete(), "{status}");
        let pushes = requests(&emulator, Operation::Push);
        let refused = pushes.iter().filter(|push| push.status == Some(status));
        assert!(refused.count() > 0, "{status}");
        let submissions = emulator.batch(&summary.batches[0]).unwrap().submissions;
        assert!(
            submissions.into_values().eq([1; 25]),
            "{status}: each of 25 chunks of 200 is computed once"
        );
        // 503 says less: the push may have been processed, and a proxy may have sent it.
        if status != 503 {
            assert!(summary.refused_full > 0, "{status}: {summary:?}");
            assert_eq!(summary.resubmissions, 0, "{status}");
        }
    }
}

/// Promise 5.
#[tokio::test]
async fn a_small_input_buffer_is_not_overfilled_once_its_room_is_known() {
    let _time = SimulatedTime::start(Duration::from_millis(1));
    let emulator = Emulator::builder()
        .input_buffer(20_000)
        .output_buffer(20_000)
        .workers(2)
        .time_per_chunk(Duration::from_millis(20))
        .start()
        .await
        .unwrap();
    let run = client(&emulator)
        .batches()
        .run::<_, Volume>(SERVICE, cylinders(0..5_000));
    let collected = within(Duration::from_secs(20), run).await.unwrap();
    let summary = collected.summary();
    assert!(summary.is_complete());
    assert!(summary.refused_full <= 1, "{summary:?}");
}

/// Promise 5.
#[tokio::test]
async fn a_chunk_larger_than_the_input_buffer_is_an_error_or_split() {
    let _time = SimulatedTime::start(Duration::from_millis(1));
    let emulator = Emulator::builder()
        .input_buffer(1_000)
        .start()
        .await
        .unwrap();
    let spark = client(&emulator);
    let failed = quick(spark.batches().run::<_, Volume>(SERVICE, cylinders(0..400)))
        .await
        .unwrap_err();
    assert_eq!(failed.error().kind(), ErrorKind::Input);
    assert!(
        failed.error().to_string().contains("whole input buffer"),
        "{failed}"
    );
    assert_eq!(emulator.traffic(Operation::Push).requests, 0);
    let run = quick(
        spark
            .batches()
            .run::<_, Volume>(SERVICE, cylinders(0..400))
            .split_large_chunks(true),
    );
    let outputs = run.await.unwrap().into_outputs().unwrap();
    assert!(
        outputs.len() == 400
            && outputs
                .iter()
                .enumerate()
                .all(|(n, output)| output.volume == volume(n as u64))
    );
}

/// Promise 6.
#[tokio::test]
async fn a_batch_that_timed_out_is_replaced() {
    let _time = SimulatedTime::start(Duration::from_millis(1));
    let emulator = Emulator::start().await.unwrap();
    emulator.inject_at(Operation::Push, 3, Fault::TimeOut);
    let run = quick(
        client(&emulator)
            .batches()
            .run::<_, Volume>(SERVICE, cylinders(0..2_000))
            .max_push_bytes(1)
            .max_push_chunks(1),
    );
    let collected = run.await.unwrap();
    assert_eq!(collected.summary().batches.len(), 2);
    assert_eq!(collected.into_outputs().unwrap().len(), 2_000);

    emulator.inject_at(
        Operation::Push,
        emulator.traffic(Operation::Push).requests + 3,
        Fault::TimeOut,
    );
    let run = quick(
        client(&emulator)
            .batches()
            .run::<_, Volume>(SERVICE, cylinders(0..2_000))
            .max_push_bytes(1)
            .max_push_chunks(1),
    );
    let failed = run.reopen(false).await.unwrap_err();
    assert_eq!(failed.error().kind(), ErrorKind::BatchEnded);
}

/// Promise 7.
#[tokio::test]
async fn permanent_failures_end_the_run_with_a_clear_error() {
    let _time = SimulatedTime::start(Duration::from_millis(1));
    let table = [
        (
            Fault::RespondBefore(Response::status(401)),
            ErrorKind::Unauthorized,
        ),
        (
            Fault::RespondBefore(Response::status(403)),
            ErrorKind::Forbidden,
        ),
        (
            Fault::RespondBefore(Response::status(404)),
            ErrorKind::NotFound,
        ),
        (Fault::Fail, ErrorKind::BatchEnded),
        (Fault::CancelByOther, ErrorKind::BatchEnded),
    ];
    for (fault, kind) in table {
        let emulator = Emulator::start().await.unwrap();
        emulator.inject_at(Operation::Pull, 3, fault.clone());
        let run = quick(
            client(&emulator)
                .batches()
                .run::<_, Volume>(SERVICE, cylinders(0..5_000))
                .max_pull_chunks(1),
        );
        let failed = run.await.unwrap_err();
        let (error, collected) = failed.into_parts();
        assert_eq!(error.kind(), kind, "{error}");
        let batch = &emulator.batch_ids()[0];
        assert!(error.to_string().contains(batch.as_str()), "{error}");
        assert_eq!(error.batch_id(), Some(batch.as_str()));
        let summary = collected.summary();
        assert!(
            summary.delivered.records > 0,
            "what was delivered stays delivered"
        );
        assert_eq!(
            summary.delivered.records + summary.unfinished_records(),
            summary.read.records
        );
    }
}

/// Promise 7.
#[tokio::test]
async fn an_outage_has_its_limit() {
    let _time = SimulatedTime::start(Duration::from_millis(100));
    let emulator = Emulator::start().await.unwrap();
    for _ in 0..1_000 {
        emulator.inject(Operation::Pull, Fault::RespondBefore(Response::status(503)));
    }
    let limit = Duration::from_secs(120);
    let run = client(&emulator)
        .batches()
        .run::<_, Volume>(SERVICE, cylinders(0..500))
        .outage_limit(limit);
    let failed = within(2 * limit, run).await.unwrap_err();
    assert!(failed.collected().summary().elapsed >= limit);
    assert_eq!(failed.error().kind(), ErrorKind::Service);
    assert!(failed.error().to_string().contains("outage"), "{failed}");
}

/// Promise 9.
#[tokio::test]
async fn a_stall_is_noticed() {
    let _time = SimulatedTime::start(Duration::from_millis(100));
    let emulator = Emulator::builder()
        .time_per_chunk(Duration::from_secs(3600))
        .start()
        .await
        .unwrap();
    let limit = Duration::from_secs(120);
    let run = client(&emulator)
        .batches()
        .run::<_, Volume>(SERVICE, cylinders(0..500))
        .stall_limit(limit);
    let failed = within(2 * limit, run).await.unwrap_err();
    assert!(failed.collected().summary().elapsed >= limit);
    assert_eq!(failed.error().kind(), ErrorKind::Stalled);
    assert!(
        failed
            .error()
            .to_string()
            .contains("500 records are outstanding"),
        "{failed}"
    );
}

/// Promise 8.
#[tokio::test]
async fn dropping_a_run_stops_its_work() {
    let _time = SimulatedTime::start(Duration::from_millis(1));
    let emulator = Emulator::builder()
        .time_per_chunk(Duration::from_millis(1))
        .workers(1)
        .start()
        .await
        .unwrap();
    let (dropped, mut source) = tokio::sync::oneshot::channel::<()>();
    let endless = (0u64..).map(move |n| {
        let _alive = &dropped;
        Cylinder {
            radius: n as f64,
            height: 1.0,
        }
    });
    let mut run = quick(
        client(&emulator)
            .batches()
            .run::<_, Volume>(SERVICE, endless),
    )
    .memory(100_000)
    .start()
    .unwrap();
    run.next().await.unwrap().unwrap();
    drop(run);
    // The source is dropped with the task, so nothing of the run is left.
    assert!(
        tokio::time::timeout(Duration::from_secs(10), &mut source)
            .await
            .unwrap()
            .is_err()
    );
}

#[tokio::test]
async fn a_panic_in_the_source_is_an_error() {
    let _time = SimulatedTime::start(Duration::from_millis(1));
    let emulator = Emulator::start().await.unwrap();
    let records = (0..1_000).map(|n| {
        assert!(n < 500, "a bug in the caller's iterator");
        Cylinder {
            radius: 1.0,
            height: 1.0,
        }
    });
    let failed = quick(
        client(&emulator)
            .batches()
            .run::<_, Volume>(SERVICE, records),
    )
    .await
    .unwrap_err();
    assert_eq!(failed.error().kind(), ErrorKind::Unfinished);
}

#[tokio::test]
async fn a_failed_source_delivers_what_it_gave() {
    let _time = SimulatedTime::start(Duration::from_millis(1));
    let emulator = Emulator::start().await.unwrap();
    let failed = with_a_failing_source(&emulator).await.unwrap_err();
    assert!(
        failed.error().to_string().contains("no more paper"),
        "{failed}"
    );
    assert_eq!(failed.collected().summary().delivered.records, 450);
    assert!(failed.collected().summary().unfinished.is_empty());
}

/// Promise 8.
#[tokio::test]
async fn finish_and_cancel_end_a_run_early() {
    let _time = SimulatedTime::start(Duration::from_millis(1));
    let emulator = Emulator::builder()
        .time_per_chunk(Duration::from_millis(1))
        .start()
        .await
        .unwrap();
    let endless = || {
        (0u64..).map(|n| Cylinder {
            radius: n as f64,
            height: 1.0,
        })
    };
    let mut run = quick(
        client(&emulator)
            .batches()
            .run::<_, Volume>(SERVICE, endless()),
    )
    .memory(100_000)
    .start()
    .unwrap();
    run.next().await.unwrap().unwrap();
    run.handle().finish();
    let summary = run.collect().await.unwrap().summary().clone();
    assert!(summary.is_complete());
    assert_eq!(summary.read, summary.delivered);

    let mut run = quick(
        client(&emulator)
            .batches()
            .run::<_, Volume>(SERVICE, endless()),
    )
    .memory(100_000)
    .start()
    .unwrap();
    run.next().await.unwrap().unwrap();
    run.handle().cancel();
    let summary = run.collect().await.unwrap().summary().clone();
    assert!(!summary.is_complete() && summary.is_over());
    assert_eq!(
        summary.delivered.records + summary.unfinished_records(),
        summary.read.records
    );
    assert_eq!(
        emulator.batch(&emulator.batch_ids()[1]).unwrap().status,
        "cancelled"
    );
}

/// Promise 10.
#[tokio::test]
async fn a_new_process_resumes_with_the_same_batch_while_it_lives() {
    let _time = SimulatedTime::start(Duration::from_millis(1));
    for batch_lives in [true, false] {
        for from_there in [true, false] {
            let emulator = Emulator::builder()
                .time_per_chunk(Duration::from_millis(3))
                .workers(3)
                .start()
                .await
                .unwrap();
            let start = |first| {
                quick(
                    client(&emulator)
                        .batches()
                        .run::<_, Volume>(SERVICE, cylinders(first..3_000))
                        .chunk_size(50),
                )
            };
            let mut run = start(0).start().unwrap();
            let mut delivered = Vec::new();
            for _ in 0..12 {
                delivered.push(run.next().await.unwrap().unwrap());
            }
            let text = serde_json::to_string(&run.checkpoint()).unwrap();
            drop(run);
            let checkpoint: Checkpoint = serde_json::from_str(&text).unwrap();
            let batch = checkpoint.batch_id().unwrap().to_owned();
            if !batch_lives {
                assert!(emulator.time_out(&batch));
            }
            let resumed = match from_there {
                true => start(checkpoint.first_open_record()).resume_at(checkpoint),
                false => start(0).resume(checkpoint),
            };
            let collected = resumed.await.unwrap();
            assert_eq!(
                collected.summary().batches.len(),
                if batch_lives { 1 } else { 2 }
            );
            assert_eq!(collected.summary().batches[0], batch);
            let mut seen = std::collections::BTreeMap::new();
            for delivery in delivered.iter().chain(collected.deliveries()) {
                for (record, outcome) in delivery.iter() {
                    assert_eq!(outcome.as_ref().unwrap().volume, volume(record));
                    assert_eq!(seen.insert(record, ()), None, "record {record} twice");
                }
            }
            assert_eq!(seen.len(), 3_000);
        }
    }
}

#[tokio::test]
async fn a_checkpoint_of_another_service_is_refused() {
    let _time = SimulatedTime::start(Duration::from_millis(1));
    let emulator = Emulator::start().await.unwrap();
    let spark = client(&emulator);
    let run = spark
        .batches()
        .run::<_, Volume>(SERVICE, cylinders(0..10))
        .start()
        .unwrap();
    let other = spark.batches().run::<_, Volume>(ECHO, cylinders(0..10));
    let error = other.resume(run.checkpoint()).start().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input);
    assert!(error.to_string().contains(SERVICE), "{error}");
}

#[tokio::test]
async fn mistakes_are_errors_before_any_request() {
    let _time = SimulatedTime::start(Duration::from_millis(1));
    let emulator = Emulator::start().await.unwrap();
    let batches = client(&emulator).batches();
    let wrong = [
        batches
            .run::<_, Volume>("no service", cylinders(0..1))
            .start()
            .unwrap_err(),
        batches
            .run::<_, Volume>(SERVICE, cylinders(0..1))
            .chunk_size(0)
            .start()
            .unwrap_err(),
        batches
            .run::<_, Volume>(SERVICE, cylinders(0..1))
            .batch_options(|create| create.accuracy(2.0))
            .start()
            .unwrap_err(),
    ];
    for error in wrong {
        assert_eq!(error.kind(), ErrorKind::Input, "{error}");
    }
    assert_eq!(emulator.total_traffic().requests, 0);
}
