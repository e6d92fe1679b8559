//! One room's mixer: a thread of its own, with a bounded queue in front of it.
//!
//! Who sends in is never held up: when the mixer doesn't get to somebody's pictures, those that wait are thrown away
//! and it is told so. What comes out goes to a function that must not wait either. Not here: what is made of it (`room`).

#![allow(clippy::disallowed_methods, reason = "shell: its thread reads the clock")]

use super::PersonId;
use super::room::{Codecs, DecodePictures, Input, Output, Room, Settings, Source};
use super::sum::{BLOCK_FRAMES, CHANNELS};
use super::voice::Decode;
use crate::decode::{H264DecodeError, H264Decoder, OpusDecoder};
use crate::encode::opus::OpusEncoder;
use crate::encode::{AudioEncoder, EncodeError};
use crate::media::{AccessUnit, H264Params, RawFrame};
use crate::supervisor::{Pulse, Supervisor, SupervisorError};
use crate::time::MonoTime;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use thiserror::Error;

/// One person's pictures that wait at most: half a second of them.
const PICTURES: usize = 15;
/// Everything that waits at most.
const WAITING: usize = 1_000;
/// A thread that has nothing to do beats this often.
const BEAT: Duration = Duration::from_millis(500);
/// Speech of all others, and their music.
const OTHERS_BPS: u32 = 64_000;

#[derive(Debug, Error)]
pub enum MixError {
    #[error("a mixed picture of {0}x{1}: sides are even, and at most 4096")]
    Size(u32, u32),
    #[error(transparent)]
    Thread(#[from] SupervisorError),
}

#[derive(Default)]
struct Queue {
    inputs: VecDeque<Input>,
    /// Pictures that wait, by whose they are.
    pictures: BTreeMap<(PersonId, Source), usize>,
    dropped: u64,
    closed: bool,
}

impl Queue {
    fn push(&mut self, input: Input) {
        if let Input::Picture { person, source, .. } = &input {
            let key = (*person, *source);
            if self.pictures.get(&key).is_some_and(|waiting| *waiting >= PICTURES) {
                self.drop_pictures(key);
            }
            *self.pictures.entry(key).or_default() += 1;
        }
        if self.inputs.len() >= WAITING
            && let Some(oldest) = self.inputs.iter().position(|input| matches!(input, Input::Sound { .. }))
        {
            self.inputs.remove(oldest);
            self.dropped += 1;
        }
        self.inputs.push_back(input);
    }

    fn drop_pictures(&mut self, (whose, what): (PersonId, Source)) {
        let is_theirs = |input: &Input| matches!(input, Input::Picture { person, source, .. } if (*person, *source) == (whose, what));
        let is_key = |input: &Input| matches!(input, Input::Picture { unit, .. } if unit.keyframe);
        // A mixer that hardly gets to anything still shows who it is.
        let kept = self.inputs.iter().rposition(|input| is_theirs(input) && is_key(input));
        let (before, mut at) = (self.inputs.len(), 0);
        self.inputs.retain(|input| {
            at += 1;
            !is_theirs(input) || kept == Some(at - 1)
        });
        self.dropped += (before - self.inputs.len()) as u64;
        self.pictures.remove(&(whose, what));
        if kept.is_some() {
            self.pictures.insert((whose, what), 1);
        }
        self.inputs.push_back(Input::PicturesLost { person: whose, source: what });
    }

