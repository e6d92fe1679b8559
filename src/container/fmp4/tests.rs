//! What is written is read back by another library (the `mp4` crate) and by ffprobe.

use super::*;
use crate::codec::{aac, sps};
use crate::media::{AccessUnit, Codec, OpusParams, Track, TrackId};
use crate::time::Timescale;
use mp4_atom::{Any, Decode, ReadFrom};
use std::io::{Cursor, Write};
use std::process::{Command, Stdio};

/// x264 core 164 through ffmpeg 5.1.9, `-profile:v main`, 1280x720 at 30 frames a second.
const SPS: &[u8] = &[
    0x67, 0x4d, 0x40, 0x1f, 0xec, 0xa0, 0x28, 0x02, 0xdd, 0x80, 0x88, 0x00, 0x00, 0x03, 0x00, 0x08, 0x00, 0x00, 0x03,
    0x01, 0xe0, 0x78, 0xc1, 0x8c, 0xb0,
];
const PPS: &[u8] = &[0x68, 0xeb, 0xe3, 0xcb, 0x20];

fn video_track() -> Track {
    let params = sps::h264_params(Bytes::from_static(SPS), Bytes::from_static(PPS)).expect("params");
    Track {
        id: TrackId::Video(0),
        timescale: Timescale::VIDEO,
        language: None,
        bitrate_bps: 3_000_000,
        codec: Codec::H264(params),
    }
}

fn aac_track() -> Track {
    Track {
        id: TrackId::Aac,
        timescale: Timescale::new(48_000).expect("not zero"),
        language: Some("deu".to_owned()),
        bitrate_bps: 128_000,
        codec: Codec::Aac(aac::aac_lc(48_000, 2).expect("AAC-LC")),
    }
}

fn unit(dts: i64, pts: i64, duration: u32, keyframe: bool, len: usize) -> AccessUnit {
    AccessUnit { dts, pts, duration, keyframe, data: vec![dts as u8; len].into() }
}

fn boxes(bytes: &[u8]) -> Vec<Any> {
    let mut rest = Cursor::new(bytes);
    std::iter::from_fn(|| Option::<Any>::read_from(&mut rest).expect("a box")).collect()
}

fn moof(part: &[u8]) -> mp4_atom::Moof {
    mp4_atom::Moof::decode(&mut Cursor::new(part)).expect("a moof")
}

#[test]
fn a_part_is_one_moof_and_one_mdat_of_the_exact_size() {
    let units = [unit(9_000, 9_000, 3_000, true, 700), unit(12_000, 15_000, 3_000, false, 300)];
    let part = part(&video_track(), 7, &units, 3_000);
    assert!(matches!(&boxes(&part)[..], [Any::Moof(_), Any::Mdat(_)]));

    let moof = moof(&part);
    assert_eq!(moof.mfhd.sequence_number, 7);
    let traf = &moof.traf[0];
    assert!(traf.tfhd.default_base_is_moof);
    assert_eq!(traf.tfdt.as_ref().map(|tfdt| tfdt.base_media_decode_time), Some(6_000));
    let samples: Vec<_> = traf.trun[0].samples.iter().map(|s| (s.duration, s.size, s.flags, s.cts)).collect();
    assert_eq!(
        samples,
        [
            (Some(3_000), Some(700), Some(SYNC_SAMPLE), Some(0)),
            (Some(3_000), Some(300), Some(NON_SYNC_SAMPLE), Some(3_000)),
        ]
    );
    // The payload stands where data_offset says, and ends with the part.
    let at = usize::try_from(traf.trun[0].data_offset.expect("an offset")).expect("positive");
    assert_eq!(part.len(), at + 1_000);
    assert_eq!(part[at - 4..at], *b"mdat");
    assert_eq!((part[at], part[at + 700]), (units[0].data[0], units[1].data[0]));
}

#[test]
fn a_part_without_units_is_still_well_formed() {
    assert!(matches!(&boxes(&part(&aac_track(), 1, &[], 0))[..], [Any::Moof(_), Any::Mdat(_)]));
}

#[test]
fn a_duration_is_the_distance_to_the_next_sample() {
    let units = [unit(0, 0, 1_000, true, 1), unit(3_003, 3_003, 1_000, false, 1), unit(3_000, 3_000, 900, false, 1)];
    let moof = moof(&part(&video_track(), 1, &units, 0));
    let durations: Vec<_> = moof.traf[0].trun[0].samples.iter().filter_map(|sample| sample.duration).collect();
    assert_eq!(durations, [3_003, 1_000, 900], "distance; own where time went back; own for the last");
}

#[test]
fn times_on_the_monotonic_clock_need_64_bits_and_get_them() {
    let month = 90_000 * 86_400 * 30;
    let moof = moof(&part(&video_track(), 1, &[unit(month, month, 3_000, true, 1)], 0));
    assert_eq!(moof.traf[0].tfdt.as_ref().map(|tfdt| tfdt.base_media_decode_time), Some(month as u64));
    assert!(month > i64::from(u32::MAX));
}

