//! Capture time and frame number as black and white blocks that survive compression, so that a test
//! can read them from a player's canvas: glass-to-glass latency, dropped and repeated frames.
//!
//! The strip is the lowest eighth of the picture: two rows of 32 equal blocks, each one bit, white
//! (luma 235) for 1, most significant first. To read a bit, average a few pixels around the middle of its block; it is
//! a 1 at half brightness or more. At 1280x720 a block is 40×45 px; blocks of 16 px and more (512x256) read well at any
//! usual bitrate.
//!
//! ```text
//! upper row: 32 bits  capture time, Unix milliseconds mod 2³²
//! lower row: 24 bits  frame number mod 2²⁴, 8 bits CRC-8 of the 7 bytes before
//! ```
//!
//! CRC-8: polynomial 0x07, initial value 0xFF, not reflected, nothing added at the end. Black,
//! white and grey pictures fail it. In a browser, with `data` from `getImageData` of the whole picture:
//!
//! ```js
//! const bytes = [];
//! for (let row = 0; row < 2; row++)
//!   for (let byte = 0; byte < 4; byte++) {
//!     let value = 0;
//!     for (let bit = 0; bit < 8; bit++) {
//!       const x = Math.floor((byte * 8 + bit + 0.5) / 32 * width);
//!       const y = Math.floor((15 / 16 + (row - 0.5) / 16) * height);
//!       value = value << 1 | (data[(y * width + x) * 4 + 1] >= 128);
//!     }
//!     bytes.push(value);
//!   }
//! let crc = 0xff;
//! for (const byte of bytes.slice(0, 7)) {
//!   crc ^= byte;
//!   for (let i = 0; i < 8; i++) crc = (crc & 0x80 ? crc << 1 ^ 0x07 : crc << 1) & 0xff;
//! }
//! const ok = crc === bytes[7];
//! const capturedMs = (bytes[0] << 24 | bytes[1] << 16 | bytes[2] << 8 | bytes[3]) >>> 0;
//! const frame = bytes[4] << 16 | bytes[5] << 8 | bytes[6];
//! const latencyMs = ((Date.now() % 2 ** 32) - capturedMs) | 0;   // | 0 takes the difference mod 2³²
//! ```

use crate::capture::picture::{Canvas, Rect};

const BLOCKS: usize = 32;
const ROWS: usize = 2;
const WHITE: u8 = 235;
const BLACK: u8 = 16;
/// Pixels averaged to each side of the middle of a block, at most.
const REACH: usize = 2;

/// What the strip says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strip {
    /// When the frame was captured: Unix milliseconds mod 2³².
    pub unix_ms: u32,
    /// Below 2²⁴.
    pub frame: u32,
}

impl Strip {
    /// Both are taken modulo what they have room for.
    pub fn new(unix_ms: i64, frame: i64) -> Self {
        Self { unix_ms: unix_ms as u32, frame: frame as u32 & 0xff_ffff }
    }

    fn bits(self) -> [u32; ROWS] {
        let [_, a, b, c] = self.frame.to_be_bytes();
        let [t0, t1, t2, t3] = self.unix_ms.to_be_bytes();
        let crc = crc8(&[t0, t1, t2, t3, a, b, c]);
        [self.unix_ms, u32::from_be_bytes([a, b, c, crc])]
    }

    /// Reads the strip from the brightness of a decoded picture of any size; `None` when there is
    /// none, or it can't be read.
    pub fn read(luma: &[u8], stride: usize, (width, height): (usize, usize)) -> Option<Self> {
        let mut rows = [0_u32; ROWS];
        for (index, bits) in rows.iter_mut().enumerate() {
            for block in 0..BLOCKS {
                let x = (2 * block + 1) * width / (2 * BLOCKS);
                let y = height - height / 8 + (2 * index + 1) * height / 8 / (2 * ROWS);
                *bits = *bits << 1 | u32::from(mean(luma, stride, (width, height), (x, y))? >= 126);
            }
        }
        let strip = Self { unix_ms: rows[0], frame: rows[1] >> 8 };
        (strip.bits() == rows).then_some(strip)
    }
}

/// The mean of a small square; `None` outside of the picture.
fn mean(luma: &[u8], stride: usize, (width, height): (usize, usize), (x, y): (usize, usize)) -> Option<usize> {
    let reach = REACH.min(width / BLOCKS / 4).min(height / 64);
    let (mut sum, mut count) = (0, 0);
    for row in y.checked_sub(reach)?..=y + reach {
        let start = row.checked_mul(stride)?;
        for &dot in luma.get(start + x.checked_sub(reach)?..=start + x + reach)? {
            sum += usize::from(dot);
            count += 1;
        }
    }
    Some(sum / count)
}

pub(super) fn draw(strip: &Strip, canvas: &mut Canvas<'_>) {
    let all = canvas.bounds();
    let area = Rect { y: all.height - all.height / 8, height: all.height / 8, ..all };
    for (index, bits) in strip.bits().into_iter().enumerate() {
        let row = area.row(index, ROWS);
        for block in 0..BLOCKS {
            let lit = bits >> (BLOCKS - 1 - block) & 1 == 1;
            canvas.fill_luma(row.column(block, BLOCKS), if lit { WHITE } else { BLACK });
        }
    }
}

fn crc8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0xff, |crc, byte| {
        (0..8).fold(crc ^ byte, |crc: u8, _| if crc & 0x80 == 0 { crc << 1 } else { crc << 1 ^ 0x07 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn drawn(strip: Strip, (width, height): (u32, u32)) -> Vec<u8> {
        let mut buffer = vec![0; (width * height * 3 / 2) as usize];
        draw(&strip, &mut Canvas::new((width, height), &mut buffer).expect("fits"));
        buffer
    }

    #[test]
    fn plain_pictures_hold_no_strip() {
        for luma in [0, 16, 125, 128, 235, 255] {
            assert_eq!(Strip::read(&vec![luma; 640 * 360], 640, (640, 360)), None, "{luma}");
        }
        assert_eq!(Strip::read(&[], 640, (640, 360)), None);
        assert_eq!(Strip::read(&[1], 1, (0, 0)), None);
    }

    #[test]
    fn the_check_value_is_the_documented_one() {
        // Poly 0x07, init 0xFF over "123456789", as any CRC calculator says.
        assert_eq!(crc8(b"123456789"), 0xfb);
    }

    #[test]
    fn a_wrong_bit_is_noticed() {
        let strip = Strip::new(1_234_567_890_123, 4_711);
        let mut picture = drawn(strip, (1280, 720));
        assert_eq!(Strip::read(&picture, 1280, (1280, 720)), Some(strip));
        for row in 640..670 {
            picture[row * 1280 + 400..row * 1280 + 440].iter_mut().for_each(|y| *y = 251 - *y);
        }
        assert_eq!(Strip::read(&picture, 1280, (1280, 720)), None);
    }

    proptest! {
        #[test]
        fn what_is_drawn_is_read_at_any_size(ms in any::<i64>(), frame in any::<i64>(), w in 32_u32..500, h in 16_u32..300) {
            let (w, h) = (w * 2, h * 2);
            let strip = Strip::new(ms, frame);
            let picture = drawn(strip, (w, h));
            prop_assert_eq!(Strip::read(&picture, w as usize, (w as usize, h as usize)), Some(strip));
        }

        #[test]
        fn noise_never_panics(luma in proptest::collection::vec(any::<u8>(), 0..2000), stride in 0_usize..200, w in 0_usize..200, h in 0_usize..200) {
            let _ = Strip::read(&luma, stride, (w, h));
        }
    }
}
