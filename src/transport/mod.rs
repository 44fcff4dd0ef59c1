//! One request to the service: credentials, attempts, time limits, size limits and logs.
//!
//! Nothing here knows what a request is about, apart from its [`Operation`].

mod attempt;
mod auth;
mod call;
mod call_executor;
mod credential;
#[cfg(feature = "gzip")]
mod gzip;
mod headers;
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
use http::{HeaderMap, Method, Response};
use progenitor_client::{ByteStream, ResponseValue};
use reqwest::{Request, Url};
use serde::de::DeserializeOwned;

use self::auth::{Auth, TokenSource};
use self::call_executor::CallExecutor;
use self::credential::Credential;
use self::http_client::HttpClient;
use self::oauth::ClientCredentials;
use self::sender::{Anonymous, Sender};
use crate::auth::Credentials;
use crate::config::{Http, Settings};
use crate::error::{Error, Result};
use crate::operation::Operation;
use crate::raw;
use crate::raw::executor::{Execute, Executor};
use crate::redact::{Secret, Secrets};

pub(crate) use self::call::CallContext;
pub(crate) use self::response::ResponseBody;
pub(crate) use self::retry::Idempotency;
pub(crate) use self::sender::CallError;

/// A header that progenitor adds to each request.
const API_VERSION: &str = "api-version";

/// The result of a generated call.
pub(crate) type RawResult<T> = Result<ResponseValue<T>, progenitor_client::Error<()>>;

/// Everything that calls need: settings, credentials and the HTTP client. One for each client.
#[derive(Debug)]
pub(crate) struct Transport {
    sender: Sender,
    auth: Auth,
    /// The headers of every request.
    headers: HeaderMap,
    settings: Settings,
}

impl Transport {
    pub(crate) fn new(
        settings: Settings,
        proxy: Option<reqwest::Proxy>,
        http: Option<Http>,
    ) -> Result<Self> {
        let client = match http {
            Some(Http::Client(client)) => HttpClient::own(client),
            Some(Http::Service(service)) => HttpClient::service(service)?,
            None => HttpClient::new(&settings, proxy)?,
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

    /// Makes a generated call whose response is JSON.
    ///
    /// The layers above meet the errors of the generated client only here and in
    /// [`call_bytes`](Self::call_bytes).
    ///
    /// ```text
    /// let context = CallContext::new(Operation::Status).with_batch(id);
    /// let status = transport.call(context, async |raw| raw.status(id).await).await?;
    /// ```
    pub(crate) async fn call<T, F>(
        self: &Arc<Self>,
        context: CallContext,
        send: impl FnOnce(raw::Client) -> F,
    ) -> Result<T>
    where
        T: DeserializeOwned,
        F: Future<Output = RawResult<T>>,
    {
        let context = Arc::new(context);
        match send(self.raw_client_for(&context)).await {
            Ok(value) => Ok(value.into_inner()),
            // Decodes it once more to find the path of the value that is wrong.
            Err(progenitor_client::Error::InvalidResponsePayload(body, _)) => {
                self.response_body(body, context).json()
            }
            Err(error) => Err(call_error(&context, error)),
        }
    }

    /// Makes a generated call whose response the caller decodes.
    pub(crate) async fn call_bytes<F>(
        self: &Arc<Self>,
        context: CallContext,
        send: impl FnOnce(raw::Client) -> F,
    ) -> Result<ResponseBody>
    where
        F: Future<Output = RawResult<ByteStream>>,
    {
        let context = Arc::new(context);
        let body = match send(self.raw_client_for(&context)).await {
            Ok(value) => collect(value.into_inner()).await.map_err(Into::into),
            Err(error) => Err(error),
        };
        match body {
            Ok(body) => Ok(self.response_body(body, context)),
            Err(error) => Err(call_error(&context, error)),
        }
    }

    /// Asks the environment for its health, without credentials, because that concerns no tenant.
    pub(crate) async fn health<T: DeserializeOwned>(self: &Arc<Self>) -> Result<T> {
        let context = CallContext::new(Operation::Health);
        let url: Url = self.settings.base_url.health().parse().map_err(|_| {
            Error::config("the base URL leads to no health check").with_operation(Operation::Health)
        })?;
        let mut request = Request::new(Method::GET, url);
        self.add_headers(request.headers_mut());
        match self.sender.send(request, &context, &Anonymous).await {
            Ok(response) => {
                let context = Arc::new(context);
                self.response_body(response.into_body(), context).json()
            }
            Err(failed) => Err(failed.error),
        }
    }

    /// Completes the request of a generated client, and sends it.
    pub(crate) async fn send(
        &self,
        mut request: Request,
        context: &CallContext,
    ) -> Result<Response<Bytes>, Box<CallError>> {
        let headers = request.headers_mut();
        headers.remove(API_VERSION);
        headers.remove(ACCEPT);
        if headers.contains_key(CONTENT_TYPE) {
            // To the generated code a bulk body is any bytes, but it is always JSON.
            headers.insert(CONTENT_TYPE, headers::JSON);
        }
        self.add_headers(headers);
        let body = request.body().and_then(reqwest::Body::as_bytes);
        if let Some(body) = body.and_then(|body| context.extended(body)) {
            *request.body_mut() = Some(body.into());
        }
        #[cfg(feature = "gzip")]
        if self.settings.compress_requests {
            gzip::compress(&mut request);
        }
        self.sender.send(request, context, &self.auth).await
    }

    fn raw_client_for(self: &Arc<Self>, context: &Arc<CallContext>) -> raw::Client {
        self.raw_client(CallExecutor {
            transport: Arc::clone(self),
            context: Arc::clone(context),
        })
    }

    fn response_body(self: &Arc<Self>, body: Bytes, context: Arc<CallContext>) -> ResponseBody {
        ResponseBody {
            body,
            context,
            transport: Arc::clone(self),
        }
    }

    fn add_headers(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.headers {
            headers.append(name, value.clone());
        }
    }
}

/// The error of a generated call: the one that the executor stored, or else one for a request that
/// could not be built.
fn call_error(context: &CallContext, error: progenitor_client::Error<()>) -> Error {
    use progenitor_client::Error as Raw;
    if let Some(error) = context.take_error() {
        return error;
    }
    let error = match error {
        Raw::InvalidRequest(why) => Error::input(why),
        Raw::CommunicationError(source) => {
            Error::input("the request can't be built").with_source(source.without_url())
        }
        _ => Error::decode("", "it is not what the API describes"),
    };
    context.complete(error)
}

/// The bytes of a response that was read before. They come in one piece, which is not copied.
async fn collect(stream: ByteStream) -> reqwest::Result<Bytes> {
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
        Credentials::Provider(provider) => Auth::tokens(TokenSource::Provider {
            provider: Arc::clone(provider),
            policy: settings.retry.clone(),
            timeout: settings.timeouts.request,
        }),
        Credentials::OAuth(client) => {
            let url = settings.token_url.clone();
            Auth::tokens(TokenSource::OAuth(Box::new(ClientCredentials {
                client: client.clone(),
                url: url.ok_or_else(|| Error::config("there is no token URL"))?,
                sender: sender.clone(),
                user_agent: headers::user_agent(settings.user_agent.as_deref())?,
            })))
        }
    })
}

/// The secrets in the settings. Tokens are added as they are issued.
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
