//! `schema`, `types` and `emulate`, and what the shell and `man` get.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Finished, World, bare_program};

#[test]
fn a_schema_is_shown_and_written() {
    let world = World::new();
    let shown = world.run("schema my-folder/term-life").expect(0);
    insta::assert_snapshot!("schema", shown.stdout);
    world
        .run("schema my-folder/term-life --output term-life.json")
        .expect(0);
    let written: Value = serde_json::from_str(&world.read("term-life.json")).unwrap();
    assert_eq!(written["bookSummary"]["bookServiceName"], "term-life");
    let printed = world
        .run("schema my-folder/term-life[0.4.2] --json")
        .expect(0);
    let printed: Value = serde_json::from_str(&printed.stdout).unwrap();
    assert_eq!(printed["xlInputs"], written["xlInputs"]);

    let missing = world.run("schema my-folder/term-live").expect(1);
    missing.says("my-folder/term-live");
}

#[test]
fn types_come_from_the_service_and_from_a_file_alike() {
    let world = World::new();
    world
        .run("types my-folder/term-life --output a.rs --type-name Life --required age")
        .expect(0);
    world
        .run("schema my-folder/term-life --output term-life.json")
        .expect(0);
    let printed = world
        .run("types term-life.json --type-name Life --required age")
        .expect(0);
    // The name of the document is all that differs.
    let code = |source: &str| -> Vec<String> {
        let lines = source.lines().filter(|line| {
            !line.contains("term-life.json") && !line.contains("my-folder/term-life`")
        });
        lines.map(str::to_owned).collect()
    };
    let written = world.read("a.rs");
    assert!(written.contains("pub mod life {"), "{written}");
    assert!(printed.stdout.contains("pub mod life {"));
    assert!(!code(&written).is_empty() && code(&printed.stdout).len() + 2 > code(&written).len());

    let wrong = world.run("types term-life.json --required aged").expect(1);
    wrong.says("did you mean `age`?");
    assert_eq!(wrong.stderr.lines().count(), 1);
    let missing = world.run("types nowhere.json").expect(1);
    missing.says("cannot read nowhere.json");
}

/// An emulator as a process, stopped at the end.
struct Emulating {
    process: Child,
    base_url: String,
}

impl Emulating {
    fn start(world: &World, service: &str) -> Self {
        let mut process = world
            .program("emulate --port 0 --service")
            .arg(service)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut base_url = String::new();
        let stdout = process.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut base_url).unwrap();
        assert!(base_url.starts_with("http://127.0.0.1:"), "{base_url:?}");
        Self {
            process,
            base_url: base_url.trim().to_owned(),
        }
    }

    fn run(&self, world: &World, arguments: &str) -> Finished {
        let output = world
            .program(arguments)
            .env("CSPARK_BASE_URL", &self.base_url)
            .output();
        Finished::of(output.unwrap())
    }
}

impl Drop for Emulating {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_service_of_expressions_computes_and_describes_itself() {
    let world = World::new();
    let emulating = Emulating::start(
        &world,
        "my-folder/rate=rate = 0.001 * 1.5^((age - 20) / 10); \
         premium = sum * rate * if(smoker, 2, 1) * if(sex == \"female\", 0.5, 1); cheap = premium < 100",
    );
    let run = |arguments: &str| emulating.run(&world, arguments);
    insta::assert_snapshot!(
        "schema_of_expressions",
        run("schema my-folder/rate").expect(0).stdout
    );
    assert!(
        run("types my-folder/rate")
            .expect(0)
            .stdout
            .contains("pub smoker: ")
    );

    world.write(
        "in.json",
        r#"[["age","sum","smoker","sex"],[20,1000,false,"male"],[40,100000,true,"female"],
            [20,1000,null,"male"],["old",1000,true,"male"]]"#,
    );
    let id = run("create my-folder/rate").expect(0).stdout;
    let id = id.trim();
    run(&format!("push {id} in.json")).expect(0);
    run(&format!("close {id}")).expect(0);
    let pulled = run(&format!("pull {id} --all --json")).expect(0);
    let pulled: Value = serde_json::from_str(&pulled.stdout).unwrap();
    assert_eq!(pulled["outputs"][0]["premium"], 1.0);
    assert_eq!(pulled["outputs"][1]["rate"], 0.001 * 2.25);
    assert_eq!(
        pulled["outputs"][1]["premium"],
        100_000.0 * (0.001 * 2.25) * 2.0 * 0.5
    );
    assert_eq!(pulled["outputs"][1]["cheap"], false);
    assert!(
        pulled["errors"][2]
            .to_string()
            .contains("input `smoker` is empty"),
        "{pulled}"
    );
    assert!(
        pulled["errors"][3]
            .to_string()
            .contains("input `age` must be a number"),
        "{pulled}"
    );
}

#[test]
fn a_wrong_service_is_refused_before_anything_starts() {
    let directory = TempDir::new().unwrap();
    for (service, problem) in [
        ("cone", "write it as `my-folder/name=output = expression`"),
        ("cone=v = h", "`cone` is not a folder and a service"),
        ("f/cone=v = vol(h)", "v: there is no function `vol`"),
        ("f/cone=v = (h", "a `(` is not closed"),
    ] {
        let mut program = bare_program(directory.path());
        let output = program
            .args(["emulate", "--port", "0", "--service", service])
            .output();
        let refused = Finished::of(output.unwrap()).expect(2);
        assert!(
            refused.stderr.contains(problem),
            "{service}: {}",
            refused.stderr
        );
    }
}

#[test]
fn shells_and_man_know_every_command() {
    let world = World::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = world.run(&format!("completions {shell}")).expect(0).stdout;
        assert!(
            script.contains("describe") && script.contains("--watch"),
            "{shell}"
        );
    }
    world.run("man pages").expect(0);
    assert!(
        world
            .read("pages/cspark-batch.1")
            .contains("cspark\\-batch")
    );
    assert!(world.read("pages/cspark-batch-run.1").contains("input"));
}

#[test]
fn every_command_has_help_with_an_example() {
    let world = World::new();
    for command in [
        "run",
        "describe",
        "status",
        "info",
        "create",
        "push",
        "pull",
        "close",
        "cancel",
        "schema",
        "types",
        "emulate",
        "completions",
        "man",
    ] {
        let help = world.run(&format!("{command} --help")).expect(0).stdout;
        assert!(help.contains("Example"), "{help}");
        let (own, _) = help.split_once("Connection:").unwrap();
        insta::assert_snapshot!(format!("help_{command}"), own);
    }
    insta::assert_snapshot!("help", world.run("--help").expect(0).stdout);
}
