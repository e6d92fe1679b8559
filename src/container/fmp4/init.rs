//! The initialisation section: `ftyp` and `moov` of one track without samples.

use super::{NON_SYNC_SAMPLE, SYNC_SAMPLE, TRACK_ID};
use crate::codec::sps;
use crate::media::{AacParams, Codec, H264Params, OpusParams, Track};
use bytes::Bytes;
use mp4_atom::{
    Audio, Avc1, Avcc, AvccExt, Btrt, Dinf, Dops, Dref, Encode, Esds, FixedPoint, FourCC, Ftyp, Hdlr, Mdhd, Mdia, Minf,
    Moov, Mp4a, Mvex, Mvhd, Opus, Smhd, Stbl, Stco, Stsd, Tkhd, Trak, Trex, Url, Visual, Vmhd, esds,
};

/// MPEG-4 object type: audio, ISO/IEC 14496-3.
const OBJECT_TYPE_AAC: u8 = 0x40;
const STREAM_TYPE_AUDIO: u8 = 5;

/// `ftyp` and `moov` for `track`. The same track always gives the same bytes.
pub fn init_section(track: &Track) -> Bytes {
    let brand = |name: &[u8; 4]| FourCC::new(name);
    let ftyp = Ftyp {
        major_brand: brand(b"iso6"),
        minor_version: 0,
        // cmf2: signed composition offsets instead of an edit list (CMAF §7.3.1).
        compatible_brands: vec![brand(b"iso6"), brand(b"cmfc"), brand(b"cmf2")],
    };
    let mut bytes = Vec::with_capacity(1024);
    ftyp.encode(&mut bytes).expect("three brands fit a box");
    moov(track).encode(&mut bytes).expect("every field below is made to fit");
    bytes.into()
}

fn moov(track: &Track) -> Moov {
    let timescale = track.timescale.hz();
    let is_video = track.id.is_video();
    let (width, height) = match &track.codec {
        Codec::H264(params) => (side(params.width), side(params.height)),
        Codec::Aac(_) | Codec::Opus(_) => (0, 0),
    };
    let tkhd = Tkhd {
        track_id: TRACK_ID,
        enabled: true,
        in_movie: true,
        volume: FixedPoint::from(u8::from(!is_video)),
        width: width.into(),
        height: height.into(),
        ..Tkhd::default()
    };
    let sample_entry = match &track.codec {
        Codec::H264(params) => h264(params, track.bitrate_bps).into(),
        Codec::Aac(params) => aac(params, track.bitrate_bps).into(),
        Codec::Opus(params) => opus(params, track.bitrate_bps).into(),
    };
    let minf = Minf {
        vmhd: is_video.then(Vmhd::default),
        smhd: (!is_video).then(Smhd::default),
        dinf: Dinf { dref: Dref { entries: vec![Url::default().into()] } },
        stbl: Stbl { stsd: Stsd { codecs: vec![sample_entry] }, stco: Some(Stco::default()), ..Stbl::default() },
        ..Minf::default()
    };
    let mdia = Mdia {
        mdhd: Mdhd { timescale, language: language(track), ..Mdhd::default() },
        hdlr: Hdlr { handler: FourCC::new(if is_video { b"vide" } else { b"soun" }), name: "capturebox".to_owned() },
        minf,
    };
    let trex = Trex {
        track_id: TRACK_ID,
        default_sample_description_index: 1,
        default_sample_flags: if is_video { NON_SYNC_SAMPLE } else { SYNC_SAMPLE },
        ..Trex::default()
    };
    Moov {
        mvhd: Mvhd { timescale, rate: 1.into(), volume: 1.into(), next_track_id: TRACK_ID + 1, ..Mvhd::default() },
        trak: vec![Trak { tkhd, mdia, ..Trak::default() }],
        mvex: Some(Mvex { mehd: None, trex: vec![trex] }),
        ..Moov::default()
    }
}

fn h264(params: &H264Params, bitrate_bps: u32) -> Avc1 {
    let header = |index: usize| params.sps.get(index).copied().unwrap_or_default();
    let profile_idc = header(1);
    // These profiles say their chroma format and depth (ISO/IEC 14496-15 §5.3.3.1.2); the box takes
    // 8-bit 4:2:0 only (`codec::sps`).
    let ext = sps::has_chroma_info(profile_idc).then(AvccExt::default);
    Avc1 {
        visual: Visual {
            data_reference_index: 1,
            width: side(params.width),
            height: side(params.height),
            horizresolution: 72.into(),
            vertresolution: 72.into(),
            ..Visual::default()
        },
        avcc: Avcc {
            configuration_version: 1,
            avc_profile_indication: profile_idc,
            profile_compatibility: header(2),
            avc_level_indication: header(3),
            length_size: 4,
            sequence_parameter_sets: vec![params.sps.to_vec()],
            picture_parameter_sets: vec![params.pps.to_vec()],
            ext,
        },
        btrt: btrt(bitrate_bps),
        ..Avc1::default()
    }
}

fn aac(params: &AacParams, bitrate_bps: u32) -> Mp4a {
    let dec_config = esds::DecoderConfig {
        object_type_indication: OBJECT_TYPE_AAC,
        stream_type: STREAM_TYPE_AUDIO,
        max_bitrate: bitrate_bps,
        avg_bitrate: bitrate_bps,
        dec_specific: Some(esds::DecoderSpecific { raw: params.config.to_vec(), ..Default::default() }),
        ..Default::default()
    };
    Mp4a {
        audio: audio(params.rate_hz, params.channels),
        // ES_ID is 0 in files (ISO/IEC 14496-14 §3.1.2).
        esds: Esds { es_desc: esds::EsDescriptor { dec_config, ..Default::default() } },
        btrt: btrt(bitrate_bps),
        taic: None,
    }
}

fn opus(params: &OpusParams, bitrate_bps: u32) -> Opus {
    let rate_hz = crate::codec::opus::RATE_HZ;
    Opus {
        audio: audio(rate_hz, params.channels),
        dops: Dops {
            output_channel_count: u8::try_from(params.channels).unwrap_or(u8::MAX),
            pre_skip: params.pre_skip,
            input_sample_rate: rate_hz,
            output_gain: 0,
            channel_mapping: None,
        },
        btrt: btrt(bitrate_bps),
    }
}

fn audio(rate_hz: u32, channels: u16) -> Audio {
    Audio {
        data_reference_index: 1,
        channel_count: channels,
        sample_size: 16,
        // 16.16: rates that don't fit are written as 0; decoders read the codec's own header.
        sample_rate: u16::try_from(rate_hz).unwrap_or(0).into(),
    }
}

fn btrt(bitrate_bps: u32) -> Option<Btrt> {
    (bitrate_bps > 0).then_some(Btrt { buffer_size_db: 0, max_bitrate: bitrate_bps, avg_bitrate: bitrate_bps })
}

fn side(px: u32) -> u16 {
    u16::try_from(px).unwrap_or(u16::MAX)
}

/// `mdhd` has room for three letters (ISO 639-2); other tags are for playlists to tell.
fn language(track: &Track) -> String {
    track
        .language
        .as_deref()
        .filter(|tag| tag.len() == 3 && tag.bytes().all(|letter| letter.is_ascii_lowercase()))
        .unwrap_or("und")
        .to_owned()
}
