//! Where the log goes, and in which form.

use env_logger::fmt::style::{AnsiColor, Style};
use log::{Level, LevelFilter, Log, Metadata, Record};
use std::io::Write;
use systemd_journal_logger::JournalLog;

/// Starts the log: into the journal when systemd has connected standard error to it, else to standard
/// error as `12:00:00.000 INFO message`. `RUST_LOG` beats `verbose`, which adds the debug level.
/// Also sends panic messages there, with the thread's name. Calling it again changes nothing.
pub fn init(verbose: bool) {
    let own = if verbose { LevelFilter::Debug } else { LevelFilter::Info };
    let mut builder = env_logger::Builder::new();
    // A library's information is our debugging.
    builder.filter_level(if verbose { LevelFilter::Info } else { LevelFilter::Warn });
    builder.filter_module("capturebox", own).parse_default_env().format(write_line);
    let logger = builder.build();
    let level = logger.filter();
    let log: Box<dyn Log> = match systemd_journal_logger::connected_to_journal().then(JournalLog::new) {
        Some(Ok(journal)) => Box::new(Journal { filter: logger, journal }),
        None | Some(Err(_)) => Box::new(logger),
    };
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

/// The journal knows no modules and levels of its own; the same filter as elsewhere decides.
struct Journal {
    filter: env_logger::Logger,
    journal: JournalLog,
}

impl Log for Journal {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.filter.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if self.filter.matches(record) {
            self.journal.log(record);
        }
    }

    fn flush(&self) {
        self.journal.flush();
    }
}

fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let message = panic.payload_as_str().unwrap_or("(no message)");
    let place = panic.location().map_or_else(String::new, |place| format!(" at {place}"));
    log::error!("thread {} panicked{place}: {message}", thread.name().unwrap_or("without a name"));
}
