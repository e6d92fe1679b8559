//! A room in simulated time, with simulated codecs.

use super::*;
use crate::media::{H264Params, PixelFormat, TrackId};
use std::collections::VecDeque;
use std::sync::Mutex;

const SIZE: (u32, u32) = (320, 180);

/// A picture's luma stands in its unit; what isn't decoded after a loss needs a key frame. Counts what it decoded.
struct Pictures {
    ready: bool,
    decoded: Arc<Mutex<u32>>,
}

impl DecodePictures for Pictures {
    fn decode(
        &mut self,
        _: &H264Params,
        unit: &AccessUnit,
        now: MonoTime,
    ) -> Result<Option<RawFrame>, H264DecodeError> {
        self.ready |= unit.keyframe;
        if !self.ready {
            return Err(H264DecodeError::NeedsKeyFrame);
        }
        *self.decoded.lock().expect("whole") += 1;
        let mut bytes = vec![128; 32 * 18 * 3 / 2];
        bytes[..32 * 18].fill(unit.data[5]);
        Ok(RawFrame::packed(now, (32, 18), PixelFormat::I420, Arc::new(bytes)))
    }

    fn lose(&mut self) {
        self.ready = false;
    }
}

struct Loud;

impl Decode for Loud {
    fn decode(&mut self, packet: Option<&[u8]>, samples: &mut VecDeque<i16>) -> usize {
        let Some(packet) = packet else { return 0 };
        samples.extend(std::iter::repeat_n(i16::from(packet[1]), BLOCK_FRAMES * CHANNELS));
        BLOCK_FRAMES
    }
}

/// A packet is the loudest sample.
struct Peak(Arc<Track>);

impl AudioEncoder for Peak {
    fn track(&self) -> &Arc<Track> {
        &self.0
    }

    fn frame_len(&self) -> usize {
        BLOCK_FRAMES
    }

    fn delay(&self) -> u32 {
        0
    }

    fn encode(&mut self, pcm: &[i16]) -> Result<Bytes, EncodeError> {
        let loudest = pcm.iter().max().copied().unwrap_or(0);
        Ok(Bytes::copy_from_slice(&loudest.to_be_bytes()))
    }
}

#[derive(Clone, Default)]
struct Simulated {
    decoded: Arc<Mutex<u32>>,
}

impl Codecs for Simulated {
    fn pictures(&self) -> Box<dyn DecodePictures> {
        Box::new(Pictures { ready: false, decoded: Arc::clone(&self.decoded) })
    }

    fn sound(&self) -> Box<dyn Decode> {
        Box::new(Loud)
    }

    fn others(&self) -> Result<Box<dyn AudioEncoder>, EncodeError> {
        Ok(Box::new(Peak(track())))
    }
}

fn track() -> Arc<Track> {
    let params = H264Params { sps: Bytes::new(), pps: Bytes::new(), width: 32, height: 18, frame_rate: None };
    let codec = Codec::H264(params);
    Arc::new(Track { id: TrackId::Video(0), timescale: Timescale::VIDEO, language: None, bitrate_bps: 0, codec })
}

/// `header` is the NAL unit's.
fn unit(header: u8, luma: u8) -> AccessUnit {
    let data = Bytes::from(vec![0, 0, 0, 2, header, luma]);
    AccessUnit { dts: 0, pts: 0, duration: 3_000, keyframe: header & 0x1f == 5, data }
}

const KEY: u8 = 0x65;
const DELTA: u8 = 0x41;
const DROPPABLE: u8 = 0x01;

struct Simulation {
    room: Room,
    decoded: Arc<Mutex<u32>>,
    now: MonoTime,
    track: Arc<Track>,
    out: Vec<Output>,
}

impl Simulation {
    fn new() -> Self {
        let settings = Settings { size: SIZE, rate: FrameRate::DEFAULT, layout: Layout::Grid, others: true };
        let (codecs, now) = (Simulated::default(), MonoTime::from_millis(1_000_003));
        let decoded = Arc::clone(&codecs.decoded);
        let room = Room::new(settings, Box::new(codecs), now).expect("a size");
        Self { room, decoded, now, track: track(), out: Vec::new() }
    }

    fn input(&mut self, input: Input) {
        self.room.handle(input, self.now, &mut |output| self.out.push(output));
    }

    fn join(&mut self, person: u64) {
        self.input(Input::Joined { person: PersonId(person), name: String::new() });
    }

