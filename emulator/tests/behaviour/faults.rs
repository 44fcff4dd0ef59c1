//! What goes wrong on demand.

use std::time::{Duration, SystemTime};

use cspark_emulator::{Emulator, Fault, Operation, RandomFaults, Response};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Client, echo_chunk, ids};

async fn start() -> (Emulator, Client, String) {
    let emulator = Emulator::start().await.unwrap();
    let client = Client::new(&emulator);
    let id = client.batch("my-folder/echo").await;
    (emulator, client, id)
}

#[tokio::test]
async fn an_injected_response_replaces_a_request_without_effect() {
    let (emulator, client, id) = start().await;
    for status in [408, 429, 500, 502, 503, 504] {
        emulator.inject(
            Operation::Push,
            Fault::RespondBefore(Response::status(status)),
        );
        let received = client.push(&id, json!([echo_chunk("a", 1)])).await;
        assert_eq!(received.status, status);
        assert_eq!(client.status(&id).await["chunks_submitted"], 0);
    }
    client.push(&id, json!([echo_chunk("a", 1)])).await.ok();
}

#[tokio::test]
async fn retry_after_comes_in_every_form() {
    let (emulator, client, id) = start().await;
    let busy = || Response::status(429);
    for (response, name, value) in [
        (busy().retry_after(7), "retry-after", "7"),
        (
            busy().x_retry_after(Duration::from_millis(1500)),
            "x-retry-after",
            "1.5",
        ),
        (
            busy().x_retry_after(Duration::from_secs(2)),
            "x-retry-after",
            "2",
        ),
    ] {
        emulator.inject(Operation::Status, Fault::RespondBefore(response));
        let received = client
            .call(Method::GET, &format!("batch/{id}/status"), None)
            .await;
        assert_eq!(received.headers[name], value);
    }
    let ahead = Duration::from_secs(100);
    emulator.inject(
        Operation::Status,
        Fault::RespondBefore(busy().retry_after_date(ahead)),
    );
    let received = client
        .call(Method::GET, &format!("batch/{id}/status"), None)
        .await;
    let date =
        httpdate::parse_http_date(received.headers["retry-after"].to_str().unwrap()).unwrap();
    let left = date.duration_since(SystemTime::now()).unwrap();
    assert!(left <= ahead && left > ahead / 2, "{left:?}");
}

#[tokio::test]
async fn a_connection_cut_before_leaves_no_trace_and_cut_after_leaves_the_effect() {
    let (emulator, client, id) = start().await;
    for (fault, submitted) in [
        (Fault::CutBefore, 0),
        (Fault::CutAfter, 1),
        (Fault::Truncate, 2),
    ] {
        emulator.inject(Operation::Push, fault.clone());
        client
            .try_push(&id, json!([echo_chunk("a", 1)]))
            .await
            .expect_err("the response should have been cut");
        assert_eq!(
            client.status(&id).await["chunks_submitted"],
            submitted,
            "{fault:?}"
        );
    }
}

#[tokio::test]
async fn the_results_of_a_lost_pull_are_lost() {
    let (emulator, client, id) = start().await;
    for fault in [
        Fault::CutAfter,
        Fault::Truncate,
        Fault::RespondAfter(Response::garbage()),
    ] {
        client.push(&id, json!([echo_chunk("a", 100)])).await.ok();
        emulator.inject(Operation::Pull, fault.clone());
        if let Ok(received) = client.try_pull(&id, "").await {
            assert_eq!(received.body, Value::Null, "{fault:?}");
        }
        assert_eq!(ids(&client.pull(&id).await.ok()), [""; 0], "{fault:?}");
        let status = client.status(&id).await;
        assert_eq!(
            (
                &status["chunks_available"],
                &status["output_buffer_used_bytes"]
            ),
            (&json!(0), &json!(0))
        );
    }
}

#[tokio::test]
async fn a_truncated_response_announces_more_than_comes() {
    let (emulator, _, id) = start().await;
    emulator.inject(Operation::Status, Fault::Truncate);
    let client = Client::new(&emulator);
    let (length, received) = client.partial(&format!("batch/{id}/status")).await;
    assert!(
        length > 100 && received == length / 2,
        "{received} of {length}"
    );
}

