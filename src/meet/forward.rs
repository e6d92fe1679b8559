//! The packets of others under one numbering: what one receiver sees on one medium is a single stream, whoever
//! is on it and whichever layer that is. Pure.
//!
//! A picture changes over at a key frame of the new layer, sound at once. Numbers go on without a gap where the
//! sender's do; a packet that the sender's network lost is a gap here, too, until it comes.

use super::room::PersonId;
use std::collections::VecDeque;
use std::time::Instant;

/// Changes of the numbering that late packets can still be under.
const MAX_OFFSETS: usize = 16;

/// One RTP stream: whose, and its SSRC, which others may have, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flow(pub PersonId, pub u32);

/// What is known of a packet that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Incoming {
    pub flow: Flow,
    pub sequence_number: u16,
    pub timestamp: u32,
    /// A receiver can begin with it.
    pub starts: bool,
    /// Padding alone: nobody needs it.
    pub empty: bool,
}

/// Under which numbers it goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbers {
    pub sequence_number: u16,
    pub timestamp: u32,
    /// The first of another sender or layer.
    pub changed: bool,
}

#[derive(Debug)]
struct Current {
    flow: Flow,
    /// The first that belongs here; what is before it came before the change.
    first: u16,
    highest: u16,
    /// From which number of the sender's on, how much is added.
    offsets: VecDeque<(u16, u16)>,
    timestamp_offset: u32,
}

/// One medium of one receiver.
#[derive(Debug)]
pub struct Forward {
    clock_hz: u32,
    /// The last numbers that went out, and when.
    sequence_number: u16,
    timestamp: u32,
    at: Option<Instant>,
    current: Option<Current>,
    target: Option<Flow>,
}

/// Whether `a` comes after `b`, or is `b`, in numbers that wrap.
fn from_on(a: u16, b: u16) -> bool {
    a.wrapping_sub(b) < 0x8000
}

impl Current {
    /// Keeps the offsets that hold from `first` on: numbers that wrap can't be compared with older ones.
    fn forget_what_is_far_behind(&mut self) {
        let holds = |(from, _): &(u16, u16)| from_on(self.first, *from);
        let before = self.offsets.iter().rposition(holds).unwrap_or_default();
        self.offsets.drain(..before);
        if let Some((from, _)) = self.offsets.front_mut()
            && from_on(self.first, *from)
        {
            *from = self.first;
        }
    }
}

impl Forward {
    /// `seed` is where the numbers begin.
    pub fn new(clock_hz: u32, seed: u32) -> Self {
        let sequence_number = (seed >> 16) as u16;
        Self { clock_hz, sequence_number, timestamp: seed, at: None, current: None, target: None }
    }

    /// Whose packets are wanted from now on. The ones before go on until those come.
    pub fn aim(&mut self, flow: Option<Flow>) {
        self.target = flow;
        if flow.is_none() {
            self.current = None;
        }
    }

    /// The same, with nothing of the ones before: somebody else sits here.
    pub fn cut(&mut self, flow: Option<Flow>) {
        self.aim(flow);
        self.current = None;
    }

    pub fn target(&self) -> Option<Flow> {
        self.target
    }

    /// Waits for a key frame.
    pub fn is_waiting(&self) -> bool {
        self.target.is_some() && self.target != self.current.as_ref().map(|current| current.flow)
    }

    /// What is to be seen now.
    pub fn current(&self) -> Option<Flow> {
        self.current.as_ref().map(|current| current.flow)
    }

    /// `None`: it doesn't go out.
    pub fn pass(&mut self, packet: &Incoming, now: Instant) -> Option<Numbers> {
        if self.target == Some(packet.flow) && self.is_waiting() && packet.starts && !packet.empty {
            return Some(self.change(packet, now));
        }
        let current = self.current.as_mut().filter(|current| current.flow == packet.flow)?;
        let number = packet.sequence_number;
        if !from_on(number, current.first) {
            return None;
        }
        let newest = number != current.highest && from_on(number, current.highest);
        let offset =
            current.offsets.iter().rev().find(|(from, _)| from_on(number, *from)).map(|(_, offset)| *offset)?;
        if newest {
            current.highest = number;
            // Far behind, wrapped numbers would look new again.
            if number.wrapping_sub(current.first) > 0x4000 {
                current.first = number.wrapping_sub(0x2000);
                current.forget_what_is_far_behind();
            }
        }
        if packet.empty {
            if newest {
                current.offsets.push_back((number.wrapping_add(1), offset.wrapping_sub(1)));
                if current.offsets.len() > MAX_OFFSETS {
                    current.offsets.pop_front();
                }
            }
            return None;
        }
        let sequence_number = number.wrapping_add(offset);
        let timestamp = packet.timestamp.wrapping_add(current.timestamp_offset);
        if newest {
            self.sequence_number = sequence_number;
            self.timestamp = timestamp;
            self.at = Some(now);
        }
        Some(Numbers { sequence_number, timestamp, changed: false })
    }

