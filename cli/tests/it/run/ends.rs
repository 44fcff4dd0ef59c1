//! How runs end that do not come to their end: full disks, broken pipes, signals, bad services.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::time::Duration;

use cspark_emulator::Emulator;

#[cfg(unix)]
use crate::support::signal;
use crate::support::{Finished, World};

fn lines(records: u64) -> String {
    (0..records)
        .map(|n| format!("{{\"n\":{n},\"pad\":\"{}\"}}\n", "x".repeat(100)))
        .collect()
}

#[test]
fn a_broken_pipe_ends_the_run() {
    let world = World::new();
    world.write("in.jsonl", lines(20_000));
    let mut program =
        world.program("run my-folder/echo -i in.jsonl -o - --output-format jsonl --quiet");
    let mut child = program
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ended = Finished::of(child.wait_with_output().unwrap()).expect(1);
    ended.says("cannot write to standard output: Broken pipe");
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
}

/// The program under a limit for the size of files, as on a disk that is full.
fn with_small_disk(world: &World, arguments: &str) -> Finished {
    let mut shell = world.command("sh");
    // With the signal ignored, a write fails as it does on a full disk.
    let script = format!(
        "trap '' XFSZ; ulimit -f 1000; exec {} {arguments}",
        env!("CARGO_BIN_EXE_cspark-batch")
    );
    shell.arg("-c").arg(script).env("PATH", "/usr/bin:/bin");
    Finished::of(shell.output().unwrap())
}

#[test]
fn a_full_disk_ends_the_run_which_continues_when_there_is_room() {
    let world = World::new();
    world.write("in.jsonl", lines(20_000));
    let arguments = "run my-folder/echo -i in.jsonl -o out.jsonl --ordered \
         --checkpoint c --resume --checkpoint-interval 10ms";
    let ended = with_small_disk(&world, arguments).expect(1);
    ended.says("cannot write to out.jsonl.partial: File too large");
    ended.says("the same command continues");
    world.run(arguments).expect(0);
    assert_eq!(world.read("out.jsonl"), lines(20_000));
    assert!(!world.path("c").exists() && !world.path("c.lock").exists());
}

#[cfg(unix)]
#[test]
fn an_output_in_a_directory_that_cannot_be_written_is_refused_before_anything_is_sent() {
    use std::fs::{Permissions, create_dir, set_permissions};
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    use std::os::unix::process::CommandExt as _;

    let world = World::new();
    world.write("in.jsonl", lines(10));
    create_dir(world.path("locked")).unwrap();
    set_permissions(world.path("locked"), Permissions::from_mode(0o555)).unwrap();
    create_dir(world.path("open")).unwrap();
    set_permissions(world.path("open"), Permissions::from_mode(0o777)).unwrap();
    // Nothing is closed to root, who may be running the tests, so the program runs as nobody, from a
    // place that is open to all.
    set_permissions(world.directory.path(), Permissions::from_mode(0o755)).unwrap();
    let program = world.path("cspark-batch");
    // By another process: a file that this one has open for writing cannot be executed.
    let mut copy = Command::new("cp");
    copy.arg(env!("CARGO_BIN_EXE_cspark-batch")).arg(&program);
    assert!(copy.status().unwrap().success());
    let is_root = world.path("in.jsonl").metadata().unwrap().uid() == 0;
    for files in [
        "-o locked/out.jsonl",
        "-o open/out.jsonl --errors locked/e.jsonl",
        "-o open/out.jsonl --ordered --checkpoint locked/c",
        "-o open/out.jsonl --report locked/r.html",
    ] {
        let mut program = world.command(&program);
        let arguments = format!("run my-folder/echo -i in.jsonl {files}");
        program.args(arguments.split_whitespace());
        if is_root {
            program.uid(65534).gid(65534);
        }
        let ended = Finished::of(program.output().unwrap());
        assert!(matches!(ended.code, Some(1 | 2)), "{files}: {ended:#?}");
        ended.says("Permission denied");
        ended.says("locked/");
        assert!(world.emulator.batch_ids().is_empty(), "{files}");
    }
}

/// Runs the program on a terminal of its own, and returns what that shows.
#[cfg(target_os = "linux")]
fn on_terminal(world: &World, arguments: &str, no_color: Option<&str>) -> String {
    let mut terminal = world.command("script");
    let command = format!("{} {arguments}", env!("CARGO_BIN_EXE_cspark-batch"));
    terminal.args(["--quiet", "--return", "--command", &command, "/dev/null"]);
    terminal.env("PATH", "/usr/bin:/bin").env("TERM", "xterm");
    if let Some(value) = no_color {
        terminal.env("NO_COLOR", value);
    }
    let shown = terminal.output().expect("`script` of util-linux");
    Finished::of(shown).expect(0).stdout
}

