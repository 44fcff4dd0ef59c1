//! The emulator as a program.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Output, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_cspark-emulator");

/// Ends the program with the test, however that goes.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).output().unwrap()
}

#[tokio::test]
#[cfg(unix)]
async fn it_prints_its_base_url_serves_and_stops_on_ctrl_c() {
    let arguments = [
        "--port",
        "0",
        "--tenant",
        "acme",
        "--api-key",
        "k",
        "--lenient",
        "--dead",
        "versions=418",
        "--time-scale",
        "1000",
    ];
    let child = Command::new(PROGRAM)
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut running = Running(child);
    let mut url = String::new();
    BufReader::new(running.0.stdout.take().unwrap())
        .read_line(&mut url)
        .unwrap();
    let url = url.trim();
    assert!(
        url.starts_with("http://127.0.0.1:") && url.ends_with("/acme"),
        "{url}"
    );

    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let versions = format!("{url}/api/v1/product/my-folder/engines/getversions/echo");
    assert_eq!(http.get(versions).send().await.unwrap().status(), 418);
    let describe = format!("{url}/api/v4/batch/status");
    assert_eq!(http.get(&describe).send().await.unwrap().status(), 401);
    assert_eq!(
        http.get(&describe)
            .header("x-synthetic-key", "k")
            .send()
            .await
            .unwrap()
            .status(),
        200
    );

    let id = running.0.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &id])
            .status()
            .unwrap()
            .success()
    );
    assert!(running.0.wait().unwrap().success());
}

#[test]
fn help_explains_every_option() {
    let help = String::from_utf8(run(&["--help"]).stdout).unwrap();
    for option in [
        "--host",
        "--port",
        "--tenant",
        "--api-key",
        "--bearer-token",
        "--client-id",
        "--client-secret",
        "--token-lifetime",
        "--workers",
        "--ramp-up",
        "--ms-per-record",
        "--ms-per-chunk",
        "--time-scale",
        "--idle-minutes",
        "--shuffle",
        "--repeated-ids",
        "--input-buffer-mb",
        "--output-buffer-mb",
        "--full-status",
        "--outputs",
        "--nothing-to-pull",
        "--gzip",
        "--lenient",
        "--strict",
        "--dead",
        "--faults",
        "--fault-seed",
    ] {
        assert!(help.contains(option), "{option}");
    }
    assert!(help.contains("my-folder/term-life"));
}

#[test]
fn options_that_cannot_be_are_named() {
    for (arguments, message) in [
        (["--faults", "0.5"], "--faults must be between 0 and 0.1"),
        (
            ["--gzip", "--ms-per-record=-1"],
            "--ms-per-record must be 0 or more",
        ),
        (
            ["--input-buffer-mb", "0"],
            "--input-buffer-mb must be more than 0",
        ),
        (["--tenant", "a/b"], "the tenant \"a/b\""),
        (["--client-id", "x"], "--client-secret"),
        (["--strict", "--lenient"], "cannot be used with"),
        (
            ["--dead", "poke"],
            "\"poke\" is not an operation; use one of describe, create,",
        ),
        (
            ["--dead", "push=99"],
            "\"99\" is not a status from 200 to 599",
        ),
    ] {
        let output = run(&[&["--port", "0"], &arguments[..]].concat());
        assert!(!output.status.success());
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains(message), "{text:?} does not hold {message:?}");
    }
}
