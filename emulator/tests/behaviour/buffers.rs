//! The buffers and the workers.

use std::time::Duration;

use cspark_emulator::{Emulator, RepeatedIds, ResultOrder};
use serde_json::{Value, json};

use crate::support::{Client, echo_chunk, ids};

const ECHO: &str = "my-folder/echo";

/// One chunk's weight in the input buffer.
fn weight(chunk: &Value) -> u64 {
    chunk.to_string().len() as u64
}

#[tokio::test]
async fn a_push_that_does_not_fit_is_refused_with_the_set_status_and_takes_nothing() {
    for status in [400, 413, 422, 429, 503] {
        let chunk = echo_chunk("a", 10);
        let emulator = Emulator::builder()
            .time_scale(0.0)
            .time_per_record(Duration::from_secs(1))
            .workers(1)
            .input_buffer(2 * weight(&chunk))
            .full_status(status)
            .start()
            .await
            .unwrap();
        let client = Client::new(&emulator);
        let id = client.batch(ECHO).await;
        // The first one goes to the worker at once, the two others just fill the buffer.
        client.push(&id, json!([echo_chunk("a", 10)])).await.ok();
        let before = client
            .push(&id, json!([echo_chunk("b", 10), echo_chunk("c", 10)]))
            .await
            .ok();
        assert_eq!(before["input_buffer_used_bytes"], 2 * weight(&chunk));
        assert_eq!(before["input_buffer_remaining_bytes"], 0);
        client
            .push(&id, json!([echo_chunk("d", 1)]))
            .await
            .refused(status, "the input buffer has 0 bytes left");
        let after = client.status(&id).await;
        assert_eq!(after["record_submitted"], before["record_submitted"]);
        assert_eq!(
            after["input_buffer_used_bytes"],
            before["input_buffer_used_bytes"]
        );
        // As soon as a worker takes a chunk, its bytes are free again.
        emulator.advance(Duration::from_secs(10));
        client.push(&id, json!([echo_chunk("d", 1)])).await.ok();
    }
}

#[tokio::test]
async fn a_push_accepts_all_chunks_or_none() {
    let chunk = echo_chunk("a", 10);
    let emulator = Emulator::builder()
        .input_buffer(3 * weight(&chunk) - 1)
        .start()
        .await
        .unwrap();
    let client = Client::new(&emulator);
    let id = client.batch(ECHO).await;
    let three = json!([
        echo_chunk("a", 10),
        echo_chunk("b", 10),
        echo_chunk("c", 10)
    ]);
    client
        .push(&id, three)
        .await
        .refused(422, "no chunk was accepted");
    assert_eq!(client.status(&id).await["chunks_submitted"], 0);
    assert_eq!(client.status(&id).await["batch_status"], "created");
}

#[tokio::test]
async fn a_full_output_buffer_stops_the_work_until_a_pull_makes_room() {
    let second = Duration::from_secs(1);
    let probe = Emulator::builder()
        .time_scale(0.0)
        .time_per_record(second)
        .start()
        .await
        .unwrap();
    let client = Client::new(&probe);
    let id = client.batch(ECHO).await;
    client.push(&id, json!([echo_chunk("a", 10)])).await.ok();
    probe.advance(second * 10);
    let one = client.status(&id).await["output_buffer_used_bytes"]
        .as_u64()
        .unwrap();

    let emulator = Emulator::builder()
        .time_scale(0.0)
        .time_per_record(Duration::from_secs(1))
        .workers(1)
        .output_buffer(2 * one)
        .start()
        .await
        .unwrap();
    let client = Client::new(&emulator);
    let id = client.batch(ECHO).await;
    let chunks: Vec<Value> = (0..6).map(|n| echo_chunk(&n.to_string(), 10)).collect();
    client.push(&id, json!(chunks)).await.ok();
    emulator.advance(Duration::from_secs(600));
    let status = client.status(&id).await;
    assert_eq!(status["chunks_available"], 2);
    assert_eq!(status["output_buffer_used_bytes"], 2 * one);
    assert_eq!(status["output_buffer_remaining_bytes"], 0);
    // The third is computed and waits with its worker; the other three are not begun.
    assert_eq!(status["workers_in_use"], 1);
    assert_eq!(
        status["input_buffer_used_bytes"],
        3 * weight(&echo_chunk("0", 10))
    );

    assert_eq!(ids(&client.pull(&id).await.ok()), ["0", "1"]);
    // The waiting one came in at once, and the next one takes its time from now on.
    assert_eq!(client.status(&id).await["chunks_available"], 1);
    emulator.advance(Duration::from_secs(9));
    assert_eq!(client.status(&id).await["chunks_available"], 1);
    emulator.advance(Duration::from_secs(1));
    assert_eq!(client.status(&id).await["chunks_available"], 2);
    emulator.advance(Duration::from_secs(600));
    assert_eq!(ids(&client.pull(&id).await.ok()), ["2", "3"]);
    emulator.advance(Duration::from_secs(600));
    assert_eq!(ids(&client.pull(&id).await.ok()), ["4", "5"]);
}

