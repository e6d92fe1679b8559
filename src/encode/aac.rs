//! AAC-LC by the Fraunhofer FDK encoder.

use super::{AudioEncoder, EncodeError};
use crate::codec;
use crate::media::{Codec, Track, TrackId};
use crate::time::Timescale;
use bytes::Bytes;
use fdk_aac::enc::{AudioObjectType, BitRate, ChannelMode, Encoder, EncoderParams, Transport};
use std::sync::Arc;

const NAME: &str = "fdk-aac";

/// The AAC-LC encoder: 1024 samples a channel in, one raw access unit out.
///
/// Constant bitrate. The afterburner, which searches longer for the same bits, stays off: at 128 kbit/s
/// stereo it was measured at 7.3 ms of CPU a second against 3.4, and 64 kbit/s a channel doesn't need it.
pub struct AacEncoder {
    encoder: Encoder,
    track: Arc<Track>,
    delay: u32,
    frame_len: usize,
    /// One access unit as the encoder writes it, before it is copied to its exact size.
    scratch: Vec<u8>,
}

impl AacEncoder {
    /// `channels` is 1 or 2.
    pub fn new(rate_hz: u32, channels: u16, bitrate_bps: u32) -> Result<Self, EncodeError> {
        let refused = |reason: String| EncodeError::Open { encoder: NAME, reason };
        let mode = match channels {
            1 => ChannelMode::Mono,
            2 => ChannelMode::Stereo,
            other => return Err(refused(format!("{other} channels: 1 and 2 can be encoded"))),
        };
        let encoder = Encoder::new(EncoderParams {
            bit_rate: BitRate::Cbr(bitrate_bps),
            sample_rate: rate_hz,
            transport: Transport::Raw,
            channels: mode,
            audio_object_type: AudioObjectType::Mpeg4LowComplexity,
        })
        .map_err(|error| refused(format!("{bitrate_bps} bit/s, {channels} channels at {rate_hz} Hz: {error}")))?;
        let info = encoder.info().map_err(|error| refused(error.to_string()))?;
        // What the encoder says of itself, read and written in the shortest form.
        let config = info.confBuf.get(..info.confSize as usize).unwrap_or_default();
        let params =
            codec::aac::aac_params(Bytes::copy_from_slice(config)).map_err(|error| refused(error.to_string()))?;
        let timescale = Timescale::new(params.rate_hz).ok_or_else(|| refused("a rate of 0 Hz".into()))?;
        let track = Track { id: TrackId::Aac, timescale, language: None, bitrate_bps, codec: Codec::Aac(params) };
        Ok(Self {
            encoder,
            track: Arc::new(track),
            delay: info.nDelay,
            frame_len: info.frameLength as usize,
            scratch: vec![0; info.maxOutBufBytes as usize],
        })
    }
}

impl AudioEncoder for AacEncoder {
    fn track(&self) -> &Arc<Track> {
        &self.track
    }

    fn frame_len(&self) -> usize {
        self.frame_len
    }

    fn delay(&self) -> u32 {
        self.delay
    }

    fn encode(&mut self, pcm: &[i16]) -> Result<Bytes, EncodeError> {
        let failed = |reason: String| EncodeError::Failed { encoder: NAME, reason };
        let done = self.encoder.encode(pcm, &mut self.scratch).map_err(|error| failed(error.to_string()))?;
        match self.scratch.get(..done.output_size) {
            Some(unit) if !unit.is_empty() && done.input_consumed == pcm.len() => Ok(Bytes::copy_from_slice(unit)),
            _ => Err(failed(format!(
                "{} of {} samples taken, {} bytes made: one whole frame at a time is expected",
                done.input_consumed,
                pcm.len(),
                done.output_size
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::test_sound::{Beep, onset_error};
    use std::io::Write;
    use std::process::{Command, Stdio};

    /// Decoded by ffmpeg: its AAC decoder has no delay of its own, like those of browsers (they use it).
    fn decode(encoder: &AacEncoder, packets: &[Bytes]) -> Vec<i16> {
        let Codec::Aac(params) = &encoder.track().codec else { panic!("not AAC") };
        let mut adts = Vec::new();
        for packet in packets {
            adts.extend(codec::aac::adts_header(params, packet.len()).expect("a usual rate"));
            adts.extend_from_slice(packet);
        }
        let mut ffmpeg = Command::new("ffmpeg")
            .args(["-v", "error", "-f", "aac", "-i", "-", "-f", "s16le", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("ffmpeg is installed");
        let mut stdin = ffmpeg.stdin.take().expect("piped");
        let writer = std::thread::spawn(move || stdin.write_all(&adts));
        let output = ffmpeg.wait_with_output().expect("ffmpeg runs");
        writer.join().expect("no panic").expect("ffmpeg reads to the end");
        assert!(output.status.success());
        output.stdout.as_chunks::<2>().0.iter().map(|sample| i16::from_le_bytes(*sample)).collect()
    }

    #[test]
    fn a_beep_lies_at_its_place_once_the_delay_is_subtracted() {
        for (rate_hz, channels, bitrate) in [(48_000, 2, 128_000), (48_000, 1, 64_000), (44_100, 2, 96_000)] {
            let mut encoder = AacEncoder::new(rate_hz, channels, bitrate).expect("opens");
            let beep = Beep { rate_hz, channels, start: 9_000, len: 4_800 };
            let pcm = beep.samples(40 * encoder.frame_len());
            let packets: Vec<Bytes> = pcm
                .chunks_exact(encoder.frame_len() * usize::from(channels))
                .map(|frame| encoder.encode(frame).expect("encodes"))
                .collect();
            let decoded = decode(&encoder, &packets);
            let error = onset_error(&beep, &decoded, encoder.delay() as usize);
            assert!(error.abs() <= 4, "{rate_hz} Hz, {channels} channels: off by {error} samples");
        }
    }

    #[test]
    fn the_bitrate_is_kept() {
        let mut encoder = AacEncoder::new(48_000, 2, 128_000).expect("opens");
        let noise = Beep { rate_hz: 48_000, channels: 2, start: 0, len: usize::MAX }.samples(1024 * 100);
        let bytes: usize = noise.chunks_exact(2048).map(|frame| encoder.encode(frame).expect("encodes").len()).sum();
        let bitrate = bytes * 8 * 48_000 / (1024 * 100);
        assert!((100_000..=135_000).contains(&bitrate), "{bitrate} bit/s");
    }

    #[test]
    fn the_track_is_what_the_header_says() {
        let encoder = AacEncoder::new(44_100, 1, 64_000).expect("opens");
        let Codec::Aac(params) = &encoder.track().codec else { panic!("not AAC") };
        assert_eq!((params.rate_hz, params.channels, encoder.track().timescale.hz()), (44_100, 1, 44_100));
        assert_eq!(encoder.frame_len(), codec::aac::FRAME_SAMPLES as usize);
    }

    #[test]
    fn what_cannot_be_encoded_is_refused_at_opening() {
        for (rate_hz, channels) in [(48_000, 0), (48_000, 6), (12_345, 2)] {
            assert!(
                matches!(AacEncoder::new(rate_hz, channels, 128_000), Err(EncodeError::Open { .. })),
                "{rate_hz} {channels}"
            );
        }
    }

    #[test]
    fn a_frame_of_another_length_is_an_error() {
        let mut encoder = AacEncoder::new(48_000, 2, 128_000).expect("opens");
        assert!(matches!(encoder.encode(&[0; 100]), Err(EncodeError::Failed { .. })));
    }
}
