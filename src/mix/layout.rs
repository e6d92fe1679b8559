//! Where everybody's tile is. Pure.
//!
//! Not here: what is drawn into a tile (`compositor`).

use crate::capture::picture::Rect;

/// How people share the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// Everybody alike.
    #[default]
    Grid,
    /// Who speaks is large, the others stand at the right.
    Speaker,
}

/// A gap between two tiles is one part in so many of the picture's width.
const GAP_PARTS: usize = 160;
/// The tile of who speaks is as wide as so many of the others'.
const LARGE: usize = 4;

/// One tile a person, in their order: within a canvas of `(width, height)` px, none over another, every edge even
/// (chroma has half the resolution), all with the canvas' own proportions. `speaker` is the place of who speaks; without
/// one the first is large.
pub fn arrange(layout: Layout, people: usize, speaker: Option<usize>, canvas: (u32, u32)) -> Vec<Rect> {
    let (width, height) = (canvas.0 as usize, canvas.1 as usize);
    let all = Rect::new(0, 0, even(width), even(height));
    match (layout, people) {
        (_, 0) => Vec::new(),
        (_, 1) => vec![all],
        (Layout::Grid, _) => grid(people, all, gap(width)),
        (Layout::Speaker, _) => speaking(people, speaker.filter(|place| *place < people).unwrap_or(0), all, gap(width)),
    }
}

/// The number of columns that makes tiles largest; a last row that isn't full stands in the middle.
fn grid(people: usize, all: Rect, gap: usize) -> Vec<Rect> {
    let rows = |columns: usize| people.div_ceil(columns);
    let tile_width = |columns: usize| {
        let of = |side: usize, count: usize| side.saturating_sub(gap * (count + 1)) / count;
        let (width, height) = (of(all.width, columns), of(all.height, rows(columns)));
        width.min(height * all.width / all.height.max(1))
    };
    // Of equals the fewest: tiles side by side and above each other rather than in one row.
    let columns = (1..=people).rev().max_by_key(|columns| tile_width(*columns)).unwrap_or(1);
    let (width, height) = tile(tile_width(columns), all);
    let span = |count: usize, side: usize| count * side + (count - 1) * gap;
    let top = even(all.height.saturating_sub(span(rows(columns), height)) / 2);
    (0..people)
        .map(|place| {
            let (row, column) = (place / columns, place % columns);
            let in_row = columns.min(people - row * columns);
            let left = even(all.width.saturating_sub(span(in_row, width)) / 2);
            Rect::new(left + column * (width + gap), top + row * (height + gap), width, height)
        })
        .collect()
}

/// The large tile is [`LARGE`] small ones wide, and `columns` of these stand beside it: so many that everybody fits.
fn speaking(people: usize, speaker: usize, all: Rect, gap: usize) -> Vec<Rect> {
    let others = people - 1;
    let columns = (1..=others).find(|columns| columns * (columns + LARGE) >= others).unwrap_or(1);
    let (across, rows) = (columns + LARGE, others.div_ceil(columns));
    let (small_width, small_height) = (all.width / across, all.height / across);
    let (width, height) = tile(small_width * LARGE, all);
    let large = Rect::new(0, even((all.height - height) / 2), width, height);
    let (width, height) = tile(small_width.saturating_sub(gap).max(2), all);
    let top = even(all.height.saturating_sub(rows * small_height) / 2);
    let small = |place: usize| {
        let (row, column) = (place / columns, place % columns);
        let left = even(small_width * (LARGE + column) + gap);
        Rect::new(left.min(all.width - width), even(top + row * small_height), width, height)
    };
    (0..people)
        .map(|place| match place.cmp(&speaker) {
            std::cmp::Ordering::Less => small(place),
            std::cmp::Ordering::Equal => large,
            std::cmp::Ordering::Greater => small(place - 1),
        })
        .collect()
}

/// A tile of this width with the canvas' proportions.
fn tile(width: usize, all: Rect) -> (usize, usize) {
    (even(width).max(2), even(width * all.height / all.width.max(1)).max(2))
}

fn gap(width: usize) -> usize {
    even(width / GAP_PARTS)
}

fn even(value: usize) -> usize {
    value & !1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HD: (u32, u32) = (1280, 720);

    fn sizes(layout: Layout, people: usize) -> Vec<(usize, usize)> {
        arrange(layout, people, None, HD).into_iter().map(|tile| (tile.width, tile.height)).collect()
    }

    #[test]
    fn one_has_all_two_stand_side_by_side_four_make_a_square() {
        assert_eq!(arrange(Layout::Grid, 1, None, HD), [Rect::new(0, 0, 1280, 720)]);
        let two = arrange(Layout::Grid, 2, None, HD);
        assert!(two[0].y == two[1].y && two[0].x < two[1].x && two[0].width > 600, "{two:?}");
        let four = arrange(Layout::Grid, 4, None, HD);
        assert!(four[0].y == four[1].y && four[2].y == four[3].y && four[0].y < four[2].y, "{four:?}");
        assert_eq!(sizes(Layout::Grid, 9)[0], sizes(Layout::Grid, 8)[0]);
        assert!(arrange(Layout::Grid, 0, None, HD).is_empty());
    }

    #[test]
    fn three_have_the_third_in_the_middle() {
        let three = arrange(Layout::Grid, 3, None, HD);
        let middle = three[2].x + three[2].width / 2;
        assert!(middle.abs_diff(640) <= 1, "{three:?}");
    }

    #[test]
    fn who_speaks_is_large_wherever_their_place() {
        for people in 2..20 {
            for speaker in 0..people {
                let tiles = arrange(Layout::Speaker, people, Some(speaker), HD);
                let largest = (0..people).max_by_key(|place| tiles[*place].width);
                assert_eq!(largest, Some(speaker), "{tiles:?}");
            }
        }
        assert_eq!(arrange(Layout::Speaker, 3, Some(7), HD), arrange(Layout::Speaker, 3, None, HD));
    }

    proptest! {
        #[test]
        fn tiles_are_even_inside_and_apart(
            people in 0_usize..60,
            speaker in prop::option::of(0_usize..60),
            (width, height) in (160_u32..2000, 160_u32..2000),
            layout in prop::sample::select(vec![Layout::Grid, Layout::Speaker]),
        ) {
            let tiles = arrange(layout, people, speaker, (width * 2, height * 2));
            prop_assert_eq!(tiles.len(), people);
            for (place, tile) in tiles.iter().enumerate() {
                prop_assert!([tile.x, tile.y, tile.width, tile.height].iter().all(|edge| edge.is_multiple_of(2)));
                prop_assert!(tile.width >= 2 && tile.height >= 2, "{:?}", tile);
                prop_assert!(tile.x + tile.width <= width as usize * 2, "{:?}", tile);
                prop_assert!(tile.y + tile.height <= height as usize * 2, "{:?}", tile);
                for other in &tiles[..place] {
                    let apart = tile.x + tile.width <= other.x || other.x + other.width <= tile.x
                        || tile.y + tile.height <= other.y || other.y + other.height <= tile.y;
                    prop_assert!(apart, "{:?} {:?}", tile, other);
                }
            }
        }
    }
}
