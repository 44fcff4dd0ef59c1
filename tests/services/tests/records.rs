//! Records of generated services, sent to the emulator and read from its responses.

#![allow(clippy::unwrap_used, reason = "a test fails where a value is missing")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use cspark_batches::Client;
use cspark_batches::service::{Cell, Scalar, Service};
use cspark_emulator::Emulator;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use services::{
    DataTypes, Large, MySchema, MySwagger, Names, NoInputs, SubServices, Tables, TermLife,
    Validations, data_types, large, my_schema, my_swagger, names, no_inputs, sub_services, tables,
    term_life, validations,
};

/// Runs a record through a service with these outputs. Returns the inputs as the service saw them,
/// and the outputs as the program reads them.
async fn run<S: Service>(record: S::Input, outputs: Value) -> (Value, S::Output)
where
    S::Input: Clone + Sync,
{
    let seen = Arc::new(Mutex::new(Value::Null));
    let service = {
        let seen = Arc::clone(&seen);
        cspark_emulator::Service::raw(move |record, output| {
            let fields: HashMap<_, &RawValue> = record.fields()?.into_iter().collect();
            *seen.lock().unwrap() = json!(fields);
            output.write(&outputs)
        })
    };
    let emulator = Emulator::builder()
        .service(S::LOCATOR, service)
        .start()
        .await
        .unwrap();
    let client = Client::builder()
        .base_url(emulator.base_url())
        .bearer_token("open");
    let spark = client.build().unwrap();
    let collected = spark
        .batches()
        .run_service::<S>(vec![record])
        .await
        .unwrap();
    let mut outputs = collected.into_outputs().unwrap();
    assert_eq!(outputs.len(), 1);
    let inputs = seen.lock().unwrap().clone();
    (inputs, outputs.remove(0))
}

#[tokio::test]
async fn the_samples() {
    let (inputs, output) = run::<MySchema>(
        my_schema::Input::new().my_input(7),
        json!({"my_output": 43.5}),
    )
    .await;
    assert_eq!(inputs, json!({"my_input": 7}));
    assert_eq!(output.my_output, Cell::Value(43.5));

    let record = my_swagger::Input::default();
    let (inputs, output) = run::<MySwagger>(record, json!({"my_output": "#N/A"})).await;
    assert_eq!(inputs, json!({"my_input": 13}));
    assert!(output.my_output.error().unwrap().is_excel_error());
}

#[tokio::test]
async fn all_data_types() {
    let record = data_types::Input::new()
        .amount(2.5)
        .name("A")
        .smoker(true)
        .unknown("x");
    let outputs = json!({
        "premium": 1, "status": "ok", "insurable": false, "error": "#DIV/0!", "anything": true,
    });
    let (inputs, output) = run::<DataTypes>(record, outputs).await;
    assert_eq!(
        inputs,
        json!({
            "amount": 2.5, "rate": 0.05, "name": "A", "smoker": true, "birthday": "1970-12-03",
            "empty_number": null, "empty_text": null, "unknown": "x", "broken": null,
            "number_as_text": null,
        })
    );
    assert_eq!(output.premium, Cell::Value(1.0));
    assert_eq!(output.status, Cell::Value("ok".to_owned()));
    assert_eq!(output.insurable, Cell::Value(false));
    assert!(output.error.error().unwrap().is_excel_error());
    assert_eq!(output.anything, Cell::Value(Scalar::Boolean(true)));
}

#[tokio::test]
async fn validations_are_checked_where_the_program_asks_for_it() {
    use validations::{Input, Region, Sex};

    let record = Input::new()
        .sex(Sex::Male)
        .region("Not elsewhere")
        .age(80)
        .term(2.5);
    assert_eq!(record.region, Region::NotElsewhere);
    let record = record.checked().unwrap();
    let (inputs, _) = run::<Validations>(record.clone(), json!({"premium": 1})).await;
    assert_eq!(inputs["sex"], "male");
    assert_eq!(inputs["region"], "Not elsewhere");
    assert_eq!(inputs["term"], 2.5);

    let message = |record: Input| record.checked().unwrap_err().to_string();
    assert_eq!(
        message(record.clone().age(81)),
        "column `age`: 81 is not allowed, but 18 to 80"
    );
    assert_eq!(
        message(record.clone().term(0.5)),
        "column `term`: 0.5 is not allowed, but 1 or more"
    );
    let new = record.region("East");
    assert_eq!(
        message(new.clone()),
        "column `region`: \"East\" is not allowed, but one of North, South, Not elsewhere"
    );
    // A value that is new in the workbook can be sent before the code is generated anew.
    let (inputs, _) = run::<Validations>(new, json!({"premium": 1})).await;
    assert_eq!(inputs["region"], "East");
}

