//! A batch without the library: requests by hand, for clients to compare it with.

use bytes::Bytes;
use cspark_batches::reqwest;
use serde_json::{Value, json};

use crate::compare::Result;

pub(crate) struct Batch {
    http: reqwest::Client,
    url: String,
}

impl Batch {
    pub(crate) async fn create(base: &str, service: &str) -> Result<Self> {
        let mut headers = reqwest::header::HeaderMap::new();
        headers.insert("x-tenant-name", "my-tenant".parse()?);
        headers.insert(
            "x-request-id",
            "00000000-0000-4000-8000-000000000000".parse()?,
        );
        let http = reqwest::Client::builder()
            .default_headers(headers)
            .user_agent("bench")
            .no_gzip()
            .build()?;
        let batches = format!("{base}/api/v4/batch");
        let request = http
            .post(&batches)
            .header("content-type", "application/json")
            .body(json!({ "service": service }).to_string());
        let created = request.send().await?.error_for_status()?.bytes().await?;
        let created: Value = serde_json::from_slice(&created)?;
        let id = created["id"].as_str().ok_or("no id")?;
        Ok(Self {
            url: format!("{batches}/{id}"),
            http,
        })
    }

    pub(crate) fn push(&self) -> reqwest::RequestBuilder {
        self.http.post(format!("{}/chunks", self.url))
    }

    pub(crate) async fn pull(&self) -> Result<Bytes> {
        let response = self
            .http
            .get(format!("{}/chunkresults", self.url))
            .send()
            .await?;
        Ok(response.error_for_status()?.bytes().await?)
    }
}
