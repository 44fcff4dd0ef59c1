//! What services say about themselves: schema, Swagger document, versions.

use cspark_emulator::{Emulator, Fault, Operation, Output, Record, Response, Service};
use reqwest::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::support::{Client, Received};

async fn get(client: &Client, path: &str) -> Received {
    let path = format!("/my-tenant/api/{path}");
    client
        .send(Method::GET, &path, None::<String>)
        .await
        .unwrap()
}

async fn schema(client: &Client, folder: &str, service: &str) -> Received {
    get(
        client,
        &format!("v1/product/{folder}/engines/get/{service}"),
    )
    .await
}

async fn swagger(client: &Client, folder: &str, service: &str) -> Received {
    let path = format!("v3/folders/{folder}/services/{service}/downloadswagger/All/False/");
    get(client, &path).await
}

async fn versions(client: &Client, folder: &str, service: &str) -> Received {
    get(
        client,
        &format!("v1/product/{folder}/engines/getversions/{service}"),
    )
    .await
}

/// Some fields of the ranges in a list of the schema.
fn fields(schema: &Value, list: &str, names: &[&str]) -> Value {
    let ranges = schema[list].as_array().unwrap().iter();
    let of = |range: &Value| {
        names
            .iter()
            .map(|name| range[*name].clone())
            .collect::<Vec<_>>()
    };
    json!(ranges.map(of).collect::<Vec<_>>())
}

/// The schemas of inputs and outputs in a Swagger document.
fn inputs_and_outputs(document: &Value) -> (&Value, &Value) {
    let path = "/{tenant}/api/v3/folders/{product}/services/{engine}/execute";
    let post = &document["paths"][path]["post"];
    let body = post["parameters"]
        .as_array()
        .unwrap()
        .iter()
        .find(|parameter| parameter["in"] == "body")
        .unwrap();
    (
        &body["schema"]["properties"]["request_data"]["properties"]["inputs"]["properties"],
        &post["responses"]["200"]["schema"]["properties"]["response_data"]["properties"]["outputs"]
            ["properties"],
    )
}

#[tokio::test]
async fn the_schema_names_inputs_and_outputs_with_the_workbooks_values() {
    let emulator = Emulator::start().await.unwrap();
    let client = Client::new(&emulator);
    let schema = schema(&client, "my-folder", "volume-cylinder").await.ok();
    let names = [
        "name",
        "dataType",
        "value",
        "rows",
        "columns",
        "address",
        "description",
    ];
    assert_eq!(
        fields(&schema, "xlInputs", &names),
        json!([
            [
                "radius",
                "NUMBER",
                1.0,
                1,
                1,
                "C7",
                "Radius in any unit of length"
            ],
            [
                "height",
                "NUMBER",
                4.2,
                1,
                1,
                "C9",
                "Height in the unit of the radius"
            ],
        ])
    );
    assert_eq!(
        fields(&schema, "xOutput", &["name", "dataType", "sheetName"]),
        json!([["volume", "NUMBER", "Outputs"]])
    );
    assert_eq!(
        schema["xlInputs"][0]["validation"],
        json!({ "type": "decimal", "operator": "greaterThanOrEqual", "formula1": 0.0 })
    );
    assert_eq!(
        schema["inputMetadata"]["single"],
        json!(["radius", "height"])
    );
    let summary = &schema["bookSummary"];
    assert_eq!(summary["bookServiceName"], "volume-cylinder");
    assert_eq!(summary["product"], "my-folder");
    assert_eq!(summary["bookRevision"], "0.4.2");

    // The same version, by its id.
    let id = summary["versionId"].as_str().unwrap();
    let path = format!("/my-tenant/api/v3/GetEngineDetailByVersionId/versionid/{id}");
    let by_id = client
        .send(Method::POST, &path, None::<String>)
        .await
        .unwrap()
        .ok();
    assert_eq!(by_id["xlInputs"], schema["xlInputs"]);
    // A batch of that service names the same version.
    let batch = client.create(json!({ "version_id": id })).await.ok();
    assert_eq!(batch["data"]["version_id"], id);
    assert_eq!(emulator.traffic(Operation::Schema).requests, 2);
}

#[tokio::test]
async fn an_official_sdk_may_leave_the_tenant_out_of_the_path() {
    let emulator = Emulator::start().await.unwrap();
    let client = Client::new(&emulator);
    for (end, field) in [("get", "xlInputs"), ("getversions", "data")] {
        let path = format!("/api/v1/product/my-folder/engines/{end}/echo");
        let body = client
            .send(Method::GET, &path, None::<String>)
            .await
            .unwrap()
            .ok();
        assert!(body[field].is_array());
    }
}

