//! Movie fragments (ISO/IEC 14496-12 §8.8): the samples of one track in one `moof`, read by mp4-atom.
//! (The `mp4` crate reads fragments, but keeps one `trun` of several and doesn't use `tfdt`.)

use super::boxes::{MOOF, Place, rebuild, write_box};
use super::tables::Sample;
use super::{Mp4Error, boxes};
use mp4_atom::Decode;
use std::io::{Cursor, Read, Seek};

/// Most samples of one track in one fragment: an hour of 48 kHz AAC has 168,750.
const MAX_SAMPLES: usize = 1 << 18;

/// `trex`: holds where neither `tfhd` nor `trun` says.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Defaults {
    pub duration: u32,
    pub size: u32,
}

/// The samples of track `id` in the fragment at `place`. `dts` is where the track's time stands, for
/// fragments that don't say.
pub(super) fn samples<R: Read + Seek>(
    file: &mut R,
    place: Place,
    id: u32,
    defaults: Defaults,
    mut dts: i64,
) -> Result<Vec<Sample>, Mp4Error> {
    let body = boxes::read_body(file, place)?;
    let mut rebuilt = Vec::with_capacity(body.len() + 8);
    write_box(*b"moof", &mut rebuilt, |out| rebuild(&body, MOOF, out))?;
    let moof = mp4_atom::Moof::decode(&mut Cursor::new(&rebuilt))
        .map_err(|error| Mp4Error::Moof { at: place.at, reason: error.to_string() })?;

    let too_many = || Mp4Error::TooLarge { what: "a fragment's list of samples".to_owned(), limit: MAX_SAMPLES as u64 };
    let mut samples = Vec::new();
    // Where data follows on from: without a base, the end of the previous track fragment's data.
    let mut data_end = place.at;
    for traf in &moof.traf {
        let tfhd = &traf.tfhd;
        let base = match tfhd.base_data_offset {
            Some(offset) => offset,
            None if tfhd.default_base_is_moof => place.at,
            None => data_end,
        };
        let is_ours = tfhd.track_id == id;
        if let Some(tfdt) = traf.tfdt.as_ref().filter(|_| is_ours) {
            dts = i64::try_from(tfdt.base_media_decode_time).unwrap_or(i64::MAX);
        }
        let default_duration = tfhd.default_sample_duration.unwrap_or(defaults.duration);
        let default_size = tfhd.default_sample_size.unwrap_or(defaults.size);
        let mut at = base;
        let mut seen = 0_usize;
        for trun in &traf.trun {
            if let Some(offset) = trun.data_offset {
                at = base.saturating_add_signed(i64::from(offset));
            }
            for entry in trun.samples.iter() {
                seen += 1;
                if seen > MAX_SAMPLES || samples.len() >= MAX_SAMPLES {
                    return Err(too_many());
                }
                let size = entry.size.unwrap_or(default_size);
                let duration = entry.duration.unwrap_or(default_duration);
                if is_ours {
                    samples.push(Sample { at, size, dts, duration, offset: entry.cts.unwrap_or(0) });
                    dts = dts.saturating_add(i64::from(duration));
                }
                at = at.saturating_add(u64::from(size));
            }
        }
        data_end = at;
    }
    Ok(samples)
}
