//! A packed I420 picture that can be drawn on.

use super::font::{self, GLYPH};

/// A colour in BT.709, limited range: what decoders assume of HD video that says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Yuv {
    pub y: u8,
    pub u: u8,
    pub v: u8,
}

impl Yuv {
    pub const BLACK: Self = Self::grey(16);
    pub const WHITE: Self = Self::grey(235);

    /// `y` from 16 (black) to 235 (white).
    pub const fn grey(y: u8) -> Self {
        Self { y, u: 128, v: 128 }
    }

    /// From full-range RGB, to the nearest step.
    pub const fn from_rgb(r: u8, g: u8, b: u8) -> Self {
        let (r, g, b) = (r as i32, g as i32, b as i32);
        // BT.709 coefficients × 219/255 (luma) and × 224/255 (chroma), in 1/65536.
        let y = 16 * 65_536 + 11_966 * r + 40_254 * g + 4_064 * b;
        let u = 128 * 65_536 - 6_596 * r - 22_189 * g + 28_785 * b;
        let v = 128 * 65_536 + 28_785 * r - 26_146 * g - 2_639 * b;
        Self { y: to_byte(y), u: to_byte(u), v: to_byte(v) }
    }
}

const fn to_byte(fixed: i32) -> u8 {
    let rounded = (fixed + 32_768) >> 16;
    if rounded < 0 {
        0
    } else if rounded > 255 {
        255
    } else {
        rounded as u8
    }
}

/// Pixels; the part outside of the picture isn't drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rect {
    pub x: usize,
    pub y: usize,
    pub width: usize,
    pub height: usize,
}

impl Rect {
    pub const fn new(x: usize, y: usize, width: usize, height: usize) -> Self {
        Self { x, y, width, height }
    }

    /// Cell `index` of `count` equal ones side by side.
    pub fn column(self, index: usize, count: usize) -> Self {
        let edge = |i: usize| self.width * i / count.max(1);
        Self { x: self.x + edge(index), width: edge(index + 1) - edge(index), ..self }
    }

    /// Cell `index` of `count` equal ones above each other.
    pub fn row(self, index: usize, count: usize) -> Self {
        let edge = |i: usize| self.height * i / count.max(1);
        Self { y: self.y + edge(index), height: edge(index + 1) - edge(index), ..self }
    }
}

/// A packed I420 picture: Y, U, V without padding, even width and height.
#[derive(Debug)]
pub struct Canvas<'a> {
    width: usize,
    height: usize,
    luma: &'a mut [u8],
    u: &'a mut [u8],
    v: &'a mut [u8],
}

impl<'a> Canvas<'a> {
    /// `None` when a side is odd or zero, or the buffer is shorter than the picture.
    pub fn new((width, height): (u32, u32), buffer: &'a mut [u8]) -> Option<Self> {
        let (width, height) = (usize::try_from(width).ok()?, usize::try_from(height).ok()?);
        if width == 0 || height == 0 || !width.is_multiple_of(2) || !height.is_multiple_of(2) {
            return None;
        }
        let pixels = width.checked_mul(height)?;
        let (luma, chroma) = buffer.split_at_mut_checked(pixels)?;
        let (u, rest) = chroma.split_at_mut_checked(pixels / 4)?;
        let (v, _) = rest.split_at_mut_checked(pixels / 4)?;
        Some(Self { width, height, luma, u, v })
    }

    pub fn bounds(&self) -> Rect {
        Rect::new(0, 0, self.width, self.height)
    }

    /// Fills with one colour. Colour is kept for 2×2 pixels: an odd edge takes it from outside.
    pub fn fill(&mut self, rect: Rect, colour: Yuv) {
        self.fill_luma(rect, colour.y);
        let (left, top) = (rect.x / 2, rect.y / 2);
        let right = rect.x.saturating_add(rect.width).min(self.width) / 2;
        let bottom = rect.y.saturating_add(rect.height).min(self.height) / 2;
        fill_plane(self.u, self.width / 2, (left, top), (right, bottom), colour.u);
        fill_plane(self.v, self.width / 2, (left, top), (right, bottom), colour.v);
    }

    /// Changes the brightness and leaves the colour.
    pub fn fill_luma(&mut self, rect: Rect, y: u8) {
        let right = rect.x.saturating_add(rect.width).min(self.width);
        let bottom = rect.y.saturating_add(rect.height).min(self.height);
        fill_plane(self.luma, self.width, (rect.x, rect.y), (right, bottom), y);
    }

