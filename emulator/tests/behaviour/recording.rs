//! What was asked can be looked up.

use cspark_emulator::{Emulator, Fault, Operation, Traffic};
use reqwest::Method;
use serde_json::json;

use crate::support::{Client, echo_chunk};

#[tokio::test]
async fn every_request_is_recorded_with_all_its_parts() {
    let emulator = Emulator::start().await.unwrap();
    let client = Client::new(&emulator).with_header("x-synthetic-key", "secret-key");
    let id = client.batch("my-folder/echo").await;
    client.push(&id, json!([echo_chunk("a", 1)])).await.ok();
    client.try_pull(&id, "?max=5").await.unwrap().ok();
    client.update(&id, "cancelled").await.ok();
    client.update(&id, "closed").await.refused(409, "cancelled");
    client
        .send(Method::GET, "/nothing", None::<String>)
        .await
        .unwrap();

    let requests = emulator.requests();
    let operations: Vec<_> = requests.iter().map(|request| request.operation).collect();
    use Operation::{Cancel, Close, Create, Pull, Push};
    assert_eq!(
        operations,
        [
            Some(Create),
            Some(Push),
            Some(Pull),
            Some(Cancel),
            Some(Close),
            None
        ]
    );
    let statuses: Vec<_> = requests
        .iter()
        .map(|request| request.status.unwrap())
        .collect();
    assert_eq!(statuses, [200, 200, 200, 200, 409, 404]);
    assert_eq!(requests[0].body, "{\"service\":\"my-folder/echo\"}");
    let pull = &requests[2];
    assert_eq!(
        (pull.method.as_str(), pull.query.as_deref()),
        ("GET", Some("max=5"))
    );
    assert_eq!(
        pull.path,
        format!("/my-tenant/api/v4/batch/{id}/chunkresults")
    );
    assert_eq!(pull.batch_id.as_deref(), Some(id.as_str()));
    assert_eq!(pull.header("X-Synthetic-Key"), Some("secret-key"));
    assert!(!format!("{requests:?}").contains("secret-key"));

    emulator.clear_requests();
    assert!(emulator.requests().is_empty());
}

#[tokio::test]
async fn a_request_without_a_response_is_recorded_without_a_status() {
    let emulator = Emulator::start().await.unwrap();
    let client = Client::new(&emulator);
    emulator.inject(Operation::Create, Fault::CutAfter);
    client
        .try_call(
            Method::POST,
            "batch",
            Some(json!({ "service": "my-folder/echo" })),
        )
        .await
        .unwrap_err();
    assert_eq!(emulator.requests()[0].status, None);
    assert_eq!(emulator.batch_ids().len(), 1);
}

#[tokio::test]
async fn only_the_latest_requests_are_kept_and_the_counters_count_them_all() {
    let emulator = Emulator::builder()
        .record(2, 1 << 20)
        .start()
        .await
        .unwrap();
    let client = Client::new(&emulator);
    let id = client.batch("my-folder/echo").await;
    let mut sent = 0;
    for n in 0..4 {
        let chunks = json!([echo_chunk(&n.to_string(), 3)]);
        sent += json!({ "chunks": chunks }).to_string().len() as u64;
        client.push(&id, chunks).await.ok();
    }
    let kept = emulator.requests();
    assert_eq!(kept.len(), 2);
    assert!(kept[1].body.starts_with(b"{\"chunks\":[{\"data\""));
    let pushes = emulator.traffic(Operation::Push);
    assert_eq!((pushes.requests, pushes.request_bytes), (4, sent));
    assert!(pushes.response_bytes > 0);
    assert_eq!(emulator.total_traffic().requests, 5);
    assert_eq!(emulator.traffic(Operation::Pull), Traffic::default());

    let emulator = Emulator::builder().record(0, 0).start().await.unwrap();
    Client::new(&emulator).describe().await;
    assert!(emulator.requests().is_empty());
    assert_eq!(emulator.traffic(Operation::Describe).requests, 1);
}

#[tokio::test]
async fn bodies_are_kept_up_to_a_number_of_bytes() {
    let emulator = Emulator::builder()
        .record(1000, 3000)
        .start()
        .await
        .unwrap();
    let client = Client::new(&emulator);
    let id = client.batch("my-folder/echo").await;
    for _ in 0..10 {
        client.push(&id, json!([echo_chunk("a", 100)])).await.ok();
    }
    let kept = emulator.requests();
    assert!(kept.iter().map(|request| request.body.len()).sum::<usize>() <= 3000);
    assert!(!kept.is_empty());
}
