//! Bytes ↔ media: fragmented MP4 out; MP4 files, MPEG-TS, Annex B and Y4M in.
//!
//! Not here: sockets, playlists, pacing.
