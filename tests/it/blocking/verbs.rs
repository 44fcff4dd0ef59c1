//! The blocking client through every verb, outside and inside of a runtime.

use cspark_batches::blocking::Client;
use cspark_batches::{PipelineState, Push};
use cspark_emulator::Emulator;

use crate::support::{SERVICE, Volume, cylinders, settings};

fn every_verb() {
    let emulator = Emulator::builder().start_on_thread().unwrap();
    let client = Client::build(settings(&emulator).api_key("open")).unwrap();
    assert!(client.health().unwrap().is_up());
    let batches = client.batches();
    let pipeline = batches
        .create(SERVICE)
        .max_runners(5)
        .accuracy(0.95)
        .send()
        .unwrap();
    assert_eq!(
        pipeline.created().and_then(|batch| batch.id.as_deref()),
        Some(pipeline.id())
    );
    pipeline.info().unwrap();
    // The records are borrowed.
    let records: Vec<_> = cylinders(0..200).collect();
    pipeline
        .push(Push::records(&records).chunk_size(40))
        .unwrap();
    assert_eq!(pipeline.stats().records(), 200);
    let first = pipeline
        .pull::<Volume>()
        .max_chunks(2)
        .send()
        .unwrap()
        .chunks
        .len();
    pipeline.status().unwrap();
    pipeline.close().unwrap();
    let rest = pipeline.results::<Volume>().max_chunks(2);
    let rest = rest.map(|chunk| chunk.unwrap().records().count());
    assert_eq!(
        first + rest.inspect(|records| assert_eq!(*records, 40)).count(),
        5
    );
    assert_eq!(batches.of(pipeline.id()).state(), PipelineState::Open);
    assert!(batches.create(SERVICE).send().unwrap().cancel().is_ok());
    batches.describe().unwrap();
}

#[test]
fn without_a_runtime() {
    every_verb();
}

#[tokio::test]
async fn within_a_runtime() {
    every_verb();
}
