//! The programs in `examples/`: each runs, and is listed in the README.

#![allow(clippy::unwrap_used, reason = "these are all tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use cspark_emulator::Emulator;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A limit in real time, to fail instead of hanging.
const LIMIT: Duration = Duration::from_secs(120);

/// The names of all examples.
fn names() -> BTreeSet<String> {
    let files = fs::read_dir(Path::new(ROOT).join("examples")).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    let programs = paths.filter(|path| path.extension().is_some_and(|it| it == "rs"));
    let name = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    programs.map(name).collect()
}

/// The built examples, beside this test. `cargo test` builds them only if it runs all tests.
fn directory() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        let test = std::env::current_exe().unwrap();
        let profile = test.ancestors().nth(2).unwrap();
        let mut build = Command::new(env!("CARGO"));
        // Built as these tests were, nothing is built again.
        if let Some(config) = std::env::var_os("CI_CARGO_CONFIG") {
            build.arg("--config").arg(config);
        }
        build.args(["build", "--quiet", "--examples", "--target-dir"]);
        build.arg(profile.parent().unwrap()).current_dir(ROOT);
        if profile.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().unwrap().success());
        profile.join("examples")
    })
}

/// An example that starts an emulator of its own, and works in `directory`. The environment names a
/// proxy that does not exist, which a service on this machine has to do without.
fn example(name: &str, work: &Path) -> Command {
    let mut command = Command::new(directory().join(name));
    command.current_dir(work).stdin(Stdio::null());
    for (variable, _) in std::env::vars_os() {
        let name = variable.to_string_lossy().to_uppercase();
        if name.starts_with("CSPARK_") || name.ends_with("_PROXY") {
            command.env_remove(variable);
        }
    }
    command.env("HTTP_PROXY", "http://127.0.0.1:9");
    command.env("TMPDIR", work);
    command
}

fn temporary(name: &str) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("cspark-{name}-{}", uuid::Uuid::new_v4()));
    fs::create_dir(&directory).unwrap();
    directory
}

fn wait(mut child: Child) {
    let start = Instant::now();
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if start.elapsed() > LIMIT => child.kill().unwrap(),
            None => sleep(Duration::from_millis(5)),
        }
    };
    assert!(status.success(), "{status}");
}

#[test]
fn every_example_runs_and_is_in_the_readme() {
    let readme = fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    let work = temporary("examples");
    for name in names() {
        let link = format!("[`{name}`](examples/{name}.rs)");
        assert!(readme.contains(&link), "{link} is not in the README");
        let output = example(&name, &work).output().unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {printed}{errors}");
    }
    fs::remove_dir_all(work).unwrap();
}

#[test]
fn csv_to_csv_joins_inputs_and_keeps_errors_apart() {
    let work = temporary("csv");
    let input = "name,radius,height\na,1,1\nb,wide,1\nc,2,1\nd,1,-1\n";
    fs::write(work.join("in.csv"), input).unwrap();
    let files = ["in.csv", "out.csv", "errors.csv"];
    let output = example("csv_to_csv", &work).args(files).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let read = |name: &str| fs::read_to_string(work.join(name)).unwrap();
    let volume = std::f64::consts::PI;
    let expected = format!(
        "name,radius,height,volume\na,1.0,1.0,{volume}\nc,2.0,1.0,{}\n",
        4.0 * volume
    );
    assert_eq!(read("out.csv"), expected);
    let errors = read("errors.csv");
    let [header, b, d] = errors.lines().collect::<Vec<_>>()[..] else {
        panic!("{errors}")
    };
    assert_eq!(header, "record,name,error");
    assert!(b.starts_with("1,,") && b.contains("invalid float"), "{b}");
    assert!(d.starts_with("3,d,") && d.contains("height"), "{d}");
    fs::remove_dir_all(work).unwrap();
}

#[test]
fn resume_survives_sigkill() {
    const RECORDS: &str = "20000";
    let work = temporary("resume");
    let emulator = Emulator::builder()
        .workers(1)
        .time_per_record(Duration::from_micros(200))
        .start_on_thread()
        .unwrap();
    let start = |directory: &str| {
        let mut command = example("resume", &work);
        command.args([directory, RECORDS]).stdout(Stdio::null());
        command.env("CSPARK_BASE_URL", emulator.base_url());
        command.env("CSPARK_BEARER_TOKEN", "open");
        command.spawn().unwrap()
    };
    wait(start("whole"));

    let state = || fs::read(work.join("killed/state.json")).ok();
    let mut kills = 0;
    while kills < 4 {
        let before = state();
        let mut child = start("killed");
        while state() == before && child.try_wait().unwrap().is_none() {
            sleep(Duration::from_millis(1));
        }
        sleep(Duration::from_millis(fastrand::u64(0..150)));
        if child.try_wait().unwrap().is_some() {
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
    assert!(kills > 0, "the first run was over before it was killed");
    wait(start("killed"));

    let output = |directory: &str| fs::read_to_string(work.join(directory).join("volumes.csv"));
    let whole = output("whole").unwrap();
    assert_eq!(whole.lines().count().to_string(), RECORDS);
    assert!(
        output("killed").unwrap() == whole,
        "after {kills} kills, see {}",
        work.display()
    );
    fs::remove_dir_all(work).unwrap();
}
