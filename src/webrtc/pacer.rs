//! Pictures leave a little at a time: a key frame at once would overrun thin links and the shallow buffers of Wi-Fi.
//!
//! What fits into a burst goes at once, so ordinary pictures aren't held up; the rest at a multiple of what the link
//! is thought to carry, and always so fast that everything has left within [`WITHIN`]. So nothing is lost and nothing
//! grows here: to send less is the encoder's and the layers' business. Sound, repairs and RTCP pass by. (The pacer
//! that comes with `rtc` makes sound wait behind pictures, and every packet for a timer.) Sans-IO.

use rtc::interceptor::{Interceptor, Packet, StreamInfo, TaggedPacket};
use rtc::sansio::Protocol;
use rtc::shared::error::Error;
use rtc::shared::marshal::MarshalSize;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Leaves at once, bytes: a picture of 3 Mbit/s, and half of one.
const BURST: i64 = 20_000;
/// After so long everything has left.
const WITHIN: Duration = Duration::from_millis(50);
/// What leaves in such a time leaves together: each time costs a wake-up.
const STEP: Duration = Duration::from_millis(5);
/// The least pace, bits a second, and of an estimate how much.
const SLOWEST_BPS: u64 = 5_000_000;
const MULTIPLE: (u64, u64) = (5, 2);
/// A queue that has been longer gives its memory back.
const SHORT: usize = 32;

/// Items in the order in which they came, each when it may leave.
#[derive(Debug)]
pub struct Pacer<T> {
    queue: VecDeque<(i64, T)>,
    queued: i64,
    /// What may leave now, bytes; the last one that did may have overdrawn it.
    budget: i64,
    /// Bytes a second.
    pace: i64,
    slowest: i64,
    seen: Option<Instant>,
}

impl<T> Default for Pacer<T> {
    fn default() -> Self {
        let slowest = bytes_a_second(0);
        Self { queue: VecDeque::new(), queued: 0, budget: BURST, pace: slowest, slowest, seen: None }
    }
}

impl<T> Pacer<T> {
    /// `estimate_bps`: what the link is thought to carry.
    pub fn push(&mut self, item: T, bytes: usize, estimate_bps: u64, now: Instant) {
        self.wake(now);
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.queue.push_back((bytes, item));
        self.queued = self.queued.saturating_add(bytes);
        self.slowest = bytes_a_second(estimate_bps);
        let missing = self.queued.saturating_sub(self.budget).max(0);
        let in_time = missing.saturating_mul(1_000) / WITHIN.as_millis() as i64;
        self.pace = self.pace.max(self.slowest).max(in_time);
    }

    /// Time has passed.
    pub fn wake(&mut self, now: Instant) {
        let passed = self.seen.map_or(Duration::ZERO, |seen| now.saturating_duration_since(seen));
        self.seen = Some(self.seen.map_or(now, |seen| seen.max(now)));
        let micros = i64::try_from(passed.as_micros()).unwrap_or(i64::MAX);
        self.budget = self.budget.saturating_add(self.pace.saturating_mul(micros) / 1_000_000);
        if self.queue.is_empty() {
            self.budget = self.budget.min(BURST);
        }
    }

    /// The next one that may leave.
    pub fn pop(&mut self) -> Option<T> {
        if self.budget <= 0 {
            return None;
        }
        let (bytes, item) = self.queue.pop_front()?;
        self.queued -= bytes;
        self.budget -= bytes;
        if self.queue.is_empty() {
            (self.budget, self.pace) = (self.budget.min(BURST), self.slowest);
            self.queue.shrink_to(SHORT);
        }
        Some(item)
    }

    /// When the next one may leave.
    pub fn deadline(&self) -> Option<Instant> {
        if self.queue.is_empty() {
            return None;
        }
        let micros = self.budget.saturating_neg().max(0).saturating_add(1).saturating_mul(1_000_000) / self.pace + 1;
        Some(self.seen? + Duration::from_micros(micros.unsigned_abs()).max(STEP))
    }
}

/// The least pace where `estimate_bps` is thought to pass.
fn bytes_a_second(estimate_bps: u64) -> i64 {
    let (times, of) = MULTIPLE;
    i64::try_from((estimate_bps.saturating_mul(times) / of).max(SLOWEST_BPS) / 8).unwrap_or(i64::MAX)
}

/// In a peer's chain: paces the packets of pictures.
pub struct Paced {
    pacer: Pacer<TaggedPacket>,
    estimate_bps: Arc<AtomicU64>,
    /// SSRCs.
    pictures: BTreeSet<u32>,
    reads: VecDeque<TaggedPacket>,
    writes: VecDeque<TaggedPacket>,
}

impl Paced {
    pub fn new(estimate_bps: Arc<AtomicU64>) -> Self {
        let pacer = Pacer::default();
        Self { pacer, estimate_bps, pictures: BTreeSet::new(), reads: VecDeque::new(), writes: VecDeque::new() }
    }

