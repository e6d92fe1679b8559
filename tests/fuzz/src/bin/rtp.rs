//! Any bytes as RTP packets of somebody who publishes, with the lies that RTP allows: each packet is a length, what
//! stands in its header, and a payload.
#![no_main]

use bytes::Bytes;
use capturebox::capture::Captured;
use capturebox::time::MonoTime;
use capturebox::webrtc::inbound::{Inbound, Packet};
use std::time::Duration;

const PICTURES: u32 = 1;
const SOUND: u32 = 2;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut inbound = Inbound::new(Duration::from_secs(1));
    inbound.open_video(PICTURES);
    inbound.open_audio(SOUND);
    let (mut now, mut out, mut rest) = (MonoTime::from_millis(1_000), Vec::new(), bytes);
    while let Some((&[flags, length, a, b, c, d, e], after)) = rest.split_first_chunk::<7>() {
        let (payload, after) = after.split_at(usize::from(length).min(after.len()));
        rest = after;
        now = now.plus_nanos(i64::from(e) * 1_000_000);
        let ssrc = if flags & 1 == 0 { PICTURES } else { SOUND };
        let timestamp = u32::from_be_bytes([if flags & 2 == 0 { 0 } else { d }, c, d, e]);
        if flags & 4 != 0 {
            inbound.report(ssrc, u64::from_be_bytes([a, b, c, d, e, a, b, c]), timestamp);
        }
        let packet = Packet {
            sequence_number: u16::from_be_bytes([if flags & 8 == 0 { 0 } else { a }, b]),
            timestamp,
            marker: flags & 16 != 0,
            payload: Bytes::copy_from_slice(payload),
        };
        if inbound.push(ssrc, packet, now, &mut out).and_then(|()| inbound.timeout(now, &mut out)).is_err() {
            return;
        }
        let _ = inbound.take_key_frame_request(now);
        let mut last = i64::MIN;
        for captured in out.drain(..) {
            let Captured::Unit { track, unit } = captured else { panic!("raw: {captured:?}") };
            assert!(unit.duration > 0 && !unit.data.is_empty());
            if track.id.is_video() {
                assert!(unit.dts > last, "pictures are in order");
                last = unit.dts;
            }
        }
    }
});
