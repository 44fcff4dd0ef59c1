//! API keys, bearer tokens, and tokens issued against client credentials.

use std::time::Duration;

use cspark_emulator::Emulator;
use reqwest::Method;
use serde_json::json;

use crate::support::{Client, Received};

async fn describe(client: &Client) -> Received {
    client.call(Method::GET, "batch/status", None).await
}

async fn token(emulator: &Emulator, form: &str) -> Received {
    let client =
        Client::new(emulator).with_header("content-type", "application/x-www-form-urlencoded");
    let path = emulator.token_url().replace(&emulator.origin(), "");
    client
        .send(Method::POST, &path, Some(form.to_owned()))
        .await
        .unwrap()
}

#[tokio::test]
async fn an_open_emulator_asks_for_nothing() {
    let emulator = Emulator::start().await.unwrap();
    describe(&Client::new(&emulator)).await.ok();
}

#[tokio::test]
async fn an_api_key_is_asked_for_and_checked() {
    let emulator = Emulator::builder().api_key("right").start().await.unwrap();
    describe(&Client::new(&emulator))
        .await
        .refused(401, "credentials are missing");
    describe(&Client::new(&emulator).with_header("x-synthetic-key", "wrong"))
        .await
        .refused(401, "is unknown");
    describe(&Client::new(&emulator).with_header("x-synthetic-key", "right"))
        .await
        .ok();
}

#[tokio::test]
async fn a_bearer_token_is_checked_whatever_the_case_of_its_scheme() {
    let emulator = Emulator::builder()
        .bearer_token("right")
        .api_key("key")
        .start()
        .await
        .unwrap();
    for (value, ok) in [
        ("Bearer right", true),
        ("bearer right", true),
        ("Bearer wrong", false),
        ("right", false),
        ("Bearer", false),
    ] {
        let received = describe(&Client::new(&emulator).with_header("authorization", value)).await;
        assert_eq!(received.status, if ok { 200 } else { 401 }, "{value}");
        assert!(ok || !received.text.contains("wrong"));
    }
}

#[tokio::test]
async fn health_needs_no_tenant_and_no_credentials() {
    let emulator = Emulator::builder().api_key("key").start().await.unwrap();
    let mut client = Client::new(&emulator);
    client.headers.clear();
    let received = client
        .send(Method::GET, "/health", None::<String>)
        .await
        .unwrap();
    assert_eq!(received.ok(), json!({ "status": "UP" }));
}

#[tokio::test]
async fn client_credentials_give_a_token_that_is_accepted_until_it_expires_or_is_revoked() {
    let emulator = Emulator::builder()
        .oauth_client("my client", "s&cret")
        .token_lifetime(Duration::from_secs(60))
        .start()
        .await
        .unwrap();
    describe(&Client::new(&emulator))
        .await
        .refused(401, "credentials are missing");
    let form = "grant_type=client_credentials&client_id=my+client&client_secret=s%26cret";
    let response = token(&emulator, form).await.ok();
    assert_eq!(response["expires_in"], 60);
    assert_eq!(response["token_type"], "Bearer");
    for name in ["refresh_expires_in", "not-before-policy"] {
        assert!(response[name].is_number(), "{name}");
    }
    assert!(response["scope"].is_string());

    let with = |token: &serde_json::Value| {
        Client::new(&emulator).with_header(
            "authorization",
            &format!("Bearer {}", token["access_token"].as_str().unwrap()),
        )
    };
    describe(&with(&response)).await.ok();
    emulator.advance(Duration::from_secs(60));
    describe(&with(&response)).await.refused(401, "expired");

    let response = token(&emulator, form).await.ok();
    describe(&with(&response)).await.ok();
    emulator.revoke_tokens();
    describe(&with(&response)).await.refused(401, "revoked");
}

#[tokio::test]
async fn wrong_client_credentials_get_no_token() {
    let emulator = Emulator::builder()
        .oauth_client("id", "secret")
        .start()
        .await
        .unwrap();
    for (form, status, code) in [
        (
            "grant_type=client_credentials&client_id=id&client_secret=wrong",
            401,
            "invalid_client",
        ),
        (
            "grant_type=client_credentials&client_id=id",
            401,
            "invalid_client",
        ),
        (
            "grant_type=password&client_id=id&client_secret=secret",
            400,
            "unsupported_grant_type",
        ),
        ("client_id=id&client_secret=secret", 400, "invalid_request"),
        (
            "grant_type=client_credentials&client_id=id&client_id=id&client_secret=secret",
            400,
            "invalid_request",
        ),
    ] {
        let received = token(&emulator, form).await;
        assert_eq!(
            (received.status.as_u16(), received.body["error"].as_str()),
            (status, Some(code)),
            "{form}"
        );
        assert!(received.body["error_description"].is_string());
    }
    let client = Client::new(&emulator);
    let path = "/auth/realms/my-tenant/protocol/openid-connect/token";
    assert_eq!(
        client
            .send(Method::POST, path, Some("{}"))
            .await
            .unwrap()
            .status,
        415
    );
    assert_eq!(
        client
            .send(Method::GET, path, None::<String>)
            .await
            .unwrap()
            .status,
        405
    );
    let other = path.replace("my-tenant", "other");
    assert_eq!(
        client
            .send(Method::POST, &other, Some("{}"))
            .await
            .unwrap()
            .status,
        404
    );
}
