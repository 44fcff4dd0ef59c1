//! What the API does not allow is refused with a message that names it.

use cspark_emulator::{Emulator, Strictness};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Client, Received, echo_chunk};

async fn start() -> (Emulator, Client, String) {
    let emulator = Emulator::start().await.unwrap();
    let client = Client::new(&emulator);
    let id = client.batch("my-folder/echo").await;
    (emulator, client, id)
}

async fn raw(client: &Client, method: Method, path: &str, body: &str) -> Received {
    client
        .send(
            method,
            &format!("/my-tenant/api/v4/{path}"),
            Some(body.to_owned()),
        )
        .await
        .unwrap()
}

#[tokio::test]
async fn in_create() {
    let (_emulator, client, _) = start().await;
    let service = "my-folder/echo";
    for (body, message) in [
        (json!({}), "service: is missing"),
        (json!([]), "the body: invalid type: sequence"),
        (json!({ "service": null }), "service: invalid type: null"),
        (json!({ "service": "" }), "service: is empty"),
        (json!({ "service": 1 }), "service: invalid type: integer"),
        (
            json!({ "service": service, "maxRunners": 1 }),
            "maxRunners: unknown field `maxRunners`",
        ),
        (
            json!({ "service": service, "max_workers": null }),
            "max_workers: invalid type: null",
        ),
        (
            json!({ "service": service, "max_workers": 0 }),
            "max_workers: must be at least 1",
        ),
        (
            json!({ "service": service, "max_workers": 1.0 }),
            "max_workers: invalid type: floating point",
        ),
        (
            json!({ "service": service, "acceptable_error_percentage": 101 }),
            "between 0 and 100",
        ),
        (
            json!({ "service": service, "max_input_size_in_mb": -1 }),
            "max_input_size_in_mb: must be more than 0",
        ),
        (
            json!({ "service": service, "unique_record_key": ["a"] }),
            "unique_record_key: invalid type: sequence",
        ),
        (
            json!({ "service": service, "version_by_timestamp": "yesterday" }),
            "version_by_timestamp: \"yesterday\"",
        ),
    ] {
        client.create(body).await.refused(400, message);
    }
    raw(&client, Method::POST, "batch", "{\"service\":")
        .await
        .refused(400, "EOF");
    raw(&client, Method::POST, "batch", "")
        .await
        .refused(400, "the body");
    raw(
        &client,
        Method::POST,
        "batch",
        "{\"service\":\"a\",\"service\":\"b\"}",
    )
    .await
    .refused(400, "duplicate field `service`");
}

