//! Against what ffprobe says of the same stream, against the MP4 file that it was made from, and
//! against what the `mpeg2ts` crate writes.

use super::*;
use crate::container::mp4_file::Mp4File;
use crate::media::Codec;
use crate::time::{Timescale, rescale};
use proptest::prelude::*;

const STREAM: &[u8] = include_bytes!("../../../tests/vectors/bframes.ts");
const LISTING: &str = include_str!("../../../tests/vectors/bframes.ts.packets");
const SOURCE: &[u8] = include_bytes!("../../../tests/vectors/classic.mp4");

fn demux(stream: &[u8], chunk: usize) -> (Vec<TsEvent>, TsCounters) {
    let mut demuxer = Demuxer::new();
    let mut events = Vec::new();
    for chunk in stream.chunks(chunk) {
        demuxer.push(chunk);
        events.extend(&mut demuxer);
    }
    demuxer.flush();
    events.extend(&mut demuxer);
    (events, demuxer.counters())
}

fn units(events: &[TsEvent], video: bool) -> Vec<(&Arc<Track>, &AccessUnit)> {
    events
        .iter()
        .filter_map(|event| match event {
            TsEvent::Unit { track, unit } if track.id.is_video() == video => Some((track, unit)),
            _ => None,
        })
        .collect()
}

fn units_of(stream: &[u8], video: bool) -> Vec<AccessUnit> {
    units(&demux(stream, 4096).0, video).into_iter().map(|(_, unit)| unit.clone()).collect()
}

#[test]
fn a_stream_gives_the_packets_that_ffprobe_sees() {
    let (events, counters) = demux(STREAM, STREAM.len());
    assert_eq!(counters, TsCounters::default());
    for (stream, video) in [("0", true), ("1", false)] {
        let want: Vec<(i64, i64, bool)> = LISTING
            .lines()
            .filter_map(|line| {
                let fields: Vec<_> = line.split('|').collect();
                (fields[0] == stream).then(|| {
                    (fields[1].parse().expect("pts"), fields[2].parse().expect("dts"), fields[4].contains('K'))
                })
            })
            .collect();
        let got: Vec<_> = units(&events, video)
            .into_iter()
            .map(|(track, unit)| {
                let stamp = |ticks| rescale(ticks, track.timescale, Timescale::VIDEO);
                (stamp(unit.pts), stamp(unit.dts), unit.keyframe)
            })
            .collect();
        assert!(!want.is_empty());
        assert_eq!(got, want, "stream {stream}");
    }
}

#[test]
fn the_media_is_that_of_the_file_it_was_made_from() {
    let mut file = Mp4File::read(std::io::Cursor::new(SOURCE)).expect("a file");
    let source: Vec<_> = file.by_ref().map(|next| next.expect("a unit")).collect();
    let (events, _) = demux(STREAM, 1000);
    for (index, track) in file.tracks().iter().enumerate() {
        let want: Vec<_> = source.iter().filter(|(of, _)| *of == index).map(|(_, unit)| &unit.data).collect();
        let got: Vec<_> = units(&events, track.id.is_video()).into_iter().map(|(_, unit)| &unit.data).collect();
        // The file's priming frame isn't given out.
        let priming = got.len() - want.len();
        assert_eq!(priming, usize::from(!track.id.is_video()));
        assert_eq!(got[priming..], want[..]);
    }
    let tracks: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            TsEvent::Track(track) => Some(track),
            _ => None,
        })
        .collect();
    let [video, audio] = tracks[..] else { panic!("two tracks: {tracks:?}") };
    assert_eq!(audio.codec, file.tracks()[1].codec);
    let (Codec::H264(got), Codec::H264(want)) = (&video.codec, &file.tracks()[0].codec) else { panic!("H.264") };
    assert_eq!(got, want);
}

#[test]
fn garbage_between_packets_costs_nothing_but_itself() {
    let whole = demux(STREAM, 999).0;
    let mut noisy = vec![0x47; 100];
    for (index, packet) in STREAM.chunks(PACKET_BYTES).enumerate() {
        if index % 20 == 7 {
            noisy.extend_from_slice(&[0x55, 0x47, 0x12]);
        }
        noisy.extend_from_slice(packet);
    }
    let (events, counters) = demux(&noisy, 999);
    assert_eq!(events, whole);
    assert_eq!(counters.skipped_bytes, 100 + (noisy.len() - 100 - STREAM.len()) as u64);
    assert_eq!(counters.dropped_pes, 0);
}

