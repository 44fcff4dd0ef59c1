//! Records in and out: tables and objects, numbers, parameters, summaries, errors.

use cspark_emulator::{
    Emulator, ErrorShape, FailedOutput, OutputShape, Service, Shapes, Strictness,
};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::support::Client;

/// Pushes one chunk with this data, and gives its result.
async fn compute(emulator: &Emulator, service: &str, size: usize, data: Value) -> Value {
    let client = Client::new(emulator);
    let id = client.batch(service).await;
    client
        .push(&id, json!([{ "id": "c", "size": size, "data": data }]))
        .await
        .ok();
    client.pull(&id).await.ok()["data"][0].clone()
}

async fn with_shapes(shapes: Shapes) -> Emulator {
    Emulator::builder().shapes(shapes).start().await.unwrap()
}

#[tokio::test]
async fn records_come_as_tables_and_as_objects_and_come_back_in_the_set_shape() {
    let table = json!({ "inputs": [["a", "b"], [1, "x"], [2, null]] });
    let objects = json!({ "inputs": [{ "a": 1, "b": "x" }, { "a": 2, "b": null }] });
    for shape in [OutputShape::Objects, OutputShape::Table] {
        let emulator = with_shapes(Shapes {
            outputs: shape,
            ..Shapes::default()
        })
        .await;
        for data in [&table, &objects] {
            let result = compute(&emulator, "my-folder/echo", 2, data.clone()).await;
            let expected = if shape == OutputShape::Table {
                &table
            } else {
                &objects
            };
            assert_eq!(result["outputs"], expected["inputs"]);
        }
    }
}

#[tokio::test]
async fn a_service_can_have_a_shape_of_its_own() {
    let service = Service::raw(|_, output| output.value("one", &1)).outputs(OutputShape::Table);
    let emulator = Emulator::builder()
        .service("f/one", service)
        .start()
        .await
        .unwrap();
    let result = compute(&emulator, "f/one", 2, json!({ "inputs": [{}, {}] })).await;
    assert_eq!(result["outputs"], json!([["one"], [1], [1]]));
}

#[tokio::test]
async fn echo_leaves_every_digit_as_it_is() {
    let numbers = "[1.0,1e5,-0.0,9223372036854775808,3.14159265358979323846264338327950288,1E-400,0.1,\"é\\u00e9\"]";
    let names = "[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\"]";
    let object = "{\"a\":1.0,\"b\":1e5,\"c\":-0.0,\"d\":9223372036854775808,\
                  \"e\":3.14159265358979323846264338327950288,\"f\":1E-400,\"g\":0.1,\"h\":\"é\\u00e9\"}";
    for (shape, expected) in [
        (OutputShape::Objects, object.to_owned()),
        (OutputShape::Table, format!("{names},{numbers}")),
    ] {
        let emulator = with_shapes(Shapes {
            outputs: shape,
            ..Shapes::default()
        })
        .await;
        for inputs in [format!("[{names},{numbers}]"), format!("[{object}]")] {
            let client = Client::new(&emulator);
            let id = client.batch("my-folder/echo").await;
            let body = format!(
                "{{\"chunks\":[{{\"id\":\"c\",\"size\":1,\"data\":{{\"inputs\":{inputs}}}}}]}}"
            );
            client
                .send(
                    Method::POST,
                    &format!("/my-tenant/api/v4/batch/{id}/chunks"),
                    Some(body),
                )
                .await
                .unwrap()
                .ok();
            let pulled = client.pull(&id).await;
            assert!(
                pulled.text.contains(&format!("\"outputs\":[{expected}]")),
                "{}",
                pulled.text
            );
        }
    }
}

#[tokio::test]
async fn parameters_go_for_every_record_that_has_no_value_of_its_own() {
    let emulator = Emulator::start().await.unwrap();
    let service = "my-folder/volume-cylinder";
    for inputs in [
        json!([["radius"], [1], [2]]),
        json!([{ "radius": 1 }, { "radius": 2 }]),
    ] {
        let data =
            json!({ "inputs": inputs, "parameters": { "height": 10, "radius": 99, "other": {} } });
        let result = compute(&emulator, service, 2, data).await;
        let ratio = result["outputs"][1]["volume"].as_f64().unwrap()
            / result["outputs"][0]["volume"].as_f64().unwrap();
        assert!((ratio - 4.0).abs() < 1e-12);
    }
    let echoed = compute(
        &emulator,
        "my-folder/echo",
        1,
        json!({ "inputs": [{ "a": 1 }], "parameters": { "a": 2, "b": 3 } }),
    );
    assert_eq!(echoed.await["outputs"], json!([{ "a": 1, "b": 3 }]));
}

