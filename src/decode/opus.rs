//! Opus → samples, by libopus: for players that take AAC only. What was lost on the way is made up by the
//! decoder, as it is meant to be (RFC 6716 4.4).

use crate::codec::opus::{RATE_HZ, packet_samples};
use opus::{Channels, Decoder};
use std::fmt;
use thiserror::Error;

/// The longest packet, in samples a channel: 120 ms.
const MAX_FRAMES: usize = 5_760;
/// The largest packet that is decoded, bytes: 48 frames of the largest size don't fit into a datagram.
const MAX_PACKET_LEN: usize = 16 << 10;
/// What is made up is a multiple of this many samples (RFC 6716: 2.5 ms).
const CONCEAL_STEP: usize = 120;
/// As much is made up at most, samples: after 100 ms the decoder has faded to silence anyway.
const MAX_CONCEALED: usize = 4_800;

/// Why there are no samples of a packet. The next one may have some.
#[derive(Debug, Error)]
pub enum OpusDecodeError {
    #[error("Opus with {0} channels: one or two can be decoded")]
    Channels(u16),
    #[error("the Opus decoder can't be opened: {0}")]
    Open(opus::Error),
    #[error("{0} bytes, which is no Opus")]
    Length(usize),
    #[error("no sound in it: {0}")]
    Damaged(opus::Error),
}

/// One track's decoder; 48 kHz.
pub struct OpusDecoder {
    decoder: Decoder,
    channels: u16,
    samples: Vec<i16>,
}

impl fmt::Debug for OpusDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpusDecoder").field("channels", &self.channels).finish_non_exhaustive()
    }
}

impl OpusDecoder {
    /// `channels` is what comes out, 1 or 2, whatever the packets have.
    pub fn new(channels: u16) -> Result<Self, OpusDecodeError> {
        let layout = match channels {
            1 => Channels::Mono,
            2 => Channels::Stereo,
            other => return Err(OpusDecodeError::Channels(other)),
        };
        let decoder = Decoder::new(RATE_HZ, layout).map_err(OpusDecodeError::Open)?;
        Ok(Self { decoder, channels, samples: vec![0; MAX_FRAMES * usize::from(channels)] })
    }

    /// One packet's samples, interleaved.
    pub fn decode(&mut self, packet: &[u8]) -> Result<&[i16], OpusDecodeError> {
        // The library takes an empty packet for a lost one.
        if packet.len() > MAX_PACKET_LEN || packet_samples(packet).is_none() {
            return Err(OpusDecodeError::Length(packet.len()));
        }
        let frames = self.decoder.decode(packet, &mut self.samples, false).map_err(OpusDecodeError::Damaged)?;
        Ok(self.first(frames))
    }

    /// Makes up what was lost before `next`: `frames` samples a channel, of which the last packet's worth comes out
    /// of `next` itself, where its sender has put it there (in-band FEC). As much as makes sense; it may be less.
    pub fn conceal(&mut self, frames: usize, next: &[u8]) -> Result<&[i16], OpusDecodeError> {
        let frames = frames.min(MAX_CONCEALED) / CONCEAL_STEP * CONCEAL_STEP;
        let packet =
            packet_samples(next).filter(|_| next.len() <= MAX_PACKET_LEN).map_or(0, |samples| samples as usize);
        let from_next = if packet <= frames { packet } else { 0 };
        let channels = usize::from(self.channels);
        let mut done = 0;
        for (packet, frames) in [(&[][..], frames - from_next), (next, from_next)] {
            let space = self.samples.get_mut(done * channels..(done + frames) * channels).unwrap_or_default();
            if !space.is_empty() {
                done += self.decoder.decode(packet, space, true).map_err(OpusDecodeError::Damaged)?;
            }
        }
        Ok(self.first(done))
    }

    fn first(&self, frames: usize) -> &[i16] {
        self.samples.get(..frames * usize::from(self.channels)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::AudioEncoder;
    use crate::encode::opus::OpusEncoder;
    use proptest::prelude::*;

    const FRAME: usize = 960;

    fn tone(packets: usize) -> Vec<Vec<u8>> {
        let mut encoder = OpusEncoder::new(1, 64_000).expect("opens");
        let step = std::f64::consts::TAU * 440.0 / f64::from(RATE_HZ);
        let wave: Vec<i16> = (0..packets * FRAME).map(|at| (9_000.0 * (at as f64 * step).sin()) as i16).collect();
        wave.chunks(FRAME).map(|frame| encoder.encode(frame).expect("encodes").to_vec()).collect()
    }

    fn loudness(samples: &[i16]) -> f64 {
        let sum: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
        (sum / samples.len().max(1) as f64).sqrt()
    }

    #[test]
    fn a_tone_comes_out_as_long_as_it_went_in_and_in_both_layouts() {
        for channels in [1, 2] {
            let mut decoder = OpusDecoder::new(channels).expect("opens");
            let decoded: Vec<i16> =
                tone(50).iter().flat_map(|packet| decoder.decode(packet).expect("decodes").to_vec()).collect();
            assert_eq!(decoded.len(), 50 * FRAME * usize::from(channels));
            assert!((5_000.0..8_000.0).contains(&loudness(&decoded[FRAME..])), "{}", loudness(&decoded));
        }
    }

    #[test]
    fn a_lost_packet_is_made_up_and_a_long_loss_fades() {
        let packets = tone(60);
        let mut decoder = OpusDecoder::new(1).expect("opens");
        for packet in &packets[..30] {
            decoder.decode(packet).expect("decodes");
        }
        let one = decoder.conceal(FRAME, &packets[31]).expect("made up").to_vec();
        assert_eq!(one.len(), FRAME);
        assert!(loudness(&one) > 2_000.0, "the tone goes on: {}", loudness(&one));
        decoder.decode(&packets[31]).expect("decodes");
        let long = decoder.conceal(50 * FRAME, &packets[59]).expect("made up").to_vec();
        assert!(long.len() <= MAX_CONCEALED, "{}", long.len());
        assert!(loudness(&long[long.len() - 2 * FRAME..long.len() - FRAME]) < loudness(&long[..FRAME]));
        assert!(decoder.conceal(50, &packets[59]).expect("nothing to make up").is_empty());
    }

    #[test]
    fn what_is_no_packet_is_refused() {
        let mut decoder = OpusDecoder::new(2).expect("opens");
        assert!(matches!(decoder.decode(&[]), Err(OpusDecodeError::Length(0))));
        assert!(matches!(decoder.decode(&[0x03, 0]), Err(OpusDecodeError::Length(2))), "no frames in it");
        assert!(OpusDecoder::new(6).is_err());
    }

    proptest! {
        #[test]
        fn whatever_comes_it_goes_on(
            packets in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..300), 0_usize..9_000), 0..20)
        ) {
            let mut decoder = OpusDecoder::new(2).expect("opens");
            for (packet, lost) in packets {
                if let Ok(samples) = decoder.conceal(lost, &packet) {
                    prop_assert!(samples.len() <= 2 * lost);
                }
                if let Ok(samples) = decoder.decode(&packet) {
                    prop_assert!(samples.len() % 2 == 0 && samples.len() <= 2 * MAX_FRAMES);
                }
            }
        }
    }
}