    fn pop(&mut self) -> Option<Input> {
        let input = self.inputs.pop_front()?;
        if let Input::Picture { person, source, .. } = &input {
            let key = (*person, *source);
            if let Some(waiting) = self.pictures.get_mut(&key) {
                *waiting -= 1;
                if *waiting == 0 {
                    self.pictures.remove(&key);
                }
            }
        }
        Some(input)
    }
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    arrived: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // A panic elsewhere leaves the queue whole: every change to it is one step.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What comes next, at most until `deadline`; an error when nobody will send any more.
    fn receive(&self, deadline: MonoTime) -> Result<Option<Input>, Closed> {
        let mut queue = self.lock();
        loop {
            if let Some(input) = queue.pop() {
                return Ok(Some(input));
            }
            if queue.closed {
                return Err(Closed);
            }
            let left = MonoTime::now().until(deadline);
            if left.is_zero() {
                return Ok(None);
            }
            queue = self.arrived.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

struct Closed;

/// Sends in; the mixer ends when it is dropped.
pub struct Mixer {
    shared: Arc<Shared>,
}

impl Mixer {
    /// Starts a mixer under `name`. `out` is called on its thread.
    pub fn start(
        name: &str,
        settings: Settings,
        supervisor: &Supervisor,
        mut out: impl FnMut(Output) + Send + 'static,
    ) -> Result<Self, MixError> {
        let size = settings.size;
        let mut room = Room::new(settings, Box::new(Real), MonoTime::now()).ok_or(MixError::Size(size.0, size.1))?;
        let shared = Arc::<Shared>::default();
        let (mine, stop) = (Arc::clone(&shared), supervisor.stop().clone());
        supervisor.spawn(format!("{name}:mix"), move |pulse: Pulse| {
            while !stop.is_requested() {
                pulse.beat();
                let deadline = room.deadline().min(MonoTime::now() + BEAT);
                let Ok(input) = mine.receive(deadline) else { return };
                let began = MonoTime::now();
                if let Some(input) = input {
                    room.handle(input, began, &mut out);
                }
                if room.deadline() <= MonoTime::now() {
                    room.poll(MonoTime::now(), &mut out);
                }
                room.worked(began.until(MonoTime::now()));
            }
        })?;
        Ok(Self { shared })
    }

    /// Never waits.
    pub fn send(&self, input: Input) {
        self.shared.lock().push(input);
        self.shared.arrived.notify_one();
    }

    /// What was thrown away so far because the mixer didn't get to it.
    pub fn dropped(&self) -> u64 {
        self.shared.lock().dropped
    }
}

impl Drop for Mixer {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.arrived.notify_all();
    }
}

/// The real codecs.
struct Real;

impl Codecs for Real {
    fn pictures(&self) -> Box<dyn DecodePictures> {
        Box::new(H264Decoder::new())
    }

    fn sound(&self) -> Box<dyn Decode> {
        Box::new(Opus(
            OpusDecoder::new(CHANNELS as u16).inspect_err(|error| log::error!("no sound is mixed: {error}")).ok(),
        ))
    }

    fn others(&self) -> Result<Box<dyn AudioEncoder>, EncodeError> {
        Ok(Box::new(OpusEncoder::new(CHANNELS as u16, OTHERS_BPS)?))
    }
}

impl DecodePictures for H264Decoder {
    fn decode(
        &mut self,
        params: &H264Params,
        unit: &AccessUnit,
        now: MonoTime,
    ) -> Result<Option<RawFrame>, H264DecodeError> {
        Self::decode(self, params, unit, now)
    }

    fn lose(&mut self) {
        Self::lose(self);
    }
}

/// `None`: it could not be opened, and what it is given is silent.
struct Opus(Option<OpusDecoder>);

impl Decode for Opus {
    fn decode(&mut self, packet: Option<&[u8]>, samples: &mut VecDeque<i16>) -> usize {
        let Some(decoder) = &mut self.0 else { return 0 };
        let decoded = match packet {
            Some(packet) => decoder.decode(packet),
            None => decoder.conceal(BLOCK_FRAMES, &[]),
        };
        let decoded = decoded.unwrap_or_default();
        samples.extend(decoded);
        decoded.len() / CHANNELS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Captured;
    use crate::encode::openh264::OpenH264;
    use crate::encode::{Profile, Timing, VideoEncoder, VideoSettings};
    use crate::media::PixelFormat;
    use crate::mix::Layout;
    use crate::time::FrameRate;
    use bytes::Bytes;

    fn settings() -> Settings {
        Settings { size: (320, 180), rate: FrameRate::DEFAULT, layout: Layout::Grid, others: true }
    }

    fn sound(person: u64) -> Input {
        Input::Sound { person: PersonId(person), timestamp: 0, packet: Bytes::from_static(&[0xfc]) }
    }

    fn encoder() -> OpenH264 {
        let settings = VideoSettings {
            width: 160,
            height: 96,
            frame_rate: FrameRate::DEFAULT,
            bitrate_bps: 500_000,
            gop_frames: 30,
            profile: Profile::ConstrainedBaseline,
        };
        OpenH264::open(&settings).expect("an encoder")
    }

    fn picture(encoder: &mut OpenH264, person: u64, luma: u8, number: i64) -> Input {
        let mut bytes = vec![128; 160 * 96 * 3 / 2];
        bytes[..160 * 96].fill(luma);
        let frame = RawFrame::packed(MonoTime::ZERO, (160, 96), PixelFormat::I420, Arc::new(bytes)).expect("whole");
        encoder.submit(&frame, Timing { pts: number * 3_000, duration: 3_000 }, false).expect("encoded");
        let made = encoder.receive(Duration::ZERO).expect("encoded").expect("one in, one out");
        Input::Picture { person: PersonId(person), source: Source::Camera, track: made.track, unit: made.unit }
    }

    #[test]
    fn pictures_that_the_mixer_does_not_get_to_go_and_it_is_told() {
        let (mut queue, mut encoder) = (Queue::default(), encoder());
        queue.push(sound(1));
        for number in 0..=PICTURES as i64 {
            queue.push(picture(&mut encoder, 1, 100, number));
        }
        queue.push(picture(&mut encoder, 2, 100, 100));
        assert_eq!(queue.dropped, PICTURES as u64 - 1, "all but the key frame");
        let kinds: Vec<_> = std::iter::from_fn(|| queue.pop())
            .map(|input| match input {
                Input::Sound { .. } => "sound",
                Input::PicturesLost { person: PersonId(1), .. } => "lost",
                Input::Picture { .. } => "picture",
                _ => "other",
            })
            .collect();
        assert_eq!(kinds, ["sound", "picture", "lost", "picture", "picture"]);
        assert!(queue.pictures.is_empty());
    }

    #[test]
    fn of_too_much_sound_the_oldest_goes() {
        let mut queue = Queue::default();
        (0..WAITING as u64 + 10).for_each(|person| queue.push(sound(person)));
        assert_eq!((queue.inputs.len(), queue.dropped), (WAITING, 10));
        assert!(matches!(queue.pop(), Some(Input::Sound { person: PersonId(10), .. })));
    }

    /// Real codecs, in real time: two people's pictures are side by side, and each hears the other.
    #[test]
    fn two_are_seen_and_each_hears_the_other() {
        let supervisor = Supervisor::new();
        let (tell, told) = std::sync::mpsc::channel();
        let mixer = Mixer::start("choir", settings(), &supervisor, move |out| _ = tell.send(out)).expect("a mixer");
        let mut encoders = [encoder(), encoder()];
        for person in 0..2 {
            mixer.send(Input::Joined { person: PersonId(person), name: String::new() });
        }
        let mut speaks = opus::Encoder::new(48_000, opus::Channels::Mono, opus::Application::Voip).expect("an encoder");
        let tone: Vec<i16> = (0..960).map(|at| ((at as f32 * 0.1).sin() * 8_000.0) as i16).collect();
        let mut hears: Vec<_> = (0..2).map(|_| (OpusDecoder::new(1).expect("a decoder"), 0_u64)).collect();
        let (mut seen, mut loud) = (None, 0);
        for number in 0..200_u32 {
            for (person, luma) in [(0, 60), (1, 200)] {
                mixer.send(picture(&mut encoders[person as usize], person, luma, i64::from(number)));
            }
            // Only the first one speaks.
            let packet = speaks.encode_vec(&tone, 1_500).expect("a packet").into();
            mixer.send(Input::Sound { person: PersonId(0), timestamp: number * 960, packet });
            // A block's time: until it has come.
            loop {
                match told.recv_timeout(Duration::from_secs(20)).expect("it mixes") {
                    Output::Everybody(Captured::Frame(frame)) => {
                        seen = Some([frame.plane(0)[320 * 90 + 80], frame.plane(0)[320 * 90 + 240]]);
                    }
                    Output::Everybody(Captured::Pcm(block)) => {
                        loud += u32::from(block.samples.iter().any(|sample| sample.unsigned_abs() > 4_000));
                        break;
                    }
                    Output::Others { person, packet, .. } => {
                        let (decoder, energy) = &mut hears[person.0 as usize];
                        let heard = decoder.decode(&packet).expect("Opus");
                        *energy = (*energy)
                            .max(heard.iter().map(|sample| u64::from(sample.unsigned_abs())).max().unwrap_or(0));
                    }
                    Output::Everybody(_) | Output::KeyFrameWanted { .. } => {}
                }
            }
            if seen == Some([60, 200]) && loud > 10 && hears[1].1 > 4_000 {
                break;
            }
        }
        let near = |seen: u8, wanted: u8| seen.abs_diff(wanted) <= 4;
        assert!(seen.is_some_and(|seen| near(seen[0], 60) && near(seen[1], 200)), "{seen:?}");
        assert!(loud > 10, "{loud} blocks with sound");
        assert!(hears[1].1 > 4_000 && hears[0].1 < 50, "{} {}", hears[0].1, hears[1].1);
        drop(mixer);
        supervisor.join(Duration::from_secs(20)).expect("it ends when nobody sends any more");
    }
}
