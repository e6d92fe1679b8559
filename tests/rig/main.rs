//! The program on an emulated board with drivers of a real kernel: `scripts/rig` makes the board and runs this.
//! See README.md. Each scenario has a board of its own, so that none finds what another left.
//!
//! `board` is the emulated machine, `appliance` the program on it, `devices` what is plugged into it; `http`,
//! `playlist`, `fragment`, `ffmpeg` and `steady` are those of the other clients; the rest are the scenarios.
#![allow(clippy::disallowed_methods, reason = "an emulated board is waited for in real time")]

mod appliance;
mod board;
mod devices;
#[path = "../clients/ffmpeg.rs"]
#[allow(dead_code, reason = "shared with the other clients, which need other parts of it")]
mod ffmpeg;
#[path = "../clients/fragment.rs"]
#[allow(dead_code, reason = "shared with the other clients, which need other parts of it")]
mod fragment;
#[path = "../clients/http.rs"]
#[allow(dead_code, reason = "shared with the other clients, which need other parts of it")]
mod http;
#[path = "../clients/playlist.rs"]
#[allow(dead_code, reason = "shared with the other clients, which need other parts of it")]
mod playlist;
#[path = "../clients/steady.rs"]
mod steady;

mod cameras;
mod encoder;
mod hdmi;
mod microphones;
mod panel;

use board::Board;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Instant;

/// Boards that run at once: as many as the machines for which this is written have cores.
const BOARDS: usize = 2;

/// Its name, and what is done with a board that has just been switched on. Panics where something is wrong.
type Scenario = (&'static str, fn(&Board));

const SCENARIOS: &[&[Scenario]] =
    &[cameras::SCENARIOS, encoder::SCENARIOS, hdmi::SCENARIOS, microphones::SCENARIOS, panel::SCENARIOS];

fn main() -> ExitCode {
    let filters: Vec<String> = std::env::args().skip(1).collect();
    if filters == ["--shell"] {
        Board::shell();
        return ExitCode::SUCCESS;
    }
    let wanted = |name: &str| filters.is_empty() || filters.iter().any(|filter| name.contains(filter));
    let chosen: Vec<Scenario> = SCENARIOS.concat().into_iter().filter(|(name, _)| wanted(name)).collect();
    let (chosen, results) = (Mutex::new(chosen.into_iter()), Mutex::new(Vec::new()));
    let next = || chosen.lock().expect("no scenario runs in it").next();
    std::thread::scope(|scope| {
        for _ in 0..BOARDS {
            scope.spawn(|| {
                while let Some(scenario) = next() {
                    let passed = passes(scenario);
                    results.lock().expect("no scenario runs in it").push(passed);
                }
            });
        }
    });
    let results = results.into_inner().expect("no scenario runs in it");
    let passed = results.iter().filter(|passed| **passed).count();
    println!("{passed} passed, {} failed", results.len() - passed);
    if passed == results.len() && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a scenario on a new board, in a thread of its name, which is printed if it panics.
fn passes((name, run): Scenario) -> bool {
    let started = Instant::now();
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || run(&Board::boot()));
    let passed = thread.expect("a thread").join().is_ok();
    println!("{:<6} {name} ({:.1} s)", if passed { "ok" } else { "FAILED" }, started.elapsed().as_secs_f64());
    passed
}
