//! The HTTP server: connections in, responses out.

mod body;
mod checks;
mod handler;
mod response;
mod route;
mod token;

pub(crate) use route::{SwaggerOf, Which};

use std::convert::Infallible;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::state::Shared;

/// Serves until it is dropped. The connections are its children and end with it.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>) -> Infallible {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // An accept fails if the client has gone already, or if there are no file handles
                // just now.
                let Ok((stream, _)) = accepted else {
                    tokio::task::yield_now().await;
                    continue;
                };
                // A response in several small writes would otherwise wait for the client's
                // acknowledgements.
                let _ = stream.set_nodelay(true);
                let shared = Arc::clone(&shared);
                connections.spawn(async move {
                    let service = service_fn(|request| handler::handle(&shared, request));
                    // It ends with an error whenever a connection is cut, on purpose or not.
                    let stream = TokioIo::new(stream);
                    let _ = http1::Builder::new().serve_connection(stream, service).await;
                });
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}
