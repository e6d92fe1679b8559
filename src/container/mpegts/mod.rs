//! MPEG transport streams (ISO/IEC 13818-1) into access units, sans-IO.
//!
//! The first programme's first H.264 and first AAC (ADTS) stream; others are named and passed over.
//! Damage costs the PES packets that it is in, no more: packets are found again behind garbage, and
//! a PES packet of which a transport packet is missing is dropped.
//!
//! Own code rather than the `mpeg2ts` crate: that one pulls from a reader, ends at the first PID, flag
//! or table that it doesn't expect, and real encoders send all of these. It writes what the tests read.

use crate::codec::aac::AacError;
use crate::codec::sps::SpsError;
use crate::media::{AccessUnit, Track};
use bytes::{Buf, BytesMut};
use elementary::{AdtsStream, H264Stream};
use packet::{PACKET_BYTES, Packet};
use pes::{PesAssembler, Unwrap};
use psi::SectionAssembler;
use std::collections::VecDeque;
use std::sync::Arc;
use thiserror::Error;

mod elementary;
mod packet;
mod pes;
mod psi;

/// Most bytes that are held between [`Demuxer::push`] and `next`.
const MAX_BUFFERED_BYTES: usize = 16 << 20;
const PAT_PID: u16 = 0;
const STREAM_TYPE_H264: u8 = 0x1b;
const STREAM_TYPE_ADTS: u8 = 0x0f;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TsEvent {
    /// A track was found, or has changed. Its units follow.
    Track(Arc<Track>),
    /// Times are ticks of the track, on the clock of the sender, which doesn't wrap here. The track is
    /// the same `Arc` until it changes.
    Unit { track: Arc<Track>, unit: AccessUnit },
    /// Something was passed over. Can come again and again: log it once.
    Problem(TsProblem),
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TsProblem {
    #[error("{name} can't be carried, only H.264 and AAC (ADTS)")]
    StreamType { name: String },
    #[error("it is encrypted")]
    Scrambled,
    #[error("a picture that isn't H.264")]
    NotH264,
    #[error("several blocks of AAC in one ADTS frame")]
    SeveralBlocks,
    #[error(transparent)]
    Sps(SpsError),
    #[error(transparent)]
    Aac(AacError),
}

/// What has gone wrong so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TsCounters {
    /// Bytes that were no transport packets.
    pub skipped_bytes: u64,
    /// PES packets that weren't whole.
    pub dropped_pes: u64,
}

/// Takes transport packets as they are pushed; as an iterator it yields what they make. `None` means:
/// push more.
#[derive(Debug, Default)]
pub struct Demuxer {
    buffer: BytesMut,
    synchronised: bool,
    skipped_bytes: u64,
    /// From streams that are no more.
    dropped_pes: u64,
    pat: SectionAssembler,
    map: Option<ProgrammeMap>,
    video: Option<(u16, PesAssembler, H264Stream)>,
    audio: Option<(u16, PesAssembler, AdtsStream)>,
    clock: Unwrap,
    events: VecDeque<TsEvent>,
}

#[derive(Debug)]
struct ProgrammeMap {
    pid: u16,
    sections: SectionAssembler,
    /// As it was last read, to see a change.
    streams: Vec<(u8, u16)>,
    scrambled: bool,
}

