//! Tokens: fetched once, renewed when needed, never left out.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::auth::{AccessToken, TokenError, TokenFuture, TokenProvider};

fn oauth(service: &Emulator, tokens: &Emulator) -> ClientBuilder {
    Client::builder()
        .base_url(service.base_url())
        .oauth("my id", "s3cret&/+")
        .token_url(tokens.token_url())
        .retry(RetryPolicy::default().interval(Duration::from_millis(1)))
}

fn grant(token: &str) -> Response {
    json(&format!(
        r#"{{"access_token":"{token}","expires_in":300,"token_type":"Bearer","not-before-policy":0}}"#
    ))
}

#[tokio::test]
async fn the_token_is_fetched_once_before_the_first_call() {
    let (service, tokens) = (scripted([json("{}")]), scripted([grant("t1")]));
    let client = oauth(&service, &tokens).build().unwrap();
    let calls = Calls::of(&client);
    let all = futures_util::future::join_all((0..10).map(|_| calls.status())).await;
    assert!(all.iter().all(Result::is_ok));
    let [asked] = &tokens.requests()[..] else {
        panic!()
    };
    assert_eq!(
        (
            asked.method.as_str(),
            format!("{}{}", tokens.origin(), target(asked))
        ),
        ("POST", tokens.token_url())
    );
    assert_eq!(
        header(asked, "content-type"),
        ["application/x-www-form-urlencoded"]
    );
    assert_eq!(
        asked.body,
        "grant_type=client_credentials&client_id=my+id&client_secret=s3cret%26%2F%2B"
    );
    for name in ["authorization", "x-tenant-name", "x-synthetic-key"] {
        assert!(header(asked, name).is_empty(), "{name}");
    }
    let seen = service.requests();
    assert_eq!(seen.len(), 10);
    assert!(
        seen.iter()
            .all(|seen| header(seen, "authorization") == ["Bearer t1"])
    );
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_even_without_retries() {
    let service = scripted([status(401, "expired"), json("{}")]);
    let tokens = scripted([grant("t1"), grant("t2")]);
    let client = oauth(&service, &tokens)
        .retry(RetryPolicy::never())
        .build()
        .unwrap();
    Calls::of(&client).create().await.unwrap();
    let seen = service.requests();
    assert_eq!(header(&seen[0], "authorization"), ["Bearer t1"]);
    assert_eq!(header(&seen[1], "authorization"), ["Bearer t2"]);

    let service = scripted([status(401, "no")]);
    let tokens = scripted([grant("t")]);
    let error = Calls::of(&oauth(&service, &tokens).build().unwrap())
        .status()
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.attempts()),
        (ErrorKind::Unauthorized, 2)
    );
    assert_eq!((service.requests().len(), tokens.requests().len()), (2, 2));
}

#[tokio::test]
async fn fixed_credentials_are_not_tried_twice() {
    let server = scripted([status(401, "")]);
    let error = Calls::of(&client(&server)).status().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.attempts()),
        (ErrorKind::Unauthorized, 1)
    );
    assert!(!error.is_transient());
}

