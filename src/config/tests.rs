//! The precedence of settings, in tables. The environment is a closure.

use std::env::VarError;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;
use crate::auth::Credentials;
use crate::error::{ErrorKind, Result};

const URL: &str = "https://excel.us.coherent.global/t";

/// Variables of the environment.
type Vars<'a> = &'a [(&'a str, &'a str)];

fn settle(builder: ClientBuilder, env: Vars<'_>) -> Result<Settings> {
    builder.fill_from_env().settings(&|name| {
        let found = env.iter().find(|(key, _)| *key == name);
        found
            .map(|(_, value)| (*value).to_owned())
            .ok_or(VarError::NotPresent)
    })
}

fn kind(credentials: &Credentials) -> String {
    match credentials {
        Credentials::Open => "open".into(),
        Credentials::ApiKey(key) => format!("key {}", key.expose()),
        Credentials::Token(token) => format!("token {}", token.expose()),
        Credentials::OAuth(oauth) => format!("oauth {} {}", oauth.id, oauth.secret.expose()),
        Credentials::Provider(_) => "provider".into(),
    }
}

fn jwt(claims: &str) -> String {
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.sig", encode(r#"{"alg":"RS256"}"#), encode(claims))
}

#[test]
fn precedence_of_credentials() {
    let key = ("CSPARK_API_KEY", "env-key");
    let token = ("CSPARK_BEARER_TOKEN", "Bearer env-token");
    let id = ("CSPARK_CLIENT_ID", "env-id");
    let secret = ("CSPARK_CLIENT_SECRET", "env-secret");
    let new = || ClientBuilder::new().base_url(URL);
    let cases: [(ClientBuilder, Vars<'_>, &str); 11] = [
        (new(), &[key, token, id, secret], "oauth env-id env-secret"),
        (new(), &[key, token], "key env-key"),
        (new(), &[token], "token env-token"),
        (new(), &[("CSPARK_API_KEY", " "), token], "token env-token"),
        (new(), &[("CSPARK_API_KEY", "open"), token], "open"),
        (new().bearer_token("mine"), &[key, id, secret], "token mine"),
        (new().api_key("mine"), &[id, secret], "key mine"),
        (new().api_key("k").bearer_token("t"), &[], "key k"),
        (new().api_key("k").oauth("i", "s"), &[key], "oauth i s"),
        (new().api_key("open"), &[key], "open"),
        (new().oauth("i", "s").oauth_file("/none"), &[], "oauth i s"),
    ];
    for (builder, env, expected) in cases {
        let shown = format!("{builder:?} {env:?}");
        assert_eq!(
            kind(&settle(builder, env).unwrap().credentials),
            expected,
            "{shown}"
        );
    }
}

#[test]
fn the_environment_is_left_alone_unless_asked() {
    let builder = ClientBuilder::new().base_url(URL).api_key("mine");
    let settings = builder.settings(&|name| panic!("{name} was read")).unwrap();
    assert_eq!(kind(&settings.credentials), "key mine");
}

#[test]
fn precedence_of_base_urls() {
    let other = ("CSPARK_BASE_URL", "https://spark.eu.coherent.global/other/");
    let token =
        jwt(r#"{"iss":"https://keycloak.uat.us.coherent.global/auth/realms/t","realm":"t"}"#);
    let new = || ClientBuilder::new().api_key("k");
    for (builder, env, expected) in [
        (new().base_url(URL), vec![other], URL),
        (new().env("us").tenant("T"), vec![other], URL),
        (new(), vec![other], "https://excel.eu.coherent.global/other"),
        (
            new().bearer_token(&token),
            vec![other],
            "https://excel.eu.coherent.global/other",
        ),
        (
            new().bearer_token(&token),
            vec![],
            "https://excel.uat.us.coherent.global/t",
        ),
        (
            new(),
            vec![("CSPARK_BEARER_TOKEN", token.as_str())],
            "https://excel.uat.us.coherent.global/t",
        ),
    ] {
        assert_eq!(
            settle(builder, &env).unwrap().base_url.as_string(),
            expected
        );
    }
}

#[test]
fn what_is_missing_or_wrong_is_named() {
    let new = || ClientBuilder::new().api_key("k");
    let url = || new().base_url(URL);
    let cases: Vec<(ClientBuilder, Vars<'_>, &str)> = vec![
        (new(), &[], "no base URL: set CSPARK_BASE_URL"),
        (ClientBuilder::new().base_url(URL), &[], "CSPARK_API_KEY"),
        (
            ClientBuilder::new(),
            &[],
            "set CSPARK_BASE_URL; and there are no credentials",
        ),
        (
            url()
                .http_client(reqwest::Client::new())
                .proxy(reqwest::Proxy::all("http://localhost:9").unwrap()),
            &[],
            "both an HTTP client (`http_client`, `http_service`) and `proxy`",
        ),
        (
            ClientBuilder::new().base_url(URL),
            &[("CSPARK_CLIENT_ID", "i")],
            "without CSPARK_CLIENT_SECRET",
        ),
        (
            ClientBuilder::new().base_url(URL),
            &[("CSPARK_CLIENT_SECRET", "s")],
            "without CSPARK_CLIENT_ID",
        ),
        (new().env("us"), &[], "without `tenant`"),
        (url().env("us"), &[], "both `base_url` and `env`"),
        (new().bearer_token("opaque"), &[], "not a JWT"),
        (new().bearer_token(jwt("{}")), &[], "issuer"),
        (
            new().base_url("http://localhost/t").oauth("i", "s"),
            &[],
            "`token_url`",
        ),
        (
            url().oauth("i", "s").token_url("http://example.com/token"),
            &[],
            "plain http",
        ),
        (
            url().header("Authorization", "x"),
            &[],
            "`Authorization` is set by the client",
        ),
        (
            url().header("X-Request-Id", "x"),
            &[],
            "`X-Request-Id` is set by the client",
        ),
        (url().header("a b", "x"), &[], "not the name of a header"),
        (url().header("x-a", "a\nb"), &[], "`x-a`"),
        (
            url().request_timeout(std::time::Duration::ZERO),
            &[],
            "`request_timeout` is zero",
        ),
        (
            url().oauth_file("/no/such/file"),
            &[],
            "`/no/such/file` can't be read: No such file",
        ),
    ];
    for (builder, env, expected) in cases {
        let error = settle(builder, env).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(
            error.to_string().contains(expected),
            "{error}, not {expected}"
        );
    }
}

#[test]
fn without_the_environment_no_variable_is_advised() {
    let settle = |builder: ClientBuilder| {
        let untouched = |name: &str| panic!("{name} was read");
        builder.settings(&untouched).unwrap_err().to_string()
    };
    let both = settle(ClientBuilder::new());
    assert!(
        both.contains("`base_url`") && both.contains("`api_key`"),
        "{both}"
    );
    for error in [
        both,
        settle(ClientBuilder::new().api_key("k")),
        settle(ClientBuilder::new().base_url(URL)),
    ] {
        assert!(!error.contains("CSPARK"), "{error}");
    }
}

#[test]
fn the_token_endpoint_follows_the_base_url() {
    let new = || ClientBuilder::new().oauth("i", "s");
    let url = |settings: Settings| settings.token_url.unwrap().to_string();
    assert_eq!(
        url(settle(new().base_url(URL), &[]).unwrap()),
        "https://keycloak.us.coherent.global/auth/realms/t/protocol/openid-connect/token"
    );
    let by_hand = new()
        .base_url("http://localhost:1/t")
        .token_url("http://localhost:2/token");
    assert_eq!(
        url(settle(by_hand, &[]).unwrap()),
        "http://localhost:2/token"
    );
}

#[test]
fn oauth_files_in_both_spellings() {
    let dir = std::env::temp_dir().join(format!("cspark-oauth-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir(&dir).unwrap();
    let read = |text: &str| {
        let path = dir.join("credentials.json");
        std::fs::write(&path, text).unwrap();
        let env = [
            ("CSPARK_OAUTH_PATH", path.to_str().unwrap()),
            ("CSPARK_API_KEY", "k"),
        ];
        settle(ClientBuilder::new().base_url(URL), &env)
    };
    for text in [
        r#"{"client_id": "i", "client_secret": "s", "more": 1}"#,
        "\u{feff}{\"clientId\": \" i\", \"clientSecret\": \"s\"}",
    ] {
        assert_eq!(kind(&read(text).unwrap().credentials), "oauth i s");
    }
    for text in [
        r#"{"client_id": "i"}"#,
        r#"{"client_secret": 1, "marked": "}"#,
        "",
        "[]",
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(
            error.contains("credentials.json") && !error.contains("marked"),
            "{error}"
        );
    }
    assert!(Path::new(&dir).exists());
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn nothing_shows_a_secret() {
    let builder = ClientBuilder::new()
        .base_url("https://excel.us.coherent.global/t")
        .token_url("https://me:MARKED-0@example.com/?x=MARKED-1")
        .api_key("MARKED-2")
        .bearer_token("MARKED-3")
        .oauth("id", "MARKED-4")
        .header("x-subscription", "MARKED-5");
    assert!(!format!("{builder:?}").contains("MARKED"), "{builder:?}");
    let settings = settle(builder.clone().token_url("https://example.com/"), &[]).unwrap();
    assert!(!format!("{settings:?}").contains("MARKED"), "{settings:?}");
    let error = settle(builder, &[]).unwrap_err();
    assert!(
        !format!("{error:?} {error}").contains("MARKED"),
        "{error:?}"
    );
}
