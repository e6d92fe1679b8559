//! AAC: AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1) and ADTS headers (§1.A.2.2).
//!
//! AAC-LC of 1024 samples a frame is what flows through the box: every player plays it. HE-AAC and
//! the rest are refused by name.

use crate::media::AacParams;
use bytes::Bytes;
use thiserror::Error;

/// Samples a channel in one AAC-LC access unit.
pub const FRAME_SAMPLES: u32 = 1024;
/// Most an ADTS header can say a frame has, bytes: 13 bits.
pub const MAX_FRAME_BYTES: usize = 8191;

/// Table 1.18, samplingFrequencyIndex.
const RATES_HZ: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];
/// Index 15: the rate follows in 24 bits.
const EXPLICIT_RATE: u32 = 15;
/// Table 1.19: channels of channelConfiguration 1 to 7.
const CHANNELS: [u16; 7] = [1, 2, 3, 4, 5, 6, 8];

const AAC_LC: u8 = 2;
const SBR: u8 = 5;
const PARAMETRIC_STEREO: u8 = 29;

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AacError {
    #[error("an AudioSpecificConfig cut short at {len} bytes")]
    Truncated { len: usize },
    #[error("{name} can't be passed on, only AAC-LC: encode the sound as AAC-LC (ffmpeg: -c:a aac)")]
    NotLc { name: String },
    #[error("AAC with a sample rate of {rate_hz} Hz")]
    Rate { rate_hz: u32 },
    #[error("AAC with channel configuration {configuration}: 1 to 7 can be handled")]
    Channels { configuration: u8 },
    #[error("AAC with 960 samples a frame: 1024 can be handled")]
    ShortFrames,
}

/// An AudioSpecificConfig, as far as the box reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudioSpecificConfig {
    /// 2 is AAC-LC.
    pub object_type: u8,
    pub rate_hz: u32,
    /// channelConfiguration; 0 means that a programme config element says it.
    pub channel_configuration: u8,
    /// Spectral band replication is signalled, in front or behind (HE-AAC).
    pub sbr: bool,
    /// 960 samples a frame instead of 1024.
    pub short_frames: bool,
}

impl AudioSpecificConfig {
    pub fn parse(config: &[u8]) -> Result<Self, AacError> {
        let mut bits = Bits { bytes: config, at: 0 };
        Self::read(&mut bits).ok_or(AacError::Truncated { len: config.len() })
    }

    fn read(bits: &mut Bits<'_>) -> Option<Self> {
        let mut object_type = bits.object_type()?;
        let rate_hz = bits.rate()?;
        let channel_configuration = bits.take(4)? as u8;
        let mut sbr = false;
        if matches!(object_type, SBR | PARAMETRIC_STEREO) {
            sbr = true;
            bits.rate()?;
            object_type = bits.object_type()?;
        }
        // GASpecificConfig: frameLengthFlag, dependsOnCoreCoder, extensionFlag.
        let short_frames = bits.take(1)? == 1;
        let depends_on_core = bits.take(1)? == 1;
        let extended = bits.take(1)? == 1;
        // Backward compatible signalling (§1.6.6.2): syncExtensionType, then the SBR flag.
        if object_type == AAC_LC && !depends_on_core && !extended && channel_configuration != 0 {
            sbr |= (|| Some(bits.take(11)? == 0x2b7 && bits.object_type()? == SBR && bits.take(1)? == 1))()
                .unwrap_or(false);
        }
        Some(Self { object_type, rate_hz, channel_configuration, sbr, short_frames })
    }

    /// Channels; `None` when the configuration doesn't say.
    pub fn channels(&self) -> Option<u16> {
        channels_of(self.channel_configuration)
    }
}

fn channels_of(configuration: u8) -> Option<u16> {
    CHANNELS.get(usize::from(configuration).checked_sub(1)?).copied()
}

/// A track's parameters from an AudioSpecificConfig. The config is written anew in its shortest form,
/// so that the same sound always makes an equal track.
pub fn aac_params(config: Bytes) -> Result<AacParams, AacError> {
    let parsed = AudioSpecificConfig::parse(&config)?;
    let not_lc = |name: &str| Err(AacError::NotLc { name: name.to_owned() });
    match parsed.object_type {
        _ if parsed.sbr => return not_lc("HE-AAC"),
        AAC_LC => {}
        1 => return not_lc("AAC Main"),
        3 => return not_lc("AAC-SSR"),
        4 => return not_lc("AAC-LTP"),
        39 => return not_lc("AAC-ELD"),
        23 => return not_lc("AAC-LD"),
        42 => return not_lc("xHE-AAC"),
        other => return not_lc(&format!("MPEG-4 audio of object type {other}")),
    }
    if parsed.short_frames {
        return Err(AacError::ShortFrames);
    }
    lc_params(parsed.rate_hz, parsed.channel_configuration)
}

