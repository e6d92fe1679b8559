//! The wiring: configuration in, a running box out. Reads as the block diagram in the README.
