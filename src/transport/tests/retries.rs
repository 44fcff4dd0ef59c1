//! What is repeated, and what the error tells when nothing helped.

use super::*;

#[tokio::test]
async fn what_can_pass_is_repeated_where_that_is_safe() {
    let responses = [
        status(408, ""),
        status(429, ""),
        status(500, ""),
        status(502, "<html>"),
        status(503, ""),
        status(504, ""),
        status(200, "<html>not JSON"),
        status(200, ""),
        status(200, "{\"batch_status\":"),
    ];
    let cuts = [Fault::CutBefore, truncated("{}")];
    for failure in responses.map(Fault::from).into_iter().chain(cuts) {
        let server = scripted([failure.clone(), failure.clone(), json("{}").into()]);
        let calls = Calls::of(&client(&server));
        calls
            .status()
            .await
            .unwrap_or_else(|error| panic!("{failure:?}: {error}"));
        assert_eq!(server.requests().len(), 3, "{failure:?}");
    }
}

#[tokio::test]
async fn a_create_is_repeated_only_when_it_was_surely_not_processed() {
    let cases: [(Fault, bool, bool); 10] = [
        (status(429, "").into(), true, false),
        (
            status(503, "").header("retry-after", "0").into(),
            true,
            false,
        ),
        (status(503, "").into(), false, true),
        (status(500, "").into(), false, true),
        (status(502, "").into(), false, true),
        (status(504, "").into(), false, true),
        (Fault::CutBefore, false, true),
        (truncated("{}"), false, true),
        (status(200, "<html>").into(), false, true),
        (status(422, "").into(), false, false),
    ];
    for (failure, repeated, processed) in cases {
        let server = scripted([failure.clone(), json("{}").into()]);
        let result = Calls::of(&client(&server)).create().await;
        assert_eq!(result.is_ok(), repeated, "{failure:?}");
        assert_eq!(
            server.requests().len(),
            if repeated { 2 } else { 1 },
            "{failure:?}"
        );
        if let Err(error) = result {
            assert_eq!(error.may_have_been_processed(), processed, "{failure:?}");
        }
    }
}

#[tokio::test]
async fn a_push_is_repeated_if_the_layer_above_allows_it() {
    for (repeat, count) in [
        (Idempotency::NotIdempotent, 1),
        (Idempotency::Idempotent, 2),
    ] {
        let server = scripted([Fault::CutBefore, json("{}").into()]);
        let result = Calls::of(&client(&server)).push(repeat).await;
        assert_eq!(result.is_ok(), count == 2);
        let seen = server.requests();
        assert_eq!(seen.len(), count);
        assert!(seen.iter().all(|seen| seen.body == r#"{"chunks":[]}"#));
    }
}

#[tokio::test]
async fn zero_retries_means_one_request() {
    let server = scripted([status(503, "")]);
    let client = builder(&server)
        .retry(RetryPolicy::never())
        .build()
        .unwrap();
    assert!(Calls::of(&client).status().await.is_err());
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn the_error_tells_the_whole_story() {
    let response = status(503, " {\"error\":\n \"busy\"} ").header("x-retry-after", "0.001");
    let server = scripted([response]);
    let error = Calls::of(&client(&server)).status().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Service);
    assert_eq!(error.status(), Some(503));
    assert_eq!(error.operation(), Some(Operation::Status));
    assert_eq!(error.batch_id(), Some(ID));
    assert_eq!(error.attempts(), 3);
    assert_eq!(error.retry_after(), Some(Duration::from_millis(1)));
    assert_eq!(error.body_excerpt(), Some("{\"error\":\n \"busy\"}"));
    assert!(error.is_transient());
    let sent: Vec<String> = server
        .requests()
        .iter()
        .map(|seen| header(seen, "x-request-id")[0].to_owned())
        .collect();
    assert_eq!(error.request_ids(), sent);
    assert_eq!(
        sent.iter().collect::<std::collections::HashSet<_>>().len(),
        3
    );
    let text = error.to_string();
    assert!(
        text.starts_with(&format!(
            "status of batch {ID} failed: 503 Service Unavailable after 3 attempts in "
        )) && text.ends_with(r#" s: {"error": "busy"}"#),
        "{text}"
    );
}

#[tokio::test]
async fn statuses_have_kinds() {
    for (code, kind) in [
        (400, ErrorKind::Refused),
        (401, ErrorKind::Unauthorized),
        (403, ErrorKind::Forbidden),
        (404, ErrorKind::NotFound),
        (410, ErrorKind::NotFound),
        (409, ErrorKind::Refused),
        (413, ErrorKind::Refused),
        (429, ErrorKind::RateLimited),
        (501, ErrorKind::Service),
    ] {
        let server = scripted([status(code, "")]);
        let client = builder(&server)
            .retry(RetryPolicy::never())
            .build()
            .unwrap();
        let error = Calls::of(&client).status().await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (kind, Some(code)));
    }
}

#[tokio::test]
async fn nobody_listens() {
    // Bound and let go, so that the port is free.
    let address = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let client = Client::builder()
        .base_url(format!("http://{address}/t"))
        .api_key("k")
        .retry(RetryPolicy::default().interval(Duration::from_millis(1)))
        .build()
        .unwrap();
    let error = Calls::of(&client).create().await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Connect, 3));
    assert!(error.is_transient() && !error.may_have_been_processed());
    assert!(error.to_string().contains("refused"), "{error}");
    assert!(error.get_ref().is_some());
}

