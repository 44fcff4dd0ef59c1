//! Results, in every shape in which the service sends them.

use std::collections::HashMap;

use cspark_batches::raw::types::{Aggregation, SummaryRequest};
use cspark_batches::{ErrorKind, Pulled, Push};
use cspark_emulator::{Emulator, Fault, NothingToPull, Operation, OutputShape, Response, Shapes};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::support::{ECHO, SERVICE, Volume, client, cylinders, push_and_compute, start};

#[tokio::test]
async fn tables_and_objects_read_the_same() {
    for shape in [OutputShape::Table, OutputShape::Objects] {
        let shapes = Shapes {
            outputs: shape,
            ..Shapes::default()
        };
        let emulator = Emulator::builder().shapes(shapes).start().await.unwrap();
        let pipeline = client(&emulator).batches().create(SERVICE).await.unwrap();
        let mut records: Vec<_> = cylinders(0..3).collect();
        records[1].height = -1.0;
        push_and_compute(&pipeline, Push::records(&records)).await;

        let pulled = pipeline.pull::<Volume>().await.unwrap();
        let records: Vec<_> = pulled.chunks[0].records().collect();
        assert_eq!(records.len(), 3);
        assert!((records[0].output.unwrap().volume - 13.194_689_145_077_131).abs() < 1e-12);
        assert_eq!(records[1].output, None);
        assert!(records[1].error.unwrap().to_string().contains("height"));
        assert!(records[2].error.is_none() && records[2].output.is_some());
    }
}

#[tokio::test]
async fn nothing_to_pull_is_an_empty_list() {
    for nothing in [
        NothingToPull::EmptyList,
        NothingToPull::Null,
        NothingToPull::Absent,
        NothingToPull::BareStatus,
    ] {
        let shapes = Shapes {
            nothing_to_pull: nothing,
            ..Shapes::default()
        };
        let emulator = Emulator::builder().shapes(shapes).start().await.unwrap();
        let pipeline = client(&emulator).batches().create(SERVICE).await.unwrap();
        let pulled = pipeline.pull::<Volume>().await.unwrap();
        assert!(pulled.chunks.is_empty(), "{nothing:?}");
        assert!(pulled.status.batch_status.is_some(), "{nothing:?}");
    }
}

#[derive(Debug, serde::Deserialize)]
struct Numbers {
    f: f64,
    i: i64,
    u: u64,
}

#[tokio::test]
async fn numbers_go_through_unchanged() {
    let (_emulator, spark) = start().await;
    let pipeline = spark.batches().create(ECHO).await.unwrap();
    let digits =
        r#"{"a":1.0,"b":1e5,"c":12345678901234567890123,"d":0.1000000000000000055511151231257827}"#;
    let record: Box<RawValue> = serde_json::from_str(digits).unwrap();
    push_and_compute(&pipeline, Push::records([record])).await;
    let pulled = pipeline
        .pull::<HashMap<String, Box<RawValue>>>()
        .await
        .unwrap();
    let output = pulled.chunks[0].records().next().unwrap().output.unwrap();
    let cells: Vec<&str> = ["a", "b", "c", "d"]
        .iter()
        .map(|name| output[*name].get())
        .collect();
    assert_eq!(
        cells,
        [
            "1.0",
            "1e5",
            "12345678901234567890123",
            "0.1000000000000000055511151231257827"
        ]
    );

    let floats = [
        f64::MIN_POSITIVE,
        f64::MAX,
        0.1 + 0.2,
        -0.0,
        5e-324,
        123_456_789.123_456_79,
    ];
    let rows = floats.map(|float| json!({"f": float, "i": i64::MIN, "u": u64::MAX}));
    push_and_compute(&pipeline, Push::records(rows)).await;
    let pulled = pipeline.pull::<Numbers>().await.unwrap();
    let read = pulled.chunks[0].records().map(|it| it.output.unwrap());
    let bits: Vec<_> = read.map(|it| (it.f.to_bits(), it.i, it.u)).collect();
    let sent = floats.map(|float| (float.to_bits(), i64::MIN, u64::MAX));
    assert_eq!(bits, sent);
}

