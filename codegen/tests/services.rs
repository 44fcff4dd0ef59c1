//! Services' documents: the generated code by snapshots, or the mistake that stops the build.
//!
//! Each snapshot is the whole generated file, so that a change of a document shows as a change of
//! exactly its fields.

#[path = "../../tests/it/support/snapshots.rs"]
mod snapshots;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use cspark_batches_build::{CellType, DocumentKind, Service};

fn document(name: &str) -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/documents");
    fs::read_to_string(directory.join(name)).expect("the document can be read")
}

/// The services that the tests of `cspark-batches` compile and run as well.
fn services() -> Vec<(&'static str, Service)> {
    let service = |document: &str, name: &str| Service::new(document).type_name(name);
    vec![
        ("schema", service("schema.json", "MySchema")),
        ("swagger", service("swagger.json", "MySwagger")),
        ("data_types", service("data_types.json", "DataTypes")),
        ("validations", service("validations.json", "Validations")),
        ("tables", service("tables.json", "Tables")),
        ("names", service("names.json", "Names")),
        (
            "sub_services",
            service("sub_services.json", "SubServices").latest(),
        ),
        ("no_inputs", service("no_inputs.json", "NoInputs")),
        ("large", service("large.json", "Large")),
        (
            "term_life",
            service("term_life.json", "TermLife").column("term", CellType::Integer),
        ),
    ]
}

#[test]
fn each_document_generates_what_is_in_its_snapshot() {
    let generated = |(name, service): (&str, Service)| {
        let generated = service.generate(&document(&format!("{name}.json")));
        (name.to_owned(), generated.expect("a good document").source)
    };
    let sources: BTreeMap<String, String> = services().into_iter().map(generated).collect();
    snapshots::assert_directory("services", &sources);
}

#[test]
fn the_kind_of_a_document_is_found() {
    let kinds = |(name, service): (&str, Service)| {
        let generated = service.generate(&document(&format!("{name}.json")));
        (name.to_owned(), generated.expect("a good document").kind)
    };
    let kinds: BTreeMap<String, DocumentKind> = services().into_iter().map(kinds).collect();
    assert_eq!(kinds["schema"], DocumentKind::Schema);
    assert_eq!(kinds["swagger"], DocumentKind::Swagger);
    assert_eq!(kinds["term_life"], DocumentKind::JsonSchemas);
}

#[test]
fn a_changed_document_changes_exactly_its_fields() {
    let service = Service::new("schema.json");
    let before = document("schema.json");
    let after = before.replacen("\"my_input\"", "\"my_new_input\"", 1);
    assert_ne!(before, after);
    let source = |text: &str| service.generate(text).expect("a good document").source;
    let (before, after) = (source(&before), source(&after));
    // A longer name may be printed over more lines.
    let words = |text: &str| {
        text.split_whitespace()
            .collect::<String>()
            .replace(",)", ")")
    };
    assert_eq!(
        words(&before.replace("my_input", "my_new_input")),
        words(&after)
    );
}

#[test]
fn a_mistake_is_one_line_with_its_place() {
    let schema = document("schema.json");
    let swagger = document("swagger.json");
    let edited = |text: &str, from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    };
    let plain = Service::new("document.json");
    let mistakes: Vec<(&str, &Service, String)> = vec![
        ("not_json", &plain, "<html>404</html>".to_owned()),
        ("empty", &plain, String::new()),
        ("cut_off", &plain, schema[..schema.len() / 2].to_owned()),
        ("something_else", &plain, r#"{"error": "not found"}"#.to_owned()),
        ("a_list", &plain, "[]".to_owned()),
        ("open_api_3", &plain, r#"{"openapi": "3.0.3", "paths": {}}"#.to_owned()),
        ("swagger_1", &plain, edited(&swagger, "\"2.0\"", "\"1.2\"")),
        ("swagger_without_execute", &plain, edited(&swagger, "/execute", "/validate")),
        (
            "swagger_without_inputs",
            &plain,
            edited(&swagger, "\"inputs\": {\n                      \"type\"", "\"args\": {\n                      \"type\""),
        ),
        ("inputs_not_a_list", &plain, r#"{"xlInputs": {}, "xOutput": []}"#.to_owned()),
        ("no_outputs", &plain, edited(&schema, "\"xOutput\"", "\"xOutputs\"")),
        (
            "two_columns_with_one_name",
            &plain,
            r#"{"bookSummary": {}, "xlInputs": [{"name": "a"}, {"name": "a"}], "xOutput": [{"name": "b"}]}"#
                .to_owned(),
        ),
        (
            "a_column_without_a_name",
            &plain,
            r#"{"xlInputs": [{"name": " "}], "xOutput": [{"name": "b"}]}"#.to_owned(),
        ),
        (
            "a_key_twice",
            &plain,
            r#"{"inputs": {"properties": {"a": {}, "a": {}}}, "outputs": {}}"#.to_owned(),
        ),
        (
            "no_locator",
            &plain,
            r#"{"inputs": {"properties": {"a": {}}}, "outputs": {"properties": {"b": {}}}}"#.to_owned(),
        ),
    ]
    .into_iter()
    .collect();
    let mut messages: BTreeMap<String, String> = mistakes
        .into_iter()
        .map(|(name, service, text)| (name.to_owned(), mistake(service, &text)))
        .collect();
    let settings = [
        ("unknown_required", plain.clone().required(["my_imput"])),
        (
            "unknown_column",
            plain.clone().column("premium", CellType::Text),
        ),
        ("unknown_output", plain.clone().outputs(["my_outputs"])),
        ("bad_type_name", plain.type_name("term life")),
    ];
    for (name, service) in settings {
        messages.insert(name.to_owned(), mistake(&service, &schema));
    }
    let text: String = messages
        .iter()
        .map(|(name, message)| format!("{name}\n    {message}\n"))
        .collect();
    let texts = BTreeMap::from([("mistakes".to_owned(), text)]);
    snapshots::assert_directory("service_mistakes", &texts);
}

fn mistake(service: &Service, text: &str) -> String {
    let diagnostics = service.generate(text).expect_err("a mistake");
    let messages: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert!(!messages[0].contains('\n'), "{messages:?}");
    format!("document.json:{}", messages[0])
}

#[test]
fn every_document_gives_code_or_diagnostics() {
    // Cut and changed documents must not make the generator panic.
    for (name, service) in services() {
        let text = document(&format!("{name}.json"));
        if text.len() > 10_000 {
            continue;
        }
        let step = (text.len() / 20).max(1);
        for at in (0..text.len())
            .step_by(step)
            .filter(|at| text.is_char_boundary(*at))
        {
            let _ = service.generate(&text[..at]);
            for (from, to) in [(":", ": null, \"x\":"), ("\"", "\"\u{1f600} "), ("1", "[]")] {
                let (head, tail) = text.split_at(at);
                let changed = format!("{head}{}", tail.replacen(from, to, 1));
                if let Ok(generated) = service.generate(&changed) {
                    syn::parse_file(&generated.source).expect("valid Rust");
                }
            }
        }
    }
}
