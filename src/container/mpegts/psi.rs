//! Programme-specific information (ISO/IEC 13818-1 §2.4.4): which PIDs carry what.

/// Longest section of a PAT or PMT with its header, bytes (§2.4.4.3, §2.4.4.8).
const MAX_SECTION_BYTES: usize = 1024;

/// Puts the sections of one PID together.
#[derive(Debug, Default)]
pub(super) struct SectionAssembler {
    section: Vec<u8>,
    /// Whether `section` continues with the next payload.
    open: bool,
}

impl SectionAssembler {
    /// Takes one packet's payload, and gives the section that it completes. (More than one, which PAT
    /// and PMT of live encoders never have, would lose the first.)
    pub fn push(&mut self, payload: &[u8], unit_start: bool) -> Option<Vec<u8>> {
        let mut complete = None;
        if unit_start {
            let (&pointer, rest) = payload.split_first()?;
            let (end_of_last, begin) = rest.split_at_checked(usize::from(pointer))?;
            complete = self.extend(end_of_last);
            self.section.clear();
            self.open = true;
            complete = self.extend(begin).or(complete);
        } else {
            complete = self.extend(payload).or(complete);
        }
        complete
    }

    /// Forgets what has come of a section: packets were lost.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    fn extend(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        if !self.open {
            return None;
        }
        let room = MAX_SECTION_BYTES.saturating_sub(self.section.len());
        self.section.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        let &[_, high, low, ..] = self.section.as_slice() else { return None };
        let len = 3 + (usize::from(high & 0x0f) << 8 | usize::from(low));
        if len > MAX_SECTION_BYTES {
            self.reset();
            return None;
        }
        if self.section.len() < len {
            return None;
        }
        self.open = false;
        let mut section = std::mem::take(&mut self.section);
        section.truncate(len);
        (crc_32(&section) == 0).then_some(section)
    }
}

/// The body of a section of the table that applies now; `None` for another table.
fn body(section: &[u8], table_id: u8) -> Option<&[u8]> {
    let (header, rest) = section.split_first_chunk::<8>()?;
    let (is_table, is_current) = (header.first() == Some(&table_id), header.get(5)? & 1 == 1);
    (is_table && is_current).then_some(rest.get(..rest.len().checked_sub(4)?)?)
}

/// The PID of the first programme's map.
pub(super) fn parse_pat(section: &[u8]) -> Option<u16> {
    body(section, 0)?.chunks_exact(4).find_map(|entry| match *entry {
        [0, 0, ..] => None, // the network's own PID
        [_, _, high, low] => Some(pid(high, low)),
        _ => None,
    })
}

/// `(stream_type, PID)` of each elementary stream.
pub(super) fn parse_pmt(section: &[u8]) -> Option<Vec<(u8, u16)>> {
    let (&[_, _, info_high, info_low], rest) = body(section, 2)?.split_first_chunk::<4>()?;
    let mut rest = rest.get(length(info_high, info_low)..)?;
    let mut streams = Vec::new();
    while let Some((&[stream_type, high, low, info_high, info_low], after)) = rest.split_first_chunk::<5>() {
        streams.push((stream_type, pid(high, low)));
        rest = after.get(length(info_high, info_low)..)?;
    }
    Some(streams)
}

fn pid(high: u8, low: u8) -> u16 {
    u16::from(high & 0x1f) << 8 | u16::from(low)
}

fn length(high: u8, low: u8) -> usize {
    usize::from(high & 0x0f) << 8 | usize::from(low)
}

/// Annex A: 0 over a section with its own checksum.
fn crc_32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte) << 24, |crc, _| crc << 1 ^ if crc >> 31 == 1 { 0x04c1_1db7 } else { 0 })
    })
}