#[tokio::test]
async fn aggregates_come_with_the_chunk() {
    let (_emulator, spark) = start().await;
    let pipeline = spark.batches().create(SERVICE).await.unwrap();
    let aggregation = vec![Aggregation {
        operator: "SUM".into(),
        output_name: "volume".to_owned(),
    }];
    let summary = SummaryRequest {
        aggregation,
        ..SummaryRequest::default()
    };
    let push =
        Push::data([json!({"radius": 1}), json!({"radius": 2})]).parameters(&json!({"height": 1}));
    push_and_compute(&pipeline, push.summary(summary)).await;
    let pulled = pipeline.pull::<Volume>().await.unwrap();
    let summary: Value =
        serde_json::from_str(pulled.chunks[0].summary_json().unwrap().get()).unwrap();
    let total = pulled.chunks[0]
        .records()
        .map(|it| it.output.unwrap().volume)
        .sum::<f64>();
    assert_eq!(summary, json!([["volume"], [total]]));
    let summary = pulled.chunks[0].summary::<Volume>().unwrap();
    assert_eq!(summary, Some(Volume { volume: total }));
}

#[tokio::test]
async fn results_that_cannot_be_read_are_not_lost() {
    #[derive(Debug, serde::Deserialize)]
    struct Other {
        #[allow(dead_code)]
        surface: f64,
    }

    let (_emulator, spark) = start().await;
    let pipeline = spark.batches().create(SERVICE).await.unwrap();
    push_and_compute(&pipeline, Push::records(cylinders(0..2))).await;
    let error = pipeline.pull::<Other>().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
    assert!(error.to_string().contains("data[0].outputs[0]"), "{error}");
    assert!(error.to_string().contains("surface"), "{error}");
    assert_eq!(error.operation(), Some(cspark_batches::Operation::Pull));
    assert_eq!((error.status(), error.request_ids().len()), (Some(200), 1));
    assert!(
        pipeline.pull::<Volume>().await.unwrap().chunks.is_empty(),
        "the service has nothing left"
    );
    let pulled = Pulled::<Volume>::parse(error.response_body().unwrap()).unwrap();
    assert_eq!(pulled.chunks[0].records().count(), 2);
}

#[tokio::test]
async fn a_pull_whose_response_is_lost_is_an_error() {
    let (emulator, spark) = start().await;
    let pipeline = spark.batches().create(SERVICE).await.unwrap();
    for fault in [Fault::CutAfter, Fault::Truncate] {
        push_and_compute(&pipeline, Push::records(cylinders(0..2))).await;
        emulator.inject(Operation::Pull, fault);
        let error = pipeline.pull::<Volume>().await.unwrap_err();
        assert!(error.may_have_been_processed(), "{error}");
        assert_eq!(
            error.attempts(),
            1,
            "a repetition would find nothing, and nobody would notice"
        );
    }
    emulator.inject(Operation::Pull, Fault::RespondBefore(Response::html(200)));
    let error = pipeline.pull::<Volume>().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
    assert!(error.response_body().is_some());
}

#[tokio::test]
async fn a_pull_returns_a_hundred_chunks_unless_set() {
    let (_emulator, spark) = start().await;
    let pipeline = spark.batches().create(SERVICE).await.unwrap();
    push_and_compute(&pipeline, Push::records(cylinders(0..105)).chunk_size(1)).await;
    assert_eq!(pipeline.pull::<Volume>().await.unwrap().chunks.len(), 100);
    assert_eq!(
        pipeline
            .pull::<Volume>()
            .max_chunks(2)
            .await
            .unwrap()
            .chunks
            .len(),
        2
    );
    assert_eq!(pipeline.pull::<Volume>().await.unwrap().chunks.len(), 3);
}
