//! Opus: the identification header (RFC 7845 §5.1) and what a packet's first byte tells (RFC 6716 §3.1).

use crate::media::OpusParams;
use thiserror::Error;

/// Opus' clock, Hz, whatever went into the encoder.
pub const RATE_HZ: u32 = 48_000;
/// Longest packet, in samples at 48 kHz: 120 ms (RFC 6716 §3.2.5).
const MAX_PACKET_SAMPLES: u32 = 5_760;
const MAGIC: &[u8; 8] = b"OpusHead";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum OpusError {
    #[error("not an Opus header ({len} bytes)")]
    NotHeader { len: usize },
    #[error("Opus header version {version}: 0 to 15 can be read")]
    Version { version: u8 },
    #[error("Opus with {channels} channels in mapping family {family}: one or two in family 0 can be handled")]
    Channels { channels: u8, family: u8 },
}

/// Writes the identification header ("OpusHead").
pub fn opus_head(params: &OpusParams) -> [u8; 19] {
    let mut head = [0; 19];
    let fields = MAGIC
        .iter()
        .copied()
        .chain([1, u8::try_from(params.channels).unwrap_or(u8::MAX)])
        .chain(params.pre_skip.to_le_bytes())
        .chain(RATE_HZ.to_le_bytes())
        // Output gain 0 dB, mapping family 0.
        .chain([0, 0, 0]);
    for (byte, field) in head.iter_mut().zip(fields) {
        *byte = field;
    }
    head
}

/// Parses an identification header.
pub fn parse_head(head: &[u8]) -> Result<OpusParams, OpusError> {
    let Some((magic, &[version, channels, skip_low, skip_high, _, _, _, _, _, _, family, ..])) =
        head.split_at_checked(MAGIC.len())
    else {
        return Err(OpusError::NotHeader { len: head.len() });
    };
    if magic != MAGIC {
        return Err(OpusError::NotHeader { len: head.len() });
    }
    if version > 15 {
        return Err(OpusError::Version { version });
    }
    if family != 0 || !(1..=2).contains(&channels) {
        return Err(OpusError::Channels { channels, family });
    }
    Ok(OpusParams { channels: u16::from(channels), pre_skip: u16::from_le_bytes([skip_low, skip_high]) })
}

/// How many samples at 48 kHz a packet holds; `None` for an invalid packet.
pub fn packet_samples(packet: &[u8]) -> Option<u32> {
    let &toc = packet.first()?;
    let frame = match toc >> 3 {
        config @ 0..=11 => [480, 960, 1_920, 2_880].get(usize::from(config & 3)).copied()?,
        config @ 12..=15 => [480, 960].get(usize::from(config & 1)).copied()?,
        config => [120, 240, 480, 960].get(usize::from(config & 3)).copied()?,
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(packet.get(1)? & 0x3f),
    };
    Some(frame * frames).filter(|samples| (1..=MAX_PACKET_SAMPLES).contains(samples))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn heads_there_and_back() {
        let params = OpusParams { channels: 2, pre_skip: 312 };
        assert_eq!(parse_head(&opus_head(&params)), Ok(params));
        assert_eq!(opus_head(&OpusParams { channels: 2, pre_skip: 312 })[..12], *b"OpusHead\x01\x02\x38\x01");
    }

    #[test]
    fn what_is_no_head_is_refused() {
        let good = opus_head(&OpusParams { channels: 2, pre_skip: 0 });
        assert_eq!(parse_head(&good[..18]), Err(OpusError::NotHeader { len: 18 }));
        let with = |at: usize, value: u8| {
            let mut head = good;
            head[at] = value;
            parse_head(&head)
        };
        assert_eq!(with(0, b'o'), Err(OpusError::NotHeader { len: 19 }));
        assert_eq!(with(8, 16), Err(OpusError::Version { version: 16 }));
        assert_eq!(with(9, 6), Err(OpusError::Channels { channels: 6, family: 0 }));
        assert_eq!(with(18, 1), Err(OpusError::Channels { channels: 2, family: 1 }));
    }

    #[test]
    fn packet_lengths() {
        assert_eq!(packet_samples(&[0xfc]), Some(960)); // CELT, full band, 20 ms
        assert_eq!(packet_samples(&[0x78 | 0b001]), Some(1_920)); // hybrid, two frames of 20 ms
        assert_eq!(packet_samples(&[0xe3, 0x06]), Some(720)); // CELT, six frames of 2.5 ms
        assert_eq!(packet_samples(&[0x1b, 48]), None); // 48 frames of 60 ms
        assert_eq!(packet_samples(&[0x03]), None);
        assert_eq!(packet_samples(&[]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..24)) {
            let _ = parse_head(&bytes);
            let _ = packet_samples(&bytes);
        }
    }
}
