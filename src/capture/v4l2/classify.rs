//! What a video node is for. Pure: what the kernel says about it in, a role out.
//!
//! A board has a dozen `/dev/video*` nodes, of which one may be a camera: the others are encoders,
//! decoders, image processors and raw sensor ports. None of those must ever be taken for a camera.

use super::format::FourCc;

/// What QUERYCAP, ENUM_FMT and ENUMINPUT say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct NodeFacts {
    pub driver: String,
    pub card: String,
    /// `device_caps`, or `capabilities` of a driver too old to have them.
    pub caps: u32,
    /// The selected input takes its timings from a cable: HDMI, DVI, component.
    pub has_dv_timings: bool,
    /// Of the capture queue, single- or multi-planar.
    pub capture_formats: Vec<FourCc>,
    /// Of the output queue of a memory-to-memory device.
    pub output_formats: Vec<FourCc>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Camera,
    HdmiInput,
    Encoder,
    Decoder,
    /// Scaler, image signal processor, format converter.
    Converter,
    /// A bare sensor, or a port that needs libcamera or media-ctl before it delivers pictures.
    RawSensor,
    /// Statistics, embedded data, controls, radio, VBI, output.
    NotVideo,
    /// A camera by its capabilities, but none of its formats can be used.
    Unusable,
}

impl Role {
    /// Why it isn't taken as a camera.
    pub const fn why_not(self) -> &'static str {
        match self {
            Self::Camera | Self::HdmiInput => "it is a camera",
            Self::Encoder => "it is an encoder, not a camera",
            Self::Decoder => "it is a decoder, not a camera",
            Self::Converter => "it is an image processor, not a camera",
            Self::RawSensor => "it is a bare sensor port: use a `command` source with rpicam-vid",
            Self::NotVideo => "it doesn't deliver pictures",
            Self::Unusable => "it delivers none of yuyv, uyvy, nv12, i420, mjpeg, h264",
        }
    }
}

pub(crate) mod caps {
    //! `V4L2_CAP_*` of linux/videodev2.h.
    pub const VIDEO_CAPTURE: u32 = 0x0000_0001;
    pub const VIDEO_OUTPUT: u32 = 0x0000_0002;
    pub const VIDEO_CAPTURE_MPLANE: u32 = 0x0000_1000;
    pub const VIDEO_OUTPUT_MPLANE: u32 = 0x0000_2000;
    pub const VIDEO_M2M_MPLANE: u32 = 0x0000_4000;
    pub const VIDEO_M2M: u32 = 0x0000_8000;
    pub const STREAMING: u32 = 0x0400_0000;
    /// Formats depend on media-ctl links; what ENUM_FMT lists is not what is attached.
    pub const IO_MC: u32 = 0x2000_0000;
}

/// Nodes that say of themselves "capture" and are something else; by the start of driver or card.
const BY_NAME: [(&str, Role); 16] = [
    ("bcm2835-codec-encode", Role::Encoder),
    ("bcm2835-codec-decode", Role::Decoder),
    // Its scaler, deinterlacer and JPEG encoder.
    ("bcm2835-codec-isp", Role::Converter),
    ("bcm2835-codec-image_fx", Role::Converter),
    ("bcm2835-codec", Role::Converter),
    ("bcm2835-isp", Role::Converter),
    ("pispbe", Role::Converter),
    ("rpi-hevc-dec", Role::Decoder),
    ("rpivid", Role::Decoder),
    ("hantro-vpu", Role::Decoder),
    ("rkvdec", Role::Decoder),
    ("vim2m", Role::Converter),
    ("rkisp1", Role::RawSensor),
    ("rp1-cfe", Role::RawSensor),
    ("unicam-embedded", Role::NotVideo),
    ("v4l2 radio", Role::NotVideo),
];

pub(crate) fn classify(node: &NodeFacts) -> Role {
    let has = |bits: u32| node.caps & bits != 0;
    let captures = has(caps::VIDEO_CAPTURE | caps::VIDEO_CAPTURE_MPLANE);
    let outputs = has(caps::VIDEO_OUTPUT | caps::VIDEO_OUTPUT_MPLANE);
    // v4l2loopback says it does both, and is meant to be a camera.
    let loopback = node.driver.starts_with("v4l2 loopback");

    for (name, role) in BY_NAME {
        if node.card.starts_with(name) || node.driver.starts_with(name) && !node.card.starts_with("bcm2835-codec") {
            return role;
        }
    }
    if (has(caps::VIDEO_M2M | caps::VIDEO_M2M_MPLANE) || (captures && outputs)) && !loopback {
        let coded = |formats: &[FourCc]| formats.iter().any(|format| format.is_coded());
        return match (coded(&node.capture_formats), coded(&node.output_formats)) {
            (true, false) => Role::Encoder,
            (false, true) => Role::Decoder,
            _ => Role::Converter,
        };
    }
    if !captures || !has(caps::STREAMING) {
        // With `exclusive_caps` it becomes a camera when a program feeds it.
        return if loopback { Role::Unusable } else { Role::NotVideo };
    }
    let usable = node.capture_formats.iter().any(|format| format.camera_format().is_some());
    match () {
        () if node.has_dv_timings => Role::HdmiInput,
        () if has(caps::IO_MC) => Role::RawSensor,
        () if usable => Role::Camera,
        () if node.capture_formats.iter().any(|format| format.is_bayer()) => Role::RawSensor,
        () => Role::Unusable,
    }
}

