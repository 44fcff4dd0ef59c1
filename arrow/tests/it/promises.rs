//! The promises of a run, kept for tables.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, UInt64Type};
use arrow_array::{Array as _, RecordBatch, StringArray, StringViewArray};
use arrow_schema::ArrowError;
use cspark_batches::SummaryRequest;
use cspark_batches_arrow::{RunTable as _, Table, TableRun};
use cspark_emulator::{Emulator, RandomFaults, ResultOrder};
use futures_util::{StreamExt as _, stream};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::support::*;

/// Batches of odd sizes, with the numbers from 0.
fn table(sizes: &[usize]) -> Table {
    let mut next = 0;
    let batches = sizes.iter().map(|size| {
        let batch = numbers((next..next + size).map(|n| n as f64));
        next += size;
        batch
    });
    let batches: Vec<RecordBatch> = batches.collect();
    Table::batches(batches[0].schema(), batches)
}

/// Each record's number with its input and output.
fn rows(batches: &[RecordBatch]) -> Vec<(u64, f64, f64)> {
    let mut rows = Vec::new();
    for batch in batches {
        let column = |name| batch.column_by_name(name).unwrap();
        let records = column("record").as_primitive::<UInt64Type>();
        let inputs = column("n").as_primitive::<Float64Type>();
        let outputs = column("twice").as_primitive::<Float64Type>();
        assert_eq!(column("error").null_count(), batch.num_rows());
        let records = records
            .values()
            .iter()
            .zip(inputs.values())
            .zip(outputs.values());
        rows.extend(records.map(|((record, input), output)| (*record, *input, *output)));
    }
    rows
}

fn expected(records: std::ops::Range<u64>) -> Vec<(u64, f64, f64)> {
    records.map(|n| (n, n as f64, 2.0 * n as f64)).collect()
}

const SIZES: [usize; 6] = [1, 700, 0, 2500, 99, 1700];

#[tokio::test]
async fn each_record_comes_once_with_its_input_through_faults() {
    for seed in 0..4 {
        let mut faults = RandomFaults::mixed(seed, 0.03);
        faults.delay = Duration::from_millis(2);
        faults.retry_after = Duration::from_millis(2);
        faults.stall = Duration::from_millis(10);
        faults.most_in_all = 60;
        let builder = Emulator::builder()
            .result_order(ResultOrder::Shuffled(seed))
            .random_faults(faults)
            .seed(seed);
        let (emulator, spark) = start(builder, double()).await;
        let run = spark.batches().run_table(SERVICE, table(&SIZES));
        let run = run
            .with_inputs()
            .with_record_numbers("record")
            .batch_size(1000);
        let fast = Duration::from_millis(1);
        let run = run.options(move |run| {
            let run = run
                .chunk_size(37)
                .resubmissions(50)
                .max_push_chunks(5)
                .max_pull_chunks(5);
            let run = run.initial_backoff(fast).max_backoff(fast * 20);
            let run = run
                .settle_time(fast * 2)
                .confirm_time(fast * 20)
                .stall_limit(fast * 1000);
            run.min_poll_interval(fast).max_poll_interval(fast * 20)
        });
        let mut run = run.start().unwrap();
        let batches = collect(&mut run).await.unwrap();
        let sizes: Vec<_> = batches.iter().map(RecordBatch::num_rows).collect();
        assert_eq!(sizes, [1000, 1000, 1000, 1000, 1000]);
        let mut rows = rows(&batches);
        rows.sort_by_key(|row| row.0);
        assert_eq!(rows, expected(0..5000));
        assert!(run.summary().is_complete());
        for id in emulator.batch_ids() {
            let status = emulator.batch(&id).unwrap().status;
            assert!(status != "in_progress" && status != "created", "{status}");
        }
    }
}

#[tokio::test]
async fn rows_come_in_the_order_of_the_input_if_that_is_wanted() {
    let builder = Emulator::builder().result_order(ResultOrder::Shuffled(7));
    let (_emulator, spark) = start(builder, double()).await;
    let run = spark
        .batches()
        .run_table(SERVICE, table(&SIZES))
        .with_inputs();
    let run = run
        .with_record_numbers("record")
        .options(|run| run.in_input_order().chunk_size(50));
    let batches = collect(&mut run.start().unwrap()).await.unwrap();
    assert_eq!(rows(&batches), expected(0..5000));
    // Otherwise they come as they are computed.
    let run = spark
        .batches()
        .run_table(SERVICE, table(&SIZES))
        .with_inputs();
    let run = run
        .with_record_numbers("record")
        .options(|run| run.chunk_size(50));
    let batches = collect(&mut run.start().unwrap()).await.unwrap();
    let mut rows = rows(&batches);
    assert_ne!(rows, expected(0..5000));
    rows.sort_by_key(|row| row.0);
    assert_eq!(rows, expected(0..5000));
}

