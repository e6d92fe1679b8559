//! Any bytes as headers of AAC and Opus.
#![no_main]

use bytes::Bytes;
use capturebox::codec::{aac, opus};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(params) = aac::aac_params(Bytes::copy_from_slice(bytes)) {
        assert_eq!(aac::aac_params(params.config.clone()), Ok(params));
    }
    if let Some(header) = aac::AdtsHeader::parse(bytes) {
        _ = header.params();
    }
    if let Ok(params) = opus::parse_head(bytes) {
        assert_eq!(opus::parse_head(&opus::opus_head(&params)), Ok(params));
    }
    _ = opus::packet_samples(bytes);
});
