//! Tokens: fetched once, renewed when needed, never left out.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::auth::{AccessToken, TokenError, TokenFuture, TokenProvider};

fn oauth(service: &Server, tokens: &Server) -> ClientBuilder {
    Client::builder()
        .base_url(service.url("/my-tenant"))
        .oauth("my id", "s3cret&/+")
        .token_url(tokens.url("/token"))
        .retry(RetryPolicy::default().interval(Duration::from_millis(1)))
}

fn grant(token: &str) -> Reply {
    json(&format!(
        r#"{{"access_token":"{token}","expires_in":300,"token_type":"Bearer","not-before-policy":0}}"#
    ))
}

#[tokio::test]
async fn the_token_is_fetched_once_before_the_first_call() {
    let (service, tokens) = (Server::start([json("{}")]), Server::start([grant("t1")]));
    let client = oauth(&service, &tokens).build().unwrap();
    let calls = Calls::of(&client);
    let all = futures_util::future::join_all((0..10).map(|_| calls.status())).await;
    assert!(all.iter().all(Result::is_ok));
    let [asked] = &tokens.seen()[..] else {
        panic!()
    };
    assert_eq!(
        (asked.method.as_str(), asked.target.as_str()),
        ("POST", "/token")
    );
    assert_eq!(
        asked.header("content-type"),
        ["application/x-www-form-urlencoded"]
    );
    assert_eq!(
        asked.body(),
        "grant_type=client_credentials&client_id=my+id&client_secret=s3cret%26%2F%2B"
    );
    for name in ["authorization", "x-tenant-name", "x-synthetic-key"] {
        assert!(asked.header(name).is_empty(), "{name}");
    }
    let seen = service.seen();
    assert_eq!(seen.len(), 10);
    assert!(
        seen.iter()
            .all(|seen| seen.header("authorization") == ["Bearer t1"])
    );
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_even_without_retries() {
    let service = Server::start([status(401, "expired"), json("{}")]);
    let tokens = Server::start([grant("t1"), grant("t2")]);
    let client = oauth(&service, &tokens)
        .retry(RetryPolicy::never())
        .build()
        .unwrap();
    Calls::of(&client).create().await.unwrap();
    let seen = service.seen();
    assert_eq!(seen[0].header("authorization"), ["Bearer t1"]);
    assert_eq!(seen[1].header("authorization"), ["Bearer t2"]);

    let service = Server::start([status(401, "no")]);
    let tokens = Server::start([grant("t")]);
    let error = Calls::of(&oauth(&service, &tokens).build().unwrap())
        .status()
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.attempts()),
        (ErrorKind::Unauthorized, 2)
    );
    assert_eq!((service.seen().len(), tokens.seen().len()), (2, 2));
}

#[tokio::test]
async fn fixed_credentials_are_not_tried_twice() {
    let server = Server::start([status(401, "")]);
    let error = Calls::of(&client(&server)).status().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.attempts()),
        (ErrorKind::Unauthorized, 1)
    );
    assert!(!error.is_transient());
}

