//! Somebody who watches a stream: which of its packets go to the peer, and when it can begin. Sans-IO.

use super::codecs;
use super::layers::{self, Budget, Layer};
use super::packets::{Kind, Packets};
use super::peer::{Identity, OutId, Peer, PeerEvent, Sent, Settings};
use rtc::shared::error::Error;
use std::time::{Duration, Instant};

/// The data channel, opened by the viewer, on which it is told when pictures were taken.
const CAPTURE: &str = "capture";

/// An encoder of the box makes a key frame of the next picture.
const KEY_FRAME_WITHIN: Duration = Duration::from_millis(120);

/// How many halves of what gets through a rendition has that isn't sent any more before another one begins.
const MOST_OVER: u64 = 3;
/// How long only the chosen one is waited for then.
const STOPPED_MOST: Duration = Duration::from_secs(1);
/// How far behind another one a rendition may be, by the clock of pictures: 2 s.
const MOST_BACK: u32 = 180_000;

struct Outgoing {
    id: OutId,
    sequence_number: u16,
}

/// What goes out to the peer beside it.
pub struct Viewer {
    video: Option<Outgoing>,
    audio: Option<Outgoing>,
    /// A picture was sent that it could begin with.
    begun: bool,
    /// The rendition that it is sent, and the one that takes its place at a key frame.
    rung: u8,
    target: u8,
    /// Since when that isn't sent any more, because nearly nothing of it gets through: the other's key frame would be
    /// as late.
    stopped: Option<Instant>,
    budget: Budget,
    /// Of the last picture.
    timestamp: Option<u32>,
    connected: Option<Instant>,
}

/// Numbers that nobody may guess.
#[derive(Debug, Clone, Copy)]
pub struct Numbers {
    pub ssrcs: [u32; 4],
    pub sequence_numbers: [u16; 2],
}

impl Viewer {
    /// `Err`: the offer is nothing that can be answered.
    pub fn answer(
        offer: &str,
        identity: &Identity,
        numbers: Numbers,
        now: Instant,
    ) -> Result<(Peer, Self, String), Error> {
        let mut peer = Peer::new(identity, Settings { receives: false, estimates: true }, now)?;
        let [video, video_again, audio, audio_again] = numbers.ssrcs;
        let [video_first, audio_first] = numbers.sequence_numbers;
        // A section without our codec is refused by itself, and the other one played.
        let mut outgoing = |kind, ssrcs, sequence_number| {
            // One group, so that browsers keep picture and sound in step.
            let id = codecs::has(offer, kind).then(|| peer.add_outgoing(kind, "box", ssrcs)).transpose()?;
            Ok::<_, Error>(id.map(|id| Outgoing { id, sequence_number }))
        };
        let video = outgoing(Kind::Video, [video, video_again], video_first)?;
        let audio = outgoing(Kind::Audio, [audio, audio_again], audio_first)?;
        let answer = peer.answer(offer, now)?;
        let viewer = Self {
            video,
            audio,
            begun: false,
            rung: 0,
            target: 0,
            stopped: None,
            budget: Budget::default(),
            timestamp: None,
            connected: None,
        };
        Ok((peer, viewer, answer))
    }

    /// Whether the peer takes the stream's pictures or its sound.
    pub fn takes_any(&self, peer: &Peer) -> bool {
        [&self.video, &self.audio].into_iter().flatten().any(|outgoing| peer.takes(outgoing.id))
    }

    /// Whether a key frame is to be asked for.
    pub fn heard(&mut self, event: &PeerEvent, now: Instant) -> bool {
        match event {
            PeerEvent::Connected => {
                // After an interruption, too, pictures are missing: it begins again.
                (self.begun, self.connected) = (false, Some(now));
                true
            }
            PeerEvent::KeyFrameWanted(out) => self.video.as_ref().is_some_and(|video| *out == video.id),
            _ => false,
        }
    }

    /// Whether it has come and no key frame follows though one was asked for, as where a source encodes by itself.
    pub fn is_kept_waiting(&self, now: Instant) -> bool {
        !self.begun && self.connected.is_some_and(|connected| connected + KEY_FRAME_WITHIN <= now)
    }

    /// Looks at what can be sent to it, and chooses of the stream's renditions, where there are several. The one before
    /// goes on until the chosen one has a key frame.
    pub fn choose(&mut self, peer: &Peer, renditions: &[Layer<u8>], now: Instant) {
        self.budget.look(peer.estimate_bps(), now);
        self.target = match renditions {
            [] => 0,
            [one] => one.id,
            _ => layers::choose(renditions, Some(self.target), u32::MAX, self.budget.bps()).unwrap_or(0),
        };
        let rate_bps = |rung| renditions.iter().find(|one| one.id == rung).map_or(0, |one| one.rate_bps);
        let [now_bps, then_bps] = [self.rung, self.target].map(rate_bps);
        if self.begun && self.stopped.is_none() && now_bps > then_bps && now_bps / MOST_OVER > self.budget.bps() / 2 {
            self.stopped = Some(now);
        }
    }

    /// Of which rendition it needs a key frame to go on, when it does.
    pub fn waits_for(&self) -> Option<u8> {
        (!self.begun || self.stopped.is_some() || self.rung != self.target).then_some(self.target)
    }

    /// The rendition that it is sent.
    pub fn rung(&self) -> u8 {
        self.rung
    }

    /// Whether it goes on with this, or begins with it.
    fn takes(&mut self, packets: &Packets, now: Instant) -> bool {
        if self.begun && packets.rung == self.rung && self.stopped.is_none() {
            return true;
        }
        // Who is kept waiting begins with whatever there is.
        let waits_long = self.stopped.is_some_and(|stopped| stopped + STOPPED_MOST <= now);
        let wanted = packets.rung == self.target || waits_long || self.is_kept_waiting(now);
        let begins = packets.starts && wanted;
        if begins {
            (self.begun, self.rung, self.stopped) = (true, packets.rung, None);
        }
        begins
    }

    /// An access unit of the stream; nothing before it is connected and a picture has come with which it can begin.
    pub fn send(&mut self, peer: &mut Peer, packets: &Packets, now: Instant) {
        if !peer.is_connected() {
            return;
        }
        let outgoing = match packets.kind {
            Kind::Video if !self.takes(packets, now) => return,
            Kind::Video => &mut self.video,
            Kind::Audio => &mut self.audio,
        };
        let Some(outgoing) = outgoing else { return };
        let mut timestamp = packets.timestamp;
        if packets.kind == Kind::Video {
            // Another rendition's pictures may come a little later than those before: they never go back.
            if let Some(last) = self.timestamp
                && last.wrapping_sub(timestamp) < MOST_BACK
            {
                timestamp = last.wrapping_add(1);
            }
            self.timestamp = Some(timestamp);
        }
        let last = packets.payloads.len().saturating_sub(1);
        for (index, payload) in packets.payloads.iter().enumerate() {
            let sent = Sent {
                sequence_number: outgoing.sequence_number,
                timestamp,
                marker: packets.kind == Kind::Video && index == last,
                payload: payload.clone(),
            };
            outgoing.sequence_number = outgoing.sequence_number.wrapping_add(1);
            self.budget.sent(sent.payload.len());
            peer.send(outgoing.id, sent, now);
        }
    }

    /// Tells when a picture was taken: `media_us` is the clock of `/api/v1/time`.
    pub fn tell_capture(&self, peer: &mut Peer, rtp: u32, media_us: i64, now: Instant) {
        // Who opened no such channel doesn't want to know.
        peer.message(CAPTURE, &format!(r#"{{"rtp":{rtp},"media_us":{media_us}}}"#), now);
    }
}
