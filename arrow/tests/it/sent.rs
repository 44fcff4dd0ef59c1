//! What a service gets of each type, and what is refused.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int8Type, Int32Type};
use arrow_array::*;
use arrow_schema::{DataType, Field, Fields, IntervalUnit, Schema, TimeUnit};
use arrow_select::concat::concat;
use cspark_batches_arrow::{Error, RunTable as _, Table};
use cspark_emulator::{Emulator, Service};

use crate::support::*;

/// The texts of the cells that the service got in one column of two rows.
async fn sent(column: ArrayRef) -> Vec<String> {
    let service = Service::raw(|record, output| {
        let (_, cell) = record.fields()?.remove(0);
        output.value("text", cell.get())
    });
    let (_emulator, spark) = start(Emulator::builder(), service).await;
    let rows = RecordBatch::try_from_iter_with_nullable([("c", column, true)]).unwrap();
    let run = spark.batches().run_table(SERVICE, rows).without_errors();
    let mut run = run.options(|run| run.in_input_order()).start().unwrap();
    let batches = collect(&mut run).await.unwrap();
    let texts = batches.iter().flat_map(|batch| {
        let texts = batch.column(0).as_string::<i32>().iter();
        texts
            .map(|text| text.unwrap().to_owned())
            .collect::<Vec<_>>()
    });
    texts.collect()
}

