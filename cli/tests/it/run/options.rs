//! Options of `run` that reach the service or limit the run.

use std::time::Duration;

use cspark_emulator::{Emulator, Fault, Operation, Response};
use serde_json::Value;

use crate::support::World;

/// All options of a batch. `create` has the same.
const BATCH_OPTIONS: &str = "--max-runners 30 --min-runners 3 --chunks-per-vm 4 \
    --runners-per-vm 5 --max-input-size 6 --max-output-size 7 --accuracy 0.95 \
    --outputs volume,area --subservices one,two --input-key radius \
    --active-since 2026-01-31T00:00:00Z --call-purpose test --source-system cli \
    --correlation-id c-1";

/// The request that created the last batch.
fn created(world: &World) -> Value {
    let requests = world.emulator.requests();
    let create = requests
        .iter()
        .rfind(|request| request.operation == Some(Operation::Create))
        .unwrap();
    serde_json::from_slice(&create.body).unwrap()
}

fn cylinders(world: &World, records: u64) {
    let rows: String = (1..=records).map(|n| format!("{n},2\n")).collect();
    world.write("in.csv", format!("radius,height\n{rows}"));
}

#[test]
fn every_option_of_a_batch_reaches_the_service() {
    let world = World::new();
    cylinders(&world, 1);
    let run = "run my-folder/volume-cylinder -i in.csv -o out.csv";
    world.run(&format!("{run} {BATCH_OPTIONS}")).expect(0);
    let of_run = created(&world);
    insta::assert_snapshot!(serde_json::to_string_pretty(&of_run).unwrap());
    world
        .run(&format!("create my-folder/volume-cylinder {BATCH_OPTIONS}"))
        .expect(0);
    assert_eq!(created(&world), of_run);
    for wrong in [
        "--max-runners 0",
        "--accuracy 1.5",
        "--active-since yesterday",
        "--min-runners 5 --max-runners 3",
    ] {
        let refused = world.run(&format!("{run} {wrong}"));
        assert!(refused.code != Some(0), "{wrong} passes");
        assert!(refused.stderr.lines().count() >= 1, "{wrong}");
    }
}

#[test]
fn chunks_have_the_size_that_is_asked_for() {
    let world = World::new();
    cylinders(&world, 100);
    let pushed = |more: &str| -> Vec<u64> {
        world.emulator.clear_requests();
        world
            .run(&format!(
                "run my-folder/volume-cylinder -i in.csv -o out.csv {more}"
            ))
            .expect(0);
        let mut sizes = Vec::new();
        for request in world.emulator.requests() {
            if request.operation == Some(Operation::Push) {
                let body: Value = serde_json::from_slice(&request.body).unwrap();
                let chunks = body["chunks"].as_array().unwrap();
                sizes.extend(chunks.iter().map(|chunk| chunk["size"].as_u64().unwrap()));
            }
        }
        sizes
    };
    assert_eq!(pushed(""), [100]);
    assert_eq!(pushed("--chunk-size 40"), [40, 40, 20]);
    let sizes = pushed("--chunk-bytes 200B");
    assert!(
        sizes.len() > 2 && sizes.iter().sum::<u64>() == 100,
        "{sizes:?}"
    );
}

#[test]
fn parameters_come_from_a_file_or_the_command_line() {
    let world = World::new();
    world.write("in.csv", "radius\n1\n");
    world.write("height.json", r#"{"height": 4.20}"#);
    let report = |parameters: &str| {
        world
            .program("run my-folder/volume-cylinder -i in.csv -o out.jsonl --report r.html")
            .args(["--parameters", parameters])
            .status()
            .unwrap();
        assert!(world.read("out.jsonl").contains("13.19"), "{parameters}");
        world.read("r.html")
    };
    // The report shows the command, so what is written there; of a file only the name.
    assert!(report(r#"{"height": 4.20}"#).contains("4.20"));
    let of_file = report("height.json");
    assert!(of_file.contains("height.json") && !of_file.contains("4.20"));
    for (parameters, says) in [
        ("{\"height\":", "--parameters is not JSON"),
        ("none.json", "cannot read the parameters from none.json"),
    ] {
        world
            .run(&format!(
                "run my-folder/volume-cylinder -i in.csv -o out.jsonl --parameters {parameters}"
            ))
            .expect(2)
            .says(says);
    }
}

#[test]
fn a_run_ends_at_the_limits_that_are_set() {
    let run = "run my-folder/volume-cylinder -i in.csv -o out.jsonl --quiet";
    // Too many failures.
    let world = World::new();
    world.write("in.csv", "radius,height\n-1,2\n-2,2\n-3,2\n");
    world.run(&format!("{run} --failure-limit 3")).expect(0);
    let failed = world.run(&format!("{run} --failure-limit 2")).expect(1);
    assert_eq!(failed.stderr.lines().count(), 1, "{}", failed.stderr);
    failed.says("3 records have no output, and the failure limit is 2");

    // A service that is away.
    let world = World::new();
    cylinders(&world, 10);
    let away = Fault::RespondBefore(Response::status(503));
    world.emulator.inject_always(Operation::Push, away);
    let failed = world.run(&format!("{run} --outage-limit 200ms")).expect(1);
    failed.says("503");

    // A service that does nothing.
    let world = World::with(Emulator::builder().time_per_record(Duration::from_secs(3600)));
    cylinders(&world, 10);
    let failed = world.run(&format!("{run} --stall-limit 500ms")).expect(1);
    assert_eq!(failed.stderr.lines().count(), 1, "{}", failed.stderr);
    failed.says("progress");
}

#[test]
fn a_batch_is_treated_as_chosen_after_an_error() {
    for (choice, closes, cancels) in [("close", 1, 0), ("cancel", 0, 1), ("leave", 0, 0)] {
        let world = World::new();
        cylinders(&world, 10);
        let refused = Fault::RespondBefore(Response::status(403));
        world.emulator.inject_always(Operation::Push, refused);
        world
            .run(&format!(
                "run my-folder/volume-cylinder -i in.csv -o out.csv --after-error {choice}"
            ))
            .expect(1);
        let requests = |operation| world.emulator.traffic(operation).requests;
        assert_eq!(
            (requests(Operation::Close), requests(Operation::Cancel)),
            (closes, cancels),
            "{choice}"
        );
    }
}

#[test]
fn limits_of_requests_and_memory_are_taken() {
    let world = World::new();
    cylinders(&world, 1000);
    let done = world
        .run(
            "run my-folder/volume-cylinder -i in.csv -o out.csv --json --quiet --max-memory 1MiB \
             --request-timeout 30s --resubmissions 1 --pushes-in-flight 1 --pulls-in-flight 1 \
             --split-large-chunks --skip-refused-chunks --chunk-size 10",
        )
        .expect(0);
    let summary: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(summary["output"]["records"], 1000);
    assert_eq!(summary["delivered_records"], 1000);
    assert_eq!(summary["left_open"].as_array().unwrap().len(), 0);
    assert_eq!(done.stderr, "");
    for wrong in [
        "--max-memory much",
        "--stall-limit 0s",
        "--stall-limit soon",
        "--columns a,b,a",
    ] {
        let refused = world.run(&format!(
            "run my-folder/volume-cylinder -i in.csv -o out.csv {wrong}"
        ));
        let refused = refused.expect(2);
        let (option, value) = wrong.split_once(' ').unwrap();
        refused.says(option);
        refused.says(if option == "--columns" { "`a`" } else { value });
    }
}
