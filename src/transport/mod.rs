//! Requests and answers: credentials, ids, retries, limits. Knows nothing of batches.

mod attempt;
mod batch_id;
mod call;
#[cfg(feature = "gzip")]
mod compress;
mod engine;
mod headers;
mod hooks;
mod http_client;
mod received;
mod retry;
mod retry_after;
#[cfg(test)]
mod tests;
pub(crate) mod trace;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use http::{HeaderMap, Method};
use progenitor_client::{ByteStream, ResponseValue};
use reqwest::{Request, Url};
use serde::de::DeserializeOwned;

use self::attempt::Answer;
use self::hooks::TypedCall;
use crate::auth::{Auth, ClientCredentials, Credential, Credentials, Secret, Secrets, Source};
use crate::config::Settings;
use crate::{Error, Operation, Result, raw};

pub(crate) use batch_id::check_batch_id;
pub(crate) use call::{Call, CallLog};
pub(crate) use engine::Engine;
pub(crate) use headers::{API_KEY, is_own_header};
pub(crate) use hooks::Hooks;
pub(crate) use received::Received;
pub use retry::RetryPolicy;
pub(crate) use retry::{Decision, Failed, Outcome, Repeat, decide};

/// What a generated call ends in.
pub(crate) type RawResult<T> = Result<ResponseValue<T>, progenitor_client::Error<()>>;

/// Everything that a call needs, once per client.
#[derive(Debug)]
pub(crate) struct Transport {
    engine: Engine,
    auth: Auth,
    /// Those of every request.
    headers: HeaderMap,
    settings: Settings,
}

