//! The blocking client's runs, outside and inside of a runtime.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use cspark_batches::blocking::{Client, Run, RunBuilder};
use cspark_batches::run::Source;
use cspark_batches::{Chunk, Chunker, ErrorKind, PipelineState, Result};
use cspark_emulator::{Emulator, Fault, Operation, Response};
use serde::Serialize;

use crate::support::{Cylinder, SERVICE, Volume, cylinders, settings};

#[derive(Serialize)]
struct Height {
    height: f64,
}

fn client(emulator: &Emulator) -> Client {
    Client::build(settings(emulator).api_key("open")).unwrap()
}

fn quick<I, O>(run: RunBuilder<I, O>) -> RunBuilder<I, O> {
    let ms = Duration::from_millis;
    run.chunk_size(40)
        .min_poll_interval(ms(1))
        .max_poll_interval(ms(20))
        .initial_backoff(ms(1))
        .max_backoff(ms(20))
        .settle_time(ms(5))
        .confirm_time(ms(5))
}

fn volumes(run: &mut Run<Volume>) -> usize {
    run.map(|delivery| {
        let delivery = delivery.unwrap();
        assert_eq!(delivery.failed(), 0);
        delivery.outcomes().len()
    })
    .sum()
}

fn whole_runs() {
    let emulator = Emulator::builder().start_on_thread().unwrap();
    let client = client(&emulator);

    let run = quick(client.batches().run(SERVICE, cylinders(0..200)));
    let mut run = run
        .batch_options(|create| create.max_runners(5))
        .start()
        .unwrap();
    assert_eq!(volumes(&mut run), 200);
    assert!(run.summary().is_complete());
    assert_eq!(run.progress().total_records, Some(200));
    assert_eq!(run.checkpoint().first_open_record(), 200);
    assert!(run.next().is_none());
    let batch = run.batch_id().unwrap();
    assert_eq!(run.summary().batches, std::slice::from_ref(&batch));
    drop(run);
    // The client keeps its thread when a run is dropped.
    assert!(client.batches().of(&batch).info().is_ok());

    let pipeline = client.batches().create(SERVICE).send().unwrap();
    let radius = serde_json::json!({ "radius": 1.0 });
    let heights = (0..200).map(|n| Height {
        height: f64::from(n),
    });
    let run = quick(pipeline.run::<_, Volume>(heights)).parameters(&radius);
    let collected = run.collect().unwrap();
    assert!(collected.summary().is_complete());
    let outputs = collected.into_outputs().unwrap();
    for (number, output) in outputs.iter().enumerate() {
        let expected = std::f64::consts::PI * number as f64;
        assert!((output.volume - expected).abs() < 1e-9 * (1.0 + expected));
    }
    assert_eq!(outputs.len(), 200);
    assert_ne!(pipeline.state(), PipelineState::Open);

    // Prepared chunks, and a run that is cancelled.
    let chunks = Chunker::new()
        .chunk_size(50)
        .chunks(cylinders(0..200))
        .collect::<Result<Vec<Chunk>>>()
        .unwrap();
    let run = client
        .batches()
        .run::<_, Volume>(SERVICE, Source::chunks(chunks));
    let mut run = quick(run).start().unwrap();
    run.handle().cancel();
    assert!(run.by_ref().all(|delivery| delivery.is_ok()));
    assert!(run.summary().is_over());
}

#[test]
fn without_a_runtime() {
    whole_runs();
}

#[tokio::test]
async fn within_a_runtime() {
    whole_runs();
}

