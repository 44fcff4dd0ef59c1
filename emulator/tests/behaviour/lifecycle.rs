//! Create, close, cancel, time out, and what status, info and describe say meanwhile.

use std::time::Duration;

use cspark_emulator::{Emulator, Service, Shapes};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Client, echo_chunk, ids};

const ECHO: &str = "my-folder/echo";

async fn slow() -> (Emulator, Client) {
    let emulator = Emulator::builder()
        .time_scale(0.0)
        .time_per_record(Duration::from_secs(1))
        .start()
        .await
        .unwrap();
    let client = Client::new(&emulator);
    (emulator, client)
}

#[tokio::test]
async fn a_batch_goes_from_create_to_close_and_delivers_everything() {
    let emulator = Emulator::start().await.unwrap();
    let client = Client::new(&emulator);
    let created = client
        .create(json!({ "service": "my-folder/volume-cylinder" }))
        .await
        .ok();
    assert_eq!(created["object"], "batch");
    assert_eq!(created["data"]["batch_status"], "created");
    assert_eq!(
        created["data"]["service_uri"],
        "my-folder/volume-cylinder[0.4.2]"
    );
    let id = created["id"].as_str().unwrap();
    assert_eq!(client.status(id).await["batch_status"], "created");

    let chunk = json!({ "id": "a", "size": 2, "data": { "inputs": [["radius", "height"], [1, 4.2], [3, 5]] } });
    let pushed = client.push(id, json!([chunk])).await.ok();
    assert_eq!(pushed["batch_status"], "in_progress");
    assert_eq!(pushed["record_submitted"], 2);
    assert_eq!(pushed["records_available"], 2);
    assert_eq!(pushed["chunks_available"], 1);

    let pulled = client.pull(id).await.ok();
    let outputs = &pulled["data"][0]["outputs"];
    assert!((outputs[0]["volume"].as_f64().unwrap() - 13.194_689_145_077_13).abs() < 1e-12);
    assert!((outputs[1]["volume"].as_f64().unwrap() - 141.371_669_411_540_67).abs() < 1e-12);
    assert_eq!(pulled["data"][0]["warnings"], json!([null, null]));
    assert_eq!(pulled["data"][0]["errors"], json!([null, null]));
    assert_eq!(pulled["data"][0]["process_time"], json!([0, 0]));
    assert_eq!(pulled["data"][0]["summary_output"], json!([[]]));
    assert_eq!(pulled["status"]["records_available"], 0);

    let closed = client.update(id, "closed").await.ok();
    assert_eq!(closed["data"]["batch_status"], "closed");
    assert_eq!(client.status(id).await["batch_status"], "completed");
}

#[tokio::test]
async fn create_takes_every_option_and_info_repeats_them() {
    let emulator = Emulator::start().await.unwrap();
    let client = Client::new(&emulator);
    let created = client
        .create(json!({
            "service": "my-folder/echo[0.4.2]", "version_by_timestamp": "2024-02-29T12:00:00Z", "subservice": "a,b",
            "output": "n", "unique_record_key": "k1,k2", "call_purpose": "Demo", "source_system": "tests",
            "correlation_id": "c-1", "initial_workers": 3, "max_workers": 7, "chunks_per_request": 4,
            "runner_thread_count": 5, "acceptable_error_percentage": 6, "max_input_size_in_mb": 2,
            "max_output_size_in_mb": 0.5
        }))
        .await
        .ok();
    let info = client.info(created["id"].as_str().unwrap()).await;
    assert_eq!(
        info["data"]["configuration"],
        json!({
            "initial_workers": 3, "max_workers": 7, "chunks_per_request": 4, "runner_thread_count": 5,
            "acceptable_error_percentage": 6, "input_buffer_allocated_bytes": 2_000_000,
            "output_buffer_allocated_bytes": 500_000
        })
    );
    for (name, value) in [
        ("correlation_id", "c-1"),
        ("source_system", "tests"),
        ("unique_record_key", "k1,k2"),
    ] {
        assert_eq!(info["data"][name], value);
    }
}

#[tokio::test]
async fn after_close_no_chunk_is_accepted_but_pending_ones_are_computed_and_can_be_pulled() {
    let (emulator, client) = slow().await;
    let id = client.batch(ECHO).await;
    client.push(&id, json!([echo_chunk("a", 10)])).await.ok();
    client.update(&id, "closed").await.ok();
    assert_eq!(client.status(&id).await["batch_status"], "closed");
    client
        .push(&id, json!([echo_chunk("b", 1)]))
        .await
        .refused(409, "the batch is closed");
    assert_eq!(ids(&client.pull(&id).await.ok()), [""; 0]);
    emulator.advance(Duration::from_secs(10));
    let status = client.status(&id).await;
    assert_eq!(
        (&status["batch_status"], &status["pipeline_status"]),
        (&json!("completed"), &json!("closed"))
    );
    assert_eq!(ids(&client.pull(&id).await.ok()), ["a"]);
}