    fn picture(&mut self, person: u64, header: u8, luma: u8) {
        let (track, unit) = (Arc::clone(&self.track), unit(header, luma));
        self.input(Input::Picture { person: PersonId(person), source: Source::Camera, track, unit });
    }

    /// Until its next deadline, and what it takes.
    fn step(&mut self, busy: Duration) {
        self.now = self.now.max(self.room.deadline());
        self.room.poll(self.now, &mut |output| self.out.push(output));
        self.now = self.now + busy;
        self.room.worked(busy);
    }

    fn until(&mut self, seconds: i64, mut each: impl FnMut(&mut Self) -> Duration) {
        let end = self.now.plus_nanos(seconds * 1_000_000_000);
        while self.now < end {
            let busy = each(self);
            self.step(busy);
        }
    }

    fn frames(&self) -> Vec<&RawFrame> {
        self.out
            .iter()
            .filter_map(|output| match output {
                Output::Everybody(Captured::Frame(frame)) => Some(frame),
                _ => None,
            })
            .collect()
    }

    fn blocks(&self) -> Vec<&PcmBlock> {
        self.out
            .iter()
            .filter_map(|output| match output {
                Output::Everybody(Captured::Pcm(block)) => Some(block),
                _ => None,
            })
            .collect()
    }

    fn asked(&self) -> usize {
        self.out.iter().filter(|output| matches!(output, Output::KeyFrameWanted { .. })).count()
    }

    fn decoded(&self) -> u32 {
        *self.decoded.lock().expect("whole")
    }

    /// What is in the middle of the newest picture's left and right half.
    fn shown(&self) -> [u8; 2] {
        let frame = *self.frames().last().expect("a picture");
        [frame.plane(0)[320 * 90 + 80], frame.plane(0)[320 * 90 + 240]]
    }
}

const IDLE: Duration = Duration::ZERO;

#[test]
fn pictures_and_sound_come_on_the_clocks_grid() {
    let mut room = Simulation::new();
    room.join(1);
    room.until(10, |_| IDLE);
    let (frames, blocks) = (room.frames(), room.blocks());
    assert!(frames.len().abs_diff(300) <= 1 && blocks.len().abs_diff(500) <= 1, "{} {}", frames.len(), blocks.len());
    for pair in frames.windows(2) {
        let gap = pair[1].captured().nanos_since(pair[0].captured());
        assert!(gap.abs_diff(33_333_333) <= 1, "{gap}");
    }
    assert!(blocks.windows(2).all(|pair| pair[1].captured.nanos_since(pair[0].captured) == 20_000_000));
    assert!(blocks.iter().all(|block| block.samples.iter().all(|sample| *sample == 0)));
}

#[test]
fn each_has_a_tile_until_they_leave_or_switch_it_off() {
    let mut room = Simulation::new();
    room.join(1);
    room.join(2);
    room.picture(1, KEY, 60);
    room.picture(2, KEY, 200);
    room.until(1, |_| IDLE);
    assert_eq!(room.shown(), [60, 200]);
    room.input(Input::PictureOff { person: PersonId(1), source: Source::Camera });
    room.until(1, |_| IDLE);
    assert!(room.shown()[0] != 60 && room.shown()[1] == 200, "a placeholder: {:?}", room.shown());
    room.input(Input::Left(PersonId(1)));
    room.until(1, |_| IDLE);
    assert_eq!(room.shown(), [200, 200]);
    room.until(STALE.as_secs() as i64, |_| IDLE);
    assert!(room.shown()[0] != 200, "nothing came for long");
}

#[test]
fn a_screen_is_beside_its_camera() {
    let mut room = Simulation::new();
    room.join(1);
    room.picture(1, KEY, 60);
    let (track, unit) = (Arc::clone(&room.track), unit(KEY, 200));
    room.input(Input::Picture { person: PersonId(1), source: Source::Screen, track, unit });
    room.until(1, |_| IDLE);
    assert_eq!(room.shown(), [200, 60]);
}

