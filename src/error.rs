//! The crate's one error type.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;

use crate::operation::Operation;

/// `Ok` or the crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// How much of a response's body an error keeps, in bytes.
const BODY_KEPT: usize = 4096;
/// How much of it `Display` shows, in characters.
const BODY_SHOWN: usize = 200;
/// How much of a message or an id `Display` shows, in characters.
const TEXT_SHOWN: usize = 1000;

/// The kind of an error, for programs that act on it.
///
/// New kinds may appear in minor versions, so a `match` needs a wildcard arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting is missing or wrong (base URL, credentials, environment); nothing was sent.
    Config,
    /// The caller's data can't be sent as it is (records, chunks, ids, a service URI); nothing was
    /// sent.
    Input,
    /// The pipeline's state forbids the operation (push after close, pull after cancel); nothing
    /// was sent.
    State,
    /// The credentials were not accepted, by the service (401) or by the token endpoint.
    Unauthorized,
    /// The credentials don't allow this operation (403).
    Forbidden,
    /// The batch, service or tenant does not exist (404, 410).
    NotFound,
    /// Too many requests (429).
    RateLimited,
    /// The service refused the request (any other 4xx).
    Refused,
    /// The service or a gateway before it failed (5xx).
    Service,
    /// No connection could be made, so the service has not seen the request.
    Connect,
    /// The time limit of an attempt or of the whole operation was exceeded, here or at the
    /// service (408).
    Timeout,
    /// The connection broke after the request had been sent, or the response was cut short.
    Interrupted,
    /// The response is not what the API describes.
    Decode,
    /// The response was larger than the limit in the settings.
    TooLarge,
    /// The batch has ended without the run's doing: it failed, somebody else closed or cancelled
    /// it, or the system closed it.
    BatchEnded,
    /// The service made no progress for longer than the run allows.
    Stalled,
    /// The run has ended, and some records came to no result; its summary lists them.
    Unfinished,
    /// The service responded with a redirect. It was not followed, so that no credentials go
    /// elsewhere.
    Redirect,
}

/// The error of every fallible function in this crate.
///
/// [`kind`](Self::kind) is for programs; `Display` is one line for people. Neither `Display` nor
/// `Debug` nor the sources show a key, token or client secret, even if the service echoed one.
/// Errors are cheap to move and to clone.
///
/// ```
/// use cspark_batches::{Error, ErrorKind};
///
/// fn advice(error: &Error) -> &'static str {
///     match error.kind() {
///         ErrorKind::Config | ErrorKind::Unauthorized => "check the CSPARK_* settings",
///         _ if error.is_transient() => "try again later",
///         _ => "ask support, with the request ids",
///     }
/// }
/// ```
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    operation: Option<Operation>,
    batch_id: Option<String>,
    status: Option<StatusCode>,
    request_ids: Vec<String>,
    attempts: u32,
    elapsed: Duration,
    retry_after: Option<Duration>,
    body_excerpt: Option<String>,
    response_body: Option<Bytes>,
    is_transient: bool,
    may_have_been_processed: bool,
    source: Option<Source>,
}

/// The error underneath.
#[derive(Clone)]
struct Source {
    error: Arc<dyn StdError + Send + Sync>,
    /// How much of it the message repeats.
    in_message: InMessage,
}

#[derive(Clone, Copy)]
enum InMessage {
    Nothing,
    Itself,
    /// The end of its chain, which names the cause.
    Root,
}

impl Error {
    /// Returns the kind of the error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the HTTP status of the last response, if there was one.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.0.status.map(|status| status.as_u16())
    }

    /// Returns the operation that failed; `None` if no call was made.
    #[must_use]
    pub fn operation(&self) -> Option<Operation> {
        self.0.operation
    }

    /// Returns the id of the batch that the call was about.
    #[must_use]
    pub fn batch_id(&self) -> Option<&str> {
        self.0.batch_id.as_deref()
    }

    /// Returns the `x-request-id` of every attempt, in order. Coherent's support asks for them.
    #[must_use]
    pub fn request_ids(&self) -> &[String] {
        &self.0.request_ids
    }

    /// Returns the number of attempts. 0 if nothing was sent.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// Returns the time from the start of the call to its failure, with all attempts and waits.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed
    }

    /// Returns how long the service asked to wait in its last response.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Returns the start of the last response's body: at most 4096 bytes, with secrets masked.
    #[must_use]
    pub fn body_excerpt(&self) -> Option<&str> {
        self.0.body_excerpt.as_deref()
    }

    /// Returns the whole body of a pull's response that could not be decoded.
    ///
    /// The service no longer has these results, so this is the only copy of them. Decode it as
    /// another type with [`Pulled::parse`](crate::Pulled::parse). Nothing in it is masked.
    #[must_use]
    pub fn response_body(&self) -> Option<&Bytes> {
        self.0.response_body.as_ref()
    }

    /// Returns the error underneath, such as that of the caller's own source of records.
    ///
    /// [`source`](StdError::source) passes over what `Display` shows already, so that a report of
    /// the whole chain says nothing twice. Look here for an error to downcast.
    #[must_use]
    pub fn get_ref(&self) -> Option<&(dyn StdError + Send + Sync + 'static)> {
        self.0.source.as_ref().map(|source| &*source.error)
    }

    /// Returns whether the failure is transient: the same call may succeed later.
    ///
    /// This does not say that it is safe to repeat the call: see
    /// [`may_have_been_processed`](Self::may_have_been_processed).
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.0.is_transient
    }

    /// Returns whether the service may have processed the request although the call failed.
    ///
    /// This is so if any of the attempts ended without a response, with a broken one, or with one
    /// that may come from a gateway.
    #[must_use]
    pub fn may_have_been_processed(&self) -> bool {
        self.0.may_have_been_processed
    }
}