#[tokio::test]
async fn in_push() {
    let (_emulator, client, id) = start().await;
    let chunk = |data: Value| json!({ "chunks": [{ "id": "a", "size": 1, "data": data }] });
    for (body, message) in [
        (json!([]), "the body: invalid type: sequence"),
        (json!({}), "missing field `chunks`"),
        (json!({ "chunks": [] }), "chunks: is empty"),
        (json!({ "chunks": null }), "chunks: invalid type: null"),
        (
            json!({ "chunks": [echo_chunk("a", 1), 7] }),
            "chunks[1]: invalid type: integer",
        ),
        (
            json!({ "chunks": [{ "size": 1, "data": { "inputs": [{}] } }] }),
            "chunks[0]: missing field `id`",
        ),
        (
            json!({ "chunks": [{ "id": "", "size": 1, "data": { "inputs": [{}] } }] }),
            "chunks[0].id: is empty",
        ),
        (
            json!({ "chunks": [{ "id": null, "size": 1, "data": { "inputs": [{}] } }] }),
            "chunks[0].id: invalid type: null",
        ),
        (
            json!({ "chunks": [{ "id": "a", "data": { "inputs": [{}] } }] }),
            "chunks[0]: missing field `size`",
        ),
        (
            json!({ "chunks": [{ "id": "a", "size": "1", "data": { "inputs": [{}] } }] }),
            "chunks[0].size: invalid type",
        ),
        (
            json!({ "chunks": [{ "id": "a", "size": 1 }] }),
            "chunks[0]: missing field `data`",
        ),
        (
            json!({ "chunks": [{ "id": "a", "size": 1, "data": { "inputs": [{}] }, "x": 1 }] }),
            "unknown field `x`",
        ),
        (chunk(json!({})), "chunks[0].data: missing field `inputs`"),
        (
            chunk(json!({ "inputs": null })),
            "chunks[0].data.inputs: invalid type: null",
        ),
        (
            chunk(json!({ "inputs": {} })),
            "chunks[0].data.inputs: invalid type: map",
        ),
        (
            chunk(json!({ "inputs": [] })),
            "chunks[0].data.inputs: holds no records",
        ),
        (
            chunk(json!({ "inputs": [["a"]] })),
            "chunks[0].data.inputs: holds a header row and no records",
        ),
        (
            chunk(json!({ "inputs": [1] })),
            "chunks[0].data.inputs[0]: must be the header row of a table, or an object",
        ),
        (
            chunk(json!({ "inputs": [["a"], { "a": 1 }] })),
            "chunks[0].data.inputs[1]: differs in kind",
        ),
        (
            chunk(json!({ "inputs": [[1], [2]] })),
            "chunks[0].data.inputs[0]: must hold the column names",
        ),
        (
            chunk(json!({ "inputs": [["a", "a"], [1, 2]] })),
            "names the column \"a\" twice",
        ),
        (
            chunk(json!({ "inputs": [{}], "parameters": [] })),
            "chunks[0].data.parameters: invalid type: sequence",
        ),
        (
            chunk(json!({ "inputs": [{}], "summary": [] })),
            "chunks[0].data.summary: invalid type: sequence",
        ),
        (
            chunk(json!({ "inputs": [{}], "summary": { "ignoreError": true } })),
            "unknown field `ignoreError`",
        ),
        (
            chunk(json!({ "inputs": [{}], "summary": { "ignore_error": null } })),
            "ignore_error: invalid type: null",
        ),
        (
            chunk(
                json!({ "inputs": [{}], "summary": { "aggregation": [{ "output_name": "a" }] } }),
            ),
            "chunks[0].data.summary.aggregation[0]: missing field `operator`",
        ),
        (
            chunk(
                json!({ "inputs": [{}], "summary": { "aggregation": [{ "output_name": "a", "operator": "XOR" }] } }),
            ),
            "chunks[0].data.summary.aggregation[0].operator: \"XOR\" is unknown",
        ),
        (
            chunk(json!({ "inputs": [{}, {}] })),
            "chunks[0].size: is 1, but inputs holds 2 records",
        ),
    ] {
        raw(
            &client,
            Method::POST,
            &format!("batch/{id}/chunks"),
            &body.to_string(),
        )
        .await
        .refused(400, message);
    }
    assert_eq!(client.status(&id).await["chunks_submitted"], 0);
}

#[tokio::test]
async fn in_pull() {
    let (_emulator, client, id) = start().await;
    for (query, message) in [
        ("?max=0", "query parameter max: \"0\""),
        ("?max=-1", "query parameter max"),
        ("?max=many", "query parameter max: \"many\""),
        ("?max_chunks=1.5", "query parameter max_chunks"),
        ("?max=1&max_chunks=2", "they mean the same, but differ"),
        ("?limit=1", "query parameter limit: is unknown"),
    ] {
        client
            .try_pull(&id, query)
            .await
            .unwrap()
            .refused(400, message);
    }
}

#[tokio::test]
async fn in_close_and_cancel() {
    let (_emulator, client, id) = start().await;
    let path = format!("batch/{id}");
    for (body, message) in [
        ("{}", "missing field `batch_status`"),
        ("{\"batch_status\":null}", "batch_status"),
        ("{\"batch_status\":\"open\"}", "unknown variant `open`"),
        (
            "{\"batch_status\":\"closed\",\"force\":true}",
            "force: unknown field `force`",
        ),
    ] {
        raw(&client, Method::PATCH, &path, body)
            .await
            .refused(400, message);
    }
    assert_eq!(client.status(&id).await["batch_status"], "created");
}

#[tokio::test]
async fn paths_methods_and_tenants_that_there_are_not() {
    let (_emulator, client, id) = start().await;
    let none = None::<String>;
    for path in [
        "/",
        "/nothing",
        "/my-tenant/api/v3/batch",
        "/my-tenant/api/v4/batches",
        "/my-tenant/api/v4/batch/a/b",
    ] {
        client
            .send(Method::GET, path, none.clone())
            .await
            .unwrap()
            .refused(404, path);
    }
    client
        .send(Method::GET, "/other/api/v4/batch/status", none.clone())
        .await
        .unwrap()
        .refused(404, "no tenant \"other\"");
    for (method, path, allow) in [
        (Method::GET, "/my-tenant/api/v4/batch".to_owned(), "POST"),
        (
            Method::POST,
            "/my-tenant/api/v4/batch/status".to_owned(),
            "GET",
        ),
        (
            Method::DELETE,
            format!("/my-tenant/api/v4/batch/{id}"),
            "GET, PATCH",
        ),
        (
            Method::PUT,
            format!("/my-tenant/api/v4/batch/{id}/chunks"),
            "POST",
        ),
        (
            Method::POST,
            format!("/my-tenant/api/v4/batch/{id}/chunkresults"),
            "GET",
        ),
        (Method::POST, "/health".to_owned(), "GET"),
    ] {
        let received = client
            .send(method.clone(), &path, none.clone())
            .await
            .unwrap();
        assert_eq!(received.headers["allow"], allow);
        received.refused(405, method.as_str());
    }
}

