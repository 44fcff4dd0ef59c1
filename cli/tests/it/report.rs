//! `run --report`: the page as a file. `.ci/report.py` looks at it in a browser.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::time::Duration;

use cspark_emulator::{Emulator, Fault, Operation, Response};

use crate::support::{World, with_same_ids};

const CYLINDERS: &str = "radius,height\n1,2\n-1,2\n2,2\n-3,2\n";

fn run(world: &World, more: &str) -> std::process::Command {
    world.write("in.csv", CYLINDERS);
    world.program(&format!(
        "run my-folder/volume-cylinder --input in.csv --output out.jsonl --report report.html {more}"
    ))
}

#[test]
fn a_report_shows_the_run_without_a_secret_or_a_way_out() {
    let world = World::with(
        Emulator::builder()
            .api_key("s3cret-key")
            .time_per_record(Duration::from_millis(2)),
    );
    world.write("key", "s3cret-key");
    let done = run(&world, "--api-key-file key --chunk-size 2 --source-system")
        .arg("<script>alert(1)</script>")
        .env_remove("CSPARK_BEARER_TOKEN")
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    let page = world.read("report.html");
    for expected in [
        "<title>Run complete - cspark-batch</title>",
        "4 of 4 records delivered (2 failed at the service)",
        "Commonest errors",
        "radius must not be negative, but is -1",
        "Slowest chunks",
        "Records a second",
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "arguments",
    ] {
        assert!(page.contains(expected), "{expected:?} is not in {page}");
    }
    // Errors that differ in numbers alone are one.
    assert!(!page.contains("but is -3"), "{page}");
    for unwanted in ["s3cret", "<script", "src=", "href=", "@import", "url("] {
        assert!(!page.contains(unwanted), "{unwanted:?} is in {page}");
    }
}

/// What the page says in words, one piece a line.
fn words(page: &str) -> String {
    let mut words = String::new();
    let (mut skipped, mut rest) = ("", page);
    while let Some((text, after)) = rest.split_once('<') {
        if skipped.is_empty() && !text.trim().is_empty() {
            words += text.trim();
            words.push('\n');
        }
        let (tag, after) = after.split_once('>').unwrap();
        for (open, close) in [("style", "/style"), ("svg", "/svg")] {
            if tag.starts_with(open) {
                skipped = close;
            }
        }
        if tag == skipped {
            skipped = "";
        }
        rest = after;
    }
    words
}

#[test]
fn a_report_has_these_data() {
    let world = World::new();
    run(
        &world,
        "--ordered --chunk-size 2 --parameters {\"unused\":1}",
    )
    .status()
    .unwrap();
    let mut settings = with_same_ids();
    settings.add_filter(r"(?m)^\d+(\.\d+)? s$", "0 s");
    settings.add_filter(r"(?m)^[\d,]+\nrecords a second$", "0\nrecords a second");
    settings.add_filter(r"(?m)^[\d.]+ k?B$", "0 B");
    settings.add_filter(r"\d+ \(create .*\)", "0 (create 0, push 0, ..)");
    settings.add_filter(r"127\.0\.0\.1:\d+", "127.0.0.1:8080");
    settings.add_filter(r"in \d+\.\d+ s", "in 0.0 s");
    settings.bind(|| insta::assert_snapshot!("report", words(&world.read("report.html"))));
}

#[test]
fn the_report_of_a_failed_run_says_why_it_failed() {
    let world = World::new();
    let refused = Fault::RespondBefore(Response::status(403));
    world.emulator.inject_always(Operation::Push, refused);
    let done = run(&world, "").output().unwrap();
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    let page = world.read("report.html");
    assert!(page.contains("Run incomplete"), "{page}");
    assert!(
        page.contains("403") && page.contains("Records without a result"),
        "{page}"
    );
}

#[test]
fn a_report_that_cannot_be_written_is_named_before_anything_is_sent() {
    let world = World::new();
    world.write("in.csv", CYLINDERS);
    let failed = world
        .run("run my-folder/volume-cylinder --input in.csv --output out.jsonl --report no/report.html")
        .expect(1);
    assert!(
        failed
            .stderr
            .starts_with("error: cannot write the report no/report.html: "),
        "{}",
        failed.stderr
    );
    assert!(world.emulator.batch_ids().is_empty());
}
