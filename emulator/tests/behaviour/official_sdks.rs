//! What the official SDKs send day by day.

use cspark_emulator::{Emulator, Operation, Strictness};
use serde_json::{Value, json};

use crate::support::{Client, ids};

const ECHO: &str = "my-folder/echo";
const PYTHON: &str = "agent=spark-python-sdk/0.3.3; env=Python/3.11.2";

const TYPESCRIPT: &str = "agent=spark-ts-sdk/0.4.0; env=Node/22.11.0";

/// An emulator, and a client that says that it is the Python SDK.
async fn start(strictness: Strictness) -> (Emulator, Client, String) {
    let emulator = Emulator::builder()
        .strictness(strictness)
        .start()
        .await
        .unwrap();
    let client = Client::new(&emulator).with_header("x-spark-ua", PYTHON);
    let id = client.batch(ECHO).await;
    (emulator, client, id)
}

fn chunk(id: &str, size: usize, inputs: Value) -> Value {
    json!({ "id": id, "size": size, "data": { "inputs": inputs } })
}

#[tokio::test]
async fn a_size_with_the_header_row_is_accepted_from_them_and_noted() {
    let (emulator, client, id) = start(Strictness::default()).await;
    let chunks = json!([chunk("a", 3, json!([["n"], [1], [2]]))]);
    let received = client.push(&id, chunks).await;
    let message =
        "chunks[0].size: is 3, but inputs holds 2 records (the header row does not count)";
    assert_eq!(received.headers["x-emulator-mistakes"], message);
    assert_eq!(received.ok()["record_submitted"], 2);
    let mistakes = emulator.mistakes();
    assert_eq!(mistakes.len(), 1);
    assert_eq!(mistakes[0].operation, Operation::Push);
    assert_eq!(mistakes[0].batch_id.as_deref(), Some(id.as_str()));
    assert_eq!(mistakes[0].message, message);
    assert_eq!(
        mistakes[0].to_string(),
        format!("push of batch {id}: {message}")
    );
    let outputs = client.pull(&id).await.ok()["data"][0]["outputs"].clone();
    assert_eq!(outputs, json!([{ "n": 1 }, { "n": 2 }]));

    let client = Client::new(&emulator).with_header("x-spark-ua", TYPESCRIPT);
    let chunks = json!([chunk("b", 2, json!([["n"], [3]]))]);
    assert_eq!(client.push(&id, chunks).await.ok()["record_submitted"], 3);
}

#[tokio::test]
async fn the_last_chunk_of_create_chunks_can_have_a_header_and_no_records() {
    let (emulator, client, id) = start(Strictness::default()).await;
    let chunks = json!([
        chunk("a", 2, json!([["n"], [1], [2]])),
        chunk("b", 1, json!([["n"]])),
    ]);
    let status = client.push(&id, chunks).await.ok();
    assert_eq!(status["record_submitted"], 2);
    assert_eq!(status["chunks_submitted"], 2);
    assert_eq!(emulator.mistakes().len(), 2);
    let pulled = client.pull(&id).await.ok();
    assert_eq!(ids(&pulled), ["a", "b"]);
    for list in ["outputs", "errors", "warnings", "process_time"] {
        assert_eq!(pulled["data"][1][list], json!([]), "{list}");
    }
    let summary = &client.info(&id).await["data"]["summary"];
    assert_eq!(summary["chunks_failed"], 0);
}

#[tokio::test]
async fn a_retry_can_repeat_the_id_of_its_request() {
    let (emulator, client, _) = start(Strictness::default()).await;
    let id = "11111111-2222-4333-8444-555555555555";
    let client = client.with_header("x-request-id", id);
    client.describe().await;
    client.describe().await;
    let mistakes = emulator.mistakes();
    assert_eq!(mistakes.len(), 1);
    assert!(mistakes[0].message.contains("was used before"));
}

#[tokio::test]
async fn other_mistakes_and_other_clients_are_refused() {
    let (emulator, client, id) = start(Strictness::default()).await;
    let inputs = json!([["n"], [1], [2]]);
    for size in [0, 1, 4] {
        client
            .push(&id, json!([chunk("a", size, inputs.clone())]))
            .await
            .refused(400, "but inputs holds 2 records");
    }
    // A list of objects has no header that could be counted.
    let objects = json!([{ "n": 1 }, { "n": 2 }]);
    client
        .push(&id, json!([chunk("a", 3, objects)]))
        .await
        .refused(400, "but inputs holds 2 records");
    for agent in ["agent=cspark-batches/0.1.0; env=Linux", ""] {
        let client = Client::new(&emulator).with_header("x-spark-ua", agent);
        client
            .push(&id, json!([chunk("a", 3, inputs.clone())]))
            .await
            .refused(400, "size: is 3, but inputs holds 2 records");
        client
            .push(&id, json!([chunk("a", 1, json!([["n"]]))]))
            .await
            .refused(400, "holds a header row and no records");
    }
    assert_eq!(emulator.mistakes(), []);
}

#[tokio::test]
async fn a_strict_emulator_refuses_them_from_the_official_sdks_too() {
    let (emulator, client, id) = start(Strictness::Strict).await;
    client
        .push(&id, json!([chunk("a", 3, json!([["n"], [1], [2]]))]))
        .await
        .refused(400, "size: is 3, but inputs holds 2 records");
    assert_eq!(emulator.mistakes(), []);
}

#[tokio::test]
async fn a_lenient_emulator_accepts_any_size_and_notes_it() {
    let (emulator, client, id) = start(Strictness::Lenient).await;
    let chunks = json!([chunk("a", 7, json!([{ "n": 1 }]))]);
    assert_eq!(client.push(&id, chunks).await.ok()["record_submitted"], 1);
    assert_eq!(emulator.mistakes().len(), 1);
}
