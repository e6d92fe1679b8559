//! Calls over a simulated network, in simulated time, with pictures that an encoder made.

use super::*;
use crate::codec::nal::to_annex_b;
use crate::encode::openh264::OpenH264;
use crate::encode::{Profile, Timing, VideoEncoder, VideoSettings};
use crate::media::{PixelFormat, RawFrame};
use crate::time::FrameRate;
use rtc::rtp::codec::h264::H264Payloader;
use rtc::rtp::packetizer::Payloader;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

const VIDEO: u32 = 0xCAFE;
const AUDIO: u32 = 0xBEEF;
const MS: i64 = 1_000_000;

/// Where a camera's encoder stands in for all of them: a key frame when told, payloads as browsers cut them.
struct Camera {
    encoder: OpenH264,
    size: (u32, u32),
    frames: i64,
}

impl Camera {
    fn new(size: (u32, u32)) -> Self {
        let settings = VideoSettings {
            width: size.0,
            height: size.1,
            frame_rate: FrameRate::new(30, 1).expect("a rate"),
            bitrate_bps: 600_000,
            gop_frames: 100_000,
            profile: Profile::ConstrainedBaseline,
        };
        Self { encoder: OpenH264::open(&settings).expect("opens"), size, frames: 0 }
    }

    fn payloads(&mut self, key: bool) -> Vec<Bytes> {
        let (width, height) = self.size;
        let luma = (0..width * height).map(|at| (i64::from(at % 251 * (at / width)) + self.frames * 5) as u8);
        let picture: Vec<u8> = luma.chain(std::iter::repeat_n(128, (width * height / 2) as usize)).collect();
        let picture = RawFrame::packed(MonoTime::ZERO, self.size, PixelFormat::I420, Arc::new(picture)).expect("whole");
        let timing = Timing { pts: self.frames * 3_000, duration: 3_000 };
        self.frames += 1;
        self.encoder.submit(&picture, timing, key).expect("encodes");
        let encoded = self.encoder.receive(Duration::ZERO).expect("encodes").expect("one in, one out");
        let Codec::H264(params) = &encoded.track.codec else { panic!("H.264") };
        let sets: [&[u8]; 2] = [&params.sps, &params.pps];
        let annex_b = to_annex_b(if encoded.unit.keyframe { &sets } else { &[] }, &encoded.unit.data);
        H264Payloader::default().payload(1_100, &annex_b).expect("payloads")
    }
}

/// What happens to a packet on its way: the ms it takes; `None`: it never comes.
type Way = Box<dyn FnMut(u32, u16) -> Option<i64>>;

struct Call {
    inbound: Inbound,
    now: MonoTime,
    began: MonoTime,
    camera: Camera,
    numbers: [u16; 2],
    way: Way,
    flying: BinaryHeap<Reverse<(MonoTime, usize)>>,
    packets: Vec<(u32, Packet)>,
    /// When key frames were asked for.
    asked: Vec<MonoTime>,
    key_at: Option<MonoTime>,
    out: Vec<Captured>,
}

impl Call {
    fn new(way: Way) -> Self {
        let mut inbound = Inbound::new(Duration::from_secs(1));
        inbound.open_video(VIDEO);
        inbound.open_audio(AUDIO);
        let now = MonoTime::from_millis(5_000_000);
        Self {
            inbound,
            now,
            began: now,
            camera: Camera::new((320, 240)),
            numbers: [65_500, 9],
            way,
            flying: BinaryHeap::new(),
            packets: Vec::new(),
            asked: Vec::new(),
            key_at: Some(now),
            out: Vec::new(),
        }
    }

    fn send(&mut self, ssrc: u32, timestamp: u32, payloads: Vec<Bytes>) {
        let last = payloads.len() - 1;
        for (at, payload) in payloads.into_iter().enumerate() {
            let number = &mut self.numbers[usize::from(ssrc == AUDIO)];
            let packet = Packet { sequence_number: *number, timestamp, marker: at == last, payload };
            *number = number.wrapping_add(1);
            if let Some(ms) = (self.way)(ssrc, packet.sequence_number) {
                self.flying.push(Reverse((self.now.plus_nanos(ms * MS), self.packets.len())));
                self.packets.push((ssrc, packet));
            }
        }
    }

