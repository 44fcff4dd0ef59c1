//! What goes wrong with every request, or with the service itself, rather than once.

use std::time::Duration;

use cspark_emulator::{
    Emulator, Fault, Operation, Output, RandomFaults, Record, Response, Service,
};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{Client, echo_chunk, ids};

const ECHO: &str = "my-folder/echo";

async fn start() -> (Emulator, Client, String) {
    let emulator = Emulator::start().await.unwrap();
    let client = Client::new(&emulator);
    let id = client.batch(ECHO).await;
    (emulator, client, id)
}

/// Calls one operation of a batch.
async fn call(client: &Client, operation: Operation, id: &str) -> StatusCode {
    let received = match operation {
        Operation::Create => client.create(json!({ "service": ECHO })).await,
        Operation::Push => client.push(id, json!([echo_chunk("a", 1)])).await,
        Operation::Pull => client.pull(id).await,
        Operation::Close => client.update(id, "closed").await,
        Operation::Cancel => client.update(id, "cancelled").await,
        Operation::Status => {
            let path = format!("batch/{id}/status");
            client.call(Method::GET, &path, None).await
        }
        other => panic!("{other:?} is no operation of this test"),
    };
    received.status
}

#[tokio::test]
async fn any_one_endpoint_can_be_dead_for_ever_while_the_others_work() {
    let all = [
        Operation::Create,
        Operation::Status,
        Operation::Push,
        Operation::Pull,
        Operation::Close,
        Operation::Cancel,
    ];
    for (dead, status) in all.into_iter().zip([500, 400, 503, 404, 409, 418]) {
        let (emulator, client, id) = start().await;
        emulator.inject_always(dead, Fault::RespondBefore(Response::status(status)));
        for _ in 0..3 {
            for operation in all {
                let expected = match operation {
                    // Cancelled batches refuse the rest, so these are left for the end.
                    Operation::Cancel | Operation::Close => continue,
                    _ if operation == dead => status,
                    _ => 200,
                };
                assert_eq!(
                    call(&client, operation, &id).await,
                    expected,
                    "{operation:?}"
                );
            }
        }
        for operation in [Operation::Close, Operation::Cancel] {
            let expected = if operation == dead { status } else { 200 };
            assert_eq!(
                call(&client, operation, &id).await,
                expected,
                "{operation:?}"
            );
        }
        assert_eq!(emulator.pending_faults(), 0);
    }
}

#[tokio::test]
async fn a_dead_endpoint_comes_back_when_the_faults_are_cleared() {
    let (emulator, client, id) = start().await;
    emulator.inject_always(
        Operation::Status,
        Fault::RespondBefore(Response::status(500)),
    );
    assert_eq!(call(&client, Operation::Status, &id).await, 500);
    // A fault of its own replaces the one that always happens.
    emulator.inject(
        Operation::Status,
        Fault::RespondBefore(Response::status(503)),
    );
    assert_eq!(call(&client, Operation::Status, &id).await, 503);
    assert_eq!(call(&client, Operation::Status, &id).await, 500);
    emulator.clear_faults();
    assert_eq!(call(&client, Operation::Status, &id).await, 200);
}

#[tokio::test]
async fn every_operation_can_ask_to_come_back_tomorrow() {
    let (emulator, client, id) = start().await;
    for operation in [Operation::Push, Operation::Pull, Operation::Status] {
        let busy = Response::status(429).retry_after(86_400);
        emulator.inject_always(operation, Fault::RespondBefore(busy));
    }
    for path in ["status", "chunkresults"] {
        let received = client
            .call(Method::GET, &format!("batch/{id}/{path}"), None)
            .await;
        assert_eq!(received.status, 429);
        assert_eq!(received.headers["retry-after"], "86400");
    }
    let received = client.push(&id, json!([echo_chunk("a", 1)])).await;
    assert_eq!(received.headers["retry-after"], "86400");
}