#[tokio::test]
async fn headers_that_are_missing_or_wrong() {
    let (emulator, _, _) = start().await;
    for name in ["user-agent", "x-tenant-name"] {
        let mut client = Client::new(&emulator);
        client.headers.remove(name);
        client
            .call(Method::GET, "batch/status", None)
            .await
            .refused(400, &format!("header {name}: is missing"));
    }
    let client = Client::new(&emulator).with_header("x-request-id", "");
    client
        .call(Method::GET, "batch/status", None)
        .await
        .refused(400, "header x-request-id: is missing");
    let client = Client::new(&emulator).with_header("x-request-id", "17");
    client
        .call(Method::GET, "batch/status", None)
        .await
        .refused(400, "\"17\" is not a UUID");
    let client = Client::new(&emulator).with_header("x-tenant-name", "other");
    client
        .call(Method::GET, "batch/status", None)
        .await
        .refused(400, "\"other\" is not the tenant in the path");

    let id = "11111111-2222-4333-8444-555555555555";
    let client = Client::new(&emulator).with_header("x-request-id", id);
    let first = client.call(Method::GET, "batch/status", None).await;
    assert_eq!(first.headers["x-request-id"], id);
    first.ok();
    client
        .call(Method::GET, "batch/status", None)
        .await
        .refused(400, "was used before");

    let emulator = Emulator::builder()
        .strictness(Strictness::Lenient)
        .start()
        .await
        .unwrap();
    let mut client = Client::new(&emulator);
    client.headers.clear();
    client.describe().await;
}

#[tokio::test]
async fn bodies_of_another_type_and_where_there_must_be_none() {
    let (emulator, client, id) = start().await;
    let text = Client::new(&emulator).with_header("content-type", "text/plain");
    text.create(json!({ "service": "my-folder/echo" }))
        .await
        .refused(415, "application/json");
    let json =
        Client::new(&emulator).with_header("content-type", "application/json; charset=utf-8");
    json.create(json!({ "service": "my-folder/echo" }))
        .await
        .ok();
    raw(&client, Method::GET, &format!("batch/{id}"), "{}")
        .await
        .refused(400, "has no body");
    client
        .call(Method::GET, &format!("batch/{id}?x=1"), None)
        .await
        .refused(400, "has no query parameters");
}

#[tokio::test]
async fn bodies_that_are_too_large_before_or_after_decompression() {
    let emulator = Emulator::builder()
        .most_body_bytes(1000)
        .start()
        .await
        .unwrap();
    let client = Client::new(&emulator);
    raw(&client, Method::POST, "batch", &" ".repeat(1001))
        .await
        .refused(413, "larger than 1000 bytes");
    raw(&client, Method::POST, "batch", &" ".repeat(1000))
        .await
        .refused(400, "EOF");
    let client = client.with_header("content-encoding", "gzip");
    let bomb = crate::support::gzip(&[b' '; 100_000]);
    assert!(bomb.len() < 1000);
    let received = client
        .send(Method::POST, "/my-tenant/api/v4/batch", Some(bomb))
        .await
        .unwrap();
    received.refused(413, "larger than 1000 bytes");
    raw(&client, Method::POST, "batch", "{}")
        .await
        .refused(400, "not valid gzip");
    let client = client.with_header("content-encoding", "br");
    raw(&client, Method::POST, "batch", "{}")
        .await
        .refused(415, "\"br\" is unknown");
}

#[tokio::test]
async fn deeply_nested_json() {
    let (_emulator, client, id) = start().await;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let body = format!(
        "{{\"chunks\":[{{\"id\":\"a\",\"size\":1,\"data\":{{\"inputs\":[[\"a\"],[{deep}]]}}}}]}}"
    );
    let received = raw(&client, Method::POST, &format!("batch/{id}/chunks"), &body).await;
    assert!(received.status.is_client_error() || received.status.is_success());
    client.status(&id).await;
}
