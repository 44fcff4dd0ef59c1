//! One request, from its arrival to its answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT_ENCODING, ALLOW, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT,
};
use hyper::http::request;
use hyper::{HeaderMap, Request, Response, StatusCode};
use uuid::Uuid;

use super::body::{Parts, Received, Unread, compress, receive};
use super::route::Route;
use super::token;
use crate::auth;
use crate::engine::Phase;
use crate::faults::{Answer, AnswerBody, Fault};
use crate::journal::{Operation, RecordedRequest};
use crate::refusal::Refusal;
use crate::state::Shared;
use crate::wire::{NewStatus, UpdateBatch};

/// The connection is to be cut without an answer.
#[derive(Debug)]
pub(super) struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the connection is cut on purpose")
    }
}

impl std::error::Error for Cut {}

/// Bodies shorter than this are not worth compressing.
const WORTH_COMPRESSING: u64 = 1024;
/// How many request ids are remembered, to find repeated ones.
const REMEMBERED_IDS: usize = 100_000;

/// What becomes of an answer after the request was taken.
#[derive(Debug, Default)]
struct Spoiled {
    delay: Duration,
    cut: bool,
    hang: bool,
    truncate: bool,
    replace: Option<Answer>,
}

/// An answer before it is put into HTTP.
#[derive(Debug)]
struct Reply {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    parts: Vec<Bytes>,
}

/// Answers one request, or cuts the connection.
pub(super) async fn handle(
    shared: &Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Parts>, Cut> {
    let (head, body) = request.into_parts();
    let route = Route::find(&head.method, head.uri.path(), &shared.settings.tenant);
    let (received, unread) =
        match receive(&head.headers, body, shared.settings.most_body_bytes).await {
            Ok(received) => (received, None),
            Err(Unread::Refused(refusal)) => (Received::default(), Some(refusal)),
            Err(Unread::Gone) => return Err(Cut),
        };
    let operation = route
        .as_ref()
        .ok()
        .map(|route| operation(*route, &received.body));
    let batch_id = route.as_ref().ok().and_then(|route| route.batch_id());

    let (number, faults) = {
        let mut state = shared.lock();
        let recorded = record(&head, operation, batch_id, received.body.clone());
        let (number, nth) = state.journal.note(recorded, received.wire_bytes);
        let faults = operation
            .map(|operation| state.faults.take(operation, nth))
            .unwrap_or_default();
        (number, faults)
    };

    let mut spoiled = Spoiled::default();
    let mut repeat = false;
    let mut instead = None;
    for fault in faults {
        match fault {
            Fault::Answer(answer) => instead = Some(answer),
            Fault::AnswerAfter(answer) => spoiled.replace = Some(answer),
            Fault::CutBefore => return Err(Cut),
            Fault::CutAfter => spoiled.cut = true,
            Fault::Truncate => spoiled.truncate = true,
            Fault::HangBefore => std::future::pending().await,
            Fault::HangAfter => spoiled.hang = true,
            Fault::Slow(delay) => spoiled.delay += delay,
            Fault::RepeatResults => repeat = true,
            Fault::RevokeTokens => shared.lock().tokens.revoke_all(),
            Fault::StallWorkers(_) | Fault::TimeOut | Fault::Fail | Fault::CancelByOther => {
                strike_batch(shared, batch_id, &fault);
            }
        }
    }

    let mut reply = match (instead, route, unread) {
        (Some(answer), ..) => injected(&answer, &head, &received.body),
        (None, Err(refusal), _) | (None, Ok(_), Some(refusal)) => Reply::refusal(&refusal),
        (None, Ok(route), None) => perform(shared, route, &head, &received.body, repeat)
            .map_or_else(|refusal| Reply::refusal(&refusal), Reply::success),
    };
    if spoiled.hang {
        std::future::pending::<()>().await;
    }
    if !spoiled.delay.is_zero() {
        tokio::time::sleep(spoiled.delay).await;
    }
    if spoiled.cut {
        return Err(Cut);
    }
    if let Some(answer) = spoiled.replace {
        reply = injected(&answer, &head, &received.body);
    }
    if shared.settings.gzip && accepts_gzip(&head.headers) {
        reply.compress();
    }
    if let Some(id) = head.headers.get("x-request-id") {
        reply
            .headers
            .push((HeaderName::from_static("x-request-id"), id.clone()));
    }
    let parts = if spoiled.truncate {
        Parts::truncated(reply.parts)
    } else {
        Parts::whole(reply.parts)
    };
    shared
        .lock()
        .journal
        .note_answer(number, operation, reply.status.as_u16(), parts.announced());
    let mut response = Response::new(parts);
    *response.status_mut() = reply.status;
    for (name, value) in reply.headers {
        response.headers_mut().append(name, value);
    }
    Ok(response)
}

/// The operation, for which an update has to be looked into.
fn operation(route: Route<'_>, body: &[u8]) -> Operation {
    match route {
        Route::Health => Operation::Health,
        Route::Token { .. } => Operation::Token,
        Route::Describe => Operation::Describe,
        Route::Create => Operation::Create,
        Route::Info { .. } => Operation::Info,
        Route::Status { .. } => Operation::Status,
        Route::Push { .. } => Operation::Push,
        Route::Pull { .. } => Operation::Pull,
        Route::Update { .. } => match serde_json::from_slice::<UpdateBatch>(body) {
            Ok(UpdateBatch {
                batch_status: NewStatus::Cancelled,
            }) => Operation::Cancel,
            _ => Operation::Close,
        },
    }
}

fn record(
    head: &request::Parts,
    operation: Option<Operation>,
    batch_id: Option<&str>,
    body: Bytes,
) -> RecordedRequest {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    RecordedRequest {
        operation,
        batch_id: batch_id.map(str::to_owned),
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        headers: head
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), text(value)))
            .collect(),
        body,
        status: None,
    }
}

