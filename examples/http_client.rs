//! Through a proxy, with an HTTP client of your own, or through middleware.
//!
//! ```text
//! cargo run --example http_client [-- PROXY]
//! ```
//!
//! An own client has its own TLS, DNS, pool and proxy. Middleware is any tower service of requests:
//! layers of tower around a client, or the client of reqwest-middleware. This crate repeats, times
//! and logs requests itself, so a middleware for retries would do that twice.

#![allow(clippy::print_stdout, reason = "a program for people at a terminal")]

use std::error::Error;
use std::time::Duration;

use cspark_batches::{Client, reqwest};
use cspark_emulator::Emulator;
use tower::ServiceBuilder;
use tower::limit::ConcurrencyLimitLayer;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let emulator = Emulator::start().await?;
    let settings = || {
        let settings = Client::builder().base_url(emulator.base_url());
        settings.bearer_token("open").header("x-team", "pricing")
    };

    // Unless it is set here, the proxy in HTTPS_PROXY or HTTP_PROXY is used.
    if let Some(proxy) = std::env::args().nth(1) {
        let spark = settings().proxy(reqwest::Proxy::all(proxy)?).build()?;
        println!("through the proxy: {}", spark.health().await?.status);
    }

    let client = reqwest::Client::builder()
        // So that credentials go nowhere else.
        .redirect(reqwest::redirect::Policy::none())
        // Each attempt has its own request id, so this crate repeats them.
        .retry(reqwest::retry::never())
        .no_proxy()
        .connect_timeout(Duration::from_secs(5))
        .pool_max_idle_per_host(4)
        .build()?;
    let spark = settings().http_client(client.clone()).build()?;
    println!("with a client of our own: {}", spark.health().await?.status);

    let stack = ServiceBuilder::new()
        .map_request(|mut request: reqwest::Request| {
            let value = reqwest::header::HeaderValue::from_static("quarter-end");
            request.headers_mut().insert("x-job", value);
            request
        })
        .layer(ConcurrencyLimitLayer::new(8))
        .service(client);
    let spark = settings().http_service(stack).build()?;
    println!("through middleware: {}", spark.health().await?.status);
    Ok(())
}
