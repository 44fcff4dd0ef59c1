//! What a process has used so far.

use std::error::Error;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

/// Seconds of CPU and of wall time, the most memory in megabytes, and requests made.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) cpu: f64,
    pub(crate) wall: f64,
    pub(crate) peak_mb: f64,
    pub(crate) requests: u64,
}

/// Measures from now on; what came before is not counted, the peak of memory apart.
pub(crate) struct Meter {
    cpu: Duration,
    started: Instant,
}

impl Meter {
    pub(crate) fn start() -> Self {
        Self {
            cpu: cpu_time::ProcessTime::now().as_duration(),
            started: Instant::now(),
        }
    }

    pub(crate) fn stop(self, requests: u64) -> Usage {
        let cpu = cpu_time::ProcessTime::now().as_duration() - self.cpu;
        Usage {
            cpu: cpu.as_secs_f64(),
            wall: self.started.elapsed().as_secs_f64(),
            peak_mb: peak_mb(),
            requests,
        }
    }
}

/// The high-water mark of resident memory, where the system tells it (Linux); else 0.
fn peak_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| {
        line.trim()
            .trim_end_matches("kB")
            .trim()
            .parse::<f64>()
            .ok()
    });
    kilobytes.unwrap_or(0.0) / 1024.0
}

impl Usage {
    /// Each figure's median by itself.
    pub(crate) fn median(usages: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| {
            let mut figures: Vec<f64> = usages.iter().map(figure).collect();
            figures.sort_by(f64::total_cmp);
            figures[figures.len() / 2]
        };
        Self {
            cpu: of(|it| it.cpu),
            wall: of(|it| it.wall),
            peak_mb: of(|it| it.peak_mb),
            requests: of(|it| it.requests as f64) as u64,
        }
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {} {}",
            self.cpu, self.wall, self.peak_mb, self.requests
        )
    }
}

impl FromStr for Usage {
    type Err = Box<dyn Error>;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let figures: Vec<f64> = text.split(' ').map(str::parse).collect::<Result<_, _>>()?;
        match figures[..] {
            [cpu, wall, peak_mb, requests] => Ok(Self {
                cpu,
                wall,
                peak_mb,
                requests: requests as u64,
            }),
            _ => Err(format!("no usage: {text}").into()),
        }
    }
}
