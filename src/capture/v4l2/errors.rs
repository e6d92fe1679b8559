//! What the kernel's error numbers mean for a person at the box.

use crate::capture::CaptureError;
use std::io;

/// An ioctl that failed while `doing` something.
pub(crate) fn explain(device: &str, doing: &'static str, error: io::Error) -> CaptureError {
    let device = device.to_owned();
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENXIO) => CaptureError::NotFound { device },
        // EIO: vb2's word for a queue that its driver has given up.
        Some(libc::ENODEV | libc::EIO) => CaptureError::Unplugged { device },
        Some(libc::EBUSY) => CaptureError::Busy { device },
        Some(libc::EACCES | libc::EPERM) => CaptureError::Permission { device },
        Some(libc::ENOTTY) => CaptureError::BadData { device, problem: "it is not a video capture device".to_owned() },
        Some(libc::ENOSPC) => CaptureError::BadData {
            device,
            problem: "its USB bus has no room for this size and rate: choose a smaller one or \
                      format = \"mjpeg\", or another USB port"
                .to_owned(),
        },
        _ => match no_signal(&error) {
            Some(cause) => CaptureError::NoSignal { device, cause },
            None => CaptureError::Io { device, doing, error },
        },
    }
}

/// What QUERY_DV_TIMINGS says when it can't lock on: the documented errors, each by its name.
pub(crate) fn no_signal(error: &io::Error) -> Option<&'static str> {
    match error.raw_os_error()? {
        libc::ENOLINK => Some("no cable, or the other end is off"),
        libc::ENOLCK => Some("no sync: the signal is unstable"),
        libc::ERANGE => Some("out of range: a picture size or rate that this input can't take"),
        _ => None,
    }
}