#[tokio::test]
async fn close_and_cancel_can_be_repeated_but_not_undone() {
    let emulator = Emulator::start().await.unwrap();
    let client = Client::new(&emulator);
    let id = client.batch(ECHO).await;
    client.update(&id, "closed").await.ok();
    client.update(&id, "closed").await.ok();
    client.update(&id, "cancelled").await.ok();
    client.update(&id, "cancelled").await.ok();
    client
        .update(&id, "closed")
        .await
        .refused(409, "the batch is cancelled");
}

#[tokio::test]
async fn cancel_drops_everything() {
    let (emulator, client) = slow().await;
    let id = client.batch(ECHO).await;
    client
        .push(&id, json!([echo_chunk("a", 1), echo_chunk("b", 9)]))
        .await
        .ok();
    emulator.advance(Duration::from_secs(1));
    assert_eq!(client.status(&id).await["chunks_available"], 1);
    let cancelled = client.update(&id, "cancelled").await.ok();
    assert_eq!(cancelled["data"]["batch_status"], "cancelled");
    let status = client.status(&id).await;
    for name in [
        "chunks_available",
        "input_buffer_used_bytes",
        "output_buffer_used_bytes",
        "workers_in_use",
    ] {
        assert_eq!(status[name], 0, "{name}");
    }
    client
        .pull(&id)
        .await
        .refused(409, "the batch is cancelled");
    client
        .push(&id, json!([echo_chunk("c", 1)]))
        .await
        .refused(409, "the batch is cancelled");
}

#[tokio::test]
async fn a_batch_idle_for_30_minutes_is_closed_by_the_system() {
    let (emulator, client) = slow().await;
    let id = client.batch(ECHO).await;
    client.push(&id, json!([echo_chunk("a", 60)])).await.ok();
    // A minute of work, and then 30 minutes without use.
    emulator.advance(Duration::from_secs(60 + 30 * 60 - 1));
    assert_eq!(client.status(&id).await["batch_status"], "in_progress");
    emulator.advance(Duration::from_secs(1));
    let status = client.status(&id).await;
    assert_eq!(status["batch_status"], "closed_by_timeout");
    assert_eq!(status["chunks_available"], 0);
    assert_eq!(ids(&client.pull(&id).await.ok()), [""; 0]);
    client
        .push(&id, json!([echo_chunk("b", 1)]))
        .await
        .refused(409, "closed_by_timeout");
    client
        .update(&id, "closed")
        .await
        .refused(409, "closed_by_timeout");
}

#[tokio::test]
async fn push_and_pull_keep_a_batch_alive_and_reading_does_not_unless_it_is_set() {
    for reading in [false, true] {
        let emulator = Emulator::builder()
            .time_scale(0.0)
            .reading_keeps_alive(reading)
            .start()
            .await
            .unwrap();
        let client = Client::new(&emulator);
        let id = client.batch(ECHO).await;
        for _ in 0..3 {
            emulator.advance(Duration::from_secs(20 * 60));
            client.push(&id, json!([echo_chunk("a", 1)])).await.ok();
            emulator.advance(Duration::from_secs(20 * 60));
            client.pull(&id).await.ok();
        }
        emulator.advance(Duration::from_secs(20 * 60));
        client.info(&id).await;
        client.status(&id).await;
        emulator.advance(Duration::from_secs(20 * 60));
        let expected = if reading {
            "in_progress"
        } else {
            "closed_by_timeout"
        };
        assert_eq!(client.status(&id).await["batch_status"], expected);
    }
}

#[tokio::test]
async fn a_closed_batch_whose_results_nobody_pulls_is_completed_by_timeout() {
    let (emulator, client) = slow().await;
    let id = client.batch(ECHO).await;
    client.push(&id, json!([echo_chunk("a", 1)])).await.ok();
    client.update(&id, "closed").await.ok();
    emulator.advance(Duration::from_secs(31 * 60));
    assert_eq!(
        client.status(&id).await["batch_status"],
        "completed_by_timeout"
    );
    assert_eq!(ids(&client.pull(&id).await.ok()), [""; 0]);
}

#[tokio::test]
async fn a_batch_that_delivered_everything_stays_completed() {
    let (emulator, client) = slow().await;
    let id = client.batch(ECHO).await;
    client.push(&id, json!([echo_chunk("a", 1)])).await.ok();
    client.update(&id, "closed").await.ok();
    emulator.advance(Duration::from_secs(1));
    assert_eq!(ids(&client.pull(&id).await.ok()), ["a"]);
    emulator.advance(Duration::from_secs(24 * 3600));
    assert_eq!(client.status(&id).await["batch_status"], "completed");
}

