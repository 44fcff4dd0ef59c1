//! Bodies: requests are read whole, responses are sent part by part.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::CONTENT_ENCODING;
use hyper::{HeaderMap, StatusCode};

use crate::refusal::Refusal;

/// A request body, and how many bytes it had on the wire.
#[derive(Debug, Default)]
pub(super) struct Received {
    pub(super) body: Bytes,
    pub(super) wire_bytes: u64,
}

/// Why a request body could not be read.
#[derive(Debug)]
pub(super) enum Unread {
    Refused(Refusal),
    /// The client broke off, so there is nobody to respond to.
    Gone,
}

/// Reads a request body whole, and decompresses it.
pub(super) async fn receive(
    headers: &HeaderMap,
    body: Incoming,
    most: usize,
) -> Result<Received, Unread> {
    let too_large = || {
        let message = format!("the body is larger than {most} bytes");
        Unread::Refused(Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            message,
        ))
    };
    let body = match Limited::new(body, most).collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Err(too_large()),
        Err(_) => return Err(Unread::Gone),
    };
    let wire_bytes = body.len() as u64;
    let encoding = headers.get(CONTENT_ENCODING).map(|value| value.as_bytes());
    match encoding {
        None | Some(b"identity") => Ok(Received { body, wire_bytes }),
        Some(b"gzip") => {
            let mut plain = Vec::new();
            // One byte more than allowed, to tell a body of just that size from a larger one.
            let read = MultiGzDecoder::new(&body[..])
                .take((most as u64).saturating_add(1))
                .read_to_end(&mut plain);
            if let Err(error) = read {
                return Err(Unread::Refused(Refusal::invalid(format!(
                    "the body is not valid gzip: {error}"
                ))));
            }
            if plain.len() > most {
                return Err(too_large());
            }
            Ok(Received {
                body: plain.into(),
                wire_bytes,
            })
        }
        Some(other) => {
            let message = format!(
                "content-encoding {:?} is unknown; use gzip or none",
                String::from_utf8_lossy(other)
            );
            Err(Unread::Refused(Refusal::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_encoding",
                message,
            )))
        }
    }
}

/// The parts of a body compressed into one.
pub(super) fn compress(parts: &[Bytes]) -> io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    for part in parts {
        encoder.write_all(part)?;
    }
    Ok(encoder.finish()?.into())
}

/// The body of a response. Its length is announced; less is sent if it is to be cut.
#[derive(Debug)]
pub(super) struct Parts {
    parts: VecDeque<Bytes>,
    announced: u64,
    cut: Cut,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    No,
    AfterTheseParts,
    Now,
}

impl Parts {
    pub(super) fn whole(parts: Vec<Bytes>) -> Self {
        let announced = parts.iter().map(|part| part.len() as u64).sum();
        Self {
            parts: parts.into_iter().filter(|part| !part.is_empty()).collect(),
            announced,
            cut: Cut::No,
        }
    }

    /// The first bytes of a body, and then the end of the connection.
    pub(super) fn truncated(parts: Vec<Bytes>, bytes: usize) -> Self {
        let whole = Self::whole(parts);
        let mut left = bytes;
        let mut parts = VecDeque::new();
        for mut part in whole.parts {
            part.truncate(left);
            left -= part.len();
            if !part.is_empty() {
                parts.push_back(part);
            }
        }
        Self {
            parts,
            announced: whole.announced,
            cut: Cut::AfterTheseParts,
        }
    }

    pub(super) fn announced(&self) -> u64 {
        self.announced
    }
}

impl Body for Parts {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(part) = self.parts.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(part))));
        }
        match self.cut {
            Cut::No => Poll::Ready(None),
            // Once around, so that the parts before it are really sent.
            Cut::AfterTheseParts => {
                self.cut = Cut::Now;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Cut::Now => Poll::Ready(Some(Err(io::Error::other(
                "the response is cut on purpose",
            )))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.parts.is_empty() && self.cut == Cut::No
    }

    fn size_hint(&self) -> SizeHint {
        let left: u64 = self.parts.iter().map(|part| part.len() as u64).sum();
        SizeHint::with_exact(if self.cut == Cut::No {
            left
        } else {
            self.announced
        })
    }
}
