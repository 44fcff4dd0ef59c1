//! The forms of the responses that the real world is known for.

use std::time::Duration;

use cspark_emulator::{Emulator, Envelope, NothingToPull, OptionalFields, Shapes};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Client, echo_chunk};

async fn start(shapes: Shapes) -> (Emulator, Client, String) {
    let emulator = Emulator::builder().shapes(shapes).start().await.unwrap();
    let client = Client::new(&emulator);
    let id = client.batch("my-folder/echo").await;
    (emulator, client, id)
}

#[tokio::test]
async fn nothing_to_pull_is_said_in_four_ways() {
    for form in [
        NothingToPull::EmptyList,
        NothingToPull::Null,
        NothingToPull::Absent,
        NothingToPull::BareStatus,
    ] {
        let (_emulator, client, id) = start(Shapes {
            nothing_to_pull: form,
            ..Shapes::default()
        })
        .await;
        let response = client.pull(&id).await.ok();
        let status = match form {
            NothingToPull::BareStatus => &response,
            _ => &response["status"],
        };
        assert_eq!(status["batch_status"], "created");
        let expected = match form {
            NothingToPull::EmptyList => Some(json!([])),
            NothingToPull::Null => Some(Value::Null),
            NothingToPull::Absent | NothingToPull::BareStatus => None,
        };
        assert_eq!(response.get("data"), expected.as_ref(), "{form:?}");
        // Where there is something, it comes as always.
        client.push(&id, json!([echo_chunk("a", 1)])).await.ok();
        assert_eq!(client.pull(&id).await.ok()["data"][0]["id"], "a");
    }
}

#[tokio::test]
async fn close_and_cancel_respond_under_data_or_meta() {
    for (envelope, there, not_there) in [
        (Envelope::Data, "data", "meta"),
        (Envelope::Meta, "meta", "data"),
    ] {
        let (_emulator, client, id) = start(Shapes {
            envelope,
            ..Shapes::default()
        })
        .await;
        for status in ["closed", "cancelled"] {
            let response = client.update(&id, status).await.ok();
            assert_eq!(response[there]["batch_status"], status);
            assert_eq!(response["id"], id.as_str());
            assert!(response.get(not_there).is_none());
        }
    }
}

#[tokio::test]
async fn a_status_can_be_one_that_nobody_knows() {
    let shapes = Shapes {
        batch_status: Some("idle".to_owned()),
        pipeline_status: Some("draining".to_owned()),
        ..Shapes::default()
    };
    let (_emulator, client, id) = start(shapes).await;
    let status = client.status(&id).await;
    assert_eq!(
        (&status["batch_status"], &status["pipeline_status"]),
        (&json!("idle"), &json!("draining"))
    );
    assert_eq!(client.info(&id).await["data"]["batch_status"], "idle");
    assert_eq!(
        client.describe().await["in_progress_batches"][0]["data"]["batch_status"],
        "idle"
    );
}

#[tokio::test]
async fn what_need_not_be_there_can_be_null_or_absent() {
    for form in [OptionalFields::Null, OptionalFields::Absent] {
        let (_emulator, client, id) = start(Shapes {
            optional_fields: form,
            ..Shapes::default()
        })
        .await;
        client.push(&id, json!([echo_chunk("a", 1)])).await.ok();
        let expected = (form == OptionalFields::Null).then_some(&Value::Null);
        let status = client.status(&id).await;
        for name in [
            "response_timestamp",
            "request_timestamp",
            "chunks_available",
            "chunks_submitted",
            "chunks_completed",
        ] {
            assert_eq!(status.get(name), expected, "{name}");
        }
        assert_eq!(status["record_submitted"], 1);
        let info = client.info(&id).await;
        for name in [
            "compiler_version",
            "correlation_id",
            "created_by",
            "updated_timestamp",
        ] {
            assert_eq!(info["data"].get(name), expected, "{name}");
        }
        assert_eq!(info["data"]["summary"].get("chunks_submitted"), expected);
        let result = client.pull(&id).await.ok()["data"][0].clone();
        for name in ["summary_output", "warnings", "errors", "process_time"] {
            assert_eq!(result.get(name), expected, "{name}");
        }
        assert_eq!(result["outputs"], json!([{ "n": "0000" }]));
    }
}

#[tokio::test]
async fn times_can_have_decimals_and_responses_can_have_new_fields() {
    let (emulator, client, id) = start(Shapes {
        fractional_times: true,
        unknown_fields: true,
        ..Shapes::default()
    })
    .await;
    client.push(&id, json!([echo_chunk("a", 1)])).await.ok();
    emulator.advance(Duration::from_secs(1));
    let status = client.status(&id).await;
    assert_eq!(status["compute_time_ms"], 0.25);
    assert!(status["a_field_of_tomorrow"].is_object());
    let pulled = client.pull(&id).await;
    assert!(pulled.text.contains("\"process_time\":[0.000]"));
    assert!(pulled.ok()["data"][0]["a_field_of_tomorrow"].is_object());
    assert!(client.info(&id).await["a_field_of_tomorrow"].is_object());
}

#[tokio::test]
async fn responses_are_compressed_for_clients_that_accept_it_where_that_is_set() {
    for gzip in [false, true] {
        let emulator = Emulator::builder().gzip(gzip).start().await.unwrap();
        let client = Client::new(&emulator);
        let id = client.batch("my-folder/echo").await;
        for accepts in ["gzip", "gzip;q=0", "br, GZIP;q=0.5", "identity"] {
            client.push(&id, json!([echo_chunk("a", 500)])).await.ok();
            let client = Client::new(&emulator).with_header("accept-encoding", accepts);
            let received = client
                .try_bytes(Method::GET, &format!("batch/{id}/chunkresults"))
                .await;
            let compressed = received
                .0
                .get("content-encoding")
                .is_some_and(|value| value == "gzip");
            assert_eq!(
                compressed,
                gzip && matches!(accepts, "gzip" | "br, GZIP;q=0.5"),
                "{accepts}"
            );
            assert_eq!(received.1.starts_with(&[0x1f, 0x8b]), compressed);
        }
        client.push(&id, json!([echo_chunk("a", 500)])).await.ok();
        assert_eq!(client.pull(&id).await.ok()["data"][0]["id"], "a");
    }
}

#[tokio::test]
async fn compressed_requests_are_accepted() {
    let (emulator, client, id) = start(Shapes::default()).await;
    let chunk = echo_chunk("a", 500);
    let body = json!({ "chunks": [chunk] }).to_string();
    let compressed = crate::support::gzip(body.as_bytes());
    let sender = Client::new(&emulator).with_header("content-encoding", "gzip");
    let path = format!("/my-tenant/api/v4/batch/{id}/chunks");
    let status = sender
        .send(Method::POST, &path, Some(compressed.clone()))
        .await
        .unwrap()
        .ok();
    assert_eq!(status["record_submitted"], 500);
    assert_eq!(
        client.info(&id).await["data"]["summary"]["input_size_bytes"],
        chunk.to_string().len()
    );
    assert_eq!(
        emulator
            .traffic(cspark_emulator::Operation::Push)
            .request_bytes,
        compressed.len() as u64
    );
}

#[tokio::test]
async fn timestamps_are_rfc_3339() {
    let (_emulator, client, id) = start(Shapes::default()).await;
    for name in ["response_timestamp", "request_timestamp"] {
        let text = client.status(&id).await[name].as_str().unwrap().to_owned();
        assert!(
            text.ends_with('Z') && text.len() == "1970-12-03T04:56:12.186Z".len(),
            "{text}"
        );
        text.parse::<jiff::Timestamp>().unwrap();
    }
}
