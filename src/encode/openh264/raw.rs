//! The C interface of OpenH264, made safe: one encoder, its picture in, its NAL units out.
//!
//! The `openh264` crate's own `Encoder` hides the parameters that matter here (entropy coding,
//! the IDR budget, bitrate while running), so this stands on the binding below it.

use openh264_sys2 as sys;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::{NonNull, null_mut};

/// A call that OpenH264 refused: which, and its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{call} returned {code}")]
pub(super) struct CallError {
    pub call: &'static str,
    pub code: c_int,
}

/// What came of one picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FrameKind {
    Idr,
    Other,
    /// The rate control left the picture out.
    Skipped,
}

/// One I420 picture, planes where they lie: nothing is copied on the way in.
pub(super) struct Picture<'a> {
    pub width: c_int,
    pub height: c_int,
    pub planes: [&'a [u8]; 3],
    pub strides: [usize; 3],
    pub millis: i64,
}

/// An encoder object. Every method takes it by `&mut`, so that the bits read by [`RawEncoder::nals`]
/// can't be overwritten while they are borrowed.
pub(super) struct RawEncoder {
    encoder: NonNull<sys::ISVCEncoder>,
    /// Boxed: about 7 KB, and OpenH264 writes pointers into its own memory here.
    output: Box<sys::SFrameBSInfo>,
    initialized: bool,
}

// SAFETY: an encoder has no ties to the thread that made it (one worker thread is asked for, no
// thread-locals), and all use goes through `&mut self`.
unsafe impl Send for RawEncoder {}

impl RawEncoder {
    pub fn new() -> Result<Self, CallError> {
        let mut encoder: *mut sys::ISVCEncoder = null_mut();
        // SAFETY: the out-pointer is valid; the object is destroyed in `drop`.
        let code = unsafe { sys::source::APILoader::WelsCreateSVCEncoder(&raw mut encoder) };
        match NonNull::new(encoder) {
            Some(encoder) if code == 0 => {
                let mut raw = Self { encoder, output: Box::default(), initialized: false };
                raw.route_log()?;
                Ok(raw)
            }
            _ => Err(CallError { call: "WelsCreateSVCEncoder", code }),
        }
    }

    fn table(&self) -> &sys::ISVCEncoderVtbl {
        // SAFETY: the object starts with a pointer to its function table, which lives as long as the library.
        unsafe { &**self.encoder.as_ptr() }
    }

    /// OpenH264 writes warnings to stderr by itself; they belong in our log.
    fn route_log(&mut self) -> Result<(), CallError> {
        let mut level = sys::WELS_LOG_WARNING as c_int;
        let mut callback: sys::WelsTraceCallback = Some(log_line);
        self.set_option("ENCODER_OPTION_TRACE_LEVEL", sys::ENCODER_OPTION_TRACE_LEVEL, &mut level)?;
        self.set_option("ENCODER_OPTION_TRACE_CALLBACK", sys::ENCODER_OPTION_TRACE_CALLBACK, &mut callback)
    }

    /// `value` must be of the type that the option is documented with.
    fn set_option<T>(
        &mut self,
        call: &'static str,
        option: sys::ENCODER_OPTION,
        value: &mut T,
    ) -> Result<(), CallError> {
        let function = self.table().SetOption.ok_or(CallError { call, code: -1 })?;
        // SAFETY: every caller in this file pairs the option with its documented type.
        checked(call, unsafe { function(self.encoder.as_ptr(), option, (&raw mut *value).cast::<c_void>()) })
    }

    pub fn default_params(&mut self) -> Result<sys::SEncParamExt, CallError> {
        let call = "GetDefaultParams";
        let function = self.table().GetDefaultParams.ok_or(CallError { call, code: -1 })?;
        let mut params = sys::SEncParamExt::default();
        // SAFETY: `params` is a valid structure to fill.
        checked(call, unsafe { function(self.encoder.as_ptr(), &raw mut params) })?;
        Ok(params)
    }

    pub fn initialize(&mut self, params: &sys::SEncParamExt) -> Result<(), CallError> {
        let call = "InitializeExt";
        let function = self.table().InitializeExt.ok_or(CallError { call, code: -1 })?;
        // SAFETY: `params` came from `default_params` and outlives the call, which copies it.
        checked(call, unsafe { function(self.encoder.as_ptr(), &raw const *params) })?;
        self.initialized = true;
        Ok(())
    }

    pub fn force_idr(&mut self) -> Result<(), CallError> {
        let call = "ForceIntraFrame";
        let function = self.table().ForceIntraFrame.ok_or(CallError { call, code: -1 })?;
        // SAFETY: the encoder is initialised (its owner initialises it before anything else).
        checked(call, unsafe { function(self.encoder.as_ptr(), true) })
    }

