//! H.264 out of RTP (RFC 6184, packetization-mode 1): payloads in the sender's order → pictures. Sans-IO; bytes
//! from anybody.

use crate::codec::nal::{self, H264Unit, NalType};
use bytes::{BufMut, Bytes, BytesMut};
use std::collections::VecDeque;

/// The largest picture, bytes: ten times what a key frame of 1080p at 20 Mbit/s has.
const MAX_PICTURE: usize = 4 << 20;
/// Units of one picture: one a macroblock row would be 270 at the most.
const MAX_UNITS: usize = 1_024;
/// Pictures that wait to be taken.
const MAX_READY: usize = 8;

const STAP_A: u8 = 24;
const FU_A: u8 = 28;
const FU_START: u8 = 0x80;
const FU_END: u8 = 0x40;

/// One access unit, and when it was by the sender's clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    pub timestamp: u32,
    pub unit: H264Unit,
}

/// The access unit that is being put together.
#[derive(Debug, Default)]
struct Open {
    timestamp: u32,
    units: Vec<Bytes>,
    fragment: Option<BytesMut>,
    bytes: usize,
    /// Something of it is missing, or makes no sense.
    broken: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Pictures {
    open: Option<Open>,
    ready: VecDeque<Picture>,
    /// Packets were lost just before the next one.
    after_loss: bool,
    /// What comes can't be decoded until a key frame does.
    needs_key_frame: bool,
}

impl Default for Pictures {
    fn default() -> Self {
        Self { open: None, ready: VecDeque::new(), after_loss: false, needs_key_frame: true }
    }
}

impl Pictures {
    /// Packets are missing between the last one and the next.
    pub fn lost(&mut self) {
        self.after_loss = true;
        self.needs_key_frame = true;
        if let Some(open) = &mut self.open {
            open.broken = true;
        }
    }

    /// Whether pictures are left out until a key frame comes: it should be asked for.
    pub fn needs_key_frame(&self) -> bool {
        self.needs_key_frame
    }

    /// The next packet. `marker`: the picture ends with it.
    pub fn push(&mut self, timestamp: u32, marker: bool, payload: &Bytes) {
        // Padding, which probes the network.
        let Some(&indicator) = payload.first() else { return };
        if self.open.as_ref().is_some_and(|open| open.timestamp != timestamp) {
            self.close();
        }
        let after_loss = std::mem::take(&mut self.after_loss);
        let open = self.open.get_or_insert_with(|| {
            // Is this where the picture begins? Only some say so.
            let broken = after_loss && !begins(payload);
            Open { timestamp, broken, ..Open::default() }
        });
        match indicator & 0x1f {
            1..=23 => open.unit(payload.clone()),
            STAP_A => open.several(payload.slice(1..)),
            FU_A => open.fragment(payload),
            _ => open.broken = true,
        }
        if marker {
            self.close();
        }
    }

    /// The next whole picture, or parameter sets without one.
    pub fn next(&mut self) -> Option<Picture> {
        self.ready.pop_front()
    }

    fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        let units: Vec<&[u8]> = open.units.iter().map(|unit| &**unit).collect();
        let whole = !open.broken && open.fragment.is_none();
        let Some(unit) = nal::from_units(&units).ok().filter(|_| whole) else {
            self.needs_key_frame = true;
            return;
        };
        if self.needs_key_frame && unit.has_picture() && !unit.keyframe {
            return;
        }
        self.needs_key_frame &= !unit.keyframe;
        if self.ready.len() == MAX_READY {
            self.ready.clear();
            self.needs_key_frame = true;
            return;
        }
        self.ready.push_back(Picture { timestamp: open.timestamp, unit });
    }
}

impl Open {
    fn unit(&mut self, unit: Bytes) {
        // A fragment that never ended.
        self.broken |= self.fragment.take().is_some();
        self.bytes = self.bytes.saturating_add(unit.len());
        if self.units.len() >= MAX_UNITS || self.bytes > MAX_PICTURE {
            self.broken = true;
            self.units.clear();
        } else if !self.broken {
            self.units.push(unit);
        }
    }

    /// Several units behind their lengths (5.7.1).
    fn several(&mut self, mut rest: Bytes) {
        while let Some((length, _)) = rest.split_first_chunk::<2>() {
            let length = usize::from(u16::from_be_bytes(*length));
            if length == 0 || rest.len() < 2 + length {
                self.broken = true;
                return;
            }
            let unit = rest.slice(2..2 + length);
            rest = rest.slice(2 + length..);
            self.unit(unit);
        }
        self.broken |= !rest.is_empty();
    }

