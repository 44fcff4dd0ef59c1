//! One request to the service: credentials, attempts, time limits, size limits and logs.
//!
//! Nothing here knows what a request is about, apart from its [`Operation`].

mod attempt;
mod auth;
mod call;
#[cfg(feature = "gzip")]
mod gzip;
mod headers;
mod hooks;
mod http_client;
mod oauth;
mod response;
mod retry;
mod retry_after;
mod sender;
#[cfg(test)]
mod tests;
mod trace;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, Method};
use progenitor_client::{ByteStream, ResponseValue};
use reqwest::{Request, Response, Url};
use serde::de::DeserializeOwned;

use self::attempt::Answer;
use self::auth::{Auth, Credential, Source};
use self::hooks::{CallExecutor, TypedCall};
use self::oauth::ClientCredentials;
use self::sender::Sender;
use crate::auth::Credentials;
use crate::config::Settings;
use crate::error::{Error, Result};
use crate::operation::Operation;
use crate::raw;
use crate::raw::executor::{Execute, Executor};
use crate::redact::{Secret, Secrets};

pub(crate) use self::call::{Call, CallLog};
pub(crate) use self::response::ResponseBody;
pub(crate) use self::retry::Repeat;

/// The query parameter that progenitor adds to each request.
const API_VERSION: &str = "api-version";

/// What a generated call ends in.
pub(crate) type RawResult<T> = Result<ResponseValue<T>, progenitor_client::Error<()>>;

/// A call that failed.
#[derive(Debug)]
pub(crate) struct CallError {
    pub(crate) error: Error,
    /// The last response, if it has an error status: whole and with nothing masked.
    pub(crate) response: Option<Response>,
}

/// Everything that a call needs, once per client.
#[derive(Debug)]
pub(crate) struct Transport {
    sender: Sender,
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
        let sender = Sender::new(client, &settings, secrets(&settings));
        Ok(Self {
            auth: auth(&settings, &sender)?,
            headers: headers::common(&settings)?,
            sender,
            settings,
        })
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A generated client whose requests `execute` sends.
    pub(crate) fn raw_client(&self, execute: impl Execute + 'static) -> raw::Client {
        let base_url = self.settings.base_url.as_string();
        let client = self.sender.client().clone();
        raw::Client::new_with_client(&base_url, client, Executor::new(execute))
    }

    fn raw_client_for(self: &Arc<Self>, call: &Arc<TypedCall>) -> raw::Client {
        self.raw_client(CallExecutor {
            transport: Arc::clone(self),
            call: Arc::clone(call),
        })
    }

    /// Completes the request of a generated client, and sends it.
    pub(crate) async fn send(
        &self,
        mut request: Request,
        call: &Call,
        log: &CallLog,
    ) -> Result<Response, CallError> {
        let headers = request.headers_mut();
        headers.remove(API_VERSION);
        headers.remove(ACCEPT);
        if headers.contains_key(CONTENT_TYPE) {
            // The generated code takes bulk bodies for any bytes; they are JSON all the same.
            headers.insert(CONTENT_TYPE, headers::JSON);
        }
        self.add_headers(headers);
        #[cfg(feature = "gzip")]
        if self.settings.compress_requests {
            gzip::compress(&mut request);
        }
        let url = request.url().clone();
        match self.sender.run(request, call, &self.auth, log).await {
            Ok(answer) => Ok(hooks::response(url, answer)),
            Err(stopped) => {
                let answer = stopped.answer;
                let answer = answer.filter(|Answer { status, .. }| {
                    !status.is_success() && !status.is_redirection()
                });
                Err(CallError {
                    error: stopped.error,
                    response: answer.map(|answer| hooks::response(url, answer)),
                })
            }
        }
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
        let call = begin(call);
        match send(self.raw_client_for(&call)).await {
            Ok(value) => Ok(value.into_inner()),
            Err(progenitor_client::Error::InvalidResponsePayload(body, _)) => {
                // Only to find out where it went wrong.
                let received = ResponseBody {
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
    ) -> Result<ResponseBody>
    where
        F: Future<Output = RawResult<ByteStream>>,
    {
        let call = begin(call);
        match send(self.raw_client_for(&call)).await {
            Ok(value) => {
                let body = whole(value.into_inner()).await;
                let body = body.map_err(|error| failed(&call, error.into()))?;
                Ok(ResponseBody {
                    body,
                    call,
                    transport: Arc::clone(self),
                })
            }
            Err(error) => Err(failed(&call, error)),
        }
    }

    fn add_headers(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.headers {
            headers.append(name, value.clone());
        }
    }

    /// Asks the environment for its health, without credentials, since no tenant is involved.
    pub(crate) async fn health<T: DeserializeOwned>(self: &Arc<Self>) -> Result<T> {
        let call = begin(Call::new(Operation::Health));
        let url: Url = self.settings.base_url.health().parse().map_err(|_| {
            Error::config("the base URL leads to no health check").with_operation(Operation::Health)
        })?;
        let mut request = Request::new(Method::GET, url);
        self.add_headers(request.headers_mut());
        let running = self.sender.run(request, &call.call, &Auth::Open, &call.log);
        let Answer { body, .. } = running.await.map_err(|stopped| stopped.error)?;
        ResponseBody {
            body,
            call,
            transport: Arc::clone(self),
        }
        .json()
    }
}

fn begin(call: Call) -> Arc<TypedCall> {
    Arc::new(TypedCall {
        call,
        log: CallLog::new(),
    })
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

/// The bytes of an answer that the sender has read already: one piece, not copied.
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

fn auth(settings: &Settings, sender: &Sender) -> Result<Auth> {
    Ok(match &settings.credentials {
        Credentials::Open => Auth::Open,
        Credentials::ApiKey(key) => Auth::Fixed(Credential::api_key(key.clone())?),
        Credentials::Token(token) => Auth::Fixed(Credential::bearer(token.clone(), 0)?),
        Credentials::Provider(provider) => Auth::tokens(Source::Provider {
            provider: Arc::clone(provider),
            sender: sender.clone(),
        }),
        Credentials::OAuth(client) => {
            let url = settings.token_url.clone();
            Auth::tokens(Source::OAuth(ClientCredentials {
                client: client.clone(),
                url: url.ok_or_else(|| Error::config("there is no token URL"))?,
                sender: sender.clone(),
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
