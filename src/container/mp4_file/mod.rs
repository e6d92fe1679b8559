//! MP4 files, classic and fragmented, into access units in the order in which they are decoded.
//!
//! Here: H.264 and AAC-LC tracks, edit lists, B-frames. Not here: playing in real time, loops
//! (`capture::file`); writing (`super::fmp4`).
//!
//! Memory is bounded: `moov` (64 MiB at most) is read once, each fragment's `moof` and each sample
//! when its turn comes. A file is not trusted: see [`boxes`].

use crate::codec::aac::AacError;
use crate::codec::nal::{self, NalError};
use crate::codec::sps::SpsError;
use crate::media::{AccessUnit, Track};
use crate::time::{Timescale, rescale};
use bytes::Bytes;
use moov::Playable;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tables::{Sample, TableCursor};
use thiserror::Error;

mod boxes;
mod fragments;
mod moov;
mod tables;

/// Largest sample, bytes: what the demuxers of byte streams take for one access unit.
const MAX_SAMPLE_BYTES: u32 = 8 << 20;

#[derive(Debug, Error)]
pub enum Mp4Error {
    #[error("{path}: {source}", path = .path.display())]
    Open { path: PathBuf, source: std::io::Error },
    #[error("reading failed: {0}")]
    Io(#[from] std::io::Error),
    #[error("not an MP4 file")]
    NotMp4,
    #[error("cut short: {what:?} needs {need} bytes, {have} are there; was it copied whole?")]
    Truncated { what: String, need: u64, have: u64 },
    #[error("no index (moov box): was the recording cut off before it was finished?")]
    NoMoov,
    #[error("damaged: a box {name:?} of {size} bytes doesn't fit where it is")]
    BoxSize { name: String, size: u64 },
    #[error("too large: {what} is over the limit of {limit}")]
    TooLarge { what: String, limit: u64 },
    #[error("damaged index (moov box): {reason}")]
    Moov { reason: String },
    #[error("damaged fragment (moof box) at byte {at}: {reason}")]
    Moof { at: u64, reason: String },
    #[error("damaged index: {table} doesn't tell of sample {sample}")]
    Tables { table: &'static str, sample: usize },
    #[error("track {track} has no H.264 parameter sets in its index")]
    NoParameterSets { track: u32 },
    #[error("a sample of {size} bytes at byte {at} is outside the file of {len} bytes")]
    OutsideFile { at: u64, size: u32, len: u64 },
    #[error("no H.264 or AAC track in it, only {found:?}")]
    NothingToPlay { found: String },
    #[error(transparent)]
    Sps(#[from] SpsError),
    #[error(transparent)]
    Aac(#[from] AacError),
    #[error(transparent)]
    Nal(#[from] NalError),
}

/// An open file. As an iterator it yields the access units of all tracks, each with the index of its
/// track in [`Mp4File::tracks`], by decode time; the first error ends it.
///
/// Times are ticks of the track, from the start of the presentation: 0 is where the edit lists say
/// that picture and sound begin. What is decoded but not shown has times below 0; of sound, that
/// (priming) is left out.
#[derive(Debug)]
pub struct Mp4File<R> {
    file: R,
    len: u64,
    tracks: Vec<Arc<Track>>,
    playable: Vec<Playable>,
    cursors: Vec<Cursor>,
    moofs: Vec<boxes::Place>,
    ignored: Vec<String>,
    end: Duration,
    failed: bool,
}

/// Where a track's reading is.
#[derive(Debug, Default)]
struct Cursor {
    tables: TableCursor,
    /// Index of the next fragment, and what is left of the current one.
    fragment: usize,
    samples: VecDeque<Sample>,
    /// Media time behind the last sample.
    dts: i64,
    /// Read ahead, with `dts` in ticks of the track.
    peeked: Option<(i64, Sample)>,
}

impl Mp4File<File> {
    /// Opens a file and reads its index.
    pub fn open(path: &Path) -> Result<Self, Mp4Error> {
        let open = |source| Mp4Error::Open { path: path.to_owned(), source };
        let file = File::open(path).map_err(open)?;
        if !file.metadata().map_err(open)?.is_file() {
            return Err(open(std::io::Error::other("not a regular file")));
        }
        Self::read(file)
    }
}

impl<R: Read + Seek> Mp4File<R> {
    /// Reads the index of anything that can be read and sought in.
    pub fn read(mut file: R) -> Result<Self, Mp4Error> {
        let len = file.seek(SeekFrom::End(0))?;
        let layout = boxes::scan(&mut file, len)?;
        let moov = boxes::read_body(&mut file, layout.moov.ok_or(Mp4Error::NoMoov)?)?;
        let moov::Movie { tracks: mut playable, ignored } = moov::read(&moov)?;
        drop(moov);

        let mut end = Duration::ZERO;
        for playable in &mut playable {
            let (mut bytes, mut dts) = (playable.tables.total_bytes(), playable.tables.total_duration());
            let mut media = dts;
            for &place in &layout.moofs {
                let from = dts;
                for sample in fragments::samples(&mut file, place, playable.id, playable.defaults, from)? {
                    bytes = bytes.saturating_add(u64::from(sample.size));
                    media = media.saturating_add(i64::from(sample.duration));
                    dts = dts.max(sample.dts.saturating_add(i64::from(sample.duration)));
                }
            }
            playable.track.bitrate_bps = bitrate_bps(bytes, media, playable.timescale);
            let nanos = rescale(dts.saturating_add(playable.shift), playable.timescale, Timescale::NANOS);
            end = end.max(Duration::from_nanos(u64::try_from(nanos).unwrap_or(0)));
        }
        let tracks = playable.iter().map(|playable| Arc::new(playable.track.clone())).collect();
        let mut opened =
            Self { file, len, tracks, playable, cursors: Vec::new(), moofs: layout.moofs, ignored, end, failed: false };
        opened.rewind();
        Ok(opened)
    }

    /// At most one H.264 and one AAC track.
    pub fn tracks(&self) -> &[Arc<Track>] {
        &self.tracks
    }

    /// Tracks that are not played, in words: `track 3: tmcd`.
    pub fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// From the start of the presentation to the end of the longest track's decoding.
    pub fn duration(&self) -> Duration {
        self.end
    }

    /// Goes back to the first access unit.
    pub fn rewind(&mut self) {
        self.cursors = self.playable.iter().map(|_| Cursor::default()).collect();
        self.failed = false;
    }

    fn next_unit(&mut self) -> Result<Option<(usize, AccessUnit)>, Mp4Error> {
        loop {
            for index in 0..self.playable.len() {
                self.peek(index)?;
            }
            let first = self
                .cursors
                .iter()
                .zip(&self.playable)
                .enumerate()
                .filter_map(|(index, (cursor, playable))| {
                    let (dts, _) = cursor.peeked?;
                    Some((rescale(dts, playable.track.timescale, Timescale::NANOS), index))
                })
                .min();
            let Some((_, index)) = first else { return Ok(None) };
            let taken = self.cursors.get_mut(index).and_then(|cursor| cursor.peeked.take());
            let Some((dts, sample)) = taken else { return Ok(None) };
            if let Some(unit) = self.unit(index, dts, sample)? {
                return Ok(Some((index, unit)));
            }
        }
    }

    /// Looks at the next sample of a track, reading the next fragment where one is due.
    fn peek(&mut self, index: usize) -> Result<(), Mp4Error> {
        let (Some(cursor), Some(playable)) = (self.cursors.get_mut(index), self.playable.get(index)) else {
            return Ok(());
        };
        while cursor.peeked.is_none() {
            let sample = match cursor.tables.next(&playable.tables)? {
                Some(sample) => sample,
                None => match cursor.samples.pop_front() {
                    Some(sample) => sample,
                    None => {
                        let Some(&place) = self.moofs.get(cursor.fragment) else { return Ok(()) };
                        cursor.fragment += 1;
                        let next =
                            fragments::samples(&mut self.file, place, playable.id, playable.defaults, cursor.dts)?;
                        cursor.samples = next.into();
                        continue;
                    }
                },
            };
            cursor.dts = sample.dts.saturating_add(i64::from(sample.duration));
            // Nothing to decode in it: a sample of no bytes stands for a gap.
            if sample.size > 0 {
                cursor.peeked = Some((playable.ticks(sample.dts), sample));
            }
        }
        Ok(())
    }

    /// Reads one sample. `None` when there is nothing in it to show or hear.
    fn unit(&mut self, index: usize, dts: i64, sample: Sample) -> Result<Option<AccessUnit>, Mp4Error> {
        let Some(playable) = self.playable.get(index) else { return Ok(None) };
        let end = playable.ticks(sample.dts.saturating_add(i64::from(sample.duration)));
        let pts = playable.ticks(sample.dts.saturating_add(sample.offset));
        let is_video = playable.track.id.is_video();
        if !is_video && end <= 0 {
            return Ok(None);
        }
        if sample.size > MAX_SAMPLE_BYTES {
            return Err(Mp4Error::TooLarge { what: "a sample".to_owned(), limit: u64::from(MAX_SAMPLE_BYTES) });
        }
        if sample.at.checked_add(u64::from(sample.size)).is_none_or(|end| end > self.len) {
            return Err(Mp4Error::OutsideFile { at: sample.at, size: sample.size, len: self.len });
        }
        let mut data = vec![0; sample.size as usize];
        self.file.seek(SeekFrom::Start(sample.at))?;
        self.file.read_exact(&mut data)?;
        let mut data = Bytes::from(data);
        let mut keyframe = true;
        if is_video {
            let unit = nal::from_length_prefixed(&data, playable.length_size)?;
            if !unit.has_picture() {
                return Ok(None);
            }
            (keyframe, data) = (unit.keyframe, unit.data);
        }
        let duration = u32::try_from(end.saturating_sub(dts)).unwrap_or(0);
        Ok(Some(AccessUnit { dts, pts, duration, keyframe, data }))
    }
}

impl<R: Read + Seek> Iterator for Mp4File<R> {
    type Item = Result<(usize, AccessUnit), Mp4Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.next_unit().transpose();
        self.failed = !matches!(next, Some(Ok(_)));
        next
    }
}

impl Playable {
    /// Media time to ticks of the track, with the edit list.
    fn ticks(&self, media_time: i64) -> i64 {
        rescale(media_time.saturating_add(self.shift), self.timescale, self.track.timescale)
    }
}

/// The mean, bits a second; 0 when it can't be told.
fn bitrate_bps(bytes: u64, duration: i64, timescale: Timescale) -> u32 {
    let bits = u128::from(bytes) * 8 * u128::from(timescale.hz());
    u128::try_from(duration)
        .ok()
        .and_then(|ticks| bits.checked_div(ticks))
        .map_or(0, |bps| u32::try_from(bps).unwrap_or(0))
}

#[cfg(test)]
mod tests;
