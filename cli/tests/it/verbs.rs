//! The commands that look at batches, steer them and end them.

use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;

use cspark_emulator::Emulator;
use serde_json::Value;

use crate::support::{Finished, World};

const CYLINDERS: &str =
    r#"[{"radius": 1, "height": 2}, {"radius": -1, "height": 2}, {"radius": 2, "height": 2}]"#;

/// What differs from run to run, by words that stay the same.
fn settings() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    let uuid = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
    // As wide as what they replace, so that the columns stay straight.
    settings.add_filter(uuid, "11111111-2222-4333-8444-555555555555");
    settings.add_filter(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",
        "2026-01-31T00:00:00.000Z",
    );
    settings.add_filter(r"(?m)^(time +)\d+\.\d s$", "${1}0.1 s");
    settings
}

/// A service that takes no time, so that a chunk is computed when it is pushed.
fn prompt_world() -> World {
    World::with(Emulator::builder().time_per_record(Duration::ZERO))
}

fn create(world: &World) -> String {
    let created = world
        .run("create my-folder/volume-cylinder --max-runners 20")
        .expect(0);
    created.stdout.trim().to_owned()
}

#[test]
fn a_batch_goes_through_its_life_by_hand() {
    let world = prompt_world();
    world.write("cylinders.json", CYLINDERS);
    let id = create(&world);
    let push = world
        .run(&format!("push {id} cylinders.json --chunk-size 2"))
        .expect(0);
    let status = world.run(&format!("status {id}")).expect(0);
    let close = world.run(&format!("close {id}")).expect(0);
    let pull = world.run(&format!("pull {id} --all")).expect(0);
    let info = world.run(&format!("info {id}")).expect(0);
    let describe = world.run("describe").expect(0);
    settings().bind(|| {
        insta::assert_snapshot!("push", push.stdout);
        insta::assert_snapshot!("status", status.stdout);
        insta::assert_snapshot!("close", close.stdout);
        insta::assert_snapshot!("pull", pull.stdout);
        insta::assert_snapshot!("info", info.stdout);
        insta::assert_snapshot!("describe", describe.stdout);
    });
}

#[test]
fn programs_get_json() {
    let world = World::new();
    world.write("cylinders.json", CYLINDERS);
    let json = |line: &str| -> Value {
        let finished = world.run(line).expect(0);
        serde_json::from_str(&finished.stdout).unwrap_or_else(|_| panic!("{finished:#?}"))
    };
    let created = json("create my-folder/volume-cylinder --json");
    let id = created["id"].as_str().unwrap();
    let pushed = json(&format!("push {id} cylinders.json --json"));
    assert_eq!(pushed["chunks"][0]["records"], 3);
    assert_eq!(pushed["status"]["chunks_submitted"], 1);
    assert_eq!(json(&format!("status {id} --json"))["record_submitted"], 3);
    assert_eq!(json(&format!("info {id} --json"))["id"], id);
    assert_eq!(json("describe --json")["in_progress_batches"][0]["id"], id);
    let closed = json(&format!("close {id} --json"));
    assert_eq!(closed[0]["id"], id);
    let pulled = json(&format!("pull {id} --all --json"));
    assert_eq!(pulled["id"], pushed["chunks"][0]["id"]);
    assert_eq!(pulled["outputs"].as_array().unwrap().len(), 3);
    assert_eq!(pulled["outputs"][1], Value::Null);
    assert!(
        pulled["errors"][1]
            .to_string()
            .contains("radius must not be negative")
    );
}

#[test]
fn prepared_chunks_and_standard_input_are_pushed() {
    let world = World::new();
    let chunk =
        r#"{"id":"first","size":1,"data":{"inputs":[{"radius":1,"height":2}],"parameters":{}}}"#;
    world.write("chunk.json", chunk);
    let id = create(&world);
    let pushed = world.run(&format!("push {id} chunk.json")).expect(0);
    assert!(pushed.stdout.contains("first"), "{}", pushed.stdout);
    let refused = world
        .run(&format!("push {id} chunk.json --chunk-size 2"))
        .expect(2);
    refused.says("--chunk-size");

    let mut program = world.program(&format!("push {id} - --json"));
    let mut process = program
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = b"{\"radius\": 1, \"height\": 2}\n{\"radius\": 3, \"height\": 4}\n";
    process.stdin.take().unwrap().write_all(lines).unwrap();
    let finished = Finished::of(process.wait_with_output().unwrap()).expect(0);
    let pushed: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(pushed["chunks"][0]["records"], 2);
}

#[test]
fn a_failure_names_the_thing_and_does_not_keep_others_from_ending() {
    let world = World::new();
    let missing = world.run("push some-id nowhere.json").expect(1);
    assert!(
        missing
            .stderr
            .starts_with("error: cannot read nowhere.json: "),
        "{}",
        missing.stderr
    );
    world.write("bad.json", "[");
    let bad = world.run("push some-id bad.json").expect(1);
    assert!(
        bad.stderr.starts_with("error: cannot push bad.json: "),
        "{}",
        bad.stderr
    );

    let unknown = "00000000-0000-4000-8000-000000000000";
    let status = world.run(&format!("status {unknown}")).expect(1);
    status.says(unknown);
    assert_eq!(status.stderr.lines().count(), 1, "{}", status.stderr);

    let id = create(&world);
    let cancel = world.run(&format!("cancel {unknown} {id}")).expect(1);
    cancel.says(unknown);
    assert!(
        cancel.stdout.contains(&id) && cancel.stdout.contains("cancelled"),
        "{cancel:#?}"
    );
}

#[test]
fn watching_ends_with_the_batch() {
    let world = World::new();
    let id = create(&world);
    world.run(&format!("cancel {id}")).expect(0);
    let watched = world
        .run(&format!("status {id} --watch --interval 0.1 --json"))
        .expect(0);
    assert_eq!(watched.stdout.lines().count(), 1);
    world.run(&format!("status {id} --interval 1")).expect(2);
    world
        .run(&format!("status {id} --watch --interval 0"))
        .expect(2);
}
