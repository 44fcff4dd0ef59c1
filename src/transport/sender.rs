//! Attempts until one succeeds or the rules say stop.

use std::sync::Arc;

use http::{HeaderValue, StatusCode};
use reqwest::Request;
use uuid::Uuid;

use super::attempt::{Answer, Failure, Terms, attempt};
use super::auth::{Auth, Credential};
use super::call::{Call, CallLog};
use super::retry::{Decision, Failed, decide};
use super::trace::CallSpan;
use crate::config::headers::REQUEST_ID;
use crate::config::{Limits, RetryPolicy, Settings, Timeouts};
use crate::error::Error;
use crate::redact::{Redactor, Secrets};

/// Sends requests; knows neither the service's paths nor what is in the bodies. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    client: reqwest::Client,
    policy: RetryPolicy,
    timeouts: Timeouts,
    limits: Limits,
    secrets: Arc<Secrets>,
}

/// A call that failed.
#[derive(Debug)]
pub(super) struct Stopped {
    pub(super) error: Error,
    /// The last response, with nothing masked. Its body may be cut at a limit.
    pub(super) answer: Option<Answer>,
}

impl From<Error> for Box<Stopped> {
    fn from(error: Error) -> Self {
        Self::new(Stopped {
            error,
            answer: None,
        })
    }
}

impl Sender {
    pub(super) fn new(client: reqwest::Client, settings: &Settings, secrets: Secrets) -> Self {
        Self {
            client,
            policy: settings.retry.clone(),
            timeouts: settings.timeouts,
            limits: settings.limits,
            secrets: Arc::new(secrets),
        }
    }

    pub(super) fn client(&self) -> &reqwest::Client {
        &self.client
    }

    pub(super) fn policy(&self) -> &RetryPolicy {
        &self.policy
    }

    pub(super) fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// Masks all that must not be seen in what comes back.
    pub(super) fn redactor(&self) -> Redactor {
        self.secrets.redactor()
    }

    /// Sends `request`, which has all its headers except for credentials and request id, as
    /// often as the rules allow.
    pub(super) async fn run(
        &self,
        request: Request,
        call: &Call,
        auth: &Auth,
        log: &CallLog,
    ) -> Result<Answer, Box<Stopped>> {
        let span = CallSpan::new(call, &request);
        let attempts = span.instrument(self.attempts(request, call, auth, log, &span));
        let result = match self.timeouts.operation {
            None => attempts.await,
            Some(limit) => match tokio::time::timeout(limit, attempts).await {
                Ok(result) => result,
                Err(_) => Err(log.out_of_time(limit, call).into()),
            },
        };
        span.ended(log, result.as_ref().map_err(|stopped| &stopped.error));
        result
    }

    async fn attempts(
        &self,
        request: Request,
        call: &Call,
        auth: &Auth,
        log: &CallLog,
        span: &CallSpan,
    ) -> Result<Answer, Box<Stopped>> {
        let mut request = request;
        let mut tries = 0;
        let mut renewed = false;
        loop {
            // No attempt without the credentials that were asked for.
            let credential = auth
                .credential()
                .await
                .map_err(|error| log.complete(no_token(error), call))?;
            // A body that is a stream can be sent once only.
            let again = request.try_clone();
            self.identify(&mut request, credential.as_ref(), log);

            let failure = match attempt(&self.client, request, self.terms(call)).await {
                Ok(answer) => {
                    log.attempt_succeeded(answer.status);
                    return Ok(answer);
                }
                Err(failure) => failure,
            };
            log.attempt_failed(&failure);
            request = match again {
                Some(again) => again,
                None => return Err(self.stopped(failure, call, log)),
            };

            let refused = failure.status == Some(StatusCode::UNAUTHORIZED);
            if refused
                && !renewed
                && let Some(credential) = credential.filter(|_| auth.can_renew())
            {
                auth.discard(&credential).await;
                renewed = true;
                span.renews();
                continue;
            }

            tries += 1;
            let failed = Failed {
                repeat: call.repeat,
                outcome: failure.outcome,
                attempts: tries,
                left: self
                    .timeouts
                    .operation
                    .map(|limit| limit.saturating_sub(log.elapsed())),
            };
            match decide(&self.policy, failed, fastrand::f64()) {
                Decision::Wait(wait) => {
                    span.retries(&failure, log, wait);
                    tokio::time::sleep(wait).await;
                }
                Decision::Stop => return Err(self.stopped(failure, call, log)),
            }
        }
    }

    /// Gives this attempt its own id and its credentials.
    fn identify(&self, request: &mut Request, credential: Option<&Credential>, log: &CallLog) {
        let id = Uuid::new_v4().to_string();
        log.attempt_starts(&id);
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

    fn terms(&self, call: &Call) -> Terms {
        Terms {
            timeout: self.timeouts.request,
            max_bytes: self.limits.response_bytes,
            wants_json: call.wants_json(),
        }
    }

    fn stopped(&self, failure: Failure, call: &Call, log: &CallLog) -> Box<Stopped> {
        let answer = failure.status.map(|status| Answer {
            status,
            headers: failure.headers.clone(),
            body: failure.body.clone(),
        });
        let error = log.failed(failure, call, &self.redactor());
        Box::new(Stopped { error, answer })
    }
}

/// What a failed token request means for the call that needed the token.
fn no_token(error: Error) -> Error {
    use crate::error::ErrorKind::{
        Connect, Interrupted, RateLimited, Service, Timeout, Unauthorized,
    };
    let kind = match error.kind() {
        passing @ (Connect | Interrupted | RateLimited | Service | Timeout) => passing,
        _ => Unauthorized,
    };
    Error::new(kind, format!("no access token: {error}"))
        .with_transient(error.is_transient())
        .with_source(error)
}