fn lc_params(rate_hz: u32, channel_configuration: u8) -> Result<AacParams, AacError> {
    if !(7_350..=96_000).contains(&rate_hz) {
        return Err(AacError::Rate { rate_hz });
    }
    let channels =
        channels_of(channel_configuration).ok_or(AacError::Channels { configuration: channel_configuration })?;
    Ok(AacParams { config: write_config(rate_hz, channel_configuration), rate_hz, channels })
}

/// The AudioSpecificConfig of AAC-LC: two bytes, five for an unusual rate.
fn write_config(rate_hz: u32, channel_configuration: u8) -> Bytes {
    let (lc, channels) = (u64::from(AAC_LC), u64::from(channel_configuration));
    match RATES_HZ.iter().position(|&rate| rate == rate_hz) {
        Some(index) => {
            let bits = (lc << 11 | (index as u64) << 7 | channels << 3) as u16;
            Bytes::copy_from_slice(&bits.to_be_bytes())
        }
        None => {
            let bits = lc << 35 | u64::from(EXPLICIT_RATE) << 31 | u64::from(rate_hz & 0xff_ffff) << 7 | channels << 3;
            Bytes::copy_from_slice(bits.to_be_bytes().get(3..).unwrap_or_default())
        }
    }
}

/// AAC-LC parameters for what an encoder makes here.
pub fn aac_lc(rate_hz: u32, channels: u16) -> Result<AacParams, AacError> {
    let configuration = CHANNELS.iter().position(|&count| count == channels).map_or(0, |index| index as u8 + 1);
    lc_params(rate_hz, configuration)
}

/// One AAC-LC access unit of silence, for gaps in sound that is passed through; `None` for other than
/// one or two channels. A single_channel_element (or channel_pair_element) without any scale factor
/// band, then the terminator (§4.4.2.1).
pub const fn silent_frame(channels: u16) -> Option<&'static [u8]> {
    match channels {
        1 => Some(&[0, 0, 0, 0x07]),
        2 => Some(&[0x20, 0, 0, 0, 0, 0, 0x0e]),
        _ => None,
    }
}

/// One ADTS frame's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdtsHeader {
    pub object_type: u8,
    pub rate_hz: u32,
    /// 0 means that a programme config element in the frame says it.
    pub channel_configuration: u8,
    /// 7, or 9 with a checksum.
    pub header_len: usize,
    /// Bytes with header.
    pub frame_len: usize,
    /// Raw data blocks of 1024 samples in the frame; nearly always 1.
    pub raw_blocks: u8,
}

impl AdtsHeader {
    /// Shortest header, bytes.
    pub const LEN: usize = 7;

    /// `None` when `bytes` doesn't start with a valid header: fewer than seven bytes, no sync word, a
    /// reserved rate, or a length that the header itself doesn't fit.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let &[sync, b1, b2, b3, b4, b5, b6, ..] = bytes else { return None };
        // Twelve sync bits, then ID (either MPEG version), then layer, always 0.
        if sync != 0xff || b1 & 0xf6 != 0xf0 {
            return None;
        }
        let header_len = if b1 & 1 == 1 { 7 } else { 9 };
        let frame_len = usize::from(b3 & 3) << 11 | usize::from(b4) << 3 | usize::from(b5 >> 5);
        let header = Self {
            object_type: (b2 >> 6) + 1,
            rate_hz: *RATES_HZ.get(usize::from(b2 >> 2 & 0xf))?,
            channel_configuration: (b2 & 1) << 2 | b3 >> 6,
            header_len,
            frame_len,
            raw_blocks: (b6 & 3) + 1,
        };
        (frame_len > header_len).then_some(header)
    }

    /// The track's parameters that the header tells.
    pub fn params(&self) -> Result<AacParams, AacError> {
        if self.object_type != AAC_LC {
            let name = match self.object_type {
                1 => "AAC Main",
                3 => "AAC-SSR",
                _ => "AAC-LTP",
            };
            return Err(AacError::NotLc { name: name.to_owned() });
        }
        lc_params(self.rate_hz, self.channel_configuration)
    }
}

/// A header to put before one access unit of `data_len` bytes; `None` for a rate that ADTS has no index
/// for, or a length over [`MAX_FRAME_BYTES`].
pub fn adts_header(params: &AacParams, data_len: usize) -> Option<[u8; AdtsHeader::LEN]> {
    let rate = RATES_HZ.iter().position(|&rate| rate == params.rate_hz)? as u8;
    let channels = CHANNELS.iter().position(|&count| count == params.channels)? as u8 + 1;
    let len = data_len.checked_add(AdtsHeader::LEN).filter(|&len| len <= MAX_FRAME_BYTES)?;
    Some([
        0xff,
        0xf1,
        (AAC_LC - 1) << 6 | rate << 2 | channels >> 2,
        (channels & 3) << 6 | (len >> 11) as u8,
        (len >> 3) as u8,
        (len << 5) as u8 | 0x1f,
        0xfc,
    ])
}

