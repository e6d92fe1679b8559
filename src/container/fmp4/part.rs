//! One part: `moof` and `mdat`, in one allocation of the exact size, payloads copied once.

use super::{NON_SYNC_SAMPLE, SYNC_SAMPLE, TRACK_ID};
use crate::media::{AccessUnit, Track};
use bytes::{BufMut, Bytes, BytesMut};
use mp4_atom::{Encode, Mfhd, Moof, Tfdt, Tfhd, Traf, Trun, TrunEntry};

/// Box headers and fixed fields of `moof`, `mfhd`, `traf`, `tfhd`, `tfdt` and `trun`.
const MOOF_FIXED_BYTES: usize = 8 + 16 + 8 + 16 + 20 + 20;
const MDAT_HEADER_BYTES: usize = 8;
/// Duration, size, flags, composition offset.
const VIDEO_SAMPLE_BYTES: usize = 16;
/// Duration, size: the flags are the track's default.
const AUDIO_SAMPLE_BYTES: usize = 8;

/// One `moof` and `mdat` of `units`, in the order given. Their `dts` should rise; `base_ticks` is
/// subtracted from them, and a first `dts` before it is written as zero. A sample's duration is the
/// distance to the next, so that times within a part are exact; the last one's is its own.
pub fn part(track: &Track, sequence: u32, units: &[AccessUnit], base_ticks: i64) -> Bytes {
    let is_video = track.id.is_video();
    let sample_bytes = if is_video { VIDEO_SAMPLE_BYTES } else { AUDIO_SAMPLE_BYTES };
    let moof_bytes = MOOF_FIXED_BYTES + units.len() * sample_bytes;
    let mdat_bytes = MDAT_HEADER_BYTES + units.iter().map(|unit| unit.data.len()).sum::<usize>();

    let samples = units
        .iter()
        .enumerate()
        .map(|(index, unit)| TrunEntry {
            duration: Some(duration(unit, units.get(index + 1))),
            size: Some(bytes_32(unit.data.len())),
            flags: is_video.then_some(if unit.keyframe { SYNC_SAMPLE } else { NON_SYNC_SAMPLE }),
            cts: is_video.then(|| composition_offset(unit)),
        })
        .collect::<Vec<_>>();
    let first_dts = units.first().map_or(base_ticks, |unit| unit.dts);
    let moof = Moof {
        mfhd: Mfhd { sequence_number: sequence },
        traf: vec![Traf {
            tfhd: Tfhd { track_id: TRACK_ID, default_base_is_moof: true, ..Tfhd::default() },
            tfdt: Some(Tfdt {
                base_media_decode_time: u64::try_from(first_dts.saturating_sub(base_ticks)).unwrap_or(0),
            }),
            trun: vec![Trun {
                data_offset: Some(i32::try_from(moof_bytes + MDAT_HEADER_BYTES).unwrap_or(i32::MAX)),
                samples: samples.into(),
            }],
            ..Traf::default()
        }],
    };

    let mut out = BytesMut::with_capacity(moof_bytes + mdat_bytes);
    moof.encode(&mut out).expect("composition offsets are clamped to 32 bits, and nothing else can fail");
    debug_assert_eq!(out.len(), moof_bytes, "the sizes above are not those of the boxes");
    out.put_u32(bytes_32(mdat_bytes));
    out.put_slice(b"mdat");
    for unit in units {
        out.put_slice(&unit.data);
    }
    out.freeze()
}

fn duration(unit: &AccessUnit, next: Option<&AccessUnit>) -> u32 {
    next.and_then(|next| u32::try_from(next.dts.checked_sub(unit.dts)?).ok()).unwrap_or(unit.duration)
}

fn composition_offset(unit: &AccessUnit) -> i64 {
    unit.pts.saturating_sub(unit.dts).clamp(i64::from(i32::MIN), i64::from(i32::MAX))
}

/// A part is seconds of media, bounded by the stream's ring far below 4 GiB.
fn bytes_32(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
