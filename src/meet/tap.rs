//! A room's media for its mixer: everybody's sound, and of their pictures the layer that is large enough. Sans-IO.

use super::forward::Flow;
use super::message::{On, Source};
use super::room::PersonId;
use crate::capture::Captured;
use crate::mix::{self, Input, Layout};
use crate::time::MonoTime;
use crate::webrtc::inbound::{Inbound, Packet};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The mixed picture, px.
pub const SIZE: (u32, u32) = (1_280, 720);
/// Key frames are only asked for where they are needed.
const KEY_FRAMES_SELDOM: Duration = Duration::from_secs(3_600);

/// One picture of one person, as packets of one layer.
struct View {
    ssrc: u32,
    inbound: Inbound,
    /// Another layer is wanted, and takes over at its first key frame.
    next: Option<(u32, Inbound)>,
}

struct Tapped {
    name: String,
    on: On,
    views: BTreeMap<Source, View>,
}

/// See the module.
pub struct Tap {
    began: Instant,
    layout: Layout,
    people: BTreeMap<PersonId, Tapped>,
    speaker: Option<PersonId>,
    inputs: Vec<Input>,
}

fn inbound(ssrc: u32) -> Inbound {
    let mut inbound = Inbound::new(KEY_FRAMES_SELDOM);
    inbound.open_video(ssrc);
    inbound
}

fn mixed(who: PersonId) -> mix::PersonId {
    mix::PersonId(who.into())
}

/// `None` for a sound.
fn picture(source: Source) -> Option<mix::Source> {
    match source {
        Source::Microphone | Source::Mix => None,
        Source::Camera => Some(mix::Source::Camera),
        Source::Screen => Some(mix::Source::Screen),
    }
}

impl Tap {
    pub fn new(layout: Layout, now: Instant) -> Self {
        Self { began: now, layout, people: BTreeMap::new(), speaker: None, inputs: Vec::new() }
    }

    /// What the mixer is to be told by now.
    pub fn take_inputs(&mut self) -> Vec<Input> {
        std::mem::take(&mut self.inputs)
    }

    pub fn set_layout(&mut self, layout: Layout) {
        self.layout = layout;
        self.inputs.push(Input::Layout(layout));
    }

    /// Who is there now, and what they have on.
    pub fn see(&mut self, there: &[(PersonId, String, On)]) {
        let gone: Vec<_> = self.people.keys().filter(|who| !there.iter().any(|(id, ..)| id == *who)).copied().collect();
        for who in gone {
            self.people.remove(&who);
            self.inputs.push(Input::Left(mixed(who)));
        }
        for (who, name, on) in there {
            let person = self.people.entry(*who).or_insert_with(|| {
                self.inputs.push(Input::Joined { person: mixed(*who), name: name.clone() });
                Tapped { name: name.clone(), on: *on, views: BTreeMap::new() }
            });
            if person.name != *name {
                person.name.clone_from(name);
                self.inputs.push(Input::Joined { person: mixed(*who), name: name.clone() });
            }
            person.on = *on;
            let off: Vec<_> = person.views.keys().filter(|source| !on.of(**source)).copied().collect();
            for source in off {
                person.views.remove(&source);
                let picture = picture(source).map(|source| Input::PictureOff { person: mixed(*who), source });
                self.inputs.extend(picture);
            }
        }
    }

    pub fn speaker(&mut self, speaker: Option<PersonId>) {
        if self.speaker != speaker {
            self.speaker = speaker;
            self.inputs.push(Input::Speaker(speaker.map(mixed)));
        }
    }

    /// How high a picture is in the mix, px.
    pub fn height(&self, who: PersonId, source: Source) -> u32 {
        let screens = self.people.values().filter(|person| person.on.screen).count();
        let tiles = mix::arrange(self.layout, self.people.len() + screens, Some(0), SIZE);
        let is_large = source == Source::Screen || (screens == 0 && self.speaker == Some(who));
        let tile = if is_large { tiles.first() } else { tiles.last() };
        tile.and_then(|tile| u32::try_from(tile.height).ok()).unwrap_or(SIZE.1)
    }

    /// Which flow is to be the picture; the one before goes on until that comes.
    pub fn aim(&mut self, who: PersonId, source: Source, flow: Flow) {
        let Some(person) = self.people.get_mut(&who).filter(|person| person.on.of(source)) else { return };
        let Flow(_, ssrc) = flow;
        let view = person.views.entry(source).or_insert_with(|| View { ssrc, inbound: inbound(ssrc), next: None });
        if view.ssrc == ssrc {
            view.next = None;
        } else if view.next.as_ref().is_none_or(|(next, _)| *next != ssrc) {
            view.next = Some((ssrc, inbound(ssrc)));
        }
    }

