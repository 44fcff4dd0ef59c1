//! Sends one request until an attempt succeeds or the retry policy says to stop.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};
use reqwest::Request;
use uuid::Uuid;

use super::attempt::{AttemptFailure, AttemptLimits, attempt};
use super::call::CallContext;
use super::credential::Credential;
use super::http_client::HttpClient;
use super::retry::{RetryDecision, RetryState, decide};
use super::trace::CallSpan;
use crate::config::headers::REQUEST_ID;
use crate::config::{Limits, RetryPolicy, Settings, Timeouts};
use crate::error::{Error, ErrorKind, Result};
use crate::operation::Operation;
use crate::redact::{Redactor, Secrets};

/// Sends requests, with credentials, request ids and retries. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    client: HttpClient,
    policy: RetryPolicy,
    timeouts: Timeouts,
    limits: Limits,
    secrets: Arc<Secrets>,
}

/// A source of the credentials of requests.
pub(super) trait Authenticate: Sync {
    /// Returns the credential for one attempt; `None` only if the user asked for none.
    fn credential(&self) -> impl Future<Output = Result<Option<Credential>>> + Send;

    /// Whether another credential can be fetched.
    fn can_renew(&self) -> bool;

    /// Drops a credential that the service rejected.
    fn discard(&self, credential: &Credential) -> impl Future<Output = ()> + Send;
}

/// For requests without credentials.
pub(super) struct Anonymous;

impl Authenticate for Anonymous {
    async fn credential(&self) -> Result<Option<Credential>> {
        Ok(None)
    }

    fn can_renew(&self) -> bool {
        false
    }

    async fn discard(&self, _: &Credential) {}
}

/// A call that failed.
#[derive(Debug)]
pub(crate) struct CallError {
    pub(crate) error: Error,
    /// The last response, with nothing masked. Its body may be cut at a limit.
    pub(crate) response: Option<Response<Bytes>>,
}

impl From<Error> for Box<CallError> {
    fn from(error: Error) -> Self {
        let response = None;
        Self::new(CallError { error, response })
    }
}

impl Sender {
    pub(super) fn new(client: HttpClient, settings: &Settings, secrets: Secrets) -> Self {
        Self {
            client,
            policy: settings.retry.clone(),
            timeouts: settings.timeouts,
            limits: settings.limits,
            secrets: Arc::new(secrets),
        }
    }

    pub(super) fn client(&self) -> &reqwest::Client {
        &self.client.client
    }

    /// Masks the secrets of this client, the tokens issued to it included.
    pub(super) fn redactor(&self) -> Redactor {
        self.secrets.redactor()
    }

    /// Sends `request`, which has all its headers except for credentials and request id, as often
    /// as the retry policy allows.
    pub(super) async fn send(
        &self,
        request: Request,
        context: &CallContext,
        auth: &impl Authenticate,
    ) -> Result<Response<Bytes>, Box<CallError>> {
        let span = CallSpan::new(context, &request);
        let attempts = span.instrument(self.attempts(request, context, auth, &span));
        let result = match self.timeouts.operation {
            None => attempts.await,
            Some(limit) => match tokio::time::timeout(limit, attempts).await {
                Ok(result) => result,
                Err(_) => Err(context.timed_out(limit).into()),
            },
        };
        span.ended(context, result.as_ref().map_err(|failed| &failed.error));
        result
    }

    async fn attempts(
        &self,
        mut request: Request,
        context: &CallContext,
        auth: &impl Authenticate,
        span: &CallSpan,
    ) -> Result<Response<Bytes>, Box<CallError>> {
        let mut attempts = 0;
        let mut renewed = false;
        loop {
            // An attempt never goes out without the credentials that the user asked for.
            let credential = auth.credential().await;
            let credential = credential.map_err(|error| context.complete(no_token(error)))?;
            // A streaming body can be sent only once.
            let next = request.try_clone();
            self.identify(&mut request, credential.as_ref(), context);
            let sent_with = match &credential {
                Some(credential) => credential.kind(),
                None if context.operation() == Operation::Token => "a client id and secret",
                None => "no credentials",
            };

            let mut failure = match attempt(&self.client, request, self.limits_for(context)).await {
                Ok(response) => {
                    context.attempt_succeeded(response.status());
                    return Ok(response);
                }
                Err(failure) => failure,
            };
            let unauthorized = failure.status() == Some(StatusCode::UNAUTHORIZED);
            if unauthorized {
                failure.message += "; the request had ";
                failure.message += sent_with;
            }
            context.attempt_failed(&failure);
            request = match next {
                Some(next) => next,
                None => return Err(self.failed(failure, context)),
            };

            if unauthorized
                && !renewed
                && let Some(credential) = credential.filter(|_| auth.can_renew())
            {
                auth.discard(&credential).await;
                renewed = true;
                span.renews();
                continue;
            }

            attempts += 1;
            let limit = self.timeouts.operation;
            let state = RetryState {
                idempotency: context.idempotency(),
                cause: failure.cause,
                attempts,
                time_left: limit.map(|limit| limit.saturating_sub(context.elapsed())),
            };
            match decide(&self.policy, state, fastrand::f64()) {
                RetryDecision::RetryAfter(wait) => {
                    span.retries(&failure, context, wait);
                    tokio::time::sleep(wait).await;
                }
                RetryDecision::Stop => return Err(self.failed(failure, context)),
            }
        }
    }

    /// Gives an attempt its request id and its credentials.
    fn identify(
        &self,
        request: &mut Request,
        credential: Option<&Credential>,
        context: &CallContext,
    ) {
        let id = Uuid::new_v4().to_string();
        context.attempt_started(&id);
        let headers = request.headers_mut();
        if let Ok(id) = HeaderValue::from_str(&id) {
            headers.insert(REQUEST_ID, id);
        }
        if let Some(credential) = credential {
            self.secrets.remember(credential.secret());
            let (name, value) = credential.header();
            headers.insert(name, value);
        }
    }

    fn limits_for(&self, context: &CallContext) -> AttemptLimits {
        AttemptLimits {
            timeout: self.timeouts.request,
            max_bytes: self.limits.response_bytes,
            expects_json: context.expects_json(),
        }
    }

    fn failed(&self, failure: AttemptFailure, context: &CallContext) -> Box<CallError> {
        let response = failure.response.clone();
        let error = context.failed(failure, &self.redactor());
        Box::new(CallError { error, response })
    }
}

/// The error of a call that needed a token and got none.
fn no_token(error: Error) -> Error {
    use ErrorKind::{Connect, Interrupted, RateLimited, Service, Timeout, Unauthorized};
    let kind = match error.kind() {
        transient @ (Connect | Interrupted | RateLimited | Service | Timeout) => transient,
        _ => Unauthorized,
    };
    Error::new(kind, format!("no access token: {error}"))
        .with_transient(error.is_transient())
        .with_cause(error)
}
