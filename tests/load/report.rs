//! Numbers for people and for scripts/bench.

use rustix::time::{ClockId, clock_gettime};
use serde_json::{Map, Value, json};
use std::time::{Duration, Instant};

/// Named numbers in the order in which they were added.
pub struct Report {
    values: Vec<(&'static str, Value)>,
}

/// Elapsed and CPU time from here on.
pub struct Stopwatch {
    start: Instant,
    cpu: Duration,
}

impl Stopwatch {
    pub fn start() -> Self {
        Self { start: Instant::now(), cpu: cpu_time() }
    }

    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

impl Report {
    pub fn new() -> Self {
        Self { values: Vec::new() }
    }

    pub fn add(&mut self, name: &'static str, value: impl Into<Value>) {
        self.values.push((name, value.into()));
    }

    pub fn add_times(&mut self, watch: &Stopwatch) {
        self.add("elapsed_s", rounded(watch.elapsed().as_secs_f64()));
        self.add("cpu_s", rounded((cpu_time() - watch.cpu).as_secs_f64()));
    }

    /// p50, p99 and the highest of `samples`, which are in ms.
    pub fn add_percentiles(&mut self, name: &'static str, mut samples: Vec<f32>) {
        samples.sort_by(f32::total_cmp);
        let at = |share: f64| {
            let index = (samples.len() as f64 * share) as usize;
            samples.get(index.min(samples.len().saturating_sub(1))).map(|ms| rounded(f64::from(*ms)))
        };
        self.add(name, json!({ "p50": at(0.5), "p99": at(0.99), "max": at(1.0), "samples": samples.len() }));
    }

    pub fn errors(&self) -> u64 {
        self.values.iter().find(|(name, _)| *name == "errors").and_then(|(_, value)| value.as_u64()).unwrap_or(0)
    }

    pub fn print(&self, as_json: bool) {
        if as_json {
            let map: Map<_, _> = self.values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
            println!("{}", Value::Object(map));
        } else {
            for (name, value) in &self.values {
                println!("{name:18} {value}");
            }
        }
    }
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}
