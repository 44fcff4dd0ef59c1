//! The types of outputs: given, from the service, or inferred.

use std::sync::Arc;

use arrow_array::{RecordBatch, StringArray};
use arrow_schema::{ArrowError, DataType, Field, Schema};
use cspark_batches::service::{Column, ColumnKind, Columns};
use cspark_batches_arrow::{Error, RunTable as _, Table, output_schema};
use cspark_emulator::{Emulator, OutputShape};

use crate::support::*;

fn texts(cells: &[&str]) -> RecordBatch {
    let column = Arc::new(StringArray::from(cells.to_vec()));
    RecordBatch::try_from_iter([("cells", column as _)]).unwrap()
}

const SHAPES: [OutputShape; 2] = [OutputShape::Table, OutputShape::Objects];

#[tokio::test]
async fn a_cell_of_another_type_costs_no_other() {
    for shape in SHAPES {
        let service = outputs_from_text().outputs(shape);
        let (_emulator, spark) = start(Emulator::builder(), service).await;
        let rows = texts(&[
            r#"{"premium": 1, "note": "a", "ok": true}"#,
            r##"{"premium": "#DIV/0!", "note": 7, "ok": ""}"##,
            r#"{"premium": "", "note": [{"x": 1}], "ok": null}"#,
            r#"{"premium": 2.5, "note": null, "ok": "maybe"}"#,
        ]);
        let columns = Columns::new(
            [],
            [
                Column::new("note", ColumnKind::Text),
                Column::new("premium", ColumnKind::Number),
                Column::new("ok", ColumnKind::Boolean),
            ],
        );
        let run = spark
            .batches()
            .run_table(SERVICE, rows.clone())
            .schema(output_schema(&columns));
        let run = run.options(|run| run.in_input_order());
        let batches = collect(&mut run.start().unwrap()).await.unwrap();
        assert_eq!(
            shown(&batches),
            [
                r#"{"note":"a","premium":1.0,"ok":true}"#,
                r##"{"note":"7","error":"output `premium` is \"#DIV/0!\", not a Float64"}"##,
                r#"{"note":"[{\"x\":1}]"}"#,
                r#"{"premium":2.5,"error":"output `ok` is \"maybe\", not a Boolean"}"#,
            ],
            "{shape:?}"
        );
        // Without a column for errors, the record and the column are named.
        let run = spark
            .batches()
            .run_table(SERVICE, rows)
            .schema(output_schema(&columns));
        let mut run = run.without_errors().start().unwrap();
        let error = collect(&mut run).await.unwrap_err();
        assert!(matches!(error, Error::Record { record: 1, .. }), "{error}");
        assert!(error.to_string().contains("`premium`"), "{error}");
        assert!(run.summary().left_open.is_empty());
    }
}

#[tokio::test]
async fn the_first_outputs_decide_and_the_rest_is_held_to_them() {
    for shape in SHAPES {
        let service = outputs_from_text().outputs(shape);
        let (_emulator, spark) = start(Emulator::builder(), service).await;
        let rows = texts(&[
            "no outputs",
            r#"{"a": 1, "b": [{"year": 1}]}"#,
            r#"{"a": "x", "b": []}"#,
        ]);
        let run = spark.batches().run_table(SERVICE, rows);
        let run = run.options(|run| {
            run.in_input_order()
                .chunk_size(1)
                .allow_unreadable_outputs()
        });
        let mut run = run.start().unwrap();
        let batches = collect(&mut run).await.unwrap();
        let schema = run.schema().unwrap();
        assert_eq!(schema.field(0).data_type(), &DataType::Float64);
        assert!(matches!(schema.field(1).data_type(), DataType::List(_)));
        let rows = shown(&batches);
        assert!(rows[0].contains("expected"), "{rows:?}");
        assert_eq!(rows[1], r#"{"a":1.0,"b":[{"year":1}]}"#);
        assert_eq!(
            rows[2],
            r#"{"b":[],"error":"output `a` is \"x\", not a Float64"}"#
        );
    }
}

#[tokio::test]
async fn a_schema_asks_for_its_outputs_alone_and_may_have_any_type() {
    for shape in SHAPES {
        let service = outputs_from_text().outputs(shape);
        let (_emulator, spark) = start(Emulator::builder(), service).await;
        let rows =
            texts(&[r#"{"a": 12.345, "day": "2024-02-29", "id": 9007199254740993, "more": 1}"#]);
        let schema = Schema::new(vec![
            Field::new("id", DataType::Int64, false),
            Field::new("day", DataType::Date32, true),
            Field::new("a", DataType::Decimal128(10, 3), true),
            Field::new("not_there", DataType::Float64, true),
        ]);
        let run = spark.batches().run_table(SERVICE, rows).schema(schema);
        let batches = collect(&mut run.start().unwrap()).await.unwrap();
        assert_eq!(
            shown(&batches),
            [r#"{"id":9007199254740993,"day":"2024-02-29","a":12.345}"#]
        );
    }
}

#[tokio::test]
async fn a_run_in_which_every_record_fails_has_their_errors() {
    let (_emulator, spark) = start(Emulator::builder(), double()).await;
    let run = spark
        .batches()
        .run_table(SERVICE, numbers([-1.0, -2.0]))
        .with_inputs();
    let mut run = run.start().unwrap();
    let batches = collect(&mut run).await.unwrap();
    assert_eq!(
        shown(&batches),
        [
            r#"{"n":-1.0,"error":"n is negative"}"#,
            r#"{"n":-2.0,"error":"n is negative"}"#
        ]
    );
    assert_eq!(run.summary().failed_records, 2);
}

#[tokio::test]
async fn a_run_without_outputs_does_not_wait_for_one_in_all_memory() {
    let (_emulator, spark) = start(Emulator::builder(), double()).await;
    let negative = numbers((0..10_000).map(|n| -1.0 - f64::from(n)));
    let input = std::iter::repeat_n(negative.clone(), 100).map(Ok::<_, ArrowError>);
    let table = Table::stream(negative.schema(), futures_util::stream::iter(input));
    let run = spark.batches().run_table(SERVICE, table);
    let mut run = run
        .options(|run| run.chunk_size(2000).memory(1 << 20))
        .start()
        .unwrap();
    let error = collect(&mut run).await.unwrap_err();
    let told = error.to_string();
    assert!(told.contains("set them with `schema`"), "{told}");
    let summary = run.summary();
    assert!(summary.read.records < 500_000, "{summary}");
    assert!(summary.left_open.is_empty());
}

#[tokio::test]
async fn without_a_column_for_errors_the_first_ends_the_run_before_any_output() {
    let (_emulator, spark) = start(Emulator::builder(), double()).await;
    let negative = numbers((0..1000).map(|n| -1.0 - f64::from(n)));
    let input = std::iter::repeat_n(negative.clone(), 90).map(Ok::<_, ArrowError>);
    let table = Table::stream(negative.schema(), futures_util::stream::iter(input));
    let run = spark.batches().run_table(SERVICE, table).without_errors();
    let mut run = run
        .options(|run| run.chunk_size(500).memory(1 << 18).in_input_order())
        .start()
        .unwrap();
    let error = collect(&mut run).await.unwrap_err();
    assert!(matches!(error, Error::Record { record: 0, .. }), "{error}");
    let summary = run.summary();
    assert!(summary.read.records < 60_000, "{summary}");
    assert!(summary.left_open.is_empty());
}
