//! Everybody's newest picture in one.
//!
//! The canvas stays from picture to picture, and only tiles that changed are drawn again; what is handed out is a copy
//! of it in a buffer that comes back. Not here: where tiles are (`layout`), when a picture is due (`room`).

use super::PersonId;
use super::layout::{Layout, arrange};
use crate::capture::picture::{Canvas, FramePool, GLYPH, Rect, Yuv, text_width};
use crate::encode::EncodeError;
use crate::encode::scale::{Blitter, Window, within};
use crate::media::{MAX_DIMENSION, PixelFormat, RawFrame};
use crate::time::MonoTime;

const BACKGROUND: Yuv = Yuv::from_rgb(20, 24, 36);
const LABEL: Yuv = Yuv::from_rgb(12, 14, 20);
const TEXT_LUMA: u8 = 225;
/// Around who speaks.
const SPEAKS: Yuv = Yuv::from_rgb(60, 200, 90);
/// Behind the initial of who has no camera, by person.
const PLACEHOLDERS: [Yuv; 6] = [
    Yuv::from_rgb(32, 70, 110),
    Yuv::from_rgb(96, 52, 96),
    Yuv::from_rgb(30, 96, 84),
    Yuv::from_rgb(110, 70, 32),
    Yuv::from_rgb(70, 76, 120),
    Yuv::from_rgb(104, 44, 56),
];
/// A name's dots are one part in so many of its tile's height.
const LABEL_PARTS: usize = 160;
/// The initial is one part in so many of its tile's height.
const INITIAL_PARTS: usize = 3;
/// At most one part in so many of a picture is cut off to fill its tile; what has quite another shape has black beside it.
const CROP_PARTS: u64 = 4;

/// One person as they are to be seen now.
#[derive(Debug, Clone, Copy)]
pub struct Person<'a> {
    pub id: PersonId,
    pub name: &'a str,
    /// `None`: without a camera, or none of their pictures has come yet.
    pub picture: Option<&'a RawFrame>,
    /// A screen: nothing of it is cut off.
    pub whole: bool,
    pub speaks: bool,
}

/// What a tile shows; another value and it is drawn again.
#[derive(Debug, Clone, PartialEq)]
struct Drawn {
    id: PersonId,
    name: String,
    /// When the picture was taken, and its size.
    picture: Option<(MonoTime, u32, u32)>,
    whole: bool,
    speaks: bool,
    tile: Rect,
}

impl Drawn {
    fn of(person: &Person<'_>, tile: Rect) -> Self {
        Self {
            id: person.id,
            name: person.name.to_owned(),
            picture: person.picture.map(|picture| (picture.captured(), picture.width(), picture.height())),
            whole: person.whole,
            speaks: person.speaks,
            tile,
        }
    }
}

/// See the module.
pub struct Compositor {
    /// Even, px.
    size: (u32, u32),
    canvas: Vec<u8>,
    drawn: Vec<Drawn>,
    pool: FramePool,
    blitter: Blitter,
}

impl Compositor {
    /// `None` for a size that no picture has (see [`RawFrame::new`]).
    pub fn new(size: (u32, u32)) -> Option<Self> {
        if size.0.max(size.1) > MAX_DIMENSION {
            return None;
        }
        let len = RawFrame::packed_len(size.0, size.1, PixelFormat::I420)?;
        let mut canvas = vec![0; len];
        let mut drawing = Canvas::new(size, &mut canvas)?;
        drawing.fill(drawing.bounds(), BACKGROUND);
        Some(Self { size, canvas, drawn: Vec::new(), pool: FramePool::new(len), blitter: Blitter::default() })
    }

