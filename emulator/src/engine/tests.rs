//! Properties of the model that hold after any history of a batch.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::{Batch, Chunk, Limits, Phase};

#[derive(Clone, Debug)]
enum Step {
    Push(Vec<(u64, u64, usize)>),
    Pull(usize),
    Wait(u64),
    Stall(u64),
    Close,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let chunk = (1_u64..60, 0_u64..30, 1_usize..40);
    let step = prop_oneof![
        4 => prop::collection::vec(chunk, 1..5).prop_map(Step::Push),
        3 => (1_usize..6).prop_map(Step::Pull),
        4 => (0_u64..40).prop_map(Step::Wait),
        1 => (0_u64..50).prop_map(Step::Stall),
        1 => Just(Step::Close),
    ];
    prop::collection::vec(step, 1..60)
}

fn limits() -> impl Strategy<Value = Limits> {
    (
        60_u64..200,
        1_u64..120,
        1_usize..6,
        prop::option::of(1_u64..20),
        prop::option::of(any::<u64>()),
    )
        .prop_map(
            |(input_bytes, output_bytes, workers, ramp_up, shuffle)| Limits {
                input_bytes,
                output_bytes,
                workers,
                initial_workers: 1,
                ramp_up: ramp_up.map(Duration::from_secs),
                idle_timeout: Duration::MAX,
                shuffle,
            },
        )
}

proptest! {
    #[test]
    fn every_accepted_chunk_is_delivered_once_and_the_books_balance(
        limits in limits(),
        steps in steps(),
    ) {
        let mut now = Duration::ZERO;
        let mut batch = Batch::new(limits.clone(), now);
        let mut accepted: BTreeMap<String, usize> = BTreeMap::new();
        let mut delivered = BTreeMap::new();
        let mut next = 0;
        for step in steps {
            batch.advance(now);
            match step {
                Step::Push(chunks) => {
                    let weight: u64 = chunks.iter().map(|(weight, ..)| weight).sum();
                    let fits = weight <= batch.input_remaining() && batch.phase() == Phase::Open;
                    let before = *batch.counts();
                    let chunks: Vec<Chunk> = chunks
                        .into_iter()
                        .map(|(weight, work, result)| {
                            next += 1;
                            Chunk {
                                id: next.to_string(),
                                records: 2,
                                failed: 1,
                                weight,
                                result: Bytes::from(vec![b'x'; result]),
                                work: Duration::from_secs(work),
                            }
                        })
                        .collect();
                    let size = |chunk: &Chunk| (chunk.id.clone(), chunk.result.len());
                    let sizes: Vec<_> = chunks.iter().map(size).collect();
                    prop_assert_eq!(batch.push(chunks).is_ok(), fits);
                    if fits {
                        accepted.extend(sizes);
                    } else {
                        prop_assert_eq!(before.chunks_submitted, batch.counts().chunks_submitted);
                    }
                }
                Step::Pull(max) => {
                    let pulled = batch.pull(max);
                    prop_assert!(pulled.len() <= max);
                    for chunk in pulled {
                        prop_assert!(delivered.insert(chunk.id, chunk.result.len()).is_none(), "delivered twice");
                    }
                }
                Step::Wait(seconds) => now += Duration::from_secs(seconds),
                Step::Stall(seconds) => batch.stall(Duration::from_secs(seconds)),
                Step::Close => _ = batch.close(),
            }
            prop_assert!(batch.input_used() <= limits.input_bytes);
            // One result larger than the buffer may stand in it alone.
            let fits = batch.output_used() <= limits.output_bytes;
            prop_assert!(fits || batch.chunks_available() == 1);
            prop_assert!(batch.workers_in_use() <= limits.workers);
            prop_assert_eq!(batch.counts().records_completed, 2 * batch.counts().chunks_completed);
        }
        // With enough time and enough pulls, everything comes out.
        while !batch.is_drained() || batch.chunks_available() > 0 {
            now += Duration::from_secs(1_000);
            batch.advance(now);
            let pulled = batch.pull(1);
            prop_assert!(!pulled.is_empty(), "the batch is stuck");
            for chunk in pulled {
                prop_assert!(delivered.insert(chunk.id, chunk.result.len()).is_none(), "delivered twice");
            }
        }
        prop_assert_eq!(&accepted, &delivered);
        prop_assert_eq!((batch.input_used(), batch.output_used()), (0, 0));
        prop_assert_eq!(batch.workers_in_use(), 0);
    }

    #[test]
    fn how_often_one_looks_makes_no_difference(
        limits in limits(),
        works in prop::collection::vec(0_u64..30, 1..20),
    ) {
        let chunks = |limits: &Limits| {
            works.iter().enumerate().map(|(n, work)| Chunk {
                id: n.to_string(),
                records: 1,
                failed: 0,
                weight: limits.input_bytes / 20,
                result: Bytes::from_static(b"0123456789"),
                work: Duration::from_secs(*work),
            }).collect::<Vec<_>>()
        };
        let mut often = Batch::new(limits.clone(), Duration::ZERO);
        let mut once = Batch::new(limits.clone(), Duration::ZERO);
        often.push(chunks(&limits)).unwrap();
        once.push(chunks(&limits)).unwrap();
        let end = Duration::from_secs(200);
        for second in 0..=200 {
            often.advance(Duration::from_secs(second));
        }
        once.advance(end);
        prop_assert_eq!(often.chunks_available(), once.chunks_available());
        prop_assert_eq!(often.workers_in_use(), once.workers_in_use());
        prop_assert_eq!(often.updated, once.updated);
        let order = |batch: &mut Batch| {
            let chunks = batch.pull(100).into_iter();
            chunks.map(|chunk| chunk.id).collect::<Vec<_>>()
        };
        prop_assert_eq!(order(&mut often), order(&mut once));
    }
}

#[test]
fn n_workers_take_the_ideal_time() {
    for workers in [1, 7, 100, 1000] {
        let limits = Limits {
            input_bytes: u64::MAX,
            output_bytes: u64::MAX,
            workers,
            initial_workers: 1,
            ramp_up: None,
            idle_timeout: Duration::MAX,
            shuffle: None,
        };
        let mut batch = Batch::new(limits, Duration::ZERO);
        let chunk = |n: usize| Chunk {
            id: n.to_string(),
            records: 1,
            failed: 0,
            weight: 1,
            result: Bytes::from_static(b"x"),
            work: Duration::from_secs(3),
        };
        batch.push((0..7000).map(chunk).collect()).unwrap();
        let ideal = Duration::from_secs(3 * 7000_u64.div_ceil(workers as u64));
        batch.advance(ideal - Duration::from_nanos(1));
        assert!(!batch.is_drained());
        batch.advance(ideal);
        assert!(batch.is_drained());
        assert_eq!(batch.counts().compute_time, Duration::from_secs(21_000));
    }
}
