//! What goes wrong on the way, verb by verb.

use std::time::Duration;

use cspark_batches::{ErrorKind, PipelineState, Pulled, Push};
use cspark_emulator::{Emulator, Fault, Operation, Response};

use crate::support::{SERVICE, Volume, cylinders, requests, settings};

fn passing() -> Vec<Fault> {
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

#[tokio::test]
async fn what_is_safe_to_repeat_survives_what_can_pass() {
    let emulator = Emulator::builder().start().await.unwrap();
    let client = settings(&emulator)
        .api_key("open")
        .request_timeout(Duration::from_millis(300))
        .build()
        .unwrap();
    for fault in passing() {
        let pipeline = client.batches().create(SERVICE).await.unwrap();
        for operation in [
            Operation::Health,
            Operation::Describe,
            Operation::Info,
            Operation::Status,
            Operation::Close,
            Operation::Cancel,
        ] {
            // Waiting for nothing is the same everywhere, and takes its time.
            let hangs = matches!(fault, Fault::HangBefore | Fault::HangAfter);
            if hangs && !matches!(operation, Operation::Status | Operation::Close) {
                continue;
            }
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

#[tokio::test]
async fn create_push_and_pull_are_never_done_twice_unnoticed() {
    let emulator = Emulator::builder().start().await.unwrap();
    let client = settings(&emulator)
        .api_key("open")
        .request_timeout(Duration::from_millis(300))
        .build()
        .unwrap();
    for fault in passing() {
        let before = emulator.batch_ids().len();
        emulator.inject(Operation::Create, fault.clone());
        let created = client.batches().create(SERVICE).await;
        let made = emulator.batch_ids().len() - before;
        match created {
            Ok(_) => assert_eq!(made, 1, "{fault:?}"),
            Err(error) => {
                assert!(
                    made <= 1 && error.may_have_been_processed(),
                    "{fault:?}: {error}"
                );
                assert!(error.is_transient(), "{fault:?}: {error}");
            }
        }

        let pipeline = client.batches().create(SERVICE).await.unwrap();
        emulator.inject(Operation::Push, fault.clone());
        let before = requests(&emulator, Operation::Push).len();
        let pushed = pipeline.push(Push::records(cylinders(0..200))).await;
        let sent = requests(&emulator, Operation::Push).len() - before;
        match pushed {
            Ok(_) => assert_eq!(sent, 2, "{fault:?}"),
            Err(error) => {
                assert_eq!(sent, 1, "{fault:?}");
                assert!(error.may_have_been_processed(), "{fault:?}: {error}");
                assert_eq!(error.batch_id(), Some(pipeline.id()));
            }
        }

        emulator.inject(Operation::Pull, fault.clone());
        match pipeline.pull::<Volume>().await {
            Ok(_) => {}
            Err(error) => assert!(error.may_have_been_processed(), "{fault:?}: {error}"),
        }
        emulator.clear_faults();
    }
}

#[tokio::test]
async fn results_that_cannot_be_read_are_kept() {
    let emulator = Emulator::builder().start().await.unwrap();
    let client = settings(&emulator).api_key("open").build().unwrap();
    let pipeline = client.batches().create(SERVICE).await.unwrap();
    pipeline
        .push(Push::records(cylinders(0..200)))
        .await
        .unwrap();
    while pipeline.status().await.unwrap().chunks_available != Some(1) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    #[derive(Debug, serde::Deserialize)]
    struct Wrong {
        #[allow(dead_code, reason = "never there")]
        surface: f64,
    }
    let error = pipeline.pull::<Wrong>().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
    assert_eq!(error.operation(), Some(cspark_batches::Operation::Pull));
    assert_eq!((error.status(), error.request_ids().len()), (Some(200), 1));
    let answer = error.response_body().unwrap();
    let rescued = Pulled::<Volume>::parse(answer).unwrap();
    assert_eq!(rescued.chunks.len(), 1);
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
