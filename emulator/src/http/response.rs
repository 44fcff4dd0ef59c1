//! A response, before it becomes one of hyper.

use bytes::Bytes;
use hyper::header::{
    ACCEPT_ENCODING, ALLOW, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue,
};
use hyper::http::request;
use hyper::{HeaderMap, StatusCode};

use super::body::{Parts, compress};
use crate::faults::{self, ResponseBody};
use crate::refusal::Refusal;

/// Shorter bodies are not compressed.
const WORTH_COMPRESSING: u64 = 1024;

#[derive(Debug)]
pub(super) struct Draft {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    parts: Vec<Bytes>,
    cut_after: Option<usize>,
}

impl Draft {
    /// A success with this body.
    pub(super) fn success(parts: Vec<Bytes>) -> Self {
        Self {
            status: StatusCode::OK,
            headers: vec![(CONTENT_TYPE, HeaderValue::from_static("application/json"))],
            parts,
            cut_after: None,
        }
    }

    /// A refusal.
    pub(super) fn refusal(refusal: &Refusal) -> Self {
        let mut draft = Self {
            status: refusal.status,
            ..Self::success(vec![refusal.body().into()])
        };
        if let Some(allow) = refusal.allow {
            draft.headers.push((ALLOW, HeaderValue::from_static(allow)));
        }
        draft
    }

    /// An injected response.
    pub(super) fn injected(
        response: &faults::Response,
        head: &request::Parts,
        body: &[u8],
    ) -> Self {
        let body = match &response.body {
            ResponseBody::Given(body) => body.clone(),
            ResponseBody::EchoOfRequest => {
                let mut text = format!("{} {}\n", head.method, head.uri).into_bytes();
                for (name, value) in &head.headers {
                    text.extend_from_slice(name.as_str().as_bytes());
                    text.extend_from_slice(b": ");
                    text.extend_from_slice(value.as_bytes());
                    text.push(b'\n');
                }
                text.push(b'\n');
                text.extend_from_slice(body);
                text.into()
            }
        };
        let headers = response
            .headers
            .iter()
            .filter_map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?)));
        Self {
            status: StatusCode::from_u16(response.status)
                .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            headers: headers.collect(),
            parts: vec![body],
            cut_after: response.cut_after,
        }
    }

    /// Compresses the body if the client accepts that and it saves something.
    pub(super) fn compress_for(&mut self, headers: &HeaderMap) {
        if accepts_gzip(headers) {
            self.compress();
        }
    }

    /// Replaces a byte of a text in the middle of the body by one that is not valid in UTF-8.
    pub(super) fn break_text(&mut self) {
        let mut body = self.parts.concat();
        let (mut in_text, mut escaped) = (false, false);
        let mut found = None;
        for (at, byte) in body.iter().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_text = !in_text,
                _ if in_text => {
                    found = Some(at);
                    if at >= body.len() / 2 {
                        break;
                    }
                }
                _ => {}
            }
        }
        if let Some(at) = found {
            body[at] = 0xff;
        }
        self.parts = vec![body.into()];
    }

    /// Names the mistakes that were accepted, for those who see the response and not the emulator.
    pub(super) fn name_mistakes(&mut self, mistakes: &[String]) {
        if mistakes.is_empty() {
            return;
        }
        if let Ok(value) = HeaderValue::from_str(&mistakes.join("; ")) {
            let name = HeaderName::from_static("x-emulator-mistakes");
            self.headers.push((name, value));
        }
    }

    /// Repeats the request id of the client.
    pub(super) fn identify(&mut self, headers: &HeaderMap) {
        if let Some(id) = headers.get("x-request-id") {
            self.headers
                .push((HeaderName::from_static("x-request-id"), id.clone()));
        }
    }

    /// The response for hyper, with its body whole or cut.
    pub(super) fn into_response(self, truncate: bool) -> hyper::Response<Parts> {
        let length: usize = self.parts.iter().map(Bytes::len).sum();
        let cut_after = if truncate {
            Some(length / 2)
        } else {
            self.cut_after.filter(|bytes| *bytes < length)
        };
        let parts = match cut_after {
            Some(bytes) => Parts::truncated(self.parts, bytes),
            None => Parts::whole(self.parts),
        };
        let mut response = hyper::Response::new(parts);
        *response.status_mut() = self.status;
        for (name, value) in self.headers {
            response.headers_mut().append(name, value);
        }
        response
    }

    fn compress(&mut self) {
        let bytes: u64 = self.parts.iter().map(|part| part.len() as u64).sum();
        let encoded = self
            .headers
            .iter()
            .any(|(name, _)| name == CONTENT_ENCODING);
        if encoded || bytes < WORTH_COMPRESSING {
            return;
        }
        // Compressing into memory does not fail; if it did, the plain body would serve as well.
        if let Ok(compressed) = compress(&self.parts) {
            self.parts = vec![compressed];
            self.headers
                .push((CONTENT_ENCODING, HeaderValue::from_static("gzip")));
        }
    }
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let named = parts
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        named && !parts.any(|weight| matches!(weight, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}
