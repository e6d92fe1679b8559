//! What a program says on its standard error, made fit for a log. Sans-IO.

use crate::time::MonoTime;

/// A longer line is cut, bytes.
const LINE_LIMIT: usize = 400;
/// Lines that may be logged in one [`SPAN_NANOS`]; the rest is counted.
const LINES_A_SPAN: u32 = 20;
const SPAN_NANOS: i64 = 10_000_000_000;

/// Splits into lines, cuts, counts.
#[derive(Debug, Default)]
pub(super) struct Lines {
    partial: Vec<u8>,
    last: String,
    span_start: Option<MonoTime>,
    in_span: u32,
    left_out: u64,
}

impl Lines {
    /// Takes bytes in any chunks; calls `log` with each line that may be logged. A carriage return
    /// ends a line too: that is how programs write progress.
    pub(super) fn push(&mut self, bytes: &[u8], now: MonoTime, mut log: impl FnMut(&str)) {
        for &byte in bytes {
            if byte == b'\n' || byte == b'\r' {
                self.end_line(now, &mut log);
            } else if self.partial.len() < LINE_LIMIT {
                self.partial.push(byte);
            }
        }
    }

    /// The last line that wasn't empty, also one that has not ended; empty when there was none.
    pub(super) fn last(&self) -> String {
        if self.partial.is_empty() { self.last.clone() } else { clean(&self.partial) }
    }

    fn end_line(&mut self, now: MonoTime, log: &mut impl FnMut(&str)) {
        let line = clean(&self.partial);
        self.partial.clear();
        if line.is_empty() {
            return;
        }
        if self.span_start.is_none_or(|start| now.nanos_since(start) >= SPAN_NANOS) {
            if self.left_out > 0 {
                log(&format!("({} more lines)", self.left_out));
            }
            self.span_start = Some(now);
            self.in_span = 0;
            self.left_out = 0;
        }
        if self.in_span < LINES_A_SPAN {
            self.in_span += 1;
            log(&line);
        } else {
            self.left_out += 1;
        }
        self.last = line;
    }
}

/// Readable text: no control characters, which could fool a terminal.
fn clean(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.trim().chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn logged(lines: &mut Lines, bytes: &[u8], now: MonoTime) -> Vec<String> {
        let mut all = Vec::new();
        lines.push(bytes, now, |line| all.push(line.to_owned()));
        all
    }

    #[test]
    fn lines_are_split_cleaned_and_the_last_is_kept() {
        let mut lines = Lines::default();
        let log = logged(&mut lines, b"one\n\n  two \x1b[31m\rthr", MonoTime::ZERO);
        assert_eq!(log, ["one", "two  [31m"]);
        assert_eq!(lines.last(), "thr");
        assert_eq!(logged(&mut lines, b"ee\n", MonoTime::ZERO), ["three"]);
        assert_eq!(lines.last(), "three");
    }

    #[test]
    fn a_flood_is_counted_and_a_long_line_cut() {
        let mut lines = Lines::default();
        assert_eq!(logged(&mut lines, &b"x\n".repeat(1_000), MonoTime::ZERO).len(), LINES_A_SPAN as usize);
        let later = logged(&mut lines, &[vec![b'y'; 100_000], vec![b'\n']].concat(), MonoTime::from_nanos(SPAN_NANOS));
        assert_eq!(later[0], "(980 more lines)");
        assert_eq!(later[1].len(), LINE_LIMIT);
    }

    proptest! {
        #[test]
        fn chunking_makes_no_difference(bytes in proptest::collection::vec(any::<u8>(), 0..600), at in 0_usize..600) {
            let (mut one, mut two) = (Lines::default(), Lines::default());
            let whole = logged(&mut one, &bytes, MonoTime::ZERO);
            let (a, b) = bytes.split_at(at.min(bytes.len()));
            let mut parts = logged(&mut two, a, MonoTime::ZERO);
            parts.extend(logged(&mut two, b, MonoTime::ZERO));
            prop_assert_eq!(whole, parts);
            prop_assert_eq!(one.last(), two.last());
        }
    }
}
