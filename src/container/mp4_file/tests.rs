//! Against what ffprobe says of the same files (`tests/vectors/README.md` tells how they were made).

use super::*;
use crate::container::fmp4;
use crate::media::{Codec, TrackId};
use crate::time::FrameRate;
use proptest::prelude::*;
use std::io::Cursor as InMemory;

macro_rules! vector {
    ($name:literal) => {
        (
            $name,
            include_bytes!(concat!("../../../tests/vectors/", $name)).as_slice(),
            include_str!(concat!("../../../tests/vectors/", $name, ".packets")),
        )
    };
}

const FILES: [(&str, &[u8], &str); 6] = [
    vector!("classic.mp4"),
    vector!("faststart.mp4"),
    vector!("offset.mp4"),
    vector!("fragmented.mp4"),
    vector!("separate.mp4"),
    vector!("hybrid.mp4"),
];
const VIDEO_TIMESCALE: u32 = 12_800;

fn read(bytes: &[u8]) -> Result<Mp4File<InMemory<&[u8]>>, Mp4Error> {
    Mp4File::read(InMemory::new(bytes))
}

/// pts, dts, size and key flag of each packet of a stream.
fn packets(listing: &str, stream: &str) -> Vec<(i64, i64, usize, bool)> {
    let number = |field: Option<&str>| field.and_then(|field| field.parse().ok()).expect("a number");
    listing
        .lines()
        .filter_map(|line| {
            let mut fields = line.split('|');
            (fields.next() == Some(stream)).then(|| {
                let (pts, dts, size) = (number(fields.next()), number(fields.next()), number(fields.next()));
                (
                    pts,
                    dts,
                    usize::try_from(size).expect("a size"),
                    fields.next().is_some_and(|flags| flags.contains('K')),
                )
            })
        })
        .collect()
}

#[test]
fn every_file_gives_the_packets_that_ffprobe_sees() {
    for (name, bytes, listing) in FILES {
        let mut file = read(bytes).expect(name);
        assert_eq!(file.tracks().len(), 2, "{name}");
        assert!(file.ignored().is_empty(), "{name}");
        let units = file.by_ref().collect::<Result<Vec<_>, _>>().expect(name);
        for (index, track) in file.tracks().iter().enumerate() {
            let got: Vec<_> = units
                .iter()
                .filter(|(of, _)| *of == index)
                .map(|(_, unit)| (unit.pts, unit.dts, unit.data.len(), unit.keyframe))
                .collect();
            let is_video = track.id.is_video();
            let timescale = Timescale::new(if is_video { VIDEO_TIMESCALE } else { 48_000 }).expect("not zero");
            let here = |ticks: i64| rescale(ticks, timescale, track.timescale);
            let want: Vec<_> = packets(listing, if is_video { "0" } else { "1" })
                .into_iter()
                // Priming that is never heard is left out.
                .filter(|&(pts, ..)| is_video || pts > -1_024)
                .map(|(pts, dts, size, key)| (here(pts), here(dts), size, key))
                .collect();
            assert!(!want.is_empty(), "{name}");
            assert_eq!(got, want, "{name}, track {index}");
        }
    }
}

#[test]
fn units_of_both_tracks_come_by_decode_time_and_rewind_starts_over() {
    for (name, bytes, _) in FILES {
        let mut file = read(bytes).expect(name);
        let tracks = file.tracks().to_vec();
        let times = |file: &mut Mp4File<_>| -> Vec<i64> {
            file.map(|next| {
                next.map(|(of, unit)| rescale(unit.dts, tracks[of].timescale, Timescale::NANOS)).expect(name)
            })
            .collect()
        };
        let once = times(&mut file);
        assert!(once.is_sorted(), "{name}");
        assert!(file.next().is_none(), "{name}");
        file.rewind();
        assert_eq!(times(&mut file), once, "{name}");
    }
}

#[test]
fn tracks_say_what_a_decoder_must_know() {
    let file = read(FILES[0].1).expect("a file");
    assert_eq!(file.duration(), Duration::from_millis(800));
    let [video, audio] = file.tracks() else { panic!("two tracks") };
    assert_eq!((video.id, video.timescale, video.language.as_deref()), (TrackId::Video(0), Timescale::VIDEO, None));
    let Codec::H264(h264) = &video.codec else { panic!("H.264") };
    assert_eq!((h264.width, h264.height, h264.frame_rate), (96, 64, FrameRate::new(25, 1)));
    let Codec::Aac(aac) = &audio.codec else { panic!("AAC") };
    assert_eq!((aac.rate_hz, aac.channels, audio.timescale.hz()), (48_000, 1, 48_000));
    assert!((10_000..60_000).contains(&video.bitrate_bps), "{}", video.bitrate_bps);
}

