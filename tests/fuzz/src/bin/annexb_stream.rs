//! Any bytes as an Annex B stream, in chunks whose size the first byte gives.
#![no_main]

use capturebox::codec::nal::H264Unit;
use capturebox::container::annexb_stream::AnnexBSplitter;

fn split(stream: &[u8], chunk: usize) -> Vec<H264Unit> {
    let mut splitter = AnnexBSplitter::new();
    let mut units = Vec::new();
    for chunk in stream.chunks(chunk) {
        splitter.push(chunk);
        units.extend(&mut splitter);
    }
    units.extend(splitter.flush());
    units
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some((&chunk, stream)) = bytes.split_first() {
        assert_eq!(split(stream, usize::from(chunk) + 1), split(stream, usize::MAX));
    }
});