    /// A call of so many ms: 30 pictures a second, 50 packets of sound.
    fn run(&mut self, ms: i64) {
        for _ in 0..ms {
            self.now = self.now.plus_nanos(MS);
            let at = self.now.nanos_since(self.began) / MS;
            if at % 33 == 0 {
                let key = self.key_at.take_if(|due| *due <= self.now).is_some();
                let payloads = self.camera.payloads(key);
                self.send(VIDEO, (at * 90) as u32, payloads);
            }
            if at % 20 == 0 {
                // A frame of Opus: 20 ms, silent.
                self.send(AUDIO, (at * 48) as u32, vec![Bytes::from_static(&[0xFC, 0xFF, 0xFE])]);
            }
            while let Some(Reverse((due, at))) = self.flying.peek().copied()
                && due <= self.now
            {
                self.flying.pop();
                let (ssrc, packet) = self.packets[at].clone();
                self.inbound.push(ssrc, packet, self.now, &mut self.out).expect("good");
            }
            if self.inbound.next_timeout().is_some_and(|due| due <= self.now) {
                self.inbound.timeout(self.now, &mut self.out).expect("good");
                if let Some(ssrc) = self.inbound.take_key_frame_request(self.now) {
                    assert_eq!(ssrc, VIDEO);
                    self.asked.push(self.now);
                    // On its way there.
                    self.key_at.get_or_insert(self.now.plus_nanos(20 * MS));
                }
            }
        }
    }

    fn units(&self, video: bool) -> Vec<(Arc<Track>, AccessUnit)> {
        let of = |captured: &Captured| match captured {
            Captured::Unit { track, unit } if track.id.is_video() == video => Some((Arc::clone(track), unit.clone())),
            _ => None,
        };
        self.out.iter().filter_map(of).collect()
    }
}

/// A reproducible number below `below`.
fn random(seed: &mut u64, below: u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) % below
}

#[track_caller]
fn assert_decodable(units: &[(Arc<Track>, AccessUnit)]) {
    let mut decoder = openh264::decoder::Decoder::new().expect("a decoder");
    for (track, unit) in units {
        let Codec::H264(params) = &track.codec else { panic!("H.264") };
        let sets: [&[u8]; 2] = [&params.sps, &params.pps];
        let annex_b = to_annex_b(if unit.keyframe { &sets } else { &[] }, &unit.data);
        decoder.decode(&annex_b).expect("decodes");
    }
}

#[test]
fn a_call_on_a_good_network_comes_through_whole_and_at_its_time() {
    let mut call = Call::new(Box::new(|_, _| Some(5)));
    call.run(10_000);
    let (pictures, sound) = (call.units(true), call.units(false));
    assert!(pictures.len() >= 302 && sound.len() >= 499, "{} {}", pictures.len(), sound.len());
    assert!(pictures.windows(2).all(|pair| pair[1].1.dts - pair[0].1.dts == 2_970), "33 ms each");
    assert!(sound.windows(2).all(|pair| pair[1].1.pts - pair[0].1.pts == 960), "20 ms each");
    // The first of both were sent 33 and 20 ms after the start, and were 5 ms on their way.
    assert_eq!(MonoTime::from_ticks(pictures[0].1.pts, Timescale::VIDEO).nanos_since(call.began), 38 * MS);
    assert_eq!(MonoTime::from_ticks(sound[0].1.pts, Timescale::SOUND).nanos_since(call.began), 25 * MS);
    assert!(pictures.iter().all(|(track, _)| Arc::ptr_eq(track, &pictures[0].0)), "one track");
    assert_decodable(&pictures);
}

#[test]
fn key_frames_are_asked_for_as_often_as_configured_and_when_somebody_wants_one() {
    let mut call = Call::new(Box::new(|_, _| Some(5)));
    call.run(10_000);
    let keys: Vec<i64> =
        call.units(true).iter().filter(|(_, unit)| unit.keyframe).map(|(_, unit)| unit.dts / 90).collect();
    assert!((9..=10).contains(&keys.len()), "{keys:?}");
    assert!(keys.windows(2).all(|pair| (1_000..1_100).contains(&(pair[1] - pair[0]))), "{keys:?}");
    let asked = call.asked.len();
    for _ in 0..400 {
        call.inbound.want_key_frame();
        call.run(10);
    }
    let more = call.asked.len() - asked;
    assert!((6..=8).contains(&more), "everybody at once is one request each 500 ms: {more}");
}

