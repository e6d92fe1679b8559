//! The slate: the picture that stands in while there is no signal, and says why.

use super::picture::{Canvas, GLYPH, Rect, Yuv, text_width};
use crate::config::Size;
use crate::media::{PixelFormat, RawFrame};
use crate::time::MonoTime;
use std::sync::Arc;

const BACKGROUND: Yuv = Yuv::from_rgb(20, 24, 36);
const RULE: Yuv = Yuv::from_rgb(200, 120, 20);
const TITLE_LUMA: u8 = 225;
const CAUSE_LUMA: u8 = 165;

/// A picture as small as this has 40 characters in a line at scale 1; bigger ones scale up.
const BASE: (usize, usize) = (320, 180);
/// Lines a title may take.
const TITLE_LINES: usize = 2;
/// Left and right of the text, in characters.
const MARGIN: usize = 2;

/// Draws a slate in I420: `title` large, `cause` below it, both wrapped and cut to what fits. Captured at
/// zero: use [`RawFrame::at`]. The same size gives the same layout at every scale.
pub fn slate(size: Size, title: &str, cause: &str) -> RawFrame {
    let legal = |side: u32| side.clamp(2, crate::media::MAX_DIMENSION) & !1;
    let (width, height) = (legal(size.width), legal(size.height));
    let len = RawFrame::packed_len(width, height, PixelFormat::I420).unwrap_or_default();
    let mut buffer = vec![0; len];
    if let Some(mut canvas) = Canvas::new((width, height), &mut buffer) {
        draw(&mut canvas, title, cause);
    }
    RawFrame::packed(MonoTime::ZERO, (width, height), PixelFormat::I420, Arc::new(buffer))
        .expect("the size was made legal and the buffer has its length")
}

fn draw(canvas: &mut Canvas<'_>, title: &str, cause: &str) {
    let all = canvas.bounds();
    canvas.fill(all, BACKGROUND);

    let scale = (all.width / BASE.0).min(all.height / BASE.1).max(1);
    let columns = |scale: usize| (all.width / (GLYPH * scale)).saturating_sub(2 * MARGIN).max(1);
    let large = wrap(title, columns(2 * scale), usize::MAX);
    let (title_scale, title_lines) =
        if large.len() <= TITLE_LINES { (2 * scale, large) } else { (scale, wrap(title, columns(scale), TITLE_LINES)) };
    // Half a glyph between lines.
    let line = |scale: usize| GLYPH * scale * 3 / 2;
    let rule_height = line(scale) + scale;
    let left = all.height.saturating_sub(title_lines.len() * line(title_scale) + rule_height + 2 * line(scale));
    let cause_lines = wrap(cause, columns(scale), left / line(scale));

    let height = title_lines.len() * line(title_scale) + rule_height + cause_lines.len() * line(scale);
    let mut y = all.height.saturating_sub(height) / 2;
    let put = |canvas: &mut Canvas<'_>, y: &mut usize, text: &str, scale: usize, luma: u8| {
        let x = all.width.saturating_sub(text_width(text, scale)) / 2;
        canvas.text((x, *y), scale, luma, text);
        *y += line(scale);
    };
    for text in &title_lines {
        put(canvas, &mut y, text, title_scale, TITLE_LUMA);
    }
    canvas.fill(Rect::new(all.width / 4, y + line(scale) / 4, all.width / 2, 2 * scale), RULE);
    y += rule_height;
    for text in &cause_lines {
        put(canvas, &mut y, text, scale, CAUSE_LUMA);
    }
}

/// Breaks text between words into at most `max_lines` lines of at most `columns` characters; a word
/// that is longer is broken, and what doesn't fit ends in `...`.
fn wrap(text: &str, columns: usize, max_lines: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line: Vec<char> = Vec::new();
    for word in text.split_whitespace() {
        let word: Vec<char> = word.chars().collect();
        if !line.is_empty() && line.len() + 1 + word.len() > columns {
            lines.push(std::mem::take(&mut line).into_iter().collect());
        }
        if !line.is_empty() {
            line.push(' ');
        }
        for character in word {
            if line.len() >= columns {
                lines.push(std::mem::take(&mut line).into_iter().collect());
            }
            line.push(character);
        }
    }
    if !line.is_empty() {
        lines.push(line.into_iter().collect());
    }
    if lines.len() > max_lines {
        lines.truncate(max_lines);
        if let Some(last) = lines.last_mut() {
            let kept: String = last.chars().take(columns.saturating_sub(3)).collect();
            *last = format!("{}...", kept.trim_end());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn size(width: u32, height: u32) -> Size {
        Size { width, height }
    }

    #[test]
    fn words_are_wrapped_and_the_rest_is_cut() {
        assert_eq!(wrap("no signal on the input", 10, 9), ["no signal", "on the", "input"]);
        assert_eq!(wrap("no signal on the input", 10, 2), ["no signal", "on the..."]);
        assert_eq!(wrap("/dev/v4l/by-id/x", 6, 9), ["/dev/v", "4l/by-", "id/x"]);
        assert!(wrap(" \n ", 10, 2).is_empty());
    }

    #[test]
    fn a_slate_is_dark_with_bright_letters_and_each_text_is_another_picture() {
        for (width, height) in [(320, 180), (640, 480), (1280, 720), (1920, 1080)] {
            let one = slate(size(width, height), "NO SIGNAL", "/dev/video0 was unplugged");
            let luma = &one.plane(0)[..(width * height) as usize];
            let bright = luma.iter().filter(|&&y| y >= CAUSE_LUMA).count();
            let dark = luma.iter().filter(|&&y| y == BACKGROUND.y).count();
            assert!(bright * 200 > luma.len(), "{width}x{height}: {bright} bright px can't be read");
            assert!(dark * 10 > luma.len() * 8, "{width}x{height}");
            let other = slate(size(width, height), "NO SIGNAL", "/dev/video1 was unplugged");
            assert_ne!(one.buffer().bytes(), other.buffer().bytes());
        }
    }

    #[test]
    fn a_long_cause_stays_inside() {
        let frame = slate(size(320, 180), "NO SIGNAL", &"a very long cause ".repeat(100));
        let bottom = &frame.plane(0)[320 * 178..320 * 180];
        assert!(bottom.iter().all(|&y| y == BACKGROUND.y));
    }

    proptest! {
        #[test]
        fn any_size_and_text_make_a_picture(w in 0_u32..700, h in 0_u32..500, title in "\\PC{0,60}", cause in "\\PC{0,300}") {
            slate(size(w, h), &title, &cause);
        }
    }
}