#[test]
fn everybody_hears_the_others_and_not_themselves() {
    let mut room = Simulation::new();
    for person in 1..=3 {
        room.join(person);
    }
    for number in 0..10_u32 {
        for person in [1_u8, 2] {
            // 20 ms of CELT, as loud as the second byte.
            let packet = Bytes::from(vec![0xfc, person * 10]);
            room.input(Input::Sound { person: PersonId(person.into()), timestamp: number * 960, packet });
        }
    }
    room.step(IDLE);
    while room.blocks().is_empty() {
        room.step(IDLE);
    }
    let heard = |wanted: u64| {
        room.out.iter().find_map(|output| match output {
            Output::Others { person, packet, .. } if person.0 == wanted => {
                Some(i16::from_be_bytes([packet[0], packet[1]]))
            }
            _ => None,
        })
    };
    assert_eq!([heard(1), heard(2), heard(3)], [Some(20), Some(10), Some(30)]);
    assert!(room.blocks()[0].samples.iter().all(|sample| *sample == 30));
}

#[test]
fn too_much_to_do_makes_fewer_pictures_and_never_late_ones() {
    let mut room = Simulation::new();
    room.join(1);
    let mut late = Duration::ZERO;
    // Each picture takes 40 ms, more than it lasts; sound takes nothing.
    let end = room.now + Duration::from_secs(10);
    while room.now < end {
        room.now = room.now.max(room.room.deadline());
        let before = room.frames().len();
        room.room.poll(room.now, &mut |output| room.out.push(output));
        if let Some(frame) = room.frames().get(before) {
            late = late.max(frame.captured().until(room.now));
            room.now = room.now + Duration::from_millis(40);
            room.room.worked(Duration::from_millis(40));
        }
    }
    assert!(late < Duration::from_millis(41), "{late:?}");
    assert_eq!(room.room.governor.every(), 2);
    let frames = room.frames();
    let last_second = frames.iter().filter(|frame| frame.captured().until(room.now) < Duration::from_secs(1)).count();
    assert!(last_second.abs_diff(15) <= 1, "{last_second}");
    assert!(room.blocks().len().abs_diff(500) <= 2, "sound is whole: {}", room.blocks().len());
}

#[test]
fn what_was_slept_through_is_left_out() {
    let mut room = Simulation::new();
    room.join(1);
    room.until(1, |_| IDLE);
    room.out.clear();
    room.now = room.now + Duration::from_secs(5);
    room.step(IDLE);
    assert_eq!((room.frames().len(), room.blocks().len()), (1, 1));
}

#[test]
fn what_cannot_be_decoded_is_asked_for_once_a_second() {
    let mut room = Simulation::new();
    room.join(1);
    room.until(4, |room| {
        room.picture(1, DELTA, 60);
        IDLE
    });
    assert!((4..=5).contains(&room.asked()), "{}", room.asked());
    room.picture(1, KEY, 60);
    room.input(Input::PicturesLost { person: PersonId(1), source: Source::Camera });
    room.out.clear();
    room.now = room.now + KEY_FRAME_EVERY;
    room.picture(1, DELTA, 60);
    assert_eq!((room.asked(), room.decoded()), (1, 1));
}

#[test]
fn under_load_droppable_pictures_go_first_then_those_of_who_is_silent() {
    let mut room = Simulation::new();
    room.join(1);
    room.join(2);
    room.input(Input::Speaker(Some(PersonId(2))));
    let load = |room: &mut Simulation, every: u32| {
        while room.room.governor.every() < every {
            room.room.worked(Duration::from_secs(1));
            room.step(IDLE);
        }
    };
    load(&mut room, 2);
    for (header, decoded) in [(KEY, 1), (DROPPABLE, 1), (DELTA, 2)] {
        room.picture(1, header, 60);
        assert_eq!(room.decoded(), decoded, "{header:#x}");
    }
    load(&mut room, 4);
    room.out.clear();
    for _ in 0..5 {
        room.picture(1, DELTA, 60);
    }
    assert_eq!((room.decoded(), room.asked()), (2, 1), "who doesn't speak shows stills");
    room.picture(1, KEY, 60);
    room.picture(2, KEY, 60);
    room.picture(2, DELTA, 60);
    assert_eq!(room.decoded(), 5, "who speaks is seen moving");
}

#[test]
fn strangers_and_too_many_change_nothing() {
    let mut room = Simulation::new();
    room.picture(7, KEY, 60);
    room.input(Input::Sound { person: PersonId(7), timestamp: 0, packet: Bytes::from_static(&[0xfc, 9]) });
    (0..MAX_PEOPLE as u64 + 5).for_each(|person| room.join(person));
    room.until(1, |_| IDLE);
    assert_eq!((room.decoded(), room.room.people.len()), (0, MAX_PEOPLE));
}
