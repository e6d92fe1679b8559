//! H.264 → pictures, by OpenH264: for mixing, and for a ladder of what came encoded.
//!
//! One access unit in, its picture out at once (nothing here has B-frames; what has them comes out a little later).
//! Here: when decoding can begin, and begin again. Not here: scaling, when to decode at all.

use crate::codec::{nal, sps};
use crate::media::{AccessUnit, H264Params, PixelFormat, RawFrame};
use crate::time::MonoTime;
use openh264::OpenH264API;
use openh264::decoder::{Decoder, DecoderConfig};
use openh264::formats::YUVSource;
use std::fmt;
use std::sync::Arc;
use thiserror::Error;

/// Pictures that may be held at once: the newest, the one before it, and one that is being scaled.
const KEPT: usize = 3;

/// Why there is no picture. Decoding goes on at the next key frame; ask for one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum H264DecodeError {
    #[error("pictures that can't be decoded here: {0}")]
    Unsupported(String),
    #[error("no picture in it: {0}")]
    Damaged(String),
    /// What came before it is missing.
    #[error("a key frame is needed first")]
    NeedsKeyFrame,
}

/// One track's decoder.
pub struct H264Decoder {
    /// `None` before the first key frame and after an error: what was decoded so far is of no use.
    decoder: Option<Decoder>,
    /// Those of the running decoder.
    params: Option<H264Params>,
    /// Taken again when nobody holds them any more.
    buffers: Vec<Arc<Vec<u8>>>,
}

impl fmt::Debug for H264Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("H264Decoder").field("params", &self.params).finish_non_exhaustive()
    }
}

impl Default for H264Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl H264Decoder {
    pub fn new() -> Self {
        Self { decoder: None, params: None, buffers: Vec::new() }
    }

    /// Whether nothing but a key frame can be decoded next.
    pub fn needs_key_frame(&self) -> bool {
        self.decoder.is_none()
    }

    /// Forgets what came before: the units up to the next key frame are not going to come.
    pub fn lose(&mut self) {
        self.decoder = None;
    }

    /// The picture of one access unit, as of `captured`; `None` when it comes later.
    pub fn decode(
        &mut self,
        params: &H264Params,
        unit: &AccessUnit,
        captured: MonoTime,
    ) -> Result<Option<RawFrame>, H264DecodeError> {
        if self.params.as_ref() != Some(params) {
            self.decoder = None;
        }
        if self.decoder.is_none() && !unit.keyframe {
            return Err(H264DecodeError::NeedsKeyFrame);
        }
        let decoded = self.run(params, unit, captured);
        if decoded.is_err() {
            self.decoder = None;
        }
        decoded
    }

    fn run(
        &mut self,
        params: &H264Params,
        unit: &AccessUnit,
        captured: MonoTime,
    ) -> Result<Option<RawFrame>, H264DecodeError> {
        let decoder = match &mut self.decoder {
            Some(decoder) => decoder,
            none => {
                check(params)?;
                let decoder = Decoder::with_api_config(OpenH264API::from_source(), DecoderConfig::new());
                self.params = Some(params.clone());
                none.insert(decoder.map_err(|error| H264DecodeError::Unsupported(error.to_string()))?)
            }
        };
        let sets: &[&[u8]] = if unit.keyframe { &[&params.sps, &params.pps] } else { &[] };
        let bytes = nal::to_annex_b(sets, &unit.data);
        let damaged = |reason: String| H264DecodeError::Damaged(reason);
        let Some(picture) = decoder.decode(&bytes).map_err(|error| damaged(error.to_string()))? else {
            return Ok(None);
        };
        let (width, height) = picture.dimensions();
        let strides = picture.strides();
        let planes = [
            (picture.y(), strides.0, width, height),
            (picture.u(), strides.1, width / 2, height / 2),
            (picture.v(), strides.2, width / 2, height / 2),
        ];
        let len = width * height * 3 / 2;
        let mut buffer = free(&mut self.buffers, len);
        let Some(bytes) = Arc::get_mut(&mut buffer) else { return Err(damaged("a buffer is in use".to_owned())) };
        let mut rest = bytes.as_mut_slice();
        for (plane, stride, row, rows) in planes {
            let Some((to, after)) = rest.split_at_mut_checked(row * rows).filter(|_| row > 0 && stride >= row) else {
                return Err(damaged(format!("a picture of {width}x{height}")));
            };
            rest = after;
            for (to, from) in to.chunks_exact_mut(row).zip(plane.chunks(stride)) {
                let Some(from) = from.get(..row) else { return Err(damaged("half a row".to_owned())) };
                to.copy_from_slice(from);
            }
        }
        if self.buffers.len() < KEPT {
            self.buffers.push(Arc::clone(&buffer));
        }
        let size = (u32::try_from(width).unwrap_or(0), u32::try_from(height).unwrap_or(0));
        let frame = RawFrame::packed(captured, size, PixelFormat::I420, buffer);
        frame.map(Some).ok_or_else(|| damaged(format!("a picture of {width}x{height}")))
    }
}

/// A buffer of this length that nobody holds.
fn free(buffers: &mut Vec<Arc<Vec<u8>>>, len: usize) -> Arc<Vec<u8>> {
    buffers.retain(|buffer| buffer.len() == len);
    let free = buffers.iter().position(|buffer| Arc::strong_count(buffer) == 1);
    free.map_or_else(|| Arc::new(vec![0; len]), |index| buffers.swap_remove(index))
}

