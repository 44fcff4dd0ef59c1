//! The README's chapter on tables.

use cspark_batches::Client;
use cspark_batches_datafusion::{SparkService, register_spark_services};
use cspark_emulator::Emulator;
use datafusion::arrow::array::AsArray as _;
use datafusion::arrow::datatypes::Float64Type;
use datafusion::prelude::SessionContext;

/// Lines of code that stand in a crate's documentation, whose examples are compiled.
fn documented(source: &str) -> Vec<&str> {
    let lines = source.lines().filter_map(|line| line.strip_prefix("//!"));
    lines.map(str::trim).collect()
}

/// The chapter's blocks of code in a language.
fn code(language: &str) -> Vec<&'static str> {
    let readme = include_str!("../../../README.md");
    let chapter = readme.split("\n## Tables").nth(1).expect("a chapter");
    let chapter = chapter.split("\n## ").next().expect("a chapter");
    let blocks = chapter.split("```").skip(1).step_by(2);
    blocks
        .filter_map(|block| block.strip_prefix(language))
        .collect()
}

#[test]
fn its_examples_are_those_of_the_documentation() {
    let documentation = [
        documented(include_str!("../../../arrow/src/lib.rs")),
        documented(include_str!("../../src/lib.rs")),
    ];
    let snippets = code("rust,ignore");
    assert_eq!(snippets.len(), documentation.len());
    for (snippet, documentation) in snippets.iter().zip(documentation) {
        let lines = snippet
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty());
        let unknown: Vec<_> = lines.filter(|line| !documentation.contains(line)).collect();
        assert!(unknown.is_empty(), "not in the documentation: {unknown:?}");
    }
}

#[tokio::test]
async fn its_query_runs() {
    const POLICIES: &str = "CREATE VIEW policies AS SELECT value AS policy_id, 'female' AS sex, \
                            false AS smoker, value AS age, 10 AS term, 100000.0 AS sum_assured \
                            FROM generate_series(31, 50)";
    let emulator = Emulator::start().await.unwrap();
    let spark = Client::builder()
        .base_url(emulator.base_url())
        .bearer_token("open")
        .build()
        .unwrap();
    let context = SessionContext::new();
    context
        .sql(POLICIES)
        .await
        .unwrap()
        .collect()
        .await
        .unwrap();
    let service = SparkService::fetch(&spark, "my-folder/term-life")
        .await
        .unwrap();
    register_spark_services(&context, [service]);
    let queries = code("sql\n");
    assert_eq!(queries.len(), 1);
    let batches = context
        .sql(queries[0])
        .await
        .unwrap()
        .collect()
        .await
        .unwrap();
    let mut premiums: Vec<f64> = Vec::new();
    for batch in batches {
        let column = batch.column_by_name("premium").unwrap();
        premiums.extend(column.as_primitive::<Float64Type>().iter().flatten());
    }
    // Those of the ages 41 to 50.
    assert_eq!(premiums.len(), 10);
    assert!(
        premiums.iter().all(|premium| *premium > 0.0),
        "{premiums:?}"
    );
}
