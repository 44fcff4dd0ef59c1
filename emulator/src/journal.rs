//! The requests that the emulator has received.

use std::collections::VecDeque;
use std::fmt;

use bytes::Bytes;

use crate::strictness::Mistake;

/// The kinds of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// `GET batch/status`.
    Describe,
    /// `POST batch`.
    Create,
    /// `GET batch/{id}`.
    Info,
    /// `GET batch/{id}/status`.
    Status,
    /// `POST batch/{id}/chunks`.
    Push,
    /// `GET batch/{id}/chunkresults`.
    Pull,
    /// `PATCH batch/{id}` to `closed`, or with a body that can't be read.
    Close,
    /// `PATCH batch/{id}` to `cancelled`.
    Cancel,
    /// `GET product/{folder}/engines/get/{service}`, or
    /// `POST GetEngineDetailByVersionId/versionid/{id}`.
    Schema,
    /// `GET .../downloadswagger/...`.
    Swagger,
    /// `GET product/{folder}/engines/getversions/{service}`.
    Versions,
    /// `GET /health`.
    Health,
    /// `POST /auth/realms/{tenant}/protocol/openid-connect/token`.
    Token,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Describe,
        Self::Create,
        Self::Info,
        Self::Status,
        Self::Push,
        Self::Pull,
        Self::Close,
        Self::Cancel,
        Self::Schema,
        Self::Swagger,
        Self::Versions,
        Self::Health,
        Self::Token,
    ];

    /// Its name in lower case, such as `push`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Describe => "describe",
            Self::Create => "create",
            Self::Info => "info",
            Self::Status => "status",
            Self::Push => "push",
            Self::Pull => "pull",
            Self::Close => "close",
            Self::Cancel => "cancel",
            Self::Schema => "schema",
            Self::Swagger => "swagger",
            Self::Versions => "versions",
            Self::Health => "health",
            Self::Token => "token",
        }
    }

    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The amount of requests and bytes on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Number of requests.
    pub requests: u64,
    /// Bytes of the request bodies on the wire.
    pub request_bytes: u64,
    /// Bytes of the response bodies on the wire, if none is cut.
    pub response_bytes: u64,
}

/// One request as it arrived.
///
/// Its `Debug` form shows no credentials and no body.
#[derive(Clone)]
#[non_exhaustive]
pub struct RecordedRequest {
    /// The operation; `None` if the path is unknown.
    pub operation: Option<Operation>,
    /// The batch in its path.
    pub batch_id: Option<String>,
    /// Method, in capitals.
    pub method: String,
    /// Path, as it was sent.
    pub path: String,
    /// The query, as it was sent.
    pub query: Option<String>,
    /// The headers in their order, with names in lower case. Bytes of a value that are not UTF-8
    /// are replaced.
    pub headers: Vec<(String, String)>,
    /// The body, after decompression.
    pub body: Bytes,
    /// The status of the response; `None` before there is one, and for ever if the connection was
    /// cut.
    pub status: Option<u16>,
}

impl RecordedRequest {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(given, _)| given.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for RecordedRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let masked: Vec<(&str, &str)> = self
            .headers
            .iter()
            .map(|(name, value)| {
                let secret = matches!(
                    name.as_str(),
                    "authorization" | "x-synthetic-key" | "cookie"
                );
                (name.as_str(), if secret { "***" } else { value.as_str() })
            })
            .collect();
        formatter
            .debug_struct("RecordedRequest")
            .field("operation", &self.operation)
            .field("method", &self.method)
            .field("path", &self.path)
            .field("query", &self.query)
            .field("headers", &masked)
            .field("body_bytes", &self.body.len())
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// The latest requests, and the counters of all.
#[derive(Debug)]
pub(crate) struct Journal {
    most_requests: usize,
    most_bytes: usize,
    bytes: usize,
    requests: VecDeque<RecordedRequest>,
    /// Number of requests that have been dropped from the front.
    dropped: usize,
    traffic: [Traffic; Operation::ALL.len()],
    total: Traffic,
    mistakes: Vec<Mistake>,
}

/// How many mistakes are kept; the others are like them.
const MOST_MISTAKES: usize = 1000;

impl Journal {
    pub(crate) fn new(most_requests: usize, most_bytes: usize) -> Self {
        Self {
            most_requests,
            most_bytes,
            bytes: 0,
            requests: VecDeque::new(),
            dropped: 0,
            traffic: Default::default(),
            total: Traffic::default(),
            mistakes: Vec::new(),
        }
    }

    /// Notes a request. Returns its number, and its number among those to its operation (from 1).
    pub(crate) fn note(&mut self, request: RecordedRequest, wire_bytes: u64) -> (usize, u64) {
        let mut nth = 0;
        for traffic in [
            Some(&mut self.total),
            request.operation.map(|of| &mut self.traffic[of.index()]),
        ]
        .into_iter()
        .flatten()
        {
            traffic.requests += 1;
            traffic.request_bytes += wire_bytes;
            nth = traffic.requests;
        }
        let number = self.dropped + self.requests.len();
        self.bytes += request.body.len();
        self.requests.push_back(request);
        while self.requests.len() > self.most_requests || self.bytes > self.most_bytes {
            let Some(oldest) = self.requests.pop_front() else {
                break;
            };
            self.bytes -= oldest.body.len();
            self.dropped += 1;
        }
        (number, nth)
    }

    /// Notes the response to a request.
    pub(crate) fn note_response(
        &mut self,
        number: usize,
        operation: Option<Operation>,
        status: u16,
        bytes: u64,
    ) {
        self.total.response_bytes += bytes;
        if let Some(operation) = operation {
            self.traffic[operation.index()].response_bytes += bytes;
        }
        let kept = number
            .checked_sub(self.dropped)
            .and_then(|index| self.requests.get_mut(index));
        if let Some(request) = kept {
            request.status = Some(status);
        }
    }

    pub(crate) fn requests(&self) -> Vec<RecordedRequest> {
        self.requests.iter().cloned().collect()
    }

    pub(crate) fn clear(&mut self) {
        self.dropped += self.requests.len();
        self.requests.clear();
        self.bytes = 0;
    }

    pub(crate) fn traffic(&self, operation: Operation) -> Traffic {
        self.traffic[operation.index()]
    }

    /// Notes mistakes that were accepted.
    pub(crate) fn note_mistakes(
        &mut self,
        operation: Operation,
        batch_id: Option<&str>,
        messages: Vec<String>,
    ) {
        let room = MOST_MISTAKES.saturating_sub(self.mistakes.len());
        self.mistakes
            .extend(messages.into_iter().take(room).map(|message| Mistake {
                operation,
                batch_id: batch_id.map(str::to_owned),
                message,
            }));
    }

    pub(crate) fn mistakes(&self) -> Vec<Mistake> {
        self.mistakes.clone()
    }

    pub(crate) fn total(&self) -> Traffic {
        self.total
    }
}
