//! How long large runs take against a service with the limits of the API's document, in simulated
//! time. It backs the table of `docs/scale.md`, which has the command that prints it.

use std::path::Path;
use std::time::Duration;

use super::sim::Sim;
use super::speed::{ideal, world};
use crate::run::machine::{Ending, Settings};

/// What the document shows as the buffers of a batch.
const INPUT_BUFFER: u64 = 70_000_000;
const OUTPUT_BUFFER: u64 = 80_000_000;
/// A record as JSON, ten columns; its outputs are half as large.
const RECORD_BYTES: u64 = 200;
/// What a runner takes for a record, on average; a chunk may take a fifth more or less.
const RECORD_TIME: Duration = Duration::from_millis(10);
/// What a run takes of a core for a record, as `cargo bench --bench run` measures it.
const CPU_TIME: Duration = Duration::from_nanos(2200);

/// One line of the table: a data set, and what is set for it.
struct Line {
    records: u64,
    /// Of all batches together.
    runners: u64,
    batches: u64,
    chunk: u64,
}

struct Outcome {
    ideal: Duration,
    simulated: Duration,
    /// Of all batches together.
    requests: u64,
    /// The most that they hold.
    peak: u64,
}

impl Line {
    /// Plays one of the batches. All have the same share of the records and of the runners, so all
    /// take the same time.
    fn play(&self) -> Outcome {
        let runners = self.runners / self.batches;
        let records = self.records / self.batches;
        // Two chunks for each runner, and their results.
        let memory = 2 * runners * self.chunk * RECORD_BYTES * 3 / 2;
        let memory = memory.max(Settings::default().memory);
        let time = RECORD_TIME * u32::try_from(self.chunk).expect("a small chunk");
        let mut world = world(runners, 0, (time * 4 / 5, time * 6 / 5), memory);
        world.traits.input_buffer = INPUT_BUFFER;
        world.traits.output_buffer = OUTPUT_BUFFER;
        world.records = records;
        world.chunk_records = (self.chunk, self.chunk);
        world.record_bytes = (RECORD_BYTES, RECORD_BYTES);
        world.latency = (Duration::from_millis(20), Duration::from_millis(80));
        // What the operator's encoder takes.
        let reading = Duration::from_micros(3) * u32::try_from(self.chunk).expect("a small chunk");
        world.read_time = (reading, reading);
        let mut sim = Sim::new(world, self.records);
        let account = sim.play();
        assert_eq!(account.ending, Some(Ending::Complete));
        sim.check_account(&account);
        Outcome {
            ideal: ideal(runners, &sim.service.times),
            simulated: sim.done_at,
            requests: sim.requests * self.batches,
            peak: sim.peak * self.batches,
        }
    }
}

fn duration(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        ..100.0 => format!("{seconds:.1} s"),
        100.0..6000.0 => format!("{:.1} min", seconds / 60.0),
        _ => format!("{:.1} h", seconds / 3600.0),
    }
}

#[test]
fn large_runs_take_little_more_than_the_service_needs() {
    let line = |records, runners, batches, chunk| Line {
        records,
        runners,
        batches,
        chunk,
    };
    let mut lines = vec![
        line(10_000, 100, 1, 20),
        line(100_000, 100, 1, 100),
        line(1_000_000, 100, 1, 200),
    ];
    // Those that take a while are played with optimizations only.
    if !cfg!(debug_assertions) {
        lines.extend([
            line(10_000_000, 100, 1, 200),
            line(100_000_000, 1000, 4, 500),
            line(1_000_000_000, 1000, 8, 1000),
            line(1_000_000_000, 3000, 16, 500),
        ]);
    }
    // Where it is printed for users.
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/scale.md");
    let page = std::fs::read_to_string(page).expect("a page");
    let mut report = String::from(
        "| records | runners | batches | records a chunk | ideal | simulated | more | requests | memory | CPU |\n\
         | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    let (mut too_slow, mut is_printed) = (Vec::new(), true);
    for line in lines {
        let outcome = line.play();
        // The first and the last chunks take a second more.
        if outcome.simulated > outcome.ideal.mul_f64(1.005) + Duration::from_secs(1) {
            too_slow.push(line.records);
        }
        let more = outcome.simulated.as_secs_f64() / outcome.ideal.as_secs_f64() - 1.0;
        let line = format!(
            "| 10^{} | {} | {} | {} | {} | {} | {:.1} % | {} | {} MB | {} |\n",
            line.records.ilog10(),
            line.runners,
            line.batches,
            line.chunk,
            duration(outcome.ideal),
            duration(outcome.simulated),
            100.0 * more,
            outcome.requests,
            outcome.peak / 1_000_000,
            duration(Duration::from_secs_f64(
                CPU_TIME.as_secs_f64() * line.records as f64
            )),
        );
        is_printed &= page.contains(&line);
        report += &line;
    }
    assert!(too_slow.is_empty(), "\n{report}");
    assert!(is_printed, "docs/scale.md has other lines than\n{report}");
    #[expect(clippy::print_stdout, reason = "shown with --nocapture")]
    {
        println!("{report}");
    }
}