#[tokio::test]
async fn a_result_larger_than_the_output_buffer_does_not_block_for_ever() {
    let emulator = Emulator::builder().output_buffer(10).start().await.unwrap();
    let client = Client::new(&emulator);
    let id = client.batch(ECHO).await;
    client
        .push(&id, json!([echo_chunk("a", 1), echo_chunk("b", 1)]))
        .await
        .ok();
    assert_eq!(client.status(&id).await["output_buffer_remaining_bytes"], 0);
    assert_eq!(ids(&client.pull(&id).await.ok()), ["a"]);
    assert_eq!(ids(&client.pull(&id).await.ok()), ["b"]);
}

#[tokio::test]
async fn a_pull_empties_the_buffer() {
    let emulator = Emulator::start().await.unwrap();
    let client = Client::new(&emulator);
    let id = client.batch(ECHO).await;
    client
        .push(&id, json!([echo_chunk("a", 2), echo_chunk("b", 3)]))
        .await
        .ok();
    let pulled = client.pull(&id).await.ok();
    assert_eq!(ids(&pulled), ["a", "b"]);
    assert_eq!(pulled["status"]["output_buffer_used_bytes"], 0);
    assert_eq!(pulled["status"]["records_available"], 0);
    assert_eq!(pulled["status"]["records_completed"], 5);
    assert_eq!(client.pull(&id).await.ok()["data"], json!([]));
}

#[tokio::test]
async fn a_pull_hands_out_100_chunks_or_as_many_as_asked_under_either_name() {
    let emulator = Emulator::start().await.unwrap();
    let client = Client::new(&emulator);
    let id = client.batch(ECHO).await;
    let chunks: Vec<Value> = (0..110).map(|n| echo_chunk(&n.to_string(), 1)).collect();
    client.push(&id, json!(chunks)).await.ok();
    for (query, expected) in [
        ("?max=1", 1),
        ("?max_chunks=2", 2),
        ("?max=3&max_chunks=3", 3),
        ("", 100),
        ("?max=1000", 4),
    ] {
        let pulled = client.try_pull(&id, query).await.unwrap().ok();
        assert_eq!(ids(&pulled).len(), expected, "{query}");
    }
}

