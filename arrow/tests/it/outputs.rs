//! The types of outputs: given, from the service, or inferred.

use std::sync::Arc;

use arrow_array::{RecordBatch, StringArray};
use arrow_schema::{ArrowError, DataType, Field, Schema, TimeUnit};
use cspark_batches::service::{Column, ColumnKind, Columns};
use cspark_batches_arrow::{Error, RunTable as _, Table, output_schema};
use cspark_emulator::{Emulator, OutputShape};

use crate::support::*;

fn texts(cells: &[&str]) -> RecordBatch {
    let column = Arc::new(StringArray::from(cells.to_vec()));
    RecordBatch::try_from_iter([("cells", column as _)]).unwrap()
}

const SHAPES: [OutputShape; 2] = [OutputShape::Table, OutputShape::Objects];

/// The rows of a run over these outputs in their order, each in a chunk of its own.
async fn rows_of(outputs: &[&str], shape: OutputShape, schema: Option<Schema>) -> Vec<String> {
    let service = outputs_from_text().outputs(shape);
    let (_emulator, spark) = start(Emulator::builder(), service).await;
    let run = spark.batches().run_table(SERVICE, texts(outputs));
    let run = match schema {
        Some(schema) => run.schema(schema),
        None => run,
    };
    let run = run.options(|run| run.in_input_order().chunk_size(1));
    shown(&collect(&mut run.start().unwrap()).await.unwrap())
}

