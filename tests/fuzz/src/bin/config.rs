//! Any bytes as a configuration file: a configuration or messages, never a panic.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        _ = capturebox::config::Config::parse(text, "fuzz.toml");
    }
});
