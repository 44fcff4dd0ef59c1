//! What is sent.

use std::pin::Pin;

use super::*;
use crate::config::RetryPolicy;

#[tokio::test]
async fn every_request_says_who_and_which() {
    let server = scripted([json("{}")]);
    Calls::of(&client(&server))
        .push(Idempotency::NotIdempotent)
        .await
        .unwrap();
    let [seen] = &server.requests()[..] else {
        panic!()
    };
    assert_eq!(seen.method, "POST");
    assert_eq!(target(seen), format!("/my-tenant/api/v4/batch/{ID}/chunks"));
    assert_eq!(seen.body, r#"{"chunks":[]}"#);
    let version = env!("CARGO_PKG_VERSION");
    for (name, value) in [
        ("x-synthetic-key", "my-key"),
        ("x-tenant-name", "my-tenant"),
        ("accept", "application/json"),
        ("content-type", "application/json"),
        ("user-agent", &format!("cspark-batches/{version}")),
    ] {
        assert_eq!(header(seen, name), [value], "{name}");
    }
    let [agent] = header(seen, "x-spark-ua")[..] else {
        panic!()
    };
    assert!(
        agent.starts_with(&format!("agent=cspark-batches/{version}; env=")),
        "{agent}"
    );
    let [id] = header(seen, "x-request-id")[..] else {
        panic!()
    };
    assert!(uuid::Uuid::parse_str(id).is_ok(), "{id}");
    for name in ["api-version", "authorization"] {
        assert!(header(seen, name).is_empty(), "{name}");
    }
}

#[tokio::test]
async fn credentials_of_each_kind() {
    let server = scripted([json("{}")]);
    let new = || Client::builder().base_url(server.base_url());
    for (builder, key, authorization) in [
        (new().api_key("k"), vec!["k"], vec![]),
        (new().bearer_token("bearer abc"), vec![], vec!["Bearer abc"]),
        (new().api_key("open"), vec![], vec![]),
        (new().bearer_token("open"), vec![], vec![]),
    ] {
        server.clear_requests();
        Calls::of(&builder.build().unwrap()).status().await.unwrap();
        let [seen] = &server.requests()[..] else {
            panic!()
        };
        assert_eq!(header(seen, "x-synthetic-key"), key);
        assert_eq!(header(seen, "authorization"), authorization);
    }
}

#[tokio::test]
async fn own_agent_and_own_headers() {
    let server = scripted([json(r#"{"status":"UP"}"#)]);
    let builder = builder(&server)
        .user_agent("my-program/2")
        .header("x-gateway", "pass");
    builder.build().unwrap().health().await.unwrap();
    let [seen] = &server.requests()[..] else {
        panic!()
    };
    assert!(header(seen, "user-agent")[0].starts_with("my-program/2 cspark-batches/"));
    assert_eq!(header(seen, "x-gateway"), ["pass"]);
}

#[tokio::test]
async fn health_needs_neither_tenant_nor_credentials() {
    let server = scripted([json(r#"{"status":"UP"}"#), json(r#"{"status":"DOWN"}"#)]);
    let client = client(&server);
    assert!(client.health().await.unwrap().is_up());
    assert!(!client.health().await.unwrap().is_up());
    let seen = server.requests();
    assert_eq!(
        (seen[0].method.as_str(), target(&seen[0]).as_str()),
        ("GET", "/health")
    );
    assert!(header(&seen[0], "x-synthetic-key").is_empty());
}

#[tokio::test]
async fn a_pull_hands_up_the_bytes() {
    let server = scripted([json(r#"{"data":[]}"#)]);
    let received = Calls::of(&client(&server)).pull().await.unwrap();
    assert_eq!(received.bytes(), r#"{"data":[]}"#);
    let [seen] = &server.requests()[..] else {
        panic!()
    };
    assert_eq!(
        target(seen),
        format!("/my-tenant/api/v4/batch/{ID}/chunkresults?max=7&max_chunks=7")
    );
    assert_eq!(header(seen, "accept"), ["application/json"]);
    assert!(header(seen, "content-type").is_empty());
}

#[tokio::test]
async fn raw_calls_have_everything_in_place() {
    let server = scripted([status(503, ""), json(r#"{"batch_status":"created"}"#)]);
    let raw = client(&server).raw();
    raw.status(ID).await.unwrap();
    let seen = server.requests();
    assert_eq!(seen.len(), 2);
    assert_eq!(header(&seen[1], "x-synthetic-key"), ["my-key"]);
    assert_ne!(
        header(&seen[0], "x-request-id"),
        header(&seen[1], "x-request-id")
    );
}

#[tokio::test]
async fn raw_calls_show_refusals_whole_and_other_failures_in_words() {
    let server = scripted([
        status(409, "why").header("x-more", "1").into(),
        Fault::CutBefore,
    ]);
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
        let server = scripted([status(200, "")]);
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
    let server = scripted([json("{}")]);
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
    assert!(server.requests().is_empty());
}

#[cfg(feature = "gzip")]
#[tokio::test]
async fn bodies_are_compressed_on_request() {
    let server = scripted([json("{}")]);
    let long = "x".repeat(5000);
    let client = builder(&server).compress_requests(true).build().unwrap();
    client.raw().push(ID, long.clone()).await.unwrap();
    client.raw().push(ID, "short").await.unwrap();
    self::client(&server)
        .raw()
        .push(ID, long.clone())
        .await
        .unwrap();
    let [packed, short, plain] = &server.requests()[..] else {
        panic!()
    };
    assert_eq!(header(packed, "content-encoding"), ["gzip"]);
    assert_eq!(packed.body, long);
    // Two of them are short, and one is long.
    let bytes = server.total_traffic().request_bytes;
    assert!((5000..5200).contains(&bytes), "{bytes}");
    for seen in [short, plain] {
        assert!(header(seen, "content-encoding").is_empty());
    }
}

#[tokio::test]
async fn a_proxy_is_gone_through() {
    let proxy = scripted([json(r#"{"status":"UP"}"#)]);
    let client = Client::builder()
        .base_url("http://spark.localhost:1/my-tenant")
        .api_key("my-key")
        .proxy(reqwest::Proxy::all(proxy.origin()).unwrap());
    assert!(client.build().unwrap().health().await.unwrap().is_up());
    let [seen] = &proxy.requests()[..] else {
        panic!()
    };
    assert_eq!(seen.path, "/health");
    assert_eq!(header(seen, "host"), ["spark.localhost:1"]);
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    let client = Client::builder()
        .base_url("http://spark.localhost:1/my-tenant")
        .api_key("my-key")
        .retry(RetryPolicy::never())
        .proxy(reqwest::Proxy::all(format!("http://{address}")).unwrap());
    let error = client.build().unwrap().health().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    let text = error.to_string();
    assert!(
        text.contains("spark.localhost:1 through the proxy in the settings: "),
        "{text}"
    );
    // A report of the whole chain says it once.
    assert!(std::error::Error::source(&error).is_none());
    assert!(error.get_ref().is_some());
}

#[tokio::test]
async fn a_client_of_the_users_own_is_used() {
    let server = scripted([json("{}")]);
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
    let [seen] = &server.requests()[..] else {
        panic!()
    };
    assert_eq!(header(seen, "x-own"), ["1"]);
    assert_eq!(header(seen, "x-synthetic-key"), ["my-key"]);
}

/// Adds a header, or fails without sending anything.
#[derive(Clone)]
struct Middleware(Option<&'static str>);

impl reqwest_middleware::Middleware for Middleware {
    // What the macro async_trait makes of it.
    fn handle<'s, 'e, 'n, 'f>(
        &'s self,
        mut request: reqwest::Request,
        extensions: &'e mut http::Extensions,
        next: reqwest_middleware::Next<'n>,
    ) -> Pin<Box<dyn Future<Output = reqwest_middleware::Result<reqwest::Response>> + Send + 'f>>
    where
        Self: 'f,
        's: 'f,
        'e: 'f,
        'n: 'f,
    {
        Box::pin(async move {
            if let Some(why) = self.0 {
                return Err(reqwest_middleware::Error::middleware(
                    std::io::Error::other(why),
                ));
            }
            request
                .headers_mut()
                .insert("x-own", http::HeaderValue::from_static("1"));
            next.run(request, extensions).await
        })
    }
}

fn with_middleware(builder: ClientBuilder, fails: Option<&'static str>) -> Client {
    let own = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy();
    let stack = reqwest_middleware::ClientBuilder::new(own.build().unwrap());
    let stack = stack.with(Middleware(fails)).build();
    let stack = tower::ServiceBuilder::new()
        .map_err(|error| -> Box<dyn std::error::Error + Send + Sync> {
            match error {
                reqwest_middleware::Error::Reqwest(error) => error.into(),
                reqwest_middleware::Error::Middleware(error) => error.into(),
            }
        })
        .layer(tower::limit::ConcurrencyLimitLayer::new(1))
        .service(stack);
    builder.http_service(stack).build().unwrap()
}

#[tokio::test]
async fn a_stack_of_the_users_own_is_used() {
    let server = scripted([json("{}")]);
    let client = with_middleware(builder(&server), None);
    Calls::of(&client).status().await.unwrap();
    let [seen] = &server.requests()[..] else {
        panic!()
    };
    assert_eq!(header(seen, "x-own"), ["1"]);
    assert_eq!(header(seen, "x-synthetic-key"), ["my-key"]);
}

#[tokio::test]
async fn failures_of_a_stack_of_the_users_own_are_told_apart() {
    let nowhere = || {
        let builder = Client::builder()
            .base_url("http://127.0.0.1:1/t")
            .api_key("k");
        builder.retry(RetryPolicy::never())
    };
    let refused = Calls::of(&with_middleware(nowhere(), None)).status().await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Connect);

    let broken = with_middleware(nowhere(), Some("no permit"));
    let error = Calls::of(&broken).status().await.unwrap_err();
    assert!(error.to_string().contains("no permit"), "{error}");
    assert!(error.may_have_been_processed());
}