#[tokio::test]
async fn a_record_that_fails_leaves_the_others_alone_and_says_why() {
    let data = json!({ "inputs": [["radius", "height"], [1, 2], [-1, 2], [1], [1, "high"], [1, 2, 3], [null, 1]] });
    let emulator = Emulator::start().await.unwrap();
    let result = compute(&emulator, "my-folder/volume-cylinder", 6, data).await;
    let outputs = result["outputs"].as_array().unwrap();
    assert!(outputs[0]["volume"].is_number());
    let errors = result["errors"].as_array().unwrap();
    assert_eq!(errors[0], Value::Null);
    for (index, message) in [
        (1, "radius must not be negative"),
        (2, "no value for column height"),
        (3, "height: invalid type: string"),
        (4, "more than 2 values"),
        (5, "radius: invalid type: null"),
    ] {
        assert_eq!(outputs[index], Value::Null);
        let error = errors[index].as_str().unwrap();
        assert!(
            error.contains(message),
            "{error:?} does not hold {message:?}"
        );
        assert!(!error.contains("line"), "{error:?}");
    }

    let absent = json!({ "inputs": [{ "radius": 1 }] });
    let result = compute(&emulator, "my-folder/volume-cylinder", 1, absent).await;
    assert_eq!(result["errors"], json!(["missing field `height`"]));
}

#[tokio::test]
async fn failed_records_and_their_errors_come_in_the_set_form() {
    let data = json!({ "inputs": [["radius", "height"], [-1, 2], [1, 2]] });
    let error = json!({ "error_type": "SERVICE_ERROR", "message": "radius must not be negative, but is -1" });
    for (shapes, output, problem) in [
        (
            Shapes {
                failed_output: FailedOutput::Empty,
                errors: ErrorShape::Object,
                ..Shapes::default()
            },
            json!({}),
            error.clone(),
        ),
        (
            Shapes {
                errors: ErrorShape::List,
                ..Shapes::default()
            },
            Value::Null,
            json!([error]),
        ),
    ] {
        let emulator = with_shapes(shapes).await;
        let result = compute(&emulator, "my-folder/volume-cylinder", 2, data.clone()).await;
        assert_eq!(result["outputs"][0], output);
        assert_eq!(result["errors"], json!([problem, null]));
    }
    let table = Shapes {
        failed_output: FailedOutput::Empty,
        outputs: OutputShape::Table,
        ..Shapes::default()
    };
    let result = compute(
        &with_shapes(table).await,
        "my-folder/volume-cylinder",
        2,
        data,
    )
    .await;
    assert_eq!(result["outputs"][0], json!(["volume"]));
    assert_eq!(result["outputs"][1], json!([]));
    assert!(result["outputs"][2][0].is_number());
}

#[tokio::test]
async fn summaries_aggregate_the_outputs() {
    let emulator = Emulator::start().await.unwrap();
    let aggregation = json!([{ "output_name": "n", "operator": "SUM" }, { "output_name": "n", "operator": "COUNT" }]);
    let inputs = json!([["n"], [1], [2], [3.5]]);
    let data = json!({ "inputs": inputs, "summary": { "aggregation": aggregation } });
    let result = compute(&emulator, "my-folder/echo", 3, data).await;
    assert_eq!(result["summary_output"], json!([["n", "n"], [6.5, 3]]));
    assert_eq!(result["outputs"].as_array().unwrap().len(), 3);

    let data = json!({ "inputs": inputs, "summary": { "aggregation": aggregation, "return_all_records": false } });
    let result = compute(&emulator, "my-folder/echo", 3, data).await;
    assert_eq!(result["summary_output"], json!([["n", "n"], [6.5, 3]]));
    assert_eq!(result["outputs"], json!([]));
    assert_eq!(result["errors"], json!([null, null, null]));
}

#[tokio::test]
async fn ignore_error_decides_what_a_failed_record_does_to_the_summary() {
    let emulator = Emulator::start().await.unwrap();
    let inputs = json!([["radius", "height"], [1, 1], [-1, 1]]);
    for (ignore_error, whole) in [(false, false), (true, true)] {
        let summary = json!({ "ignore_error": ignore_error, "aggregation": [{ "output_name": "volume", "operator": "max" }] });
        let data = json!({ "inputs": inputs, "summary": summary });
        let result = compute(&emulator, "my-folder/volume-cylinder", 2, data).await;
        assert_eq!(result["summary_output"][0], json!(["volume"]));
        assert_eq!(result["summary_output"][1][0].is_number(), whole);
    }
}

