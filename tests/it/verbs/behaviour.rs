//! The verbs' promises: state, statistics, errors.

use cspark_batches::raw::types::BatchStatus;
use cspark_batches::{Chunk, ErrorKind, Operation, PipelineState, Push};
use cspark_emulator::{Emulator, Fault, Operation as On, Response};
use serde_json::Value;

use crate::support::{SERVICE, Volume, client, cylinders, settings, start, volume};

/// Fails to compile if a call can't be awaited in a task.
#[tokio::test]
async fn all_calls_can_run_in_tasks() {
    let (_emulator, spark) = start().await;
    let task = tokio::spawn(async move {
        let pipeline = spark.batches().create(SERVICE).max_runners(2).await?;
        let records: Vec<_> = cylinders(0..3).collect();
        pipeline.push(Push::records(&records)).await?;
        pipeline.pull::<Volume>().await?;
        pipeline.status().await?;
        pipeline.info().await?;
        pipeline.close().await?;
        pipeline.cancel().await?;
        spark.batches().describe().await
    });
    let described = task.await.unwrap().unwrap();
    assert_eq!(
        described.recent_batches.unwrap()[0].status(),
        Some(&BatchStatus::Cancelled)
    );
}

#[tokio::test]
async fn a_batch_runs_from_records_to_outputs() {
    let (emulator, spark) = start().await;
    let pipeline = spark.batches().create(SERVICE).await.unwrap();
    assert_eq!(
        pipeline.created().unwrap().status(),
        Some(&BatchStatus::Created)
    );
    assert_eq!(pipeline.state(), PipelineState::Open);

    let records: Vec<_> = cylinders(0..5).collect();
    let pushed = pipeline
        .push(Push::records(&records).chunk_size(2))
        .await
        .unwrap();
    assert_eq!(
        pushed
            .chunks
            .iter()
            .map(|chunk| chunk.records)
            .collect::<Vec<_>>(),
        [2, 2, 1]
    );
    assert_eq!(pushed.status.submitted(), Some(5));
    let stats = pipeline.stats();
    assert_eq!((stats.chunks(), stats.records()), (3, 5));
    assert_eq!(stats.records_in(&pushed.chunks[2].id), Some(1));

    emulator.advance(std::time::Duration::from_secs(60));
    let mut volumes = std::collections::HashMap::new();
    loop {
        let pulled = pipeline.pull::<Volume>().max_chunks(2).await.unwrap();
        if pulled.chunks.is_empty() {
            break;
        }
        for chunk in pulled.chunks {
            let outputs = chunk
                .records()
                .map(|record| record.output.unwrap().volume)
                .collect::<Vec<_>>();
            volumes.insert(chunk.id.unwrap(), outputs);
        }
    }
    let in_order = pushed
        .chunks
        .iter()
        .flat_map(|chunk| volumes.remove(&chunk.id).unwrap());
    let expected = (0..5).map(volume);
    assert_eq!(in_order.collect::<Vec<_>>(), expected.collect::<Vec<_>>());

    pipeline.close().await.unwrap();
    assert_eq!(pipeline.state(), PipelineState::Closed);
    assert!(
        pipeline
            .info()
            .await
            .unwrap()
            .status()
            .unwrap()
            .is_terminal()
    );
}

#[tokio::test]
async fn calls_that_the_state_forbids_fail_before_any_request() {
    let (emulator, spark) = start().await;
    let pipeline = spark.batches().create(SERVICE).await.unwrap();
    let chunk = Chunk::new(cylinders(0..1)).unwrap();
    pipeline.close().await.unwrap();
    emulator.clear_requests();

    let refused = |error: cspark_batches::Error, operation: Operation, why: &str| {
        assert_eq!(error.kind(), ErrorKind::State);
        assert_eq!(error.operation(), Some(operation));
        assert_eq!(error.batch_id(), Some(pipeline.id()));
        assert!(error.to_string().contains(why), "{error}");
        assert!(emulator.requests().is_empty());
    };
    refused(
        pipeline.push(chunk.clone()).await.unwrap_err(),
        Operation::Push,
        "is closed",
    );
    refused(
        pipeline.close().await.unwrap_err(),
        Operation::Close,
        "closed already",
    );

    pipeline.cancel().await.unwrap();
    emulator.clear_requests();
    refused(
        pipeline.push(chunk).await.unwrap_err(),
        Operation::Push,
        "is cancelled",
    );
    refused(
        pipeline.pull::<Value>().await.unwrap_err(),
        Operation::Pull,
        "is cancelled",
    );
    refused(
        pipeline.close().await.unwrap_err(),
        Operation::Close,
        "cancelled already",
    );
    refused(
        pipeline.cancel().await.unwrap_err(),
        Operation::Cancel,
        "cancelled already",
    );
    assert!(
        pipeline.status().await.is_ok(),
        "a cancelled batch can be looked at"
    );
}