#[tokio::test]
async fn no_token_no_call() {
    let cases: [(Fault, usize, ErrorKind); 10] = [
        (
            status(401, r#"{"error":"invalid_client"}"#).into(),
            1,
            ErrorKind::Unauthorized,
        ),
        (status(400, "").into(), 1, ErrorKind::Unauthorized),
        (
            status(404, "unknown realm").into(),
            1,
            ErrorKind::Unauthorized,
        ),
        (
            status(302, "")
                .header("location", "http://localhost/x")
                .into(),
            1,
            ErrorKind::Unauthorized,
        ),
        (
            json(r#"{"access_token":""}"#).into(),
            1,
            ErrorKind::Unauthorized,
        ),
        (
            json(r#"{"access_token":null}"#).into(),
            1,
            ErrorKind::Unauthorized,
        ),
        (json("{}").into(), 1, ErrorKind::Unauthorized),
        (status(200, "<html>").into(), 3, ErrorKind::Unauthorized),
        (status(503, "").into(), 3, ErrorKind::Service),
        (Fault::CutBefore, 3, ErrorKind::Interrupted),
    ];
    for (response, asked, kind) in cases {
        let (service, tokens) = (scripted([json("{}")]), scripted([response.clone()]));
        let calls = Calls::of(&oauth(&service, &tokens).build().unwrap());
        let error = calls.status().await.unwrap_err();
        assert!(service.requests().is_empty(), "{response:?}");
        assert_eq!(tokens.requests().len(), asked, "{response:?}");
        assert_eq!(error.kind(), kind, "{response:?}");
        assert_eq!(error.operation(), Some(Operation::Status), "{response:?}");
        assert!(!error.may_have_been_processed(), "{response:?}");
        assert!(
            error
                .to_string()
                .contains("no access token: token request failed"),
            "{error}"
        );
        let source = error.get_ref().unwrap();
        let source = source.downcast_ref::<Error>().unwrap();
        assert_eq!(source.operation(), Some(Operation::Token), "{response:?}");
    }
}

#[tokio::test]
async fn lifetimes_in_every_spelling() {
    let five_minutes = [("300", true), ("300.5", true), ("\"300\"", true)];
    let no_lifetime = ["null", "-1", "1e300", "\"soon\""].map(|text| (text, false));
    for (lifetime, ends) in five_minutes.into_iter().chain(no_lifetime) {
        let service = scripted([json("{}")]);
        let tokens = scripted([json(&format!(
            r#"{{"access_token":"t","expires_in":{lifetime}}}"#
        ))]);
        let calls = Calls::of(&oauth(&service, &tokens).build().unwrap());
        // A token is renewed half a minute before its end.
        for (wait, asked) in [(0, 1), (269, 1), (2, if ends { 2 } else { 1 })] {
            skip(Duration::from_secs(wait)).await;
            calls.status().await.unwrap();
            assert_eq!(tokens.requests().len(), asked, "{lifetime} after {wait} s");
        }
    }
}

/// The vault's response to the nth request.
type Respond = fn(u32) -> Result<AccessToken, TokenError>;

#[derive(Debug)]
struct Vault {
    asked: Arc<AtomicU32>,
    respond: Respond,
}

impl TokenProvider for Vault {
    fn token(&self) -> TokenFuture<'_> {
        let count = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        let response = (self.respond)(count);
        Box::pin(async move { response })
    }
}

#[tokio::test]
async fn tokens_from_a_vault() {
    let cases: [(Respond, u32, Option<ErrorKind>); 4] = [
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
    for (respond, count, kind) in cases {
        let server = scripted([json("{}")]);
        let asked = Arc::new(AtomicU32::new(0));
        let vault = Vault {
            asked: Arc::clone(&asked),
            respond,
        };
        let client = builder(&server).token_provider(vault).build().unwrap();
        let result = Calls::of(&client).status().await;
        assert_eq!(asked.load(Ordering::Relaxed), count);
        match kind {
            None => {
                result.unwrap();
                assert_eq!(
                    header(&server.requests()[0], "authorization"),
                    ["Bearer v1"]
                );
            }
            Some(kind) => {
                let error = result.unwrap_err();
                assert_eq!(error.kind(), kind, "{error}");
                assert_eq!(error.is_transient(), kind == ErrorKind::Service, "{error}");
                assert!(server.requests().is_empty());
            }
        }
    }
}

#[tokio::test]
async fn a_vault_that_gives_what_cannot_be_sent() {
    let server = scripted([json("{}")]);
    let vault = Vault {
        asked: Arc::default(),
        respond: |_| Ok(AccessToken::new("a\nMARKED")),
    };
    let client = builder(&server).token_provider(vault).build().unwrap();
    let error = Calls::of(&client).status().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert!(!format!("{error:?}{error}").contains("MARKED"));
    assert!(server.requests().is_empty());
}