    /// A packet that is on, as it came.
    pub fn packet(&mut self, flow: Flow, source: Source, packet: Packet, now: Instant) {
        let Flow(who, ssrc) = flow;
        let Some(person) = self.people.get_mut(&who) else { return };
        let Some(shown) = picture(source) else {
            let Packet { timestamp, payload, .. } = packet;
            self.inputs.push(Input::Sound { person: mixed(who), timestamp, packet: payload });
            return;
        };
        let Some(view) = person.views.get_mut(&source) else { return };
        let now = mono(self.began, now);
        let mut out = Vec::new();
        let pushed = match &mut view.next {
            Some((next, inbound)) if *next == ssrc => inbound.push(ssrc, packet, now, &mut out),
            _ if view.ssrc == ssrc => view.inbound.push(ssrc, packet, now, &mut out),
            _ => return,
        };
        if let Err(error) = pushed {
            log::debug!("the mix is without a picture of {}: {error}", person.name);
        }
        if !out.is_empty()
            && let Some((ssrc, inbound)) = view.next.take_if(|(next, _)| *next == ssrc)
        {
            (view.ssrc, view.inbound) = (ssrc, inbound);
        }
        self.inputs.extend(out.into_iter().filter_map(|captured| match captured {
            Captured::Unit { track, unit } => Some(Input::Picture { person: mixed(who), source: shown, track, unit }),
            _ => None,
        }));
    }

    /// The mixer can't go on with a picture before a key frame.
    pub fn want_key_frame(&mut self, person: mix::PersonId, source: mix::Source) {
        let source = if source == mix::Source::Screen { Source::Screen } else { Source::Camera };
        let who = PersonId::try_from(person.0).ok();
        let view = who.and_then(|who| self.people.get_mut(&who)?.views.get_mut(&source));
        if let Some(view) = view {
            view.inbound.want_key_frame();
        }
    }

    /// The flows of which a key frame is to be asked for now.
    pub fn key_frames(&mut self, now: Instant) -> Vec<Flow> {
        let mono = mono(self.began, now);
        let mut wanted = Vec::new();
        for (who, person) in &mut self.people {
            for view in person.views.values_mut() {
                let next = view.next.as_mut().map(|(_, inbound)| inbound);
                let inbounds = std::iter::once(&mut view.inbound).chain(next);
                wanted.extend(inbounds.filter_map(|inbound| Some(Flow(*who, inbound.take_key_frame_request(mono)?))));
            }
        }
        wanted
    }
}

/// Media time that is only compared with itself.
fn mono(began: Instant, now: Instant) -> MonoTime {
    MonoTime::ZERO + now.saturating_duration_since(began)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "simulated time begins somewhere")]
mod tests {
    use super::*;
    use crate::encode::openh264::OpenH264;
    use crate::encode::{Profile, Timing, VideoEncoder, VideoSettings};
    use crate::media::{Codec, PixelFormat, RawFrame};
    use crate::time::FrameRate;
    use crate::webrtc::packets::packetise;
    use bytes::Bytes;
    use std::sync::Arc;

    /// A camera's layer as a browser sends it.
    struct Layer {
        encoder: OpenH264,
        size: (u32, u32),
        flow: Flow,
        number: u16,
        pictures: i64,
    }

    impl Layer {
        fn new(who: PersonId, ssrc: u32, size: (u32, u32), gop_frames: u32) -> Self {
            let settings = VideoSettings {
                width: size.0,
                height: size.1,
                frame_rate: FrameRate::DEFAULT,
                bitrate_bps: 1_000_000,
                gop_frames,
                profile: Profile::ConstrainedBaseline,
            };
            let encoder = OpenH264::open(&settings).expect("an encoder");
            Self { encoder, size, flow: Flow(who, ssrc), number: 65_530, pictures: 0 }
        }

        /// The next picture's packets, into the tap; without the last one when `lost`.
        fn send(&mut self, tap: &mut Tap, lost: bool, now: Instant) {
            let (width, pixels) = (self.size.0 as usize, self.size.0 as usize * self.size.1 as usize);
            let moved = 3 * usize::try_from(self.pictures).expect("not negative");
            let luma = (0..pixels).map(|at| ((at % width * 2 + at / width + moved) % 200) as u8 + 20);
            let bytes: Vec<u8> = luma.chain(std::iter::repeat_n(128, pixels / 2)).collect();
            let frame = RawFrame::packed(MonoTime::ZERO, self.size, PixelFormat::I420, Arc::new(bytes));
            let timing = Timing { pts: self.pictures * 3_000, duration: 3_000 };
            self.encoder.submit(&frame.expect("whole"), timing, false).expect("encoded");
            let made = self.encoder.receive(Duration::ZERO).expect("encoded").expect("one");
            let packets = packetise(&made.track, &made.unit).expect("H.264");
            let last = packets.payloads.len() - 1;
            for (index, payload) in packets.payloads.into_iter().enumerate() {
                let (sequence_number, timestamp) = (self.number, packets.timestamp);
                self.number = self.number.wrapping_add(1);
                if !(lost && index == last) {
                    let packet = Packet { sequence_number, timestamp, marker: index == last, payload };
                    tap.packet(self.flow, Source::Camera, packet, now);
                }
            }
            self.pictures += 1;
        }
    }

    const ON: On = On { audio: true, video: true, screen: false };

