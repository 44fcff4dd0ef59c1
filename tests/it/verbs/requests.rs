//! The exact request of every verb with every argument.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use cspark_batches::raw::types::{Aggregation, SummaryRequest};
use cspark_batches::{Chunk, Client, Duplicates, ErrorKind, Layout, Push, ServiceUri, UriParts};
use cspark_emulator::{Emulator, Fault, Operation, RecordedRequest, Response};
use serde_json::{Value, json};

use crate::support::{SERVICE, Volume, cylinders, requests, snapshots, start};

const KEY: &str = "a-very-secret-key";

/// Records the requests of each step under the step's name.
struct Recorder {
    emulator: Emulator,
    spark: Client,
    texts: BTreeMap<String, String>,
}

impl Recorder {
    async fn start() -> Self {
        let emulator = Emulator::builder()
            .api_key(KEY)
            .start()
            .await
            .expect("a free port");
        let spark = Client::builder()
            .base_url(emulator.base_url())
            .api_key(KEY)
            .build();
        Self {
            emulator,
            spark: spark.expect("settings of the emulator"),
            texts: BTreeMap::new(),
        }
    }

    fn note(&mut self, step: &str) {
        let requests = self.emulator.requests();
        self.emulator.clear_requests();
        let texts: Vec<String> = requests.iter().map(|request| self.text(request)).collect();
        assert!(
            self.texts
                .insert(step.to_owned(), texts.join("\n"))
                .is_none(),
            "{step} is there twice"
        );
    }

    /// The request as text, with a name in place of each value that differs from run to run.
    fn text(&self, request: &RecordedRequest) -> String {
        let mut text = format!("{} {}", request.method, request.path);
        if let Some(query) = &request.query {
            let _ = write!(text, "?{query}");
        }
        text.push('\n');
        let mut headers = request.headers.clone();
        headers.sort();
        for (name, value) in headers {
            let value = match name.as_str() {
                "host" | "content-length" => continue,
                "x-request-id" if uuid::Uuid::try_parse(&value).is_ok() => "<UUID>".to_owned(),
                "x-synthetic-key" if value == KEY => "<KEY>".to_owned(),
                "user-agent" | "x-spark-ua" => value
                    .replace(env!("CARGO_PKG_VERSION"), "<VERSION>")
                    .replace(std::env::consts::OS, "<OS>")
                    .replace(std::env::consts::ARCH, "<ARCH>"),
                _ => value,
            };
            let _ = writeln!(text, "{name}: {value}");
        }
        if !request.body.is_empty() {
            let _ = writeln!(text, "\n{}", String::from_utf8_lossy(&request.body));
        }
        for (number, id) in self.emulator.batch_ids().iter().enumerate() {
            text = text.replace(id.as_str(), &format!("<BATCH {number}>"));
        }
        assert!(!text.contains(KEY));
        text
    }
}

#[tokio::test]
async fn every_verb_with_every_argument() {
    let mut recorder = Recorder::start().await;
    let spark = recorder.spark.clone();

    spark.batches().describe().await.unwrap();
    recorder.note("describe");

    let pipeline = spark.batches().create(SERVICE).await.unwrap();
    recorder.note("create");
    create_with_options(&mut recorder, &spark).await;

    pipeline.info().await.unwrap();
    recorder.note("info");
    pipeline.status().await.unwrap();
    recorder.note("status");
    push_everything(&mut recorder, &pipeline).await;

    pipeline.pull::<Value>().await.unwrap();
    recorder.note("pull");
    pipeline.pull::<Value>().max_chunks(2).await.unwrap();
    recorder.note("pull_max_chunks");

    pipeline.close().await.unwrap();
    recorder.note("close");
    pipeline.cancel().await.unwrap();
    recorder.note("cancel");
    let other = spark.batches().create(SERVICE).await.unwrap();
    recorder.note("create_again");
    spark.batches().of(other.id()).cancel().await.unwrap();
    recorder.note("of_cancel");

    snapshots::assert_directory("requests", &recorder.texts);
}

