//! Failures of every kind with marked secrets; then everything that came out is searched.

use std::error::Error as _;

use super::*;

const KEY: &str = "MARKED-key/+=1";
const TOKEN: &str = "MARKED-token.a.b";
const SECRET: &str = "MARKED-client-secret&";
const EXTRA: &str = "MARKED-extra";

/// JSON that repeats the secrets in every spelling.
fn echo(secrets: &[&str]) -> String {
    let plain = secrets.join(" ");
    let quoted = serde_json::Value::from(plain.as_str()).to_string();
    let escaped = quoted.replace('/', "\\/");
    let encoded = plain
        .replace('/', "%2F")
        .replace('+', "%2B")
        .replace('=', "%3D");
    let encoded = encoded.replace('&', "%26");
    let lower = encoded
        .replace("%2F", "%2f")
        .replace("%2B", "%2b")
        .replace("%3D", "%3d");
    format!(
        r#"{{"batch_status":[{quoted}],"a":{escaped},"url":"/?key={encoded}","b":"{lower}",{quoted}:1}}"#
    )
}

fn failures(secrets: &[&str]) -> Vec<Reply> {
    let echo = echo(secrets);
    let mut replies: Vec<Reply> = [200, 400, 401, 403, 404, 429, 500, 503]
        .map(|code| status(code, &echo))
        .into();
    replies.push(status(200, &format!("not JSON {echo}")));
    replies.push(status(200, &format!("{{\"access_token\":\"{}", secrets[0])));
    replies.push(status(400, &format!("{}{echo}", "x".repeat(16_380))));
    replies.push(status(302, "").header("location", format!("/login?key={}", secrets[0])));
    replies.push(Reply::Truncated(echo.into_bytes()));
    replies.push(Reply::Cut);
    replies
}

/// All that can be printed of an error.
fn everything(error: &Error) -> String {
    let mut text = format!(
        "{error} {error:?} {error:#?} {:?} {:?}",
        error.body_excerpt(),
        error.request_ids()
    );
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&format!(" {error} {error:?}"));
        source = error.source();
    }
    text
}

#[track_caller]
fn assert_clean(text: &str, context: &Reply) {
    if let Some(at) = text.find("MARKED") {
        let shown: String = text[at..].chars().take(60).collect();
        panic!("{context:?} shows {shown}");
    }
}

/// Makes every kind of call and looks at what comes of it. How many calls failed?
async fn search(client: &Client, reply: &Reply) -> usize {
    assert_clean(&format!("{client:?} {:?}", client.raw()), reply);
    let calls = Calls::of(client);
    let results = [
        calls.status().await.err(),
        calls.create().await.err(),
        calls.push(Idempotency::Idempotent).await.err(),
        calls.close().await.err(),
        calls
            .pull()
            .await
            .and_then(|received| received.json::<u8>())
            .err(),
        client.health().await.err(),
    ];
    let failed = results.iter().flatten();
    failed
        .inspect(|error| assert_clean(&everything(error), reply))
        .count()
}

fn builder_for(server: &Server) -> ClientBuilder {
    Client::builder()
        .base_url(server.url("/t"))
        .header("x-gateway", EXTRA)
        .retry(
            RetryPolicy::default()
                .max_retries(1)
                .interval(Duration::from_millis(1)),
        )
}

#[tokio::test]
async fn no_failure_shows_a_key_or_token() {
    for (known, with) in [
        (
            KEY,
            ClientBuilder::api_key as fn(ClientBuilder, &'static str) -> ClientBuilder,
        ),
        (TOKEN, ClientBuilder::bearer_token),
    ] {
        for reply in failures(&[known, EXTRA]) {
            let server = Server::start([reply.clone()]);
            let builder = with(builder_for(&server), known);
            assert_clean(&format!("{builder:?}"), &reply);
            assert!(
                search(&builder.build().unwrap(), &reply).await > 1,
                "{reply:?}"
            );
        }
    }
}

#[tokio::test]
async fn no_failure_shows_a_client_secret_or_an_issued_token() {
    for reply in failures(&[SECRET, TOKEN, EXTRA]) {
        let server = Server::start([reply.clone()]);
        let tokens = Server::start([json(&format!(r#"{{"access_token":"{TOKEN}"}}"#))]);
        let client = builder_for(&server)
            .oauth("id", SECRET)
            .token_url(tokens.url("/token"));
        assert!(
            search(&client.build().unwrap(), &reply).await > 1,
            "{reply:?}"
        );
    }
    for reply in failures(&[SECRET, EXTRA]) {
        let server = Server::start([reply.clone()]);
        let client = builder_for(&server)
            .oauth("id", SECRET)
            .token_url(server.url("/token"));
        assert!(
            search(&client.build().unwrap(), &reply).await > 1,
            "{reply:?}"
        );
    }
}