    /// A piece of a unit (5.8).
    fn fragment(&mut self, payload: &Bytes) {
        let &[indicator, header, ref piece @ ..] = &payload[..] else {
            self.broken = true;
            return;
        };
        if header & FU_START != 0 {
            self.broken |= self.fragment.is_some();
            let mut fragment = BytesMut::new();
            fragment.put_u8((indicator & 0xe0) | (header & 0x1f));
            self.fragment = Some(fragment);
        }
        let Some(fragment) = &mut self.fragment else {
            self.broken = true;
            return;
        };
        if self.bytes + fragment.len() + piece.len() > MAX_PICTURE {
            self.broken = true;
            self.fragment = None;
            return;
        }
        fragment.put_slice(piece);
        if header & FU_END != 0
            && let Some(fragment) = self.fragment.take()
        {
            self.unit(fragment.freeze());
        }
    }
}

/// Whether an access unit begins with this payload for certain: with a delimiter or a sequence parameter set.
fn begins(payload: &[u8]) -> bool {
    let first = match payload {
        [indicator, _, _, header, ..] if indicator & 0x1f == STAP_A => *header,
        [header, ..] => *header,
        [] => return false,
    };
    matches!(NalType::from_header(first), NalType::AccessUnitDelimiter | NalType::Sps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rtc::rtp::codec::h264::H264Payloader;
    use rtc::rtp::packetizer::Payloader;

    const SPS: &[u8] = &[0x67, 0x42, 0xe0, 0x1f, 1];
    const PPS: &[u8] = &[0x68, 0xce, 2];

    fn slice(keyframe: bool, len: usize) -> Vec<u8> {
        let mut slice = vec![7; len];
        slice[0] = if keyframe { 0x65 } else { 0x41 };
        slice
    }

    /// As browsers send it.
    fn payloads(units: &[&[u8]], mtu: usize) -> Vec<Bytes> {
        H264Payloader::default().payload(mtu, &nal::to_annex_b(units, &[])).expect("payloads")
    }

    fn key(len: usize) -> Vec<Bytes> {
        payloads(&[SPS, PPS, &slice(true, len)], 100)
    }

    fn push(pictures: &mut Pictures, timestamp: u32, payloads: &[Bytes]) {
        let last = payloads.len() - 1;
        for (n, payload) in payloads.iter().enumerate() {
            pictures.push(timestamp, n == last, payload);
        }
    }

    fn taken(pictures: &mut Pictures) -> Vec<(u32, bool)> {
        std::iter::from_fn(|| pictures.next()).map(|picture| (picture.timestamp, picture.unit.keyframe)).collect()
    }

    #[test]
    fn single_units_aggregates_and_fragments_become_the_picture_that_was_sent() {
        let mut pictures = Pictures::default();
        let sent = key(1_000);
        assert!(sent.len() > 10 && sent[0][0] & 0x1f == STAP_A, "{sent:?}");
        push(&mut pictures, 3_000, &sent);
        push(&mut pictures, 6_000, &payloads(&[&slice(false, 50), &slice(false, 400)], 100));
        let first = pictures.next().expect("a picture");
        assert_eq!(
            (first.timestamp, first.unit.sps.as_deref(), first.unit.pps.as_deref()),
            (3_000, Some(SPS), Some(PPS))
        );
        assert!(first.unit.keyframe);
        assert_eq!(nal::length_prefixed_units(&first.unit.data).collect::<Vec<_>>(), [slice(true, 1_000)]);
        let second = pictures.next().expect("a picture");
        let units: Vec<_> = nal::length_prefixed_units(&second.unit.data).collect();
        assert_eq!(units, [slice(false, 50), slice(false, 400)]);
        assert!(!second.unit.keyframe && pictures.next().is_none());
    }

    #[test]
    fn a_picture_ends_where_the_next_begins_if_its_marker_is_missing() {
        let mut pictures = Pictures::default();
        for payload in key(300) {
            pictures.push(1, false, &payload);
        }
        assert!(pictures.next().is_none());
        push(&mut pictures, 2, &payloads(&[&slice(false, 20)], 100));
        assert_eq!(taken(&mut pictures), [(1, true), (2, false)]);
    }

    #[test]
    fn after_a_loss_nothing_comes_until_a_whole_key_frame_does() {
        let mut pictures = Pictures::default();
        push(&mut pictures, 0, &payloads(&[&slice(false, 20)], 100));
        assert!(taken(&mut pictures).is_empty() && pictures.needs_key_frame(), "it begins with a key frame");
        push(&mut pictures, 1, &key(300));
        assert!(!pictures.needs_key_frame());
        let torn = payloads(&[&slice(false, 500)], 100);
        pictures.push(2, false, &torn[0]);
        pictures.lost();
        pictures.push(2, true, &torn[5]);
        push(&mut pictures, 3, &payloads(&[&slice(false, 20)], 100));
        assert_eq!(taken(&mut pictures), [(1, true)]);
        assert!(pictures.needs_key_frame());
        // A key frame whose beginning is missing is none, even though what is there makes sense by itself.
        pictures.lost();
        let whole = payloads(&[SPS, PPS, &slice(true, 80), &slice(true, 80)], 100);
        push(&mut pictures, 4, &whole[whole.len() - 1..]);
        assert!(taken(&mut pictures).is_empty() && pictures.needs_key_frame());
        pictures.lost();
        push(&mut pictures, 5, &key(300));
        assert_eq!(taken(&mut pictures), [(5, true)]);
        assert!(!pictures.needs_key_frame());
    }

    #[test]
    fn padding_is_nothing_and_what_makes_no_sense_spoils_its_picture_alone() {
        let mut pictures = Pictures::default();
        push(&mut pictures, 1, &key(300));
        pictures.push(9, false, &Bytes::new());
        assert_eq!(taken(&mut pictures), [(1, true)]);
        for bad in [&[STAP_A, 0, 9, 1][..], &[STAP_A, 0], &[FU_A], &[FU_A, 0x41, 1], &[29, 1], &[0], &[STAP_A, 0, 0]] {
            pictures.push(2, true, &Bytes::from_static(&[0x41, 7]));
            pictures.push(3, true, &Bytes::copy_from_slice(bad));
            assert!(pictures.needs_key_frame(), "{bad:?}");
            push(&mut pictures, 4, &key(300));
            assert_eq!(taken(&mut pictures), [(2, false), (4, true)], "{bad:?}");
        }
    }

    #[test]
    fn a_picture_without_end_is_bounded() {
        let mut pictures = Pictures::default();
        let mut start = vec![9; 60_000];
        (start[0], start[1]) = (FU_A, FU_START | 5);
        pictures.push(1, false, &start.clone().into());
        start[1] = 5;
        for _ in 0..200 {
            pictures.push(1, false, &start.clone().into());
        }
        let open = pictures.open.as_ref().expect("open");
        assert!(open.broken && open.fragment.is_none() && open.bytes <= MAX_PICTURE);
        for _ in 0..2 * MAX_UNITS {
            pictures.push(2, false, &Bytes::from_static(&[0x41, 1]));
        }
        assert!(pictures.open.as_ref().is_some_and(|open| open.broken && open.units.len() <= MAX_UNITS));
    }

    proptest! {
        #[test]
        fn nothing_that_anybody_sends_panics(
            packets in proptest::collection::vec((0_u32..4, any::<bool>(), any::<bool>(), prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..60),
                (Just(FU_A | 0x60), any::<u8>(), proptest::collection::vec(any::<u8>(), 0..60))
                    .prop_map(|(first, second, rest)| [vec![first, second], rest].concat()),
            ]), 0..60)
        ) {
            let mut pictures = Pictures::default();
            for (timestamp, marker, lost, payload) in packets {
                if lost {
                    pictures.lost();
                }
                pictures.push(timestamp, marker, &payload.into());
                prop_assert!(pictures.ready.len() <= MAX_READY);
                while let Some(picture) = pictures.next() {
                    prop_assert!(!picture.unit.data.is_empty() || !picture.unit.has_picture());
                }
            }
        }

        #[test]
        fn pictures_of_every_shape_come_through(
            lens in proptest::collection::vec(2_usize..900, 1..6), mtu in 60_usize..1_200
        ) {
            let slices: Vec<Vec<u8>> = lens.iter().map(|len| slice(true, *len)).collect();
            let units: Vec<&[u8]> = [SPS, PPS].into_iter().chain(slices.iter().map(Vec::as_slice)).collect();
            let mut pictures = Pictures::default();
            push(&mut pictures, 5, &payloads(&units, mtu));
            let picture = pictures.next().expect("a picture");
            let got: Vec<&[u8]> = nal::length_prefixed_units(&picture.unit.data).collect();
            prop_assert_eq!(got, slices.iter().map(Vec::as_slice).collect::<Vec<_>>());
        }
    }
}
