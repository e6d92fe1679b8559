//! The glyphs: 8×8 dots each, ASCII and Latin-1.

use font8x8::legacy::{BASIC_LEGACY, LATIN_LEGACY};

/// Width and height of a glyph, dots.
pub const GLYPH: usize = 8;

/// The first code point of the Latin-1 table.
const LATIN_START: u32 = 0xA0;

/// Eight rows from the top; the lowest bit is the leftmost dot. What the font lacks is a `?`.
pub(super) fn glyph(character: char) -> [u8; GLYPH] {
    let code = u32::from(character);
    let find = |table: &[[u8; GLYPH]], start: u32| table.get(usize::try_from(code.checked_sub(start)?).ok()?).copied();
    find(&BASIC_LEGACY, 0).or_else(|| find(&LATIN_LEGACY, LATIN_START)).unwrap_or(BASIC_LEGACY[b'?' as usize])
}

/// The runs of lit dots of a row: where each starts and how long it is.
pub(super) fn runs(dots: u8) -> impl Iterator<Item = (usize, usize)> {
    let mut rest = u32::from(dots);
    let mut at = 0;
    std::iter::from_fn(move || {
        if rest == 0 {
            return None;
        }
        let gap = rest.trailing_zeros();
        let length = (rest >> gap).trailing_ones();
        let start = at + gap;
        at = start + length;
        rest >>= gap + length;
        Some((start as usize, length as usize))
    })
}

/// How wide a line of text is, px.
pub fn text_width(text: &str, scale: usize) -> usize {
    text.chars().count().saturating_mul(GLYPH).saturating_mul(scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_split_into_its_runs() {
        assert_eq!(runs(0b1110_0110).collect::<Vec<_>>(), [(1, 2), (5, 3)]);
        assert_eq!(runs(0xff).collect::<Vec<_>>(), [(0, 8)]);
        assert_eq!(runs(0).count(), 0);
    }

    #[test]
    fn letters_have_shapes_and_the_unknown_is_a_question_mark() {
        assert_ne!(glyph('A'), [0; 8]);
        assert_ne!(glyph('é'), glyph('?'));
        assert_eq!(glyph('漢'), glyph('?'));
        assert_eq!(glyph('\u{90}'), glyph('?'));
    }
}
