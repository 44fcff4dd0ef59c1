//! The blocking client, outside and inside of a runtime.

use super::*;

fn health_works() {
    let server = scripted([status(503, ""), json(r#"{"status":"UP"}"#)]);
    let client = crate::blocking::Client::build(builder(&server)).unwrap();
    assert!(client.health().unwrap().is_up());
    assert_eq!(server.requests().len(), 2);
    let hanging = scripted([Fault::HangBefore]);
    let settings = builder(&hanging).operation_timeout(Duration::from_millis(1));
    let client = crate::blocking::Client::build(settings).unwrap();
    assert_eq!(client.health().unwrap_err().kind(), ErrorKind::Timeout);
}

#[test]
fn without_a_runtime() {
    health_works();
}

#[tokio::test]
async fn within_a_runtime_of_one_thread() {
    health_works();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn within_a_runtime_of_several_threads() {
    tokio::spawn(async { health_works() }).await.unwrap();
}

#[test]
fn from_many_threads() {
    let server = scripted([json(r#"{"status":"UP"}"#)]);
    let client = crate::blocking::Client::build(builder(&server)).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert!(client.health().unwrap().is_up()));
        }
    });
    assert_eq!(server.requests().len(), 8);
}