    fn change(&mut self, packet: &Incoming, now: Instant) -> Numbers {
        let elapsed = self.at.map_or(0, |at| now.saturating_duration_since(at).as_micros());
        let ticks = elapsed * u128::from(self.clock_hz) / 1_000_000;
        // Two pictures never have the same time.
        let timestamp = self.timestamp.wrapping_add((ticks as u32).max(1));
        let sequence_number = self.sequence_number.wrapping_add(1);
        let offset = sequence_number.wrapping_sub(packet.sequence_number);
        self.current = Some(Current {
            flow: packet.flow,
            first: packet.sequence_number,
            highest: packet.sequence_number,
            offsets: VecDeque::from([(packet.sequence_number, offset)]),
            timestamp_offset: timestamp.wrapping_sub(packet.timestamp),
        });
        (self.sequence_number, self.timestamp, self.at) = (sequence_number, timestamp, Some(now));
        Numbers { sequence_number, timestamp, changed: true }
    }
}

/// Whether an H.264 payload (RFC 6184) holds parameter sets, with which a key frame comes, or begins one.
pub fn starts_picture(payload: &[u8]) -> bool {
    const IDR: u8 = 5;
    const SPS: u8 = 7;
    const STAP_A: u8 = 24;
    const FU_A: u8 = 28;
    let kind = |byte: u8| byte & 0x1F;
    match payload {
        [first, rest @ ..] if kind(*first) == STAP_A => {
            let mut rest = rest;
            while let [high, low, unit @ ..] = rest {
                let len = usize::from(u16::from_be_bytes([*high, *low]));
                if unit.first().is_some_and(|byte| matches!(kind(*byte), IDR | SPS)) {
                    return true;
                }
                rest = unit.get(len..).unwrap_or_default();
            }
            false
        }
        [first, head, ..] if kind(*first) == FU_A => head & 0x80 != 0 && kind(*head) == IDR,
        [first, ..] => matches!(kind(*first), IDR | SPS),
        [] => false,
    }
}