#[tokio::test]
async fn the_swagger_document_describes_a_record_as_json_schemas() {
    let emulator = Emulator::start().await.unwrap();
    let client = Client::new(&emulator);
    let document = swagger(&client, "my-folder", "term-life").await.ok();
    assert_eq!(document["swagger"], "2.0");
    assert_eq!(document["info"]["title"], "term-life");
    assert_eq!(
        format!("http://{}", document["host"].as_str().unwrap()),
        emulator.origin()
    );
    let (inputs, outputs) = inputs_and_outputs(&document);
    let age = json!({
        "type": "integer", "minimum": 18, "maximum": 80,
        "description": "Age at issue in whole years",
    });
    assert_eq!(inputs["age"], age);
    assert_eq!(inputs["sex"]["enum"], json!(["female", "male"]));
    assert_eq!(inputs["smoker"]["type"], "boolean");
    assert_eq!(inputs["sum_assured"]["type"], "number");
    assert_eq!(inputs["duration"]["type"], "integer");
    assert_eq!(outputs["premium"]["type"], "number");
    assert_eq!(outputs.as_object().unwrap().len(), 2);

    let schema = schema(&client, "my-folder", "term-life").await.ok();
    let id = schema["bookSummary"]["versionId"].as_str().unwrap();
    for path in [
        format!("v3/version/{id}/downloadswagger/All/False/"),
        format!("v3/version/{id}/downloadswagger/All/true"),
        format!("v3/folders/my-folder/services/term-life/downloadswagger/All/true/{id}"),
        "v3/folders/my-folder/services/term-life/downloadswagger/All/True".to_owned(),
    ] {
        assert_eq!(get(&client, &path).await.ok(), document, "{path}");
    }
    // The example of the body is a record that the service computes.
    let path = "/{tenant}/api/v3/folders/{product}/services/{engine}/execute";
    let body = &document["paths"][path]["post"]["parameters"][3]["schema"]["example"];
    let record = &body["request_data"]["inputs"];
    let batch = client.batch("my-folder/term-life").await;
    let chunk = json!([{ "id": "a", "size": 1, "data": { "inputs": [record] } }]);
    client.push(&batch, chunk).await.ok();
    let result = client.pull(&batch).await.ok()["data"][0].clone();
    assert_eq!(result["errors"], json!([null]));
    assert!(result["outputs"][0]["premium"].as_f64().unwrap() > 0.0);
}

#[derive(Deserialize, JsonSchema)]
#[allow(dead_code, reason = "only its columns count")]
struct Order {
    /// Where to
    region: Option<Region>,
    #[serde(rename = "Order No.")]
    #[schemars(example = "A-1")]
    number: String,
    #[serde(default = "today")]
    date: String,
    lines: Vec<Line>,
    rating: Option<u8>,
    anything: Value,
}

fn today() -> String {
    "2026-01-31".to_owned()
}

#[derive(Deserialize, JsonSchema)]
#[allow(dead_code, reason = "only its columns count")]
struct Line {
    item: String,
    #[schemars(example = 2)]
    pieces: u32,
}

#[derive(Deserialize, JsonSchema)]
enum Region {
    /// Up
    North,
    /// Down
    #[serde(rename = "South, and all below")]
    South,
}

#[derive(Serialize, JsonSchema)]
struct Bill {
    total: f64,
    positions: Vec<Position>,
}

#[derive(Serialize, JsonSchema)]
struct Position {
    price: f64,
}

fn orders() -> Service {
    Service::described(|order: Order| {
        let total = order.lines.iter().map(|line| f64::from(line.pieces)).sum();
        Ok(Bill {
            total,
            positions: Vec::new(),
        })
    })
}