#[test]
fn tracks_that_cannot_be_played_are_named() {
    let mut file = read(include_bytes!("../../../tests/vectors/mp3.mp4")).expect("H.264 beside MP3");
    assert_eq!(file.tracks().len(), 1);
    assert_eq!(file.ignored(), ["track 2: mp4a with object type 0x6b, not AAC"]);
    assert_eq!(file.by_ref().filter(Result::is_ok).count(), 20);
}

/// `bytes` with the one occurrence of `from` replaced.
fn patched(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let places: Vec<_> =
        bytes.windows(from.len()).enumerate().filter(|(_, at)| *at == from).map(|(at, _)| at).collect();
    let [at] = places[..] else { panic!("{from:?} at {places:?}") };
    let mut patched = bytes.to_vec();
    patched.splice(at..at + from.len(), to.iter().copied());
    patched
}

#[test]
fn he_aac_is_refused_by_name() {
    // AudioSpecificConfig of AAC-LC, 48 kHz, mono; then the same of type 5 (SBR).
    let he =
        patched(FILES[0].1, &[0x05, 0x80, 0x80, 0x80, 0x05, 0x11, 0x88], &[0x05, 0x80, 0x80, 0x80, 0x05, 0x29, 0x88]);
    let error = read(&he).expect_err("HE-AAC").to_string();
    assert!(error.contains("HE-AAC") && error.contains("AAC-LC"), "{error}");
}

#[test]
fn nothing_to_play_says_what_there_is() {
    let other = patched(&patched(FILES[0].1, b"avc1\0\0\0\0\0\0", b"hvc1\0\0\0\0\0\0"), b"mp4a\0\0", b"ac-3\0\0");
    let error = read(&other).expect_err("no track").to_string();
    assert!(error.contains("track 1: hvc1, track 2: ac-3"), "{error}");
}

#[test]
fn what_is_no_mp4_is_said_to_be_none() {
    for bytes in
        [&b""[..], b"x", b"RIFF\x24\x08\0\0WAVEfmt ", b"\x1aE\xdf\xa3 matroska, at length", &[0xff; 64], &[0; 64]]
    {
        assert!(matches!(read(bytes), Err(Mp4Error::NotMp4)), "{bytes:?}: {:?}", read(bytes));
    }
    assert!(matches!(read(b"\0\0\0\x08ftyp\0\0\0\x08mdat"), Err(Mp4Error::NoMoov)));
    let missing = Mp4File::open(Path::new("/nonexistent/holiday.mp4")).expect_err("no file").to_string();
    assert!(missing.contains("/nonexistent/holiday.mp4"), "{missing}");
    assert!(Mp4File::open(Path::new("/")).expect_err("a directory").to_string().contains("not a regular file"));
}