impl Demuxer {
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes of the stream. Take the events out after each push: a backlog of more than
    /// 16 MiB is dropped.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.buffer.len().saturating_add(bytes.len()) > MAX_BUFFERED_BYTES {
            self.skip(self.buffer.len());
            self.synchronised = false;
        }
        let excess = bytes.len().saturating_sub(MAX_BUFFERED_BYTES);
        self.skipped_bytes += excess as u64;
        self.buffer.extend_from_slice(bytes.get(excess..).unwrap_or_default());
    }

    /// The stream has ended: what is still open is whole. Take out what `next` gives before and after.
    pub fn flush(&mut self) {
        // Fewer than three packets at the end can't prove that they are packets, but are tried.
        while let Some(packet) = self.take_packet() {
            self.packet(&packet);
        }
        self.finish_streams();
        self.map = None;
        self.skip(self.buffer.len());
        self.synchronised = false;
    }

    pub fn counters(&self) -> TsCounters {
        let video = self.video.as_ref().map_or(0, |(_, pes, _)| pes.dropped);
        let audio = self.audio.as_ref().map_or(0, |(_, pes, _)| pes.dropped);
        TsCounters { skipped_bytes: self.skipped_bytes, dropped_pes: self.dropped_pes + video + audio }
    }

    fn skip(&mut self, bytes: usize) {
        self.skipped_bytes += bytes as u64;
        self.buffer.advance(bytes.min(self.buffer.len()));
    }

    /// The next whole packet, after searching where packets begin, if need be.
    fn next_packet(&mut self) -> Option<[u8; PACKET_BYTES]> {
        loop {
            if !self.synchronised {
                let found = packet::find_sync(&self.buffer);
                self.synchronised = found.is_ok();
                self.skip(found.unwrap_or_else(|none| none));
            }
            if !self.synchronised {
                return None;
            }
            if self.buffer.len() < PACKET_BYTES {
                return None;
            }
            if let Some(packet) = self.take_packet() {
                return Some(packet);
            }
            self.synchronised = false;
        }
    }

    fn take_packet(&mut self) -> Option<[u8; PACKET_BYTES]> {
        let packet = *self.buffer.first_chunk::<PACKET_BYTES>().filter(|packet| packet.first() == Some(&0x47))?;
        self.buffer.advance(PACKET_BYTES);
        Some(packet)
    }

    fn packet(&mut self, bytes: &[u8; PACKET_BYTES]) {
        let Some(packet) = Packet::parse(bytes) else { return };
        if packet.pid == PAT_PID {
            if let Some(pid) = self.pat.push(packet.payload, packet.unit_start).and_then(|pat| psi::parse_pat(&pat))
                && self.map.as_ref().is_none_or(|map| map.pid != pid)
            {
                self.finish_streams();
                (self.video, self.audio) = (None, None);
                let sections = SectionAssembler::default();
                self.map = Some(ProgrammeMap { pid, sections, streams: Vec::new(), scrambled: false });
            }
            return;
        }
        if let Some(map) = &mut self.map
            && packet.pid == map.pid
        {
            let streams = map.sections.push(packet.payload, packet.unit_start).and_then(|map| psi::parse_pmt(&map));
            if let Some(streams) = streams.filter(|streams| *streams != map.streams) {
                map.streams.clone_from(&streams);
                self.programme(&streams);
            }
            return;
        }
        let is_ours = self.video.as_ref().is_some_and(|(pid, ..)| *pid == packet.pid)
            || self.audio.as_ref().is_some_and(|(pid, ..)| *pid == packet.pid);
        if !is_ours {
            return;
        }
        if packet.scrambled {
            if let Some(map) = &mut self.map
                && !std::mem::replace(&mut map.scrambled, true)
            {
                self.events.push_back(TsEvent::Problem(TsProblem::Scrambled));
            }
            return;
        }
        if let Some((_, pes, stream)) = self.video.as_mut().filter(|(pid, ..)| *pid == packet.pid) {
            for pes in pes.push(&packet).into_iter().flatten() {
                stream.push(pes, &mut self.clock, &mut self.events);
            }
        } else if let Some((_, pes, stream)) = self.audio.as_mut().filter(|(pid, ..)| *pid == packet.pid) {
            let dropped = pes.dropped;
            let complete = pes.push(&packet);
            if pes.dropped != dropped {
                stream.lose();
            }
            for pes in complete.into_iter().flatten() {
                stream.push(pes, &mut self.clock, &mut self.events);
            }
        }
    }

    /// The programme is another: streams that stay where they were go on as they are.
    fn programme(&mut self, streams: &[(u8, u16)]) {
        let first = |wanted: u8| streams.iter().find(|(stream_type, _)| *stream_type == wanted).map(|&(_, pid)| pid);
        let (video, audio) = (first(STREAM_TYPE_H264), first(STREAM_TYPE_ADTS));
        if self.video.as_ref().map(|(pid, ..)| *pid) != video {
            self.finish_video();
            self.video = video.map(|pid| (pid, PesAssembler::default(), H264Stream::default()));
        }
        if self.audio.as_ref().map(|(pid, ..)| *pid) != audio {
            self.finish_audio();
            self.audio = audio.map(|pid| (pid, PesAssembler::default(), AdtsStream::default()));
        }
        for &(stream_type, pid) in streams {
            if Some(pid) != video && Some(pid) != audio {
                let problem = TsProblem::StreamType { name: stream_name(stream_type) };
                self.events.push_back(TsEvent::Problem(problem));
            }
        }
    }

    fn finish_streams(&mut self) {
        self.finish_video();
        self.finish_audio();
    }

    fn finish_video(&mut self) {
        if let Some((_, mut pes, mut stream)) = self.video.take() {
            if let Some(pes) = pes.finish() {
                stream.push(pes, &mut self.clock, &mut self.events);
            }
            self.dropped_pes += pes.dropped;
        }
    }

    fn finish_audio(&mut self) {
        if let Some((_, mut pes, mut stream)) = self.audio.take() {
            if let Some(pes) = pes.finish() {
                stream.push(pes, &mut self.clock, &mut self.events);
            }
            self.dropped_pes += pes.dropped;
        }
    }
}

impl Iterator for Demuxer {
    type Item = TsEvent;

    fn next(&mut self) -> Option<TsEvent> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            let packet = self.next_packet()?;
            self.packet(&packet);
        }
    }
}

/// Table 2-34, as far as senders use it.
fn stream_name(stream_type: u8) -> String {
    match stream_type {
        0x01 | 0x02 => "MPEG-2 video".to_owned(),
        0x03 | 0x04 => "MPEG audio (MP2, MP3)".to_owned(),
        STREAM_TYPE_ADTS => "a further AAC stream".to_owned(),
        0x06 => "private data (subtitles, Opus, AC-3)".to_owned(),
        0x10 => "MPEG-4 video".to_owned(),
        0x11 => "AAC in LATM".to_owned(),
        STREAM_TYPE_H264 => "a further H.264 stream".to_owned(),
        0x24 => "H.265".to_owned(),
        0x81 | 0x87 => "AC-3".to_owned(),
        other => format!("stream type {other:#04x}"),
    }
}

#[cfg(test)]
mod tests;
