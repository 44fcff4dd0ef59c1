//! Questions to a service about itself, and the comparison of its columns with generated ones.

#![allow(clippy::unwrap_used, reason = "a test fails where a value is missing")]

use std::fs;
use std::path::Path;

use cspark_batches::service::{Column, ColumnKind, Columns, Service};
use cspark_batches::{Client, ErrorKind};
use cspark_emulator::Emulator;
use serde_json::{Value, json};
use services::{
    DataTypes, Large, MySchema, Names, NoInputs, SubServices, Tables, Validations, my_schema,
};

fn document(name: &str) -> Value {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../codegen/tests/documents");
    let text = fs::read_to_string(directory.join(format!("{name}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// An emulator whose service has this schema, and a client for it.
async fn serve<S: Service>(schema: Value) -> (Emulator, Client) {
    let service = cspark_emulator::Service::raw(|_, output| output.write(&json!({"my_output": 1})));
    let emulator = Emulator::builder().service(S::LOCATOR, service.schema(schema));
    let emulator = emulator.start().await.unwrap();
    let client = Client::builder()
        .base_url(emulator.base_url())
        .bearer_token("open");
    (emulator, client.build().unwrap())
}

/// The schema of `MySchema` after a change in the workbook.
fn changed(change: impl FnOnce(&mut Value)) -> Value {
    let mut schema = document("schema");
    change(&mut schema);
    schema
}

async fn assert_same_columns<S: Service>(name: &str) {
    let (_emulator, spark) = serve::<S>(document(name)).await;
    let schema = spark.services().schema(S::LOCATOR).await.unwrap();
    assert_eq!(Columns::of_schema(schema.content()), S::columns(), "{name}");
    assert!(spark.services().compare::<S>().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_running_program_reads_the_same_columns_as_the_generator() {
    assert_same_columns::<MySchema>("schema").await;
    assert_same_columns::<DataTypes>("data_types").await;
    assert_same_columns::<Validations>("validations").await;
    assert_same_columns::<Tables>("tables").await;
    assert_same_columns::<Names>("names").await;
    assert_same_columns::<SubServices>("sub_services").await;
    assert_same_columns::<NoInputs>("no_inputs").await;
    assert_same_columns::<Large>("large").await;
}

#[tokio::test]
async fn a_run_checks_the_columns_before_it_starts() {
    let record = || vec![my_schema::Input::new()];
    let (_emulator, spark) = serve::<MySchema>(document("schema")).await;
    let run = spark.batches().run_service::<MySchema>(record());
    let collected = run.check_schema::<MySchema>().await.unwrap().await.unwrap();
    assert_eq!(collected.into_outputs().unwrap().len(), 1);

    // A column more does no harm.
    let gained = changed(|schema| {
        let mut more = schema["xlInputs"][0].clone();
        more["name"] = json!("another_input");
        schema["xlInputs"].as_array_mut().unwrap().push(more);
    });
    let (_emulator, spark) = serve::<MySchema>(gained).await;
    let run = spark.batches().run_service::<MySchema>(record());
    assert!(run.check_schema::<MySchema>().await.is_ok());
    let differences = spark.services().compare::<MySchema>().await.unwrap();
    assert_eq!(
        differences.to_string(),
        "the service has the input `another_input` in addition"
    );

    // All that does harm, in one error, and nothing is created or pushed.
    let broken = changed(|schema| {
        schema["xlInputs"][0]["name"] = json!("my_inptu");
        schema["xOutput"][0]["value"] = json!("forty-two");
    });
    let (emulator, spark) = serve::<MySchema>(broken).await;
    let run = spark.batches().run_service::<MySchema>(record());
    let error = run.check_schema::<MySchema>().await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Input);
    let message = error.to_string();
    for part in [
        "my-folder/my-service[0.4.2]",
        "the service has no input `my_input`; perhaps it is now called `my_inptu`",
        "output `my_output` has the type text at the service, not number",
    ] {
        assert!(message.contains(part), "{message}");
    }
    assert!(emulator.batch_ids().is_empty());
}

#[tokio::test]
async fn a_program_with_types_of_its_own_names_its_columns() {
    let (_emulator, spark) = serve::<MySchema>(document("schema")).await;
    let columns = |input| {
        let inputs = [Column::new(input, ColumnKind::Number)];
        Columns::new(inputs, [Column::new("my_output", ColumnKind::Any)])
    };
    let run = || {
        let records = vec![json!({"my_input": 1})];
        spark
            .batches()
            .run::<Value, Value>("my-folder/my-service", records)
    };
    assert!(run().check_columns(&columns("my_input")).await.is_ok());
    let error = run().check_columns(&columns("other")).await.err().unwrap();
    assert!(error.to_string().contains("no input `other`"), "{error}");
}

#[tokio::test]
async fn documents_come_as_they_are() {
    let (_emulator, spark) = serve::<MySchema>(document("schema")).await;
    let services = spark.services();
    let schema = services.schema("my-folder/my-service").await.unwrap();
    let json: Value = serde_json::from_slice(schema.json()).unwrap();
    assert_eq!(json, document("schema"));
    let summary = schema.content().book_summary.as_ref().unwrap();
    assert_eq!(summary.book_revision.as_deref(), Some("0.4.2"));

    let versions = services.versions("my-folder/my-service").await.unwrap();
    assert_eq!(versions.len(), 1);
    assert_eq!(versions[0].revision.as_deref(), Some("0.4.2"));
    let id = versions[0].id.clone().unwrap();
    let by_id = services.schema(format!("version/{id}")).await.unwrap();
    assert_eq!(by_id.json(), schema.json());
}

#[tokio::test]
async fn a_service_that_is_not_there_is_an_error() {
    let (_emulator, spark) = serve::<MySchema>(document("schema")).await;
    let services = spark.services();
    let missing = services.schema("my-folder/another").await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound, "{missing}");
    let version = services
        .swagger("my-folder/my-service[9.9.9]")
        .await
        .unwrap_err();
    assert_eq!(version.kind(), ErrorKind::NotFound, "{version}");
    assert!(version.to_string().contains("0.4.2"), "{version}");
    let proxy = services.schema("proxy/endpoint").await.unwrap_err();
    assert_eq!(proxy.kind(), ErrorKind::Input, "{proxy}");
}

#[tokio::test]
async fn the_swagger_document_of_a_described_service_generates_its_types() {
    // The emulator derives both documents of `term-life` from the types of its function.
    let emulator = Emulator::start().await.unwrap();
    let client = Client::builder()
        .base_url(emulator.base_url())
        .bearer_token("open");
    let services = client.build().unwrap().services();
    let swagger = services.swagger("my-folder/term-life").await.unwrap();
    let schema = services.schema("my-folder/term-life").await.unwrap();
    for json in [swagger.json(), schema.json()] {
        let text = std::str::from_utf8(json).unwrap();
        let service = cspark_batches_build::Service::new("term-life.json").type_name("TermLife");
        let generated = service.generate(text).unwrap();
        for field in [
            "pub sum_assured: f64",
            "pub premium: ::cspark_batches::service::Cell<f64>",
        ] {
            assert!(generated.source.contains(field), "{}", generated.source);
        }
    }
}