#[tokio::test]
async fn malformed_responses_pose_as_successes() {
    let (emulator, client, id) = start().await;
    emulator.inject(Operation::Pull, Fault::RespondAfter(Response::html(200)));
    let received = client.pull(&id).await;
    assert_eq!(received.status, 200);
    assert!(received.text.starts_with("<!DOCTYPE html>"));
    emulator.inject(
        Operation::Pull,
        Fault::RespondAfter(Response::json(200, "[1")),
    );
    let received = client.pull(&id).await;
    assert_eq!(
        (received.status.as_u16(), received.text.as_str()),
        (200, "[1")
    );
    let bomb = Response::empty(200)
        .header("content-encoding", "gzip")
        .body(crate::support::gzip(&vec![b' '; 1 << 20]));
    emulator.inject(Operation::Pull, Fault::RespondAfter(bomb));
    assert_eq!(client.pull(&id).await.text.len(), 1 << 20);
    emulator.inject(Operation::Pull, Fault::RespondAfter(Response::empty(204)));
    assert_eq!(client.pull(&id).await.text, "");
}

#[tokio::test]
async fn redirects_and_echoes_are_responses_too() {
    let (emulator, client, id) = start().await;
    emulator.inject(
        Operation::Info,
        Fault::RespondBefore(Response::redirect("https://elsewhere.example/")),
    );
    let received = client.call(Method::GET, &format!("batch/{id}"), None).await;
    assert_eq!(
        (received.status.as_u16(), &received.headers["location"]),
        (307, &"https://elsewhere.example/".parse().unwrap())
    );
    emulator.inject(
        Operation::Info,
        Fault::RespondBefore(Response::echo_of_request(500)),
    );
    let client = client.with_header("x-synthetic-key", "a-marked-secret");
    let received = client.call(Method::GET, &format!("batch/{id}"), None).await;
    assert!(received.text.contains("x-synthetic-key: a-marked-secret"));
    assert!(!format!("{:?}", emulator.requests()).contains("a-marked-secret"));
}