    fn release(&mut self, now: Instant) {
        while let Some(mut packet) = self.pacer.pop() {
            // Estimates go by when it really left.
            packet.now = now;
            self.writes.push_back(packet);
        }
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for Paced {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        self.reads.push_back(packet);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.reads.pop_front()
    }

    fn handle_write(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        match &packet.message.packet {
            Packet::Rtp(rtp) if self.pictures.contains(&rtp.header.ssrc) => {
                let (bytes, now) = (rtp.marshal_size(), packet.now);
                self.pacer.push(packet, bytes, self.estimate_bps.load(Ordering::Relaxed), now);
                self.release(now);
            }
            _ => self.writes.push_back(packet),
        }
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.writes.pop_front()
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        self.pacer.wake(now);
        self.release(now);
        Ok(())
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.pacer.deadline()
    }
}

impl Interceptor for Paced {
    fn bind_local_stream(&mut self, stream: &StreamInfo) {
        if stream.mime_type.to_ascii_lowercase().starts_with("video/") {
            self.pictures.insert(stream.ssrc);
        }
    }

    fn unbind_local_stream(&mut self, stream: &StreamInfo) {
        self.pictures.remove(&stream.ssrc);
    }

    fn bind_remote_stream(&mut self, _: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _: &StreamInfo) {}
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "some moment to count from")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PACKET: usize = 1_200;

    /// Pushes pictures (after so many ms, of so many packets), wakes when it is due, and notes when each packet was
    /// pushed and left; ms.
    fn passed(pictures: &[(u64, usize)], estimate_bps: u64) -> Vec<(u64, Duration, Duration)> {
        let began = Instant::now();
        let (mut pacer, mut left, mut number) = (Pacer::default(), Vec::new(), 0);
        let leave = |pacer: &mut Pacer<(u64, Instant)>, now: Instant, left: &mut Vec<_>| {
            while let Some((number, pushed)) = pacer.pop() {
                left.push((number, pushed.duration_since(began), now.duration_since(began)));
            }
        };
        let mut now = began;
        for (after, packets) in pictures {
            let due = now + Duration::from_millis(*after);
            while let Some(deadline) = pacer.deadline().filter(|deadline| *deadline <= due) {
                assert!(deadline > now, "time goes on");
                now = deadline;
                pacer.wake(now);
                leave(&mut pacer, now, &mut left);
            }
            now = due;
            for _ in 0..*packets {
                pacer.push((number, now), PACKET, estimate_bps, now);
                number += 1;
                leave(&mut pacer, now, &mut left);
            }
        }
        while let Some(deadline) = pacer.deadline() {
            now = deadline;
            pacer.wake(now);
            leave(&mut pacer, now, &mut left);
        }
        left
    }

    #[test]
    fn ordinary_pictures_are_not_held_up() {
        let left = passed(&[(33, 9); 90], 0);
        assert_eq!(left.len(), 90 * 9);
        assert!(left.iter().all(|(_, pushed, left)| pushed == left), "2.6 Mbit/s");
    }

    #[test]
    fn a_key_frame_leaves_in_steps_and_in_time() {
        let left = passed(&[(0, 9), (33, 60), (33, 9), (33, 9), (33, 9), (33, 9)], 0);
        let key_frame = &left[9..69];
        let at_once = key_frame.iter().filter(|(_, pushed, left)| pushed == left).count();
        assert!((16..=18).contains(&at_once), "{at_once}");
        let last = key_frame[59].2 - key_frame[59].1;
        assert!((WITHIN / 2..=WITHIN + STEP).contains(&last), "{last:?}");
        let most = key_frame[at_once..].chunk_by(|one, other| one.2 == other.2).map(<[_]>::len).max();
        assert!(most.is_some_and(|most| most <= 6), "{most:?} at one time");
        let later = left.last().expect("a picture");
        assert_eq!(later.1, later.2, "and then all is as before");
    }

    #[test]
    fn who_has_a_wide_link_has_it_sooner() {
        let last = |estimate_bps| passed(&[(0, 60)], estimate_bps).last().map(|(_, pushed, left)| *left - *pushed);
        assert!(last(20_000_000) <= Some(Duration::from_millis(15)), "{:?}", last(20_000_000));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_reordered_or_late(
            pictures in prop::collection::vec((0..200u64, 0..500usize), 0..20),
            estimate_bps in 0..100_000_000u64,
        ) {
            let left = passed(&pictures, estimate_bps);
            let sent: usize = pictures.iter().map(|(_, packets)| packets).sum();
            prop_assert!(left.iter().map(|(number, ..)| *number).eq(0..sent as u64));
            let late = left.iter().map(|(_, pushed, left)| *left - *pushed).max().unwrap_or_default();
            prop_assert!(late <= WITHIN + 2 * STEP, "{late:?}");
        }
    }
}