#[tokio::test]
async fn selected_outputs_are_all_that_comes_back() {
    for (shape, expected) in [
        (OutputShape::Objects, json!([{ "a": 1, "c": 3 }])),
        (OutputShape::Table, json!([["a", "c"], [1, 3]])),
    ] {
        let emulator = with_shapes(Shapes {
            outputs: shape,
            ..Shapes::default()
        })
        .await;
        let client = Client::new(&emulator);
        let created = client
            .create(json!({ "service": "my-folder/echo", "output": "c, a" }))
            .await
            .ok();
        let id = created["id"].as_str().unwrap();
        let chunk =
            json!({ "id": "c", "size": 1, "data": { "inputs": [["a", "b", "c"], [1, 2, 3]] } });
        client.push(id, json!([chunk])).await.ok();
        assert_eq!(client.pull(id).await.ok()["data"][0]["outputs"], expected);
    }
}

#[tokio::test]
async fn a_typed_service_of_the_user_is_called_for_each_record() {
    #[derive(Deserialize)]
    struct Square {
        side: f64,
        name: String,
    }
    #[derive(Serialize)]
    struct Area {
        area: f64,
        name: String,
    }
    let service = Service::new(|square: Square| {
        Ok(Area {
            area: square.side * square.side,
            name: square.name,
        })
    });
    let emulator = Emulator::builder()
        .service("shapes/square[1.2.3]", service)
        .start()
        .await
        .unwrap();
    for inputs in [
        json!([["name", "unused", "side"], ["x", [1, {}], 3]]),
        json!([{ "side": 3, "name": "x" }]),
    ] {
        let result = compute(&emulator, "shapes/square", 1, json!({ "inputs": inputs })).await;
        assert_eq!(result["outputs"], json!([{ "area": 9.0, "name": "x" }]));
    }
}

#[tokio::test]
async fn a_raw_service_can_warn_and_a_panic_is_a_failed_record() {
    let service = Service::raw(|record, output| {
        let fields = record.fields()?;
        match fields[0].1.get() {
            "0" => panic!("zero"),
            "1" => output.warn("one is close to zero"),
            _ => {}
        }
        output.field("n", fields[0].1)
    });
    let emulator = Emulator::builder()
        .service("f/s", service)
        .start()
        .await
        .unwrap();
    let result = compute(
        &emulator,
        "f/s",
        3,
        json!({ "inputs": [["n"], [0], [1], [2]] }),
    )
    .await;
    assert_eq!(result["outputs"], json!([null, { "n": 1 }, { "n": 2 }]));
    assert_eq!(
        result["warnings"],
        json!([null, "one is close to zero", null])
    );
    assert_eq!(
        result["errors"],
        json!(["the service panicked", null, null])
    );
}

#[tokio::test]
async fn term_life_gives_premium_and_reserve() {
    let emulator = Emulator::start().await.unwrap();
    let columns = json!(["age", "sex", "smoker", "sum_assured", "term"]);
    let data = json!({ "inputs": [columns, [40, "male", false, 100_000, 20], [17, "F", true, 1, 1], [90, "M", true, 1, 1]] });
    let result = compute(&emulator, "my-folder/term-life", 3, data).await;
    let values = &result["outputs"][0];
    assert!((values["premium"].as_f64().unwrap() - 112.618_392_288).abs() < 1e-6);
    assert!((values["reserve"].as_f64().unwrap() - 553.957_282_213).abs() < 1e-6);
    assert!(
        result["errors"][1]
            .as_str()
            .unwrap()
            .contains("age must be between 18 and 80")
    );
}

#[tokio::test]
async fn a_size_that_is_not_the_number_of_records_is_refused_unless_that_is_switched_off() {
    let chunk =
        |size: usize| json!([{ "id": "c", "size": size, "data": { "inputs": [["a"], [1], [2]] } }]);
    let emulator = Emulator::start().await.unwrap();
    let client = Client::new(&emulator);
    let id = client.batch("my-folder/echo").await;
    // A header row counted as a record is the usual mistake.
    client
        .push(&id, chunk(3))
        .await
        .refused(400, "chunks[0].size: is 3, but inputs holds 2 records");
    client.push(&id, chunk(2)).await.ok();

    let emulator = Emulator::builder()
        .strictness(Strictness::Lenient)
        .start()
        .await
        .unwrap();
    let client = Client::new(&emulator);
    let id = client.batch("my-folder/echo").await;
    assert_eq!(client.push(&id, chunk(3)).await.ok()["record_submitted"], 2);
}

#[tokio::test]
async fn null_parameters_and_a_null_summary_count_as_none() {
    let emulator = Emulator::start().await.unwrap();
    let data = json!({ "inputs": [["n"], [1]], "parameters": null, "summary": null });
    let result = compute(&emulator, "my-folder/echo", 1, data).await;
    assert_eq!(result["outputs"], json!([{ "n": 1 }]));
}
