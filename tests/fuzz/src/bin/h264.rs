//! Any bytes as NAL units in either framing, and as parameter sets.
#![no_main]

use bytes::Bytes;
use capturebox::codec::{nal, sps};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let shared = Bytes::copy_from_slice(bytes);
    _ = sps::parse(bytes);
    _ = sps::h264_params(shared.clone(), Bytes::from_static(&[0x68, 0xeb, 0xe3, 0xcb, 0x20]));
    for length_size in [1, 2, 4] {
        _ = nal::from_length_prefixed(&shared, length_size);
    }
    if let Ok(unit) = nal::from_annex_b(bytes) {
        let mut sets = sps::ParameterSets::default();
        _ = sets.update(&unit);
        let again = nal::from_length_prefixed(&unit.data, 4).expect("what was written is well formed");
        assert_eq!((again.data, again.keyframe), (unit.data, unit.keyframe));
    }
});
