//! A decoded picture made small and RGB, in one pass: every pixel is the mean of those it stands for.

use crate::codec::sps::SpsInfo;

/// A decoded 4:2:0 picture where it lies.
pub(super) struct Planes<'a> {
    pub y: &'a [u8],
    pub u: &'a [u8],
    pub v: &'a [u8],
    /// Width and height, px.
    pub size: (usize, usize),
    /// Of luma and of chroma rows, bytes.
    pub strides: (usize, usize),
}

/// Packed RGB.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Picture {
    pub width: usize,
    pub height: usize,
    pub pixels: Vec<u8>,
}

/// What the numbers of a picture mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Colours {
    /// Weights of red and blue in luma: ITU-T H.264 table E-5.
    red: f32,
    blue: f32,
    /// Luma is 0 to 255, not 16 to 235.
    full_range: bool,
}

impl Colours {
    /// As the stream says; what it doesn't say goes by its height, as in players.
    pub fn of(info: &SpsInfo) -> Self {
        let bt709 = match info.matrix_coefficients {
            Some(1) => true,
            Some(4..=7) => false,
            _ => info.height >= 720,
        };
        let (red, blue) = if bt709 { (0.2126, 0.0722) } else { (0.299, 0.114) };
        Self { red, blue, full_range: info.full_range }
    }

    fn rgb(self, [y, u, v]: [f32; 3]) -> [u8; 3] {
        let (y, u, v) = match self.full_range {
            true => (y, u - 128.0, v - 128.0),
            false => ((y - 16.0) * (255.0 / 219.0), (u - 128.0) * (255.0 / 224.0), (v - 128.0) * (255.0 / 224.0)),
        };
        let red = y + 2.0 * (1.0 - self.red) * v;
        let blue = y + 2.0 * (1.0 - self.blue) * u;
        let green = (y - self.red * red - self.blue * blue) / (1.0 - self.red - self.blue);
        // A cast from float keeps to the range of the integer.
        [red, green, blue].map(|value| value.round() as u8)
    }
}

/// `size` scaled down until its longer side is at most `longest`; never up, and never to nothing.
pub(super) fn fitting((width, height): (usize, usize), longest: usize) -> (usize, usize) {
    let side = width.max(height);
    if side <= longest {
        return (width, height);
    }
    ((width * longest / side).max(1), (height * longest / side).max(1))
}

/// `None` when a plane is shorter than its size says, or `to` is larger than the picture or nothing.
pub(super) fn scaled(from: &Planes<'_>, to: (usize, usize), colours: Colours) -> Option<Picture> {
    let (width, height) = from.size;
    if !(1..=width).contains(&to.0) || !(1..=height).contains(&to.1) {
        return None;
    }
    let chroma = (width.div_ceil(2), height.div_ceil(2));
    let y = means(from.y, from.strides.0, from.size, to)?;
    let u = means(from.u, from.strides.1, chroma, to)?;
    let v = means(from.v, from.strides.1, chroma, to)?;
    let pixels = y.iter().zip(&u).zip(&v).flat_map(|((&y, &u), &v)| colours.rgb([y, u, v])).collect();
    Some(Picture { width: to.0, height: to.1, pixels })
}

/// One plane in another size: the mean of the samples that each new one covers, at least of one.
fn means(plane: &[u8], stride: usize, from: (usize, usize), to: (usize, usize)) -> Option<Vec<f32>> {
    let spans = |from: usize, to: usize| {
        (0..to).map(move |at| {
            let start = at * from / to;
            start..((at + 1) * from / to).max(start + 1)
        })
    };
    let columns: Vec<_> = spans(from.0, to.0).collect();
    let mut means = Vec::with_capacity(to.0 * to.1);
    let mut sums = vec![0_u32; to.0];
    for rows in spans(from.1, to.1) {
        sums.fill(0);
        for row in rows.clone() {
            let start = row.checked_mul(stride)?;
            let row = plane.get(start..start.checked_add(from.0)?)?;
            for (sum, columns) in sums.iter_mut().zip(&columns) {
                *sum += row.get(columns.clone())?.iter().map(|&sample| u32::from(sample)).sum::<u32>();
            }
        }
        let covered = columns.iter().map(|columns| (rows.len() * columns.len()) as f32);
        means.extend(sums.iter().zip(covered).map(|(&sum, covered)| sum as f32 / covered));
    }
    Some(means)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BT601: Colours = Colours { red: 0.299, blue: 0.114, full_range: false };
    const BT709: Colours = Colours { red: 0.2126, blue: 0.0722, full_range: false };

    /// By hand from ITU-R BT.601-7 and BT.709-6, 8 bits: white, black, bars of 75 %, and beyond the range.
    #[test]
    fn known_colours() {
        let table = [
            (BT601, [235.0, 128.0, 128.0], [255, 255, 255]),
            (BT709, [16.0, 128.0, 128.0], [0, 0, 0]),
            (BT601, [162.0, 44.0, 142.0], [191, 191, 0]),
            (BT709, [51.0, 109.0, 212.0], [191, 0, 0]),
            (Colours { full_range: true, ..BT601 }, [255.0, 128.0, 128.0], [255, 255, 255]),
            (BT709, [255.0, 255.0, 255.0], [255, 184, 255]),
        ];
        for (colours, yuv, expected) in table {
            let rgb = colours.rgb(yuv);
            let near = rgb.iter().zip(expected).all(|(&is, expected): (&u8, u8)| is.abs_diff(expected) <= 2);
            assert!(near, "{yuv:?} is {rgb:?}, not {expected:?}");
        }
    }

    #[test]
    fn it_fits_without_growing() {
        assert_eq!(fitting((1280, 720), 640), (640, 360));
        assert_eq!(fitting((720, 1280), 640), (360, 640));
        assert_eq!(fitting((320, 240), 640), (320, 240));
        assert_eq!(fitting((4096, 2), 640), (640, 1));
    }

    #[test]
    fn halves_are_means() {
        let plane = [10, 20, 0, 0, 30, 40, 0, 4];
        assert_eq!(means(&plane, 4, (4, 2), (2, 1)), Some(vec![25.0, 1.0]));
    }

    #[test]
    fn what_is_too_short_is_refused() {
        let plane = [128; 16];
        let planes = |size, stride| Planes { y: &plane, u: &plane, v: &plane, size, strides: (stride, stride) };
        assert!(scaled(&planes((4, 4), 4), (2, 2), BT601).is_some());
        assert_eq!(scaled(&planes((4, 5), 4), (2, 2), BT601), None);
        assert_eq!(scaled(&planes((4, 4), usize::MAX), (2, 2), BT601), None);
        assert_eq!(scaled(&planes((4, 4), 4), (8, 2), BT601), None);
        assert_eq!(scaled(&planes((4, 4), 4), (0, 2), BT601), None);
    }

    proptest! {
        #[test]
        fn a_plain_picture_stays_plain_in_any_size(
            width in 1_usize..60, height in 1_usize..60, longest in 1_usize..70, grey in 16_u8..=235,
        ) {
            let plane = vec![grey; width * height];
            let chroma = vec![128; width * height];
            let planes = Planes { y: &plane, u: &chroma, v: &chroma, size: (width, height), strides: (width, width) };
            let to = fitting((width, height), longest);
            prop_assert!(to.0.max(to.1) <= longest.max(1));
            let picture = scaled(&planes, to, BT709).expect("large enough");
            prop_assert_eq!(picture.pixels.len(), to.0 * to.1 * 3);
            prop_assert!(picture.pixels.iter().all(|value| *value == picture.pixels[0]));
        }
    }
}