/// Waits until the emulator has received this many requests to an operation.
async fn arrived(emulator: &Emulator, operation: Operation, requests: u64) {
    while emulator.traffic(operation).requests < requests {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_hanging_request_has_its_effect_or_not_and_gets_no_response() {
    let (emulator, client, id) = start().await;
    for (nth, fault, submitted) in [(1, Fault::HangBefore, 0), (2, Fault::HangAfter, 1)] {
        emulator.inject(Operation::Push, fault);
        tokio::select! {
            response = client.try_push(&id, json!([echo_chunk("a", 1)])) => panic!("{response:?}"),
            () = arrived(&emulator, Operation::Push, nth) => {}
        }
        assert_eq!(client.status(&id).await["chunks_submitted"], submitted);
    }
}

#[tokio::test]
async fn a_slow_response_comes_after_its_delay() {
    let (emulator, client, id) = start().await;
    let delay = Duration::from_secs(3600);
    emulator.inject(Operation::Push, Fault::Slow(delay));
    let mut push = std::pin::pin!(client.push(&id, json!([echo_chunk("a", 1)])));
    tokio::select! {
        response = &mut push => panic!("{response:?}"),
        () = arrived(&emulator, Operation::Push, 1) => {}
    }
    assert_eq!(emulator.batch(&id).unwrap().records_submitted, 1);
    tokio::time::pause();
    tokio::time::advance(delay).await;
    tokio::time::resume();
    push.await.ok();
}

#[tokio::test]
async fn stalled_workers_lose_that_time() {
    let emulator = Emulator::builder()
        .time_scale(0.0)
        .time_per_chunk(Duration::from_secs(10))
        .workers(1)
        .start()
        .await
        .unwrap();
    let client = Client::new(&emulator);
    let id = client.batch("my-folder/echo").await;
    client
        .push(&id, json!([echo_chunk("a", 1), echo_chunk("b", 1)]))
        .await
        .ok();
    emulator.advance(Duration::from_secs(5));
    emulator.inject(
        Operation::Status,
        Fault::StallWorkers(Duration::from_secs(100)),
    );
    client.status(&id).await;
    for (advance, completed) in [(104, 0), (1, 1), (9, 1), (1, 2)] {
        emulator.advance(Duration::from_secs(advance));
        assert_eq!(client.status(&id).await["chunks_completed"], completed);
    }
    assert!(emulator.stall_workers(&id, Duration::MAX));
    client.push(&id, json!([echo_chunk("c", 1)])).await.ok();
    emulator.advance(Duration::from_secs(1_000_000));
    assert_eq!(client.status(&id).await["chunks_completed"], 2);
}

#[tokio::test]
async fn results_can_come_twice() {
    let (emulator, client, id) = start().await;
    client.push(&id, json!([echo_chunk("a", 1)])).await.ok();
    emulator.inject(Operation::Pull, Fault::RepeatResults);
    let first = client.pull(&id).await.ok();
    assert_eq!(
        (ids(&first), &first["status"]["chunks_available"]),
        (vec!["a".to_owned()], &json!(1))
    );
    let second = client.pull(&id).await.ok();
    assert_eq!(first["data"], second["data"]);
    assert_eq!(second["status"]["chunks_completed"], 1);
    assert_eq!(ids(&client.pull(&id).await.ok()), [""; 0]);
}

#[tokio::test]
async fn a_batch_can_end_by_other_hands() {
    for (fault, status) in [
        (Fault::TimeOut, "closed_by_timeout"),
        (Fault::Fail, "failed"),
        (Fault::CancelByOther, "cancelled"),
    ] {
        let (emulator, client, id) = start().await;
        client.push(&id, json!([echo_chunk("a", 1)])).await.ok();
        emulator.inject(Operation::Status, fault);
        assert_eq!(client.status(&id).await["batch_status"], status);
        client
            .push(&id, json!([echo_chunk("b", 1)]))
            .await
            .refused(409, status);
    }
    let (emulator, client, id) = start().await;
    assert!(emulator.fail(&id));
    assert!(!emulator.cancel(&id) && !emulator.time_out(&id));
    assert_eq!(client.status(&id).await["batch_status"], "failed");
    client.pull(&id).await.refused(409, "the batch is failed");
}

#[tokio::test]
async fn tokens_can_be_revoked_in_between() {
    let emulator = Emulator::builder()
        .oauth_client("id", "secret")
        .start()
        .await
        .unwrap();
    let form =
        Client::new(&emulator).with_header("content-type", "application/x-www-form-urlencoded");
    let path = "/auth/realms/my-tenant/protocol/openid-connect/token";
    let body = "grant_type=client_credentials&client_id=id&client_secret=secret";
    let token = form
        .send(Method::POST, path, Some(body))
        .await
        .unwrap()
        .ok();
    let bearer = format!("Bearer {}", token["access_token"].as_str().unwrap());
    let client = Client::new(&emulator).with_header("authorization", &bearer);
    emulator.inject_at(Operation::Describe, 2, Fault::RevokeTokens);
    client.describe().await;
    client
        .call(Method::GET, "batch/status", None)
        .await
        .refused(401, "revoked");
}

#[tokio::test]
async fn faults_can_wait_for_the_nth_request_and_be_forgotten() {
    let (emulator, client, id) = start().await;
    emulator.inject_at(
        Operation::Status,
        3,
        Fault::RespondBefore(Response::status(503)),
    );
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(
            client
                .call(Method::GET, &format!("batch/{id}/status"), None)
                .await
                .status
                .as_u16(),
        );
    }
    assert_eq!(statuses, [200, 200, 503, 200]);
    emulator.inject(Operation::Status, Fault::CutBefore);
    assert_eq!(emulator.pending_faults(), 1);
    emulator.clear_faults();
    assert_eq!(emulator.pending_faults(), 0);
    client.status(&id).await;
}

#[tokio::test]
async fn the_same_seed_gives_the_same_run() {
    let mut runs = Vec::new();
    for seed in [1, 1, 2] {
        let random = RandomFaults {
            slow: 0.0,
            ..RandomFaults::mixed(seed, 0.08)
        };
        let emulator = Emulator::builder()
            .random_faults(random)
            .seed(seed)
            .start()
            .await
            .unwrap();
        let client = Client::new(&emulator);
        let id = client.batch("my-folder/echo").await;
        let mut run = vec![id.clone()];
        for _ in 0..60 {
            let status = client
                .try_call(Method::GET, &format!("batch/{id}/status"), None)
                .await;
            run.push(
                status.map_or_else(|_| "cut".to_owned(), |received| received.status.to_string()),
            );
        }
        assert!(run.iter().any(|one| one == "cut") && run.iter().any(|one| one.starts_with("200")));
        runs.push(run);
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
}