#[tokio::test]
async fn no_token_no_call() {
    for (reply, asked, kind) in [
        (
            status(401, r#"{"error":"invalid_client"}"#),
            1,
            ErrorKind::Unauthorized,
        ),
        (status(400, ""), 1, ErrorKind::Unauthorized),
        (status(404, "unknown realm"), 1, ErrorKind::Unauthorized),
        (
            status(302, "").header("location", "http://localhost/x"),
            1,
            ErrorKind::Unauthorized,
        ),
        (json(r#"{"access_token":""}"#), 1, ErrorKind::Unauthorized),
        (json(r#"{"access_token":null}"#), 1, ErrorKind::Unauthorized),
        (json("{}"), 1, ErrorKind::Unauthorized),
        (status(200, "<html>"), 3, ErrorKind::Unauthorized),
        (status(503, ""), 3, ErrorKind::Service),
        (Reply::Cut, 3, ErrorKind::Interrupted),
    ] {
        let (service, tokens) = (Server::start([json("{}")]), Server::start([reply.clone()]));
        let calls = Calls::of(&oauth(&service, &tokens).build().unwrap());
        let error = calls.status().await.unwrap_err();
        assert!(service.seen().is_empty(), "{reply:?}");
        assert_eq!(tokens.seen().len(), asked, "{reply:?}");
        assert_eq!(error.kind(), kind, "{reply:?}");
        assert_eq!(error.operation(), Some(Operation::Status), "{reply:?}");
        assert!(!error.may_have_been_processed(), "{reply:?}");
        assert!(
            error
                .to_string()
                .contains("no access token: token request failed"),
            "{error}"
        );
        let source = std::error::Error::source(&error).unwrap();
        let source = source.downcast_ref::<Error>().unwrap();
        assert_eq!(source.operation(), Some(Operation::Token), "{reply:?}");
    }
}

#[tokio::test]
async fn lifetimes_in_every_spelling() {
    for lifetime in ["300", "300.5", "\"300\"", "null", "-1", "1e300", "\"soon\""] {
        let service = Server::start([json("{}")]);
        let reply = json(&format!(
            r#"{{"access_token":"t","expires_in":{lifetime}}}"#
        ));
        let tokens = Server::start([reply]);
        let calls = Calls::of(&oauth(&service, &tokens).build().unwrap());
        calls
            .status()
            .await
            .unwrap_or_else(|error| panic!("{lifetime}: {error}"));
    }
}

/// What the vault says when it is asked for the nth time.
type Answer = fn(u32) -> Result<AccessToken, TokenError>;

#[derive(Debug)]
struct Vault {
    asked: Arc<AtomicU32>,
    answer: Answer,
}

impl TokenProvider for Vault {
    fn token(&self) -> TokenFuture<'_> {
        let count = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        let answer = (self.answer)(count);
        Box::pin(async move { answer })
    }
}

#[tokio::test]
async fn tokens_from_a_vault() {
    let cases: [(Answer, u32, Option<ErrorKind>); 4] = [
        (|n| Ok(AccessToken::new(format!("Bearer v{n}"))), 1, None),
        (
            |n| match n {
                1 | 2 => Err(TokenError::unavailable("sealed")),
                _ => Ok(AccessToken::new("v1")),
            },
            3,
            None,
        ),
        (
            |_| Err(TokenError::refused("no such role")),
            1,
            Some(ErrorKind::Unauthorized),
        ),
        (
            |_| Err(TokenError::unavailable("sealed")),
            3,
            Some(ErrorKind::Service),
        ),
    ];
    for (answer, count, kind) in cases {
        let server = Server::start([json("{}")]);
        let asked = Arc::new(AtomicU32::new(0));
        let vault = Vault {
            asked: Arc::clone(&asked),
            answer,
        };
        let client = builder(&server).token_provider(vault).build().unwrap();
        let result = Calls::of(&client).status().await;
        assert_eq!(asked.load(Ordering::Relaxed), count);
        match kind {
            None => {
                result.unwrap();
                assert_eq!(server.seen()[0].header("authorization"), ["Bearer v1"]);
            }
            Some(kind) => {
                let error = result.unwrap_err();
                assert_eq!(error.kind(), kind, "{error}");
                assert_eq!(error.is_transient(), kind == ErrorKind::Service, "{error}");
                assert!(server.seen().is_empty());
            }
        }
    }
}

#[tokio::test]
async fn a_vault_that_gives_what_cannot_be_sent() {
    let server = Server::start([json("{}")]);
    let vault = Vault {
        asked: Arc::default(),
        answer: |_| Ok(AccessToken::new("a\nMARKED")),
    };
    let client = builder(&server).token_provider(vault).build().unwrap();
    let error = Calls::of(&client).status().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert!(!format!("{error:?}{error}").contains("MARKED"));
    assert!(server.seen().is_empty());
}
