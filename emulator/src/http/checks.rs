//! The checks of every call, before its operation.

use hyper::header::{CONTENT_TYPE, USER_AGENT};
use hyper::http::request;
use hyper::{HeaderMap, StatusCode};
use uuid::Uuid;

use super::route::Call;
use crate::auth;
use crate::refusal::Refusal;
use crate::state::Shared;
use crate::strictness::{Habit, Mistakes};

/// How many request ids are remembered, to find repeated ones.
const REMEMBERED_IDS: usize = 100_000;

/// The credentials.
pub(super) fn check_credentials(shared: &Shared, headers: &HeaderMap) -> Result<(), Refusal> {
    let state = shared.lock();
    auth::check(
        &shared.settings.credentials,
        &state.tokens,
        headers,
        shared.clock.unscaled(),
    )
    .map_err(|problem| Refusal::new(StatusCode::UNAUTHORIZED, "unauthorized", problem))
}

/// The headers that every request needs.
pub(super) fn check_headers(
    shared: &Shared,
    headers: &HeaderMap,
    mistakes: &mut Mistakes,
) -> Result<(), Refusal> {
    let text = |name: &str| {
        let value = headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .filter(|value| !value.is_empty());
        value.ok_or_else(|| {
            Refusal::invalid(format!("header {name}: is missing; every request needs it"))
        })
    };
    text(USER_AGENT.as_str())?;
    let tenant = text("x-tenant-name")?;
    if tenant != shared.settings.tenant {
        return Err(Refusal::invalid(format!(
            "header x-tenant-name: {tenant:?} is not the tenant in the path, {:?}",
            shared.settings.tenant
        )));
    }
    let id = text("x-request-id")?;
    let id: Uuid = id
        .parse()
        .map_err(|_| Refusal::invalid(format!("header x-request-id: {id:?} is not a UUID")))?;
    let ids = &mut shared.lock().request_ids;
    if ids.len() >= REMEMBERED_IDS {
        ids.clear();
    }
    if ids.insert(id) {
        return Ok(());
    }
    let repeated = Refusal::invalid(format!(
        "header x-request-id: {id} was used before; every request needs a new one"
    ));
    mistakes.judge(repeated, Habit::OfficialSdks)
}

/// Checks the query, the content type, and whether there is a body, which the operations leave to
/// it.
pub(super) fn check_form(
    call: Call<'_>,
    head: &request::Parts,
    body: &[u8],
) -> Result<(), Refusal> {
    if !matches!(call, Call::Pull { .. }) && head.uri.query().is_some_and(|query| !query.is_empty())
    {
        return Err(Refusal::invalid("this operation has no query parameters"));
    }
    if !matches!(call, Call::Create | Call::Push { .. } | Call::Update { .. }) {
        return if body.is_empty() {
            Ok(())
        } else {
            Err(Refusal::invalid("this operation has no body"))
        };
    }
    check_content_type(&head.headers, "application/json")
}

/// The type of the body.
pub(super) fn check_content_type(headers: &HeaderMap, wanted: &'static str) -> Result<(), Refusal> {
    let given = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(wanted) {
        return Ok(());
    }
    let message = format!("header content-type: must be {wanted}, but is {given:?}");
    Err(Refusal::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        message,
    ))
}
