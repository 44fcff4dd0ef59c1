//! Help, settings and exit codes that need no service.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use tempfile::TempDir;

use crate::support::{Finished, World, bare_program};

fn run(directory: &TempDir, arguments: &[&str]) -> Finished {
    let output = bare_program(directory.path()).args(arguments).output();
    Finished::of(output.unwrap())
}

#[test]
fn wrong_usage_exits_with_2_and_help_with_0() {
    let directory = TempDir::new().unwrap();
    let help = run(&directory, &["--help"]).expect(0);
    assert!(
        help.stdout.contains("Usage: cspark-batch"),
        "{}",
        help.stdout
    );
    run(&directory, &["--version"]).expect(0);
    run(&directory, &["fly"]).expect(2);
    run(&directory, &["run", "a/b"]).expect(2);
}

#[test]
fn missing_settings_are_named_in_one_line() {
    let directory = TempDir::new().unwrap();
    let run = run(
        &directory,
        &["run", "a/b", "--input", "x.jsonl", "--output", "y.jsonl"],
    )
    .expect(2);
    assert!(
        run.stderr.starts_with("error: there is no base URL"),
        "{}",
        run.stderr
    );
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
}

#[test]
fn settings_come_from_options_then_the_environment_then_dotenv_then_the_profile() {
    let world = World::new();
    world.write("in.jsonl", r#"{"radius": 1, "height": 2}"#);
    let arguments = [
        "run",
        "my-folder/volume-cylinder",
        "--input",
        "in.jsonl",
        "--output",
        "out.jsonl",
    ];
    let url = world.emulator.base_url();
    let program = || {
        let mut program = bare_program(world.directory.path());
        program.args(arguments);
        program
    };
    let nowhere = "http://127.0.0.1:1/none";

    // A profile alone.
    world.write("key", "open\n");
    std::fs::create_dir_all(world.path(".config/cspark-batch")).unwrap();
    let profile = format!(
        "[default]\nbase_url = '{url}'\napi_key_file = 'key'\n[off]\nbase_url = '{nowhere}'\n"
    );
    world.write(".config/cspark-batch/profiles.toml", profile);
    Finished::of(program().output().unwrap()).expect(0);
    // The file `.env` goes before it, and the environment before that.
    world.write(
        ".env",
        format!("CSPARK_BASE_URL={url}\nCSPARK_API_KEY=open\n"),
    );
    Finished::of(program().args(["--profile", "off"]).output().unwrap()).expect(0);
    world.write(".env", format!("CSPARK_BASE_URL={nowhere}\n"));
    Finished::of(program().env("CSPARK_BASE_URL", &url).output().unwrap()).expect(0);
    // Options go before everything.
    let options = ["--base-url", &url, "--api-key-file", "key"];
    Finished::of(
        program()
            .args(options)
            .env("CSPARK_API_KEY", "wrong")
            .output()
            .unwrap(),
    )
    .expect(0);
}

#[test]
fn a_secret_in_a_broken_file_is_not_shown() {
    let directory = TempDir::new().unwrap();
    std::fs::write(
        directory.path().join(".env"),
        "s3cret without an equals sign\n",
    )
    .unwrap();
    let run = run(
        &directory,
        &["run", "a/b", "--input", "x.jsonl", "--output", "y.jsonl"],
    )
    .expect(2);
    assert!(
        run.stderr.contains(".env") && !run.stderr.contains("s3cret"),
        "{}",
        run.stderr
    );
}

#[test]
fn mistakes_in_the_profile_file_are_named() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join(".config/cspark-batch/profiles.toml");
    let says = |parts: &[&str]| {
        let run = run(&directory, &["describe", "--profile", "other"]).expect(2);
        assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
        for part in parts.iter().chain(&["profiles.toml"]) {
            run.says(part);
        }
        assert!(!run.stderr.contains("s3cret"), "{}", run.stderr);
    };
    says(&["cannot read the profile file"]);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, "[default]\ntenant = 'a'\n").unwrap();
    says(&["it has no section [other]; there is default"]);
    std::fs::write(&file, "[other]\napi_key = 's3cret'\n").unwrap();
    says(&["unknown field `api_key`", "api_key_file"]);
}

#[test]
fn the_place_of_the_service_can_be_said_in_parts() {
    let world = World::new();
    let run = |arguments: &[&str]| {
        let mut program = bare_program(world.directory.path());
        program.env("CSPARK_BEARER_TOKEN", "open").args(arguments);
        Finished::of(program.output().unwrap())
    };
    let origin = world.emulator.origin();
    let tenant = world.emulator.tenant();
    run(&["describe", "--base-url", &origin, "--tenant", tenant]).expect(0);
    run(&["describe", "--base-url", &origin, "--env", "uat"]).expect(2);
    let no_tenant = run(&["describe", "--env", "uat.us"]).expect(2);
    no_tenant.says("tenant");
}

#[test]
fn logs_go_to_stderr_where_they_are_wanted() {
    let world = World::new();
    let quiet = world.run("describe").expect(0);
    assert_eq!(quiet.stderr, "");
    let verbose = world.run("describe -vv").expect(0);
    assert_eq!(quiet.stdout, verbose.stdout);
    assert!(verbose.stderr.contains("cspark"), "{}", verbose.stderr);
    assert!(!verbose.stderr.contains("open") && !verbose.stderr.contains('\u{1b}'));
}
