//! What a run concludes from what it sees: a record is lost only where the service says so.
//!
//! All times are simulated, and the settings are the defaults unless a test is about them.

use std::time::Duration;

use cspark_batches::run::{Collected, Incomplete, RunBuilder, Source, Summary};
use cspark_batches::{Chunk, ErrorKind};
use cspark_emulator::{
    Alteration, AlteredFields, Emulator, Fault, Operation, OptionalFields, Shapes, StatusField,
};

use crate::support::time::{SimulatedTime, within};
use crate::support::{Cylinder, SERVICE, Volume, client, cylinder, cylinders, volume};

const HOUR: Duration = Duration::from_secs(60 * 60);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A service whose chunks take so long.
async fn service(workers: usize, time_per_chunk: Duration) -> Emulator {
    let service = Emulator::builder().workers(workers);
    let service = service.time_per_chunk(time_per_chunk).start();
    service.await.unwrap()
}

/// A run over forty records in four chunks.
fn run(emulator: &Emulator) -> RunBuilder<Cylinder, Volume> {
    let run = client(emulator).batches().run(SERVICE, cylinders(0..40));
    run.chunk_size(10)
}

/// The outputs of all records, and that no chunk was computed more than once.
fn all_delivered_once(
    emulator: &Emulator,
    result: Result<Collected<Volume>, Incomplete<Volume>>,
) -> Summary {
    let collected = result.unwrap_or_else(|incomplete| {
        panic!("{incomplete}: {:?}", incomplete.collected().summary())
    });
    let summary = collected.summary().clone();
    assert!(summary.is_complete(), "{summary:?}");
    let outputs = collected.into_outputs().unwrap();
    let expected: Vec<_> = (0..40).map(|n| Volume { volume: volume(n) }).collect();
    assert_eq!(outputs, expected);
    computed_once(emulator, 4);
    assert_eq!(summary.resubmissions, 0);
    summary
}

/// So many chunks were accepted, in whichever batch, and each of them once.
fn computed_once(emulator: &Emulator, chunks: usize) {
    let batches = emulator.batch_ids().into_iter();
    let times: Vec<u32> = batches
        .flat_map(|id| emulator.batch(&id).unwrap().submissions.into_values())
        .collect();
    assert_eq!(times, vec![1; chunks], "how often each chunk was accepted");
}

/// Waits until the service has accepted so many chunks.
async fn accepted(emulator: &Emulator, chunks: usize) -> String {
    loop {
        if let Some(id) = emulator.batch_ids().first()
            && emulator.batch(id).unwrap().submissions.len() >= chunks
        {
            return id.clone();
        }
        tokio::task::yield_now().await;
    }
}

/// Waits until results of so many chunks can be pulled.
async fn available(emulator: &Emulator, chunks: usize) -> String {
    let batch = accepted(emulator, chunks).await;
    while emulator.batch(&batch).unwrap().chunks_available < chunks {
        tokio::task::yield_now().await;
    }
    batch
}

fn altered(fields: AlteredFields) -> Shapes {
    Shapes {
        altered_fields: vec![fields],
        ..Shapes::default()
    }
}

/// The service says that two workers are busy and that there are chunks in its input buffer.
#[tokio::test]
async fn a_lost_pull_is_no_lost_chunk_while_the_service_computes() {
    let _time = SimulatedTime::start(Duration::from_millis(500));
    for workers in [2, 4] {
        let emulator = service(workers, seconds(200)).await;
        // There is nothing in it yet, which the run can't know.
        emulator.inject(Operation::Pull, Fault::CutAfter);
        let result = within(HOUR, run(&emulator)).await;
        let summary = all_delivered_once(&emulator, result);
        assert_eq!((summary.lost_pulls, summary.batches.len()), (1, 1));
    }
}

/// A push that is sent again leaves a doubt as well, which is none about its result.
#[tokio::test]
async fn a_repeated_push_is_no_lost_chunk_while_the_service_computes() {
    let _time = SimulatedTime::start(Duration::from_millis(500));
    let shapes = Shapes {
        optional_fields: OptionalFields::Absent,
        ..Shapes::default()
    };
    let emulator = service(2, seconds(200)).await;
    emulator.set_shapes(shapes);
    emulator.inject(Operation::Push, Fault::CutBefore);
    let result = within(HOUR, run(&emulator)).await;
    let collected = result.unwrap_or_else(|incomplete| {
        panic!("{incomplete}: {:?}", incomplete.collected().summary())
    });
    assert!(collected.summary().is_complete());
    assert_eq!(collected.into_outputs().unwrap().len(), 40);
    computed_once(&emulator, 4);
}

/// With no failure at all: what a resumed run finds in its batch may take as long as it likes.
#[tokio::test]
async fn a_resumed_run_waits_for_what_the_service_computes() {
    let _time = SimulatedTime::start(Duration::from_millis(500));
    for time_per_chunk in [200, 300] {
        let emulator = service(4, seconds(time_per_chunk)).await;
        let first = run(&emulator).start().unwrap();
        accepted(&emulator, 4).await;
        let checkpoint = first.checkpoint();
        drop(first);
        let result = within(HOUR, run(&emulator).resume(checkpoint)).await;
        all_delivered_once(&emulator, result);
    }
}

