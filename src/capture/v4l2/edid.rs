//! What the box tells an HDMI source that it can show: EDID 1.3 with a CTA-861 extension. Pure: bytes.
//!
//! The box's own prefers 1080p30, since boards' encoders end at 1920x1080 at 30 or 1280x720 at 60, and
//! offers 1080p25 and 50 and 720p50 and 60, with two channels of sound. Not here: writing it into a bridge
//! (`hdmi`).

use thiserror::Error;

/// A block of an EDID, bytes.
const BLOCK: usize = 128;
/// HDMI knows no more: a base and three extensions.
const MAX_BLOCKS: usize = 4;
const HEADER: [u8; 8] = [0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x00];
/// What a source shows as the name of its screen; at most 13 characters (VESA E-EDID A.2, 3.10.3).
const NAME: &[u8] = b"capturebox";

/// A display's description, as a source reads it: whole blocks with right checksums.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edid(Vec<u8>);

/// Why bytes are no EDID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum EdidError {
    #[error("it has {0} bytes; an EDID has 128, 256, 384 or 512")]
    Length(usize),
    #[error("it doesn't begin as an EDID does; text must be made binary first (`xxd -r -p`)")]
    Header,
    #[error("the checksum of block {0} is wrong")]
    Checksum(usize),
    #[error("it says that it has {said} extensions, and has {found}")]
    Extensions { said: u8, found: usize },
}

impl Edid {
    /// The box's own.
    pub fn own() -> Self {
        let mut bytes = base();
        bytes.extend(extension());
        Self(bytes)
    }

