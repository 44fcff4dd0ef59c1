//! Spans and events: what they contain, and that they contain no secret.

use std::cell::RefCell;
use std::io::Write;
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use cspark_batches::RetryPolicy;
use cspark_emulator::{Emulator, Fault, Operation, Response};
use tracing_subscriber::fmt::format::FmtSpan;

use super::secrets;
use crate::support::{SERVICE, Volume, cylinders, quick, settings};

/// Collects what is written.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// Listens on this thread until the guard is dropped.
    ///
    /// There is one subscriber for the process, which writes to the log of the current thread. A
    /// subscriber for each thread would miss events: tracing caches whether anybody is interested
    /// in an event when the first thread meets it.
    fn listen(&self) -> Listening {
        static SUBSCRIBER: Once = Once::new();
        SUBSCRIBER.call_once(|| {
            let subscriber = tracing_subscriber::fmt()
                .with_max_level(tracing::Level::TRACE)
                .with_span_events(FmtSpan::FULL)
                .with_ansi(false)
                .with_writer(|| LISTENER.with_borrow(|log| log.clone().unwrap_or_default()))
                .finish();
            tracing::subscriber::set_global_default(subscriber).unwrap();
        });
        LISTENER.set(Some(self.clone()));
        Listening
    }
}

thread_local! {
    static LISTENER: RefCell<Option<Log>> = const { RefCell::new(None) };
}

struct Listening;

impl Drop for Listening {
    fn drop(&mut self) {
        LISTENER.set(None);
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_call_is_a_span_with_the_names_of_open_telemetry() {
    let emulator = Emulator::builder().start().await.unwrap();
    let client = settings(&emulator).api_key("open").build().unwrap();
    let pipeline = client.batches().create(SERVICE).await.unwrap();
    emulator.inject(
        Operation::Status,
        Fault::RespondBefore(Response::status(503)),
    );
    let log = Log::default();
    let guard = log.listen();
    pipeline.status().await.unwrap();
    pipeline.close().await.unwrap();
    drop(guard);
    let text = log.text();
    let id = pipeline.id();
    let port = emulator.address().port();
    for expected in [
        "cspark.call{",
        "otel.kind=\"client\"",
        "http.request.method=\"GET\"",
        "http.request.resend_count=1",
        "http.response.status_code=200",
        "http.response.status_code=503",
        "http.response.body.size=",
        "error.type=\"503\"",
        "server.address=\"127.0.0.1\"",
        &format!("server.port={port}"),
        &format!(
            "url.full=\"{}/api/v4/batch/{id}/status\"",
            emulator.base_url()
        ),
        "cspark.operation=\"status\"",
        &format!("cspark.batch.id=\"{id}\""),
        "cspark.request.id=\"",
        "cspark.duration_ms=",
        "DEBUG",
        "cspark.batch.state=Closed",
    ] {
        assert!(text.contains(expected), "no {expected} in\n{text}");
    }
}

#[tokio::test]
async fn no_trace_shows_a_secret_or_a_body() {
    let emulator = Emulator::builder()
        .api_key(secrets::KEY)
        .oauth_client("id", "MARKED-secret")
        .start()
        .await
        .unwrap();
    let new = || {
        settings(&emulator)
            .header("x-gateway", "MARKED-extra")
            .retry(
                RetryPolicy::default()
                    .max_retries(1)
                    .interval(Duration::from_millis(1)),
            )
    };
    for builder in [
        new().api_key(secrets::KEY),
        new()
            .oauth("id", "MARKED-secret")
            .token_url(emulator.token_url()),
    ] {
        let log = Log::default();
        let guard = log.listen();
        let client = builder.build().unwrap();
        for fault in [
            Fault::RespondBefore(Response::echo_of_request(400)),
            Fault::RespondBefore(Response::echo_of_request(401)),
            Fault::RespondBefore(Response::echo_of_request(200)),
            Fault::CutAfter,
        ] {
            secrets::provoke(&emulator, &client, &fault).await;
        }
        drop(guard);
        // Only our own target: the emulator and hyper write from the same thread.
        let text = log.text();
        let ours: Vec<&str> = text
            .lines()
            .filter(|line| line.contains("cspark_batches"))
            .collect();
        assert!(ours.len() > 20, "{text}");
        for line in ours {
            for secret in ["MARKED", "radius", "Bearer"] {
                assert!(!line.contains(secret), "{line}");
            }
        }
    }
}

/// The events of the level, in order.
fn events(log: &str, level: &str) -> Vec<String> {
    let lines = log.lines().filter(|line| line.contains(level));
    let own = lines.filter(|line| line.contains("cspark_batches: ") && line.contains("the run"));
    own.map(ToOwned::to_owned).collect()
}

#[tokio::test]
async fn a_run_logs_an_outage_while_it_lasts_and_true_counts_at_the_end() {
    let emulator = Emulator::builder().start().await.unwrap();
    for _ in 0..3 {
        emulator.inject(
            Operation::Push,
            Fault::RespondBefore(Response::status(503).retry_after(0)),
        );
    }
    let client = settings(&emulator).api_key("open");
    let client = client.retry(RetryPolicy::never()).build().unwrap();
    let log = Log::default();
    let guard = log.listen();
    let run = quick(
        client
            .batches()
            .run::<_, Volume>(SERVICE, cylinders(0..200)),
    );
    let mut run = run.start().unwrap();
    while let Some(delivery) = run.next().await {
        delivery.unwrap();
    }
    drop(guard);

    let text = log.text();
    let (warnings, information) = (events(&text, " WARN "), events(&text, " INFO "));
    assert_eq!(warnings.len(), 1, "{text}");
    assert!(warnings[0].contains("requests of the run fail"), "{text}");
    assert!(warnings[0].contains("cspark.operation=\"push\""), "{text}");
    let said = [
        "has a new batch",
        "requests of the run work again",
        "the run is complete",
    ];
    assert_eq!(information.len(), said.len(), "{text}");
    for (line, what) in information.iter().zip(said) {
        assert!(line.contains(what), "no {what} in {line}");
    }
    assert!(information[2].contains("cspark.records.read=200"), "{text}");
    assert!(
        information[2].contains("cspark.records.delivered=200"),
        "{text}"
    );
}
