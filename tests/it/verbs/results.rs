//! The results of a batch until it is empty.

use std::time::Duration;

use cspark_batches::{ErrorKind, Push, Results};
use cspark_emulator::{Emulator, Fault, Operation, Response};
use tokio::time::timeout;

use crate::support::time::SimulatedTime;
use crate::support::{
    SERVICE, Volume, client, cylinders, push_and_compute, requests, start, volume,
};

/// The volumes of all results, sorted.
async fn volumes(mut results: Results<Volume>) -> Vec<f64> {
    let mut volumes = Vec::new();
    while let Some(chunk) = results.next().await {
        let chunk = chunk.expect("a result");
        volumes.extend(chunk.records().map(|record| record.output.unwrap().volume));
    }
    volumes.sort_by(f64::total_cmp);
    volumes
}

fn expected(records: u64) -> Vec<f64> {
    (0..records).map(volume).collect()
}

#[tokio::test]
async fn a_batch_is_pulled_until_it_is_empty() {
    let emulator = Emulator::builder()
        .workers(2)
        .time_per_record(Duration::from_micros(200))
        .start()
        .await
        .unwrap();
    let pipeline = client(&emulator).batches().create(SERVICE).await.unwrap();
    // More chunks than one pull returns.
    let records: Vec<_> = cylinders(0..500).collect();
    pipeline
        .push(Push::records(&records).chunk_size(2))
        .await
        .unwrap();
    pipeline.close().await.unwrap();
    assert_eq!(volumes(pipeline.results()).await, expected(500));
    assert_eq!(
        volumes(pipeline.results()).await,
        [0.0; 0],
        "it stays empty"
    );
}

#[tokio::test]
async fn a_batch_that_somebody_else_fills_and_closes() {
    let (emulator, spark) = start().await;
    let theirs = spark.batches().create(SERVICE).await.unwrap();
    let ours = client(&emulator).batches().of(theirs.id());
    let pulled = tokio::spawn(volumes(ours.results().max_chunks(1)));
    for start in [0, 10, 20] {
        let records: Vec<_> = cylinders(start..start + 10).collect();
        theirs
            .push(Push::records(&records).chunk_size(5))
            .await
            .unwrap();
        // The stream goes on in between, although the batch has nothing left.
        let before = requests(&emulator, Operation::Pull).len();
        while requests(&emulator, Operation::Pull).len() < before + 4 {
            tokio::task::yield_now().await;
        }
        assert!(!pulled.is_finished());
    }
    theirs.close().await.unwrap();
    assert_eq!(pulled.await.unwrap(), expected(30));
}

#[tokio::test]
async fn an_open_batch_ends_when_it_is_idle_if_wanted() {
    let (_emulator, spark) = start().await;
    let pipeline = spark.batches().create(SERVICE).await.unwrap();
    let records: Vec<_> = cylinders(0..30).collect();
    pipeline.push(Push::records(&records)).await.unwrap();
    assert_eq!(volumes(pipeline.results().until_idle()).await, expected(30));
}

#[tokio::test]
async fn waits_grow_while_nothing_comes() {
    let (emulator, spark) = start().await;
    let pipeline = spark.batches().create(SERVICE).await.unwrap();
    let mut results = pipeline.results::<Volume>();
    let _time = SimulatedTime::start(Duration::from_millis(20));
    let waited = timeout(Duration::from_secs(60), results.next()).await;
    assert!(waited.is_err());
    let pulls = requests(&emulator, Operation::Pull).len();
    assert!((12..40).contains(&pulls), "{pulls} pulls in a minute");
}

#[tokio::test]
async fn a_future_that_is_dropped_loses_nothing() {
    let (_emulator, spark) = start().await;
    let pipeline = spark.batches().create(SERVICE).await.unwrap();
    let records: Vec<_> = cylinders(0..300).collect();
    push_and_compute(&pipeline, Push::records(&records).chunk_size(1)).await;
    pipeline.close().await.unwrap();
    let mut results = pipeline.results::<Volume>().max_chunks(7);
    let mut seen = Vec::new();
    loop {
        match timeout(Duration::ZERO, results.next()).await {
            Err(_) => tokio::task::yield_now().await,
            Ok(None) => break,
            Ok(Some(chunk)) => {
                seen.extend(chunk.unwrap().records().map(|it| it.output.unwrap().volume));
            }
        }
    }
    seen.sort_by(f64::total_cmp);
    assert_eq!(seen, expected(300));
}

#[tokio::test]
async fn an_error_ends_the_stream_and_a_new_one_continues() {
    let (emulator, spark) = start().await;
    let pipeline = spark.batches().create(SERVICE).await.unwrap();
    let records: Vec<_> = cylinders(0..3).collect();
    push_and_compute(&pipeline, Push::records(&records)).await;
    pipeline.close().await.unwrap();
    let refused = Response::status(403);
    emulator.inject(Operation::Pull, Fault::RespondBefore(refused));
    let mut results = pipeline.results::<Volume>();
    let error = results.next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden);
    assert!(results.next().await.is_none());
    assert_eq!(volumes(pipeline.results()).await, expected(3));

    let cancelled = spark.batches().create(SERVICE).await.unwrap();
    cancelled.cancel().await.unwrap();
    let error = cancelled.results::<Volume>().next().await.unwrap();
    assert_eq!(error.unwrap_err().kind(), ErrorKind::State);
}
