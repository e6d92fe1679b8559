//! Load for scripts/bench, on one thread, against servers on this machine only.
//!
//! ```text
//! load --watch http://127.0.0.1:8080/camera/index.m3u8 --viewers 1000 --seconds 20 [--hints] [--json]
//! load --whep http://127.0.0.1:8080/camera/whep --viewers 250 --seconds 20 [--json]
//! load --janus http://127.0.0.1:8188/ --mountpoint 1 --viewers 250 --seconds 20 [--json]
//! load --whip http://127.0.0.1:8080/stage/whip --film camera.mp4 --seconds 20
//! load --room http://127.0.0.1:8080/rooms/NAME/ws --film camera.mp4 --people 8 --seconds 20 [--json]
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
//! `--whep` watches in real time (WebRTC), each viewer behind a socket of its own: ICE, DTLS and SRTP in full, and
//! a receiver report a second (but not the feedback on each packet, by which browsers have the bandwidth
//! estimated). Of what comes then, headers are looked at, and of one viewer in ten everything is decrypted and
//! must be genuine. `--janus` does the same with a mountpoint of Janus' streaming plugin. When all are there,
//! standard error says so, and it begins:
//!
//! - `packets`, `lost`: by sequence numbers; `decrypted`: how many of them were also decrypted.
//! - `first_packet_ms`: from the answer to the first packet of media.
//! - `packet_delay_ms`, with `--whep`: from a picture's time stamp (on this machine, box and load have the same
//!   monotonic clock) until each of its packets is read here. Of a stream that is published with `--whip`, the
//!   stamp is when the picture came to the box, by the least delayed packets of the last second or two; so this is
//!   what the box adds, with the way through both sockets and the time it takes here to get to each. (Files are sent
//!   in batches of 100 ms, and of others the camera's or encoder's time is in it.)
//!
//! `--whip` publishes a film's pictures in real time.
//!
//! `--room` has people meet who all send a film as their camera's picture, and sound, and see and hear all others,
//! with everything decrypted. `packets_per_s` is to be near `packets_per_s_when_all_see_all`.
//!
//! `--get` asks for one thing over and over on keep-alive connections, the same with any server.
//! `cpu_s` is this program's own use: near `elapsed_s` it was the bottleneck, not the server.
//! The exit code is 1 when there were errors.
#![allow(clippy::disallowed_methods, reason = "a shell that measures")]

mod caller;
mod callers;
mod client;
mod film;
mod get;
mod janus;
mod playlist;
mod publish;
mod report;
mod room;
mod watch;

use callers::Door;
use clap::Parser;
use client::Target;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Parser)]
#[command(about = "Load for scripts/bench: viewers of a stream, or requests for one address")]
struct Arguments {
    /// Multivariant playlist that the viewers watch
    #[arg(long, value_name = "URL", group = "what")]
    watch: Option<String>,
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=2_000))]
    viewers: u32,
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Ask for the part that the playlist hints at, before it is there
    #[arg(long)]
    hints: bool,
    /// WHEP address of a stream that the viewers watch in real time
    #[arg(long, value_name = "URL", group = "what")]
    whep: Option<String>,
    /// WebSocket of a Janus whose mountpoint they watch
    #[arg(long, value_name = "URL", group = "what")]
    janus: Option<String>,
    #[arg(long, default_value_t = 1)]
    mountpoint: u64,
    /// WHIP address of a stream into which a film is published
    #[arg(long, value_name = "URL", group = "what", requires = "film")]
    whip: Option<String>,
    /// WebSocket of a room where people meet
    #[arg(long, value_name = "URL", group = "what", requires = "film")]
    room: Option<String>,
    /// What they send: an MP4 file with H.264
    #[arg(long, value_name = "FILE")]
    film: Option<PathBuf>,
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(2..=12))]
    people: u32,
    /// Address to ask for again and again
    #[arg(long, value_name = "URL", group = "what")]
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
        let Arguments { viewers, seconds, .. } = arguments;
        if let Some(url) = &arguments.watch {
            watch::run(url, viewers, seconds, arguments.hints).await
        } else if let Some(url) = &arguments.whep {
            callers::run(Door::Whep(Target::parse(url)?), viewers, seconds).await
        } else if let Some(url) = &arguments.janus {
            callers::run(Door::Janus(Target::parse(url)?, arguments.mountpoint), viewers, seconds).await
        } else if let (Some(url), Some(film)) = (&arguments.whip, &arguments.film) {
            publish::run(url, seconds, film).await
        } else if let (Some(url), Some(film)) = (&arguments.room, &arguments.film) {
            room::run(url, arguments.people, seconds, film).await
        } else if let Some(url) = &arguments.get {
            get::run(url, arguments.connections, arguments.requests, arguments.gzip).await
        } else {
            Err("say what to do: --watch, --whep, --janus, --whip, --room or --get".into())
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