#[tokio::test]
async fn every_type_keeps_its_value() {
    let timestamp = 1_700_000_000_123_456_789_i64;
    let decimal = Decimal128Array::from(vec![Some(12_345_678_901_234_567_890_i128), None]);
    let decimal = decimal.with_precision_and_scale(38, 10).unwrap();
    let digits = format!("-{}", "1234567890".repeat(7));
    let long = [arrow_buffer::i256::from_string(&digits).unwrap(), 1.into()];
    let long = Decimal256Array::from_iter_values(long);
    let long = long.with_precision_and_scale(76, 10).unwrap();
    let hundreds = Decimal128Array::from(vec![-12_345, 0]);
    let hundreds = hundreds.with_precision_and_scale(10, -2).unwrap();
    let row: Fields = vec![
        Field::new("year", DataType::Int32, true),
        Field::new("rate", DataType::Float64, true),
    ]
    .into();
    let structs = StructArray::new(
        row.clone(),
        vec![
            Arc::new(Int32Array::from(vec![Some(1), None])),
            Arc::new(Float64Array::from(vec![0.5, 0.25])),
        ],
        None,
    );
    let table = ListArray::new(
        Arc::new(Field::new_struct("item", row, true)),
        arrow_buffer::OffsetBuffer::from_lengths([2, 0]),
        Arc::new(structs.clone()),
        None,
    );
    let cases: Vec<(ArrayRef, [&str; 2])> = vec![
        (Arc::new(NullArray::new(2)), ["null", "null"]),
        (
            Arc::new(BooleanArray::from(vec![Some(true), None])),
            ["true", "null"],
        ),
        (
            Arc::new(Int8Array::from(vec![i8::MIN, i8::MAX])),
            ["-128", "127"],
        ),
        (
            Arc::new(Int64Array::from(vec![i64::MIN, i64::MAX])),
            ["-9223372036854775808", "9223372036854775807"],
        ),
        (
            Arc::new(UInt64Array::from(vec![0, u64::MAX])),
            ["0", "18446744073709551615"],
        ),
        (
            Arc::new(Float32Array::from(vec![0.1, 16_777_216.0])),
            ["0.1", "16777216.0"],
        ),
        (
            Arc::new(Float64Array::from(vec![0.1 + 0.2, -5e-324])),
            ["0.30000000000000004", "-5e-324"],
        ),
        (Arc::new(decimal), ["1234567890.1234567890", "null"]),
        (
            Arc::new(long),
            [
                "-123456789012345678901234567890123456789012345678901234567890.1234567890",
                "0.0000000001",
            ],
        ),
        (Arc::new(hundreds), ["-1234500", "0"]),
        (
            Arc::new(StringArray::from(vec![Some("a\"\n\u{1F600}"), None])),
            ["\"a\\\"\\n\u{1F600}\"", "null"],
        ),
        (
            Arc::new(LargeStringArray::from(vec!["x", ""])),
            ["\"x\"", "\"\""],
        ),
        (
            Arc::new(StringViewArray::from(vec![
                "short",
                "longer than twelve bytes",
            ])),
            ["\"short\"", "\"longer than twelve bytes\""],
        ),
        (
            Arc::new(DictionaryArray::<Int8Type>::from_iter([Some("male"), None])),
            ["\"male\"", "null"],
        ),
        (
            Arc::new(Date32Array::from(vec![0, 19_675])),
            ["\"1970-01-01\"", "\"2023-11-14\""],
        ),
        (
            Arc::new(Date64Array::from(vec![0, 86_400_000])),
            ["\"1970-01-01T00:00:00\"", "\"1970-01-02T00:00:00\""],
        ),
        (
            Arc::new(Time64MicrosecondArray::from(vec![0, 3_600_000_001])),
            ["\"00:00:00\"", "\"01:00:00.000001\""],
        ),
        (
            Arc::new(TimestampSecondArray::from(vec![
                timestamp / 1_000_000_000,
                0,
            ])),
            ["\"2023-11-14T22:13:20\"", "\"1970-01-01T00:00:00\""],
        ),
        (
            Arc::new(TimestampNanosecondArray::from(vec![timestamp, 0])),
            [
                "\"2023-11-14T22:13:20.123456789\"",
                "\"1970-01-01T00:00:00\"",
            ],
        ),
        (
            Arc::new(
                TimestampMillisecondArray::from(vec![timestamp / 1_000_000, 0])
                    .with_timezone("Europe/Berlin"),
            ),
            [
                "\"2023-11-14T23:13:20.123+01:00\"",
                "\"1970-01-01T01:00:00+01:00\"",
            ],
        ),
        (
            Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>([
                Some(vec![Some(1), None]),
                None,
            ])),
            ["[1,null]", "null"],
        ),
        (
            Arc::new(structs),
            [r#"{"year":1,"rate":0.5}"#, r#"{"year":null,"rate":0.25}"#],
        ),
        (
            Arc::new(table),
            [r#"[{"year":1,"rate":0.5},{"year":null,"rate":0.25}]"#, "[]"],
        ),
    ];
    for (column, expected) in cases {
        let data_type = column.data_type().clone();
        // A part of a larger column, so that its buffers begin elsewhere.
        let null = new_null_array(&data_type, 1);
        let larger = concat(&[&null, &column, &null]).unwrap();
        assert_eq!(sent(column).await, expected, "{data_type}");
        assert_eq!(sent(larger.slice(1, 2)).await, expected, "{data_type}");
    }
}

#[tokio::test]
async fn casts_of_a_value_keep_it() {
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(7), None]));
    let whole = ["7", "null"];
    let item = |data_type| Arc::new(Field::new("item", data_type, true));
    let dictionary = DataType::Dictionary(DataType::Int8.into(), DataType::Int64.into());
    for (data_type, expected) in [
        (DataType::Int16, whole),
        (DataType::UInt8, whole),
        (DataType::UInt16, whole),
        (DataType::UInt32, whole),
        (DataType::Float16, ["7.0", "null"]),
        (DataType::Decimal32(9, 2), ["7.00", "null"]),
        (DataType::Decimal64(18, 2), ["7.00", "null"]),
        (DataType::Decimal256(76, 2), ["7.00", "null"]),
        (dictionary, whole),
        (
            DataType::Timestamp(TimeUnit::Microsecond, None),
            ["\"1970-01-01T00:00:00.000007\"", "null"],
        ),
        (
            DataType::Time64(TimeUnit::Nanosecond),
            ["\"00:00:00.000000007\"", "null"],
        ),
    ] {
        let column = arrow_cast::cast(&numbers, &data_type).unwrap();
        assert_eq!(sent(column).await, expected, "{data_type}");
    }
    let seconds: ArrayRef = Arc::new(Int32Array::from(vec![Some(7), None]));
    let column = arrow_cast::cast(&seconds, &DataType::Time32(TimeUnit::Second)).unwrap();
    assert_eq!(sent(column).await, ["\"00:00:07\"", "null"]);
    for data_type in [
        DataType::LargeList(item(DataType::Int64)),
        DataType::ListView(item(DataType::Int64)),
        DataType::LargeListView(item(DataType::Int64)),
        DataType::FixedSizeList(item(DataType::Int64), 1),
    ] {
        let column = arrow_cast::cast(&numbers, &data_type).unwrap();
        let sent = sent(column).await;
        assert_eq!(sent[0], "[7]", "{data_type}");
    }
}

