//! Sends marked secrets through every verb, to a server that fails and echoes what it is sent, and
//! searches everything that the client prints.

use std::error::Error as _;
use std::time::Duration;

use cspark_batches::{Client, Error, Push, RetryPolicy};
use cspark_emulator::{Emulator, Fault, Operation, Response};

use crate::support::{SERVICE, Volume, cylinders, requests, settings};

pub(super) const KEY: &str = "MARKED-key";
const TOKEN: &str = "MARKED-token";
const SECRET: &str = "MARKED-client-secret";
const EXTRA: &str = "MARKED-extra";

fn faults() -> Vec<Fault> {
    let mut faults: Vec<Fault> = [200, 400, 401, 403, 404, 409, 429, 500, 503]
        .map(|status| Fault::RespondBefore(Response::echo_of_request(status)))
        .into();
    faults.extend([
        Fault::RespondBefore(Response::redirect(
            "https://login.example.com/?key=MARKED-key",
        )),
        Fault::CutAfter,
        Fault::Truncate,
    ]);
    faults
}

fn everything(error: &Error) -> String {
    let mut text = format!("{error} {error:?} {error:#?} {:?}", error.body_excerpt());
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&format!(" {error} {error:?}"));
        source = error.source();
    }
    text
}

/// Calls every verb with this fault, and returns everything that could be printed.
pub(super) async fn provoke(emulator: &Emulator, client: &Client, fault: &Fault) -> Vec<String> {
    let pipeline = client.batches().create(SERVICE).await.unwrap();
    let mut said = vec![format!("{client:?} {pipeline:?} {:?}", client.raw())];
    for operation in Operation::ALL {
        // Once for each attempt.
        for _ in 0..2 {
            emulator.inject(operation, fault.clone());
        }
        let failed = match operation {
            Operation::Describe => client.batches().describe().await.err(),
            Operation::Create => client.batches().create(SERVICE).await.err(),
            Operation::Info => pipeline.info().await.err(),
            Operation::Status => pipeline.status().await.err(),
            Operation::Push => pipeline.push(Push::records(cylinders(0..200))).await.err(),
            Operation::Pull => pipeline.pull::<Volume>().await.err(),
            Operation::Close => pipeline.close().await.err(),
            Operation::Cancel => pipeline.cancel().await.err(),
            Operation::Health => client.health().await.err(),
            Operation::Token => {
                emulator.revoke_tokens();
                pipeline.info().await.err()
            }
            _ => None,
        };
        said.extend(failed.as_ref().map(everything));
        emulator.clear_faults();
    }
    said
}

#[tokio::test]
async fn nothing_shows_a_secret() {
    let emulator = Emulator::builder()
        .api_key(KEY)
        .bearer_token(TOKEN)
        .oauth_client("id", SECRET)
        .start()
        .await
        .unwrap();
    let new = || {
        settings(&emulator).header("x-gateway", EXTRA).retry(
            RetryPolicy::default()
                .max_retries(1)
                .interval(Duration::from_millis(1)),
        )
    };
    for builder in [
        new().api_key(KEY),
        new().bearer_token(TOKEN),
        new().oauth("id", SECRET).token_url(emulator.token_url()),
    ] {
        let shown = format!("{builder:?}");
        assert!(!shown.contains("MARKED"), "{shown}");
        let client = builder.build().unwrap();
        for fault in faults() {
            let said = provoke(&emulator, &client, &fault).await;
            assert!(said.len() > 5, "{fault:?}: {said:?}");
            // Issued tokens are secrets, too.
            let tokens: Vec<String> = requests(&emulator, Operation::Status)
                .iter()
                .filter_map(|request| request.header("authorization"))
                .filter_map(|value| value.strip_prefix("Bearer ").map(str::to_owned))
                .collect();
            for text in said {
                assert!(!text.contains("MARKED"), "{fault:?}: {text}");
                for token in &tokens {
                    assert!(!text.contains(token.as_str()), "{fault:?}: {text}");
                }
            }
        }
    }
}