/// Reads bits from the left.
struct Bits<'a> {
    bytes: &'a [u8],
    /// In bits.
    at: usize,
}

impl Bits<'_> {
    /// At most 32.
    fn take(&mut self, count: u32) -> Option<u32> {
        let mut value = 0_u32;
        for _ in 0..count {
            let byte = self.bytes.get(self.at / 8)?;
            value = value << 1 | u32::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Some(value)
    }

    fn object_type(&mut self) -> Option<u8> {
        match self.take(5)? {
            31 => Some(32 + self.take(6)? as u8),
            object_type => Some(object_type as u8),
        }
    }

    fn rate(&mut self) -> Option<u32> {
        match self.take(4)? {
            EXPLICIT_RATE => self.take(24),
            // 13 and 14 are reserved: a rate of 0 is refused later, by name.
            index => Some(RATES_HZ.get(index as usize).copied().unwrap_or(0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn params(config: &[u8]) -> Result<AacParams, AacError> {
        aac_params(Bytes::copy_from_slice(config))
    }

    #[test]
    fn usual_configs() {
        for (config, rate_hz, channels) in
            [([0x11, 0x90], 48_000, 2), ([0x12, 0x10], 44_100, 2), ([0x11, 0x88], 48_000, 1), ([0x11, 0xb0], 48_000, 6)]
        {
            let got = params(&config).expect("AAC-LC");
            assert_eq!((got.rate_hz, got.channels, &got.config[..]), (rate_hz, channels, &config[..]));
            assert_eq!(aac_lc(rate_hz, channels), Ok(got));
        }
    }

    #[test]
    fn a_config_with_a_sync_extension_that_says_no_sbr_is_lc() {
        // What ffmpeg's encoder writes.
        let got = params(&[0x12, 0x10, 0x56, 0xe5, 0x00]).expect("AAC-LC");
        assert_eq!(got.config[..], [0x12, 0x10]);
    }

    #[test]
    fn he_aac_is_refused_by_name_however_it_is_signalled() {
        // Explicit hierarchical (type 5, type 29), and explicit backward compatible (fdk-aac).
        for config in [&[0x2b, 0x11, 0x88, 0x00][..], &[0xeb, 0x09, 0x88, 0x00], &[0x13, 0x10, 0x56, 0xe5, 0x98]] {
            let error = params(config).expect_err("HE-AAC");
            assert!(error.to_string().contains("HE-AAC"), "{error}");
        }
    }

    #[test]
    fn odd_configs_are_refused_by_name() {
        assert_eq!(params(&[0x11]), Err(AacError::Truncated { len: 1 }));
        assert_eq!(params(&[0x11, 0x80]), Err(AacError::Channels { configuration: 0 }));
        assert_eq!(params(&[0x16, 0x90]), Err(AacError::Rate { rate_hz: 0 }));
        assert_eq!(params(&[0x11, 0x94]), Err(AacError::ShortFrames));
    }

    #[test]
    fn an_unusual_rate_is_written_out() {
        let odd = aac_lc(50_000, 2).expect("AAC-LC");
        assert_eq!(odd.config.len(), 5);
        assert_eq!(aac_params(odd.config.clone()), Ok(odd));
    }

    #[test]
    fn adts_headers_there_and_back() {
        let stereo = aac_lc(44_100, 2).expect("AAC-LC");
        let header = adts_header(&stereo, 300).expect("fits");
        let parsed = AdtsHeader::parse(&header).expect("a header");
        assert_eq!((parsed.header_len, parsed.frame_len, parsed.raw_blocks), (7, 307, 1));
        assert_eq!(parsed.params(), Ok(stereo.clone()));
        assert_eq!(adts_header(&stereo, MAX_FRAME_BYTES), None);
    }

    /// The decoder is another one than wrote the frame: that it takes it, and what comes out, is the test.
    #[test]
    fn silence_decodes_to_zeros() {
        for channels in [1_u16, 2] {
            let params = aac_lc(48_000, channels).expect("AAC-LC");
            let silence = silent_frame(channels).expect("silence");
            let mut decoder = fdk_aac::dec::Decoder::new(fdk_aac::dec::Transport::Adts);
            let mut pcm = vec![1_i16; FRAME_SAMPLES as usize * usize::from(channels)];
            for _ in 0..4 {
                let mut adts = adts_header(&params, silence.len()).expect("fits").to_vec();
                adts.extend_from_slice(silence);
                assert_eq!(decoder.fill(&adts), Ok(adts.len()));
                decoder.decode_frame(&mut pcm).expect("decodes");
                assert_eq!(decoder.stream_info().numChannels, i32::from(channels));
                assert!(pcm.iter().all(|&sample| sample == 0));
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..16)) {
            let _ = params(&bytes);
            if let Some(header) = AdtsHeader::parse(&bytes) {
                prop_assert!(header.frame_len > header.header_len);
                let _ = header.params();
            }
        }
    }
}
