//! Duplicate chunk ids: within a push, across pushes, and in pushes that run at the same time.

use cspark_batches::{Chunk, Duplicates, ErrorKind, Push};
use cspark_emulator::{Fault, Operation};

use crate::support::{SERVICE, cylinders, start};

fn chunk(id: &str) -> Chunk {
    Chunk::new(cylinders(0..2)).unwrap().with_id(id)
}

#[tokio::test]
async fn duplicate_ids_are_refused_replaced_or_skipped() {
    let (_emulator, spark) = start().await;
    let pipeline = spark.batches().create(SERVICE).await.unwrap();

    let error = pipeline
        .push(vec![chunk("a"), chunk("b"), chunk("a")])
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input);
    assert!(error.to_string().contains("`a`"), "{error}");
    assert_eq!(pipeline.stats().chunks(), 0);

    pipeline.push(chunk("a")).await.unwrap();
    assert_eq!(
        pipeline
            .push(vec![chunk("b"), chunk("a")])
            .await
            .unwrap_err()
            .kind(),
        ErrorKind::Input
    );

    let push = Push::chunks([chunk("b"), chunk("a"), chunk("b")]).if_duplicate(Duplicates::Skip);
    let pushed = pipeline.push(push).await.unwrap();
    assert_eq!(
        pushed
            .chunks
            .iter()
            .map(|it| it.id.as_str())
            .collect::<Vec<_>>(),
        ["b"]
    );
    assert_eq!(pushed.skipped, ["a", "b"]);

    let push = Push::chunks([chunk("a"), chunk("c"), chunk("c")]).if_duplicate(Duplicates::Replace);
    let pushed = pipeline.push(push).await.unwrap();
    let replaced: Vec<_> = pushed
        .chunks
        .iter()
        .map(|it| it.replaced.as_deref())
        .collect();
    assert_eq!(replaced, [Some("a"), None, Some("c")]);
    assert_ne!(pushed.chunks[0].id, "a");
    assert_eq!(pipeline.stats().chunks(), 5);
    assert_eq!(pipeline.status().await.unwrap().chunks_submitted, Some(5));
}

#[tokio::test]
async fn two_batches_have_nothing_to_do_with_each_other() {
    let (_emulator, spark) = start().await;
    let one = spark.batches().create(SERVICE).await.unwrap();
    let other = spark.batches().create(SERVICE).await.unwrap();
    one.push(chunk("a")).await.unwrap();
    other.push(chunk("a")).await.unwrap();
    assert_eq!(other.stats().chunks(), 1);
}

#[tokio::test]
async fn an_id_in_flight_is_reserved_until_its_push_fails_or_is_dropped() {
    let (emulator, spark) = start().await;
    let pipeline = spark.batches().create(SERVICE).await.unwrap();
    emulator.inject(Operation::Push, Fault::HangBefore);
    let clone = pipeline.clone();
    let hanging = tokio::spawn(async move { clone.push(chunk("a")).await });
    while emulator
        .requests()
        .iter()
        .all(|it| it.operation != Some(Operation::Push))
    {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        pipeline.push(chunk("a")).await.unwrap_err().kind(),
        ErrorKind::Input
    );
    hanging.abort();
    assert!(hanging.await.unwrap_err().is_cancelled());
    pipeline.push(chunk("a")).await.unwrap();
}
