//! A small picture of what a stream shows now: its newest key frame as a JPEG.
//!
//! Made only when somebody asks, once for each key frame, however many ask. [`Snapshots`] is the shell:
//! it keeps what was made, and decodes on a thread of its own that stands back behind capture and
//! encoding. `picture` turns an access unit into a JPEG.
//!
//! Not here: HTTP, and pictures of the moment: between two key frames nothing is decoded.

#![allow(clippy::disallowed_methods, reason = "shell: owns its threads")]

mod picture;
mod rgb;
#[cfg(test)]
mod tests;

use crate::media::{AccessUnit, Track};
use crate::stream::Stream;
use crate::time::MonoTime;
use bytes::Bytes;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::Builder;
use thiserror::Error;
use tokio::sync::{OwnedMutexGuard, oneshot};

/// How far a decoding thread stands back: a snapshot may be late, an encoded picture not.
const NICENESS: i32 = 10;

/// One picture, ready to send. Cloning shares the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    pub jpeg: Bytes,
    /// When the picture was taken.
    pub captured: MonoTime,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SnapshotError {
    #[error("no picture has come yet")]
    NoPicture,
    #[error("this stream's pictures can't be decoded here: {reason}")]
    Undecodable { reason: String },
    #[error("a snapshot could not be made: {reason}")]
    Failed { reason: String },
}

/// The snapshots of all streams. Cloning shares them.
#[derive(Clone, Default)]
pub struct Snapshots {
    /// Held while a picture is decoded: one at a time, so that snapshots never take more than one core.
    turn: Arc<tokio::sync::Mutex<()>>,
    made: Arc<Mutex<Vec<Made>>>,
}

/// The last snapshot of one stream, or why there is none.
struct Made {
    stream: Weak<Stream>,
    captured: MonoTime,
    result: Result<Snapshot, SnapshotError>,
}

impl Snapshots {
    /// The newest key frame of `stream`. Cancel-safe: a picture that was begun is made and kept, so that
    /// asking and hanging up costs no more than asking.
    pub async fn newest(&self, stream: &Arc<Stream>) -> Result<Snapshot, SnapshotError> {
        let (_, unit, captured) = key_frame(stream)?;
        drop(unit);
        if let Some(result) = self.made(stream, captured) {
            return result;
        }
        let turn = Arc::clone(&self.turn).lock_owned().await;
        // Meanwhile somebody else may have made it, or a newer one has come.
        let (track, unit, captured) = key_frame(stream)?;
        if let Some(result) = self.made(stream, captured) {
            return result;
        }
        let done = self.make(stream, track, unit, captured, turn)?;
        // The thread ends without a word only when it panics; the log says why.
        done.await.unwrap_or_else(|_| Err(SnapshotError::Failed { reason: "see the log".to_owned() }))
    }

    /// What was made of the key frame of that moment, if it was.
    fn made(&self, stream: &Arc<Stream>, captured: MonoTime) -> Option<Result<Snapshot, SnapshotError>> {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let of_this = |made: &&Made| made.stream.as_ptr() == Arc::as_ptr(stream) && made.captured == captured;
        made.iter().find(of_this).map(|made| made.result.clone())
    }

    fn make(
        &self,
        stream: &Arc<Stream>,
        track: Arc<Track>,
        unit: AccessUnit,
        captured: MonoTime,
        turn: OwnedMutexGuard<()>,
    ) -> Result<oneshot::Receiver<Result<Snapshot, SnapshotError>>, SnapshotError> {
        let (tell, told) = oneshot::channel();
        let (stream, kept) = (Arc::downgrade(stream), Arc::clone(&self.made));
        let body = move || {
            // The niceness of a thread is its own on Linux. One that may not stand back decodes all the same.
            let _ = rustix::process::nice(NICENESS);
            let result = picture::jpeg(&track, &unit).map(|jpeg| Snapshot { jpeg: jpeg.into(), captured });
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            // One for each stream that still is.
            kept.retain(|made| made.stream.strong_count() > 0 && !made.stream.ptr_eq(&stream));
            kept.push(Made { stream, captured, result: result.clone() });
            drop(kept);
            drop(turn);
            // Whoever asked may be gone.
            let _ = tell.send(result);
        };
        let thread = Builder::new().name("snapshot".to_owned()).spawn(body);
        thread.map(|_| told).map_err(|error| SnapshotError::Failed { reason: error.to_string() })
    }
}

fn key_frame(stream: &Stream) -> Result<(Arc<Track>, AccessUnit, MonoTime), SnapshotError> {
    let (track, unit) = stream.newest_key_frame().ok_or(SnapshotError::NoPicture)?;
    let captured = MonoTime::from_ticks(unit.pts, track.timescale);
    Ok((track, unit, captured))
}