#[test]
fn what_is_lost_and_sent_again_is_not_missed() {
    let mut seed = 7;
    // 5 of 100 come only after they were asked for; all are up to 30 ms late.
    let mut call = Call::new(Box::new(move |ssrc, number| {
        // What is sent again comes too late to be the beginning.
        let lost = ssrc == VIDEO && number != 65_500 && random(&mut seed, 100) < 5;
        Some(20 + random(&mut seed, 30) as i64 + if lost { 140 } else { 0 })
    }));
    call.run(20_000);
    let (pictures, sound) = (call.units(true), call.units(false));
    assert!(pictures.len() >= 598, "{}", pictures.len());
    assert!(sound.len() >= 996, "{}", sound.len());
    assert!(pictures.windows(2).all(|pair| pair[1].1.dts > pair[0].1.dts));
    assert!(call.asked.len() <= 20, "only the usual ones: {}", call.asked.len());
    assert_decodable(&pictures);
}

#[test]
fn after_a_loss_pictures_wait_for_a_key_frame_that_is_asked_for_at_once() {
    let mut seed = 3;
    let mut call = Call::new(Box::new(move |ssrc, _| (ssrc == AUDIO || random(&mut seed, 300) > 0).then_some(20)));
    call.run(30_000);
    let pictures = call.units(true);
    assert!(pictures.len() > 500 && pictures.len() < 900, "{}", pictures.len());
    assert_decodable(&pictures);
    // From the loss: 250 ms of waiting, the request, the key frame and its way.
    let worst = pictures.windows(2).map(|pair| (pair[1].1.dts - pair[0].1.dts) / 90).max();
    assert!(worst < Some(1_000), "{worst:?} ms without a picture");
    for pair in pictures.windows(2).filter(|pair| pair[1].1.dts - pair[0].1.dts > 2 * 2_970) {
        assert!(pair[1].1.keyframe, "what follows a hole is a key frame");
    }
    assert!(call.asked.windows(2).all(|pair| pair[0].until(pair[1]) >= ASK_EVERY));
}

#[test]
fn another_size_is_another_track() {
    let mut call = Call::new(Box::new(|_, _| Some(5)));
    call.run(1_000);
    call.camera = Camera::new((240, 320));
    call.run(1_000);
    let pictures = call.units(true);
    let sizes: Vec<(u32, u32)> = pictures
        .iter()
        .map(|(track, _)| match &track.codec {
            Codec::H264(params) => (params.width, params.height),
            other => panic!("{other:?}"),
        })
        .collect();
    let turned = sizes.iter().position(|size| *size == (240, 320)).expect("turned");
    assert!(pictures[turned].1.keyframe);
    assert!(sizes[..turned].iter().all(|size| *size == (320, 240)) && sizes[turned..].iter().all(|s| *s == (240, 320)));
    assert!(pictures.windows(2).all(|pair| pair[1].1.dts > pair[0].1.dts));
}

#[test]
fn pictures_that_are_out_of_order_are_refused_in_plain_words() {
    let mut inbound = Inbound::new(Duration::from_secs(1));
    inbound.open_video(VIDEO);
    let mut out = Vec::new();
    let mut camera = Camera::new((64, 48));
    let (mut now, mut sequence_number) = (MonoTime::from_millis(1), 0);
    let mut push = |inbound: &mut Inbound, timestamp, marker, payload| {
        sequence_number += 1;
        now = now.plus_nanos(20 * MS);
        inbound.push(VIDEO, Packet { sequence_number, timestamp, marker, payload }, now, &mut out)
    };
    let key = camera.payloads(true);
    let last = key.len() - 1;
    for (at, payload) in key.into_iter().enumerate() {
        push(&mut inbound, 0, at == last, payload).expect("good");
    }
    let error = push(&mut inbound, 3_000, true, Bytes::from_static(&[0x01, 0xA8, 0, 1])).expect_err("a B slice");
    assert!(error.to_string().contains("B-frames"), "{error}");
}

/// The widths of a rendition's pictures.
fn widths(out: &[Captured], id: TrackId) -> Vec<u32> {
    let width = |captured: &Captured| match captured {
        Captured::Unit { track, .. } if track.id == id => match &track.codec {
            Codec::H264(params) => Some(params.width),
            other => panic!("{other:?}"),
        },
        _ => None,
    };
    out.iter().filter_map(width).collect()
}

/// Three layers of one picture, by SSRC the smallest first, as a browser sends them.
struct Simulcast {
    inbound: Inbound,
    cameras: [(u32, Camera); 3],
    numbers: [u16; 3],
    keys: [bool; 3],
    now: MonoTime,
    asked: Vec<(u32, MonoTime)>,
}

impl Simulcast {
    fn new() -> Self {
        let mut inbound = Inbound::new(Duration::from_secs(60));
        let cameras = [(1, Camera::new((160, 120))), (2, Camera::new((320, 240))), (3, Camera::new((640, 480)))];
        for (ssrc, _) in &cameras {
            inbound.open_video(*ssrc);
        }
        let now = MonoTime::from_millis(1_000);
        Self { inbound, cameras, numbers: [0; 3], keys: [true; 3], now, asked: Vec::new() }
    }

