//! One request, from its arrival to its response.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::Request;
use hyper::body::Incoming;
use hyper::header::{HOST, HeaderValue};
use hyper::http::request;

use super::body::{Parts, Received, Unread, receive};
use super::checks::{check_credentials, check_form, check_headers};
use super::response::Draft;
use super::route::{Call, Route};
use super::token;
use crate::engine::{Batch, Phase};
use crate::faults::{self, Fault, Tampering};
use crate::journal::{Operation, RecordedRequest};
use crate::refusal::Refusal;
use crate::state::Shared;
use crate::strictness::Mistakes;
use crate::wire::{NewStatus, UpdateBatch};

/// The connection is to be cut without a response.
#[derive(Debug)]
pub(super) struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the connection is cut on purpose")
    }
}

impl std::error::Error for Cut {}

/// What the faults of a request come to.
#[derive(Debug, Default)]
struct Plan {
    before: Before,
    tampering: Tampering,
    spoiling: Spoiling,
}

/// What happens in place of the request's effect.
#[derive(Debug, Default)]
enum Before {
    #[default]
    Effect,
    Respond(faults::Response),
    Cut,
    Hang,
}

/// How a response is spoiled after the request has had its effect.
#[derive(Debug, Default)]
struct Spoiling {
    replace: Option<faults::Response>,
    invalid_utf8: bool,
    truncate: bool,
    delay: Duration,
    cut: bool,
    hang: bool,
}

/// Handles one request, or cuts the connection.
pub(super) async fn handle(
    shared: &Arc<Shared>,
    request: Request<Incoming>,
) -> Result<hyper::Response<Parts>, Cut> {
    let (head, body) = request.into_parts();
    let route = Route::find(&head.method, head.uri.path(), &shared.settings.tenant);
    let (received, unread) =
        match receive(&head.headers, body, shared.settings.most_body_bytes).await {
            Ok(received) => (received, None),
            Err(Unread::Refused(refusal)) => (Received::default(), Some(refusal)),
            Err(Unread::Gone) => return Err(Cut),
        };
    let body = &received.body;
    let operation = route.as_ref().ok().map(|route| operation(*route, body));
    let batch_id = route.as_ref().ok().and_then(|route| route.batch_id());

    let (number, faults) = note(shared, &head, &received, operation, batch_id);
    let plan = plan(shared, faults, batch_id);
    let mut draft = match plan.before {
        Before::Cut => return Err(Cut),
        Before::Hang => std::future::pending().await,
        Before::Respond(response) => Draft::injected(&response, &head, body),
        Before::Effect => {
            let mut mistakes = Mistakes::new(shared.settings.strictness, &head.headers);
            let mut draft = match (route, unread) {
                (Err(refusal), _) | (Ok(_), Some(refusal)) => Draft::refusal(&refusal),
                (Ok(route), None) => {
                    perform(shared, route, &head, body, plan.tampering, &mut mistakes)
                        .map_or_else(|refusal| Draft::refusal(&refusal), Draft::success)
                }
            };
            let mistakes = mistakes.accepted();
            draft.name_mistakes(&mistakes);
            if let Some(operation) = operation {
                let journal = &mut shared.lock().journal;
                journal.note_mistakes(operation, batch_id, mistakes);
            }
            draft
        }
    };

    let spoiling = plan.spoiling;
    if spoiling.hang {
        std::future::pending::<()>().await;
    }
    if !spoiling.delay.is_zero() {
        tokio::time::sleep(spoiling.delay).await;
    }
    if spoiling.cut {
        return Err(Cut);
    }
    if let Some(response) = &spoiling.replace {
        draft = Draft::injected(response, &head, body);
    }
    if spoiling.invalid_utf8 {
        draft.break_text();
    }
    if shared.settings.gzip {
        draft.compress_for(&head.headers);
    }
    draft.identify(&head.headers);
    let response = draft.into_response(spoiling.truncate);
    let (status, bytes) = (response.status().as_u16(), response.body().announced());
    let journal = &mut shared.lock().journal;
    journal.note_response(number, operation, status, bytes);
    Ok(response)
}

/// Notes a request. Returns its number and its faults.
fn note(
    shared: &Shared,
    head: &request::Parts,
    received: &Received,
    operation: Option<Operation>,
    batch_id: Option<&str>,
) -> (usize, Vec<Fault>) {
    let recorded = record(head, operation, batch_id, received.body.clone());
    let mut state = shared.lock();
    let (number, nth) = state.journal.note(recorded, received.wire_bytes);
    let faults = match (state.faults.take_scripted(), operation) {
        (Some(fault), _) => vec![fault],
        (None, Some(operation)) => state.faults.take(operation, nth),
        (None, None) => Vec::new(),
    };
    (number, faults)
}