#[tokio::test]
async fn nulls_among_the_values_of_a_dictionary_are_nulls() {
    for data_type in [
        DataType::Utf8,
        DataType::LargeUtf8,
        DataType::Utf8View,
        DataType::Int64,
        DataType::Float64,
    ] {
        let values: ArrayRef = Arc::new(StringArray::from(vec![Some("7"), None]));
        let values = arrow_cast::cast(&values, &data_type).unwrap();
        let keys = Int8Array::from(vec![0, 1]);
        let dictionary: ArrayRef = Arc::new(DictionaryArray::new(keys, values));
        let seven = match data_type {
            DataType::Int64 => "7",
            DataType::Float64 => "7.0",
            _ => "\"7\"",
        };
        assert_eq!(
            sent(Arc::clone(&dictionary)).await,
            [seven, "null"],
            "{data_type}"
        );
        let list = ListArray::new(
            Arc::new(Field::new("item", dictionary.data_type().clone(), true)),
            arrow_buffer::OffsetBuffer::from_lengths([2, 0]),
            Arc::clone(&dictionary),
            None,
        );
        let list = sent(Arc::new(list)).await;
        assert_eq!(list, [format!("[{seven},null]"), "[]".to_owned()]);
        let field = Field::new("a", dictionary.data_type().clone(), true);
        let structs = StructArray::from(vec![(Arc::new(field), dictionary)]);
        let structs = sent(Arc::new(structs)).await;
        let expected = [format!(r#"{{"a":{seven}}}"#), r#"{"a":null}"#.to_owned()];
        assert_eq!(structs, expected, "{data_type}");
    }
    // There may be no value at all.
    let none: ArrayRef = Arc::new(DictionaryArray::<Int8Type>::new(
        Int8Array::from(vec![None, None]),
        Arc::new(StringArray::from(Vec::<&str>::new())),
    ));
    assert_eq!(sent(none).await, ["null", "null"]);
}

#[tokio::test]
async fn texts_and_names_that_look_like_an_error_are_none() {
    let fields: Fields = vec![
        Field::new("ERROR_DATE", DataType::Date32, true),
        Field::new("note", DataType::Utf8, true),
        Field::new("rate", DataType::Float64, true),
    ]
    .into();
    let notes: ArrayRef = Arc::new(StringArray::from(vec!["ERROR 5", ""]));
    let columns = vec![
        Arc::new(Date32Array::from(vec![0, i32::MAX])) as ArrayRef,
        notes,
        Arc::new(Float64Array::from(vec![1.0, f64::NAN])),
    ];
    // What a null struct holds is not sent.
    let nulls = arrow_buffer::NullBuffer::from(vec![true, false]);
    let structs = StructArray::new(fields, columns, Some(nulls));
    assert_eq!(
        sent(Arc::new(structs)).await,
        [
            r#"{"ERROR_DATE":"1970-01-01","note":"ERROR 5","rate":1.0}"#,
            "null"
        ]
    );
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_by_name_before_anything_is_pushed() {
    let (emulator, spark) = start(Emulator::builder(), double()).await;
    let nested = DataType::Struct(vec![Field::new("raw", DataType::Binary, true)].into());
    let field = |name, data_type| Arc::new(Field::new(name, data_type, false));
    let entry = vec![
        field("keys", DataType::Utf8),
        field("values", DataType::Utf8),
    ];
    let map = DataType::Map(field("entries", DataType::Struct(entry.into())), false);
    let runs = field("run_ends", DataType::Int32);
    let runs = DataType::RunEndEncoded(runs, field("values", DataType::Utf8));
    let cases = [
        (DataType::Binary, "c"),
        (DataType::Interval(IntervalUnit::DayTime), "c"),
        (DataType::Duration(TimeUnit::Second), "c"),
        (DataType::BinaryView, "c"),
        (DataType::FixedSizeBinary(2), "c"),
        (
            DataType::Timestamp(TimeUnit::Second, Some("Foo/Bar".into())),
            "c",
        ),
        (map, "c"),
        (runs, "c"),
        (DataType::new_list(nested, true), "c.raw"),
    ];
    for (data_type, path) in cases {
        let fields = [("ok", DataType::Float64), ("c", data_type)];
        let fields = fields.map(|(name, data_type)| Field::new(name, data_type, true));
        let schema = Arc::new(Schema::new(fields.to_vec()));
        let table = |schema: &Arc<Schema>| Table::batches(Arc::clone(schema), vec![]);
        let error = spark
            .batches()
            .run_table(SERVICE, table(&schema))
            .start()
            .unwrap_err();
        assert!(
            matches!(&error, Error::Unsendable { column, .. } if column == path),
            "{error}"
        );
        assert!(error.to_string().contains(&format!("`{path}`")));
        assert_eq!(emulator.total_traffic().requests, 0);
        // It may stay at home.
        let ok = numbers([4.0]);
        let mixed = [
            ("n", Arc::clone(ok.column(0))),
            ("c", new_null_array(schema.field(1).data_type(), 1)),
        ];
        let mixed = RecordBatch::try_from_iter_with_nullable(
            mixed.map(|(name, column)| (name, column, true)),
        );
        let (_emulator, spark) = start(Emulator::builder(), double()).await;
        let run = spark
            .batches()
            .run_table(SERVICE, mixed.unwrap())
            .send(["n"])
            .with_inputs();
        let rows = collect(&mut run.start().unwrap()).await.unwrap();
        assert_eq!(rows[0].num_columns(), 4);
        assert_eq!(rows[0].column_by_name("error").unwrap().null_count(), 1);
    }
    let run = spark
        .batches()
        .run_table(SERVICE, numbers([1.0]))
        .send(["age"]);
    let error = run.start().unwrap_err().to_string();
    assert_eq!(error, "the table has no column `age`, but `n`");
    let run = || spark.batches().run_table(SERVICE, numbers([1.0]));
    let outputs = Schema::new(vec![Field::new("n", DataType::Float64, true)]);
    for run in [
        run().with_inputs().error_column("n"),
        run().with_inputs().with_record_numbers("n"),
        run().with_record_numbers("n").error_column("n"),
        run().schema(outputs.clone()).with_inputs(),
        run().schema(outputs).error_column("n"),
    ] {
        let error = run.start().unwrap_err();
        assert!(matches!(error, Error::Schema(_)), "{error}");
        assert!(error.to_string().contains("column `n` twice"), "{error}");
    }
    assert_eq!(emulator.total_traffic().requests, 0);
}

#[tokio::test]
async fn numbers_that_json_does_not_have_are_errors_of_their_records() {
    let (_emulator, spark) = start(Emulator::builder(), double()).await;
    let values = [1.0, f64::NAN, 3.0, f64::INFINITY, -1.0, 6.0];
    let run = spark
        .batches()
        .run_table(SERVICE, numbers(values))
        .with_record_numbers("record");
    let mut run = run
        .options(|run| run.in_input_order().chunk_size(2))
        .start()
        .unwrap();
    let batches = collect(&mut run).await.unwrap();
    let refused = |n| {
        format!(
            r#"{{"record":{n},"error":"the record was not sent: the source failed to give a record: record {n}: column `n`: NaN and infinities cannot be sent"}}"#
        )
    };
    assert_eq!(
        shown(&batches),
        [
            r#"{"record":0,"twice":2.0}"#.to_owned(),
            refused(1),
            r#"{"record":2,"twice":6.0}"#.to_owned(),
            refused(3),
            r#"{"record":4,"error":"n is negative"}"#.to_owned(),
            r#"{"record":5,"twice":12.0}"#.to_owned(),
        ]
    );
    // Without a column for them, the first one ends the run, and names the record.
    let run = spark
        .batches()
        .run_table(SERVICE, numbers(values))
        .without_errors();
    let error = collect(&mut run.start().unwrap())
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("record 1: column `n`: NaN"), "{error}");
    // A date beyond the calendar.
    let dates: ArrayRef = Arc::new(Date32Array::from(vec![i32::MAX]));
    let dates = RecordBatch::try_from_iter([("n", dates)]).unwrap();
    let mut run = spark.batches().run_table(SERVICE, dates).start().unwrap();
    let rows = shown(&collect(&mut run).await.unwrap());
    assert!(rows[0].contains("out of range"), "{rows:?}");
}
