//! Raw pictures: back to back in a size and rate that the configuration says ([`Raw`]), or with a header
//! ([`Y4m`]). Any bytes are pixels.

use super::Format;
use super::arrival::ArrivalClock;
use super::held::Held;
use crate::capture::Captured;
use crate::capture::picture::{FramePool, PooledBuffer};
use crate::config::Size;
use crate::container::y4m::{Y4mEvent, Y4mParser};
use crate::media::{FrameBuffer, PixelFormat, RawFrame};
use crate::time::{FrameRate, MonoTime, Timescale};
use std::sync::Arc;

/// Pictures that are read ahead of real time.
const HELD_FRAMES: usize = 2;
/// Corrections of the clock below this aren't made, ns.
const DEADBAND_NANOS: i64 = 500_000;
/// How much Y4M is read at once, bytes.
const CHUNK: usize = 256 << 10;

fn held_frames() -> Held {
    Held::new(HELD_FRAMES, usize::MAX)
}

/// Numbers pictures and stamps them by arrival.
struct Stamper {
    frame_rate: FrameRate,
    clock: ArrivalClock,
    index: i64,
    last: Option<MonoTime>,
}

impl Stamper {
    fn new(frame_rate: FrameRate) -> Self {
        Self { frame_rate, clock: ArrivalClock::new(DEADBAND_NANOS), index: 0, last: None }
    }

    /// The next picture is complete: when was it captured? `None` for one to drop, because the clock was
    /// put back and its time is taken.
    fn stamp(&mut self, now: MonoTime, held: &mut Held) -> Option<MonoTime> {
        let source = self.frame_rate.frame_start(self.index, Timescale::NANOS);
        self.index += 1;
        self.clock.arrived(source, now, held.take_was_full());
        let captured = self.clock.time_of(source);
        if self.last.is_some_and(|last| captured <= last) {
            return None;
        }
        self.last = Some(captured);
        Some(captured)
    }
}

/// Pictures of one size back to back, read into pooled buffers without a copy.
pub(super) struct Raw {
    format: PixelFormat,
    size: (u32, u32),
    len: usize,
    pool: FramePool,
    coming: PooledBuffer,
    /// Bytes of the coming picture that have come.
    come: usize,
    stamper: Stamper,
}

impl Raw {
    /// `None` for a size or format that no frame can have.
    pub(super) fn new(format: PixelFormat, Size { width, height }: Size, frame_rate: FrameRate) -> Option<Self> {
        if width > crate::media::MAX_DIMENSION || height > crate::media::MAX_DIMENSION {
            return None;
        }
        let len = RawFrame::packed_len(width, height, format)?;
        let pool = FramePool::new(len);
        // Proves that later ones are frames too.
        pool.take().into_frame(MonoTime::ZERO, (width, height), format)?;
        let coming = pool.take();
        Some(Self { format, size: (width, height), len, pool, coming, come: 0, stamper: Stamper::new(frame_rate) })
    }
}

impl Format for Raw {
    fn pipe_bytes(&self) -> usize {
        self.len
    }

    fn held(&self) -> Held {
        held_frames()
    }

    fn space(&mut self) -> &mut [u8] {
        self.coming.bytes_mut().get_mut(self.come..).unwrap_or_default()
    }

    fn filled(&mut self, len: usize, now: MonoTime, held: &mut Held) -> Result<(), String> {
        self.come += len;
        if self.come < self.len {
            return Ok(());
        }
        self.come = 0;
        let picture = std::mem::replace(&mut self.coming, self.pool.take());
        if let Some(captured) = self.stamper.stamp(now, held)
            && let Some(frame) = picture.into_frame(captured, self.size, self.format)
        {
            held.push(captured, Captured::Frame(frame));
        }
        Ok(())
    }

    fn frame_rate(&self) -> Option<FrameRate> {
        Some(self.stamper.frame_rate)
    }
}

/// YUV4MPEG2.
pub(super) struct Y4m {
    parser: Y4mParser,
    chunk: Box<[u8]>,
    /// From the header.
    stamper: Option<((u32, u32), Stamper)>,
}

impl Y4m {
    pub(super) fn new() -> Self {
        Self { parser: Y4mParser::new(), chunk: vec![0; CHUNK].into(), stamper: None }
    }
}

impl Format for Y4m {
    fn pipe_bytes(&self) -> usize {
        usize::MAX
    }

    fn held(&self) -> Held {
        held_frames()
    }

    fn space(&mut self) -> &mut [u8] {
        &mut self.chunk
    }

    fn filled(&mut self, len: usize, now: MonoTime, held: &mut Held) -> Result<(), String> {
        let mut bytes = self.chunk.get(..len).unwrap_or_default();
        while let Some(event) = self.parser.push(&mut bytes).map_err(|error| format!("wrote bad Y4M: {error}"))? {
            match (event, &mut self.stamper) {
                (Y4mEvent::Header(header), stamper) => {
                    let frame_rate = header.frame_rate.unwrap_or(FrameRate::DEFAULT);
                    *stamper = Some(((header.width, header.height), Stamper::new(frame_rate)));
                }
                (Y4mEvent::Frame(picture), Some((size, stamper))) => {
                    let buffer: Arc<dyn FrameBuffer> = Arc::new(picture);
                    if let Some(captured) = stamper.stamp(now, held)
                        && let Some(frame) = RawFrame::packed(captured, *size, PixelFormat::I420, buffer)
                    {
                        held.push(captured, Captured::Frame(frame));
                    }
                }
                (Y4mEvent::Frame(_), None) => {}
            }
        }
        Ok(())
    }

    fn frame_rate(&self) -> Option<FrameRate> {
        self.stamper.as_ref().map(|(_, stamper)| stamper.frame_rate)
    }
}