#[tokio::test]
async fn as_many_chunks_are_computed_at_a_time_as_there_are_workers() {
    let emulator = Emulator::builder()
        .time_scale(0.0)
        .time_per_chunk(Duration::from_secs(1))
        .workers(4)
        .start()
        .await
        .unwrap();
    let client = Client::new(&emulator);
    for (asked, workers) in [(json!(null), 4), (json!(2), 2), (json!(100), 4)] {
        let mut body = json!({ "service": ECHO });
        if !asked.is_null() {
            body["max_workers"] = asked;
        }
        let id = client.create(body).await.ok()["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let chunks: Vec<Value> = (0..12).map(|n| echo_chunk(&n.to_string(), 1)).collect();
        let status = client.push(&id, json!(chunks)).await.ok();
        assert_eq!(status["workers_in_use"], workers);
        // The document shows it beside workers in use.
        assert_eq!(status["pipeline_status"], "idle");
        emulator.advance(Duration::from_secs(1));
        assert_eq!(client.status(&id).await["chunks_completed"], workers);
        emulator.advance(Duration::from_secs(12));
        let status = client.status(&id).await;
        assert_eq!(status["chunks_completed"], 12);
        assert_eq!(status["compute_time_ms"], 12_000);
        assert_eq!(
            (&status["workers_in_use"], &status["pipeline_status"]),
            (&json!(0), &json!("idle"))
        );
    }
}

#[tokio::test]
async fn workers_come_up_by_and_by_where_that_is_set() {
    let emulator = Emulator::builder()
        .time_scale(0.0)
        .time_per_chunk(Duration::from_secs(100))
        .workers(16)
        .ramp_up(Duration::from_secs(10))
        .start()
        .await
        .unwrap();
    let client = Client::new(&emulator);
    let body = json!({ "service": ECHO, "initial_workers": 3 });
    let id = client.create(body).await.ok()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let chunks: Vec<Value> = (0..40).map(|n| echo_chunk(&n.to_string(), 1)).collect();
    client.push(&id, json!(chunks)).await.ok();
    for workers in [3, 6, 12, 16, 16] {
        assert_eq!(client.status(&id).await["workers_in_use"], workers);
        emulator.advance(Duration::from_secs(10));
    }
}

#[tokio::test]
async fn results_come_as_they_are_completed() {
    let emulator = Emulator::builder()
        .time_scale(0.0)
        .time_per_record(Duration::from_secs(1))
        .start()
        .await
        .unwrap();
    let client = Client::new(&emulator);
    let id = client.batch(ECHO).await;
    client
        .push(
            &id,
            json!([
                echo_chunk("long", 9),
                echo_chunk("short", 2),
                echo_chunk("middle", 5)
            ]),
        )
        .await
        .ok();
    emulator.advance(Duration::from_secs(10));
    assert_eq!(
        ids(&client.pull(&id).await.ok()),
        ["short", "middle", "long"]
    );
}

#[tokio::test]
async fn results_come_shuffled_where_that_is_set_and_the_same_for_the_same_seed() {
    let chunks: Vec<Value> = (0..50).map(|n| echo_chunk(&format!("{n:02}"), 1)).collect();
    let mut orders = Vec::new();
    for seed in [1, 1, 2] {
        let emulator = Emulator::builder()
            .result_order(ResultOrder::Shuffled(seed))
            .start()
            .await
            .unwrap();
        let client = Client::new(&emulator);
        let id = client.batch(ECHO).await;
        client.push(&id, json!(chunks)).await.ok();
        let order = ids(&client.pull(&id).await.ok());
        let mut sorted = order.clone();
        sorted.sort();
        assert_eq!(sorted.len(), 50);
        assert_ne!(order, sorted);
        orders.push(order);
    }
    assert_eq!(orders[0], orders[1]);
    assert_ne!(orders[0], orders[2]);
}

#[tokio::test]
async fn a_repeated_chunk_id_is_computed_again_refused_or_ignored_as_set() {
    for (policy, records) in [
        (RepeatedIds::Compute, 8),
        (RepeatedIds::Refuse, 3),
        (RepeatedIds::Ignore, 4),
    ] {
        let emulator = Emulator::builder()
            .repeated_ids(policy)
            .start()
            .await
            .unwrap();
        let client = Client::new(&emulator);
        let id = client.batch(ECHO).await;
        client.push(&id, json!([echo_chunk("a", 3)])).await.ok();
        let again = client
            .push(
                &id,
                json!([echo_chunk("a", 3), echo_chunk("b", 1), echo_chunk("b", 1)]),
            )
            .await;
        if policy == RepeatedIds::Refuse {
            again.refused(409, "\"a\"");
            let within = json!([echo_chunk("b", 1), echo_chunk("b", 1)]);
            client.push(&id, within).await.refused(409, "\"b\"");
        } else {
            again.ok();
        }
        assert_eq!(
            client.status(&id).await["record_submitted"],
            records,
            "{policy:?}"
        );
        let expected = if policy == RepeatedIds::Compute { 2 } else { 1 };
        assert_eq!(emulator.batch(&id).unwrap().submissions["a"], expected);
    }
}