/// Lets this time pass as soon as the nth request has arrived.
async fn wait_out(emulator: &Emulator, nth: u64, time: Duration) {
    while emulator.total_traffic().requests < nth {
        tokio::task::yield_now().await;
    }
    skip(time).await;
}

#[tokio::test]
async fn an_attempt_has_its_time() {
    let server = scripted([Fault::HangBefore]);
    let limit = Duration::from_secs(50);
    let client = builder(&server)
        .request_timeout(limit)
        .retry(
            RetryPolicy::default()
                .max_retries(1)
                .interval(Duration::from_millis(1)),
        )
        .build()
        .unwrap();
    let calls = Calls::of(&client);
    let attempts = async {
        wait_out(&server, 1, limit).await;
        wait_out(&server, 2, limit).await;
    };
    let error = tokio::join!(calls.status(), attempts).0.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Timeout, 2));
    assert!(error.may_have_been_processed() && error.is_transient());
    assert!(error.to_string().contains("50 s"), "{error}");
}

#[tokio::test]
async fn a_call_has_its_time() {
    let busy = status(500, "").header("retry-after", "0");
    let server = scripted([busy.into(), Fault::HangBefore]);
    let limit = Duration::from_secs(200);
    let client = builder(&server).operation_timeout(limit).build().unwrap();
    let calls = Calls::of(&client);
    let error = tokio::join!(calls.status(), wait_out(&server, 2, limit))
        .0
        .unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Timeout, 2));
    assert!(error.may_have_been_processed());
    assert_eq!(error.request_ids().len(), server.requests().len());
}

#[tokio::test]
async fn what_an_earlier_attempt_may_have_done_is_not_forgotten() {
    let server = scripted([Fault::CutBefore, status(409, "already closed").into()]);
    let error = Calls::of(&client(&server)).close().await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Refused, 2));
    assert!(error.may_have_been_processed());
}

#[tokio::test]
async fn a_malformed_pull_is_not_repeated_and_not_lost() {
    for body in ["{\"data\":[{\"id\":1}]}", "{\"data\": [", "<html>", ""] {
        let server = scripted([json(body)]);
        let received = Calls::of(&client(&server)).pull().await.unwrap();
        let error = received.json::<Strict>().unwrap_err();
        assert_eq!(server.requests().len(), 1);
        assert_eq!(
            (error.kind(), error.status()),
            (ErrorKind::Decode, Some(200))
        );
        assert_eq!(error.response_body().unwrap(), body);
        assert_eq!((error.attempts(), error.batch_id()), (1, Some(ID)));
        assert!(error.may_have_been_processed());
    }
}

#[tokio::test]
async fn a_pull_whose_response_was_lost_is_repeated_only_if_the_layer_above_allows_it() {
    for (repeat, count) in [
        (Idempotency::NotIdempotent, 1),
        (Idempotency::Idempotent, 2),
    ] {
        let server = scripted([truncated("{\"da"), json("{}").into()]);
        let result = Calls::of(&client(&server)).pull_as(repeat).await;
        assert_eq!(server.requests().len(), count);
        match result {
            Ok(_) => assert_eq!(count, 2),
            Err(error) => assert!(
                error.may_have_been_processed() && error.is_transient(),
                "{error}"
            ),
        }
    }
}

#[tokio::test]
async fn decode_errors_name_the_field() {
    let server = scripted([json(r#"{"data":[{"id":"a"},{"id":false}]}"#)]);
    let error = Calls::of(&client(&server))
        .pull()
        .await
        .unwrap()
        .json::<Strict>()
        .unwrap_err();
    assert!(error.to_string().contains("`data[1].id`"), "{error}");
    let server = scripted([json(r#"{"status":3}"#)]);
    let error = client(&server).health().await.unwrap_err();
    assert!(error.to_string().contains("`status`"), "{error}");
    assert_eq!(
        (error.kind(), error.status()),
        (ErrorKind::Decode, Some(200))
    );
    assert_eq!(error.body_excerpt(), Some(r#"{"status":3}"#));
    assert!(!error.is_transient());
}

#[derive(Debug, serde::Deserialize)]
struct Strict {
    #[allow(dead_code, reason = "only read")]
    data: Vec<StrictItem>,
}

#[derive(Debug, serde::Deserialize)]
struct StrictItem {
    #[allow(dead_code, reason = "only read")]
    id: String,
}
