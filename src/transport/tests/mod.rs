//! The transport on the wire, against a server that follows a script.

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
mod server;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use self::server::{Reply, Server, json, status};
use super::{CallContext, Idempotency, ResponseBody, Transport};
use crate::client::Client;
use crate::config::{ClientBuilder, RetryPolicy};
use crate::error::{Error, ErrorKind, Result};
use crate::operation::Operation;
use crate::raw::types;

const ID: &str = "11111111-2222-3333-4444-555555555555";

/// Patience measured in milliseconds.
fn builder(server: &Server) -> ClientBuilder {
    Client::builder()
        .base_url(server.url("/my-tenant"))
        .api_key("my-key")
        .retry(RetryPolicy::default().interval(Duration::from_millis(2)))
}

fn client(server: &Server) -> Client {
    builder(server).build().unwrap()
}

/// The calls as the layers above make them.
struct Calls(Arc<Transport>);

impl Calls {
    fn of(client: &Client) -> Self {
        Self(Arc::clone(client.transport()))
    }

    async fn status(&self) -> Result<types::Status> {
        let call = CallContext::new(Operation::Status).batch(ID);
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
            .batch(ID)
            .idempotency(idempotency);
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
            .batch(ID)
            .idempotency(idempotency);
        self.0
            .call_bytes(call, |raw| async move { raw.pull(ID, max, max).await })
            .await
    }

    async fn close(&self) -> Result<types::Batch> {
        let body = serde_json::from_str(r#"{"batch_status":"closed"}"#).unwrap();
        let call = CallContext::new(Operation::Close).batch(ID);
        self.0
            .call(call, |raw| async move { raw.update(ID, &body).await })
            .await
    }
}
