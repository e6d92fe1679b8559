//! Packetised elementary streams (ISO/IEC 13818-1 §2.4.3.6), and their time stamps.

use bytes::BytesMut;

/// Most bytes of one PES packet: one picture, as in `annexb_stream`.
const MAX_PES_BYTES: usize = 8 << 20;
/// Bits of a time stamp: 33, so it wraps after 26.5 hours.
const WRAP: i64 = 1 << 33;
/// So many PES packets in a row must have ended in a stuffed transport packet, and only there, before
/// that is taken for their end.
const STUFFING_PROOF: u32 = 16;

/// The payload of one PES packet, with time stamps as they came: 33 bits of 90 kHz.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pes {
    pub pts: Option<u64>,
    pub dts: Option<u64>,
    pub payload: BytesMut,
}

/// Puts the PES packets of one PID together.
///
/// Video mostly comes without a length: its end is known when the next one begins, a frame later.
/// Senders fill up the last transport packet with stuffing, though; where that has proved to be so, it
/// is taken for the end, until it once isn't.
#[derive(Debug, Default)]
pub(super) struct PesAssembler {
    bytes: BytesMut,
    open: bool,
    continuity: Option<u8>,
    ending: Ending,
    /// PES packets that were dropped, because packets were lost or a limit was passed.
    pub dropped: u64,
}

/// What has been learnt about stuffing.
#[derive(Debug, Default)]
struct Ending {
    proved: u32,
    refuted: bool,
    /// A stuffed packet of the current PES packet has come.
    stuffed: bool,
    /// It was taken for the end.
    ended: bool,
}

impl PesAssembler {
    /// Takes one packet, and gives the PES packets that it completes: the one before, and its own.
    pub fn push(&mut self, packet: &super::packet::Packet<'_>) -> [Option<Pes>; 2] {
        if packet.payload.is_empty() {
            if packet.discontinuity {
                self.continuity = None;
            }
            return [None, None];
        }
        let expected = self.continuity.map(|last| (last + 1) & 0x0f);
        if !packet.discontinuity && self.continuity == Some(packet.continuity) {
            return [None, None]; // sent twice (§2.4.3.3)
        }
        self.continuity = Some(packet.continuity);
        if !packet.discontinuity && expected.is_some_and(|expected| expected != packet.continuity) {
            self.lose();
        }

        let mut before = None;
        if packet.unit_start {
            before = self.finish();
            self.ending.begin();
            self.open = true;
        } else if self.ending.ended && !self.open {
            self.ending.refuted = true;
        }
        if !self.open {
            return [before, None];
        }
        if self.bytes.len() + packet.payload.len() > MAX_PES_BYTES {
            self.lose();
            return [before, None];
        }
        self.bytes.extend_from_slice(packet.payload);
        self.ending.saw(packet.stuffed);
        let ends = match self.declared_len() {
            Some(len) => self.bytes.len() >= len,
            None => self.ending.is_trusted() && packet.stuffed,
        };
        let own = if ends { self.finish() } else { None };
        [before, own]
    }

    /// Gives what has come: the stream has ended, or changes.
    pub fn finish(&mut self) -> Option<Pes> {
        if !std::mem::take(&mut self.open) {
            return None;
        }
        let declared = self.declared_len();
        let mut bytes = std::mem::take(&mut self.bytes);
        if let Some(len) = declared {
            if bytes.len() < len {
                self.dropped += 1;
                return None;
            }
            bytes.truncate(len);
        } else {
            self.ending.finished();
        }
        let pes = parse(bytes);
        self.dropped += u64::from(pes.is_none());
        pes
    }

    /// Packets are missing: the current PES packet isn't whole.
    fn lose(&mut self) {
        self.dropped += u64::from(std::mem::take(&mut self.open));
        self.bytes.clear();
        self.ending.begin();
    }

    /// Bytes of the whole PES packet, where its header says.
    fn declared_len(&self) -> Option<usize> {
        match *self.bytes.get(4..6)? {
            [0, 0] => None,
            [high, low] => Some(6 + (usize::from(high) << 8 | usize::from(low))),
            _ => None,
        }
    }
}

impl Ending {
    fn is_trusted(&self) -> bool {
        !self.refuted && self.proved >= STUFFING_PROOF
    }

    fn begin(&mut self) {
        (self.stuffed, self.ended) = (false, false);
    }

    fn saw(&mut self, stuffed: bool) {
        // More came behind a stuffed packet: it wasn't the end.
        self.refuted |= self.stuffed;
        self.stuffed = stuffed;
    }

    /// The PES packet ended, whichever way that was found out.
    fn finished(&mut self) {
        self.ended = self.stuffed;
        if self.stuffed {
            self.proved = self.proved.saturating_add(1);
        }
    }
}

/// Takes the header off.
fn parse(mut bytes: BytesMut) -> Option<Pes> {
    let &[0, 0, 1, _, _, _, marker, flags, header_len, ..] = &bytes[..] else { return None };
    if marker & 0xc0 != 0x80 {
        return None;
    }
    let stamp = |at: usize| bytes.get(at..at + 5).map(timestamp);
    let pts = (flags & 0x80 != 0).then(|| stamp(9)).flatten();
    let dts = (flags & 0xc0 == 0xc0).then(|| stamp(14)).flatten();
    let begin = 9 + usize::from(header_len);
    if begin > bytes.len() {
        return None;
    }
    let payload = bytes.split_off(begin);
    Some(Pes { pts, dts, payload })
}

/// 33 bits in five bytes, marker bits between.
fn timestamp(bytes: &[u8]) -> u64 {
    let all = bytes.iter().fold(0_u64, |all, &byte| all << 8 | u64::from(byte));
    (all >> 33 & 0x7) << 30 | (all >> 17 & 0x7fff) << 15 | (all >> 1 & 0x7fff)
}

/// Makes time stamps of 33 bits into ones that don't wrap: each is taken to be the nearest to the last.
#[derive(Debug, Default)]
pub(super) struct Unwrap {
    last: Option<i64>,
}

impl Unwrap {
    pub fn unwrap(&mut self, stamp: u64) -> i64 {
        // 33 bits.
        let stamp = i64::try_from(stamp).unwrap_or(0).rem_euclid(WRAP);
        let unwrapped = match self.last {
            None => stamp,
            Some(last) => {
                let ahead = (stamp - last.rem_euclid(WRAP)).rem_euclid(WRAP);
                last.saturating_add(if ahead < WRAP / 2 { ahead } else { ahead - WRAP })
            }
        };
        self.last = Some(unwrapped);
        unwrapped
    }
}