async fn create_with_options(recorder: &mut Recorder, spark: &Client) {
    let batches = spark.batches();
    batches
        .create(SERVICE)
        .active_since("2026-01-31T00:00:00Z")
        .source_system("tests")
        .correlation_id("run-7")
        .call_purpose("Demo")
        .selected_outputs(["volume", "surface"])
        .subservices(["sub1", "sub2"])
        .input_key(["radius"])
        .await
        .unwrap();
    recorder.note("create_metadata");
    batches
        .create(SERVICE)
        .min_runners(20)
        .max_runners(200)
        .chunks_per_vm(3)
        .runners_per_vm(4)
        .max_input_size(100)
        .max_output_size(200)
        .accuracy(0.95)
        .await
        .unwrap();
    recorder.note("create_experimental");
    // A moment in another type, and options that are empty or zero.
    let moment =
        std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1_769_817_600_500);
    batches
        .create(SERVICE)
        .active_since(moment)
        .selected_outputs(["volume"; 0])
        .accuracy(0.0)
        .await
        .unwrap();
    recorder.note("create_moment");
    // Locators. The emulator does not know all of these services; only the request matters here.
    let id = "6c6fe5ba-9c38-4a4e-a1ea-b56e8f0d7a5b";
    for (step, uri) in [
        (
            "create_version",
            "my-folder/volume-cylinder[0.4.2]"
                .parse::<ServiceUri>()
                .unwrap(),
        ),
        (
            "create_service_id",
            ServiceUri::from_service_id(id).unwrap(),
        ),
        (
            "create_version_id",
            ServiceUri::from_version_id(id).unwrap(),
        ),
        (
            "create_proxy",
            ServiceUri::from_proxy("my-endpoint").unwrap(),
        ),
        (
            "create_spaces",
            ServiceUri::new("my folder", "a service").unwrap(),
        ),
    ] {
        let _ = batches.create(uri).await;
        recorder.note(step);
    }
    let parts = UriParts {
        folder: Some("my-folder"),
        service: Some("volume-cylinder"),
        ..UriParts::default()
    };
    batches.create(parts).await.unwrap();
    recorder.note("create_parts");
}

async fn push_everything(recorder: &mut Recorder, pipeline: &cspark_batches::Pipeline) {
    let one = |count, id: &str| Chunk::new(cylinders(0..count)).unwrap().with_id(id);
    pipeline.push(one(2, "chunk-1")).await.unwrap();
    recorder.note("push_chunk");
    pipeline
        .push(vec![one(1, "chunk-2"), one(2, "chunk-3")])
        .await
        .unwrap();
    recorder.note("push_chunks");

    let summary = SummaryRequest {
        aggregation: vec![Aggregation {
            operator: "SUM".into(),
            output_name: "volume".to_owned(),
        }],
        ignore_error: Some(false),
        return_all_records: Some(true),
    };
    let push = Push::data([json!({"radius": 1}), json!({"radius": 2})])
        .parameters(&json!({"height": 40}))
        .summary(summary);
    let chunks = push
        .into_chunks()
        .unwrap()
        .into_iter()
        .map(|chunk| chunk.with_id("data"));
    pipeline.push(Push::chunks(chunks)).await.unwrap();
    recorder.note("push_data");

    let json = r#"{"chunks": [{"id": "raw", "size": 1, "data": {"inputs": [["radius", "height"], [1.0, 1e0]]}}]}"#;
    pipeline.push(Push::json(json)).await.unwrap();
    recorder.note("push_json");
    pipeline
        .push(Push::json(json).if_duplicate(Duplicates::Skip))
        .await
        .unwrap();
    recorder.note("push_skipped");

    let objects = Push::records(cylinders(0..1))
        .layout(Layout::Objects)
        .into_chunks()
        .unwrap();
    pipeline
        .push(Push::chunks(
            objects.into_iter().map(|chunk| chunk.with_id("objects")),
        ))
        .await
        .unwrap();
    recorder.note("push_objects");
}

#[tokio::test]
async fn fields_that_the_crate_does_not_know() {
    let (emulator, spark) = start().await;
    let created = || Fault::RespondBefore(Response::json(200, r#"{"id": "one"}"#));
    let create = || {
        let create = spark.batches().create(SERVICE).max_runners(5);
        create.extra("priority", "high").extra("max_workers", 7)
    };
    emulator.inject(Operation::Create, created());
    create().await.unwrap();
    // The run passes them on; the emulator refuses what it does not know.
    let run = spark.batches().run::<_, Volume>(SERVICE, cylinders(0..1));
    let run = run.batch_options(|create| create.extra("priority", "high").extra("max_workers", 7));
    let error = run.await.unwrap_err();
    assert!(error.to_string().contains("priority"), "{error}");

    let sent = requests(&emulator, Operation::Create);
    assert_eq!(sent.len(), 2);
    for request in sent {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(
            (&body["priority"], &body["max_workers"]),
            (&json!("high"), &json!(7))
        );
        assert_eq!(body["service"], SERVICE);
    }
}

#[tokio::test]
async fn options_that_contradict_each_other_are_refused() {
    let (emulator, spark) = start().await;
    let create = spark
        .batches()
        .create(SERVICE)
        .min_runners(9)
        .max_runners(5);
    let error = create.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input);
    let text = "min_runners is 9; it has to be at most max_runners, which is 5";
    assert!(error.to_string().contains(text), "{error}");
    assert!(emulator.requests().is_empty());
}
