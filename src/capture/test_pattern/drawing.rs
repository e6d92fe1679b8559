//! What the test picture looks like. The still part is drawn once and copied; each frame draws only
//! what moves.
//!
//! From the top, in eighths of the height: 0–4 colour bars (75 %, as SMPTE RP 219 has them), 4–5 the
//! moving block, 5–7 running time and frame number at the left and the flash at the right, 7–8 the
//! [`Strip`].

use super::strip::{self, Strip};
use crate::capture::picture::{Canvas, GLYPH, Rect, Yuv, text_width};
use crate::config::Size;
use crate::media::{MAX_DIMENSION, PixelFormat, RawFrame};
use std::fmt::Write;

/// The middle of the flash, in 1/8 of the width and of the height: bright (luma over 200) while the
/// beep sounds, dark (under 60) otherwise. It reaches 1/16 of the picture to every side.
pub const FLASH_CENTRE: (usize, usize) = (7, 6);

const FLASH_ON: u8 = 235;
const FLASH_OFF: u8 = 32;
/// The block goes from one side to the other in this time, and back in the same.
const CROSSING_MS: i64 = 2_000;

const BARS: [Yuv; 7] = [
    Yuv::from_rgb(191, 191, 191),
    Yuv::from_rgb(191, 191, 0),
    Yuv::from_rgb(0, 191, 191),
    Yuv::from_rgb(0, 191, 0),
    Yuv::from_rgb(191, 0, 191),
    Yuv::from_rgb(191, 0, 0),
    Yuv::from_rgb(0, 0, 191),
];
const TRACK: Yuv = Yuv::grey(48);
const TEXT_LUMA: u8 = 235;

/// What one frame shows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) running_ms: i64,
    pub(super) flash: bool,
    pub(super) strip: Strip,
}

pub(super) struct Drawing {
    size: (u32, u32),
    still: Vec<u8>,
    text: String,
}

impl Drawing {
    /// `None` for a size that no picture can have.
    pub(super) fn new(Size { width, height }: Size) -> Option<Self> {
        if width > MAX_DIMENSION || height > MAX_DIMENSION {
            return None;
        }
        let mut still = vec![0; RawFrame::packed_len(width, height, PixelFormat::I420)?];
        let mut canvas = Canvas::new((width, height), &mut still)?;
        let all = canvas.bounds();
        canvas.fill(all, Yuv::BLACK);
        canvas.bars(eighths(all, 0, 4), &BARS);
        canvas.fill(eighths(all, 4, 5), TRACK);
        Some(Self { size: (width, height), still, text: String::with_capacity(32) })
    }

    /// Bytes of a picture.
    pub(super) fn len(&self) -> usize {
        self.still.len()
    }

    /// Draws into a buffer of [`Drawing::len`] bytes, all of it.
    pub(super) fn draw(&mut self, moment: &Moment, buffer: &mut [u8]) {
        if buffer.len() != self.still.len() {
            return;
        }
        buffer.copy_from_slice(&self.still);
        let Some(mut canvas) = Canvas::new(self.size, buffer) else { return };
        let all = canvas.bounds();
        canvas.fill_luma(block(eighths(all, 4, 5), moment.running_ms), 235);
        let panel = eighths(all, 5, 7);
        draw_text(&mut canvas, panel, moment, &mut self.text);
        canvas.fill_luma(flash(panel), if moment.flash { FLASH_ON } else { FLASH_OFF });
        strip::draw(&moment.strip, &mut canvas);
    }
}

fn eighths(all: Rect, from: usize, to: usize) -> Rect {
    let edge = |i: usize| all.height * i / 8;
    Rect { y: edge(from), height: edge(to) - edge(from), ..all }
}

fn flash(panel: Rect) -> Rect {
    let (width, height) = (panel.width / 8, panel.height / 2);
    Rect::new(panel.width * 13 / 16, panel.y + panel.height / 4, width, height)
}

fn block(track: Rect, running_ms: i64) -> Rect {
    let phase = running_ms.rem_euclid(2 * CROSSING_MS);
    let way = usize::try_from(phase.min(2 * CROSSING_MS - phase)).unwrap_or_default();
    let width = track.width / 16;
    let x = (track.width - width) * way / CROSSING_MS.unsigned_abs() as usize;
    Rect::new(x, track.y + track.height / 8, width, track.height * 3 / 4)
}

fn draw_text(canvas: &mut Canvas<'_>, panel: Rect, moment: &Moment, text: &mut String) {
    let ms = moment.running_ms.max(0);
    text.clear();
    // Writing to a String can't fail.
    let _ =
        write!(text, "{:02}:{:02}:{:02}.{:03}", ms / 3_600_000 % 100, ms / 60_000 % 60, ms / 1_000 % 60, ms % 1_000);
    let width = panel.width * 3 / 4;
    let large = (width / text_width(text, 1)).min(panel.height / 2 / GLYPH).max(1);
    let small = (large * 2 / 3).max(1);
    let x = panel.width / 32;
    let gap = panel.height.saturating_sub(GLYPH * (large + small)) / 3;
    let y = panel.y + gap;
    canvas.text((x, y), large, TEXT_LUMA, text);
    text.clear();
    let _ = write!(text, "frame {}", moment.strip.frame);
    canvas.text((x, y + GLYPH * large + gap), small, TEXT_LUMA, text);
}