#[tokio::test]
async fn wrong_arguments_fail_before_any_request() {
    let (emulator, spark) = start().await;
    let pipeline = spark.batches().create(SERVICE).await.unwrap();
    emulator.clear_requests();

    let batches = spark.batches();
    let refused = [
        (
            batches.create("volume-cylinder").await.unwrap_err(),
            "one segment",
        ),
        (
            batches.create(SERVICE).accuracy(1.5).await.unwrap_err(),
            "accuracy is 1.5",
        ),
        (
            batches
                .create(SERVICE)
                .accuracy(f64::NAN)
                .await
                .unwrap_err(),
            "accuracy is NaN",
        ),
        (
            batches
                .create(SERVICE)
                .max_runners(0)
                .min_runners(0)
                .await
                .unwrap_err(),
            "max_runners is 0",
        ),
        (
            batches.of("../status").status().await.unwrap_err(),
            "../status",
        ),
        (
            pipeline.pull::<Value>().max_chunks(0).await.unwrap_err(),
            "max_chunks is 0",
        ),
        (
            pipeline
                .push(Push::records(cylinders(0..0)))
                .await
                .unwrap_err(),
            "nothing to push",
        ),
        (
            pipeline.push(Push::json("{}")).await.unwrap_err(),
            "no `data`",
        ),
        (
            pipeline.push(Push::records([7, 8])).await.unwrap_err(),
            "record 0: a record is a struct",
        ),
        (
            pipeline
                .push(Push::json("[]").chunk_size(2))
                .await
                .unwrap_err(),
            "no chunks",
        ),
        (
            pipeline
                .push(Chunk::new(cylinders(0..1)).unwrap().with_id(""))
                .await
                .unwrap_err(),
            "the id of a chunk is empty",
        ),
    ];
    for (error, why) in refused {
        assert_eq!(error.kind(), ErrorKind::Input, "{error}");
        assert!(error.to_string().contains(why), "{error}");
        assert!(!error.may_have_been_processed());
    }
    assert!(emulator.requests().is_empty());
}

#[tokio::test]
async fn settings_for_records_are_refused_with_prepared_chunks() {
    let chunks = Push::records(cylinders(0..1)).into_chunks().unwrap();
    let error = Push::chunks(chunks)
        .chunk_size(2)
        .into_chunks()
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("`chunk_size` applies to records"),
        "{error}"
    );
}

