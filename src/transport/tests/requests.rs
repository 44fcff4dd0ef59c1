//! What is sent.

use super::*;

#[tokio::test]
async fn every_request_says_who_and_which() {
    let server = Server::start([json("{}")]);
    Calls::of(&client(&server))
        .push(Idempotency::NotIdempotent)
        .await
        .unwrap();
    let [seen] = &server.seen()[..] else { panic!() };
    assert_eq!(seen.method, "POST");
    assert_eq!(seen.target, format!("/my-tenant/api/v4/batch/{ID}/chunks"));
    assert_eq!(seen.body(), r#"{"chunks":[]}"#);
    let version = env!("CARGO_PKG_VERSION");
    for (name, value) in [
        ("x-synthetic-key", "my-key"),
        ("x-tenant-name", "my-tenant"),
        ("accept", "application/json"),
        ("content-type", "application/json"),
        ("user-agent", &format!("cspark-batches/{version}")),
    ] {
        assert_eq!(seen.header(name), [value], "{name}");
    }
    let [agent] = seen.header("x-spark-ua")[..] else {
        panic!()
    };
    assert!(
        agent.starts_with(&format!("agent=cspark-batches/{version}; env=")),
        "{agent}"
    );
    let [id] = seen.header("x-request-id")[..] else {
        panic!()
    };
    assert!(uuid::Uuid::parse_str(id).is_ok(), "{id}");
    for name in ["api-version", "authorization"] {
        assert!(seen.header(name).is_empty(), "{name}");
    }
}

#[tokio::test]
async fn credentials_of_each_kind() {
    let server = Server::start([json("{}")]);
    let new = || Client::builder().base_url(server.url("/t"));
    for (builder, key, authorization) in [
        (new().api_key("k"), vec!["k"], vec![]),
        (new().bearer_token("bearer abc"), vec![], vec!["Bearer abc"]),
        (new().api_key("open"), vec![], vec![]),
        (new().bearer_token("open"), vec![], vec![]),
    ] {
        Calls::of(&builder.build().unwrap()).status().await.unwrap();
        let [seen] = &server.seen()[..] else { panic!() };
        assert_eq!(seen.header("x-synthetic-key"), key);
        assert_eq!(seen.header("authorization"), authorization);
    }
}

#[tokio::test]
async fn own_agent_and_own_headers() {
    let server = Server::start([json(r#"{"status":"UP"}"#)]);
    let builder = builder(&server)
        .user_agent("my-program/2")
        .header("x-gateway", "pass");
    builder.build().unwrap().health().await.unwrap();
    let [seen] = &server.seen()[..] else { panic!() };
    assert!(seen.header("user-agent")[0].starts_with("my-program/2 cspark-batches/"));
    assert_eq!(seen.header("x-gateway"), ["pass"]);
}

#[tokio::test]
async fn health_needs_neither_tenant_nor_credentials() {
    let server = Server::start([json(r#"{"status":"UP"}"#), json(r#"{"status":"DOWN"}"#)]);
    let client = client(&server);
    assert!(client.health().await.unwrap().is_up());
    assert!(!client.health().await.unwrap().is_up());
    let seen = server.seen();
    assert_eq!(
        (seen[0].method.as_str(), seen[0].target.as_str()),
        ("GET", "/health")
    );
    assert!(seen[0].header("x-synthetic-key").is_empty());
}

#[tokio::test]
async fn a_pull_hands_up_the_bytes() {
    let server = Server::start([json(r#"{"data":[]}"#)]);
    let received = Calls::of(&client(&server)).pull().await.unwrap();
    assert_eq!(received.bytes(), r#"{"data":[]}"#);
    let [seen] = &server.seen()[..] else { panic!() };
    assert_eq!(
        seen.target,
        format!("/my-tenant/api/v4/batch/{ID}/chunkresults?max=7&max_chunks=7")
    );
    assert_eq!(seen.header("accept"), ["application/json"]);
    assert!(seen.header("content-type").is_empty());
}

#[tokio::test]
async fn raw_calls_have_everything_in_place() {
    let server = Server::start([status(503, ""), json(r#"{"batch_status":"created"}"#)]);
    let raw = client(&server).raw();
    raw.status(ID).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[1].header("x-synthetic-key"), ["my-key"]);
    assert_ne!(
        seen[0].header("x-request-id"),
        seen[1].header("x-request-id")
    );
}

#[tokio::test]
async fn raw_calls_show_refusals_whole_and_other_failures_in_words() {
    let server = Server::start([status(409, "why").header("x-more", "1"), Reply::Cut]);
    let raw = client(&server).raw();
    match raw
        .create(&serde_json::from_str(r#"{"service":"f/s"}"#).unwrap())
        .await
    {
        Err(progenitor_client::Error::UnexpectedResponse(response)) => {
            assert_eq!(response.status(), 409);
            assert_eq!(response.headers()["x-more"], "1");
            assert_eq!(response.text().await.unwrap(), "why");
        }
        other => panic!("{other:?}"),
    }
    match raw.push(ID, "{}").await {
        Err(progenitor_client::Error::Custom(message)) => {
            assert!(
                message.starts_with(&format!("push to batch {ID} failed: ")),
                "{message}"
            );
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_raw_update_is_called_what_it_does() {
    for (transition, name) in [("closed", "close"), ("cancelled", "cancel")] {
        let server = Server::start([status(200, "")]);
        let raw = client(&server).raw();
        let body = format!(r#"{{"batch_status":"{transition}"}}"#);
        match raw.update(ID, &serde_json::from_str(&body).unwrap()).await {
            Err(progenitor_client::Error::Custom(message)) => {
                let start = format!("{name} of batch {ID} failed: ");
                assert!(message.starts_with(&start), "{message}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn ids_that_change_the_path_are_not_sent() {
    let server = Server::start([json("{}")]);
    let client = client(&server);
    for id in [
        "", ".", "..", "a/b", "a\\b", "..\\..", "a\nb", "%2e%2e", "a?b", "a#b",
    ] {
        let typed = client.batches().of(id).status().await;
        assert_eq!(typed.unwrap_err().kind(), ErrorKind::Input, "{id:?}");
        let raw = client.raw();
        assert!(raw.status(id).await.is_err(), "{id:?}");
        assert!(raw.push(id, "{}").await.is_err(), "{id:?}");
        // `GET batch/status` is a call of its own, and `GET batch/` none at all.
        assert!(raw.info(id).await.is_err(), "{id:?}");
    }
    assert!(server.seen().is_empty());
}

#[cfg(feature = "gzip")]
#[tokio::test]
async fn bodies_are_compressed_on_request() {
    use std::io::Read as _;

    let server = Server::start([json("{}")]);
    let long = "x".repeat(5000);
    let client = builder(&server).compress_requests(true).build().unwrap();
    client.raw().push(ID, long.clone()).await.unwrap();
    client.raw().push(ID, "short").await.unwrap();
    self::client(&server)
        .raw()
        .push(ID, long.clone())
        .await
        .unwrap();
    let [packed, short, plain] = &server.seen()[..] else {
        panic!()
    };
    assert_eq!(packed.header("content-encoding"), ["gzip"]);
    assert!(packed.body.len() < 100);
    let mut text = String::new();
    flate2::read::GzDecoder::new(&packed.body[..])
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, long);
    for seen in [short, plain] {
        assert!(seen.header("content-encoding").is_empty());
    }
}

#[tokio::test]
async fn a_proxy_is_gone_through() {
    let proxy = Server::start([json(r#"{"status":"UP"}"#)]);
    let client = Client::builder()
        .base_url("http://spark.localhost:1/my-tenant")
        .api_key("my-key")
        .proxy(reqwest::Proxy::all(proxy.url("")).unwrap());
    assert!(client.build().unwrap().health().await.unwrap().is_up());
    assert_eq!(proxy.seen()[0].target, "http://spark.localhost:1/health");
}

#[tokio::test]
async fn a_client_of_the_users_own_is_used() {
    let server = Server::start([json("{}")]);
    let own = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .default_headers(
            [(http::HeaderName::from_static("x-own"), "1".parse().unwrap())]
                .into_iter()
                .collect(),
        );
    let client = builder(&server)
        .http_client(own.build().unwrap())
        .build()
        .unwrap();
    Calls::of(&client).status().await.unwrap();
    let [seen] = &server.seen()[..] else { panic!() };
    assert_eq!(seen.header("x-own"), ["1"]);
    assert_eq!(seen.header("x-synthetic-key"), ["my-key"]);
}
