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

fn failures(secrets: &[&str]) -> Vec<Fault> {
    let echo = echo(secrets);
    let mut responses: Vec<Response> = [200, 400, 401, 403, 404, 429, 500, 503]
        .map(|code| status(code, &echo))
        .into();
    responses.push(status(200, &format!("not JSON {echo}")));
    responses.push(status(200, &format!("{{\"access_token\":\"{}", secrets[0])));
    responses.push(status(400, &format!("{}{echo}", "x".repeat(16_380))));
    responses.push(status(302, "").header("location", format!("/login?key={}", secrets[0])));
    let cuts = [truncated(&echo), Fault::CutBefore];
    responses.into_iter().map(Fault::from).chain(cuts).collect()
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
fn assert_clean(text: &str, context: &Fault) {
    if let Some(at) = text.find("MARKED") {
        let shown: String = text[at..].chars().take(60).collect();
        panic!("{context:?} shows {shown}");
    }
}

/// Makes every kind of call and looks at what comes of it. How many calls failed?
async fn search(client: &Client, response: &Fault) -> usize {
    assert_clean(&format!("{client:?} {:?}", client.raw()), response);
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
        .inspect(|error| assert_clean(&everything(error), response))
        .count()
}

fn builder_for(server: &Emulator) -> ClientBuilder {
    Client::builder()
        .base_url(server.base_url())
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
        for response in failures(&[known, EXTRA]) {
            let server = scripted([response.clone()]);
            let builder = with(builder_for(&server), known);
            assert_clean(&format!("{builder:?}"), &response);
            assert!(
                search(&builder.build().unwrap(), &response).await > 1,
                "{response:?}"
            );
        }
    }
}

#[tokio::test]
async fn no_failure_shows_a_client_secret_or_an_issued_token() {
    for response in failures(&[SECRET, TOKEN, EXTRA]) {
        let server = scripted([response.clone()]);
        let tokens = scripted([json(&format!(r#"{{"access_token":"{TOKEN}"}}"#))]);
        let client = builder_for(&server)
            .oauth("id", SECRET)
            .token_url(tokens.token_url());
        assert!(
            search(&client.build().unwrap(), &response).await > 1,
            "{response:?}"
        );
    }
    for response in failures(&[SECRET, EXTRA]) {
        let server = scripted([response.clone()]);
        let client = builder_for(&server)
            .oauth("id", SECRET)
            .token_url(server.token_url());
        assert!(
            search(&client.build().unwrap(), &response).await > 1,
            "{response:?}"
        );
    }
}