/// A closed batch takes no more chunks, but computes those that it has.
#[tokio::test]
async fn a_batch_closed_by_somebody_else_is_waited_for_while_it_computes() {
    let _time = SimulatedTime::start(Duration::from_millis(500));
    let emulator = service(2, seconds(200)).await;
    let run = run(&emulator).start().unwrap();
    let batch = accepted(&emulator, 4).await;
    assert!(emulator.close(&batch));
    let result = within(HOUR, run.collect()).await;
    all_delivered_once(&emulator, result);
}

/// The service counts it as submitted and not as completed, so it may still have it; then the stall
/// limit decides.
#[tokio::test]
async fn a_chunk_that_is_never_computed_ends_the_run_at_the_stall_limit() {
    let _time = SimulatedTime::start(Duration::from_millis(500));
    let emulator = service(2, seconds(1)).await;
    emulator.inject(Operation::Push, Fault::LoseChunks);
    let failed = within(HOUR, run(&emulator)).await.unwrap_err();
    assert_eq!(failed.error().kind(), ErrorKind::Stalled, "{failed}");
    let summary = failed.collected().summary();
    assert!(summary.elapsed < seconds(20 * 60), "{summary:?}");
    assert_eq!(summary.unfinished_records(), 40);
}

/// A service that keeps idle workers reports them as in use.
#[tokio::test]
async fn a_lost_result_is_pushed_again_although_workers_are_in_use() {
    let _time = SimulatedTime::start(Duration::from_millis(500));
    let emulator = service(2, seconds(1)).await;
    let busy = AlteredFields::everywhere([StatusField::WorkersInUse], Alteration::Number(2));
    emulator.set_shapes(altered(busy));
    let run = run(&emulator).start().unwrap();
    available(&emulator, 2).await;
    emulator.inject(Operation::Pull, Fault::CutAfter);
    let collected = within(HOUR, run.collect()).await.unwrap();
    assert!(collected.summary().is_complete());
    assert_eq!(collected.into_outputs().unwrap().len(), 40);
}

/// Whichever counter is missing or never changes, and with a pull whose response was lost.
#[tokio::test]
async fn counters_that_are_missing_or_stand_still_lose_no_record() {
    let _time = SimulatedTime::start(Duration::from_millis(500));
    let each = StatusField::COUNTERS.map(|field| vec![field]);
    let all = [StatusField::COUNTERS.to_vec()];
    for fields in each.into_iter().chain(all) {
        for alteration in [Alteration::Absent, Alteration::Null, Alteration::Stuck] {
            let emulator = service(2, seconds(20)).await;
            let case = format!("{fields:?} {alteration:?}");
            let fields = AlteredFields::everywhere(fields.iter().copied(), alteration);
            emulator.set_shapes(altered(fields));
            emulator.inject(Operation::Pull, Fault::CutAfter);
            let result = within(HOUR, run(&emulator)).await;
            let collected = result.unwrap_or_else(|incomplete| panic!("{case}: {incomplete}"));
            assert!(collected.summary().is_complete(), "{case}");
            assert_eq!(collected.into_outputs().unwrap().len(), 40, "{case}");
        }
    }
}

/// Each result twice in its response is one delivery, under the caller's id.
#[tokio::test]
async fn a_result_twice_in_a_response_keeps_the_callers_chunk_id() {
    let _time = SimulatedTime::start(Duration::from_millis(500));
    let emulator = service(1, seconds(5)).await;
    emulator.inject_always(Operation::Pull, Fault::DoubleResults);
    let chunk = Chunk::new([cylinder(7)]).unwrap().with_id("mine");
    let run = client(&emulator)
        .batches()
        .run::<_, Volume>(SERVICE, Source::chunks([chunk]));
    let collected = within(HOUR, run).await.unwrap();
    let [delivery] = collected.deliveries() else {
        panic!("{collected:?}");
    };
    assert_eq!(delivery.chunk_id(), "mine");
    assert_eq!(collected.summary().duplicates, 1);
}

/// One result that can't be read does not take the others of its response with it.
#[tokio::test]
async fn a_byte_that_is_not_utf_8_costs_one_chunk_at_most() {
    let _time = SimulatedTime::start(Duration::from_millis(10));
    let emulator = service(4, seconds(5)).await;
    let run = run(&emulator).start().unwrap();
    let batch = available(&emulator, 4).await;
    emulator.inject(Operation::Pull, Fault::InvalidUtf8);
    let collected = within(HOUR, run.collect()).await.unwrap();
    assert!(collected.summary().is_complete());
    let accepted: u32 = emulator.batch(&batch).unwrap().submissions.values().sum();
    assert!(
        accepted <= 5,
        "{accepted} chunks were accepted instead of 4"
    );
}
