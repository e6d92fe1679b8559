//! Opus as it comes over a network, to samples at their time: what was lost is made up, what comes twice is left
//! out. Longer gaps are the audio clock's.

use crate::codec::opus::packet_samples;
use crate::decode::{OpusDecodeError, OpusDecoder};
use crate::media::{AccessUnit, PcmBlock};
use crate::time::{MonoTime, Timescale};

/// Opus on the outside.
const RATE: Timescale = Timescale::SOUND;

/// See the module.
#[derive(Debug)]
pub struct Transcoder {
    decoder: OpusDecoder,
    channels: u16,
    /// Where the last packet ends, ticks.
    end: Option<i64>,
}

impl Transcoder {
    pub fn new(channels: u16) -> Result<Self, OpusDecodeError> {
        Ok(Self { decoder: OpusDecoder::new(channels)?, channels, end: None })
    }

    /// The samples of a packet, and before them what stands for a gap in front of it.
    pub fn decode(&mut self, unit: &AccessUnit) -> Result<Vec<PcmBlock>, OpusDecodeError> {
        let length = i64::from(packet_samples(&unit.data).unwrap_or_default());
        let gap = unit.pts.saturating_sub(self.end.unwrap_or(unit.pts));
        if gap < -(length / 2) {
            return Ok(Vec::new());
        }
        let mut blocks = Vec::new();
        let made_up = self.decoder.conceal(usize::try_from(gap).unwrap_or(0), &unit.data)?;
        if let Some(end) = self.end.filter(|_| !made_up.is_empty()) {
            blocks.push(block(end, self.channels, made_up));
        }
        let samples = self.decoder.decode(&unit.data)?;
        blocks.push(block(unit.pts, self.channels, samples));
        self.end = Some(unit.pts.saturating_add(length));
        Ok(blocks)
    }
}

fn block(tick: i64, channels: u16, samples: &[i16]) -> PcmBlock {
    let captured = MonoTime::from_ticks(tick, RATE);
    PcmBlock { captured, rate_hz: RATE.hz(), channels, samples: samples.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::AudioEncoder;
    use crate::encode::opus::OpusEncoder;

    fn packets(count: i64) -> Vec<AccessUnit> {
        let mut encoder = OpusEncoder::new(2, 64_000).expect("opens");
        let sound: Vec<i16> = (0..1_920).map(|at| if at % 96 < 48 { 4_000 } else { -4_000 }).collect();
        let unit = |index| {
            let data = encoder.encode(&sound).expect("encodes");
            AccessUnit { dts: index * 960, pts: index * 960, duration: 960, keyframe: true, data }
        };
        (0..count).map(unit).collect()
    }

    /// Where each block begins, and where it ends, ticks.
    fn spans(blocks: &[PcmBlock]) -> Vec<(i64, i64)> {
        let span = |block: &PcmBlock| {
            let tick = block.captured.ticks(RATE);
            (tick, tick + block.frames() as i64)
        };
        blocks.iter().map(span).collect()
    }

    #[test]
    fn lost_packets_are_made_up_in_their_place() {
        let packets = packets(9);
        let mut transcoder = Transcoder::new(2).expect("opens");
        let blocks: Vec<PcmBlock> =
            [0, 1, 4, 5].iter().flat_map(|&at: &usize| transcoder.decode(&packets[at]).expect("decodes")).collect();
        assert_eq!(spans(&blocks), [(0, 960), (960, 1_920), (1_920, 3_840), (3_840, 4_800), (4_800, 5_760)]);
    }

    #[test]
    fn what_comes_twice_is_left_out_and_a_long_pause_isnt_made_up() {
        let packets = packets(3);
        let mut transcoder = Transcoder::new(2).expect("opens");
        assert_eq!(transcoder.decode(&packets[1]).expect("decodes").len(), 1);
        assert!(transcoder.decode(&packets[1]).expect("left out").is_empty());
        assert!(transcoder.decode(&packets[0]).expect("left out").is_empty());
        let late = AccessUnit { pts: 480_000, ..packets[2].clone() };
        let blocks = transcoder.decode(&late).expect("decodes");
        let made_up: i64 = spans(&blocks).iter().map(|(begin, end)| end - begin).sum::<i64>() - 960;
        assert!((0..=4_800).contains(&made_up), "{made_up}");
        assert_eq!(spans(&blocks).last(), Some(&(480_000, 480_960)));
    }
}
