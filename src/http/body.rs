//! What an answer carries: shared `Bytes`, never copied: over HTTP/1.1 written by one vectored write, over
//! HTTP/2 cut into pieces.

use super::connection::Turn;
use bytes::{Buf, Bytes};
use hyper::body::{Frame, SizeHint};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::IoSlice;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// A run of chunks as one buffer. A segment is the chunks of its parts.
#[derive(Debug, Clone, Default)]
pub struct Chunks {
    first: Bytes,
    rest: VecDeque<Bytes>,
    remaining: usize,
}

impl Chunks {
    pub fn len(&self) -> usize {
        self.remaining
    }
}

impl From<Bytes> for Chunks {
    fn from(first: Bytes) -> Self {
        Self { remaining: first.len(), first, rest: VecDeque::new() }
    }
}

impl From<Vec<Bytes>> for Chunks {
    fn from(chunks: Vec<Bytes>) -> Self {
        let mut rest = VecDeque::from(chunks);
        rest.retain(|chunk| !chunk.is_empty());
        let remaining = rest.iter().map(Bytes::len).sum();
        let first = rest.pop_front().unwrap_or_default();
        Self { first, rest, remaining }
    }
}

impl Chunks {
    /// Takes off the first `count` bytes, or all there are; shares them, copies nothing.
    fn split_to(&mut self, count: usize) -> Self {
        if count >= self.remaining {
            return std::mem::take(self);
        }
        let (mut taken, mut wanted) = (Vec::new(), count);
        while wanted >= self.first.len() {
            wanted -= self.first.len();
            taken.push(std::mem::replace(&mut self.first, self.rest.pop_front().unwrap_or_default()));
        }
        taken.push(self.first.split_to(wanted));
        self.remaining -= count;
        Self::from(taken)
    }
}

impl Buf for Chunks {
    fn remaining(&self) -> usize {
        self.remaining
    }

    fn chunk(&self) -> &[u8] {
        &self.first
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let chunks = std::iter::once(&self.first).chain(&self.rest).filter(|chunk| !chunk.is_empty());
        slices.iter_mut().zip(chunks).map(|(slice, chunk)| *slice = IoSlice::new(chunk)).count()
    }

    fn advance(&mut self, mut count: usize) {
        assert!(count <= self.remaining, "the Buf contract: nobody advances past the end");
        self.remaining -= count;
        while count >= self.first.len() && count > 0 {
            count -= self.first.len();
            self.first = self.rest.pop_front().unwrap_or_default();
        }
        self.first.advance(count);
    }
}

/// An answer's body: whole from the start, or coming bit by bit. When it is handed over or dropped, the
/// connection's turn to answer ends.
#[derive(Debug, Default)]
pub struct Body {
    chunks: Chunks,
    coming: Option<mpsc::Receiver<Bytes>>,
    /// At most this much is handed over at once, bytes; `None`: all of it.
    piece: Option<NonZeroUsize>,
    turn: Option<Turn>,
}

impl Body {
    /// What is there from the start, bytes.
    pub fn len(&self) -> usize {
        self.chunks.len()
    }

    /// What is there from the start, as text.
    #[cfg(test)]
    pub fn text(&self) -> String {
        let mut chunks = self.chunks.clone();
        let bytes = chunks.copy_to_bytes(chunks.remaining());
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// A body without a length, which ends when the sender is dropped. Nothing empty may be sent, and
    /// something more often than [`Limits::stall_time`](super::Limits::stall_time): a reader that takes
    /// nothing for that long has stalled.
    pub fn coming(coming: mpsc::Receiver<Bytes>) -> Self {
        Self { coming: Some(coming), ..Self::default() }
    }

    /// Ties the connection's patience to this answer.
    pub fn ending(mut self, mut turn: Turn) -> Self {
        if self.len() > 0 || self.coming.is_some() {
            turn.offer();
        }
        self.turn = Some(turn);
        self
    }

    /// Hands over at most so many bytes at once. What sends them asks for more when these are taken, so
    /// that a reader who takes nothing is seen.
    pub fn in_pieces_of(mut self, bytes: NonZeroUsize) -> Self {
        self.piece = Some(bytes);
        self
    }
}

impl<T: Into<Chunks>> From<T> for Body {
    fn from(chunks: T) -> Self {
        Self { chunks: chunks.into(), ..Self::default() }
    }
}

impl hyper::body::Body for Body {
    type Data = Chunks;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Chunks>, Infallible>>> {
        if let Some(turn) = &self.turn {
            turn.take();
        }
        if let Some(coming) = &mut self.coming {
            return coming.poll_recv(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(Chunks::from(bytes)))));
        }
        let piece = self.piece.map_or(usize::MAX, NonZeroUsize::get);
        let chunks = self.chunks.split_to(piece);
        Poll::Ready((chunks.remaining > 0).then(|| Ok(Frame::data(chunks))))
    }

    fn is_end_stream(&self) -> bool {
        self.coming.is_none() && self.chunks.remaining == 0
    }

    fn size_hint(&self) -> SizeHint {
        if self.coming.is_some() {
            return SizeHint::default();
        }
        SizeHint::with_exact(self.chunks.remaining as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn chunks_read_as_their_concatenation_whatever_the_steps(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 0..9),
            steps in prop::collection::vec(0_usize..12, 0..40),
        ) {
            let whole = chunks.concat();
            let mut buf = Chunks::from(chunks.into_iter().map(Bytes::from).collect::<Vec<_>>());
            let mut read = Vec::new();
            for step in steps.into_iter().chain(std::iter::repeat(5)) {
                if !buf.has_remaining() {
                    break;
                }
                let mut slices = [IoSlice::new(&[]); 16];
                let count = buf.chunks_vectored(&mut slices);
                let seen: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
                prop_assert_eq!(&seen[..], &whole[read.len()..]);
                prop_assert!(!buf.chunk().is_empty());
                let step = step.min(buf.remaining());
                read.extend_from_slice(&seen[..step]);
                buf.advance(step);
            }
            prop_assert_eq!(read, whole);
        }
    }

    proptest! {
        #[test]
        fn pieces_make_up_the_whole(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 0..9),
            piece in 1_usize..12,
        ) {
            let whole = chunks.concat();
            let chunks: Vec<_> = chunks.into_iter().map(Bytes::from).collect();
            let mut body = Body::from(chunks).in_pieces_of(NonZeroUsize::new(piece).expect("not zero"));
            let mut cx = Context::from_waker(std::task::Waker::noop());
            let mut read = Vec::new();
            while let Poll::Ready(Some(Ok(frame))) = hyper::body::Body::poll_frame(Pin::new(&mut body), &mut cx) {
                let mut data = frame.into_data().expect("data");
                prop_assert!((1..=piece).contains(&data.remaining()));
                read.extend_from_slice(&data.copy_to_bytes(data.remaining()));
            }
            prop_assert_eq!(read, whole);
        }
    }
}