#[tokio::test]
async fn another_run_resumes_from_a_checkpoint() {
    for at_first_open in [false, true] {
        let builder = Emulator::builder().result_order(ResultOrder::Shuffled(7));
        let (_emulator, spark) = start(builder, double()).await;
        let set = |table| {
            let run = spark.batches().run_table(SERVICE, table).with_inputs();
            run.with_record_numbers("record")
                .batch_size(300)
                .options(|run| run.chunk_size(40))
        };
        let mut first = set(table(&SIZES)).start().unwrap();
        let mut kept = vec![
            first.next().await.unwrap().unwrap(),
            first.next().await.unwrap().unwrap(),
        ];
        let (rest, checkpoint) = first.checkpoint().unwrap();
        kept.extend(rest);
        drop(first);
        let run = match at_first_open {
            false => set(table(&SIZES)).options(|run| run.resume(checkpoint)),
            true => {
                let from = checkpoint.first_open_record();
                let left = numbers((from..5000).map(|n| n as f64));
                set(left.into()).options(|run| run.resume_at(checkpoint))
            }
        };
        kept.extend(collect(&mut run.start().unwrap()).await.unwrap());
        let mut found: BTreeMap<u64, u32> = BTreeMap::new();
        let mut all = rows(&kept);
        all.iter()
            .for_each(|row| *found.entry(row.0).or_default() += 1);
        assert!(
            found.values().all(|times| *times == 1),
            "no record comes twice"
        );
        all.sort_by_key(|row| row.0);
        assert_eq!(all, expected(0..5000));
    }
}

#[tokio::test]
async fn the_input_is_read_no_further_than_memory_allows() {
    let (_emulator, spark) = start(Emulator::builder(), double()).await;
    let read = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&read);
    let schema = numbers([0.0]).schema();
    let batches = stream::iter(0..200).map(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        Ok::<_, ArrowError>(numbers((0..1000).map(f64::from)))
    });
    let run = spark
        .batches()
        .run_table(SERVICE, Table::stream(schema, batches));
    let mut run = run
        .with_inputs()
        .options(|run| run.memory(256 << 10))
        .start()
        .unwrap();
    drop(run.next().await.unwrap().unwrap());
    // Nobody takes anything now: the run comes to rest.
    let mut progress = run.progress();
    while tokio::time::timeout(Duration::from_millis(300), progress.changed())
        .await
        .is_ok()
    {}
    let before = read.load(Ordering::Relaxed);
    assert!(before < 100, "{before} of 200 batches were read");
    let records: usize = collect(&mut run)
        .await
        .unwrap()
        .iter()
        .map(RecordBatch::num_rows)
        .sum();
    assert_eq!(records, 200_000 - 8192);
    assert_eq!(read.load(Ordering::Relaxed), 200);
}

#[tokio::test]
async fn inputs_that_are_held_are_bounded_by_the_memory_too() {
    // Each row has a column of 1 kB that is not sent, and a chunk is larger than a batch.
    // DataFusion reads the texts of Parquet as views.
    let batch = |first: usize| {
        let rows = first..first + 100;
        let texts = rows.clone().map(|_| "x".repeat(1000));
        let texts = Arc::new(StringViewArray::from_iter_values(texts));
        let numbers = floats(rows.map(|n| n as f64));
        RecordBatch::try_from_iter([("n", numbers), ("text", texts as _)]).unwrap()
    };
    let (_emulator, spark) = start(Emulator::builder(), double()).await;
    let read = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&read);
    let schema = batch(0).schema();
    let batches = stream::iter(0..100).map(move |n| {
        counted.fetch_add(1, Ordering::Relaxed);
        Ok::<_, ArrowError>(batch(n * 100))
    });
    let table = Table::stream(schema, batches);
    let run = spark.batches().run_table(SERVICE, table).send(["n"]);
    let run = run.with_inputs().with_record_numbers("record");
    let run = run.options(|run| run.memory(1 << 20).chunk_size(150).in_input_order());
    let mut run = run.batch_size(150).start().unwrap();
    // Without the bound, the budget has room for the JSON of all of them.
    let mut progress = run.progress();
    while tokio::time::timeout(Duration::from_millis(300), progress.changed())
        .await
        .is_ok()
    {}
    let before = read.load(Ordering::Relaxed);
    assert!(
        (10..=12).contains(&before),
        "{before} of 100 batches were read"
    );
    let batches = collect(&mut run).await.unwrap();
    assert_eq!(rows(&batches), expected(0..10_000));
}

/// Reads a run to its error. Returns the number of rows before it.
async fn rows_before_the_error(mut run: TableRun) -> (usize, String) {
    let mut rows = 0;
    let error = loop {
        match run.next().await.unwrap() {
            Ok(batch) => rows += batch.num_rows(),
            Err(error) => break error.to_string(),
        }
    };
    assert!(run.next().await.is_none());
    (rows, error)
}

