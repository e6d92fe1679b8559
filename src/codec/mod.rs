//! Bitstream syntax: NAL units, parameter sets, AAC and Opus headers.
//!
//! Not here: files, boxes and packets (`container`), encoders and decoders.