/// Constructors and predicates for the crate itself.
impl Error {
    /// Whether the service refused the request because its body is too large (413).
    pub(crate) fn is_payload_too_large(&self) -> bool {
        self.0.status == Some(StatusCode::PAYLOAD_TOO_LARGE)
    }

    /// An error with nothing but a kind and a message, which is a sentence without a full stop.
    pub(crate) fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            operation: None,
            batch_id: None,
            status: None,
            request_ids: Vec::new(),
            attempts: 0,
            elapsed: Duration::ZERO,
            retry_after: None,
            body_excerpt: None,
            response_body: None,
            is_transient: false,
            may_have_been_processed: false,
            source: None,
        }))
    }

    /// A setting is missing or wrong.
    pub(crate) fn config(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Config, message)
    }

    /// The caller's data can't be sent as it is.
    pub(crate) fn input(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Input, message)
    }

    /// The pipeline's state forbids the operation.
    pub(crate) fn state(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::State, message)
    }

    /// A response can't be decoded. `path` names the field (`data[3].outputs`), or is empty for the
    /// whole body.
    pub(crate) fn decode(path: &str, why: impl fmt::Display) -> Self {
        let message = match path {
            "" | "." => format!("the response can't be decoded: {why}"),
            path => format!("the response can't be decoded at `{path}`: {why}"),
        };
        Self::new(ErrorKind::Decode, message)
    }

    pub(crate) fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    pub(crate) fn with_operation(mut self, operation: Operation) -> Self {
        self.0.operation = Some(operation);
        self
    }

    pub(crate) fn with_batch(mut self, batch_id: impl Into<String>) -> Self {
        self.0.batch_id = Some(batch_id.into());
        self
    }

    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.0.status = Some(status);
        self
    }

    /// One request id an attempt.
    pub(crate) fn with_attempts(mut self, request_ids: Vec<String>, elapsed: Duration) -> Self {
        self.0.attempts = u32::try_from(request_ids.len()).unwrap_or(u32::MAX);
        self.0.request_ids = request_ids;
        self.0.elapsed = elapsed;
        self
    }

    pub(crate) fn with_retry_after(mut self, retry_after: Option<Duration>) -> Self {
        self.0.retry_after = retry_after;
        self
    }

    /// Keeps the start of `body`, in which the caller has masked the secrets.
    pub(crate) fn with_body_excerpt(mut self, body: &str) -> Self {
        let body = body.trim();
        let mut end = body.len().min(BODY_KEPT);
        while !body.is_char_boundary(end) {
            end -= 1;
        }
        self.0.body_excerpt = (end > 0).then(|| body[..end].to_owned());
        self
    }

    /// Keeps the whole body of a pull's response, whose results exist nowhere else.
    pub(crate) fn with_response_body(mut self, body: Bytes) -> Self {
        self.0.response_body = Some(body);
        self
    }

    pub(crate) fn with_transient(mut self, is_transient: bool) -> Self {
        self.0.is_transient = is_transient;
        self
    }

    pub(crate) fn with_may_have_been_processed(mut self, may_have_been_processed: bool) -> Self {
        self.0.may_have_been_processed = may_have_been_processed;
        self
    }

    /// The error underneath, of which the message says nothing.
    pub(crate) fn with_source(self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.over(source, InMessage::Nothing)
    }

    /// The error underneath, whose text is part of the message.
    pub(crate) fn with_cause(self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.over(source, InMessage::Itself)
    }

    /// The error underneath. The text of the last one in its chain is part of the message.
    pub(crate) fn with_root_cause(
        self,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        self.over(source, InMessage::Root)
    }

    fn over(
        mut self,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
        in_message: InMessage,
    ) -> Self {
        let error = Arc::from(source.into());
        self.0.source = Some(Source { error, in_message });
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        if let Some(operation) = inner.operation {
            f.write_str(operation.phrase())?;
            if let Some(id) = &inner.batch_id {
                write!(f, " {}", OneLine(id, TEXT_SHOWN))?;
            }
            f.write_str(" failed: ")?;
        }
        write!(f, "{}", OneLine(&inner.message, TEXT_SHOWN))?;
        if inner.attempts > 1 {
            let seconds = inner.elapsed.as_secs_f64();
            write!(f, " after {} attempts in {seconds:.1} s", inner.attempts)?;
        }
        if let Some(body) = &inner.body_excerpt {
            write!(f, ": {}", OneLine(body, BODY_SHOWN))?;
        }
        Ok(())
    }
}

