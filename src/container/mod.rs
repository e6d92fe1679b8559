//! Bytes ↔ media: fragmented MP4 out; MP4 files, MPEG-TS, Annex B and Y4M in.
//!
//! Not here: sockets, processes, playlists, pacing. Demuxers are sans-IO: bytes are pushed in as they
//! come, in any chunking, and media is taken out; only [`mp4_file`] seeks in a file.
//!
//! Invariants: any bytes give media, a named event or an error, never a panic; every buffer has a
//! limit in bytes.

pub mod annexb_stream;
pub mod fmp4;
pub mod mp4_file;
pub mod mpegts;
pub mod y4m;
