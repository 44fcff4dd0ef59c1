//! A plain HTTP client that sends what the API asks for, and lets a test leave something out.

use cspark_emulator::Emulator;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// A response, with its body read as JSON if it is JSON.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) body: Value,
}

impl Received {
    /// The body, provided that the request was granted.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        self.body
    }

    /// Checks that the request was refused with this status and a message that holds this text.
    #[track_caller]
    pub(crate) fn refused(self, status: u16, message: &str) {
        assert_eq!(self.status, status, "{}", self.text);
        let given = self.body["error"]["message"].as_str().unwrap_or_default();
        assert!(
            given.contains(message),
            "{:?} does not hold {message:?}",
            self.text
        );
        assert!(self.body["error"]["code"].is_string());
    }
}

pub(crate) struct Client {
    http: reqwest::Client,
    origin: String,
    tenant: String,
    pub(crate) headers: HeaderMap,
}

impl Client {
    pub(crate) fn new(emulator: &Emulator) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert("user-agent", HeaderValue::from_static("behaviour-tests/0"));
        headers.insert(
            "x-tenant-name",
            HeaderValue::from_str(emulator.tenant()).unwrap(),
        );
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .unwrap();
        Self {
            http,
            origin: emulator.origin(),
            tenant: emulator.tenant().to_owned(),
            headers,
        }
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_str(value).unwrap(),
        );
        self
    }

    /// Sends a request to a path below the origin; the body is JSON text.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<impl Into<reqwest::Body>>,
    ) -> Result<Received, reqwest::Error> {
        let mut headers = self.with_request_id();
        let mut request = self.http.request(method, format!("{}{path}", self.origin));
        if let Some(body) = body {
            headers
                .entry("content-type")
                .or_insert(HeaderValue::from_static("application/json"));
            request = request.body(body);
        }
        let response = request.headers(headers).send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let text = String::from_utf8(response.bytes().await?.to_vec()).unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok(Received {
            status,
            headers,
            text,
            body,
        })
    }

    /// Sends a request to a path below `/{tenant}/api/v4/`.
    pub(crate) async fn try_call(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Received, reqwest::Error> {
        let path = format!("/{}/api/v4/{path}", self.tenant);
        self.send(method, &path, body.map(|body| body.to_string()))
            .await
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Received {
        self.try_call(method, path, body).await.unwrap()
    }

    /// The headers of a response, and its body as it came over the wire.
    pub(crate) async fn try_bytes(&self, method: Method, path: &str) -> (HeaderMap, Vec<u8>) {
        let url = format!("{}/{}/api/v4/{path}", self.origin, self.tenant);
        let plain = reqwest::Client::builder()
            .no_gzip()
            .no_proxy()
            .build()
            .unwrap();
        let response = plain
            .request(method, url)
            .headers(self.with_request_id())
            .send()
            .await
            .unwrap();
        let headers = response.headers().clone();
        (headers, response.bytes().await.unwrap().to_vec())
    }

    /// The announced length of a response's body, and how much of it came before the connection
    /// broke.
    pub(crate) async fn partial(&self, path: &str) -> (u64, u64) {
        let url = format!("{}/{}/api/v4/{path}", self.origin, self.tenant);
        let mut response = self
            .http
            .get(url)
            .headers(self.with_request_id())
            .send()
            .await
            .unwrap();
        let length = response.content_length().unwrap();
        let mut bytes = 0;
        while let Ok(Some(part)) = response.chunk().await {
            bytes += part.len() as u64;
        }
        (length, bytes)
    }

    fn with_request_id(&self) -> HeaderMap {
        let mut headers = self.headers.clone();
        let id = uuid::Uuid::from_u128(fastrand::u128(..)).to_string();
        headers
            .entry("x-request-id")
            .or_insert_with(|| HeaderValue::from_str(&id).unwrap());
        headers
    }

    pub(crate) async fn create(&self, body: Value) -> Received {
        self.call(Method::POST, "batch", Some(body)).await
    }

    /// A new batch of a service.
    pub(crate) async fn batch(&self, service: &str) -> String {
        let body = self.create(json!({ "service": service })).await.ok();
        body["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn describe(&self) -> Value {
        self.call(Method::GET, "batch/status", None).await.ok()
    }

    pub(crate) async fn info(&self, id: &str) -> Value {
        self.call(Method::GET, &format!("batch/{id}"), None)
            .await
            .ok()
    }

    pub(crate) async fn status(&self, id: &str) -> Value {
        self.call(Method::GET, &format!("batch/{id}/status"), None)
            .await
            .ok()
    }

    pub(crate) async fn push(&self, id: &str, chunks: Value) -> Received {
        self.try_push(id, chunks).await.unwrap()
    }

    pub(crate) async fn try_push(
        &self,
        id: &str,
        chunks: Value,
    ) -> Result<Received, reqwest::Error> {
        self.try_call(
            Method::POST,
            &format!("batch/{id}/chunks"),
            Some(json!({ "chunks": chunks })),
        )
        .await
    }

    pub(crate) async fn pull(&self, id: &str) -> Received {
        self.try_pull(id, "").await.unwrap()
    }

    pub(crate) async fn try_pull(&self, id: &str, query: &str) -> Result<Received, reqwest::Error> {
        self.try_call(
            Method::GET,
            &format!("batch/{id}/chunkresults{query}"),
            None,
        )
        .await
    }

    pub(crate) async fn update(&self, id: &str, status: &str) -> Received {
        self.call(
            Method::PATCH,
            &format!("batch/{id}"),
            Some(json!({ "batch_status": status })),
        )
        .await
    }
}

/// A chunk of `records` records for the echo service, all of the same length as text.
pub(crate) fn echo_chunk(id: &str, records: usize) -> Value {
    let mut inputs = vec![json!(["n"])];
    inputs.extend((0..records).map(|n| json!([format!("{n:04}")])));
    json!({ "id": id, "size": records, "data": { "inputs": inputs } })
}

/// The ids of the chunks in a response to a pull.
pub(crate) fn ids(pulled: &Value) -> Vec<String> {
    let chunks = pulled["data"].as_array().cloned().unwrap_or_default();
    chunks
        .iter()
        .map(|chunk| chunk["id"].as_str().unwrap().to_owned())
        .collect()
}

/// The bytes compressed with gzip.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