    /// The picture of `now`; `large` is the place of who is large where the layout makes somebody so. A picture that can't be drawn leaves its tile as one without a camera.
    pub fn compose(
        &mut self,
        people: &[Person<'_>],
        layout: Layout,
        large: Option<usize>,
        now: MonoTime,
    ) -> Option<RawFrame> {
        let tiles = arrange(layout, people.len(), large, self.size);
        let wanted: Vec<Drawn> = people.iter().zip(&tiles).map(|(person, tile)| Drawn::of(person, *tile)).collect();
        let same_tiles = wanted.len() == self.drawn.len()
            && wanted.iter().zip(&self.drawn).all(|(wanted, drawn)| wanted.tile == drawn.tile);
        if !same_tiles {
            let mut canvas = Canvas::new(self.size, &mut self.canvas)?;
            canvas.fill(canvas.bounds(), BACKGROUND);
            self.drawn.clear();
        }
        for (place, (person, wanted)) in people.iter().zip(&wanted).enumerate() {
            if self.drawn.get(place) != Some(wanted) {
                self.draw(person, wanted.tile)?;
            }
        }
        self.drawn = wanted;
        let mut buffer = self.pool.take();
        buffer.bytes_mut().copy_from_slice(&self.canvas);
        buffer.into_frame(now, self.size, PixelFormat::I420)
    }

    fn draw(&mut self, person: &Person<'_>, tile: Rect) -> Option<()> {
        let colour = PLACEHOLDERS[usize::try_from(person.id.0).unwrap_or(0) % PLACEHOLDERS.len()];
        let painted = person.picture.is_some_and(|picture| match self.picture(picture, person.whole, tile) {
            Ok(()) => true,
            Err(error) => {
                log::debug!("a picture of {} isn't shown: {error}", person.name);
                false
            }
        });
        let mut canvas = Canvas::new(self.size, &mut self.canvas)?;
        if !painted {
            canvas.fill(tile, colour);
            initial(&mut canvas, person.name, tile);
        }
        label(&mut canvas, person.name, tile);
        if person.speaks {
            frame(&mut canvas, tile);
        }
        Some(())
    }

    fn picture(&mut self, picture: &RawFrame, whole: bool, tile: Rect) -> Result<(), EncodeError> {
        let (part, inner) = fitted((picture.width(), picture.height()), whole, window(tile));
        if inner != window(tile)
            && let Some(mut canvas) = Canvas::new(self.size, &mut self.canvas)
        {
            canvas.fill(tile, Yuv::BLACK);
        }
        self.blitter.blit(picture, part, &mut self.canvas, self.size, inner)
    }
}

/// Which part of a picture goes where in its tile.
fn fitted(picture: (u32, u32), whole: bool, tile: Window) -> (Window, Window) {
    let all = Window { x: 0, y: 0, width: picture.0, height: picture.1 };
    // The largest part of the picture with the tile's proportions.
    let kept = within((tile.width, tile.height), picture);
    let (kept_area, area) = (u64::from(kept.0) * u64::from(kept.1), u64::from(picture.0) * u64::from(picture.1));
    if !whole && (area - kept_area.min(area)) * CROP_PARTS <= area {
        return (middle(kept, all), tile);
    }
    (all, middle(within(picture, (tile.width, tile.height)), tile))
}

/// A window of this size in the middle of another.
fn middle((width, height): (u32, u32), of: Window) -> Window {
    let edge = |start: u32, outer: u32, inner: u32| start + ((outer.saturating_sub(inner) / 2) & !1);
    Window { x: edge(of.x, of.width, width), y: edge(of.y, of.height, height), width, height }
}

fn window(rect: Rect) -> Window {
    // Within a canvas, whose sides are `u32`.
    let px = |value: usize| u32::try_from(value).unwrap_or(0);
    Window { x: px(rect.x), y: px(rect.y), width: px(rect.width), height: px(rect.height) }
}

fn initial(canvas: &mut Canvas<'_>, name: &str, tile: Rect) {
    let first: String = name.chars().find(|character| !character.is_whitespace()).into_iter().collect();
    let scale = (tile.height / INITIAL_PARTS / GLYPH).max(1);
    let side = GLYPH * scale;
    let corner = (tile.x + tile.width.saturating_sub(side) / 2, tile.y + tile.height.saturating_sub(side) / 2);
    canvas.text(corner, scale, TEXT_LUMA, &first.to_uppercase());
}

/// The name at the lower left, cut to the tile.
fn label(canvas: &mut Canvas<'_>, name: &str, tile: Rect) {
    let scale = (tile.height / LABEL_PARTS).max(1);
    // Even, as the chroma wants it.
    let pad = 2 * scale;
    let (height, room) = (GLYPH * scale + 2 * pad, tile.width.saturating_sub(2 * pad) / (GLYPH * scale));
    if name.is_empty() || room == 0 || height > tile.height {
        return;
    }
    let shown: String =
        if name.chars().count() <= room { name.to_owned() } else { name.chars().take(room - 1).chain(['.']).collect() };
    let width = (text_width(&shown, scale) + 2 * pad).next_multiple_of(2).min(tile.width);
    let top = tile.y + tile.height - height;
    canvas.fill(Rect::new(tile.x, top, width, height), LABEL);
    canvas.text((tile.x + pad, top + pad), scale, TEXT_LUMA, &shown);
}

/// A line along the tile's edge.
fn frame(canvas: &mut Canvas<'_>, tile: Rect) {
    let thick = ((tile.height / 90) & !1).max(2).min(tile.height).min(tile.width);
    let Rect { x, y, width, height } = tile;
    for edge in [
        Rect::new(x, y, width, thick),
        Rect::new(x, y + height - thick, width, thick),
        Rect::new(x, y, thick, height),
        Rect::new(x + width - thick, y, thick, height),
    ] {
        canvas.fill(edge, SPEAKS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Arc;

    const SIZE: (u32, u32) = (640, 360);

    fn picture((width, height): (u32, u32), luma: u8, at: i64) -> RawFrame {
        let pixels = width as usize * height as usize;
        let bytes = [vec![luma; pixels], vec![90; pixels / 4], vec![160; pixels / 4]].concat();
        RawFrame::packed(MonoTime::from_millis(at), (width, height), PixelFormat::I420, Arc::new(bytes)).expect("whole")
    }

    fn person<'a>(id: u64, name: &'a str, picture: Option<&'a RawFrame>) -> Person<'a> {
        Person { id: PersonId(id), name, picture, whole: false, speaks: false }
    }

    fn luma(frame: &RawFrame, x: usize, y: usize) -> u8 {
        frame.plane(0)[y * SIZE.0 as usize + x]
    }

    #[test]
    fn everybody_is_in_their_tile_and_a_placeholder_shows_an_initial() {
        let mut compositor = Compositor::new(SIZE).expect("a size");
        let (bright, dark) = (picture((320, 180), 200, 1), picture((640, 480), 60, 1));
        let people = [
            person(1, "Anna", Some(&bright)),
            person(2, "Ben", Some(&dark)),
            person(3, "", None),
            person(4, "Ida", None),
        ];
        let frame = compositor.compose(&people, Layout::Grid, None, MonoTime::from_millis(9)).expect("a picture");
        assert_eq!((frame.width(), frame.height(), frame.captured()), (640, 360, MonoTime::from_millis(9)));
        let tiles = arrange(Layout::Grid, 4, None, SIZE);
        let middle = |place: usize| (tiles[place].x + tiles[place].width / 2, tiles[place].y + tiles[place].height / 2);
        assert_eq!([luma(&frame, middle(0).0, middle(0).1), luma(&frame, middle(1).0, middle(1).1)], [200, 60]);
        let bright_dots = |place: usize| {
            let tile = tiles[place];
            let dots =
                (tile.y..tile.y + tile.height * 3 / 4).flat_map(|y| (tile.x..tile.x + tile.width).map(move |x| (x, y)));
            dots.filter(|(x, y)| luma(&frame, *x, *y) == TEXT_LUMA).count()
        };
        assert_eq!(bright_dots(2), 0, "nobody's name");
        assert!(bright_dots(3) > 300, "the initial");
    }

    #[test]
    fn a_portrait_keeps_its_shape_and_a_camera_of_nearly_the_shape_fills_its_tile() {
        let tile = Window { x: 100, y: 40, width: 320, height: 180 };
        let (part, inner) = fitted((360, 640), false, tile);
        assert_eq!((part.width, part.height, inner.width, inner.height), (360, 640, 100, 180));
        assert_eq!(inner.x, 210);
        let (part, inner) = fitted((640, 480), false, tile);
        assert_eq!((part, inner), (Window { x: 0, y: 60, width: 640, height: 360 }, tile));
        let (part, inner) = fitted((640, 480), true, tile);
        assert_eq!((part.width, part.height, inner.width, inner.height), (640, 480, 240, 180));
    }

    #[test]
    fn only_what_changed_is_drawn_and_the_picture_is_the_same_as_drawn_anew() {
        let mut kept = Compositor::new(SIZE).expect("a size");
        let (a, b) = (picture((320, 180), 200, 1), picture((320, 180), 90, 2));
        let speaking = Person { speaks: true, ..person(2, "Ben", Some(&b)) };
        let steps: [&[Person<'_>]; 6] = [
            &[person(1, "Anna", Some(&a)), person(2, "Ben", None)],
            &[person(1, "Anna", Some(&b)), person(2, "Ben", None)],
            &[person(1, "Anna", Some(&b)), speaking],
            &[person(1, "Anna", Some(&b)), person(2, "Ben", Some(&a))],
            &[person(1, "Anna", None)],
            &[person(3, "Ida", None), person(1, "Anna", None), speaking],
        ];
        for (step, people) in steps.into_iter().enumerate() {
            for layout in [Layout::Grid, Layout::Speaker] {
                let one = kept.compose(people, layout, Some(0), MonoTime::ZERO).expect("a picture");
                let mut fresh = Compositor::new(SIZE).expect("a size");
                let other = fresh.compose(people, layout, Some(0), MonoTime::ZERO).expect("a picture");
                assert!(one.buffer().bytes() == other.buffer().bytes(), "step {step}, {layout:?}");
            }
        }
    }

    #[test]
    fn who_holds_a_picture_keeps_it_as_it_is() {
        let mut compositor = Compositor::new(SIZE).expect("a size");
        let (a, b) = (picture((320, 180), 200, 1), picture((320, 180), 90, 2));
        let first =
            compositor.compose(&[person(1, "", Some(&a))], Layout::Grid, None, MonoTime::ZERO).expect("a picture");
        let second =
            compositor.compose(&[person(1, "", Some(&b))], Layout::Grid, None, MonoTime::ZERO).expect("a picture");
        assert_eq!([luma(&first, 320, 100), luma(&second, 320, 100)], [200, 90]);
    }

    #[test]
    fn no_size_no_compositor() {
        for size in [(0, 0), (641, 360), (5_000, 360)] {
            assert!(Compositor::new(size).is_none(), "{size:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn any_size_name_and_number_make_a_picture(
            sizes in prop::collection::vec((1_u32..80, 1_u32..80), 0..12),
            name in "\\PC{0,40}",
            speaks in any::<bool>(),
            whole in any::<bool>(),
        ) {
            let pictures: Vec<_> = sizes.iter().map(|(width, height)| picture((width * 2, height * 2), 77, 1)).collect();
            let people: Vec<_> = pictures
                .iter()
                .enumerate()
                .map(|(id, picture)| Person { speaks, whole, ..person(id as u64, &name, Some(picture)) })
                .collect();
            let mut compositor = Compositor::new((320, 180)).expect("a size");
            for layout in [Layout::Grid, Layout::Speaker] {
                prop_assert!(compositor.compose(&people, layout, Some(0), MonoTime::ZERO).is_some());
            }
        }
    }
}
