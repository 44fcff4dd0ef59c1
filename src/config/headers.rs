//! The names of the headers that the client sets.

use http::HeaderName;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH,
    CONTENT_TYPE, EXPECT, HOST, TRANSFER_ENCODING, UPGRADE, USER_AGENT,
};

pub(crate) const API_KEY: HeaderName = HeaderName::from_static("x-synthetic-key");
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub(crate) const TENANT: HeaderName = HeaderName::from_static("x-tenant-name");
pub(crate) const SPARK_UA: HeaderName = HeaderName::from_static("x-spark-ua");

/// Whether the client or HTTP itself sets this header, so that users can't.
pub(super) fn is_own_header(name: &HeaderName) -> bool {
    [
        API_KEY,
        REQUEST_ID,
        TENANT,
        SPARK_UA,
        ACCEPT,
        ACCEPT_ENCODING,
        AUTHORIZATION,
        CONNECTION,
        CONTENT_ENCODING,
        CONTENT_LENGTH,
        CONTENT_TYPE,
        EXPECT,
        HOST,
        TRANSFER_ENCODING,
        UPGRADE,
        USER_AGENT,
    ]
    .contains(name)
}