    fn there(people: &[PersonId]) -> Vec<(PersonId, String, On)> {
        people.iter().map(|who| (*who, format!("n{who}"), ON)).collect()
    }

    /// Of the pictures that are told, the width, and whether they are key frames.
    fn pictures(tap: &mut Tap) -> Vec<(u32, bool)> {
        let told = tap.take_inputs();
        told.iter()
            .filter_map(|input| match input {
                Input::Picture { track, unit, .. } => match &track.codec {
                    Codec::H264(params) => Some((params.width, unit.keyframe)),
                    _ => None,
                },
                _ => None,
            })
            .collect()
    }

    #[test]
    fn packets_become_pictures_and_another_layer_begins_with_a_key_frame() {
        let mut now = Instant::now();
        let mut tap = Tap::new(Layout::Grid, now);
        tap.see(&there(&[1]));
        let (mut low, mut high) = (Layer::new(1, 11, (160, 96), 10), Layer::new(1, 12, (320, 192), 10));
        tap.aim(1, Source::Camera, low.flow);
        let mut run = |tap: &mut Tap, count: usize, low: &mut Layer, high: &mut Layer| {
            for _ in 0..count {
                now += Duration::from_millis(33);
                low.send(tap, false, now);
                high.send(tap, false, now);
            }
            pictures(tap)
        };
        let shown = run(&mut tap, 5, &mut low, &mut high);
        assert_eq!(shown, [(160, true), (160, false), (160, false), (160, false), (160, false)]);
        tap.aim(1, Source::Camera, high.flow);
        // In the middle of the other one's group: the low one goes on until its next key frame, the tenth.
        let shown = run(&mut tap, 7, &mut low, &mut high);
        assert_eq!(shown.iter().map(|(width, _)| *width).collect::<Vec<_>>(), [160, 160, 160, 160, 160, 160, 320, 320]);
        assert_eq!(shown[6], (320, true));
    }

    #[test]
    fn what_is_lost_is_asked_for() {
        let mut now = Instant::now();
        let mut tap = Tap::new(Layout::Grid, now);
        tap.see(&there(&[1]));
        let mut layer = Layer::new(1, 11, (320, 192), 30);
        tap.aim(1, Source::Camera, layer.flow);
        let mut run = |tap: &mut Tap, pictures: std::ops::Range<u32>| {
            let mut asked = Vec::new();
            for picture in pictures {
                now += Duration::from_millis(33);
                layer.send(tap, picture == 3, now);
                asked.extend(tap.key_frames(now));
            }
            asked
        };
        // A lost packet is waited for, a quarter of a second.
        assert_eq!(run(&mut tap, 0..18), [Flow(1, 11)]);
        assert_eq!(pictures(&mut tap), [(320, true), (320, false), (320, false)]);
        run(&mut tap, 18..36);
        let shown = pictures(&mut tap);
        assert_eq!((shown.len(), shown.first()), (6, Some(&(320, true))));
        tap.want_key_frame(mix::PersonId(1), mix::Source::Camera);
        assert_eq!(tap.key_frames(now + Duration::from_secs(2)), [Flow(1, 11)]);
    }

    #[test]
    fn who_comes_goes_and_switches_off_is_told_once() {
        let now = Instant::now();
        let mut tap = Tap::new(Layout::Grid, now);
        let kinds = |tap: &mut Tap| {
            let told = tap.take_inputs();
            told.iter().map(|input| format!("{input:?}").chars().take(8).collect::<String>()).collect::<Vec<_>>()
        };
        tap.see(&there(&[1, 2]));
        assert_eq!(kinds(&mut tap), ["Joined {", "Joined {"]);
        tap.see(&there(&[1, 2]));
        tap.aim(1, Source::Camera, Flow(1, 11));
        assert!(kinds(&mut tap).is_empty());
        let off = On { video: false, ..ON };
        tap.see(&[(1, "n1".to_owned(), off)]);
        assert_eq!(kinds(&mut tap), ["Left(Per", "PictureO"]);
        let sound = |who| {
            let packet =
                Packet { sequence_number: 1, timestamp: 9, marker: false, payload: Bytes::from_static(&[0xfc]) };
            (Flow(who, 5), packet)
        };
        for who in [1, 2] {
            let (flow, packet) = sound(who);
            tap.packet(flow, Source::Microphone, packet, now);
        }
        assert_eq!(kinds(&mut tap).len(), 1, "of who is there");
    }

    #[test]
    fn tiles_say_which_height_is_wanted() {
        let mut tap = Tap::new(Layout::Grid, Instant::now());
        tap.see(&there(&[1]));
        assert_eq!(tap.height(1, Source::Camera), 720);
        tap.see(&there(&[1, 2, 3, 4]));
        assert!((300..=360).contains(&tap.height(1, Source::Camera)));
        tap.set_layout(Layout::Speaker);
        tap.speaker(Some(2));
        assert!(tap.height(2, Source::Camera) > 500 && tap.height(1, Source::Camera) < 200);
    }
}
