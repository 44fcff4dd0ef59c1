//! The token endpoint: OAuth 2.0 client credentials, in the form of Keycloak.

use bytes::Bytes;
use hyper::{HeaderMap, StatusCode};

use super::checks::check_content_type;
use crate::refusal::Refusal;
use crate::state::Shared;
use crate::wire::JsonObject;

/// Issues a token.
///
/// # Errors
///
/// In the form of OAuth 2.0 (RFC 6749, section 5.2).
pub(super) fn issue(
    shared: &Shared,
    realm: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Vec<Bytes>, Refusal> {
    if realm != shared.settings.tenant {
        return Err(Refusal::oauth(
            StatusCode::NOT_FOUND,
            "realm_not_found",
            "Realm does not exist",
        ));
    }
    check_content_type(headers, "application/x-www-form-urlencoded")?;
    let invalid = |message| Refusal::oauth(StatusCode::BAD_REQUEST, "invalid_request", message);
    let (mut grant_type, mut id, mut secret) = (None, None, None);
    for (name, value) in form_urlencoded::parse(body) {
        let field = match name.as_ref() {
            "grant_type" => &mut grant_type,
            "client_id" => &mut id,
            "client_secret" => &mut secret,
            // A client may ask for a scope; here there is only one.
            "scope" => continue,
            _ => return Err(invalid(format!("unknown parameter: {name}"))),
        };
        if field.replace(value).is_some() {
            return Err(invalid(format!("duplicated parameter: {name}")));
        }
    }
    match grant_type.as_deref() {
        Some("client_credentials") => {}
        None => return Err(invalid("Missing form parameter: grant_type".to_owned())),
        Some(_) => {
            return Err(Refusal::oauth(
                StatusCode::BAD_REQUEST,
                "unsupported_grant_type",
                "Unsupported grant_type",
            ));
        }
    }
    let given = (id.as_deref(), secret.as_deref());
    let mut clients = shared.settings.credentials.clients.iter();
    if !clients.any(|(id, secret)| given == (Some(id.as_str()), Some(secret.as_str()))) {
        let message = "Invalid client or Invalid client credentials";
        return Err(Refusal::oauth(
            StatusCode::UNAUTHORIZED,
            "invalid_client",
            message,
        ));
    }
    let now = shared.clock.unscaled();
    let lifetime = shared.settings.token_lifetime;
    let access_token = shared
        .lock()
        .tokens
        .issue(now, now.saturating_add(lifetime));
    let response = JsonObject::new()
        .field("access_token", access_token)
        .field("expires_in", lifetime.as_secs())
        .field("refresh_expires_in", 0)
        .field("token_type", "Bearer")
        .field("not-before-policy", 0)
        .field("scope", "profile email");
    crate::operations::json(&response)
}
