//! What viewers ask for by RTCP: a key frame (PLI, RFC 4585 6.3.1; FIR, RFC 5104 4.3.1). By itself, `rtc` keeps
//! RTCP from those who use it.

use rtc::interceptor::{Interceptor, Packet, StreamInfo, TaggedPacket};
use rtc::rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::sansio::Protocol;
use rtc::shared::error::Error;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Behind the sender's reports, in front of what comes last.
pub const PLACE: usize = 11_500;

/// Passes everything on, and notes what it sees.
pub struct Watch {
    wanted: Arc<AtomicBool>,
    reads: VecDeque<TaggedPacket>,
    writes: VecDeque<TaggedPacket>,
}

impl Watch {
    pub fn new(wanted: Arc<AtomicBool>) -> Self {
        Self { wanted, reads: VecDeque::new(), writes: VecDeque::new() }
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for Watch {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        if let Packet::Rtcp(reports) = &packet.message.packet {
            let asks = reports.iter().any(|report| {
                let report = report.as_any();
                report.is::<PictureLossIndication>() || report.is::<FullIntraRequest>()
            });
            if asks {
                self.wanted.store(true, Ordering::Relaxed);
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

impl Interceptor for Watch {
    fn bind_local_stream(&mut self, _: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _: &StreamInfo) {}
}
