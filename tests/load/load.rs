//! Load for scripts/bench, on one thread, against servers on this machine only.
//!
//! ```text
//! load --watch http://127.0.0.1:8080/camera/index.m3u8 --viewers 1000 --seconds 20 [--hints] [--json]
//! load --get   http://127.0.0.1:8080/file --connections 8 --requests 20000 [--gzip] [--json]
//! ```
//!
//! `--watch` plays as a browser does: every viewer follows every rendition with blocking reloads and
//! delta updates on one connection, and fetches each new part on another. With `--hints` it asks for
//! the hinted part beforehand, and the playlist says only what comes next. What is reported, of parts
//! that became available after all viewers were connected, `--seconds` long:
//!
//! - `part_delay_ms`: from the first viewer that has a part whole to each of the viewers. The spread that
//!   load causes.
//! - `capture_delay_ms`: from the end of a part's last frame (EXT-X-PROGRAM-DATE-TIME and durations, by the
//!   box's clock, asked of /api/v1/time) to each of the viewers: encoding, packaging and serving.
//! - `errors`: answers that aren't 200, connections that broke, playlists that make no sense.
//!
//! `--get` asks for one thing over and over on keep-alive connections, the same with any server.
//! `cpu_s` is this program's own use: near `elapsed_s` it was the bottleneck, not the server.
//! The exit code is 1 when there were errors.
#![allow(clippy::disallowed_methods, reason = "a shell that measures")]

mod client;
mod get;
mod playlist;
mod report;
mod watch;

use clap::Parser;
use std::process::ExitCode;

#[derive(Parser)]
#[command(about = "Load for scripts/bench: viewers of a stream, or requests for one address")]
struct Arguments {
    /// Multivariant playlist that the viewers watch
    #[arg(long, value_name = "URL", required_unless_present = "get", conflicts_with = "get")]
    watch: Option<String>,
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=2_000))]
    viewers: u32,
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Ask for the part that the playlist hints at, before it is there
    #[arg(long)]
    hints: bool,
    /// Address to ask for again and again
    #[arg(long, value_name = "URL")]
    get: Option<String>,
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=2_000))]
    connections: u32,
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    requests: u64,
    /// Accept gzip
    #[arg(long)]
    gzip: bool,
    /// One line of JSON instead of lines for people
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    let local = tokio::task::LocalSet::new();
    let run = async {
        match (&arguments.watch, &arguments.get) {
            (Some(url), _) => watch::run(url, arguments.viewers, arguments.seconds, arguments.hints).await,
            (None, Some(url)) => get::run(url, arguments.connections, arguments.requests, arguments.gzip).await,
            (None, None) => Err("nothing to do".into()),
        }
    };
    match local.block_on(&runtime, run) {
        Ok(report) => {
            report.print(arguments.json);
            if report.errors() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => fail(&*error),
    }
}

fn fail(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("load: {error}");
    ExitCode::FAILURE
}

/// Any error; one message ends the run.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;