    /// One colour beside the other, left to right.
    pub fn bars(&mut self, rect: Rect, colours: &[Yuv]) {
        for (index, &colour) in colours.iter().enumerate() {
            self.fill(rect.column(index, colours.len()), colour);
        }
    }

    /// One line of text, its upper left corner at `(x, y)`, each dot of the 8×8 glyphs `scale` px
    /// wide and high. Only brightness is drawn.
    pub fn text(&mut self, (x, y): (usize, usize), scale: usize, luma: u8, text: &str) {
        for (index, character) in text.chars().enumerate() {
            let left = x.saturating_add(index.saturating_mul(GLYPH).saturating_mul(scale));
            if left >= self.width {
                break;
            }
            for (row, dots) in font::glyph(character).into_iter().enumerate() {
                let top = y.saturating_add(row.saturating_mul(scale));
                for (column, length) in font::runs(dots) {
                    let dot_x = left.saturating_add(column.saturating_mul(scale));
                    self.fill_luma(Rect::new(dot_x, top, length.saturating_mul(scale), scale), luma);
                }
            }
        }
    }
}

/// Fills `[left, right) × [top, bottom)`, which must end within the plane.
fn fill_plane(
    plane: &mut [u8],
    stride: usize,
    (left, top): (usize, usize),
    (right, bottom): (usize, usize),
    value: u8,
) {
    if left >= right || top >= bottom {
        return;
    }
    for row in plane.chunks_exact_mut(stride).take(bottom).skip(top) {
        if let Some(dots) = row.get_mut(left..right) {
            dots.fill(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn primary_colours_are_those_of_bt_709() {
        assert_eq!(Yuv::from_rgb(0, 0, 0), Yuv::BLACK);
        assert_eq!(Yuv::from_rgb(255, 255, 255), Yuv::WHITE);
        assert_eq!(Yuv::from_rgb(255, 0, 0), Yuv { y: 63, u: 102, v: 240 });
        assert_eq!(Yuv::from_rgb(0, 255, 0), Yuv { y: 173, u: 42, v: 26 });
        assert_eq!(Yuv::from_rgb(0, 0, 255), Yuv { y: 32, u: 240, v: 118 });
    }

    #[test]
    fn a_rectangle_is_drawn_where_it_is_said_and_nowhere_else() {
        let mut buffer = vec![0; 8 * 4 * 3 / 2];
        let mut canvas = Canvas::new((8, 4), &mut buffer).expect("fits");
        canvas.fill(Rect::new(2, 2, 4, 2), Yuv { y: 1, u: 2, v: 3 });
        #[rustfmt::skip]
        assert_eq!(buffer, [
            0, 0, 0, 0, 0, 0, 0, 0,
            0, 0, 0, 0, 0, 0, 0, 0,
            0, 0, 1, 1, 1, 1, 0, 0,
            0, 0, 1, 1, 1, 1, 0, 0,
            0, 0, 0, 0, 0, 2, 2, 0,
            0, 0, 0, 0, 0, 3, 3, 0,
        ]);
    }

    #[test]
    fn a_short_buffer_or_an_odd_size_is_no_canvas() {
        assert!(Canvas::new((8, 4), &mut [0; 47]).is_none());
        assert!(Canvas::new((7, 4), &mut [0; 48]).is_none());
        assert!(Canvas::new((0, 4), &mut [0; 48]).is_none());
    }

    #[test]
    fn cells_cover_their_rectangle_without_a_gap() {
        let rect = Rect::new(3, 5, 101, 7);
        let end = (0..32).fold(rect.x, |x, index| {
            let cell = rect.column(index, 32);
            assert_eq!(cell.x, x);
            cell.x + cell.width
        });
        assert_eq!(end, rect.x + rect.width);
    }

    proptest! {
        #[test]
        fn anything_is_clipped(x in any::<usize>(), y in any::<usize>(), w in any::<usize>(), h in any::<usize>(), text in "\\PC{0,20}") {
            let mut buffer = vec![0; 16 * 10 * 3 / 2];
            let mut canvas = Canvas::new((16, 10), &mut buffer).expect("fits");
            canvas.fill(Rect::new(x, y, w, h), Yuv::WHITE);
            canvas.text((x % 40, y), w, 235, &text);
            canvas.text((x % 20, y % 12), h % 4, 235, &text);
        }
    }
}
