//! Fragmented MP4 as CMAF constrains it (ISO/IEC 23000-19): an initialisation section for each track,
//! then parts, each one `moof` and one `mdat` of one track.
//!
//! What Media Source Extensions and LL-HLS want: `default-base-is-moof`, a 64-bit `tfdt`, `trun`
//! version 1 (signed composition offsets, so no edit list), sample flags that tell sync samples.
//!
//! Here: bytes. Not here: how long a part or a segment is (`package`), reading (`super::mp4_file`).

use bytes::Bytes;
use mp4_atom::{Encode, Styp};

mod init;
mod part;

pub use init::init_section;
pub use part::part;

/// Every initialisation section describes one track; this is its id.
const TRACK_ID: u32 = 1;

/// `sample_depends_on` = 2: doesn't depend on others; a sync sample (ISO/IEC 14496-12 §8.8.3.1).
const SYNC_SAMPLE: u32 = 0x0200_0000;
/// `sample_depends_on` = 1: depends on others; `sample_is_non_sync_sample`.
const NON_SYNC_SAMPLE: u32 = 0x0101_0000;

/// The `styp` box that may stand before the first part of a segment.
pub fn segment_header() -> Bytes {
    let brand = |name: &[u8; 4]| mp4_atom::FourCC::new(name);
    let styp =
        Styp { major_brand: brand(b"msdh"), minor_version: 0, compatible_brands: vec![brand(b"msdh"), brand(b"cmfs")] };
    let mut bytes = Vec::new();
    styp.encode(&mut bytes).expect("four brands fit a box");
    bytes.into()
}

#[cfg(test)]
mod tests;
