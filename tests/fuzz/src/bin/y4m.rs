//! Any bytes as a Y4M stream, in chunks whose size the first byte gives.
#![no_main]

use capturebox::container::y4m::{Y4mError, Y4mEvent, Y4mParser};

fn parse(stream: &[u8], chunk: usize) -> Result<Vec<Y4mEvent>, Y4mError> {
    let mut parser = Y4mParser::new();
    let mut events = Vec::new();
    for mut chunk in stream.chunks(chunk) {
        while let Some(event) = parser.push(&mut chunk)? {
            events.push(event);
        }
    }
    Ok(events)
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some((&chunk, stream)) = bytes.split_first() {
        let (split, whole) = (parse(stream, usize::from(chunk) + 1), parse(stream, usize::MAX));
        // An error may name more or less of what it has seen.
        assert!(split == whole || (split.is_err() && whole.is_err()));
    }
});