#[cfg(test)]
mod tests {
    use super::caps::*;
    use super::*;

    fn node(driver: &str, card: &str, caps: u32, capture: &[&[u8; 4]], output: &[&[u8; 4]]) -> NodeFacts {
        let formats = |codes: &[&[u8; 4]]| codes.iter().map(|code| FourCc(**code)).collect();
        NodeFacts {
            driver: driver.to_owned(),
            card: card.to_owned(),
            caps,
            has_dv_timings: false,
            capture_formats: formats(capture),
            output_formats: formats(output),
        }
    }

    const META_CAPTURE: u32 = 0x0080_0000;
    const CAPTURE: u32 = VIDEO_CAPTURE | STREAMING;
    const M2M: u32 = VIDEO_M2M_MPLANE | STREAMING;

    #[test]
    fn nodes_of_real_boards() {
        let hdmi = |node: NodeFacts| NodeFacts { has_dv_timings: true, ..node };
        let codec = |card| node("bcm2835-codec", card, M2M, &[b"YU12", b"NV12"], &[b"YU12"]);
        let table = [
            (node("uvcvideo", "HD Pro Webcam C920", CAPTURE, &[b"YUYV", b"MJPG"], &[]), Role::Camera),
            (node("uvcvideo", "HD Pro Webcam C920", META_CAPTURE | STREAMING, &[b"UVCH"], &[]), Role::NotVideo),
            (node("uvcvideo", "IR camera", CAPTURE, &[b"GREY"], &[]), Role::Unusable),
            (node("bcm2835-codec", "bcm2835-codec-encode", M2M, &[b"H264", b"MJPG"], &[b"YU12"]), Role::Encoder),
            (node("bcm2835-codec", "bcm2835-codec-decode", M2M, &[b"YU12"], &[b"H264", b"MJPG"]), Role::Decoder),
            (codec("bcm2835-codec-isp"), Role::Converter),
            (codec("bcm2835-codec-image_fx"), Role::Converter),
            (codec("bcm2835-codec-encode_image"), Role::Encoder),
            (node("bcm2835-isp", "bcm2835-isp", CAPTURE, &[b"YU12", b"NV12", b"YUYV"], &[]), Role::Converter),
            (node("pispbe", "pispbe", VIDEO_CAPTURE_MPLANE | STREAMING | IO_MC, &[b"YU12"], &[]), Role::Converter),
            (node("rpivid", "rpivid", M2M, &[b"NC12"], &[b"S265"]), Role::Decoder),
            (node("rpi-hevc-dec", "rpi-hevc-dec", M2M, &[b"NC12"], &[b"S265"]), Role::Decoder),
            (node("unicam", "unicam", CAPTURE, &[b"BG10", b"pBAA"], &[]), Role::RawSensor),
            (node("unicam", "unicam", CAPTURE | IO_MC, &[b"YUYV", b"UYVY", b"BG10"], &[]), Role::RawSensor),
            (hdmi(node("unicam", "unicam", CAPTURE, &[b"UYVY", b"RGB3"], &[])), Role::HdmiInput),
            (node("rp1-cfe", "rp1-cfe", CAPTURE | IO_MC, &[b"YUYV", b"BG10"], &[]), Role::RawSensor),
            (node("vivid", "vivid", CAPTURE, &[b"YUYV", b"BA81", b"NV12"], &[]), Role::Camera),
            (hdmi(node("vivid", "vivid", CAPTURE, &[b"YUYV"], &[])), Role::HdmiInput),
            (node("vivid", "vivid", VIDEO_OUTPUT | STREAMING, &[], &[b"YUYV"]), Role::NotVideo),
            (node("vicodec", "vicodec", VIDEO_M2M | STREAMING, &[b"FWHT"], &[b"YU12"]), Role::Encoder),
            (node("vicodec", "vicodec", M2M, &[b"YU12"], &[b"FWHT"]), Role::Decoder),
            (node("vim2m", "vim2m", VIDEO_M2M | STREAMING, &[b"RGBP"], &[b"RGBP"]), Role::Converter),
            (node("v4l2 loopback", "Dummy video device", CAPTURE | VIDEO_OUTPUT, &[b"YUYV"], &[]), Role::Camera),
            (node("v4l2 loopback", "Dummy video device", CAPTURE, &[], &[]), Role::Unusable),
            (node("v4l2 loopback", "Dummy video device", VIDEO_OUTPUT | STREAMING, &[], &[]), Role::Unusable),
            (node("", "", 0, &[], &[]), Role::NotVideo),
        ];
        for (node, role) in table {
            assert_eq!(classify(&node), role, "{node:?}");
        }
    }
}
