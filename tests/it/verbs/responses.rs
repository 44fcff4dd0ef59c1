//! Each example response of the description, as the verb that gets it returns it.

use std::collections::BTreeMap;
use std::fmt::Debug;

use cspark_batches::{Chunk, Result};
use cspark_emulator::{Emulator, Fault, Operation as On, Response};
use serde_json::Value;

use crate::support::{SERVICE, client, cylinders, snapshots};

#[derive(Debug, serde::Deserialize)]
#[allow(dead_code, reason = "read by Debug")]
struct Output {
    #[serde(alias = "volume")]
    value: f64,
}

fn samples() -> BTreeMap<String, String> {
    let description: Value =
        serde_norway::from_str(include_str!("../../../openapi/batches.yaml")).unwrap();
    let examples = description["components"]["examples"].as_object().unwrap();
    examples
        .iter()
        .map(|(name, example)| (name.clone(), example["value"].to_string()))
        .collect()
}

fn text<T: Debug>(answer: Result<T>) -> String {
    format!("{:#?}", answer.unwrap())
}

#[tokio::test]
async fn every_example_of_the_description_is_read() {
    let emulator = Emulator::start().await.unwrap();
    let spark = client(&emulator);
    let mut texts = BTreeMap::new();
    for (name, sample) in samples() {
        let pipeline = spark.batches().create(SERVICE).await.unwrap();
        let answer = |operation| {
            emulator.inject(
                operation,
                Fault::RespondBefore(Response::json(200, sample.as_str())),
            )
        };
        let read = match name.as_str() {
            "Describe" => {
                answer(On::Describe);
                text(spark.batches().describe().await)
            }
            "Created" => {
                answer(On::Create);
                text(
                    spark
                        .batches()
                        .create(SERVICE)
                        .await
                        .map(|pipeline| pipeline.created().cloned()),
                )
            }
            "Info" => {
                answer(On::Info);
                text(pipeline.info().await)
            }
            "Status" => {
                answer(On::Status);
                text(pipeline.status().await)
            }
            "Pushed" => {
                answer(On::Push);
                let chunk = Chunk::new(cylinders(0..1)).unwrap().with_id("a-chunk");
                text(pipeline.push(chunk).await)
            }
            "Pulled" | "PulledTable" => {
                answer(On::Pull);
                text(pipeline.pull::<Output>().await)
            }
            "Closed" => {
                answer(On::Close);
                text(pipeline.close().await)
            }
            "Cancelled" => {
                answer(On::Cancel);
                text(pipeline.cancel().await)
            }
            // No verb asks for these, only `raw` does.
            "ServiceSchema" | "SwaggerDocument" | "ServiceVersions" => continue,
            _ => panic!("no verb is known to answer with {name}"),
        };
        texts.insert(name, read);
    }
    snapshots::assert_directory("responses", &texts);
}