#[tokio::test]
async fn each_operation_can_fail_at_a_rate_of_its_own() {
    let (emulator, client, id) = start().await;
    let of = |operation, rate| RandomFaults {
        unavailable: rate,
        most_in_a_row: u32::MAX,
        operations: vec![operation],
        ..RandomFaults::none(7)
    };
    emulator.set_random_faults([of(Operation::Status, 0.5), of(Operation::Info, 0.05)]);
    let mut failed = [0, 0, 0];
    for _ in 0..200 {
        let paths = [
            format!("batch/{id}/status"),
            format!("batch/{id}"),
            "batch/status".to_owned(),
        ];
        for (failed, path) in failed.iter_mut().zip(paths) {
            *failed += u32::from(client.call(Method::GET, &path, None).await.status != 200);
        }
    }
    assert!((70..130).contains(&failed[0]), "{failed:?}");
    assert!((2..30).contains(&failed[1]), "{failed:?}");
    assert_eq!(failed[2], 0);
}

#[tokio::test]
async fn results_can_come_again_for_ever() {
    let (emulator, client, id) = start().await;
    emulator.inject_always(Operation::Pull, Fault::RepeatResults);
    client
        .push(&id, json!([echo_chunk("a", 1), echo_chunk("b", 1)]))
        .await
        .ok();
    for _ in 0..5 {
        assert_eq!(ids(&client.pull(&id).await.ok()), ["a", "b"]);
    }
    assert_eq!(client.status(&id).await["records_completed"], 2);
}

#[tokio::test]
async fn results_can_stand_twice_in_one_response() {
    let (emulator, client, id) = start().await;
    emulator.inject(Operation::Pull, Fault::DoubleResults);
    client
        .push(&id, json!([echo_chunk("a", 1), echo_chunk("b", 1)]))
        .await
        .ok();
    let pulled = client.pull(&id).await.ok();
    assert_eq!(ids(&pulled), ["a", "b", "a", "b"]);
    assert_eq!(pulled["data"][0], pulled["data"][2]);
    assert_eq!(ids(&client.pull(&id).await.ok()), [""; 0]);
}

#[tokio::test]
async fn chunks_can_be_lost_after_they_were_accepted() {
    let (emulator, client, id) = start().await;
    emulator.inject(Operation::Push, Fault::LoseChunks);
    let status = client.push(&id, json!([echo_chunk("a", 2)])).await.ok();
    assert_eq!(status["chunks_submitted"], 1);
    assert_eq!(status["record_submitted"], 2);
    client.push(&id, json!([echo_chunk("b", 1)])).await.ok();
    assert_eq!(ids(&client.pull(&id).await.ok()), ["b"]);
    let status = client.status(&id).await;
    assert_eq!(status["records_completed"], 1);
    assert_eq!(status["workers_in_use"], 0);
    assert_eq!(status["input_buffer_used_bytes"], 0);
    assert_eq!(emulator.batch(&id).unwrap().submissions["a"], 1);
}

#[tokio::test]
async fn one_byte_of_a_pull_can_be_broken() {
    let (emulator, client, id) = start().await;
    client.push(&id, json!([echo_chunk("a", 50)])).await.ok();
    emulator.inject(Operation::Pull, Fault::RepeatResults);
    let path = format!("batch/{id}/chunkresults");
    let (_, whole) = client.try_bytes(Method::GET, &path).await;
    emulator.inject(Operation::Pull, Fault::InvalidUtf8);
    let (headers, broken) = client.try_bytes(Method::GET, &path).await;
    assert_eq!(headers["content-type"], "application/json");
    let bad: Vec<usize> = (0..broken.len()).filter(|at| broken[*at] == 0xff).collect();
    assert_eq!(bad.len(), 1);
    // With that byte put right, all else is as it should be.
    let mut mended = broken;
    mended[bad[0]] = b'0';
    let mended: serde_json::Value = serde_json::from_slice(&mended).unwrap();
    let whole: serde_json::Value = serde_json::from_slice(&whole).unwrap();
    assert_eq!(mended["data"][0]["id"], whole["data"][0]["id"]);
    assert_eq!(mended["data"][0]["outputs"].as_array().unwrap().len(), 50);
}

#[tokio::test]
async fn a_close_can_be_refused() {
    for status in [400, 409] {
        let (emulator, client, id) = start().await;
        emulator.inject_always(
            Operation::Close,
            Fault::RespondBefore(Response::status(status)),
        );
        for _ in 0..2 {
            assert_eq!(client.update(&id, "closed").await.status, status);
        }
        // The batch is as open as before.
        client.push(&id, json!([echo_chunk("a", 1)])).await.ok();
        client.update(&id, "cancelled").await.ok();
    }
}