impl Transport {
    pub(crate) fn new(
        settings: Settings,
        proxy: Option<reqwest::Proxy>,
        http_client: Option<reqwest::Client>,
    ) -> Result<Self> {
        let client = match http_client {
            Some(client) => client,
            None => http_client::build(&settings, proxy)?,
        };
        let engine = Engine::new(client, &settings, secrets(&settings));
        Ok(Self {
            auth: auth(&settings, &engine)?,
            headers: headers::common(&settings)?,
            engine,
            settings,
        })
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The generated client for users, with everything in place.
    pub(crate) fn raw(self: &Arc<Self>) -> raw::Client {
        self.raw_with(Hooks::for_user(Arc::clone(self)))
    }

    fn raw_with(&self, hooks: Hooks) -> raw::Client {
        let base_url = self.settings.base_url.as_string();
        raw::Client::new_with_client(&base_url, self.engine.client().clone(), hooks)
    }

    /// Makes a generated call whose answer is JSON.
    ///
    /// This and [`call_bytes`](Self::call_bytes) are the only places where the layers above meet
    /// the generated code's errors.
    ///
    /// ```text
    /// let call = Call::new(Operation::Status).batch(id);
    /// let status = transport.call(call, |raw| async move { raw.status(id).await }).await?;
    /// ```
    pub(crate) async fn call<T, F>(
        self: &Arc<Self>,
        call: Call,
        send: impl FnOnce(raw::Client) -> F,
    ) -> Result<T>
    where
        T: DeserializeOwned,
        F: Future<Output = RawResult<T>>,
    {
        let call = self.begin(call)?;
        match send(self.raw_with(Hooks::for_call(Arc::clone(self), Arc::clone(&call)))).await {
            Ok(value) => Ok(value.into_inner()),
            Err(progenitor_client::Error::InvalidResponsePayload(body, _)) => {
                // Only to find out where it went wrong.
                let received = Received {
                    body,
                    call,
                    transport: Arc::clone(self),
                };
                received.json::<T>()
            }
            Err(error) => Err(failed(&call, error)),
        }
    }

    /// Makes a generated call whose answer the caller reads.
    pub(crate) async fn call_bytes<F>(
        self: &Arc<Self>,
        call: Call,
        send: impl FnOnce(raw::Client) -> F,
    ) -> Result<Received>
    where
        F: Future<Output = RawResult<ByteStream>>,
    {
        let call = self.begin(call)?;
        match send(self.raw_with(Hooks::for_call(Arc::clone(self), Arc::clone(&call)))).await {
            Ok(value) => {
                let body = whole(value.into_inner()).await;
                let body = body.map_err(|error| failed(&call, error.into()))?;
                Ok(Received {
                    body,
                    call,
                    transport: Arc::clone(self),
                })
            }
            Err(error) => Err(failed(&call, error)),
        }
    }

    fn begin(&self, call: Call) -> Result<Arc<TypedCall>> {
        if let Some(id) = &call.batch_id {
            check_batch_id(id).map_err(|error| error.with_operation(call.operation))?;
        }
        Ok(Arc::new(TypedCall {
            call,
            log: CallLog::new(),
        }))
    }

    fn add_headers(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.headers {
            headers.append(name, value.clone());
        }
    }

    /// Asks the environment how it is. Without credentials, since no tenant is involved.
    pub(crate) async fn health<T: DeserializeOwned>(self: &Arc<Self>) -> Result<T> {
        let call = self.begin(Call::new(Operation::Health))?;
        let url: Url = self.settings.base_url.health().parse().map_err(|_| {
            Error::config("the base URL leads to no health check").with_operation(Operation::Health)
        })?;
        let mut request = Request::new(Method::GET, url);
        self.add_headers(request.headers_mut());
        let running = self.engine.run(request, &call.call, &Auth::Open, &call.log);
        let Answer { body, .. } = running.await.map_err(|stopped| stopped.error)?;
        Received {
            body,
            call,
            transport: Arc::clone(self),
        }
        .json()
    }
}

/// The error of a call, out of what the generated code says and what the log knows better.
fn failed(typed: &TypedCall, error: progenitor_client::Error<()>) -> Error {
    use progenitor_client::Error as Raw;
    let TypedCall { call, log } = typed;
    if let Some(error) = log.take_failure() {
        return error;
    }
    // What is left are requests that could not be put together.
    let error = match error {
        Raw::InvalidRequest(why) => Error::input(why),
        Raw::CommunicationError(source) => {
            Error::input("the request can't be put together").with_source(source.without_url())
        }
        _ => Error::decode("", "it is not what the API describes"),
    };
    log.complete(error, call)
}

/// The bytes of an answer that the engine has read already: one piece, not copied.
async fn whole(stream: ByteStream) -> reqwest::Result<Bytes> {
    let mut stream = stream.into_inner();
    let Some(first) = stream.next().await.transpose()? else {
        return Ok(Bytes::new());
    };
    let Some(second) = stream.next().await.transpose()? else {
        return Ok(first);
    };
    let mut all = BytesMut::from(first);
    all.extend_from_slice(&second);
    while let Some(next) = stream.next().await.transpose()? {
        all.extend_from_slice(&next);
    }
    Ok(all.freeze())
}

fn auth(settings: &Settings, engine: &Engine) -> Result<Auth> {
    Ok(match &settings.credentials {
        Credentials::Open => Auth::Open,
        Credentials::ApiKey(key) => Auth::Fixed(Credential::api_key(key.clone())?),
        Credentials::Token(token) => Auth::Fixed(Credential::bearer(token.clone(), 0)?),
        Credentials::Provider(provider) => Auth::tokens(Source::Provider {
            provider: Arc::clone(provider),
            engine: engine.clone(),
        }),
        Credentials::OAuth(client) => {
            let url = settings.token_url.clone();
            Auth::tokens(Source::OAuth(ClientCredentials {
                client: client.clone(),
                url: url.ok_or_else(|| Error::config("there is no token URL"))?,
                engine: engine.clone(),
                user_agent: headers::user_agent(settings.user_agent.as_deref())?,
            }))
        }
    })
}

/// What the settings hold. Tokens are added as they are issued.
fn secrets(settings: &Settings) -> Secrets {
    let own = match &settings.credentials {
        Credentials::ApiKey(secret) | Credentials::Token(secret) => Some(secret.clone()),
        Credentials::OAuth(client) => Some(client.secret.clone()),
        Credentials::Open | Credentials::Provider(_) => None,
    };
    let extra = settings.extra_headers.values();
    let extra = extra.filter_map(|value| value.to_str().ok().map(Secret::new));
    Secrets::new(own.into_iter().chain(extra).collect())
}