#[test]
fn a_lost_packet_costs_the_pes_packet_that_it_was_in() {
    let whole = units_of(STREAM, true);
    // The fourth packet of the video's PID, in the middle of the first picture.
    let video_pid = |packet: &[u8]| packet[1] & 0x1f == 1 && packet[2] == 0;
    let lost = STREAM.chunks(PACKET_BYTES).enumerate().filter(|(_, packet)| video_pid(packet)).nth(3).expect("there").0;
    let mut rest = STREAM.to_vec();
    rest.drain(lost * PACKET_BYTES..(lost + 1) * PACKET_BYTES);
    let (events, counters) = demux(&rest, 4096);
    assert_eq!(counters.dropped_pes, 1);
    let got: Vec<_> = units(&events, true).into_iter().map(|(_, unit)| unit.data.clone()).collect();
    // The first picture had the parameter sets: nothing can be shown before the second key frame.
    let second_key = whole.iter().rposition(|unit| unit.keyframe).expect("two key frames");
    assert_eq!(got, whole[second_key..].iter().map(|unit| unit.data.clone()).collect::<Vec<_>>());
    assert_eq!(units_of(&rest, false), units_of(STREAM, false), "the sound is whole");
}

#[test]
fn packets_that_come_twice_count_once() {
    let twice: Vec<u8> = STREAM.chunks(PACKET_BYTES).flat_map(|packet| [packet, packet]).flatten().copied().collect();
    assert_eq!(demux(&twice, 5000).0, demux(STREAM, 5000).0);
}

#[test]
fn the_stream_may_start_anywhere() {
    let whole = units_of(STREAM, false);
    let late = units_of(&STREAM[STREAM.len() / 3 + 17..], false);
    assert!(late.len() > whole.len() / 3 && whole.ends_with(&late));
}

#[test]
fn time_stamps_unwrap_both_ways() {
    let mut clock = Unwrap::default();
    let wrap = 1_u64 << 33;
    for (stamp, want) in [(wrap - 3_000, -3_000), (0, 0), (wrap - 1_500, -1_500), (3_000, 3_000)] {
        assert_eq!(clock.unwrap(stamp), want + (1_i64 << 33));
    }
    // Two days of frames, a second apart.
    let mut clock = Unwrap::default();
    for second in 0..2 * 86_400 {
        assert_eq!(clock.unwrap(second * 90_000 % wrap), second as i64 * 90_000);
    }
}

mod written {
    //! Streams made by the `mpeg2ts` crate.

    use super::*;
    use crate::codec::aac::{aac_lc, adts_header, silent_frame};
    use mpeg2ts::es::{StreamId, StreamType};
    use mpeg2ts::pes::PesHeader;
    use mpeg2ts::time::Timestamp;
    use mpeg2ts::ts::payload::{Bytes, Pat, Pes, Pmt};
    use mpeg2ts::ts::{
        AdaptationField, ContinuityCounter, EsInfo, Pid, ProgramAssociation, TransportScramblingControl, TsHeader,
        TsPacket, TsPacketWriter, TsPayload, VersionNumber, WriteTsPacket,
    };

    const PMT: u16 = 0x1000;
    pub(super) const VIDEO: u16 = 0x100;
    pub(super) const AUDIO: u16 = 0x101;

    #[derive(Default)]
    pub(super) struct Writer {
        bytes: Vec<u8>,
        continuity: std::collections::BTreeMap<u16, ContinuityCounter>,
    }

    impl Writer {
        fn packet(&mut self, pid: u16, payload: TsPayload) {
            let counter = self.continuity.entry(pid).or_default();
            let header = TsHeader {
                transport_error_indicator: false,
                transport_priority: false,
                pid: Pid::new(pid).expect("a PID"),
                transport_scrambling_control: TransportScramblingControl::NotScrambled,
                continuity_counter: *counter,
            };
            counter.increment();
            let packet = TsPacket { header, adaptation_field: None::<AdaptationField>, payload: Some(payload) };
            let mut writer = TsPacketWriter::new(Vec::new());
            writer.write_ts_packet(&packet).expect("a packet");
            self.bytes.extend_from_slice(writer.stream());
        }