/// The sequence parameter set in a payload, where one is.
pub fn sps(payload: &[u8]) -> Option<&[u8]> {
    let is_sps = |unit: &[u8]| unit.first().is_some_and(|byte| byte & 0x1F == 7);
    if is_sps(payload) {
        return Some(payload);
    }
    let (_, mut rest) = payload.split_first().filter(|(first, _)| *first & 0x1F == 24)?;
    while let [high, low, units @ ..] = rest {
        let unit = units.get(..usize::from(u16::from_be_bytes([*high, *low])))?;
        if is_sps(unit) {
            return Some(unit);
        }
        rest = units.get(unit.len()..).unwrap_or_default();
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "simulated time begins somewhere")]

    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn packet(flow: u32, sequence_number: u16, timestamp: u32, starts: bool) -> Incoming {
        Incoming { flow: Flow(1, flow), sequence_number, timestamp, starts, empty: false }
    }

    #[test]
    fn a_picture_changes_over_at_a_key_frame_and_numbers_go_on() {
        let (mut forward, now) = (Forward::new(90_000, 5 << 16), Instant::now());
        forward.aim(Some(Flow(1, 1)));
        assert_eq!(forward.pass(&packet(1, 9, 0, false), now), None, "nothing to begin with");
        let first = forward.pass(&packet(1, 10, 1_000, true), now).expect("a key frame");
        assert!(first.changed && first.sequence_number == 6);
        let next = forward.pass(&packet(1, 11, 4_000, false), now).expect("goes on");
        assert_eq!((next.sequence_number, next.timestamp), (7, first.timestamp.wrapping_add(3_000)));
        forward.aim(Some(Flow(1, 2)));
        assert!(forward.is_waiting());
        assert!(forward.pass(&packet(1, 12, 7_000, false), now).is_some(), "until the other's key frame");
        let later = now + Duration::from_millis(100);
        let other = forward.pass(&packet(2, 60_000, 77, true), later).expect("changes over");
        assert_eq!((other.sequence_number, other.timestamp), (9, next.timestamp.wrapping_add(3_000 + 9_000)));
        assert_eq!(forward.pass(&packet(1, 13, 10_000, true), later), None);
        forward.aim(None);
        assert_eq!(forward.pass(&packet(2, 60_001, 77, true), later), None);
    }

    #[test]
    fn it_goes_on_for_hours() {
        let (mut forward, now) = (Forward::new(48_000, 7 << 16), Instant::now());
        forward.aim(Some(Flow(1, 1)));
        for count in 0..300_000_u32 {
            let mut packet = packet(1, count as u16, count.wrapping_mul(960), count == 0);
            // Padding now and then, as browsers send it.
            packet.empty = count % 5_000 == 4_999;
            let numbers = forward.pass(&packet, now);
            assert_eq!(numbers.is_none(), packet.empty, "packet {count}");
            if let Some(numbers) = numbers {
                let padding = (count / 5_000) as u16;
                assert_eq!(
                    numbers.sequence_number,
                    8_u16.wrapping_add(count as u16).wrapping_sub(padding),
                    "packet {count}"
                );
            }
        }
    }

    #[test]
    fn padding_leaves_no_gap_and_lost_packets_do() {
        let (mut forward, now) = (Forward::new(90_000, 0), Instant::now());
        forward.aim(Some(Flow(1, 1)));
        let mut pass = |number, empty| {
            let packet = Incoming { empty, ..packet(1, number, 0, true) };
            forward.pass(&packet, now).map(|numbers| numbers.sequence_number)
        };
        assert_eq!(pass(100, false), Some(1));
        assert_eq!(pass(102, false), Some(3));
        assert_eq!(pass(103, true), None);
        assert_eq!(pass(105, false), Some(5));
        assert_eq!(pass(101, false), Some(2), "late");
        assert_eq!(pass(104, false), Some(4), "late, behind the padding");
        assert_eq!(pass(99, false), None, "before the beginning");
    }

    #[test]
    fn key_frames_and_parameter_sets_are_known() {
        for (payload, starts, set) in [
            (&[0x67u8, 1, 2][..], true, true),
            (&[0x65, 1], true, false),
            (&[0x61, 1], false, false),
            (&[24, 0, 2, 0x67, 1, 0, 1, 0x68], true, true),
            (&[24, 0, 1, 0x06, 0, 1, 0x61], false, false),
            (&[24, 0, 1, 0x06, 0, 2, 0x67, 9], true, true),
            (&[24, 0xFF, 0xFF, 0x61], false, false),
            (&[0x7C, 0x85], true, false),
            (&[0x7C, 0x05], false, false),
            (&[0x7C, 0x81], false, false),
            (&[], false, false),
            (&[24], false, false),
            (&[24, 0], false, false),
        ] {
            assert_eq!(starts_picture(payload), starts, "{payload:?}");
            assert_eq!(sps(payload).is_some(), set, "{payload:?}");
        }
    }

    proptest! {
        /// Whatever is reordered, lost or padding: no number goes out twice for different packets, and without loss
        /// there is no gap.
        #[test]
        fn numbers_are_unique_and_dense(
            start in any::<u16>(), seed in any::<u32>(),
            kinds in proptest::collection::vec((any::<bool>(), 0usize..3), 1..200),
        ) {
            let (mut forward, now) = (Forward::new(90_000, seed), Instant::now());
            forward.aim(Some(Flow(1, 1)));
            let packets: Vec<_> = kinds.iter().enumerate().map(|(index, (empty, _))| Incoming {
                flow: Flow(1, 1), sequence_number: start.wrapping_add(index as u16), timestamp: index as u32,
                starts: index == 0, empty: *empty && index > 0,
            }).collect();
            let mut out = Vec::new();
            for packet in &packets {
                out.extend(forward.pass(packet, now).map(|numbers| numbers.sequence_number));
            }
            let first = out.first().copied().unwrap_or_default();
            let dense: Vec<_> = (0..out.len()).map(|index| first.wrapping_add(index as u16)).collect();
            prop_assert_eq!(out, dense);

            // The same with neighbours swapped.
            let mut forward = Forward::new(90_000, seed);
            forward.aim(Some(Flow(1, 1)));
            let mut order: Vec<usize> = (0..packets.len()).collect();
            for (index, (_, by)) in kinds.iter().enumerate() {
                if index > 0 && index + by < order.len() { order.swap(index, index + by); }
            }
            let mut seen = std::collections::BTreeSet::new();
            for index in order {
                if let Some(numbers) = forward.pass(&packets[index], now) {
                    prop_assert!(seen.insert(numbers.sequence_number), "{} twice", numbers.sequence_number);
                }
            }
        }

        #[test]
        fn no_payload_panics(payload in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = (starts_picture(&payload), sps(&payload));
        }
    }
}
