//! The commands that look at batches, steer them and end them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;
use std::time::Duration;

use cspark_emulator::Emulator;
use serde_json::Value;

use crate::support::{Finished, World, with_same_ids};

const CYLINDERS: &str =
    r#"[{"radius": 1, "height": 2}, {"radius": -1, "height": 2}, {"radius": 2, "height": 2}]"#;

/// What differs from run to run, by words that stay the same.
fn settings() -> insta::Settings {
    let mut settings = with_same_ids();
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
fn files_of_every_format_are_pushed() {
    let world = prompt_world();
    let rows = "radius,height\n1,2\n3,4\n5,6\n";
    world.write("in.csv", rows);
    for name in [
        "in.tsv",
        "in.json",
        "in.jsonl.gz",
        "in.parquet",
        "in.csv.zst",
    ] {
        world
            .run(&format!(
                "run my-folder/echo -i in.csv -o {name} --columns radius,height"
            ))
            .expect(0);
    }
    world.write("semicolons.csv", rows.replace(',', ";"));
    world.write(
        "gaps.jsonl",
        "{\"radius\":1,\"height\":2}\n{\"height\":4}\n{\"radius\":5}\n",
    );
    for file in [
        "in.csv",
        "in.tsv",
        "in.json",
        "in.jsonl.gz",
        "in.parquet",
        "in.csv.zst",
        "semicolons.csv --delimiter ;",
        "gaps.jsonl",
    ] {
        let id = create(&world);
        world
            .run(&format!("push {id} {file} --chunk-size 2"))
            .expect(0);
        world.run(&format!("close {id}")).expect(0);
        let pulled = world.run(&format!("pull {id} --all --json")).expect(0);
        let records = |line: &str| {
            let chunk: Value = serde_json::from_str(line).unwrap();
            chunk["outputs"].as_array().unwrap().len()
        };
        let mut sizes: Vec<usize> = pulled.stdout.lines().map(records).collect();
        sizes.sort_unstable();
        assert_eq!(sizes, [1, 2], "{file}");
    }
    let id = create(&world);
    world.write("ragged.csv", "radius,height\n1\n");
    let bad = world.run(&format!("push {id} ragged.csv")).expect(1);
    bad.says("cannot push ragged.csv: line 2 has 1 cells for 2 columns");
    world.write("none.csv", "radius,height\n");
    let none = world.run(&format!("push {id} none.csv")).expect(1);
    none.says("cannot push none.csv: it has no records");
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

#[test]
fn several_batches_are_closed_at_once() {
    let world = World::new();
    let ids = [create(&world), create(&world)];
    let closed = world.run(&format!("close {}", ids.join(" "))).expect(0);
    for id in &ids {
        assert!(closed.stdout.contains(id.as_str()), "{}", closed.stdout);
    }
    let running = world.run("describe --json").expect(0);
    let running: Value = serde_json::from_str(&running.stdout).unwrap();
    assert_eq!(running["in_progress_batches"].as_array().unwrap().len(), 0);
}

#[test]
#[cfg(unix)]
fn the_tenant_is_watched_until_ctrl_c() {
    let world = World::new();
    let mut child = world
        .program("describe --watch --interval 0.1 --json")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for _ in 0..3 {
        let line = lines.next().unwrap().unwrap();
        serde_json::from_str::<Value>(&line).unwrap();
    }
    crate::support::signal(&child, "-INT");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
