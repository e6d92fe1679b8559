//! What peers say by RTCP and `rtc` by itself keeps from those who use it: they want a key frame (PLI, RFC 4585
//! 6.3.1; FIR, RFC 5104 4.3.1), and what time it was at a timestamp of theirs (sender reports, RFC 3550 6.4.1).

use rtc::interceptor::{Interceptor, Packet, StreamInfo, TaggedPacket};
use rtc::rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtcp::sender_report::SenderReport;
use rtc::sansio::Protocol;
use rtc::shared::error::Error;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Behind the sender's reports, in front of what comes last.
pub const PLACE: usize = 11_500;
/// What is heard between two looks; who says more is not listened to.
const MAX_HEARD: usize = 64;

/// One thing that was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// Of what is sent with this SSRC, a key frame is wanted.
    KeyFrameWanted { ssrc: u32 },
    /// It was `ntp` (seconds since 1900, 32.32 bits fixed point) at `rtp`.
    Report { ssrc: u32, ntp: u64, rtp: u32 },
}

/// What was heard since the last look, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Hearing(Arc<Mutex<VecDeque<Heard>>>);

impl Hearing {
    pub fn next(&self) -> Option<Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    fn hears(&self, heard: Heard) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() < MAX_HEARD && !all.contains(&heard) {
            all.push_back(heard);
        }
    }
}

/// Passes everything on, and notes what it hears.
pub struct Ears {
    hearing: Hearing,
    reads: VecDeque<TaggedPacket>,
    writes: VecDeque<TaggedPacket>,
}

impl Ears {
    pub fn new(hearing: Hearing) -> Self {
        Self { hearing, reads: VecDeque::new(), writes: VecDeque::new() }
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for Ears {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        if let Packet::Rtcp(said) = &packet.message.packet {
            for one in said {
                let one = one.as_any();
                if let Some(asks) = one.downcast_ref::<PictureLossIndication>() {
                    self.hearing.hears(Heard::KeyFrameWanted { ssrc: asks.media_ssrc });
                } else if let Some(asks) = one.downcast_ref::<FullIntraRequest>() {
                    for entry in &asks.fir {
                        self.hearing.hears(Heard::KeyFrameWanted { ssrc: entry.ssrc });
                    }
                } else if let Some(report) = one.downcast_ref::<SenderReport>() {
                    let (ssrc, ntp, rtp) = (report.ssrc, report.ntp_time, report.rtp_time);
                    self.hearing.hears(Heard::Report { ssrc, ntp, rtp });
                }
            }
        }
        self.reads.push_back(packet);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.reads.pop_front()
    }

    fn handle_write(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        self.writes.push_back(packet);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.writes.pop_front()
    }
}

impl Interceptor for Ears {
    fn bind_local_stream(&mut self, _: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _: &StreamInfo) {}
}
