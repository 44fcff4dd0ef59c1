//! Memory does not grow with the file.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use cspark_emulator::Emulator;

use crate::support::World;

/// Runs a CSV file of so many records, and returns the most memory that the process had at a time,
/// in kB, and the number of rows that it wrote.
fn peak(records: u64) -> (u64, u64) {
    let world = World::with(
        Emulator::builder()
            .time_per_record(Duration::ZERO)
            .record(0, 0),
    );
    let rows: String = (0..records)
        .map(|n| format!("P{n:08},{},some text that is the same,0.{n},true\n", n % 80))
        .collect();
    world.write("in.csv", format!("id,age,text,rate,smoker\n{rows}"));
    let mut child = world
        .program("run my-folder/echo -i in.csv -o out.csv --ordered --quiet --max-memory 2MiB")
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let status = fs::read_to_string(&status).unwrap_or_default();
        let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        // A process that has ended already has no such line.
        if let Some(most) = most.and_then(|most| most.trim().strip_suffix(" kB")) {
            peak = most.parse().unwrap();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let rows = world.read("out.csv").lines().count() as u64 - 1;
    (peak, rows)
}

#[test]
fn memory_is_flat_whatever_the_length() {
    const RECORDS: u64 = 20_000;
    let (short, rows) = peak(RECORDS);
    assert_eq!(rows, RECORDS);
    let (long, rows) = peak(10 * RECORDS);
    assert_eq!(rows, 10 * RECORDS);
    // The longer file has 9 MB more than the shorter one, and its outputs on the wire 16 MB.
    assert!(
        long < short + 6000,
        "{short} kB for {RECORDS} records, {long} kB for ten times as many"
    );
    assert!(long < 60_000, "{long} kB");
}
