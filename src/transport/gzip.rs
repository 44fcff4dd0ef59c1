//! Compression of request bodies, for services that accept it.

use http::HeaderValue;
use http::header::CONTENT_ENCODING;
use reqwest::Request;

/// Smaller bodies, in bytes, are not worth compressing.
const WORTH_IT: usize = 1024;

/// Compresses the body if it is large enough and held in memory.
pub(super) fn compress(request: &mut Request) {
    let Some(body) = request.body().and_then(reqwest::Body::as_bytes) else {
        return;
    };
    if body.len() < WORTH_IT || request.headers().contains_key(CONTENT_ENCODING) {
        return;
    }
    if let Ok(packed) = gzip(body) {
        *request.body_mut() = Some(packed.into());
        request
            .headers_mut()
            .insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
}

fn gzip(body: &[u8]) -> std::io::Result<Vec<u8>> {
    use std::io::Write as _;
    let out = Vec::with_capacity(body.len() / 4);
    let mut encoder = flate2::write::GzEncoder::new(out, flate2::Compression::fast());
    encoder.write_all(body)?;
    encoder.finish()
}