#[cfg(target_os = "linux")]
#[test]
fn a_terminal_shows_a_bar_and_colours_unless_they_are_not_wanted() {
    let world = World::with(
        Emulator::builder()
            .workers(2)
            .time_per_chunk(Duration::from_millis(100)),
    );
    world.write("in.jsonl", lines(100));
    let run = "run my-folder/echo -i in.jsonl -o out.jsonl --chunk-size 10 -v";
    let shown = on_terminal(&world, run, None);
    assert!(shown.contains("at the service"), "{shown}");
    assert!(shown.contains("\x1b[32m"), "{shown}");
    let shown = on_terminal(&world, run, Some("1"));
    assert!(shown.contains("at the service"), "{shown}");
    assert!(!shown.contains("\x1b[32m"), "{shown}");
}

fn slow() -> World {
    World::with(
        Emulator::builder()
            .workers(2)
            .time_per_record(Duration::from_millis(2)),
    )
}

/// Waits until the service has results for somebody.
fn wait_for_work(world: &World) {
    while world
        .emulator
        .traffic(cspark_emulator::Operation::Pull)
        .requests
        == 0
    {
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
#[cfg(unix)]
fn ctrl_c_delivers_what_is_at_the_service_and_the_run_can_go_on() {
    let world = slow();
    world.write("in.jsonl", lines(20_000));
    let arguments = "run my-folder/echo -i in.jsonl -o out.jsonl --ordered --chunk-size 20 \
        --checkpoint c --max-memory 100kB";
    let child = world
        .program(arguments)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for_work(&world);
    signal(&child, "-INT");
    let ended = Finished::of(child.wait_with_output().unwrap()).expect(1);
    ended.says("interrupted: waiting for what is at the service");
    ended.says("--resume continues");
    let again = world.run(arguments).expect(2);
    again.says("continue that with --resume, or delete the file");
    for (option, value) in [
        ("--columns", "n"),
        ("--parameters", "{\"p\":1}"),
        ("--outputs", "n"),
        ("--active-since", "2026-01-31T00:00:00Z"),
    ] {
        let other = world.run(&format!("{arguments} --resume {option} {value}"));
        other
            .expect(2)
            .says(&format!("another choice of {option}: "));
    }
    // The emulator works faster now.
    world.emulator.advance(Duration::from_secs(60));
    world.run(&format!("{arguments} --resume")).expect(0);
    assert_eq!(world.read("out.jsonl"), lines(20_000));
}

#[test]
#[cfg(unix)]
fn a_second_ctrl_c_stops_at_once() {
    let world = World::with(Emulator::builder().time_per_record(Duration::from_secs(60)));
    world.write("in.jsonl", lines(1000));
    let mut child = world
        .program("run my-folder/echo -i in.jsonl -o out.jsonl")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for_work(&world);
    signal(&child, "-INT");
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("interrupted: waiting for what is at the service") {
        line.clear();
        assert!(stderr.read_line(&mut line).unwrap() > 0, "no word on it");
    }
    signal(&child, "-INT");
    let mut last = String::new();
    stderr.read_to_string(&mut last).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1), "{last}");
    assert!(last.contains("stopped; the batch is left open"), "{last}");
    let id = &world.emulator.batch_ids()[0];
    assert!(last.contains(id.as_str()), "{last}");
}

#[test]
#[cfg(unix)]
fn ctrl_c_cancels_the_batch_where_that_is_chosen() {
    let world = World::with(Emulator::builder().time_per_record(Duration::from_secs(60)));
    world.write("in.jsonl", lines(1000));
    let child = world
        .program("run my-folder/echo -i in.jsonl -o out.jsonl --on-interrupt cancel")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for_work(&world);
    signal(&child, "-TERM");
    let ended = Finished::of(child.wait_with_output().unwrap()).expect(1);
    ended.says("interrupted: cancelling the batch");
    ended.says("0 records are in out.jsonl.partial");
    let id = &world.emulator.batch_ids()[0];
    let status = world.run(&format!("status {id}")).expect(0);
    assert!(status.stdout.contains("cancelled"), "{}", status.stdout);
}

#[test]
fn a_failed_run_says_what_happened_in_one_line() {
    let world = World::new();
    world.write("in.jsonl", lines(10));
    let run = world
        .run("run my-folder/none -i in.jsonl -o out.jsonl")
        .expect(1);
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    run.says("0 records are in out.jsonl.partial");
    run.says("with --checkpoint FILE");
}