    /// Takes effect from the next picture.
    pub fn set_bitrate(&mut self, bitrate_bps: c_int) -> Result<(), CallError> {
        let mut info = sys::SBitrateInfo { iLayer: sys::SPATIAL_LAYER_ALL, iBitrate: bitrate_bps };
        self.set_option("ENCODER_OPTION_BITRATE", sys::ENCODER_OPTION_BITRATE, &mut info)
    }

    pub fn encode(&mut self, picture: &Picture<'_>) -> Result<FrameKind, CallError> {
        let call = "EncodeFrame";
        let function = self.table().EncodeFrame.ok_or(CallError { call, code: -1 })?;
        let bad_picture = CallError { call: "EncodeFrame (plane too short)", code: -1 };
        let (width, height) = (picture.width.max(0) as usize, picture.height.max(0) as usize);
        let rows = [(width, height), (width / 2, height / 2), (width / 2, height / 2)];
        let mut source = sys::SSourcePicture {
            iColorFormat: sys::videoFormatI420,
            iPicWidth: picture.width,
            iPicHeight: picture.height,
            uiTimeStamp: picture.millis,
            ..Default::default()
        };
        for (index, (row, rows)) in rows.into_iter().enumerate() {
            let (plane, stride) = (picture.planes[index], picture.strides[index]);
            let last_row = stride.checked_mul(rows.saturating_sub(1)).and_then(|start| start.checked_add(row));
            if stride < row || last_row.is_none_or(|end| end > plane.len()) {
                return Err(bad_picture);
            }
            source.iStride[index] = c_int::try_from(stride).map_err(|_| bad_picture)?;
            source.pData[index] = plane.as_ptr().cast_mut();
        }
        // SAFETY: the planes were just checked against size and stride, OpenH264 only reads them, and
        // only during the call; `output` is a valid structure to fill.
        checked(call, unsafe { function(self.encoder.as_ptr(), &raw const source, &raw mut *self.output) })?;
        Ok(match self.output.eFrameType {
            sys::videoFrameTypeIDR => FrameKind::Idr,
            sys::videoFrameTypeSkip | sys::videoFrameTypeInvalid => FrameKind::Skipped,
            _ => FrameKind::Other,
        })
    }

    /// The NAL units of the last picture, each with its start code.
    pub fn nals(&self) -> impl Iterator<Item = &[u8]> {
        let layers = usize::try_from(self.output.iLayerNum).unwrap_or(0);
        self.output.sLayerInfo.iter().take(layers).flat_map(|layer| {
            let count = usize::try_from(layer.iNalCount).unwrap_or(0);
            let lengths: &[c_int] = if layer.pNalLengthInByte.is_null() || count == 0 {
                &[]
            } else {
                // SAFETY: OpenH264 keeps `iNalCount` lengths there until the next call, which needs `&mut self`.
                unsafe { std::slice::from_raw_parts(layer.pNalLengthInByte, count) }
            };
            let mut offset = 0;
            lengths.iter().filter_map(move |&length| {
                let length = usize::try_from(length).ok().filter(|_| !layer.pBsBuf.is_null())?;
                // SAFETY: the NAL units of a layer follow each other in `pBsBuf`, valid until the next call.
                let nal = unsafe { std::slice::from_raw_parts(layer.pBsBuf.add(offset), length) };
                offset += length;
                Some(nal)
            })
        })
    }
}

impl Drop for RawEncoder {
    fn drop(&mut self) {
        if self.initialized
            && let Some(uninitialize) = self.table().Uninitialize
        {
            // SAFETY: initialised once, uninitialised once.
            unsafe { uninitialize(self.encoder.as_ptr()) };
        }
        // SAFETY: made by `WelsCreateSVCEncoder`, destroyed once.
        unsafe { sys::source::APILoader::WelsDestroySVCEncoder(self.encoder.as_ptr()) };
    }
}

fn checked(call: &'static str, code: c_int) -> Result<(), CallError> {
    if code == 0 { Ok(()) } else { Err(CallError { call, code }) }
}

/// Errors of the library are warnings of ours (the call itself fails too); its warnings are mostly
/// about parameters that it adjusts.
unsafe extern "C" fn log_line(_context: *mut c_void, level: c_int, line: *const c_char) {
    if line.is_null() {
        return;
    }
    // SAFETY: OpenH264 hands over a terminated string that lives during the call.
    let line = unsafe { CStr::from_ptr(line) }.to_string_lossy();
    let ours = if level == sys::WELS_LOG_ERROR as c_int { log::Level::Warn } else { log::Level::Debug };
    log::log!(target: "openh264", ours, "{}", line.trim_end());
}