#[tokio::test]
async fn types_with_enumerations_tables_and_options_give_their_columns() {
    let emulator = Emulator::builder()
        .service("shop/orders", orders())
        .start()
        .await
        .unwrap();
    let client = Client::new(&emulator);
    let schema = schema(&client, "shop", "orders").await.ok();
    assert_eq!(
        fields(&schema, "xlInputs", &["name", "dataType", "value"]),
        json!([
            ["Order No.", "TEXT", "A-1"],
            ["lines", "TEXT", [{ "item": "", "pieces": 2 }]],
            ["anything", "TEXT", null],
            ["date", "TEXT", "2026-01-31"],
            ["rating", "NUMBER", 0],
            ["region", "TEXT", "North"],
        ])
    );
    let named = |name: &str| {
        let inputs = schema["xlInputs"].as_array().unwrap();
        inputs
            .iter()
            .find(|input| input["name"] == name)
            .unwrap()
            .clone()
    };
    assert_eq!(
        named("region")["validation"],
        json!({ "type": "list", "values": ["North", "South, and all below"] })
    );
    assert_eq!(named("region")["description"], "Where to");
    let lines = named("lines");
    assert_eq!((&lines["rows"], &lines["columns"]), (&json!(2), &json!(2)));
    assert_eq!(
        lines["headerSpecs"],
        json!([
            { "name": "item", "dataType": "TEXT" },
            { "name": "pieces", "dataType": "NUMBER" },
        ])
    );
    assert_eq!(schema["inputMetadata"]["tables"], json!(["lines"]));
    assert_eq!(schema["outputMetadata"]["tables"], json!(["positions"]));

    let document = swagger(&client, "shop", "orders").await.ok();
    let (inputs, outputs) = inputs_and_outputs(&document);
    let row = &inputs["lines"]["items"]["properties"];
    assert_eq!(row["item"], json!({ "type": "string" }));
    assert_eq!(row["pieces"], json!({ "type": "integer", "minimum": 0 }));
    assert_eq!(inputs["anything"], json!({}));
    assert_eq!(
        outputs["positions"]["items"]["properties"]["price"]["type"],
        "number"
    );
}

#[tokio::test]
async fn documents_can_be_given_by_hand() {
    #[derive(JsonSchema)]
    #[allow(dead_code, reason = "only its columns count")]
    struct Inputs {
        a: f64,
    }
    let raw = || Service::raw(|_: &Record<'_>, _: &mut Output| Ok(()));
    let emulator = Emulator::builder()
        .service("f/raw", raw().columns::<Inputs, Inputs>())
        .service(
            "f/hand",
            raw()
                .schema(json!({ "xlInputs": [] }))
                .swagger(json!({ "x": 1 })),
        )
        .service("f/unknown", raw())
        .start()
        .await
        .unwrap();
    let client = Client::new(&emulator);
    let derived = schema(&client, "f", "raw").await.ok();
    assert_eq!(fields(&derived, "xOutput", &["name"]), json!([["a"]]));
    assert_eq!(
        schema(&client, "f", "hand").await.ok(),
        json!({ "xlInputs": [] })
    );
    assert_eq!(swagger(&client, "f", "hand").await.ok(), json!({ "x": 1 }));
    schema(&client, "f", "unknown")
        .await
        .refused(404, "knows no schema of service \"f/unknown[0.4.2]\"");
    swagger(&client, "f", "unknown")
        .await
        .refused(404, "knows no Swagger document");
    assert!(versions(&client, "f", "unknown").await.ok()["data"].is_array());
}

#[tokio::test]
async fn versions_come_latest_first_and_the_latest_is_found_by_name() {
    let emulator = Emulator::builder()
        .service("f/s[0.9.0]", orders())
        .service("f/s[0.10.0]", orders())
        .service("f/s[0.10.0-beta]", orders())
        .service("f/other", orders())
        .start()
        .await
        .unwrap();
    let client = Client::new(&emulator);
    let list = versions(&client, "f", "s").await.ok();
    let revisions: Vec<&Value> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|version| &version["revision"])
        .collect();
    assert_eq!(revisions, ["0.10.0", "0.10.0-beta", "0.9.0"]);
    let latest = schema(&client, "f", "s").await.ok();
    assert_eq!(latest["bookSummary"]["bookRevision"], "0.10.0");
    assert_eq!(latest["bookSummary"]["versionId"], list["data"][0]["id"]);
    for name in ["createdAt", "effectiveStartDate", "effectiveEndDate"] {
        let text = list["data"][0][name].as_str().unwrap();
        text.parse::<jiff::Timestamp>().unwrap();
    }
}