#[tokio::test]
async fn a_failed_push_leaves_no_trace_and_its_chunks_keep_their_ids() {
    let (emulator, spark) = start().await;
    let pipeline = spark.batches().create(SERVICE).await.unwrap();
    let chunks = Push::records(cylinders(0..4))
        .chunk_size(2)
        .into_chunks()
        .unwrap();

    for fault in [
        Fault::RespondBefore(Response::status(500)),
        Fault::CutBefore,
        Fault::RespondBefore(Response::status(400)),
    ] {
        emulator.inject(On::Push, fault);
        pipeline.push(chunks.clone()).await.unwrap_err();
        assert_eq!(pipeline.stats().chunks(), 0);
    }
    let pushed = pipeline.push(chunks.clone()).await.unwrap();
    let ids = |chunks: &[Chunk]| {
        chunks
            .iter()
            .map(|chunk| chunk.id().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        pushed
            .chunks
            .iter()
            .map(|chunk| chunk.id.clone())
            .collect::<Vec<_>>(),
        ids(&chunks)
    );
    assert_eq!(pipeline.stats().records(), 4);
}

#[tokio::test]
async fn a_push_whose_response_is_lost_is_not_repeated() {
    let (emulator, spark) = start().await;
    let pipeline = spark.batches().create(SERVICE).await.unwrap();
    for fault in [
        Fault::CutAfter,
        Fault::Truncate,
        Fault::RespondAfter(Response::html(200)),
    ] {
        emulator.inject(On::Push, fault.clone());
        let before = emulator.traffic(On::Push).requests;
        let error = pipeline
            .push(Chunk::new(cylinders(0..1)).unwrap())
            .await
            .unwrap_err();
        assert!(error.may_have_been_processed(), "{fault:?}: {error}");
        assert_eq!(emulator.traffic(On::Push).requests, before + 1, "{fault:?}");
    }
    // The service has processed them, as its counters show. The pipeline counts only known
    // successes.
    assert_eq!(pipeline.status().await.unwrap().chunks_submitted, Some(3));
    assert_eq!(pipeline.stats().chunks(), 0);
}

#[tokio::test]
async fn transient_failures_are_retried() {
    let (emulator, spark) = start().await;
    let pipeline = spark.batches().create(SERVICE).await.unwrap();
    let busy = || {
        Fault::RespondBefore(
            Response::status(429).x_retry_after(std::time::Duration::from_millis(5)),
        )
    };
    emulator.inject(On::Push, busy());
    emulator.inject(
        On::Push,
        Fault::RespondBefore(Response::status(503).retry_after(0)),
    );
    pipeline
        .push(Chunk::new(cylinders(0..1)).unwrap())
        .await
        .unwrap();
    assert_eq!(emulator.traffic(On::Push).requests, 3);

    for fault in [
        Fault::CutAfter,
        Fault::Truncate,
        Fault::RespondBefore(Response::status(504)),
        busy(),
    ] {
        emulator.inject(On::Status, fault);
        assert!(pipeline.status().await.is_ok());
    }
}

#[tokio::test]
async fn a_close_that_failed_leaves_the_batch_open() {
    let (emulator, spark) = start().await;
    let pipeline = spark.batches().create(SERVICE).await.unwrap();
    for operation in [On::Close, On::Cancel] {
        for _ in 0..3 {
            emulator.inject(operation, Fault::RespondBefore(Response::status(503)));
        }
    }
    pipeline.close().await.unwrap_err();
    assert_eq!(pipeline.state(), PipelineState::Open);
    pipeline.cancel().await.unwrap_err();
    assert_eq!(pipeline.state(), PipelineState::Open);
    pipeline
        .push(Chunk::new(cylinders(0..1)).unwrap())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_close_whose_response_is_lost_counts() {
    let (emulator, spark) = start().await;
    let pipeline = spark.batches().create(SERVICE).await.unwrap();
    emulator.inject(On::Close, Fault::CutAfter);
    // A service may refuse to close a batch for the second time.
    emulator.inject(On::Close, Fault::RespondBefore(Response::status(409)));
    assert!(
        pipeline
            .close()
            .await
            .unwrap()
            .status()
            .unwrap()
            .is_terminal()
    );
    assert_eq!(pipeline.state(), PipelineState::Closed);

    // A refusal is an error where the first request had no effect.
    let other = spark.batches().create(SERVICE).await.unwrap();
    emulator.inject(On::Close, Fault::CutBefore);
    emulator.inject(On::Close, Fault::RespondBefore(Response::status(409)));
    assert_eq!(other.close().await.unwrap_err().kind(), ErrorKind::Refused);
    assert_eq!(other.state(), PipelineState::Open);
}

#[tokio::test]
async fn a_terminal_status_ends_the_pipeline() {
    let (emulator, spark) = start().await;
    let batches = spark.batches();
    let pipeline = batches.create(SERVICE).await.unwrap();
    emulator.time_out(pipeline.id());
    assert_eq!(pipeline.state(), PipelineState::Open);
    pipeline.status().await.unwrap();
    assert_eq!(pipeline.state(), PipelineState::Closed);

    let pipeline = batches.create(SERVICE).await.unwrap();
    emulator.cancel(pipeline.id());
    pipeline.info().await.unwrap();
    assert_eq!(pipeline.state(), PipelineState::Cancelled);

    let pipeline = batches.create(SERVICE).await.unwrap();
    pipeline
        .push(Chunk::new(cylinders(0..1)).unwrap())
        .await
        .unwrap();
    emulator.fail(pipeline.id());
    pipeline.status().await.unwrap();
    assert_eq!(pipeline.state(), PipelineState::Closed);
}

#[tokio::test]
async fn a_full_input_buffer_refuses_the_whole_push() {
    let emulator = Emulator::builder()
        .input_buffer(2_000)
        .start()
        .await
        .unwrap();
    let pipeline = client(&emulator).batches().create(SERVICE).await.unwrap();
    let error = pipeline
        .push(Push::records(cylinders(0..1000)).chunk_size(10))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(
        error
            .body_excerpt()
            .is_some_and(|body| body.contains("buffer")),
        "{error}"
    );
    assert_eq!(pipeline.stats().chunks(), 0);
    assert_eq!(pipeline.status().await.unwrap().chunks_submitted, Some(0));
}

#[tokio::test]
async fn errors_name_operation_batch_status_and_request() {
    let (emulator, spark) = start().await;
    let pipeline = spark.batches().of("no-such-batch");
    let error = pipeline.status().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.status(), Some(404));
    assert_eq!(error.batch_id(), Some("no-such-batch"));
    assert_eq!(error.attempts(), 1);
    let told = emulator
        .requests()
        .last()
        .unwrap()
        .header("x-request-id")
        .map(ToOwned::to_owned);
    assert_eq!(error.request_ids().last(), told.as_ref());
    assert!(
        error
            .to_string()
            .starts_with("status of batch no-such-batch failed: 404 Not Found"),
        "{error}"
    );
}

#[tokio::test]
async fn credentials_go_with_every_call() {
    let emulator = Emulator::builder()
        .api_key("right")
        .bearer_token("t")
        .start()
        .await
        .unwrap();
    let as_key = |key: &str| settings(&emulator).api_key(key).build().unwrap().batches();
    assert!(as_key("right").describe().await.is_ok());
    assert_eq!(
        as_key("wrong").describe().await.unwrap_err().kind(),
        ErrorKind::Unauthorized
    );
    let open = as_key("open").describe().await;
    assert_eq!(open.unwrap_err().kind(), ErrorKind::Unauthorized);
    let bearer = settings(&emulator).bearer_token("bearer t");
    assert!(bearer.build().unwrap().batches().describe().await.is_ok());
}