#[test]
fn a_time_before_the_base_is_zero_and_absurd_offsets_are_clamped() {
    let moof = moof(&part(&video_track(), 1, &[unit(-5, i64::MAX, 1, true, 1)], i64::MAX));
    assert_eq!(moof.traf[0].tfdt.as_ref().map(|tfdt| tfdt.base_media_decode_time), Some(0));
    assert_eq!(moof.traf[0].trun[0].samples.get(0).and_then(|sample| sample.cts), Some(i64::from(i32::MAX)));
}

#[test]
fn the_mp4_crate_reads_the_init_sections() {
    for (track, is_video) in [(video_track(), true), (aac_track(), false)] {
        let init = init_section(&track);
        let read = mp4::Mp4Reader::read_header(Cursor::new(&init), init.len() as u64).expect("an MP4 file");
        let got = &read.tracks()[&TRACK_ID];
        assert_eq!(got.timescale(), track.timescale.hz());
        if is_video {
            assert_eq!((got.width(), got.height()), (1280, 720));
            assert_eq!(got.sequence_parameter_set().expect("an SPS"), SPS);
            assert_eq!(got.picture_parameter_set().expect("a PPS"), PPS);
        } else {
            assert_eq!(got.language(), "deu");
            assert_eq!(got.channel_config().expect("channels"), mp4::ChannelConfig::Stereo);
            assert_eq!(got.sample_freq_index().expect("a rate"), mp4::SampleFreqIndex::Freq48000);
        }
    }
}

#[test]
fn the_same_track_gives_the_same_bytes() {
    assert_eq!(init_section(&video_track()), init_section(&video_track()));
    let other = Track { bitrate_bps: 1, ..video_track() };
    assert_ne!(init_section(&video_track()), init_section(&other));
}

#[test]
fn high_profile_says_its_chroma_format() {
    let mut track = video_track();
    if let Codec::H264(params) = &mut track.codec {
        let mut sps = SPS.to_vec();
        sps[1] = 100;
        params.sps = sps.into();
    }
    let main = init_section(&video_track()).len();
    assert_eq!(init_section(&track).len(), main + 4);
}

/// What `ffprobe` says about `bytes`, one line a packet. A missing ffprobe fails the test.
fn ffprobe(bytes: &[u8], entries: &str) -> Vec<String> {
    let mut probe = Command::new("ffprobe")
        .args(["-v", "error", "-of", "compact=p=0:nk=1", "-show_entries", entries, "-i", "pipe:0"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("ffprobe is installed");
    probe.stdin.take().expect("piped").write_all(bytes).expect("ffprobe reads");
    let output = probe.wait_with_output().expect("ffprobe ends");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "ffprobe complains");
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn ffprobe_reads_parts_of_every_codec() {
    let silence = Bytes::from_static(aac::silent_frame(2).expect("stereo"));
    let opus =
        Track { id: TrackId::Opus, codec: Codec::Opus(OpusParams { channels: 2, pre_skip: 312 }), ..aac_track() };
    let audio = |dts: i64, duration| AccessUnit { dts, pts: dts, duration, keyframe: true, data: silence.clone() };
    for (track, codec, duration) in [(aac_track(), "aac", 1_024), (opus, "opus", 960)] {
        let mut file = init_section(&track).to_vec();
        file.extend_from_slice(&segment_header());
        for index in 0..3_i64 {
            let first = 96_000 + index * 2 * duration;
            let units = [audio(first, duration as u32), audio(first + duration, duration as u32)];
            file.extend_from_slice(&part(&track, index as u32 + 1, &units, 96_000));
        }
        assert_eq!(ffprobe(&file, "stream=codec_name,sample_rate,channels"), [format!("{codec}|48000|2")]);
        let want: Vec<_> = (0..6).map(|index| format!("{}|{}|K_", index * duration, silence.len())).collect();
        assert_eq!(ffprobe(&file, "packet=pts,size,flags"), want);
    }
}

#[test]
fn ffmpeg_decodes_parts_of_video_with_b_frames() {
    let source = include_bytes!("../../../tests/vectors/classic.mp4");
    let mut file = crate::container::mp4_file::Mp4File::read(Cursor::new(source)).expect("a file");
    let track = file.tracks()[0].clone();
    let units: Vec<_> =
        file.by_ref().filter_map(|next| next.ok().filter(|(of, _)| *of == 0).map(|(_, unit)| unit)).collect();
    // Decode times begin below zero: the base is the first of them.
    let base = units[0].dts;
    assert!(base < 0);
    let mut written = init_section(&track).to_vec();
    for (sequence, units) in units.chunks(5).enumerate() {
        written.extend_from_slice(&part(&track, sequence as u32 + 1, units, base));
    }
    // Decoded, so in the order in which they are shown.
    let frames = ffprobe(&written, "frame=best_effort_timestamp,key_frame,pict_type");
    let got: Vec<_> = frames.iter().filter(|line| !line.is_empty()).cloned().collect();
    let mut shown = units.clone();
    shown.sort_by_key(|unit| unit.pts);
    assert_eq!(got.len(), shown.len());
    for (got, unit) in got.iter().zip(&shown) {
        let want = format!("{}|{}|", u8::from(unit.keyframe), unit.pts - base);
        assert!(got.starts_with(&want), "{got} should start with {want}");
    }
    assert!(got.iter().any(|line| line.ends_with('B')), "{got:?}");
}