#[tokio::test]
async fn a_cell_of_another_type_costs_no_other() {
    for shape in SHAPES {
        let service = outputs_from_text().outputs(shape);
        let (_emulator, spark) = start(Emulator::builder(), service).await;
        let rows = texts(&[
            r#"{"premium": 1, "note": "a", "ok": true}"#,
            r##"{"premium": "#DIV/0!", "note": 7, "ok": ""}"##,
            r#"{"premium": "", "note": [{"x":1}], "ok": null}"#,
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
        assert_eq!(rows[1], r#"{"a":1.0,"b":[{"year":1.0}]}"#);
        assert_eq!(
            rows[2],
            r#"{"b":[],"error":"output `a` is \"x\", not a Float64"}"#
        );
    }
}

#[tokio::test]
async fn numbers_within_tables_keep_their_fractions() {
    for shape in SHAPES {
        let outputs = [
            r#"{"table": [{"year": 1}], "list": [1]}"#,
            r#"{"table": [{"year": 99.5}, {"year": ""}], "list": [0.5]}"#,
        ];
        assert_eq!(
            rows_of(&outputs, shape, None).await,
            [
                r#"{"list":[1.0],"table":[{"year":1.0}]}"#,
                r#"{"list":[0.5],"table":[{"year":99.5},{}]}"#,
            ]
        );
    }
}

#[tokio::test]
async fn what_the_first_outputs_do_not_have_is_an_error_later() {
    for shape in SHAPES {
        let outputs = [
            r#"{"a": 1, "t": [{"x": 1}]}"#,
            r#"{"a": 2, "t": [], "new": 5}"#,
            r#"{"a": 3, "t": [{"x": 2, "y": 7}]}"#,
            r#"{"new": null, "a": 4, "t": [{"x": 2, "y": null}]}"#,
        ];
        let rows = rows_of(&outputs, shape, None).await;
        assert_eq!(rows[0], r#"{"a":1.0,"t":[{"x":1.0}]}"#);
        assert_eq!(
            rows[1],
            r#"{"a":2.0,"t":[],"error":"output `new` is 5, and the first outputs have none of this name"}"#
        );
        assert!(
            rows[2].starts_with(r#"{"a":3.0,"error":"output `t` is ["#),
            "{rows:?}"
        );
        // Nothing is lost with a null.
        assert_eq!(rows[3], r#"{"a":4.0,"t":[{"x":2.0}]}"#);
        // Without a column for errors, the record and the output are named.
        let service = outputs_from_text().outputs(shape);
        let (_emulator, spark) = start(Emulator::builder(), service).await;
        let run = spark.batches().run_table(SERVICE, texts(&outputs));
        let run = run.options(|run| run.in_input_order().chunk_size(1));
        let mut run = run.without_errors().start().unwrap();
        let error = collect(&mut run).await.unwrap_err();
        assert!(matches!(error, Error::Record { record: 1, .. }), "{error}");
        assert!(error.to_string().contains("`new`"), "{error}");
    }
}

#[tokio::test]
async fn tables_that_do_not_tell_their_columns_are_texts() {
    for shape in SHAPES {
        let outputs = [
            r#"{"list": [], "rows": [{}], "cells": [{"x":null,"y":1}]}"#,
            r#"{"list": [{"a":1}], "rows": [{"b":2}], "cells": [{"x":3,"y":1}]}"#,
        ];
        assert_eq!(
            rows_of(&outputs, shape, None).await,
            [
                r#"{"cells":"[{\"x\":null,\"y\":1}]","list":"[]","rows":"[{}]"}"#,
                r#"{"cells":"[{\"x\":3,\"y\":1}]","list":"[{\"a\":1}]","rows":"[{\"b\":2}]"}"#,
            ]
        );
    }
}

#[tokio::test]
async fn tables_of_several_kinds_are_texts() {
    for shape in SHAPES {
        let service = outputs_from_text().outputs(shape);
        let (_emulator, spark) = start(Emulator::builder(), service).await;
        let rows = texts(&[
            r#"{"kinds": [1], "within": [1,{"a":1}], "depths": [1]}"#,
            r#"{"kinds": [{"a":1}], "within": null, "depths": [[1]]}"#,
        ]);
        let run = spark.batches().run_table(SERVICE, rows);
        let run = run.options(|run| run.in_input_order());
        let batches = collect(&mut run.start().unwrap()).await.unwrap();
        assert_eq!(
            shown(&batches),
            [
                r#"{"depths":"[1]","kinds":"[1]","within":"[1,{\"a\":1}]"}"#,
                r#"{"depths":"[[1]]","kinds":"[{\"a\":1}]"}"#,
            ]
        );
    }
}

#[tokio::test]
async fn a_cell_that_would_lose_digits_or_be_guessed_does_not_fit() {
    let schema = Schema::new(vec![
        Field::new("whole", DataType::Int64, true),
        Field::new("money", DataType::Decimal128(10, 2), true),
        Field::new("hundreds", DataType::Decimal128(10, -2), true),
        Field::new("float", DataType::Float64, true),
        Field::new("narrow", DataType::Float32, true),
        Field::new("day", DataType::Date32, true),
        Field::new("list", DataType::new_list(DataType::Int32, true), true),
    ]);
    for shape in SHAPES {
        let fit = [
            (r#"{"whole": 1.0}"#, r#"{"whole":1}"#),
            (
                r#"{"whole": 9007199254740993.0}"#,
                r#"{"whole":9007199254740993}"#,
            ),
            (r#"{"money": 7.999999999999999}"#, r#"{"money":8.00}"#),
            (r#"{"money": -0.005}"#, r#"{"money":-0.01}"#),
            (r#"{"money": 1.2e1}"#, r#"{"money":12.00}"#),
            (r#"{"hundreds": 12350}"#, r#"{"hundreds":12400}"#),
            (r#"{"float": 2}"#, r#"{"float":2.0}"#),
            (r#"{"day": 1}"#, r#"{"day":"1970-01-02"}"#),
            (r#"{"list": [1, "", 2.0]}"#, r#"{"list":[1,null,2]}"#),
        ];
        let (outputs, expected): (Vec<&str>, Vec<&str>) = fit.into_iter().unzip();
        assert_eq!(
            rows_of(&outputs, shape, Some(schema.clone())).await,
            expected
        );
        let misfits = [
            r#"{"whole": 1.9}"#,
            r#"{"whole": "7"}"#,
            r#"{"whole": -9223372036854775809}"#,
            r#"{"money": 123456789.01}"#,
            r#"{"money": "1.5"}"#,
            r#"{"float": "1.5"}"#,
            r#"{"float": "NaN"}"#,
            r#"{"narrow": 1e39}"#,
            r#"{"day": 1.5}"#,
            r#"{"list": [1, 2.5]}"#,
        ];
        let rows = rows_of(&misfits, shape, Some(schema.clone())).await;
        for (output, row) in misfits.iter().zip(rows) {
            let name = output.split('"').nth(1).unwrap();
            let expected = format!(r#"{{"error":"output `{name}` is "#);
            assert!(row.starts_with(&expected), "{output}: {row}");
        }
    }
}

#[tokio::test]
async fn a_schema_that_cannot_be_read_is_refused_by_the_name_of_its_output() {
    let (emulator, spark) = start(Emulator::builder(), double()).await;
    let dictionary = DataType::Dictionary(DataType::Int8.into(), DataType::Utf8.into());
    for data_type in [
        dictionary.clone(),
        DataType::new_list(dictionary, true),
        DataType::Timestamp(TimeUnit::Second, Some("Foo/Bar".into())),
    ] {
        let schema = Schema::new(vec![
            Field::new("ok", DataType::Utf8, true),
            Field::new("twice", data_type, true),
        ]);
        let run = spark.batches().run_table(SERVICE, numbers([1.0]));
        let error = run.schema(schema).start().unwrap_err();
        assert!(matches!(error, Error::Schema(_)), "{error}");
        assert!(error.to_string().contains("output `twice`"), "{error}");
    }
    assert_eq!(emulator.total_traffic().requests, 0);
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
