//! Transport packets (ISO/IEC 13818-1 §2.4.3.2), and finding where they begin.

pub(super) const PACKET_BYTES: usize = 188;
const SYNC: u8 = 0x47;
/// So many sync bytes in a row are no accident.
const SYNC_RUN: usize = 3;

/// What is needed of one transport packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packet<'a> {
    pub pid: u16,
    /// A section or PES packet begins in it.
    pub unit_start: bool,
    pub scrambled: bool,
    pub continuity: u8,
    /// The sender says that continuity or time are broken on purpose.
    pub discontinuity: bool,
    /// It is filled up with stuffing: its sender had no more to send of what it carries.
    pub stuffed: bool,
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// `None` for a packet that must be passed over: damaged on its way, reserved, or malformed.
    pub fn parse(bytes: &'a [u8; PACKET_BYTES]) -> Option<Self> {
        let (&[sync, b1, b2, b3], rest) = bytes.split_first_chunk::<4>()?;
        if sync != SYNC || b1 & 0x80 != 0 {
            return None;
        }
        let (has_adaptation, has_payload) = (b3 & 0x20 != 0, b3 & 0x10 != 0);
        let (mut discontinuity, mut stuffed) = (false, false);
        let mut payload = rest;
        if has_adaptation {
            let (&len, after) = rest.split_first()?;
            let (adaptation, after) = after.split_at_checked(usize::from(len))?;
            discontinuity = adaptation.first().is_some_and(|flags| flags & 0x80 != 0);
            stuffed = is_stuffed(adaptation);
            payload = after;
        }
        Some(Self {
            pid: u16::from(b1 & 0x1f) << 8 | u16::from(b2),
            unit_start: b1 & 0x40 != 0,
            scrambled: b3 & 0xc0 != 0,
            continuity: b3 & 0x0f,
            discontinuity,
            stuffed,
            payload: if has_payload { payload } else { &[] },
        })
    }
}

/// Whether an adaptation field is longer than its clock references need.
fn is_stuffed(adaptation: &[u8]) -> bool {
    let Some(&flags) = adaptation.first() else { return true };
    // Splice countdown, private data and extension aren't looked into: then it is not known.
    if flags & 0x07 != 0 {
        return false;
    }
    let clocks = 6 * (usize::from(flags & 0x10 != 0) + usize::from(flags & 0x08 != 0));
    adaptation.len() > 1 + clocks
}

/// Where in `bytes` packets begin. `Err` gives the number of bytes of which it is known that none
/// begins in them: more have to come.
pub(super) fn find_sync(bytes: &[u8]) -> Result<usize, usize> {
    for at in 0..bytes.len() {
        for packet in 0..SYNC_RUN {
            match bytes.get(at + packet * PACKET_BYTES) {
                Some(&SYNC) if packet + 1 == SYNC_RUN => return Ok(at),
                Some(&SYNC) => {}
                Some(_) => break,
                None => return Err(at),
            }
        }
    }
    Err(bytes.len())
}
