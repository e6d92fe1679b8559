//! One RTP stream that comes from somebody: what it is, how much it is, and what of it came before. Pure.

use super::forward::{self, Flow, Incoming};
use super::message::Source;
use crate::codec::sps;
use crate::webrtc::layers;
use crate::webrtc::peer::rtp;
use bytes::Bytes;
use std::time::{Duration, Instant};

/// Key frames that are asked for of one flow, whoever wants them.
const KEY_FRAME_EVERY: Duration = Duration::from_millis(700);
/// Over what the rate is measured.
const MEASURED: Duration = Duration::from_secs(1);
/// Without a packet for so long it rests: a layer that the sender has put off, or somebody muted.
const RESTS_AFTER: Duration = Duration::from_millis(1_500);
/// Packets before the newest of which it is known whether they came.
const REMEMBERED: u16 = 1_024;

/// See the module.
#[derive(Debug)]
pub struct Inflow {
    pub flow: Flow,
    pub source: Source,
    pub level_extension: Option<u8>,
    /// Of the picture, as its parameter set has it; 0: not known yet.
    pub height: u32,
    /// Bits a second.
    pub rate_bps: u32,
    /// How many of a hundred packets didn't come.
    pub lost_percent: u32,
    last: Option<Instant>,
    key_frame_asked: Option<Instant>,
    measured: Option<Instant>,
    bytes: u64,
    came: u32,
    newest: Option<u16>,
    newest_measured: u16,
    seen: [u64; REMEMBERED as usize / 64],
}

impl Inflow {
    pub fn new(flow: Flow, source: Source, level_extension: Option<u8>) -> Self {
        Self {
            flow,
            source,
            level_extension,
            height: 0,
            rate_bps: 0,
            lost_percent: 0,
            last: None,
            key_frame_asked: None,
            measured: None,
            bytes: 0,
            came: 0,
            newest: None,
            newest_measured: 0,
            seen: [0; REMEMBERED as usize / 64],
        }
    }

    /// A packet came; `None`: it has come before, or is too old to tell.
    pub fn take(&mut self, header: &rtp::Header, payload: &Bytes, now: Instant) -> Option<Incoming> {
        if !self.is_new(header.sequence_number) {
            return None;
        }
        self.last = Some(now);
        self.bytes += payload.len() as u64;
        self.came += 1;
        self.measure(header.sequence_number, now);
        let picture = self.source != Source::Microphone;
        if picture && let Some(info) = forward::sps(payload).and_then(|unit| sps::parse(unit).ok()) {
            self.height = info.height.min(info.width);
        }
        Some(Incoming {
            flow: self.flow,
            sequence_number: header.sequence_number,
            timestamp: header.timestamp,
            starts: !picture || forward::starts_picture(payload),
            empty: payload.is_empty(),
        })
    }

    fn is_new(&mut self, number: u16) -> bool {
        let newest = *self.newest.get_or_insert_with(|| number.wrapping_sub(1));
        let ahead = number.wrapping_sub(newest);
        if ahead == 0 || (0x8000..=0xFFFF - REMEMBERED + 1).contains(&ahead) {
            return false;
        }
        if ahead < 0x8000 {
            // What is passed over hasn't come yet.
            for step in 1..=ahead.min(REMEMBERED) {
                self.mark(newest.wrapping_add(step), false);
            }
            self.newest = Some(number);
        }
        !self.mark(number, true)
    }

    /// What it was before.
    fn mark(&mut self, number: u16, came: bool) -> bool {
        let place = number % REMEMBERED;
        let Some(word) = self.seen.get_mut(usize::from(place / 64)) else { return false };
        let bit = 1 << (place % 64);
        let before = *word & bit != 0;
        *word = if came { *word | bit } else { *word & !bit };
        before
    }

    fn measure(&mut self, number: u16, now: Instant) {
        let Some(since) = self.measured else {
            (self.measured, self.newest_measured) = (Some(now), number);
            return;
        };
        let elapsed = now.saturating_duration_since(since);
        if elapsed < MEASURED {
            return;
        }
        let bits = self.bytes * 8_000 / (elapsed.as_millis().max(1) as u64);
        self.rate_bps = u32::try_from(bits).unwrap_or(u32::MAX);
        let newest = self.newest.unwrap_or(number);
        let sent = u32::from(newest.wrapping_sub(self.newest_measured)).max(1);
        self.lost_percent = sent.saturating_sub(self.came) * 100 / sent;
        (self.measured, self.newest_measured, self.bytes, self.came) = (Some(now), newest, 0, 0);
    }