    /// What somebody wrote into a file.
    pub fn parse(bytes: &[u8]) -> Result<Self, EdidError> {
        let (blocks, rest) = bytes.as_chunks::<BLOCK>();
        if !rest.is_empty() || !(1..=MAX_BLOCKS).contains(&blocks.len()) {
            return Err(EdidError::Length(bytes.len()));
        }
        if !bytes.starts_with(&HEADER) {
            return Err(EdidError::Header);
        }
        if let Some(wrong) = blocks.iter().position(|block| sum(block) != 0) {
            return Err(EdidError::Checksum(wrong));
        }
        let (said, found) = (bytes.get(126).copied().unwrap_or(0), blocks.len() - 1);
        if usize::from(said) != found {
            return Err(EdidError::Extensions { said, found });
        }
        Ok(Self(bytes.to_vec()))
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

/// Fills a block up and makes the sum of its bytes 0.
fn sealed(mut block: Vec<u8>) -> Vec<u8> {
    block.resize(BLOCK - 1, 0);
    block.push(0_u8.wrapping_sub(sum(&block)));
    block
}

/// A progressive picture with its blanking, as CTA-861 has it.
struct Timing {
    /// Ten thousands of hertz.
    pixel_clock: u16,
    /// Active, blanking, front porch, sync.
    horizontal: [u16; 4],
    vertical: [u16; 4],
}

/// VIC 34.
const P1080_30: Timing = Timing { pixel_clock: 7_425, horizontal: [1920, 280, 88, 44], vertical: [1080, 45, 4, 5] };
/// VIC 4.
const P720_60: Timing = Timing { pixel_clock: 7_425, horizontal: [1280, 370, 110, 40], vertical: [720, 30, 5, 5] };

impl Timing {
    /// VESA E-EDID A.2, 3.10.2; both syncs positive, as all that is offered has them.
    fn descriptor(&self) -> Vec<u8> {
        let low = |value: u16| value.to_le_bytes()[0];
        let high = |value: u16| value.to_le_bytes()[1];
        let [width, h_blank, h_front, h_sync] = self.horizontal;
        let [height, v_blank, v_front, v_sync] = self.vertical;
        let mut bytes = self.pixel_clock.to_le_bytes().to_vec();
        bytes.extend([low(width), low(h_blank), high(width) << 4 | high(h_blank)]);
        bytes.extend([low(height), low(v_blank), high(height) << 4 | high(v_blank)]);
        bytes.extend([low(h_front), low(h_sync), low(v_front) << 4 | low(v_sync)]);
        // The porches' and syncs' high bits; no size in millimetres, no border.
        bytes.extend([high(h_front) << 6 | high(h_sync) << 4, 0, 0, 0, 0, 0, 0b0001_1110]);
        bytes
    }
}

/// A descriptor of text or limits: its tag and 13 bytes.
fn display_descriptor(tag: u8, content: &[u8], fill: &[u8]) -> Vec<u8> {
    let fill = fill.iter().chain(std::iter::repeat(&b' '));
    let content = content.iter().chain(fill).take(13).copied();
    [0, 0, 0, tag, 0].into_iter().chain(content).collect()
}

fn base() -> Vec<u8> {
    let mut block = HEADER.to_vec();
    // The maker LNX, which stands for EDIDs that Linux makes up; product 1, no serial number, 2026.
    block.extend([0x31, 0xD8, 1, 0, 0, 0, 0, 0, 0, 2026_u16.wrapping_sub(1990).to_le_bytes()[0]]);
    // EDID 1.3; digital; size not known; gamma 2.2; RGB in sRGB, the first timing is preferred.
    block.extend([1, 3, 0x80, 0, 0, 120, 0b0000_1110]);
    // The colours of sRGB.
    block.extend([0xEE, 0x91, 0xA3, 0x54, 0x4C, 0x99, 0x26, 0x0F, 0x50, 0x54]);
    // 640x480 at 60, which every source can fall back to; no more of the old timings.
    block.extend([0b0010_0000, 0, 0]);
    block.extend([1; 16]);
    block.extend(P1080_30.descriptor());
    block.extend(P720_60.descriptor());
    block.extend(display_descriptor(0xFC, NAME, b"\n"));
    // 24 to 61 Hz, 15 to 68 kHz, up to 150 MHz.
    block.extend(display_descriptor(0xFD, &[24, 61, 15, 68, 15, 0], b"\n"));
    block.push(1);
    sealed(block)
}

/// CTA-861-G, 7.5.
fn extension() -> Vec<u8> {
    const AUDIO: u8 = 1;
    const VIDEO: u8 = 2;
    const VENDOR: u8 = 3;
    const SPEAKERS: u8 = 4;
    const EXTENDED: u8 = 7;
    let blocks: [(u8, &[u8]); 5] = [
        // 1080p30, 1080p25, 1080p50, 720p60, 720p50, 640x480.
        (VIDEO, &[34, 33, 31, 4, 19, 1]),
        // LPCM, two channels; 32, 44.1 and 48 kHz; 16, 20 and 24 bits.
        (AUDIO, &[1 << 3 | 1, 0b111, 0b111]),
        (SPEAKERS, &[1, 0, 0]),
        // HDMI (00-0C-03): the source's address for CEC is 1.0.0.0; up to 150 MHz.
        (VENDOR, &[0x03, 0x0C, 0x00, 0x10, 0x00, 0, 150 / 5]),
        // Video capability: both ranges of RGB and YCbCr can be chosen; nothing is scanned over.
        (EXTENDED, &[0, 0b1100_1010]),
    ];
    let data: Vec<u8> = blocks
        .iter()
        .flat_map(|(tag, content)| {
            let head = tag << 5 | content.len().to_le_bytes()[0];
            std::iter::once(head).chain(content.iter().copied())
        })
        .collect();
    let timings_at = (4 + data.len()).to_le_bytes()[0];
    // Underscan, basic sound, YCbCr 4:4:4 and 4:2:2; one native timing, the base block's first.
    let mut block = vec![2, 3, timings_at, 0b1111_0001];
    block.extend(data);
    sealed(block)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_own_one_is_whole_and_prefers_1080p30() {
        let own = Edid::own();
        assert_eq!(Edid::parse(own.bytes()), Ok(own.clone()));
        let hexadecimal: Vec<String> = own.bytes()[54..72].iter().map(|byte| format!("{byte:02x}")).collect();
        // As every display of that size has it.
        assert_eq!(hexadecimal.join(" "), "01 1d 80 18 71 38 2d 40 58 2c 45 00 00 00 00 00 00 1e");
    }

    #[test]
    fn a_damaged_file_is_refused_by_what_is_wrong() {
        let own = Edid::own();
        let own = own.bytes();
        let changed = |at: usize, value: u8| {
            let mut bytes = own.to_vec();
            bytes[at] = value;
            Edid::parse(&bytes)
        };
        assert_eq!(Edid::parse(&[]), Err(EdidError::Length(0)));
        assert_eq!(Edid::parse(&own[..255]), Err(EdidError::Length(255)));
        assert_eq!(Edid::parse(&own.repeat(3)), Err(EdidError::Length(768)));
        assert_eq!(changed(0, b'0'), Err(EdidError::Header));
        assert_eq!(changed(20, 0), Err(EdidError::Checksum(0)));
        assert_eq!(changed(200, 7), Err(EdidError::Checksum(1)));
        assert_eq!(Edid::parse(&own[..128]), Err(EdidError::Extensions { said: 1, found: 0 }));
    }

    proptest! {
        #[test]
        fn whatever_is_in_the_file_it_is_read_or_refused(mut bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = Edid::parse(&bytes);
            if bytes.len() > 8 {
                bytes[..8].copy_from_slice(&HEADER);
            }
            let _ = Edid::parse(&bytes);
        }
    }
}