#[test]
fn a_file_cut_short_anywhere_is_an_error_or_a_shorter_file() {
    for (name, bytes, _) in FILES {
        let boundaries: Vec<u64> = {
            let mut file = InMemory::new(bytes);
            let mut at = 0;
            std::iter::from_fn(|| {
                let size = bytes.get(at..at + 4).map(|size| u32::from_be_bytes(size.try_into().expect("four")))?;
                at += size as usize;
                file.set_position(at as u64);
                Some(at as u64)
            })
            .collect()
        };
        for len in 0..bytes.len() {
            let cut = read(&bytes[..len]);
            // Up to seven bytes behind a box are taken for padding.
            let at_boundary = boundaries.iter().any(|&boundary| (boundary..boundary + 8).contains(&(len as u64)));
            match cut {
                Ok(file) => {
                    assert!(at_boundary, "{name} cut to {len} bytes is opened");
                    assert!(file.count() <= 60);
                }
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
    }
}

#[test]
fn boxes_of_no_size_are_no_endless_loop() {
    // An unknown box of size 0 in moov: `mp4` 0.14 by itself never comes back from this.
    let at = |bytes: &[u8], kind: &[u8]| bytes.windows(4).position(|window| window == kind).expect("there") - 4;
    for kind in [b"trak", b"mvhd", b"mdia", b"stbl", b"stts", b"udta"] {
        let mut bytes = FILES[1].1.to_vec();
        let at = at(&bytes, kind);
        bytes[at..at + 4].copy_from_slice(&[0; 4]);
        if let Ok(file) = read(&bytes) {
            assert!(file.count() <= 60);
        }
    }
}

#[test]
fn several_runs_in_a_fragment_follow_each_other() {
    use mp4_atom::{Encode, Mfhd, Moof, Tfdt, Tfhd, Traf, Trun, TrunEntry, TrunSamples};
    let mut file = include_bytes!("../../../tests/vectors/separate.mp4").to_vec();
    let moof_at = file.windows(4).position(|window| window == b"moof").expect("a moof") - 4;
    file.truncate(moof_at);
    // AAC in track 2: two runs, the second behind the first without an offset; sizes from tfhd.
    let run = |data_offset, samples| Trun { data_offset, samples };
    let moof = |offset| Moof {
        mfhd: Mfhd { sequence_number: 1 },
        traf: vec![Traf {
            tfhd: Tfhd {
                track_id: 2,
                default_sample_duration: Some(1_024),
                default_sample_size: Some(3),
                default_base_is_moof: true,
                ..Tfhd::default()
            },
            tfdt: Some(Tfdt { base_media_decode_time: 4_096 }),
            trun: vec![
                run(Some(offset), vec![TrunEntry { size: Some(5), ..TrunEntry::default() }].into()),
                run(None, TrunSamples::Inherited { count: 2, first_flags: None }),
            ],
            ..Traf::default()
        }],
    };
    let mut fragment = Vec::new();
    moof(0).encode(&mut fragment).expect("encodes");
    let offset = fragment.len() as i32 + 8;
    fragment.clear();
    moof(offset).encode(&mut fragment).expect("encodes");
    fragment.extend_from_slice(b"\0\0\0\x13mdatabcdefghijk");
    file.extend_from_slice(&fragment);

    let units: Vec<_> = read(&file).expect("a file").map(|next| next.expect("a unit").1).collect();
    let got: Vec<_> = units.iter().map(|unit| (unit.dts, unit.duration, &unit.data[..])).collect();
    assert_eq!(got, [(4_096, 1_024, &b"abcde"[..]), (5_120, 1_024, b"fgh"), (6_144, 1_024, b"ijk")]);
}

#[test]
fn a_fragment_that_claims_four_billion_samples_is_refused() {
    let mut file = FILES[4].1.to_vec();
    let trun = file.windows(4).position(|window| window == b"trun").expect("a trun");
    // No per-sample fields: a count is all that the run takes.
    file[trun + 4..trun + 12].copy_from_slice(&[0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff]);
    assert!(matches!(read(&file), Err(Mp4Error::TooLarge { .. } | Mp4Error::Moof { .. })), "{:?}", read(&file).err());
}

#[test]
fn what_we_write_is_read_back() {
    let mut source = read(FILES[0].1).expect("a file");
    let units: Vec<_> = source.by_ref().map(|next| next.expect("a unit")).collect();
    for (index, track) in source.tracks().iter().enumerate() {
        let units: Vec<_> = units.iter().filter(|(of, _)| *of == index).map(|(_, unit)| unit.clone()).collect();
        let base = units[0].dts;
        let mut written = fmp4::init_section(track).to_vec();
        for (sequence, chunk) in units.chunks(7).enumerate() {
            written.extend_from_slice(&fmp4::part(track, sequence as u32 + 1, chunk, base));
        }
        let mut back = read(&written).expect("our own");
        assert_eq!(back.tracks()[0].codec, track.codec);
        let back: Vec<_> = back.by_ref().map(|next| next.expect("a unit").1).collect();
        let want: Vec<_> =
            units.into_iter().map(|unit| AccessUnit { dts: unit.dts - base, pts: unit.pts - base, ..unit }).collect();
        assert_eq!(back, want);
    }
}

proptest! {
    #[test]
    fn damage_anywhere_is_survived(
        file in 0..FILES.len(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = FILES[file].1.to_vec();
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok(file) = read(&bytes) {
            let _ = file.duration();
            prop_assert!(file.take(1_000_000).count() < 1_000_000);
        }
    }
}
