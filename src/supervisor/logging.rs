//! Where the log goes, and in which form; its newest lines are kept for the console.
#![allow(clippy::disallowed_methods, reason = "shell: stamps lines with the wall clock")]

mod tail;

pub use tail::{Line, Lines, MAX_LINES};

use crate::time::{Epoch, MonoTime};
use env_logger::fmt::style::{AnsiColor, Style};
use log::{Level, LevelFilter, Log, Metadata, Record};
use std::io::Write;
use std::sync::{LazyLock, Mutex, PoisonError};
use systemd_journal_logger::JournalLog;
use tail::Tail;

/// A process has one log.
static TAIL: LazyLock<Mutex<Tail>> = LazyLock::new(|| Mutex::new(Tail::new(unix_ms())));

/// The log's newest lines of `level` or worse, `most` at most; with `after`, those that follow that id.
pub fn tail(after: Option<u64>, level: LevelFilter, most: usize) -> Lines {
    TAIL.lock().unwrap_or_else(PoisonError::into_inner).read(after, level, most)
}

/// Starts the log: into the journal when systemd has connected standard error to it, else to standard
/// error as `12:00:00.000 INFO message`. `RUST_LOG` beats `verbose`, which adds the debug level.
/// Also sends panic messages there, with the thread's name. Calling it again changes nothing.
pub fn init(verbose: bool) {
    let own = if verbose { LevelFilter::Debug } else { LevelFilter::Info };
    let mut builder = env_logger::Builder::new();
    // A library's information is our debugging.
    builder.filter_level(if verbose { LevelFilter::Info } else { LevelFilter::Warn });
    // What strangers' browsers say or get wrong is no news, and anybody could fill the log with it.
    builder.filter_module("rtc", if verbose { LevelFilter::Warn } else { LevelFilter::Off });
    builder.filter_module("capturebox", own).parse_default_env().format(write_line);
    let logger = builder.build();
    let level = logger.filter();
    let journal = systemd_journal_logger::connected_to_journal().then(JournalLog::new).and_then(Result::ok);
    // Its first id says when the program started.
    LazyLock::force(&TAIL);
    let log = Box::new(Both { logger, journal });
    if log::set_boxed_logger(log).is_ok() {
        log::set_max_level(level);
        std::panic::set_hook(Box::new(log_panic));
    }
}

/// The date stands in front of no line: who needs it has the journal.
fn write_line(out: &mut env_logger::fmt::Formatter, record: &Record<'_>) -> std::io::Result<()> {
    // RFC 3339: 2026-11-21T12:00:00.000Z; UTC, as the process may not know better.
    let stamp = out.timestamp_millis().to_string();
    let time = stamp.split_once('T').map_or(stamp.as_str(), |(_, time)| time);
    let level = record.level();
    let style = match level {
        Level::Error => Style::new().fg_color(Some(AnsiColor::Red.into())).bold(),
        Level::Warn => Style::new().fg_color(Some(AnsiColor::Yellow.into())),
        Level::Info => Style::new(),
        Level::Debug | Level::Trace => Style::new().dimmed(),
    };
    writeln!(out, "{time} {style}{level:<5}{style:#} {}", record.args())
}

/// Into the log and into its tail, what the filter lets through. The journal has no filter of its own.
struct Both {
    logger: env_logger::Logger,
    journal: Option<JournalLog>,
}

impl Log for Both {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.logger.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if !self.logger.matches(record) {
            return;
        }
        let message = record.args().to_string();
        TAIL.lock().unwrap_or_else(PoisonError::into_inner).push(unix_ms(), record.level(), record.target(), &message);
        match &self.journal {
            Some(journal) => journal.log(record),
            None => self.logger.log(record),
        }
    }

    fn flush(&self) {
        match &self.journal {
            Some(journal) => journal.flush(),
            None => self.logger.flush(),
        }
    }
}

fn unix_ms() -> u64 {
    u64::try_from(Epoch::now().unix_nanos_at(MonoTime::now()) / 1_000_000).unwrap_or(0)
}

fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let message = panic.payload_as_str().unwrap_or("(no message)");
    let place = panic.location().map_or_else(String::new, |place| format!(" at {place}"));
    log::error!("thread {} panicked{place}: {message}", thread.name().unwrap_or("without a name"));
}