/// Lets something happen to the batch itself.
fn strike_batch(shared: &Shared, id: Option<&str>, fault: &Fault) {
    let mut state = shared.lock();
    let Some(entry) = id.and_then(|id| state.batch(id, shared.clock.now())) else {
        return;
    };
    match fault {
        Fault::StallWorkers(time) => entry.batch.stall(*time),
        Fault::TimeOut => _ = entry.batch.time_out(),
        Fault::Fail => _ = entry.batch.end(Phase::Failed),
        _ => _ = entry.batch.end(Phase::Cancelled),
    }
}

/// Checks the request and does what it asks for.
fn perform(
    shared: &Shared,
    route: Route<'_>,
    head: &request::Parts,
    body: &[u8],
    repeat: bool,
) -> Result<Vec<Bytes>, Refusal> {
    match route {
        Route::Health => return Ok(vec![Bytes::from_static(b"{\"status\":\"UP\"}")]),
        Route::Token { realm } => return token::issue(shared, realm, &head.headers, body),
        _ => {}
    }
    check_credentials(shared, &head.headers)?;
    if shared.settings.check_headers {
        check_headers(shared, &head.headers)?;
    }
    check_form(route, head, body)?;
    match route {
        Route::Describe | Route::Health | Route::Token { .. } => shared.describe(),
        Route::Create => shared.create(body),
        Route::Info { id } => shared.info(id),
        Route::Status { id } => shared.status(id),
        Route::Push { id } => shared.push(id, body),
        Route::Pull { id } => shared.pull(id, head.uri.query(), repeat),
        Route::Update { id } => shared.update(id, body),
    }
}

fn check_credentials(shared: &Shared, headers: &HeaderMap) -> Result<(), Refusal> {
    let state = shared.lock();
    auth::check(
        &shared.settings.credentials,
        &state.tokens,
        headers,
        shared.clock.unscaled(),
    )
    .map_err(|problem| Refusal::new(StatusCode::UNAUTHORIZED, "unauthorized", problem))
}

fn check_headers(shared: &Shared, headers: &HeaderMap) -> Result<(), Refusal> {
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
    if !ids.insert(id) {
        return Err(Refusal::invalid(format!(
            "header x-request-id: {id} was used before; every request needs a new one"
        )));
    }
    Ok(())
}

/// Checks what the operations don't look at themselves: the query, the content type, and that there is a body or none.
fn check_form(route: Route<'_>, head: &request::Parts, body: &[u8]) -> Result<(), Refusal> {
    if !matches!(route, Route::Pull { .. })
        && head.uri.query().is_some_and(|query| !query.is_empty())
    {
        return Err(Refusal::invalid("this operation takes no query parameters"));
    }
    if !matches!(
        route,
        Route::Create | Route::Push { .. } | Route::Update { .. }
    ) {
        return if body.is_empty() {
            Ok(())
        } else {
            Err(Refusal::invalid("this operation takes no body"))
        };
    }
    check_content_type(&head.headers, "application/json")
}

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

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let named = parts
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        named && !parts.any(|weight| matches!(weight, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

fn injected(answer: &Answer, head: &request::Parts, body: &[u8]) -> Reply {
    let text = match &answer.body {
        AnswerBody::Given(text) => text.clone().into_bytes(),
        AnswerBody::EchoOfRequest => {
            let mut text = format!("{} {}\n", head.method, head.uri).into_bytes();
            for (name, value) in &head.headers {
                text.extend_from_slice(name.as_str().as_bytes());
                text.extend_from_slice(b": ");
                text.extend_from_slice(value.as_bytes());
                text.push(b'\n');
            }
            text.push(b'\n');
            text.extend_from_slice(body);
            text
        }
    };
    let headers = answer
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?)));
    Reply {
        status: StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        headers: headers.collect(),
        parts: vec![text.into()],
    }
}

impl Reply {
    fn success(parts: Vec<Bytes>) -> Self {
        Self {
            status: StatusCode::OK,
            headers: vec![(CONTENT_TYPE, HeaderValue::from_static("application/json"))],
            parts,
        }
    }

    fn refusal(refusal: &Refusal) -> Self {
        let mut reply = Self {
            status: refusal.status,
            ..Self::success(vec![refusal.body().into()])
        };
        if let Some(allow) = refusal.allow {
            reply.headers.push((ALLOW, HeaderValue::from_static(allow)));
        }
        reply
    }

    fn compress(&mut self) {
        let bytes: u64 = self.parts.iter().map(|part| part.len() as u64).sum();
        if bytes < WORTH_COMPRESSING {
            return;
        }
        // Compressing into memory does not fail; if it did, the plain body would serve as well.
        if let Ok(compressed) = compress(&self.parts) {
            self.parts = vec![compressed];
            self.headers
                .push((CONTENT_ENCODING, HeaderValue::from_static("gzip")));
        }
    }
}