        pub fn tables(&mut self, streams: &[(StreamType, u16)]) {
            let program_map_pid = Pid::new(PMT).expect("a PID");
            self.packet(
                0,
                TsPayload::Pat(Pat {
                    transport_stream_id: 1,
                    version_number: VersionNumber::default(),
                    table: vec![ProgramAssociation { program_num: 1, program_map_pid }],
                }),
            );
            let es_info = streams
                .iter()
                .map(|&(stream_type, pid)| EsInfo {
                    stream_type,
                    elementary_pid: Pid::new(pid).expect("a PID"),
                    descriptors: Vec::new(),
                })
                .collect();
            let pmt = Pmt {
                program_num: 1,
                pcr_pid: None,
                version_number: VersionNumber::default(),
                program_info: Vec::new(),
                es_info,
            };
            self.packet(PMT, TsPayload::Pmt(pmt));
        }

        /// Without a length where `declared` is false.
        pub fn pes(&mut self, pid: u16, pts: u64, payload: &[u8], declared: bool) {
            let header = PesHeader {
                stream_id: StreamId::new(if pid == AUDIO { 0xc0 } else { 0xe0 }),
                priority: false,
                data_alignment_indicator: true,
                copyright: false,
                original_or_copy: false,
                pts: Some(Timestamp::new(pts).expect("33 bits")),
                dts: None,
                escr: None,
            };
            // A full packet: 184 bytes but for the header.
            let (first, rest) = payload.split_at(payload.len().min(184 - 14));
            let data = Bytes::new(first).expect("fits");
            let pes_packet_len = if declared { payload.len() as u16 + 8 } else { 0 };
            self.packet(pid, TsPayload::PesStart(Pes { header, pes_packet_len, data }));
            for chunk in rest.chunks(184) {
                self.packet(pid, TsPayload::PesContinuation(Bytes::new(chunk).expect("fits")));
            }
        }

        pub fn take(&mut self) -> Vec<u8> {
            std::mem::take(&mut self.bytes)
        }
    }

    pub(super) fn adts(frames: usize) -> Vec<u8> {
        let silence = silent_frame(2).expect("stereo");
        let header = adts_header(&aac_lc(48_000, 2).expect("AAC-LC"), silence.len()).expect("fits");
        [&header[..], silence].concat().repeat(frames)
    }

    pub(super) fn picture(len: usize) -> Vec<u8> {
        const SETS: &[u8] = &[
            0, 0, 0, 1, 0x67, 0x4d, 0x40, 0x1f, 0xec, 0xa0, 0x28, 0x02, 0xdd, 0x80, 0x88, 0x00, 0x00, 0x03, 0x00, 0x08,
            0x00, 0x00, 0x03, 0x01, 0xe0, 0x78, 0xc1, 0x8c, 0xb0, 0, 0, 0, 1, 0x68, 0xeb, 0xe3, 0xcb, 0x20, 0, 0, 1,
            0x65,
        ];
        [SETS, &vec![0x88; len]].concat()
    }

