//! H.264 in software: OpenH264, set up for a small live encoder.
//!
//! One picture in, one access unit out at once. Here: its settings and the shape of its output.
//! Not here: the C interface (`raw`), pixel conversion ([`super::convert`]).

mod raw;
#[cfg(test)]
mod tests;

use super::convert::I420Buffer;
use super::{EncodeError, EncodedPicture, Profile, Timing, VideoEncoder, VideoSettings};
use crate::media::{AccessUnit, Codec, H264Params, RawFrame, Track, TrackId};
use crate::time::{Timescale, rescale};
use bytes::Bytes;
use openh264_sys2 as sys;
use raw::{CallError, FrameKind, Picture, RawEncoder};
use std::collections::VecDeque;
use std::ffi::c_int;
use std::sync::Arc;
use std::time::Duration;

const NAME: &str = "openh264";

/// Pictures that may wait for `receive`: whoever submits without receiving would grow this without bound.
const MAX_READY: usize = 8;

/// Largest picture that OpenH264 encodes, px (either way round).
const MAX_SIZE: (u32, u32) = (3840, 2160);

/// Smallest side that OpenH264 encodes, px.
const MIN_SIDE: u32 = 16;

const START_CODE: [u8; 4] = [0, 0, 0, 1];
const NAL_TYPE_IDR: u8 = 5;
const NAL_TYPE_SPS: u8 = 7;
const NAL_TYPE_PPS: u8 = 8;

/// The OpenH264 encoder behind [`VideoEncoder`].
pub struct OpenH264 {
    raw: RawEncoder,
    settings: VideoSettings,
    track: Option<Arc<Track>>,
    i420: I420Buffer,
    ready: VecDeque<EncodedPicture>,
    /// A key frame was asked for and hasn't come out yet.
    key_wanted: bool,
    skipped: u64,
}

impl OpenH264 {
    pub fn open(settings: &VideoSettings) -> Result<Self, EncodeError> {
        let refused = |reason: String| EncodeError::Open { encoder: NAME, reason };
        let (short, long) = (settings.width.min(settings.height), settings.width.max(settings.height));
        if short < MIN_SIDE || long > MAX_SIZE.0 || short > MAX_SIZE.1 {
            return Err(refused(format!(
                "{}x{} is outside {MIN_SIDE}x{MIN_SIDE} to {}x{}",
                settings.width, settings.height, MAX_SIZE.0, MAX_SIZE.1
            )));
        }
        let open = || -> Result<RawEncoder, CallError> {
            let mut raw = RawEncoder::new()?;
            let mut params = raw.default_params()?;
            set_params(&mut params, settings);
            raw.initialize(&params)?;
            Ok(raw)
        };
        Ok(Self {
            raw: open().map_err(|error| refused(error.to_string()))?,
            settings: settings.clone(),
            track: None,
            i420: I420Buffer::default(),
            ready: VecDeque::with_capacity(MAX_READY),
            key_wanted: false,
            skipped: 0,
        })
    }

    /// Pictures that the rate control left out.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// The last picture's NAL units as an access unit; its parameter sets go into the track.
    fn collect(&mut self, timing: Timing) -> Option<EncodedPicture> {
        let (mut sps, mut pps, mut keyframe, mut size) = (None, None, false, 0);
        for nal in self.raw.nals().filter_map(without_start_code) {
            match nal_type(nal) {
                NAL_TYPE_SPS => sps = Some(nal),
                NAL_TYPE_PPS => pps = Some(nal),
                kind => {
                    keyframe |= kind == NAL_TYPE_IDR;
                    size += 4 + nal.len();
                }
            }
        }
        if let (Some(sps), Some(pps)) = (sps, pps)
            && !self.track.as_ref().is_some_and(|track| has_parameter_sets(track, sps, pps))
        {
            self.track = Some(Arc::new(new_track(&self.settings, sps, pps)));
        }
        // Written once, into exactly as much as it takes.
        let mut data = Vec::with_capacity(size);
        for nal in self.raw.nals().filter_map(without_start_code) {
            if !matches!(nal_type(nal), NAL_TYPE_SPS | NAL_TYPE_PPS) {
                let length = u32::try_from(nal.len()).ok()?;
                data.extend_from_slice(&length.to_be_bytes());
                data.extend_from_slice(nal);
            }
        }
        let unit = AccessUnit {
            dts: timing.pts,
            pts: timing.pts,
            duration: timing.duration,
            keyframe,
            data: Bytes::from(data),
        };
        Some(EncodedPicture { track: Arc::clone(self.track.as_ref()?), unit })
    }
}

impl VideoEncoder for OpenH264 {
    fn name(&self) -> &str {
        NAME
    }

