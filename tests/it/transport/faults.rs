//! Faults, verb by verb.

use std::time::Duration;

use cspark_batches::{Client, ErrorKind, PipelineState, Push, Result};
use cspark_emulator::{Emulator, Fault, Operation, Response};

use crate::support::time::SimulatedTime;
use crate::support::{SERVICE, Volume, cylinders, push_and_compute, requests, settings};

fn transient() -> Vec<Fault> {
    vec![
        Fault::RespondBefore(Response::status(408)),
        Fault::RespondBefore(Response::status(429).x_retry_after(Duration::from_millis(3))),
        Fault::RespondBefore(Response::status(429).retry_after(0)),
        Fault::RespondBefore(Response::status(503).retry_after_date(Duration::ZERO)),
        Fault::RespondBefore(Response::status(500)),
        Fault::RespondBefore(Response::html(502)),
        Fault::RespondBefore(Response::html(200)),
        Fault::RespondAfter(Response::empty(504)),
        Fault::RespondAfter(Response::garbage()),
        Fault::CutBefore,
        Fault::CutAfter,
        Fault::Truncate,
        Fault::HangBefore,
        Fault::HangAfter,
    ]
}

/// Requests that hang are given up after a second.
fn impatient(emulator: &Emulator) -> Client {
    let settings = settings(emulator).api_key("open");
    let settings = settings.request_timeout(Duration::from_secs(1));
    settings.build().unwrap()
}

#[tokio::test]
async fn idempotent_calls_survive_transient_faults() {
    let _time = SimulatedTime::start(Duration::from_millis(10));
    let emulator = Emulator::start().await.unwrap();
    let client = impatient(&emulator);
    for fault in transient() {
        let pipeline = client.batches().create(SERVICE).await.unwrap();
        for operation in [
            Operation::Health,
            Operation::Describe,
            Operation::Info,
            Operation::Status,
            Operation::Close,
            Operation::Cancel,
        ] {
            emulator.inject(operation, fault.clone());
            let result = match operation {
                Operation::Health => client.health().await.map(drop),
                Operation::Describe => client.batches().describe().await.map(drop),
                Operation::Info => pipeline.info().await.map(drop),
                Operation::Status => pipeline.status().await.map(drop),
                Operation::Close => pipeline.close().await.map(drop),
                _ => pipeline.cancel().await.map(drop),
            };
            result.unwrap_or_else(|error| panic!("{operation:?} {fault:?}: {error}"));
            assert_eq!(emulator.pending_faults(), 0, "{operation:?} {fault:?}");
        }
        assert_ne!(pipeline.state(), PipelineState::Open, "{fault:?}");
    }
}

/// A call that must not be repeated in doubt was either not processed and repeated once, or sent
/// once with an error that says so.
fn repeated_or_in_doubt<T>(result: Result<T>, sent: usize, fault: &Fault) -> Option<T> {
    match result {
        Ok(response) => {
            assert_eq!(sent, 2, "{fault:?}");
            Some(response)
        }
        Err(error) => {
            assert_eq!(sent, 1, "{fault:?}: {error}");
            assert!(error.may_have_been_processed(), "{fault:?}: {error}");
            None
        }
    }
}

#[tokio::test]
async fn a_create_is_not_repeated_in_doubt() {
    let _time = SimulatedTime::start(Duration::from_millis(10));
    for fault in transient() {
        let emulator = Emulator::start().await.unwrap();
        emulator.inject(Operation::Create, fault.clone());
        let created = impatient(&emulator).batches().create(SERVICE).await;
        if let Err(error) = &created {
            assert!(error.is_transient(), "{fault:?}: {error}");
        }
        let sent = requests(&emulator, Operation::Create).len();
        let created = repeated_or_in_doubt(created, sent, &fault);
        let batches = emulator.batch_ids().len();
        assert!(created.is_none() || batches == 1, "{fault:?}");
        assert!(batches <= 1, "{fault:?}");
    }
}

#[tokio::test]
async fn a_push_is_not_repeated_in_doubt() {
    let _time = SimulatedTime::start(Duration::from_millis(10));
    for fault in transient() {
        let emulator = Emulator::start().await.unwrap();
        let client = impatient(&emulator);
        let pipeline = client.batches().create(SERVICE).await.unwrap();
        emulator.inject(Operation::Push, fault.clone());
        let pushed = pipeline.push(Push::records(cylinders(0..20))).await;
        if let Err(error) = &pushed {
            assert_eq!(error.batch_id(), Some(pipeline.id()));
        }
        let sent = requests(&emulator, Operation::Push).len();
        let pushed = repeated_or_in_doubt(pushed, sent, &fault);
        let submissions = emulator.batch(pipeline.id()).unwrap().submissions;
        assert!(pushed.is_none() || submissions.len() == 1, "{fault:?}");
        assert!(submissions.values().sum::<u32>() <= 1, "{fault:?}");
    }
}

/// A second pull would find nothing where the first one's results were lost, and look like success.
#[tokio::test]
async fn a_pull_is_not_repeated_in_doubt() {
    let _time = SimulatedTime::start(Duration::from_millis(10));
    for fault in transient() {
        let emulator = Emulator::start().await.unwrap();
        let client = impatient(&emulator);
        let pipeline = client.batches().create(SERVICE).await.unwrap();
        push_and_compute(&pipeline, Push::records(cylinders(0..20))).await;
        emulator.inject(Operation::Pull, fault.clone());
        let pulled = pipeline.pull::<Volume>().await;
        let sent = requests(&emulator, Operation::Pull).len();
        if let Some(pulled) = repeated_or_in_doubt(pulled, sent, &fault) {
            assert_eq!(pulled.chunks.len(), 1, "{fault:?}");
        }
    }
}

#[tokio::test]
async fn redirects_are_reported_and_not_followed() {
    let elsewhere = Emulator::builder().start().await.unwrap();
    let emulator = Emulator::builder().api_key("key").start().await.unwrap();
    let client = settings(&emulator).api_key("key").build().unwrap();
    let target = format!("{}/login?state=secret", elsewhere.base_url());
    emulator.inject(
        Operation::Describe,
        Fault::RespondBefore(Response::redirect(target)),
    );
    let error = client.batches().describe().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.status()),
        (ErrorKind::Redirect, Some(307))
    );
    assert!(error.to_string().contains(&elsewhere.origin()), "{error}");
    assert!(elsewhere.requests().is_empty());
}