#[test]
fn an_error_ends_the_iterator() {
    let emulator = Emulator::builder().start_on_thread().unwrap();
    let client = client(&emulator);

    let records = cylinders(0..200).enumerate().map(|(n, cylinder)| {
        if n < 100 {
            Ok(cylinder)
        } else {
            Err(std::io::Error::other("the disk is gone"))
        }
    });
    let run = client
        .batches()
        .run::<_, Volume>(SERVICE, Source::try_records(records));
    let mut run = quick(run).start().unwrap();
    let (delivered, failed): (Vec<_>, Vec<_>) = run.by_ref().partition(Result::is_ok);
    let [Err(error)] = &failed[..] else {
        panic!("{failed:?}")
    };
    assert_eq!(error.kind(), ErrorKind::Input);
    assert!(error.to_string().contains("the disk is gone"));
    let records = delivered
        .into_iter()
        .map(|one| one.unwrap().outcomes().len());
    assert_eq!(records.sum::<usize>(), 100);

    // `collect` returns the error with the results that came before it.
    let fault = Fault::RespondBefore(Response::status(401));
    emulator.inject(Operation::Create, fault);
    let run = client
        .batches()
        .run::<_, Volume>(SERVICE, cylinders(0..200));
    let incomplete = quick(run).collect().unwrap_err();
    assert_eq!(incomplete.error().kind(), ErrorKind::Unauthorized);

    let run = client.batches().run::<_, Volume>("", cylinders(0..200));
    assert_eq!(run.start().unwrap_err().kind(), ErrorKind::Input);
}

#[test]
fn a_panicking_source_is_an_error() {
    let emulator = Emulator::builder().start_on_thread().unwrap();
    let client = client(&emulator);
    let records = cylinders(0..200).inspect(|cylinder| {
        assert!(cylinder.radius < 100.0, "on purpose");
    });
    let run = client.batches().run::<_, Volume>(SERVICE, records);
    let error = quick(run).start().unwrap().find_map(Result::err).unwrap();
    assert!(error.to_string().contains("panicked"), "{error}");
}

/// A source that waits, for a channel or for another run of the same client, blocks nothing else.
#[test]
fn a_source_may_block() {
    let emulator = Emulator::builder().start_on_thread().unwrap();
    let client = client(&emulator);

    let first = client
        .batches()
        .run::<_, Volume>(SERVICE, cylinders(0..200));
    let mut radii = quick(first).start().unwrap();
    let volumes = std::iter::from_fn(move || radii.next()).flat_map(|delivery| {
        let delivery = delivery.unwrap();
        let outcomes = delivery.into_outcomes().into_iter();
        outcomes.map(|volume| Cylinder {
            radius: volume.unwrap().volume,
            height: 1.0,
        })
    });
    let second = client.batches().run::<_, Volume>(SERVICE, volumes);
    assert_eq!(
        quick(second)
            .collect()
            .unwrap()
            .into_outputs()
            .unwrap()
            .len(),
        200
    );

    let (records, source) = mpsc::channel();
    let run = client.batches().run::<_, Volume>(SERVICE, source);
    let mut run = quick(run).start().unwrap();
    for cylinder in cylinders(0..40) {
        records.send(cylinder).unwrap();
    }
    // Results are delivered while the source waits for more.
    let delivery = run.next().unwrap().unwrap();
    assert_eq!(delivery.records(), 0..40);
    assert!(client.health().unwrap().is_up());
    run.handle().finish();
    drop(records);
    assert!(run.next().is_none() && run.summary().is_complete());
}

#[test]
fn dropping_a_run_leaves_no_task() {
    let emulator = Emulator::builder().start_on_thread().unwrap();
    let client = client(&emulator);
    let (alive, dropped) = mpsc::channel::<()>();
    let endless = (0..).map(move |n: u32| {
        let _alive = &alive;
        Cylinder {
            radius: f64::from(n % 100),
            height: 1.0,
        }
    });
    let run = client.batches().run::<_, Volume>(SERVICE, endless);
    let mut run = quick(run).memory(1 << 20).start().unwrap();
    run.next().unwrap().unwrap();
    let handle = run.handle();
    drop(run);
    // The source is dropped with the task.
    let patience = Duration::from_secs(30);
    assert_eq!(
        dropped.recv_timeout(patience),
        Err(mpsc::RecvTimeoutError::Disconnected)
    );
    // A handle that outlives its run has no effect, on any thread.
    thread::spawn(move || handle.cancel()).join().unwrap();
    assert!(client.health().unwrap().is_up());
}
