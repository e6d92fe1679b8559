//! One encoder to the outside: the board's as long as it works, then software. A failure costs the pictures
//! that were inside; the stream goes on with a key frame.

use super::{EncodeError, EncodedPicture, Timing, VideoEncoder};
use crate::media::RawFrame;
use std::time::Duration;

/// Opens an encoder for the settings that it was made with, and the bitrate that holds now.
pub type Opener = Box<dyn FnMut(u32) -> Result<Box<dyn VideoEncoder>, EncodeError> + Send>;

/// So many pictures after a failure the board's encoder has earned another try when it fails again: a minute at 30
/// a second.
const EARNED_AFTER: u64 = 1_800;

pub struct Fallback {
    board: Opener,
    software: Opener,
    current: Box<dyn VideoEncoder>,
    in_software: bool,
    /// The board's encoder was opened anew, and hasn't earned another try yet.
    retried: bool,
    since_opened: u64,
    bitrate_bps: u32,
    /// By encoders before this one.
    bytes_copied: u64,
}

impl Fallback {
    /// Opens the board's encoder, or else the one in software.
    pub fn open(mut board: Opener, mut software: Opener, bitrate_bps: u32) -> Result<Self, EncodeError> {
        let (current, in_software) = match board(bitrate_bps) {
            Ok(encoder) => (encoder, false),
            Err(error) => {
                log::warn!("encoding in software: {error}");
                (software(bitrate_bps)?, true)
            }
        };
        Ok(Self {
            board,
            software,
            current,
            in_software,
            retried: false,
            since_opened: 0,
            bitrate_bps,
            bytes_copied: 0,
        })
    }

    /// What to do about a failure: the board's encoder once more, then software. The error comes back
    /// when there is nothing left to try.
    fn recover(&mut self, error: EncodeError) -> Result<(), EncodeError> {
        // Nothing wrong with the encoder, or nothing else to turn to.
        if self.in_software || matches!(error, EncodeError::WrongSize { .. } | EncodeError::BadPicture { .. }) {
            return Err(error);
        }
        let again = !self.retried || self.since_opened >= EARNED_AFTER;
        self.since_opened = 0;
        self.retried = true;
        self.bytes_copied += self.current.bytes_copied();
        // The old one first: the board's encoder can be open only once.
        self.current = Box::new(Closed);
        if again {
            match (self.board)(self.bitrate_bps) {
                Ok(encoder) => {
                    log::warn!("{error}; opened again");
                    self.current = encoder;
                    return Ok(());
                }
                Err(second) => log::warn!("encoding in software from now on: {error}, then {second}"),
            }
        } else {
            log::warn!("encoding in software from now on: {error}");
        }
        self.in_software = true;
        self.current = (self.software)(self.bitrate_bps)?;
        Ok(())
    }
}

impl VideoEncoder for Fallback {
    fn name(&self) -> &str {
        self.current.name()
    }

    /// A new encoder starts with a key frame by itself.
    fn submit(&mut self, picture: &RawFrame, timing: Timing, key: bool) -> Result<(), EncodeError> {
        // At most the one that failed, the board's again, software.
        while let Err(error) = self.current.submit(picture, timing, key) {
            self.recover(error)?;
        }
        Ok(())
    }

    fn receive(&mut self, timeout: Duration) -> Result<Option<EncodedPicture>, EncodeError> {
        match self.current.receive(timeout) {
            Ok(picture) => {
                self.since_opened += u64::from(picture.is_some());
                Ok(picture)
            }
            Err(error) => self.recover(error).map(|()| None),
        }
    }

    fn set_bitrate(&mut self, bitrate_bps: u32) -> Result<(), EncodeError> {
        self.bitrate_bps = bitrate_bps;
        match self.current.set_bitrate(bitrate_bps) {
            Ok(()) => Ok(()),
            // What is opened next has it.
            Err(error) => self.recover(error),
        }
    }

    fn bytes_copied(&self) -> u64 {
        self.bytes_copied + self.current.bytes_copied()
    }
}

/// Stands in while the next encoder is opened; stays only when that failed.
struct Closed;

impl Closed {
    fn error() -> EncodeError {
        EncodeError::Failed { encoder: "encoder", reason: "no encoder could be opened".into() }
    }
}

impl VideoEncoder for Closed {
    fn name(&self) -> &str {
        "no encoder"
    }

    fn submit(&mut self, _picture: &RawFrame, _timing: Timing, _key: bool) -> Result<(), EncodeError> {
        Err(Self::error())
    }

    fn receive(&mut self, _timeout: Duration) -> Result<Option<EncodedPicture>, EncodeError> {
        Err(Self::error())
    }

    fn set_bitrate(&mut self, _bitrate_bps: u32) -> Result<(), EncodeError> {
        Err(Self::error())
    }

    fn bytes_copied(&self) -> u64 {
        0
    }
}
