//! The transport on the wire, against an emulator that follows a script.

// Without a provider there is no client to test with.
#![cfg(any(
    not(feature = "rustls-no-provider"),
    feature = "rustls",
    feature = "native-tls"
))]

mod auth;
#[cfg(feature = "blocking")]
mod blocking;
mod limits;
mod properties;
mod requests;
mod retries;
mod secrets;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cspark_emulator::{Emulator, Fault, RecordedRequest, Response};

use super::{CallContext, Idempotency, ResponseBody, Transport};
use crate::client::Client;
use crate::config::{ClientBuilder, RetryPolicy};
use crate::error::{Error, ErrorKind, Result};
use crate::operation::Operation;
use crate::raw::types;

const ID: &str = "11111111-2222-3333-4444-555555555555";

/// An emulator that handles all requests by this script, and its last fault for ever.
fn scripted<F: Into<Fault>>(script: impl IntoIterator<Item = F>) -> Emulator {
    // A thread of its own, so that it serves blocking clients and paused runtimes as well.
    let emulator = Emulator::builder().start_on_thread().expect("a free port");
    emulator.script(script.into_iter().map(Into::into));
    emulator
}

fn json(body: &str) -> Response {
    status(200, body)
}

fn status(code: u16, body: &str) -> Response {
    Response::json(code, body)
}

/// Status 200 and a body of which the end never comes.
fn truncated(body: &str) -> Fault {
    Response::json(200, format!("{body} and the rest"))
        .cut_after(body.len())
        .into()
}

/// The values of a header, in their order.
fn header<'a>(request: &'a RecordedRequest, name: &str) -> Vec<&'a str> {
    let named = request.headers.iter().filter(|(given, _)| given == name);
    named.map(|(_, value)| value.as_str()).collect()
}

/// Path and query.
fn target(request: &RecordedRequest) -> String {
    match &request.query {
        Some(query) => format!("{}?{query}", request.path),
        None => request.path.clone(),
    }
}

/// Lets the clock of the runtime jump ahead.
async fn skip(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// Retries after milliseconds.
fn builder(emulator: &Emulator) -> ClientBuilder {
    Client::builder()
        .base_url(emulator.base_url())
        .api_key("my-key")
        .retry(RetryPolicy::default().interval(Duration::from_millis(2)))
}

fn client(emulator: &Emulator) -> Client {
    builder(emulator).build().unwrap()
}

/// The calls as the layers above make them.
struct Calls(Arc<Transport>);

impl Calls {
    fn of(client: &Client) -> Self {
        Self(Arc::clone(client.transport()))
    }

    async fn status(&self) -> Result<types::Status> {
        let call = CallContext::new(Operation::Status).with_batch(ID);
        self.0
            .call(call, |raw| async move { raw.status(ID).await })
            .await
    }

    async fn create(&self) -> Result<types::Batch> {
        let body: types::CreateRequest = serde_json::from_str(r#"{"service":"f/s"}"#).unwrap();
        let call = CallContext::new(Operation::Create);
        self.0
            .call(call, |raw| async move { raw.create(&body).await })
            .await
    }

    async fn push(&self, idempotency: Idempotency) -> Result<types::Status> {
        let body = Bytes::from_static(br#"{"chunks":[]}"#);
        let call = CallContext::new(Operation::Push)
            .with_batch(ID)
            .with_idempotency(idempotency);
        self.0
            .call(call, |raw| async move { raw.push(ID, body).await })
            .await
    }

    async fn pull(&self) -> Result<ResponseBody> {
        self.pull_as(Idempotency::of(Operation::Pull)).await
    }

    async fn pull_as(&self, idempotency: Idempotency) -> Result<ResponseBody> {
        let max = NonZeroU32::new(7);
        let call = CallContext::new(Operation::Pull)
            .with_batch(ID)
            .with_idempotency(idempotency);
        self.0
            .call_bytes(call, |raw| async move { raw.pull(ID, max, max).await })
            .await
    }

    async fn close(&self) -> Result<types::Batch> {
        let body = serde_json::from_str(r#"{"batch_status":"closed"}"#).unwrap();
        let call = CallContext::new(Operation::Close).with_batch(ID);
        self.0
            .call(call, |raw| async move { raw.update(ID, &body).await })
            .await
    }
}
