//! Whatever comes from outside: no panic, and the rules hold.

use proptest::prelude::*;
use reqwest::Url;

use crate::config::BaseUrl;
use crate::error::{Error, ErrorKind};
use crate::redact::Secret;
use crate::transport::retry_after::retry_after;

/// Text with a liking for what means something in URLs.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("https://".to_owned()),
        Just("http://".to_owned()),
        Just("excel.us.coherent.global".to_owned()),
        Just("localhost".to_owned()),
        Just("127.0.0.1".to_owned()),
        "[/\\\\.@:?#%&=~ \u{0}\n-]",
        "[a-z0-9]{0,4}",
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn a_base_url_never_leads_elsewhere(url in text(), tenant in proptest::option::of(text())) {
        if let Ok(base) = BaseUrl::parse(&url, tenant.as_deref(), false) {
            let parsed = Url::parse(&base.as_string()).unwrap();
            let host = parsed.host_str().unwrap();
            prop_assert!(parsed.scheme() == "https" || host == "localhost" || host.starts_with("127.") || host.ends_with(".localhost"));
            prop_assert_eq!(parsed.username(), "");
            prop_assert_eq!(parsed.query(), None);
            prop_assert_eq!(parsed.path(), format!("/{}", base.tenant()));
        }
    }

    #[test]
    fn an_environment_never_leads_elsewhere(env in text(), tenant in text()) {
        if let Ok(base) = BaseUrl::from_parts(&env, &tenant) {
            let parsed = Url::parse(&base.as_string()).unwrap();
            prop_assert!(parsed.host_str().unwrap().ends_with(".coherent.global"));
            let token = Url::parse(&base.token_endpoint().unwrap()).unwrap();
            prop_assert!(token.host_str().unwrap().ends_with(".coherent.global"));
        }
    }

    #[test]
    fn any_retry_after_is_read_or_left(value in prop_oneof![any::<f64>().prop_map(|n| n.to_string()), "\\PC{0,40}"]) {
        let mut headers = http::HeaderMap::new();
        if let Ok(value) = http::HeaderValue::from_str(&value) {
            headers.insert("x-retry-after", value);
        }
        let wait = retry_after(&headers, std::time::SystemTime::now());
        prop_assert!(wait.is_none_or(|wait| wait.as_secs() <= 86_400));
    }

    #[test]
    fn an_error_is_one_bounded_line(message in ".{0,100}", body in prop::collection::vec(any::<u8>(), 0..9000)) {
        let secrets = crate::redact::Secrets::new(vec![Secret::new("needle")]);
        let body = secrets.redactor().redact_body(&body);
        let error = Error::new(ErrorKind::Service, message).with_body_excerpt(&body);
        prop_assert!(error.to_string().lines().count() <= 1);
        prop_assert!(error.to_string().chars().count() < 1300);
        prop_assert!(error.body_excerpt().is_none_or(|body| body.len() <= 4096));
    }
}
