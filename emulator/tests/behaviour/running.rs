//! Start, stop, and the clock.

use std::sync::Arc;
use std::time::Duration;

use cspark_emulator::{Emulator, Fault, Operation, Service};
use serde_json::json;

use crate::support::{Client, echo_chunk, ids};

#[tokio::test]
async fn it_listens_on_loopback_and_stops_when_it_is_dropped() {
    let emulator = Emulator::start().await.unwrap();
    assert!(emulator.address().ip().is_loopback());
    assert_eq!(
        emulator.base_url(),
        format!("http://{}/my-tenant", emulator.address())
    );
    let address = emulator.address();
    let client = Client::new(&emulator);
    client.describe().await;
    emulator.stop().await;
    client
        .try_call(reqwest::Method::GET, "batch/status", None)
        .await
        .expect_err("the kept connection should be closed");
    tokio::net::TcpStream::connect(address)
        .await
        .expect_err("nobody should listen any more");
}

#[tokio::test]
async fn dropping_it_leaves_no_task() {
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let before = tasks();
    let emulator = Emulator::start().await.unwrap();
    let mut stream = tokio::net::TcpStream::connect(emulator.address())
        .await
        .unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut first = [0; 1];
    tokio::io::AsyncReadExt::read_exact(&mut stream, &mut first)
        .await
        .unwrap();
    assert!(tasks() > before);
    drop(emulator);
    while tasks() > before {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_client_that_gives_up_leaves_no_task() {
    let emulator = Emulator::start().await.unwrap();
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let before = tasks();
    emulator.inject(Operation::Describe, Fault::HangBefore);
    let client = Client::new(&emulator);
    let hanging = client.try_call(reqwest::Method::GET, "batch/status", None);
    let arrived = async {
        while emulator.traffic(Operation::Describe).requests == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        response = hanging => panic!("{response:?}"),
        () = arrived => {}
    }
    assert!(tasks() > before);
    drop(client);
    while tasks() > before {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_use_one_batch_at_a_time() {
    let emulator = Emulator::builder()
        .time_scale(1000.0)
        .time_per_record(Duration::from_secs(1))
        .input_buffer(5_000)
        .output_buffer(5_000)
        .start()
        .await
        .unwrap();
    let client = Arc::new(Client::new(&emulator));
    let id = client.batch("my-folder/echo").await;
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..4 {
        let (pusher, into) = (Arc::clone(&client), id.clone());
        tasks.spawn(async move {
            for n in 0..25 {
                let chunk = json!([echo_chunk(&format!("{task}-{n}"), 10)]);
                while pusher.push(&into, chunk.clone()).await.status == 422 {
                    tokio::task::yield_now().await;
                }
            }
            Vec::new()
        });
        let (puller, from) = (Arc::clone(&client), id.clone());
        tasks.spawn(async move {
            let mut pulled = Vec::new();
            loop {
                let response = puller.try_pull(&from, "?max=3").await.unwrap().ok();
                pulled.extend(ids(&response));
                let status = &response["status"];
                if status["chunks_completed"] == 100 && status["chunks_available"] == 0 {
                    return pulled;
                }
            }
        });
    }
    let mut pulled = tasks.join_all().await.concat();
    assert_eq!(pulled.len(), 100);
    pulled.sort();
    pulled.dedup();
    assert_eq!(pulled.len(), 100);
    assert!(
        emulator
            .batch(&id)
            .unwrap()
            .submissions
            .values()
            .all(|times| *times == 1)
    );
}

#[test]
fn it_runs_on_a_thread_of_its_own_for_callers_without_a_runtime() {
    let emulator = Emulator::builder()
        .tenant("other")
        .start_on_thread()
        .unwrap();
    assert!(emulator.base_url().ends_with("/other"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let client = Client::new(&emulator);
        let id = client.batch("my-folder/echo").await;
        client.push(&id, json!([echo_chunk("a", 1)])).await.ok();
    });
    let address = emulator.address();
    drop(emulator);
    std::net::TcpStream::connect(address).expect_err("nobody should listen any more");
}

#[tokio::test]
async fn a_thousand_of_them_start_and_stop_and_leave_nothing_behind() {
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let before = tasks();
    let mut kept = Vec::new();
    for _ in 0..1000 {
        kept.push(Emulator::start().await.unwrap());
        if kept.len() == 50 {
            let addresses: Vec<_> = kept.drain(..).map(|emulator| emulator.address()).collect();
            while tasks() > before {
                tokio::task::yield_now().await;
            }
            for address in addresses {
                std::net::TcpStream::connect(address).expect_err("nobody should listen any more");
            }
        }
    }
}

#[tokio::test]
async fn scaled_time_runs_faster_than_real_time() {
    let emulator = Emulator::builder()
        .time_scale(100_000.0)
        .time_per_record(Duration::from_secs(60))
        // On a busy machine, the usual half hour is over between two requests.
        .idle_timeout(Duration::MAX)
        .start()
        .await
        .unwrap();
    let client = Client::new(&emulator);
    let id = client.batch("my-folder/echo").await;
    client.push(&id, json!([echo_chunk("a", 20)])).await.ok();
    while client.status(&id).await["records_completed"] != 20 {}
    let status = client.status(&id).await;
    assert_eq!(status["compute_time_ms"], 20 * 60 * 1000);
}

#[tokio::test]
async fn emulated_time_follows_paused_tokio_time() {
    let emulator = Emulator::builder()
        .time_per_record(Duration::from_secs(60))
        .start()
        .await
        .unwrap();
    let client = Client::new(&emulator);
    let id = client.batch("my-folder/echo").await;
    client.push(&id, json!([echo_chunk("a", 10)])).await.ok();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(601)).await;
    tokio::time::resume();
    assert_eq!(client.status(&id).await["records_completed"], 10);
}

#[tokio::test]
async fn settings_that_cannot_be_are_refused() {
    let service = || Service::raw(|_, _| Ok(()));
    for (builder, message) in [
        (Emulator::builder().tenant(""), "the tenant \"\""),
        (Emulator::builder().tenant("a/b"), "the tenant \"a/b\""),
        (Emulator::builder().service("alone", service()), "\"alone\""),
        (
            Emulator::builder().time_scale(f64::NAN),
            "the time scale NaN",
        ),
        (Emulator::builder().time_scale(-1.0), "the time scale -1"),
        (Emulator::builder().full_status(200), "the status 200"),
    ] {
        let problem = builder.start().await.unwrap_err().to_string();
        assert!(
            problem.contains(message),
            "{problem:?} does not hold {message:?}"
        );
    }
    let occupied = Emulator::start().await.unwrap();
    Emulator::builder()
        .address(occupied.address())
        .start()
        .await
        .unwrap_err();
    Emulator::builder()
        .address(occupied.address())
        .start_on_thread()
        .unwrap_err();
}
