//! Any bytes as an MPEG transport stream, in chunks whose size the first byte gives.
#![no_main]

use capturebox::container::mpegts::{Demuxer, TsCounters, TsEvent};

fn demux(stream: &[u8], chunk: usize) -> (Vec<TsEvent>, TsCounters) {
    let mut demuxer = Demuxer::new();
    let mut events = Vec::new();
    for chunk in stream.chunks(chunk) {
        demuxer.push(chunk);
        events.extend(&mut demuxer);
    }
    demuxer.flush();
    events.extend(&mut demuxer);
    (events, demuxer.counters())
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some((&chunk, stream)) = bytes.split_first() {
        assert_eq!(demux(stream, usize::from(chunk) + 1), demux(stream, usize::MAX));
    }
});