#[tokio::test]
async fn somebody_else_can_close_a_batch_whose_workers_go_on() {
    for by_hand in [false, true] {
        let emulator = Emulator::builder()
            .time_scale(0.0)
            .time_per_chunk(Duration::from_secs(3600))
            .start()
            .await
            .unwrap();
        let client = Client::new(&emulator);
        let id = client.batch(ECHO).await;
        client.push(&id, json!([echo_chunk("a", 1)])).await.ok();
        if by_hand {
            assert!(emulator.close(&id));
            assert!(!emulator.close(&id));
        } else {
            emulator.inject(Operation::Status, Fault::CloseByOther);
        }
        let status = client.status(&id).await;
        assert_eq!(status["batch_status"], "closed");
        assert_eq!(status["workers_in_use"], 1);
        client
            .push(&id, json!([echo_chunk("b", 1)]))
            .await
            .refused(409, "closed");
        emulator.advance(Duration::from_secs(3600));
        assert_eq!(ids(&client.pull(&id).await.ok()), ["a"]);
    }
}

#[tokio::test]
async fn a_service_decides_how_long_each_record_takes() {
    let service = Service::raw(|record: &Record<'_>, output: &mut Output| {
        let fields = record.fields()?;
        let hours: u64 = fields[0]
            .1
            .get()
            .trim_matches('"')
            .parse()
            .map_err(|_| "no number")?;
        output.take_time(Duration::from_secs(hours * 3600));
        output.value("hours", &hours)
    });
    let emulator = Emulator::builder()
        .service("f/slow", service)
        .time_scale(0.0)
        .time_per_record(Duration::from_millis(5))
        .start()
        .await
        .unwrap();
    let client = Client::new(&emulator);
    let id = client.batch("f/slow").await;
    let chunk = |id: &str, hours: &[u64]| {
        let mut inputs = vec![json!(["hours"])];
        inputs.extend(hours.iter().map(|hours| json!([hours])));
        json!({ "id": id, "size": hours.len(), "data": { "inputs": inputs } })
    };
    client
        .push(
            &id,
            json!([chunk("long", &[1, 0, 2]), chunk("short", &[1])]),
        )
        .await
        .ok();
    let mut done = Vec::new();
    for advance in [0, 3601, 3601, 3601] {
        emulator.advance(Duration::from_secs(advance));
        done.push(
            client.status(&id).await["chunks_completed"]
                .as_u64()
                .unwrap(),
        );
    }
    assert_eq!(done, [0, 1, 1, 2]);
    let pulled = client.pull(&id).await.ok();
    assert_eq!(ids(&pulled), ["short", "long"]);
    assert_eq!(
        pulled["data"][1]["process_time"],
        json!([3_600_005, 5, 7_200_005])
    );
}

#[tokio::test]
async fn a_response_can_be_cut_after_any_byte() {
    let (emulator, client, id) = start().await;
    for sent in [0, 1, 2, 9] {
        let response = Response::json(200, "{\"ab\":1.0}").cut_after(sent);
        emulator.inject(Operation::Status, Fault::RespondBefore(response));
        let partial = client.partial(&format!("batch/{id}/status")).await;
        assert_eq!(partial, (10, sent as u64));
    }
    let whole = Response::json(200, "{\"ab\":1.0}").cut_after(10);
    emulator.inject(Operation::Status, Fault::RespondBefore(whole));
    assert_eq!(client.status(&id).await["ab"], 1.0);
}

#[tokio::test]
async fn a_script_handles_any_request_and_its_last_fault_stays() {
    let (emulator, client, id) = start().await;
    emulator.script([
        Response::json(201, "{\"n\":1}")
            .header("x-more", "1")
            .into(),
        Fault::CutBefore,
        Response::empty(404).into(),
    ]);
    let first = client
        .send(Method::DELETE, "/no/such/path", None::<String>)
        .await
        .unwrap();
    assert_eq!((first.status.as_u16(), &first.body["n"]), (201, &json!(1)));
    assert_eq!(first.headers["x-more"], "1");
    client.try_pull(&id, "").await.unwrap_err();
    for _ in 0..3 {
        assert_eq!(call(&client, Operation::Status, &id).await, 404);
    }
    emulator.script([]);
    assert_eq!(call(&client, Operation::Status, &id).await, 200);
}
