//! What a part or segment holds, read from its boxes.

use mp4_atom::{Any, DecodeMaybe, Moof};

/// ISO/IEC 14496-12 §8.8.3.1: set when a sample can't be decoded by itself.
const IS_NON_SYNC: u32 = 1 << 16;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    pub sequence: u32,
    /// Ticks of the track.
    pub start: u64,
    pub duration: u64,
    pub samples: usize,
    pub starts_with_sync_sample: bool,
}

impl Fragment {
    pub fn end(&self) -> u64 {
        self.start + self.duration
    }
}

/// Every moof with its mdat. Fails on bytes that are left over, boxes that can't stand here and sample
/// sizes that don't fill the mdat.
pub fn read(bytes: &[u8]) -> Vec<Fragment> {
    let mut fragments = Vec::new();
    let mut promised: Option<usize> = None;
    let mut rest = bytes;
    while !rest.is_empty() {
        match Any::decode_maybe(&mut rest).expect("a box").expect("a whole box") {
            Any::Styp(_) | Any::Prft(_) => assert!(promised.is_none(), "a moof without mdat"),
            Any::Moof(moof) => {
                let (fragment, size) = describe(&moof);
                assert!(promised.replace(size).is_none(), "a moof without mdat");
                fragments.push(fragment);
            }
            Any::Mdat(mdat) => assert_eq!(promised.take(), Some(mdat.data.len()), "the samples don't fill the mdat"),
            other => panic!("unexpected in a segment: {other:?}"),
        }
    }
    assert!(promised.is_none(), "a moof without mdat");
    fragments
}

fn describe(moof: &Moof) -> (Fragment, usize) {
    let [traf] = &moof.traf[..] else { panic!("a part has one track, not {}", moof.traf.len()) };
    assert!(traf.tfhd.default_base_is_moof, "CMAF wants default-base-is-moof");
    let samples: Vec<_> = traf.trun.iter().flat_map(|run| run.samples.iter()).collect();
    let first = samples.first().expect("a part has samples");
    let flags = first.flags.or(traf.tfhd.default_sample_flags).unwrap_or_default();
    let duration = |own: Option<u32>| u64::from(own.or(traf.tfhd.default_sample_duration).expect("a duration"));
    let size = |own: Option<u32>| own.or(traf.tfhd.default_sample_size).expect("a size") as usize;
    let fragment = Fragment {
        sequence: moof.mfhd.sequence_number,
        start: traf.tfdt.as_ref().expect("tfdt").base_media_decode_time,
        duration: samples.iter().map(|sample| duration(sample.duration)).sum(),
        samples: samples.len(),
        starts_with_sync_sample: flags & IS_NON_SYNC == 0,
    };
    (fragment, samples.iter().map(|sample| size(sample.size)).sum())
}

/// The track's timescale and size (0x0 for sound) as the initialisation section says them.
pub fn read_init(bytes: &[u8]) -> (u64, (u16, u16)) {
    let mut rest = bytes;
    let mut found = None;
    while let Some(any) = Any::decode_maybe(&mut rest).expect("a box") {
        match any {
            Any::Ftyp(_) => assert!(found.is_none(), "ftyp comes first"),
            Any::Moov(moov) => {
                let [track] = &moov.trak[..] else { panic!("one track, not {}", moov.trak.len()) };
                assert!(moov.mvex.is_some(), "a fragmented file has mvex");
                let size = (track.tkhd.width.integer(), track.tkhd.height.integer());
                found = Some((u64::from(track.mdia.mdhd.timescale), size));
            }
            other => panic!("unexpected in an initialisation section: {other:?}"),
        }
        if rest.is_empty() {
            break;
        }
    }
    found.expect("moov")
}