    fn submit(&mut self, picture: &RawFrame, timing: Timing, key: bool) -> Result<(), EncodeError> {
        let VideoSettings { width, height, .. } = self.settings;
        super::check_size(picture, width, height)?;
        if self.ready.len() >= MAX_READY {
            return Err(failed(format!("{MAX_READY} pictures wait to be received")));
        }
        self.key_wanted |= key;
        if self.key_wanted {
            self.raw.force_idr().map_err(failed)?;
        }
        let i420 = self.i420.view(picture)?;
        let kind = self
            .raw
            .encode(&Picture {
                width: width as c_int,
                height: height as c_int,
                planes: i420.planes,
                strides: i420.strides,
                millis: rescale(timing.pts, Timescale::VIDEO, Timescale::MILLIS),
            })
            .map_err(failed)?;
        match kind {
            FrameKind::Skipped => self.skipped += 1,
            FrameKind::Idr | FrameKind::Other => {
                self.key_wanted &= kind != FrameKind::Idr;
                let picture = self.collect(timing).ok_or_else(|| failed("a picture came before its parameter sets"))?;
                self.ready.push_back(picture);
            }
        }
        Ok(())
    }

    /// Never waits: what was submitted is encoded.
    fn receive(&mut self, _timeout: Duration) -> Result<Option<EncodedPicture>, EncodeError> {
        Ok(self.ready.pop_front())
    }

    /// The track keeps the bitrate that it was opened with: a new one would be a discontinuity for players.
    fn set_bitrate(&mut self, bitrate_bps: u32) -> Result<(), EncodeError> {
        self.raw.set_bitrate(c_int::try_from(bitrate_bps).unwrap_or(c_int::MAX)).map_err(failed)
    }
}

/// The settings of a small live encoder.
fn set_params(params: &mut sys::SEncParamExt, settings: &VideoSettings) {
    let bitrate = c_int::try_from(settings.bitrate_bps).unwrap_or(c_int::MAX);
    let (width, height) = (settings.width as c_int, settings.height as c_int);
    let frame_rate = settings.frame_rate.num() as f32 / settings.frame_rate.den() as f32;

    params.iUsageType = sys::CAMERA_VIDEO_REAL_TIME;
    params.iPicWidth = width;
    params.iPicHeight = height;
    params.fMaxFrameRate = frame_rate;
    params.iTemporalLayerNum = 1;
    params.iSpatialLayerNum = 1;
    // Two threads were measured at no gain, and the box has other work for its cores.
    params.iMultipleThreadIdc = 1;

    params.iRCMode = sys::RC_BITRATE_MODE;
    params.iTargetBitrate = bitrate;
    // Constant frame rate: one in, one out.
    params.bEnableFrameSkip = false;

    params.uiIntraPeriod = settings.gop_frames.max(1);
    // Parameter sets stay the same from one IDR to the next, so the track does too.
    params.eSpsPpsIdStrategy = sys::CONSTANT_ID;
    // A cut must not shift the grid of key frames that segments stand on.
    params.bEnableSceneChangeDetect = false;
    params.bEnableLongTermReference = false;
    params.iComplexityMode = sys::LOW_COMPLEXITY;

    let layer = &mut params.sSpatialLayers[0];
    layer.iVideoWidth = width;
    layer.iVideoHeight = height;
    layer.fFrameRate = frame_rate;
    layer.iSpatialBitrate = bitrate;
    layer.uiLevelIdc = sys::LEVEL_UNKNOWN;
    let (profile, cabac) = match settings.profile {
        Profile::ConstrainedBaseline => (sys::PRO_BASELINE, 0),
        Profile::Main => (sys::PRO_MAIN, 1),
        Profile::High => (sys::PRO_HIGH, 1),
    };
    layer.uiProfileIdc = profile;
    layer.sSliceArgument.uiSliceMode = sys::SM_SINGLE_SLICE;
    layer.sSliceArgument.uiSliceNum = 1;
    // What the colours mean, so that no player has to guess: H.264 table E-3 to E-5.
    const BT709: u8 = 1;
    const SMPTE_170M: u8 = 6;
    let colours = if settings.height >= 720 { BT709 } else { SMPTE_170M };
    layer.bVideoSignalTypePresent = true;
    layer.uiVideoFormat = sys::VF_UNDEF as u8;
    layer.bFullRange = false;
    layer.bColorDescriptionPresent = true;
    layer.uiColorPrimaries = colours;
    layer.uiTransferCharacteristics = colours;
    layer.uiColorMatrix = colours;
    params.iEntropyCodingModeFlag = cabac;
}

fn failed(reason: impl ToString) -> EncodeError {
    EncodeError::Failed { encoder: NAME, reason: reason.to_string() }
}

fn without_start_code(nal: &[u8]) -> Option<&[u8]> {
    nal.strip_prefix(&START_CODE).or_else(|| nal.strip_prefix(&START_CODE[1..])).filter(|nal| !nal.is_empty())
}

fn nal_type(nal: &[u8]) -> u8 {
    nal.first().map_or(0, |header| header & 0x1f)
}

fn has_parameter_sets(track: &Track, sps: &[u8], pps: &[u8]) -> bool {
    matches!(&track.codec, Codec::H264(params) if params.sps == sps && params.pps == pps)
}

fn new_track(settings: &VideoSettings, sps: &[u8], pps: &[u8]) -> Track {
    Track {
        id: TrackId::Video(0),
        timescale: Timescale::VIDEO,
        language: None,
        bitrate_bps: settings.bitrate_bps,
        codec: Codec::H264(H264Params {
            sps: Bytes::copy_from_slice(sps),
            pps: Bytes::copy_from_slice(pps),
            width: settings.width,
            height: settings.height,
            frame_rate: Some(settings.frame_rate),
        }),
    }
}
