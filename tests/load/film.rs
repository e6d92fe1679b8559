//! What is sent to the box: the pictures of an MP4 file, and something like sound.

use crate::Result;
use crate::caller::Caller;
use bytes::Bytes;
use capturebox::container::mp4_file::Mp4File;
use capturebox::webrtc::codecs;
use capturebox::webrtc::packets::{Kind, Packets, packetise};
use rtc::media_stream::MediaStreamTrack;
use rtc::rtp;
use rtc::rtp_transceiver::rtp_sender::{RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind};
use rtc::rtp_transceiver::{RTCRtpSenderId, RTCRtpTransceiverDirection, RTCRtpTransceiverId, RTCRtpTransceiverInit};
use std::path::Path;
use std::time::{Duration, Instant};

/// Of sound: a packet of 20 ms at 32 kbit/s; nobody decodes it.
const SOUND: [u8; 80] = [0x78; 80];
pub const SOUND_EVERY: Duration = Duration::from_millis(20);
const SOUND_TICKS: u32 = 960;
const LOUDNESS: u8 = 30;

/// Pictures, and when they are due.
pub struct Film {
    pictures: Vec<(Duration, Packets)>,
    length: Duration,
}

impl Film {
    pub fn open(path: &Path) -> Result<Self> {
        let file = Mp4File::open(path)?;
        let tracks = file.tracks().to_vec();
        let length = file.duration();
        let mut pictures = Vec::new();
        for unit in file {
            let (index, unit) = unit?;
            let Some(packets) = packetise(&tracks[index], &unit).filter(|packets| packets.kind == Kind::Video) else {
                continue;
            };
            pictures.push((Duration::from_nanos(u64::try_from(packets.captured.as_nanos())?), packets));
        }
        if pictures.is_empty() { Err("no H.264 in it".into()) } else { Ok(Self { pictures, length }) }
    }

    /// A picture, over and over, and when it is due after the beginning.
    pub fn picture(&self, count: usize) -> (Duration, &Packets) {
        let (offset, packets) = &self.pictures[count % self.pictures.len()];
        (self.length * u32::try_from(count / self.pictures.len()).unwrap_or(u32::MAX) + *offset, packets)
    }

    pub fn packets_per_s(&self) -> f64 {
        let packets: usize = self.pictures.iter().map(|(_, packets)| packets.payloads.len()).sum();
        packets as f64 / self.length.as_secs_f64()
    }
}

/// A track that is sent.
pub struct Out {
    pub transceiver: RTCRtpTransceiverId,
    ssrc: u32,
    sequence_number: u16,
}

impl Out {
    pub fn new(caller: &mut Caller, kind: RtpCodecKind, ssrc: u32) -> Result<Self> {
        let only = RTCRtpTransceiverInit {
            direction: RTCRtpTransceiverDirection::Sendonly,
            ..RTCRtpTransceiverInit::default()
        };
        let transceiver = caller.connection.add_transceiver_from_track(track(kind, ssrc), Some(only))?;
        Ok(Self { transceiver, ssrc, sequence_number: 1 })
    }

    pub fn send_sound(&mut self, caller: &mut Caller, count: u32, now: Instant) -> Result<()> {
        let ticks = count.wrapping_mul(SOUND_TICKS);
        self.send(caller, Bytes::from_static(&SOUND), ticks, Some(LOUDNESS), false, now)
    }

    pub fn send_picture(
        &mut self,
        caller: &mut Caller,
        packets: &Packets,
        offset: Duration,
        now: Instant,
    ) -> Result<()> {
        let ticks = (offset.as_nanos() * 9 / 100_000) as u32;
        let last = packets.payloads.len() - 1;
        for (index, payload) in packets.payloads.iter().enumerate() {
            self.send(caller, payload.clone(), ticks, None, index == last, now)?;
        }
        Ok(())
    }

    /// Nothing before the connection is there.
    fn send(
        &mut self,
        caller: &mut Caller,
        payload: Bytes,
        timestamp: u32,
        loudness: Option<u8>,
        marker: bool,
        now: Instant,
    ) -> Result<()> {
        if !caller.is_connected() {
            return Ok(());
        }
        let sender = caller.connection.rtp_sender(RTCRtpSenderId::from(self.transceiver));
        let Some(mut sender) = sender else { return Ok(()) };
        let parameters = &sender.get_parameters().rtp_parameters;
        let Some(codec) = parameters.codecs.first() else { return Ok(()) };
        let mut header = rtp::Header {
            version: 2,
            marker,
            payload_type: codec.payload_type,
            sequence_number: self.sequence_number,
            timestamp,
            ssrc: self.ssrc,
            ..rtp::Header::default()
        };
        let extensions = &parameters.header_extensions;
        let level = extensions.iter().find(|one| one.uri == rtc::sdp::extmap::AUDIO_LEVEL_URI).map(|one| one.id);
        if let (Some(id), Some(loudness)) = (level, loudness) {
            header.set_extension(u8::try_from(id)?, Bytes::copy_from_slice(&[0x80 | loudness]))?;
        }
        self.sequence_number = self.sequence_number.wrapping_add(1);
        Ok(sender.write_rtp(now, rtp::Packet { header, payload })?)
    }
}

fn track(kind: RtpCodecKind, ssrc: u32) -> MediaStreamTrack {
    let codec = if kind == RtpCodecKind::Video { codecs::h264() } else { codecs::opus() };
    let rtp_coding_parameters = RTCRtpCodingParameters { ssrc: Some(ssrc), ..RTCRtpCodingParameters::default() };
    let encoding =
        RTCRtpEncodingParameters { rtp_coding_parameters, active: true, codec, ..RTCRtpEncodingParameters::default() };
    MediaStreamTrack::new("me".to_owned(), ssrc.to_string(), ssrc.to_string(), kind, vec![encoding])
}