#[tokio::test]
async fn tables_in_and_out() {
    let flow = tables::CashFlowsRow {
        year: Some(1.0),
        amount: Some(2.5),
        ..Default::default()
    };
    let cell = HashMap::from([("a".to_owned(), Scalar::from(1.0))]);
    let record = tables::Input::new()
        .cash_flows(vec![flow])
        .matrix(vec![cell]);
    let outputs = json!({
        "projection": [["Year", "Reserve at end", "Lapsed"], [1, 10.5, false], [2, "#N/A", null]],
        "premium": 1,
        "grid": "#REF!",
    });
    let (inputs, output) = run::<Tables>(record, outputs).await;
    assert_eq!(
        inputs["cash_flows"],
        json!([{"year": 1, "amount": 2.5, "note": null}])
    );
    assert_eq!(inputs["matrix"], json!([{"a": 1}]));
    let projection = output.projection.into_value().unwrap();
    assert_eq!(projection[0].reserve_at_end, Cell::Value(10.5));
    assert_eq!(projection[0].lapsed, Cell::Value(false));
    assert!(
        projection[1]
            .reserve_at_end
            .error()
            .unwrap()
            .is_excel_error()
    );
    assert_eq!(output.premium, Cell::Value(1.0));
    assert!(output.grid.error().unwrap().is_excel_error());
}

#[tokio::test]
async fn awkward_names_go_over_the_wire_as_they_are() {
    let record = names::Input::new()
        .sum_assured(1)
        .sum_assured_2(2)
        .type_(3)
        .column_10(4);
    let outputs = json!({"Metadata.Font": 5, "with `ticks`": 6, "\u{1f600}": 7});
    let (inputs, output) = run::<Names>(record, outputs).await;
    assert_eq!(inputs["SumAssured"], 1);
    assert_eq!(inputs["sum assured"], 2);
    assert_eq!(inputs["type"], 3);
    assert_eq!(inputs["\u{1f600}"], 4);
    assert_eq!(output.metadata_font, Cell::Value(5.0));
    assert_eq!(output.with_ticks, Cell::Value(6.0));
    assert_eq!(output.column_10, Cell::Value(7.0));
    // Not in the response, as if the batch had selected other outputs.
    assert_eq!(output.sum_assured, Cell::Empty);
}

#[tokio::test]
async fn sub_services_and_services_without_inputs() {
    assert_eq!(SubServices::LOCATOR, "my-folder/sub-services");
    let record = sub_services::Input::new().life_sum_assured(2000);
    let (inputs, output) = run::<SubServices>(record, json!({"Life.premium": 1.5})).await;
    assert_eq!(inputs["Life.sum_assured"], 2000);
    assert_eq!(output.life_premium, Cell::Value(1.5));
    assert_eq!(output.health_premium, Cell::Empty);

    assert!(NoInputs::INPUTS.is_empty());
    assert_eq!(no_inputs::Input::new(), no_inputs::Input::default());
}

#[tokio::test]
async fn three_hundred_columns() {
    let record = large::Input::new().input_299(-1.5);
    let outputs: Value = (0..300)
        .map(|n| (format!("output_{n}"), json!(n)))
        .collect();
    let (inputs, output) = run::<Large>(record, outputs).await;
    assert_eq!(inputs.as_object().unwrap().len(), 300);
    assert_eq!(inputs["input_299"], -1.5);
    assert_eq!(output.output_299, Cell::Value(299.0));
}

#[tokio::test]
async fn required_inputs_are_arguments() {
    let record = term_life::Input::new(40, "female", false, 100_000.0, 20);
    assert!(record.clone().checked().is_ok());
    assert_eq!(TermLife::fingerprint(), TermLife::columns().fingerprint());
    // The emulator's own service, which reads whole numbers.
    let emulator = Emulator::start().await.unwrap();
    let client = Client::builder()
        .base_url(emulator.base_url())
        .bearer_token("open");
    let spark = client.build().unwrap();
    let run = spark
        .batches()
        .run::<_, term_life::Output>("my-folder/term-life", vec![record]);
    let outputs = run.await.unwrap().into_outputs().unwrap();
    let output = &outputs[0];
    assert!(output.premium.value().is_some_and(|premium| *premium > 0.0));
    assert!(output.reserve.value().is_some());
}