#[tokio::test]
async fn the_error_of_the_source_ends_the_run() {
    // With a column of errors as well: it is none of a record.
    for column in [false, true] {
        let (emulator, spark) = start(Emulator::builder(), double()).await;
        let schema = numbers([0.0]).schema();
        let batches = [
            Ok(numbers([1.0, 2.0])),
            Err(ArrowError::ParquetError("a page is broken".to_owned())),
            Ok(numbers([3.0])),
        ];
        let table = Table::stream(schema, stream::iter(batches));
        let run = spark.batches().run_table(SERVICE, table).with_inputs();
        let run = match column {
            true => run,
            false => run.without_errors(),
        };
        let (rows, error) = rows_before_the_error(run.start().unwrap()).await;
        assert_eq!(rows, 2);
        assert!(error.contains("a page is broken"), "{error}");
        let id = emulator.batch_ids().remove(0);
        let batch = emulator.batch(&id).unwrap();
        assert_eq!(batch.status, "completed");
        assert_eq!(batch.records_submitted, 2);
    }
}

#[tokio::test]
async fn a_batch_of_another_schema_ends_the_run() {
    let (_emulator, spark) = start(Emulator::builder(), double()).await;
    let texts = Arc::new(StringArray::from_iter_values(["3", "4"]));
    let texts = RecordBatch::try_from_iter([("n", texts as _)]).unwrap();
    let schema = numbers([0.0]).schema();
    let batches = [numbers([1.0, 2.0]), texts, numbers([5.0])];
    let batches = stream::iter(batches.map(Ok::<_, ArrowError>));
    let run = spark
        .batches()
        .run_table(SERVICE, Table::stream(schema, batches));
    let (rows, error) = rows_before_the_error(run.with_inputs().start().unwrap()).await;
    assert_eq!(rows, 2);
    assert!(
        error.contains("column `n` has the type Utf8 in a record batch"),
        "{error}"
    );
}

/// A table of the numbers that come through a channel.
fn fed() -> (UnboundedSender<RecordBatch>, Table) {
    let (sender, receiver) = unbounded_channel();
    let batches = stream::unfold(receiver, async |mut receiver| {
        let batch = receiver.recv().await?;
        Some((Ok::<_, ArrowError>(batch), receiver))
    });
    (sender, Table::stream(numbers([0.0]).schema(), batches))
}

#[tokio::test]
async fn a_checkpoint_before_the_first_output_leaves_the_columns_open() {
    let (_emulator, spark) = start(Emulator::builder(), double()).await;
    let (sender, table) = fed();
    let run = spark.batches().run_table(SERVICE, table);
    let run = run.with_record_numbers("record");
    let run = run.options(|run| run.chunk_size(1).in_input_order());
    let mut run = run.start().unwrap();
    // It has no output, and waits for one that tells the columns.
    sender.send(numbers([-1.0])).unwrap();
    let rows = std::future::poll_fn(|cx| {
        assert!(run.poll_next_unpin(cx).is_pending());
        match run.checkpoint().unwrap().0 {
            none if none.is_empty() => Poll::Pending,
            rows => Poll::Ready(rows),
        }
    });
    let rows = rows.await;
    assert_eq!(shown(&rows), [r#"{"record":0,"error":"n is negative"}"#]);
    sender.send(numbers([2.0, 3.0])).unwrap();
    drop(sender);
    let rest = collect(&mut run).await.unwrap();
    assert_eq!(
        shown(&rest),
        [r#"{"record":1,"twice":4.0}"#, r#"{"record":2,"twice":6.0}"#]
    );
}

#[tokio::test]
async fn a_checkpoint_that_fails_leaves_the_columns_open_too() {
    let (_emulator, spark) = start(Emulator::builder(), double()).await;
    let (sender, table) = fed();
    let run = spark.batches().run_table(SERVICE, table);
    let summary = SummaryRequest::new().sum("twice").without_records();
    let run = run.options(|run| run.chunk_size(1).chunk_summary(summary));
    let mut run = run.start().unwrap();
    // There are no rows of it, and that is an error as soon as they are wanted.
    sender.send(numbers([1.0])).unwrap();
    let error = std::future::poll_fn(|cx| {
        assert!(run.poll_next_unpin(cx).is_pending());
        match run.checkpoint() {
            Ok(_) => Poll::Pending,
            Err(error) => Poll::Ready(error),
        }
    });
    let error = error.await.to_string();
    assert!(error.contains("needs the records"), "{error}");
    assert_eq!(run.schema(), None);
    // It is not forgotten.
    drop(sender);
    let (rows, again) = rows_before_the_error(run).await;
    assert_eq!((rows, again), (0, error));
}