/// Bounds what the decoder allocates: the size in a parameter set is a stranger's word.
fn check(params: &H264Params) -> Result<(), H264DecodeError> {
    let info = sps::parse(&params.sps).map_err(|error| H264DecodeError::Unsupported(error.to_string()))?;
    if info.interlaced { Err(H264DecodeError::Unsupported("they are interlaced".to_owned())) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::openh264::OpenH264;
    use crate::encode::{EncodedPicture, Profile, Timing, VideoEncoder, VideoSettings};
    use crate::media::Codec;
    use crate::time::FrameRate;
    use bytes::Bytes;
    use proptest::prelude::*;
    use std::time::Duration;

    /// Pictures whose luma is 50 and four more each time.
    fn encoded((width, height): (u32, u32), count: u8) -> Vec<EncodedPicture> {
        let settings = VideoSettings {
            width,
            height,
            frame_rate: FrameRate::DEFAULT,
            bitrate_bps: 1_000_000,
            gop_frames: 100,
            profile: Profile::ConstrainedBaseline,
        };
        let mut encoder = OpenH264::open(&settings).expect("an encoder");
        let pixels = width as usize * height as usize;
        (0..count)
            .map(|index| {
                let mut bytes = vec![128; pixels * 3 / 2];
                bytes[..pixels].fill(50 + 4 * index);
                let frame = RawFrame::packed(MonoTime::ZERO, (width, height), PixelFormat::I420, Arc::new(bytes));
                let timing = Timing { pts: i64::from(index) * 3_000, duration: 3_000 };
                encoder.submit(&frame.expect("whole"), timing, false).expect("encoded");
                encoder.receive(Duration::ZERO).expect("encoded").expect("one in, one out")
            })
            .collect()
    }

    fn decode(decoder: &mut H264Decoder, picture: &EncodedPicture) -> Result<Option<RawFrame>, H264DecodeError> {
        let Codec::H264(params) = &picture.track.codec else { panic!("H.264") };
        decoder.decode(params, &picture.unit, MonoTime::from_millis(picture.unit.pts / 90))
    }

    #[test]
    fn one_in_one_out_also_when_the_size_changes() {
        let mut decoder = H264Decoder::new();
        for size in [(320, 180), (160, 240), (320, 180)] {
            for (index, picture) in encoded(size, 6).iter().enumerate() {
                let frame = decode(&mut decoder, picture).expect("decoded").expect("at once");
                assert_eq!((frame.width(), frame.height()), size);
                assert_eq!(frame.captured(), MonoTime::from_millis(index as i64 * 33 + index as i64 / 3));
                let (luma, wanted) = (frame.plane(0)[size.0 as usize * 20 + 20], 50 + 4 * index);
                assert!(usize::from(luma).abs_diff(wanted) <= 4, "{luma} for {wanted}");
            }
        }
        assert!(decoder.buffers.len() <= KEPT);
    }

    #[test]
    fn it_begins_at_a_key_frame_and_again_after_a_loss() {
        let pictures = encoded((320, 180), 4);
        let mut decoder = H264Decoder::new();
        assert_eq!(decode(&mut decoder, &pictures[1]).err(), Some(H264DecodeError::NeedsKeyFrame));
        assert!(decode(&mut decoder, &pictures[0]).expect("decoded").is_some());
        decoder.lose();
        assert!(decoder.needs_key_frame());
        assert_eq!(decode(&mut decoder, &pictures[1]).err(), Some(H264DecodeError::NeedsKeyFrame));
        for picture in &pictures {
            assert!(decode(&mut decoder, picture).expect("decoded").is_some());
        }
    }

    #[test]
    fn a_picture_that_is_held_stays_as_it_is() {
        let pictures = encoded((320, 180), 8);
        let mut decoder = H264Decoder::new();
        let held: Vec<_> =
            pictures.iter().map(|picture| decode(&mut decoder, picture).expect("decoded").expect("one")).collect();
        let lumas: Vec<_> = held.iter().map(|frame| frame.plane(0)[5_000]).collect();
        assert!(lumas.is_sorted() && lumas[0] + 20 < lumas[7], "{lumas:?}");
    }

    #[test]
    fn parameter_sets_that_are_none_are_refused() {
        let picture = encoded((320, 180), 1).remove(0);
        let Codec::H264(params) = &picture.track.codec else { panic!("H.264") };
        let params = H264Params { sps: Bytes::from_static(&[0x67, 1, 2]), ..params.clone() };
        let refused = H264Decoder::new().decode(&params, &picture.unit, MonoTime::ZERO);
        assert!(matches!(refused, Err(H264DecodeError::Unsupported(_))), "{refused:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        /// Bytes changed here and there, units left out: an error at worst, and it goes on at the next key frame.
        #[test]
        fn damage_is_survived(damage in prop::collection::vec((0_usize..8, any::<prop::sample::Index>(), any::<u8>()), 1..30)) {
            let mut pictures = encoded((160, 96), 8);
            for (picture, at, value) in damage {
                let mut bytes = pictures[picture].unit.data.to_vec();
                let at = at.index(bytes.len());
                bytes[at] ^= value;
                pictures[picture].unit.data = bytes.into();
            }
            let mut decoder = H264Decoder::new();
            for picture in &pictures {
                if let Ok(Some(frame)) = decode(&mut decoder, picture) {
                    prop_assert!(frame.width() <= 4096);
                }
            }
            let good = encoded((160, 96), 1);
            decoder.lose();
            prop_assert!(decode(&mut decoder, &good[0]).expect("decoded").is_some());
        }
    }
}
