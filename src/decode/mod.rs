//! Compressed pictures back to raw ones: MJPEG from USB cameras.
