//! What has been read but is not yet due: how a program that runs ahead is kept to real time. Sans-IO.

use crate::capture::Captured;
use crate::time::MonoTime;

/// Holds captured things until they are due. It takes whatever it is given; the reader looks at
/// [`Held::is_full`] and stops reading.
#[derive(Debug)]
pub(super) struct Held {
    waiting: Vec<Waiting>,
    limit: usize,
    limit_bytes: usize,
    bytes: usize,
    was_full: bool,
}

#[derive(Debug)]
struct Waiting {
    due: MonoTime,
    bytes: usize,
    captured: Captured,
}

impl Held {
    /// Full with `limit` things or `limit_bytes` bytes.
    pub(super) fn new(limit: usize, limit_bytes: usize) -> Self {
        Self { waiting: Vec::new(), limit, limit_bytes, bytes: 0, was_full: false }
    }

    pub(super) fn push(&mut self, due: MonoTime, captured: Captured) {
        let bytes = match &captured {
            Captured::Frame(frame) => frame.buffer().bytes().len(),
            Captured::Pcm(block) => 2 * block.samples.len(),
            Captured::Unit { unit, .. } => unit.data.len(),
            Captured::End => 0,
        };
        self.bytes = self.bytes.saturating_add(bytes);
        self.waiting.push(Waiting { due, bytes, captured });
    }

    /// The earliest thing that is due; of two with the same time, the one that came first.
    pub(super) fn pop(&mut self, now: MonoTime) -> Option<Captured> {
        let (index, _) = self.waiting.iter().enumerate().min_by_key(|(_, waiting)| waiting.due)?;
        if self.waiting.get(index)?.due > now {
            self.was_full |= self.is_full();
            return None;
        }
        let waiting = self.waiting.remove(index);
        self.bytes = self.bytes.saturating_sub(waiting.bytes);
        Some(waiting.captured)
    }

    pub(super) fn next_due(&self) -> Option<MonoTime> {
        self.waiting.iter().map(|waiting| waiting.due).min()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= self.limit || self.bytes >= self.limit_bytes
    }

    /// Whether something that isn't due filled it since the last call: the program runs ahead.
    pub(super) fn take_was_full(&mut self) -> bool {
        std::mem::take(&mut self.was_full)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::PcmBlock;

    fn block(captured_ms: i64) -> Captured {
        let captured = MonoTime::from_millis(captured_ms);
        Captured::Pcm(PcmBlock { captured, rate_hz: 8_000, channels: 1, samples: vec![0; 80].into() })
    }

    fn popped(held: &mut Held, now_ms: i64) -> Option<i64> {
        match held.pop(MonoTime::from_millis(now_ms))? {
            Captured::Pcm(block) => Some(block.captured.as_nanos() / 1_000_000),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn things_come_out_when_they_are_due_and_in_order() {
        let mut held = Held::new(9, 9_999);
        for (due, id) in [(30, 1), (10, 2), (30, 3), (20, 4)] {
            held.push(MonoTime::from_millis(due), block(id));
        }
        assert_eq!(popped(&mut held, 9), None);
        assert_eq!(held.next_due(), Some(MonoTime::from_millis(10)));
        let order: Vec<_> = std::iter::from_fn(|| popped(&mut held, 30)).collect();
        assert_eq!(order, [2, 4, 1, 3]);
        assert!(held.is_empty());
    }

    #[test]
    fn it_is_full_by_number_or_bytes_and_only_what_is_early_counts_as_ahead() {
        let mut held = Held::new(2, 9_999);
        held.push(MonoTime::from_millis(10), block(1));
        assert!(!held.is_full());
        held.push(MonoTime::from_millis(10), block(2));
        assert!(held.is_full());
        assert_eq!(popped(&mut held, 10), Some(1));
        assert!(!held.take_was_full(), "late is not ahead");
        held.push(MonoTime::from_millis(20), block(3));
        assert_eq!(popped(&mut held, 10), Some(2));
        held.push(MonoTime::from_millis(20), block(3));
        assert_eq!(popped(&mut held, 10), None);
        assert!(held.take_was_full());
        assert!(!held.take_was_full());
        let mut held = Held::new(99, 300);
        held.push(MonoTime::ZERO, block(1));
        held.push(MonoTime::ZERO, block(2));
        assert!(held.is_full());
    }
}
