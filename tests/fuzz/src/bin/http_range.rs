//! Any bytes as a `Range` header: the range lies within the resource, and is cut from its chunks.
#![no_main]

use bytes::Bytes;
use capturebox::http::RangeRequest;

libfuzzer_sys::fuzz_target!(|input: (Vec<u8>, Vec<u8>)| {
    let (header, resource) = input;
    let chunks: Vec<Bytes> = resource.chunks(3).map(Bytes::copy_from_slice).collect();
    if let RangeRequest::Part(range) = RangeRequest::parse(&header, resource.len() as u64) {
        let expected = &resource[range.first as usize..=range.last as usize];
        assert_eq!(range.of(chunks).concat(), expected);
    }
});
