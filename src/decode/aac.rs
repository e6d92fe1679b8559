//! AAC → samples, by the Fraunhofer FDK decoder: for meters, which must know how loud sound is that goes
//! straight through.

use fdk_aac::dec::{Decoder, DecoderError, Transport};
use std::fmt;
use thiserror::Error;

/// A frame at its longest: eight channels, twice 1024 samples with SBR.
const MAX_SAMPLES: usize = 8 * 2_048;
/// The longest access unit that AAC allows for eight channels (ISO/IEC 14496-3 §4.5.3: 6144 bits each).
const MAX_UNIT_LEN: usize = 8 * 6_144 / 8;

/// Why there are no samples of a unit. The next one may have some.
#[derive(Debug, Error)]
pub enum AacDecodeError {
    #[error("sound of a kind that can't be decoded: {0}")]
    Unsupported(DecoderError),
    #[error("no sound in it: {0}")]
    Damaged(DecoderError),
    #[error("{0} bytes, which is no AAC")]
    Length(usize),
    #[error("{channels} channels of {frame_len} samples")]
    Shape { channels: i32, frame_len: i32 },
}

/// One track's decoder.
pub struct AacDecoder {
    decoder: Decoder,
    samples: Vec<i16>,
}

impl fmt::Debug for AacDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AacDecoder").finish_non_exhaustive()
    }
}

impl AacDecoder {
    /// `config` is the AudioSpecificConfig.
    pub fn new(config: &[u8]) -> Result<Self, AacDecodeError> {
        // The library takes nothing for something.
        if config.is_empty() {
            return Err(AacDecodeError::Length(0));
        }
        let mut decoder = Decoder::new(Transport::Raw);
        decoder.config_raw(config).map_err(AacDecodeError::Unsupported)?;
        Ok(Self { decoder, samples: vec![0; MAX_SAMPLES] })
    }

    /// One access unit's samples, interleaved, and how many channels they have. The first unit's are silent: the
    /// decoder is a frame behind.
    pub fn decode(&mut self, unit: &[u8]) -> Result<(&[i16], u16), AacDecodeError> {
        if unit.is_empty() || unit.len() > MAX_UNIT_LEN {
            return Err(AacDecodeError::Length(unit.len()));
        }
        self.decoder.fill(unit).map_err(AacDecodeError::Damaged)?;
        self.decoder.decode_frame(&mut self.samples).map_err(AacDecodeError::Damaged)?;
        let info = self.decoder.stream_info();
        let (channels, frame_len) = (info.numChannels, info.frameSize);
        let shape = AacDecodeError::Shape { channels, frame_len };
        let (Ok(channels), Ok(frame_len)) = (u16::try_from(channels), usize::try_from(frame_len)) else {
            return Err(shape);
        };
        let samples = frame_len.checked_mul(usize::from(channels)).and_then(|count| self.samples.get(..count));
        samples.map(|samples| (samples, channels)).ok_or(shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// AAC-LC, 48 kHz, stereo.
    const CONFIG: [u8; 2] = [0x11, 0x90];

    #[test]
    fn what_is_no_configuration_is_refused() {
        assert!(AacDecoder::new(&[]).is_err());
        assert!(AacDecoder::new(&[0xFF; 4]).is_err());
    }

    #[test]
    fn a_unit_that_is_too_long_or_empty_is_refused() {
        let mut decoder = AacDecoder::new(&CONFIG).expect("AAC-LC");
        for len in [0, MAX_UNIT_LEN + 1] {
            assert!(matches!(decoder.decode(&vec![0; len]), Err(AacDecodeError::Length(_))));
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_it_goes_on(units in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..400), 0..20)) {
            let mut decoder = AacDecoder::new(&CONFIG).expect("AAC-LC");
            for unit in units {
                if let Ok((samples, channels)) = decoder.decode(&unit) {
                    prop_assert!(samples.len() % usize::from(channels.max(1)) == 0);
                }
            }
        }
    }
}
