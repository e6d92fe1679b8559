//! Arguments → configuration → app.
//!
//! Exit codes: 0 done; 1 failed while running; 2 the arguments or the configuration are wrong.

use capturebox::app::{self, Origin};
use capturebox::capture::devices;
use capturebox::config::{Config, ConfigError};
use capturebox::state::StateDir;
use capturebox::{discovery, supervisor};
use clap::{Parser, Subcommand};
use log::{error, info};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

const RUNTIME_FAILURE: u8 = 1;
const BAD_CONFIGURATION: u8 = 2;

/// A live-streaming box: camera and microphone in, one encode, low-latency HLS out.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Log details too (RUST_LOG sets it per module)
    #[arg(short, long, global = true)]
    verbose: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Run the box; without a configuration: what was set in the console, else the first camera and microphone, or a test picture
    Run {
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Say whether a configuration is good, and if not, where and why
    Check {
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// List cameras, HDMI inputs, microphones and encoders
    Devices {
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// List the boxes on the LAN
    Find {
        /// For programs
        #[arg(long)]
        json: bool,
        /// How long to wait for answers
        #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=60))]
        seconds: u64,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    supervisor::logging::init(arguments.verbose);
    match arguments.command {
        Command::Run { config } => run(config.as_deref()),
        Command::Check { config } => check(&config),
        Command::Devices { json } => list_devices(json),
        Command::Find { json, seconds } => find_boxes(json, Duration::from_secs(seconds)),
    }
}

fn run(file: Option<&Path>) -> ExitCode {
    let mut origin = Origin { file: file.map(Path::to_owned).or_else(own_file), chosen: None };
    let mut config = match origin.file.as_deref().map_or_else(|| Ok(Config::default()), Config::load) {
        Ok(config) => config,
        Err(error) => return refuse(&error),
    };
    if config.streams.is_empty() {
        let (camera, microphone) = (devices::first_camera(), devices::first_microphone());
        info!(
            "no stream is configured: taking {} and {}",
            camera.as_ref().map_or("the test picture".into(), |camera| camera.display().to_string()),
            match (&camera, &microphone) {
                (_, Some(microphone)) => microphone.as_str(),
                (Some(_), None) => "no sound",
                (None, None) => "its tone",
            }
        );
        origin.chosen = Some(Config::automatic_text(camera.as_deref(), microphone.as_deref()));
        config.add_automatic_stream(camera, microphone);
    }
    match app::run(config, origin) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("{error}");
            RUNTIME_FAILURE.into()
        }
    }
}

/// What was changed in the console of a box that is started without a configuration.
fn own_file() -> Option<PathBuf> {
    // Where the folder can't be had, the box says so when it opens it.
    let file = StateDir::open(None).ok()?.path().join(app::OWN_FILE);
    file.exists().then_some(file).inspect(|file| info!("the configuration is {}", file.display()))
}

fn check(file: &Path) -> ExitCode {
    match Config::load(file) {
        Ok(config) => {
            let streams: Vec<_> = config.streams.keys().map(|name| name.as_str()).collect();
            let streams = if streams.is_empty() { "chosen at start".to_owned() } else { streams.join(", ") };
            print(&format!("{}: good; streams: {streams}", file.display()))
        }
        Err(error) => refuse(&error),
    }
}

fn list_devices(json: bool) -> ExitCode {
    let devices = devices::list();
    if json { print_json(&devices) } else { print(&devices.to_string()) }
}

fn find_boxes(json: bool, within: Duration) -> ExitCode {
    match discovery::find(within) {
        Ok(boxes) if json => print_json(&boxes),
        Ok(boxes) => print(&discovery::listed(&boxes)),
        Err(error) => {
            error!("{error}");
            RUNTIME_FAILURE.into()
        }
    }
}

fn print_json(list: &impl serde::Serialize) -> ExitCode {
    match serde_json::to_string_pretty(list) {
        Ok(text) => print(&text),
        Err(error) => {
            error!("the list can't be written as JSON: {error}");
            RUNTIME_FAILURE.into()
        }
    }
}

/// The messages alone, so that an editor finds the lines.
fn refuse(error: &ConfigError) -> ExitCode {
    eprintln!("{error}");
    BAD_CONFIGURATION.into()
}

/// Unlike `println!`, takes it well when nobody reads to the end (`capturebox devices | head -1`).
fn print(text: &str) -> ExitCode {
    match writeln!(std::io::stdout(), "{}", text.trim_end()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => RUNTIME_FAILURE.into(),
        _ => ExitCode::SUCCESS,
    }
}