#[tokio::test]
async fn what_does_not_exist_is_refused() {
    let emulator = Emulator::builder()
        .service("f/with space & [brackets]", orders())
        .start()
        .await
        .unwrap();
    let client = Client::new(&emulator);
    for (folder, service) in [("f", "none"), ("none", "echo"), ("my-folder", "Echo")] {
        let message = format!("there is no service \"{folder}/{service}\"");
        schema(&client, folder, service)
            .await
            .refused(404, &message);
        swagger(&client, folder, service)
            .await
            .refused(404, &message);
        versions(&client, folder, service)
            .await
            .refused(404, &message);
    }
    let id = "11111111-2222-4333-8444-555555555555";
    let path = format!("/my-tenant/api/v3/GetEngineDetailByVersionId/versionid/{id}");
    let received = client
        .send(Method::POST, &path, None::<String>)
        .await
        .unwrap();
    received.refused(404, "there is no version");
    client
        .send(Method::GET, &path, None::<String>)
        .await
        .unwrap()
        .refused(405, "POST");
    // A version that there is, but of another service.
    let of_echo = schema(&client, "my-folder", "echo").await.ok();
    let id = of_echo["bookSummary"]["versionId"].as_str().unwrap();
    let path = format!("v3/folders/my-folder/services/term-life/downloadswagger/All/False/{id}");
    get(&client, &path)
        .await
        .refused(404, "of service my-folder/term-life");
    let all = "v3/folders/my-folder/services/echo/downloadswagger";
    get(&client, &format!("{all}/Sub/False/"))
        .await
        .refused(404, "no subservice \"Sub\"");
    get(&client, &format!("{all}/All/Maybe/"))
        .await
        .refused(400, "neither True nor False");
    get(&client, &format!("{all}/All"))
        .await
        .refused(404, "there is no path");
    schema(&client, "my-folder", "%ff")
        .await
        .refused(400, "not UTF-8");
    client
        .send(
            Method::GET,
            "/other/api/v1/product/my-folder/engines/get/echo",
            None::<String>,
        )
        .await
        .unwrap()
        .refused(404, "there is no tenant \"other\"");
}

#[tokio::test]
async fn names_are_percent_encoded_in_paths() {
    let emulator = Emulator::builder()
        .service("my folder/a b & ü", orders())
        .start()
        .await
        .unwrap();
    let client = Client::new(&emulator);
    let schema = schema(&client, "my%20folder", "a%20b%20%26%20%C3%BC")
        .await
        .ok();
    assert_eq!(schema["bookSummary"]["bookServiceName"], "a b & ü");
}

#[tokio::test]
async fn a_workbook_can_change_while_the_emulator_runs() {
    #[derive(Deserialize, JsonSchema)]
    struct Renamed {
        radius_in_m: f64,
    }
    #[derive(Serialize, JsonSchema)]
    struct Area {
        area: f64,
    }
    let emulator = Emulator::start().await.unwrap();
    let client = Client::new(&emulator);
    let batch = client.batch("my-folder/volume-cylinder").await;
    let changed = || {
        Service::described(|circle: Renamed| {
            let area = circle.radius_in_m * circle.radius_in_m;
            Ok(Area { area })
        })
    };
    assert!(emulator.set_service("my-folder/volume-cylinder", changed()));
    assert!(!emulator.set_service("no folder", changed()));
    let schema = schema(&client, "my-folder", "volume-cylinder").await.ok();
    assert_eq!(
        fields(&schema, "xlInputs", &["name"]),
        json!([["radius_in_m"]])
    );
    assert_eq!(fields(&schema, "xOutput", &["name"]), json!([["area"]]));
    // The batch from before computes as before.
    let chunk =
        json!([{ "id": "a", "size": 1, "data": { "inputs": [["radius", "height"], [1, 1]] } }]);
    client.push(&batch, chunk).await.ok();
    let result = client.pull(&batch).await.ok()["data"][0].clone();
    assert_eq!(result["errors"], json!([null]));
}

#[tokio::test]
async fn services_are_asked_with_credentials_and_can_go_wrong() {
    let emulator = Emulator::builder().api_key("k").start().await.unwrap();
    let anonymous = Client::new(&emulator);
    schema(&anonymous, "my-folder", "echo")
        .await
        .refused(401, "credentials are missing");
    let client = anonymous.with_header("x-synthetic-key", "k");
    for operation in [Operation::Schema, Operation::Swagger, Operation::Versions] {
        emulator.inject(operation, Fault::RespondBefore(Response::status(503)));
    }
    assert_eq!(schema(&client, "my-folder", "echo").await.status, 503);
    assert_eq!(swagger(&client, "my-folder", "echo").await.status, 503);
    assert_eq!(versions(&client, "my-folder", "echo").await.status, 503);
    swagger(&client, "my-folder", "echo").await.ok();
}
