//! Runs that are killed: the output is complete in the end, with nothing lost and nothing twice.

use std::process::Stdio;
use std::time::Duration;

use cspark_emulator::Emulator;

use crate::support::{Finished, World};

const RECORDS: u64 = 2000;

fn world() -> World {
    let world = World::with(
        Emulator::builder()
            .workers(4)
            .time_per_record(Duration::from_micros(300)),
    );
    let lines: String = (0..RECORDS).map(|n| format!("{n},name {n}\n")).collect();
    world.write("in.csv", format!("n,name\n{lines}"));
    world
}

/// The same every time for a seed.
fn random(state: &mut u64) -> u64 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

/// Kills the program at random moments until it comes to its end.
fn kill_until_done(world: &World, arguments: &str, seed: u64) -> u32 {
    let mut state = seed;
    for kills in 0..1000 {
        let mut program = world.program(arguments);
        let mut child = program.stderr(Stdio::piped()).spawn().unwrap();
        // Later and later, so that it comes to its end on any machine.
        let time = 50 + random(&mut state) % (100 + 150 * u64::from(kills));
        let deadline = std::time::Instant::now() + Duration::from_millis(time);
        while std::time::Instant::now() < deadline {
            if child.try_wait().unwrap().is_some() {
                Finished::of(child.wait_with_output().unwrap()).expect(0);
                return kills;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    panic!("the program does not come to its end");
}

fn seeds() -> u64 {
    std::env::var("KILL_SEEDS")
        .ok()
        .and_then(|seeds| seeds.parse().ok())
        .unwrap_or(1)
}

#[test]
fn a_killed_run_completes_its_output_in_order() {
    let mut kills = 0;
    for seed in 0..seeds() {
        for name in ["out.csv", "out.json", "out.jsonl.gz", "out.parquet"] {
            let world = world();
            let arguments = format!(
                "run my-folder/echo -i in.csv -o {name} --ordered --chunk-size 50 --checkpoint c --resume \
                 --checkpoint-interval 5ms --columns n,name"
            );
            kills += kill_until_done(&world, &arguments, seed * 10 + name.len() as u64);
            world
                .run(&format!(
                    "run my-folder/echo -i {name} -o back.csv --ordered --columns n,name"
                ))
                .expect(0);
            assert_eq!(
                world.read("back.csv"),
                world.read("in.csv"),
                "{name}, seed {seed}"
            );
            assert!(!world.path("c").exists(), "{name}, seed {seed}");
        }
    }
    assert!(kills > 0, "no run was killed");
}

#[test]
fn a_killed_run_completes_its_output_and_its_errors_in_any_order() {
    for seed in 0..seeds() {
        let world = world();
        world.write(
            "in.csv",
            std::iter::once("radius,height\n".to_owned())
                .chain((0..RECORDS).map(|n| format!("{},1\n", if n % 3 == 0 { -1 } else { 1 })))
                .collect::<String>(),
        );
        let arguments = "run my-folder/volume-cylinder -i in.csv -o out.csv.zst --chunk-size 50 \
            --errors e.jsonl --checkpoint c --resume --checkpoint-interval 5ms";
        kill_until_done(&world, arguments, 77 + seed);
        let numbers = |text: &str, number: &dyn Fn(&str) -> u64| {
            let mut numbers: Vec<u64> = text.lines().map(number).collect();
            numbers.sort_unstable();
            numbers
        };
        let errors = numbers(&world.read("e.jsonl"), &|line| {
            let rest = line.strip_prefix("{\"record\":").unwrap();
            rest.split_once(',').unwrap().0.parse().unwrap()
        });
        assert_eq!(
            errors,
            (0..RECORDS).filter(|n| n % 3 == 0).collect::<Vec<_>>(),
            "seed {seed}"
        );
        let output =
            zstd::decode_all(std::fs::File::open(world.path("out.csv.zst")).unwrap()).unwrap();
        let output = String::from_utf8(output).unwrap();
        let (_, rows) = output.split_once('\n').unwrap();
        let rows = numbers(rows, &|line| {
            line.split_once(',').unwrap().0.parse().unwrap()
        });
        assert_eq!(rows, (0..RECORDS).collect::<Vec<_>>(), "seed {seed}");
    }
}

#[test]
fn a_second_run_with_the_same_checkpoint_or_output_is_refused() {
    let world = World::with(Emulator::builder().time_per_record(Duration::from_secs(60)));
    world.write("in.csv", "n\n1\n");
    let first = "run my-folder/echo -i in.csv -o out.csv --checkpoint c --resume";
    let mut child = world.program(first).spawn().unwrap();
    while !world.path("c").exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let second = world
        .run("run my-folder/echo -i in.csv -o other.csv --checkpoint c --resume")
        .expect(1);
    second.says("another run is using c; wait for its end");
    let second = world
        .run("run my-folder/echo -i in.csv -o out.csv")
        .expect(1);
    second.says("another run is using out.csv.partial");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_changed_input_is_not_taken_for_the_same() {
    let world = World::with(Emulator::builder().time_per_record(Duration::from_secs(60)));
    world.write("in.csv", "n\n1\n");
    let arguments = "run my-folder/echo -i in.csv -o out.csv --checkpoint c --resume";
    let mut child = world.program(arguments).spawn().unwrap();
    while !world.path("c").exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    world.write("in.csv", "n\n1\n2\n");
    let run = world.run(arguments).expect(2);
    run.says("a run with another content of the input");
    world.write("c", "{}");
    let run = world.run(arguments).expect(2);
    run.says("c is not a checkpoint");
}