#[tokio::test]
async fn describe_shows_what_is_in_progress_and_what_ended_within_the_hour() {
    let (emulator, client) = slow().await;
    let ended = client.batch(ECHO).await;
    client.update(&ended, "cancelled").await.ok();
    let open = client.batch(ECHO).await;
    client
        .push(&open, json!([echo_chunk("a", 2), echo_chunk("b", 3)]))
        .await
        .ok();
    emulator.advance(Duration::from_secs(2));

    let listed = |described: &Value, name: &str| -> Vec<String> {
        described[name]
            .as_array()
            .unwrap()
            .iter()
            .map(|batch| batch["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let described = client.describe().await;
    assert_eq!(listed(&described, "in_progress_batches"), [open.as_str()]);
    assert_eq!(listed(&described, "recent_batches"), [ended.as_str()]);
    let data = &described["in_progress_batches"][0]["data"];
    assert_eq!(data["batch_status"], "in_progress");
    assert_eq!(
        data["summary"],
        json!({ "records_submitted": 5, "records_failed": 0, "records_completed": 2, "compute_time_ms": 2000, "batch_time_ms": 2000 })
    );
    let tenant = &described["tenant"];
    assert_eq!(
        tenant["configuration"],
        json!({ "input_buffer_allocated_bytes": 100_000_000, "output_buffer_allocated_bytes": 100_000_000, "max_workers": 100 })
    );
    assert_eq!(tenant["status"]["workers_in_use"], 1);
    assert_eq!(tenant["status"]["input_buffer_used_bytes"], 0);
    assert!(
        tenant["status"]["output_buffer_used_bytes"]
            .as_u64()
            .unwrap()
            > 0
    );
    assert!(described["environment"]["update"].is_number());

    client.update(&open, "cancelled").await.ok();
    emulator.advance(Duration::from_secs(3600));
    assert_eq!(
        listed(&client.describe().await, "recent_batches"),
        [open.as_str()]
    );
    emulator.advance(Duration::from_secs(1));
    let described = client.describe().await;
    assert_eq!(described["recent_batches"], json!([]));
    assert_eq!(
        described["tenant"]["configuration"]["input_buffer_allocated_bytes"],
        0
    );
}

#[tokio::test]
async fn info_counts_chunks_records_bytes_and_time() {
    let half = Service::raw(|record, output| match record.fields()?.first() {
        Some((name, value)) if !value.get().contains("0001") => output.field(name, value),
        _ => Err("no".to_owned()),
    });
    let emulator = Emulator::builder()
        .service("my-folder/half", half)
        .time_scale(0.0)
        .time_per_record(Duration::from_millis(10))
        .time_per_chunk(Duration::from_millis(5))
        .start()
        .await
        .unwrap();
    let client = Client::new(&emulator);
    let id = client.batch("my-folder/half").await;
    let chunk = echo_chunk("a", 3);
    client.push(&id, json!([chunk])).await.ok();
    emulator.advance(Duration::from_millis(35));
    let summary = client.info(&id).await["data"]["summary"].clone();
    let output = summary["output_size_bytes"].clone();
    assert!(output.as_u64().unwrap() > 0);
    assert_eq!(
        summary,
        json!({
            "chunks_submitted": 1, "chunks_retried": 0, "chunks_completed": 1, "chunks_failed": 0, "records_retried": 0,
            "input_size_bytes": chunk.to_string().len(), "output_size_bytes": output, "avg_compute_time_ms": 35,
            "records_submitted": 3, "records_failed": 1, "records_completed": 3, "compute_time_ms": 35,
            "batch_time_ms": 35
        })
    );
    emulator.set_shapes(Shapes {
        completed_without_failed: true,
        ..Shapes::default()
    });
    assert_eq!(
        client.info(&id).await["data"]["summary"]["records_completed"],
        2
    );
    assert_eq!(client.status(&id).await["records_completed"], 2);
}

#[tokio::test]
async fn an_unknown_batch_is_not_found() {
    let emulator = Emulator::start().await.unwrap();
    let client = Client::new(&emulator);
    let id = "00000000-0000-4000-8000-000000000000";
    for path in ["", "/status", "/chunkresults"] {
        client
            .call(Method::GET, &format!("batch/{id}{path}"), None)
            .await
            .refused(404, id);
    }
    client
        .push(id, json!([echo_chunk("a", 1)]))
        .await
        .refused(404, id);
    client.update(id, "closed").await.refused(404, id);
}

#[tokio::test]
async fn an_unknown_service_is_not_found() {
    let emulator = Emulator::start().await.unwrap();
    let client = Client::new(&emulator);
    client
        .create(json!({ "service": "my-folder/nothing" }))
        .await
        .refused(404, "my-folder/nothing");
    client
        .create(json!({ "service": "my-folder/echo[9.9]" }))
        .await
        .refused(404, "my-folder/echo[9.9]");
}

#[tokio::test]
async fn sizes_beyond_all_measure_do_no_harm() {
    let emulator = Emulator::start().await.unwrap();
    let client = Client::new(&emulator);
    for _ in 0..3 {
        let size = json!(1e300);
        let body =
            json!({ "service": ECHO, "max_input_size_in_mb": size, "max_output_size_in_mb": size });
        client.create(body).await.ok();
    }
    let tenant = client.describe().await["tenant"].clone();
    assert_eq!(
        tenant["configuration"]["input_buffer_allocated_bytes"],
        u64::MAX
    );
}