    /// What comes of a second in which these are sent; of one of them a picture is lost.
    fn second(&mut self, on: [bool; 3], lose: Option<usize>) -> Vec<Captured> {
        let mut out = Vec::new();
        for picture in 0..30 {
            self.now = self.now.plus_nanos(33 * MS);
            let timestamp = (self.now.as_nanos() / MS * 90) as u32;
            for (at, (ssrc, camera)) in self.cameras.iter_mut().enumerate().filter(|(at, _)| on[*at]) {
                let payloads = camera.payloads(std::mem::take(&mut self.keys[at]));
                let last = payloads.len() - 1;
                for (n, payload) in payloads.into_iter().enumerate() {
                    self.numbers[at] += 1;
                    let sequence_number = self.numbers[at];
                    let packet = Packet { sequence_number, timestamp, marker: n == last, payload };
                    if lose != Some(at) || picture != 3 {
                        self.inbound.push(*ssrc, packet, self.now, &mut out).expect("good");
                    }
                }
            }
            self.inbound.timeout(self.now, &mut out).expect("good");
            while let Some(ssrc) = self.inbound.take_key_frame_request(self.now) {
                self.asked.push((ssrc, self.now));
                self.keys[ssrc as usize - 1] = true;
            }
        }
        out
    }
}

#[test]
fn of_several_layers_the_largest_that_comes_goes_on() {
    let mut call = Simulcast::new();
    let mut second = |on| widths(&call.second(on, None), TrackId::Video(0));
    let low = second([true, false, false]);
    assert!(low.len() == 30 && low.iter().all(|width| *width == 160));
    let more = second([true, true, false]);
    assert!(more.last() == Some(&320) && more.len() <= 36, "{more:?}");
    let all = second([true, true, true]);
    assert!(all.last() == Some(&640), "{all:?}");
    // The sender has no bandwidth for the largest any more.
    for _ in 0..4 {
        second([true, true, false]);
    }
    let fewer = second([true, true, false]);
    assert!(fewer.len() == 30 && fewer.iter().all(|width| *width == 320), "{fewer:?}");
}

#[test]
fn smaller_layers_are_renditions_beside_the_largest() {
    let mut call = Simulcast::new();
    call.inbound.watched(|rung| rung == 2);
    call.second([true; 3], None);
    call.second([true; 3], None);
    let out = call.second([true; 3], None);
    for (id, width) in [(0, 640), (1, 160), (2, 320)] {
        assert_eq!(widths(&out, TrackId::Video(id)), vec![width; 30], "rendition {id}");
    }
    assert!(widths(&out, TrackId::Video(3)).is_empty(), "the largest isn't there twice");

    // What is lost of one that is watched is asked for within a second; of another one, later.
    let lost = call.second([true; 3], Some(1));
    assert!((15..30).contains(&widths(&lost, TrackId::Video(2)).len()), "{}", lost.len());
    call.second([true; 3], None);
    assert_eq!(widths(&call.second([true; 3], None), TrackId::Video(2)), vec![320; 30]);
    assert_eq!(widths(&call.second([true; 3], None), TrackId::Video(0)), vec![640; 30], "nothing to that one");
    call.second([true; 3], Some(0));
    call.second([true; 3], None);
    let lost = call.second([true; 3], Some(0));
    assert!((3..12).contains(&widths(&lost, TrackId::Video(1)).len()));
    for _ in 0..5 {
        call.second([true; 3], None);
    }
    assert_eq!(widths(&call.second([true; 3], None), TrackId::Video(1)), vec![160; 30]);

    // Who watches the second one doesn't notice that it stands for the first as well.
    let mut all = Vec::new();
    for _ in 0..4 {
        all.extend(call.second([true, true, false], None));
    }
    assert_eq!(widths(&all, TrackId::Video(2)), vec![320; 120]);
    assert_eq!(widths(&all, TrackId::Video(0)).last(), Some(&320));
    let times = |id| {
        all.iter().filter_map(move |captured| match captured {
            Captured::Unit { track, unit } if track.id == TrackId::Video(id) => Some((unit.dts, unit.pts)),
            _ => None,
        })
    };
    for id in 0..3 {
        let times: Vec<_> = times(id).collect();
        assert!(times.windows(2).all(|pair| pair[0].0 < pair[1].0), "rendition {id}");
    }
    assert!(call.asked.len() < 20, "seldom: {:?}", call.asked);
}
