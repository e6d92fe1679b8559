//! Any bytes as an MP4 file: an error, or media that ends.
#![no_main]

use capturebox::container::mp4_file::Mp4File;
use std::io::Cursor;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(mut file) = Mp4File::read(Cursor::new(bytes)) {
        let tracks = file.tracks().len();
        assert!((1..=2).contains(&tracks));
        _ = file.duration();
        for next in file.by_ref().take(1 << 12) {
            match next {
                Ok((track, unit)) => assert!(track < tracks && !unit.data.is_empty()),
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
    }
});
