//! Somebody who publishes into a stream: what the peer sends, made whole by `inbound`, goes to the stream's
//! contributor; key frames are asked of the peer.

use super::inbound::{Inbound, InboundError, MAX_LAYERS, Packet};
use super::packets::Kind;
use super::peer::{Identity, Peer, PeerEvent, Settings};
use crate::capture::Captured;
use crate::capture::contribution::Contributor;
use crate::media::TrackId;
use crate::stream::Stream;
use crate::time::MonoTime;
use rtc::shared::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Both clocks at one moment: the connection's and the media's.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    pub connection: Instant,
    pub media: MonoTime,
}

/// What comes in from the peer beside it.
pub struct Publisher {
    stream: Arc<Stream>,
    contributor: Contributor,
    inbound: Inbound,
    ready: Vec<Captured>,
}

impl Publisher {
    /// `Err`: the offer is nothing that can be answered.
    pub fn answer(offer: &str, identity: &Identity, now: Instant) -> Result<(Peer, String), Error> {
        let mut peer = Peer::new(identity, Settings { receives: true, estimates: false }, now)?;
        let answer = peer.answer(offer, now)?;
        Ok((peer, answer))
    }

    /// `key_frame_every`: how often one is asked for.
    pub fn new(stream: Arc<Stream>, contributor: Contributor, key_frame_every: Duration) -> Self {
        Self { stream, contributor, inbound: Inbound::new(key_frame_every), ready: Vec::new() }
    }

    /// An error is final: what comes can't be used.
    pub fn heard(&mut self, event: PeerEvent, peer: &mut Peer, now: Moment) -> Result<(), InboundError> {
        match event {
            PeerEvent::Opened(incoming) => match incoming.kind {
                Kind::Video => self.inbound.open_video(incoming.ssrc),
                Kind::Audio => self.inbound.open_audio(incoming.ssrc),
            },
            PeerEvent::Rtp(packet) => {
                let ssrc = packet.header.ssrc;
                let packet = Packet {
                    sequence_number: packet.header.sequence_number,
                    timestamp: packet.header.timestamp,
                    marker: packet.header.marker,
                    payload: packet.payload,
                };
                self.inbound.push(ssrc, packet, now.media, &mut self.ready)?;
            }
            PeerEvent::Report { ssrc, ntp, rtp } => self.inbound.report(ssrc, ntp, rtp),
            _ => {}
        }
        self.hand_over(peer, now);
        Ok(())
    }

    /// Does what is due.
    pub fn timeout(&mut self, peer: &mut Peer, now: Moment) -> Result<(), InboundError> {
        self.inbound.timeout(now.media, &mut self.ready)?;
        self.hand_over(peer, now);
        Ok(())
    }

    /// When [`Publisher::timeout`] has something to do.
    pub fn next_timeout(&self, now: Moment) -> Option<Instant> {
        Some(now.connection + now.media.until(self.inbound.next_timeout()?))
    }

    /// Whether somebody else publishes into the stream by now.
    pub fn is_displaced(&self) -> bool {
        self.contributor.is_displaced()
    }

    /// What came can't be used: says so where the picture would be.
    pub fn fail(self, error: &InboundError) {
        log::warn!("{}: whoever publishes was sent away: {error}", self.stream.name());
        self.contributor.leave(&error.to_string());
    }

    fn hand_over(&mut self, peer: &mut Peer, now: Moment) {
        for captured in self.ready.drain(..) {
            self.contributor.push(captured);
        }
        if self.stream.take_key_frame_request() {
            self.inbound.want_key_frame();
        }
        for rung in 1..=MAX_LAYERS as u8 {
            if self.stream.take_key_frame_request_of(TrackId::Video(rung)) {
                self.inbound.want_key_frame_of(rung);
            }
        }
        if self.contributor.needs_key_frame() {
            self.inbound.want_key_frames();
        }
        self.inbound.watched(|rung| self.stream.is_watched(TrackId::Video(rung)));
        while let Some(ssrc) = self.inbound.take_key_frame_request(now.media) {
            peer.request_key_frame(ssrc, now.connection);
        }
    }
}
