//! One key frame → a small JPEG.
//!
//! Here: which picture is tried at all, the decoder, the encoder. Not here: scaling and colours (`rgb`).

use super::SnapshotError;
use super::rgb::{self, Planes};
use crate::codec::{nal, sps};
use crate::media::{AccessUnit, Codec, Track};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use openh264::OpenH264API;
use openh264::decoder::{Decoder, DecoderConfig};
use openh264::formats::YUVSource;

/// The longer side of a snapshot at most, px: a tile on a page, 30 KB or so.
const LONGEST_SIDE: usize = 640;
/// Where JPEG's artefacts are hardly seen at that size.
const QUALITY: u8 = 80;

/// Never larger than the picture itself.
pub(super) fn jpeg(track: &Track, unit: &AccessUnit) -> Result<Vec<u8>, SnapshotError> {
    let undecodable = |reason: String| SnapshotError::Undecodable { reason };
    let Codec::H264(params) = &track.codec else {
        return Err(undecodable("it isn't H.264".to_owned()));
    };
    // Also bounds what the decoder allocates: the size in a parameter set is a stranger's word.
    let info = sps::parse(&params.sps).map_err(|error| undecodable(error.to_string()))?;
    if info.interlaced {
        return Err(undecodable("it is interlaced".to_owned()));
    }
    let bytes = nal::to_annex_b(&[&params.sps, &params.pps], &unit.data);
    let refused = |error: openh264::Error| undecodable(error.to_string());
    let mut decoder = Decoder::with_api_config(OpenH264API::from_source(), DecoderConfig::new()).map_err(refused)?;
    let picture = decoder.decode(&bytes).map_err(refused)?.ok_or_else(|| undecodable("nothing came out".to_owned()))?;
    let (size, strides) = (picture.dimensions(), picture.strides());
    let planes = Planes { y: picture.y(), u: picture.u(), v: picture.v(), size, strides: (strides.0, strides.1) };
    let small = rgb::scaled(&planes, rgb::fitting(size, LONGEST_SIDE), rgb::Colours::of(&info))
        .ok_or_else(|| undecodable(format!("a picture of {}x{}", size.0, size.1)))?;
    encode(&small)
}

fn encode(picture: &rgb::Picture) -> Result<Vec<u8>, SnapshotError> {
    let failed = |reason: String| SnapshotError::Failed { reason };
    let side = |length: usize| u16::try_from(length).map_err(|error| failed(error.to_string()));
    let mut jpeg = Vec::new();
    let mut encoder = Encoder::new(&mut jpeg, QUALITY);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder
        .encode(&picture.pixels, side(picture.width)?, side(picture.height)?, ColorType::Rgb)
        .map_err(|error| failed(error.to_string()))?;
    Ok(jpeg)
}