/// Makes a plan of the faults. Those that strike the batch or the tokens do so now.
fn plan(shared: &Shared, faults: Vec<Fault>, batch_id: Option<&str>) -> Plan {
    let mut plan = Plan::default();
    let Plan {
        before,
        tampering,
        spoiling,
    } = &mut plan;
    let strike = |blow: &dyn Fn(&mut Batch)| strike(shared, batch_id, blow);
    for fault in faults {
        match fault {
            Fault::RespondBefore(response) => *before = Before::Respond(response),
            Fault::CutBefore => *before = Before::Cut,
            Fault::HangBefore => *before = Before::Hang,
            Fault::RespondAfter(response) => spoiling.replace = Some(response),
            Fault::CutAfter => spoiling.cut = true,
            Fault::Truncate => spoiling.truncate = true,
            Fault::HangAfter => spoiling.hang = true,
            Fault::InvalidUtf8 => spoiling.invalid_utf8 = true,
            Fault::Slow(delay) => spoiling.delay = spoiling.delay.saturating_add(delay),
            Fault::RepeatResults => tampering.repeat_results = true,
            Fault::DoubleResults => tampering.double_results = true,
            Fault::LoseChunks => tampering.lose_chunks = true,
            Fault::RevokeTokens => shared.lock().tokens.revoke_all(),
            Fault::StallWorkers(time) => strike(&|batch| batch.stall(time)),
            Fault::TimeOut => strike(&|batch| _ = batch.time_out()),
            Fault::Fail => strike(&|batch| _ = batch.end(Phase::Failed)),
            Fault::CloseByOther => strike(&|batch| _ = batch.close()),
            Fault::CancelByOther => strike(&|batch| _ = batch.end(Phase::Cancelled)),
        }
    }
    plan
}

/// The operation of a request. The body of an update decides between close and cancel.
fn operation(route: Route<'_>, body: &[u8]) -> Operation {
    let call = match route {
        Route::Health => return Operation::Health,
        Route::Token { .. } => return Operation::Token,
        Route::Api(call) => call,
    };
    match call {
        Call::Describe => Operation::Describe,
        Call::Create => Operation::Create,
        Call::Info { .. } => Operation::Info,
        Call::Status { .. } => Operation::Status,
        Call::Push { .. } => Operation::Push,
        Call::Pull { .. } => Operation::Pull,
        Call::Schema(_) => Operation::Schema,
        Call::Swagger(_) => Operation::Swagger,
        Call::Versions { .. } => Operation::Versions,
        Call::Update { .. } => match serde_json::from_slice::<UpdateBatch>(body) {
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

/// Lets something happen to the batch that the request is about, if there is one.
fn strike(shared: &Shared, id: Option<&str>, blow: impl Fn(&mut Batch)) {
    let now = shared.clock.now();
    let mut state = shared.lock();
    if let Some(entry) = id.and_then(|id| state.batch(id, now)) {
        blow(&mut entry.batch);
    }
}

/// Checks the request and performs its operation.
fn perform(
    shared: &Shared,
    route: Route<'_>,
    head: &request::Parts,
    body: &[u8],
    tampering: Tampering,
    mistakes: &mut Mistakes,
) -> Result<Vec<Bytes>, Refusal> {
    let call = match route {
        Route::Health => return Ok(vec![Bytes::from_static(b"{\"status\":\"UP\"}")]),
        Route::Token { realm } => return token::issue(shared, realm, &head.headers, body),
        Route::Api(call) => call,
    };
    check_credentials(shared, &head.headers)?;
    if mistakes.checks_headers() {
        check_headers(shared, &head.headers, mistakes)?;
    }
    check_form(call, head, body)?;
    // Checked once for the whole body, so that reading the JSON in it need not do so for each
    // value.
    let body = std::str::from_utf8(body)
        .map_err(|error| Refusal::invalid(format!("the body is not UTF-8: {error}")))?;
    match call {
        Call::Describe => shared.describe(),
        Call::Create => shared.create(body),
        Call::Info { id } => shared.info(id),
        Call::Status { id } => shared.status(id),
        Call::Push { id } => shared.push(id, body, tampering, mistakes),
        Call::Pull { id } => shared.pull(id, head.uri.query(), tampering),
        Call::Update { id } => shared.update(id, body),
        Call::Schema(which) => shared.schema(which),
        Call::Swagger(asked) => {
            let host = head.headers.get(HOST).and_then(|host| host.to_str().ok());
            shared.swagger(asked, host)
        }
        Call::Versions { folder, service } => shared.versions(folder, service),
    }
}
