//! Sans-IO: the newest lines of the log, for the console. Bounded in lines and in bytes.

use log::{Level, LevelFilter};
use serde::Serialize;
use std::collections::VecDeque;

/// An hour of a box with trouble; nobody scrolls further back in a browser.
pub const MAX_LINES: usize = 2_000;
/// What all lines together may take, bytes.
const MAX_BYTES: usize = 512 << 10;
/// A longer line is a program's gibberish. Bytes.
const MAX_LINE_LEN: usize = 4 << 10;
/// Where a line comes from has no more: a module's path. Bytes.
const MAX_TARGET_LEN: usize = 128;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Rises with each line.
    pub id: u64,
    pub unix_ms: u64,
    pub level: &'static str,
    /// The module that said it.
    pub target: Box<str>,
    pub message: Box<str>,
}

/// An answer to whoever reads on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lines {
    /// The oldest first.
    pub lines: Vec<Line>,
    /// What to read on after.
    pub after: u64,
    /// Whether lines in front of these are gone, or were left out.
    pub missed: bool,
}

#[derive(Debug)]
pub struct Tail {
    lines: VecDeque<(LevelFilter, Line)>,
    bytes: usize,
    /// The last line's id, or, before there is one, the one before the first's.
    newest: u64,
}

impl Tail {
    /// Starts at an id that is higher than those of the program's last run, so that nobody who reads on over
    /// a restart misses a line: milliseconds since 1970, and room for a thousand lines in each. Within 2⁵³,
    /// which is what JavaScript counts to.
    pub fn new(unix_ms: u64) -> Self {
        Self { lines: VecDeque::new(), bytes: 0, newest: unix_ms.saturating_mul(1_000) }
    }

    pub fn push(&mut self, unix_ms: u64, level: Level, target: &str, message: &str) {
        self.newest = self.newest.saturating_add(1);
        let line = Line {
            id: self.newest,
            unix_ms,
            level: word(level),
            target: cut(target, MAX_TARGET_LEN),
            message: cut(message, MAX_LINE_LEN),
        };
        self.bytes += size(&line);
        self.lines.push_back((level.to_level_filter(), line));
        while self.lines.len() > MAX_LINES || self.bytes > MAX_BYTES {
            let Some((_, oldest)) = self.lines.pop_front() else { break };
            self.bytes -= size(&oldest);
        }
    }

    /// Lines of `level` or worse. With `after`, those that follow, from the oldest on; without, the newest.
    pub fn read(&self, after: Option<u64>, level: LevelFilter, most: usize) -> Lines {
        let wanted = |(of, line): &&(LevelFilter, Line)| *of <= level && after.is_none_or(|after| line.id > after);
        let mut lines = self.lines.iter().filter(wanted).map(|(_, line)| line);
        let count = lines.clone().count();
        let oldest = self.lines.front().map_or(self.newest, |(_, line)| line.id - 1);
        match after {
            Some(after) => {
                let taken: Vec<_> = lines.by_ref().take(most).cloned().collect();
                let last = if count > most { taken.last().map(|line| line.id) } else { None };
                // An id from before the clock was set back is nobody's any more.
                Lines { lines: taken, after: last.unwrap_or(self.newest), missed: after < oldest }
            }
            None => Lines {
                lines: lines.skip(count.saturating_sub(most)).cloned().collect(),
                after: self.newest,
                missed: count > most,
            },
        }
    }
}

fn size(line: &Line) -> usize {
    line.target.len() + line.message.len() + size_of::<(LevelFilter, Line)>()
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    }
}

/// At most `most` bytes, and a mark where something is missing.
fn cut(text: &str, most: usize) -> Box<str> {
    if text.len() <= most {
        return text.into();
    }
    let end = (0..=most).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    format!("{}…", text.get(..end).unwrap_or_default()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(lines: &Lines) -> Vec<&str> {
        lines.lines.iter().map(|line| &*line.message).collect()
    }

    fn filled(count: usize) -> Tail {
        let mut tail = Tail::new(1);
        for number in 1..=count {
            let level = if number % 10 == 0 { Level::Warn } else { Level::Info };
            tail.push(5, level, "capturebox::x", &number.to_string());
        }
        tail
    }

    #[test]
    fn the_newest_come_first_and_then_what_follows() {
        let mut tail = filled(25);
        let first = tail.read(None, LevelFilter::Info, 3);
        assert_eq!((said(&first), first.missed), (vec!["23", "24", "25"], true));
        assert_eq!(said(&tail.read(Some(first.after), LevelFilter::Info, 3)), [""; 0]);
        for more in ["26", "27", "28", "29"] {
            tail.push(6, Level::Error, "capturebox::x", more);
        }
        let second = tail.read(Some(first.after), LevelFilter::Info, 3);
        assert_eq!((said(&second), second.missed), (vec!["26", "27", "28"], false));
        let third = tail.read(Some(second.after), LevelFilter::Info, 3);
        assert_eq!(said(&third), ["29"]);
        assert_eq!(
            third.lines[0],
            Line { id: 1_029, unix_ms: 6, level: "error", target: "capturebox::x".into(), message: "29".into() }
        );
    }

    #[test]
    fn a_level_leaves_out_what_is_less_and_skips_over_it() {
        let tail = filled(25);
        let warnings = tail.read(None, LevelFilter::Warn, 100);
        assert_eq!((said(&warnings), warnings.after), (vec!["10", "20"], 1_025));
        assert_eq!(said(&tail.read(Some(1_010), LevelFilter::Warn, 100)), ["20"]);
        assert_eq!(said(&tail.read(None, LevelFilter::Error, 100)), [""; 0]);
    }

    #[test]
    fn lines_and_bytes_are_bounded_and_what_is_gone_is_told() {
        let tail = filled(MAX_LINES + 500);
        assert_eq!(tail.lines.len(), MAX_LINES);
        let read = tail.read(Some(1_001), LevelFilter::Trace, 2);
        assert_eq!((said(&read), read.missed), (vec!["501", "502"], true));
        let mut tail = Tail::new(0);
        for _ in 0..1_000 {
            tail.push(0, Level::Info, "t", &"ä".repeat(MAX_LINE_LEN));
        }
        assert!(tail.bytes <= MAX_BYTES && tail.lines.len() > 100, "{}", tail.lines.len());
        let line = &tail.read(None, LevelFilter::Info, 1).lines[0];
        assert!(line.message.len() <= MAX_LINE_LEN + '…'.len_utf8() && line.message.ends_with("ä…"));
        while let Some((_, line)) = tail.lines.pop_front() {
            tail.bytes -= size(&line);
        }
        assert_eq!(tail.bytes, 0, "what goes is counted");
    }
}
