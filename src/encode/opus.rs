//! Opus by libopus, for WebRTC.

use super::{AudioEncoder, EncodeError};
use crate::media::{Codec, OpusParams, Track, TrackId};
use crate::time::Timescale;
use bytes::Bytes;
use opus::{Application, Bitrate, Channels, Encoder};
use std::sync::Arc;

const NAME: &str = "libopus";

/// Opus on the outside, Hz.
pub const RATE_HZ: u32 = 48_000;

/// 20 ms: what WebRTC sends, and the best trade of header bytes against delay.
const FRAME_LEN: usize = 960;

/// Largest packet of one 20 ms frame (RFC 6716 §3.2.1: 1275 bytes of data and the TOC byte).
const MAX_PACKET: usize = 1276;

/// Search effort, 0 to 10. Measured on tones in noise at 96 kbit/s stereo, CPU a second and signal to
/// noise: 3: 3.1 ms, 11.4 dB; 5: 3.7 ms, 11.6 dB; 10: 5.8 ms, 11.7 dB.
const COMPLEXITY: i32 = 5;

/// The Opus encoder: 20 ms at 48 kHz in, one packet out.
///
/// `Application::Audio`: `LowDelay` costs the same CPU and saves 4 ms of lookahead, but takes away speech
/// coding (SILK), which low bitrates need.
pub struct OpusEncoder {
    encoder: Encoder,
    track: Arc<Track>,
    delay: u32,
    scratch: [u8; MAX_PACKET],
}

impl OpusEncoder {
    /// `channels` is 1 or 2.
    pub fn new(channels: u16, bitrate_bps: u32) -> Result<Self, EncodeError> {
        let refused = |reason: String| EncodeError::Open { encoder: NAME, reason };
        let layout = match channels {
            1 => Channels::Mono,
            2 => Channels::Stereo,
            other => return Err(refused(format!("{other} channels: 1 and 2 can be encoded"))),
        };
        let open = || -> opus::Result<(Encoder, i32)> {
            let mut encoder = Encoder::new(RATE_HZ, layout, Application::Audio)?;
            encoder.set_bitrate(Bitrate::Bits(i32::try_from(bitrate_bps).unwrap_or(i32::MAX)))?;
            encoder.set_complexity(COMPLEXITY)?;
            let lookahead = encoder.get_lookahead()?;
            Ok((encoder, lookahead))
        };
        let (encoder, lookahead) =
            open().map_err(|error| refused(format!("{bitrate_bps} bit/s, {channels} channels: {error}")))?;
        let pre_skip = u16::try_from(lookahead).map_err(|_| refused(format!("a lookahead of {lookahead}")))?;
        let timescale = Timescale::new(RATE_HZ).ok_or_else(|| refused("a rate of 0 Hz".into()))?;
        let codec = Codec::Opus(OpusParams { channels, pre_skip });
        let track = Track { id: TrackId::Opus, timescale, language: None, bitrate_bps, codec };
        Ok(Self { encoder, track: Arc::new(track), delay: u32::from(pre_skip), scratch: [0; MAX_PACKET] })
    }
}

impl AudioEncoder for OpusEncoder {
    fn track(&self) -> &Arc<Track> {
        &self.track
    }

    fn frame_len(&self) -> usize {
        FRAME_LEN
    }

    fn delay(&self) -> u32 {
        self.delay
    }

    fn encode(&mut self, pcm: &[i16]) -> Result<Bytes, EncodeError> {
        let failed = |reason: String| EncodeError::Failed { encoder: NAME, reason };
        let len = self.encoder.encode(pcm, &mut self.scratch).map_err(|error| failed(error.to_string()))?;
        match self.scratch.get(..len) {
            Some(packet) if !packet.is_empty() => Ok(Bytes::copy_from_slice(packet)),
            _ => Err(failed(format!("a packet of {len} bytes"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::test_sound::{Beep, onset_error};

    fn encode_all(encoder: &mut OpusEncoder, pcm: &[i16], channels: u16) -> Vec<Bytes> {
        pcm.chunks_exact(FRAME_LEN * usize::from(channels))
            .map(|frame| encoder.encode(frame).expect("encodes"))
            .collect()
    }

    #[test]
    fn a_beep_lies_at_its_place_once_the_delay_is_subtracted() {
        for (channels, bitrate) in [(2_u16, 96_000), (1, 64_000)] {
            let mut encoder = OpusEncoder::new(channels, bitrate).expect("opens");
            let beep = Beep { rate_hz: RATE_HZ, channels, start: 9_000, len: 4_800 };
            let packets = encode_all(&mut encoder, &beep.samples(40 * FRAME_LEN), channels);
            let layout = if channels == 1 { Channels::Mono } else { Channels::Stereo };
            let mut decoder = opus::Decoder::new(RATE_HZ, layout).expect("a decoder");
            let mut decoded = Vec::new();
            for packet in &packets {
                let mut frame = vec![0; FRAME_LEN * usize::from(channels)];
                let frames = decoder.decode(packet, &mut frame, false).expect("decodes");
                assert_eq!(frames, FRAME_LEN);
                decoded.extend(frame);
            }
            let error = onset_error(&beep, &decoded, encoder.delay() as usize);
            assert!(error.abs() <= 4, "{channels} channels: off by {error} samples");
        }
    }

    #[test]
    fn the_packets_are_as_long_as_the_track_says() {
        let mut encoder = OpusEncoder::new(2, 96_000).expect("opens");
        let pcm = Beep { rate_hz: RATE_HZ, channels: 2, start: 0, len: usize::MAX }.samples(FRAME_LEN * 50);
        let packets = encode_all(&mut encoder, &pcm, 2);
        assert!(packets.iter().all(|packet| crate::codec::opus::packet_samples(packet) == Some(FRAME_LEN as u32)));
        let bitrate: usize = packets.iter().map(|packet| packet.len() * 8).sum();
        assert!((48_000..=115_000).contains(&bitrate), "{bitrate} bit/s over one second");
    }

    #[test]
    fn what_cannot_be_encoded_is_refused_at_opening() {
        for (channels, bitrate) in [(0, 96_000), (6, 96_000), (2, 0)] {
            assert!(
                matches!(OpusEncoder::new(channels, bitrate), Err(EncodeError::Open { .. })),
                "{channels} {bitrate}"
            );
        }
    }

    #[test]
    fn a_frame_of_another_length_is_an_error() {
        let mut encoder = OpusEncoder::new(2, 96_000).expect("opens");
        assert!(matches!(encoder.encode(&[0; 100]), Err(EncodeError::Failed { .. })));
    }
}