    pub fn rests(&self, now: Instant) -> bool {
        self.last.is_none_or(|last| last + RESTS_AFTER <= now)
    }

    /// Whether a key frame is to be asked for now that somebody wants one.
    pub fn asks_for_key_frame(&mut self, now: Instant) -> bool {
        let asks = self.source != Source::Microphone
            && self.key_frame_asked.is_none_or(|asked| asked + KEY_FRAME_EVERY <= now);
        if asks {
            self.key_frame_asked = Some(now);
        }
        asks
    }
}

/// The layer for a picture of that height and a part of the bandwidth; see [`layers::choose`].
pub fn choose(inflows: &[&Inflow], current: Option<Flow>, height: u32, budget_bps: u64, now: Instant) -> Option<Flow> {
    let layer = |inflow: &&Inflow| layers::Layer {
        id: inflow.flow,
        height: inflow.height,
        rate_bps: inflow.rate_bps.into(),
        awake: !inflow.rests(now),
    };
    let layers: Vec<_> = inflows.iter().map(layer).collect();
    layers::choose(&layers, current, height, budget_bps)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "simulated time begins somewhere")]

    use super::*;

    fn packet(inflow: &mut Inflow, number: u16, len: usize, now: Instant) -> Option<Incoming> {
        let header = rtp::Header { sequence_number: number, ..rtp::Header::default() };
        inflow.take(&header, &Bytes::from(vec![1; len]), now)
    }

    fn inflow(ssrc: u32, height: u32, rate_bps: u32, now: Instant) -> Inflow {
        let mut inflow = Inflow::new(Flow(1, ssrc), Source::Camera, None);
        packet(&mut inflow, 1, 10, now);
        (inflow.height, inflow.rate_bps) = (height, rate_bps);
        inflow
    }

    #[test]
    fn each_packet_counts_once() {
        let now = Instant::now();
        let mut inflow = Inflow::new(Flow(1, 1), Source::Camera, None);
        let numbers = [65_534, 65_535, 1, 1, 0, 65_534, 2_000, 3, 976, 977, 977, 2_000];
        let came: Vec<_> =
            numbers.iter().filter(|number| packet(&mut inflow, **number, 9, now).is_some()).copied().collect();
        assert_eq!(came, [65_534, 65_535, 1, 0, 2_000, 977], "once each, and none that is too old to tell");
    }

    #[test]
    fn rate_and_loss_are_measured() {
        let start = Instant::now();
        let mut inflow = Inflow::new(Flow(1, 1), Source::Camera, None);
        for number in (0..300u16).filter(|number| number % 10 != 5) {
            packet(&mut inflow, number, 1_000, start + Duration::from_millis(u64::from(number) * 10));
        }
        assert!((700_000..740_000).contains(&inflow.rate_bps), "{}", inflow.rate_bps);
        assert!((9..=11).contains(&inflow.lost_percent), "{}", inflow.lost_percent);
        assert!(inflow.rests(start + Duration::from_secs(5)));
    }

    #[test]
    fn a_layer_that_rests_isnt_chosen() {
        let now = Instant::now();
        let (low, high) = (inflow(1, 180, 150_000, now), inflow(2, 720, 1_500_000, now));
        assert_eq!(choose(&[&high, &low], None, 720, 9_000_000, now), Some(Flow(1, 2)));
        let later = now + RESTS_AFTER;
        let low = inflow(1, 180, 150_000, later);
        assert_eq!(choose(&[&high, &low], Some(Flow(1, 2)), 720, 9_000_000, later), Some(Flow(1, 1)));
    }

    #[test]
    fn key_frames_are_asked_for_seldom() {
        let now = Instant::now();
        let mut inflow = inflow(1, 0, 0, now);
        assert!(inflow.asks_for_key_frame(now) && !inflow.asks_for_key_frame(now));
        assert!(inflow.asks_for_key_frame(now + KEY_FRAME_EVERY));
    }
}
