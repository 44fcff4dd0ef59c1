//! Credentials, from the settings to the header of each request.

use std::time::Duration;

use cspark_batches::{ErrorKind, Push, RetryPolicy};
use cspark_emulator::{Emulator, Fault, Operation, Response};

use super::every_verb;
use crate::support::{SERVICE, cylinders, requests, settings};

#[tokio::test]
async fn every_verb_with_each_kind() {
    let emulator = Emulator::builder()
        .api_key("key")
        .bearer_token("token")
        .oauth_client("id", "secret")
        .start()
        .await
        .unwrap();
    for client in [
        settings(&emulator).api_key("key"),
        settings(&emulator).bearer_token("Bearer token"),
        settings(&emulator)
            .oauth("id", "secret")
            .token_url(emulator.token_url()),
    ] {
        every_verb(&client.build().unwrap()).await.unwrap();
    }
    assert_eq!(requests(&emulator, Operation::Token).len(), 1);
}

#[tokio::test]
async fn wrong_credentials_end_in_one_clear_error() {
    let emulator = Emulator::builder()
        .api_key("key")
        .oauth_client("id", "secret")
        .start()
        .await
        .unwrap();
    let wrong_key = settings(&emulator).api_key("other").build().unwrap();
    let error = wrong_key.batches().describe().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.status()),
        (ErrorKind::Unauthorized, Some(401))
    );

    let token_url = emulator.token_url();
    for (secret, url) in [
        ("other", token_url.clone()),
        (
            "secret",
            token_url.replace(emulator.tenant(), "no-such-realm"),
        ),
        ("secret", token_url.replace("token", "no-such-place")),
    ] {
        emulator.clear_requests();
        let client = settings(&emulator)
            .oauth("id", secret)
            .token_url(url)
            .build()
            .unwrap();
        let error = client.batches().create(SERVICE).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthorized, "{error}");
        assert!(
            error
                .to_string()
                .starts_with("create batch failed: no access token"),
            "{error}"
        );
        assert!(!error.is_transient() && !error.may_have_been_processed());
        assert_eq!(emulator.requests().len(), 1);
        assert!(requests(&emulator, Operation::Create).is_empty());
    }
}

#[tokio::test]
async fn an_error_says_which_kind_of_credentials_was_rejected() {
    let emulator = Emulator::builder().api_key("right").start().await.unwrap();
    let settings = || settings(&emulator);
    for (settings, kind) in [
        (settings().api_key("wrong"), "an API key"),
        (settings().bearer_token("wrong"), "a bearer token"),
        (settings().bearer_token("open"), "no credentials"),
    ] {
        let client = settings.build().unwrap();
        let error = client.batches().describe().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthorized);
        let message = error.to_string();
        let expected = format!("401 Unauthorized; the request had {kind}");
        assert!(message.contains(&expected), "{message}");
    }
}

#[tokio::test]
async fn an_error_says_that_a_client_secret_was_rejected() {
    let emulator = Emulator::builder().oauth_client("id", "right");
    let emulator = emulator.start().await.unwrap();
    let client = settings(&emulator).oauth("id", "wrong");
    let client = client.token_url(emulator.token_url()).build().unwrap();
    let response = Response::json(401, r#"{"error": "invalid_client"}"#);
    emulator.inject(Operation::Token, Fault::RespondBefore(response));
    let error = client.batches().describe().await.unwrap_err();
    let message = error.to_string();
    let expected = "401 Unauthorized; the request had a client id and secret";
    assert!(message.contains(expected), "{message}");
}

#[tokio::test]
async fn a_token_endpoint_that_is_down_is_asked_a_bounded_number_of_times() {
    let emulator = Emulator::builder()
        .oauth_client("id", "secret")
        .start()
        .await
        .unwrap();
    let client = settings(&emulator)
        .oauth("id", "secret")
        .token_url(emulator.token_url())
        .build()
        .unwrap();
    for _ in 0..3 {
        emulator.inject(
            Operation::Token,
            Fault::RespondBefore(Response::status(503)),
        );
    }
    let error = client.batches().describe().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Service);
    assert!(error.is_transient(), "{error}");
    assert_eq!(requests(&emulator, Operation::Token).len(), 3);
    assert!(requests(&emulator, Operation::Describe).is_empty());
    // The endpoint works again.
    client.batches().describe().await.unwrap();
}

#[tokio::test]
async fn tokens_are_renewed_before_they_expire_and_after_they_were_revoked() {
    let emulator = Emulator::builder()
        .oauth_client("id", "secret")
        .token_lifetime(Duration::from_secs(300))
        .start()
        .await
        .unwrap();
    let client = settings(&emulator)
        .oauth("id", "secret")
        .token_url(emulator.token_url())
        .retry(RetryPolicy::never())
        .build()
        .unwrap();
    let pipeline = client.batches().create(SERVICE).await.unwrap();
    pipeline.status().await.unwrap();
    assert_eq!(requests(&emulator, Operation::Token).len(), 1);

    emulator.revoke_tokens();
    pipeline
        .push(Push::records(cylinders(0..200)))
        .await
        .unwrap();
    let pushes = requests(&emulator, Operation::Push);
    assert_eq!(
        pushes.iter().map(|push| push.status).collect::<Vec<_>>(),
        [Some(401), Some(200)]
    );

    // All calls that are refused at the same moment share one renewal.
    emulator.revoke_tokens();
    let all = futures_util::future::join_all((0..8).map(|_| pipeline.status())).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    let tokens = requests(&emulator, Operation::Token).len();
    assert_eq!(tokens, 3);

    // The emulator's clock runs ahead of the client's, which does not expect the token to expire.
    emulator.advance(Duration::from_secs(301));
    pipeline.status().await.unwrap();
    assert_eq!(requests(&emulator, Operation::Token).len(), 4);
}

#[cfg(feature = "gzip")]
#[tokio::test]
async fn compressed_both_ways() {
    let emulator = Emulator::builder().gzip(true).start().await.unwrap();
    let client = settings(&emulator)
        .api_key("open")
        .compress_requests(true)
        .build()
        .unwrap();
    every_verb(&client).await.unwrap();
    let [push] = &requests(&emulator, Operation::Push)[..] else {
        panic!()
    };
    assert_eq!(push.header("content-encoding"), Some("gzip"));
    assert_eq!(push.header("accept-encoding"), Some("gzip"));
    let traffic = emulator.traffic(Operation::Push);
    assert!(
        traffic.request_bytes < push.body.len() as u64 / 3,
        "{traffic:?}"
    );
}