/// Displays text on one line, cut after a number of characters.
struct OneLine<'a>(&'a str, usize);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.0.split(|c: char| c.is_whitespace() || c.is_control());
        let mut shown = 0;
        for word in words.filter(|word| !word.is_empty()) {
            if shown > 0 {
                f.write_str(" ")?;
                shown += 1;
            }
            for c in word.chars() {
                if shown >= self.1 {
                    return f.write_str("...");
                }
                fmt::Write::write_char(f, c)?;
                shown += 1;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn some<T: fmt::Debug>(value: &Option<T>) -> Option<&dyn fmt::Debug> {
            value.as_ref().map(|value| value as _)
        }
        fn set(flag: &bool) -> Option<&dyn fmt::Debug> {
            flag.then_some(flag as _)
        }
        let inner = &*self.0;
        let status = self.status();
        let request_ids = Some(&inner.request_ids).filter(|ids| !ids.is_empty());
        let elapsed = Some(inner.elapsed).filter(|time| !time.is_zero());
        let response_bytes = inner.response_body.as_ref().map(Bytes::len);
        let source = inner.source.as_ref().map(|source| &source.error);
        // A `main` that returns the error shows this to people: what there is, and no more.
        let fields = [
            ("kind", Some(&inner.kind as _)),
            ("message", Some(&inner.message as _)),
            ("operation", some(&inner.operation)),
            ("batch_id", some(&inner.batch_id)),
            ("status", some(&status)),
            ("request_ids", some(&request_ids)),
            ("elapsed", some(&elapsed)),
            ("retry_after", some(&inner.retry_after)),
            ("body_excerpt", some(&inner.body_excerpt)),
            ("response_bytes", some(&response_bytes)),
            ("is_transient", set(&inner.is_transient)),
            (
                "may_have_been_processed",
                set(&inner.may_have_been_processed),
            ),
            ("source", some(&source)),
        ];
        let mut shown = f.debug_struct("Error");
        for (name, value) in fields {
            if let Some(value) = value {
                shown.field(name, value);
            }
        }
        shown.finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        let Source { error, in_message } = self.0.source.as_ref()?;
        match in_message {
            InMessage::Nothing => Some(&**error),
            InMessage::Itself => error.source(),
            InMessage::Root => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed_push() -> Error {
        Error::new(ErrorKind::Service, "503 Service Unavailable")
            .with_operation(Operation::Push)
            .with_batch("1234")
            .with_status(StatusCode::SERVICE_UNAVAILABLE)
            .with_attempts(
                vec!["a".into(), "b".into(), "c".into()],
                Duration::from_millis(4210),
            )
            .with_body_excerpt("{\n  \"error\":\t\"busy\"\n}\n")
    }

    #[test]
    fn display_is_one_line() {
        assert_eq!(
            failed_push().to_string(),
            "push to batch 1234 failed: 503 Service Unavailable after 3 attempts in 4.2 s: \
             { \"error\": \"busy\" }"
        );
        assert_eq!(Error::input("no records").to_string(), "no records");
        assert_eq!(
            Error::decode("data[3].id", "invalid type: null").to_string(),
            "the response can't be decoded at `data[3].id`: invalid type: null"
        );
    }

    #[test]
    fn bodies_are_bounded() {
        let error = failed_push().with_body_excerpt(&"é".repeat(10_000));
        assert_eq!(error.body_excerpt().unwrap().len(), BODY_KEPT);
        assert!(error.to_string().ends_with("é..."));
        assert!(error.to_string().chars().count() < 300);
        assert_eq!(failed_push().with_body_excerpt("  \n").body_excerpt(), None);
    }

    #[test]
    fn is_small_and_can_be_sent() {
        fn sendable<T: Send + Sync + 'static>() {}
        sendable::<Error>();
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }

    #[test]
    fn debug_leaves_the_response_out() {
        let error = failed_push().with_response_body(Bytes::from_static(b"payload"));
        assert!(!format!("{error:?}").contains("payload"));
        assert_eq!(error.response_body().unwrap(), "payload");
    }

    #[test]
    fn the_source_is_kept() {
        let error = failed_push().with_source(std::io::Error::other("reset"));
        assert_eq!(error.source().unwrap().to_string(), "reset");
    }

    #[test]
    fn what_the_message_says_is_not_in_the_chain_again() {
        let inner = || failed_push().with_source(std::io::Error::other("reset"));
        let outer = Error::input(format!("no record: {}", inner())).with_cause(inner());
        assert_eq!(outer.source().unwrap().to_string(), "reset");
        assert!(outer.get_ref().unwrap().is::<Error>());

        let outer = Error::input("could not connect: reset").with_root_cause(inner());
        assert!(outer.source().is_none());
        assert!(outer.get_ref().unwrap().is::<Error>());
    }
}