    #[test]
    fn streams_that_cannot_be_carried_are_named_once() {
        let mut writer = Writer::default();
        for _ in 0..3 {
            writer.tables(&[(StreamType::H265, 0x102), (StreamType::AdtsAac, AUDIO), (StreamType::AdtsAac, 0x103)]);
            writer.pes(0x102, 0, &[0; 50], false);
            writer.pes(AUDIO, 9_000, &adts(1), true);
        }
        let (events, _) = demux(&writer.take(), 4096);
        let problems: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                TsEvent::Problem(problem) => Some(problem.to_string()),
                _ => None,
            })
            .collect();
        let only = "can't be carried, only H.264 and AAC (ADTS)";
        assert_eq!(problems, [format!("H.265 {only}"), format!("a further AAC stream {only}")]);
    }

    #[test]
    fn frames_may_go_on_in_the_next_pes_packet() {
        let frames = adts(6);
        let (first, second) = frames.split_at(frames.len() / 2 - 3);
        let mut writer = Writer::default();
        writer.tables(&[(StreamType::AdtsAac, AUDIO)]);
        writer.pes(AUDIO, 90_000, first, true);
        // The third frame began before: this is the stamp of the fourth.
        writer.pes(AUDIO, 90_000 + 3 * 1_920, second, true);
        let got: Vec<_> = units_of(&writer.take(), false).iter().map(|unit| unit.pts).collect();
        assert_eq!(got, (0..6).map(|frame| 48_000 + frame * 1_024).collect::<Vec<_>>());
    }

    #[test]
    fn stamps_that_are_rounded_make_no_gaps_and_stamps_that_jump_do() {
        let mut writer = Writer::default();
        writer.tables(&[(StreamType::AdtsAac, AUDIO)]);
        for stamp in [90_000, 91_920 + 45, 93_840 - 90, 180_000] {
            writer.pes(AUDIO, stamp, &adts(1), true);
        }
        let got: Vec<_> = units_of(&writer.take(), false).iter().map(|unit| unit.pts).collect();
        assert_eq!(got, [48_000, 49_024, 50_048, 96_000]);
    }

    #[test]
    fn a_picture_comes_with_its_last_packet_once_stuffing_has_proved_to_end_it() {
        let mut writer = Writer::default();
        writer.tables(&[(StreamType::H264, VIDEO)]);
        let mut demuxer = Demuxer::new();
        demuxer.push(&writer.take());
        let late: Vec<_> = (0..40_u64)
            .map(|index| {
                writer.pes(VIDEO, index * 3_000, &picture(700), false);
                demuxer.push(&writer.take());
                let units: Vec<_> = demuxer.by_ref().filter(|event| matches!(event, TsEvent::Unit { .. })).collect();
                let Some(TsEvent::Unit { unit, .. }) = units.last() else { return 0 };
                index as i64 - unit.pts / 3_000
            })
            .collect();
        assert_eq!(late[1], 1, "a frame late at first");
        assert!(late[25..].iter().all(|&late| late == 0), "{late:?}");
    }

    #[test]
    fn stuffing_in_the_middle_is_not_taken_for_the_end() {
        let mut writer = Writer::default();
        writer.tables(&[(StreamType::H264, VIDEO)]);
        let pictures = 60;
        for index in 0..pictures {
            writer.pes(VIDEO, index * 3_000, &picture(700), false);
            // From here on, this muxer also stuffs packets in the middle.
            if index > 30 {
                writer.packet(VIDEO, TsPayload::PesContinuation(Bytes::new(&[0x99; 100]).expect("fits")));
            }
        }
        let units = units_of(&writer.take(), true);
        let (short, long): (Vec<_>, Vec<_>) = units.iter().partition(|unit| unit.data.len() < 760);
        assert_eq!(units.len() as u64, pictures);
        assert_eq!((short.len(), long.len()), (32, 28), "one picture is cut; then it is known better");
    }

    #[test]
    fn another_programme_map_goes_on_with_other_streams() {
        let mut writer = Writer::default();
        writer.tables(&[(StreamType::AdtsAac, AUDIO)]);
        writer.pes(AUDIO, 0, &adts(1), true);
        writer.tables(&[(StreamType::AdtsAac, 0x200), (StreamType::H264, VIDEO)]);
        writer.pes(0x200, 1_920, &adts(1), true);
        writer.pes(VIDEO, 0, &picture(50), false);
        writer.pes(AUDIO, 90_000, &adts(1), true);
        let (events, _) = demux(&writer.take(), 300);
        assert_eq!(units(&events, false).iter().map(|(_, unit)| unit.pts).collect::<Vec<_>>(), [0, 1_024]);
        assert_eq!(units(&events, true).len(), 1);
    }

    #[test]
    fn a_damaged_table_is_not_believed() {
        let mut writer = Writer::default();
        writer.tables(&[(StreamType::AdtsAac, AUDIO)]);
        let mut bytes = writer.take();
        let last = bytes.len() - 1;
        // The section stands at the packet's end or its start; flip a bit in every byte of the PMT in turn.
        let good = bytes.clone();
        writer.pes(AUDIO, 0, &adts(1), true);
        let audio = writer.take();
        let mut found = 0;
        for at in PACKET_BYTES + 4..=last {
            bytes.copy_from_slice(&good);
            bytes[at] ^= 0x10;
            found += units_of(&[&bytes[..], &audio, &audio].concat(), false).len();
        }
        let section = 3 + 13 + 5 + 1;
        assert!(found <= (PACKET_BYTES - 4 - section + 4) * 2, "{found}");
    }
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same(chunk in 1_usize..2_000) {
        prop_assert_eq!(demux(STREAM, chunk), demux(STREAM, STREAM.len()));
    }

    #[test]
    fn damage_anywhere_is_survived_in_any_chunking(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        cut in any::<prop::sample::Index>(),
        chunk in 1_usize..2_000,
    ) {
        let mut bytes = STREAM.to_vec();
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let cut = cut.index(bytes.len());
        bytes.drain(cut..(cut + 50).min(STREAM.len()));
        prop_assert_eq!(demux(&bytes, chunk), demux(&bytes, STREAM.len()));
    }
}
