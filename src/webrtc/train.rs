//! Datagrams on their way out that travel together: the kernel takes equally long ones for one receiver as one piece
//! and splits it (UDP GSO), which costs little more than sending one of them. The packets of a picture are such, but
//! for the last. Sans-IO.

use super::path::Way;

/// A piece is an IP packet on its way through the kernel, bytes.
const MAX_BYTES: usize = 65_000;

/// From one of the box's addresses to one receiver.
#[derive(Debug, Default)]
pub struct Train {
    way: Option<Way>,
    /// The length of each datagram; only the last may be shorter.
    segment: usize,
    bytes: Vec<u8>,
}

/// What can be sent as one piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    pub way: Way,
    pub bytes: &'a [u8],
    pub segment: usize,
}

impl Train {
    /// Whether a datagram may join those which are there. `most`: how many the kernel takes at once.
    pub fn takes(&self, way: Way, datagram: &[u8], most: usize) -> bool {
        let Some(there) = self.way else { return true };
        let nobody_short = self.bytes.len().is_multiple_of(self.segment.max(1));
        way == there
            && nobody_short
            && (1..=self.segment).contains(&datagram.len())
            && self.bytes.len() / self.segment.max(1) < most
            && self.bytes.len() + datagram.len() <= MAX_BYTES
    }

    pub fn add(&mut self, way: Way, datagram: &[u8]) {
        if self.way.is_none() {
            (self.way, self.segment) = (Some(way), datagram.len());
        }
        self.bytes.extend_from_slice(datagram);
    }

    pub fn piece(&self) -> Option<Piece<'_>> {
        Some(Piece { way: self.way?, bytes: &self.bytes, segment: self.segment })
    }

    /// Everything has gone.
    pub fn clear(&mut self) {
        self.way = None;
        self.bytes.clear();
    }
}

impl<'a> Piece<'a> {
    pub fn datagrams(self) -> impl Iterator<Item = &'a [u8]> {
        self.bytes.chunks(self.segment.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webrtc::path::{Remote, Transport};
    use proptest::prelude::*;
    use std::net::SocketAddr;

    fn way(port: u16) -> Way {
        let address = |port| SocketAddr::from(([192, 0, 2, 1], port));
        Way { remote: Remote { address: address(port), over: Transport::Udp }, local: address(9) }
    }

    /// Sends datagrams as they are, by trains; each departure by its length.
    fn sent(datagrams: &[(u16, Vec<u8>)], most: usize) -> (Vec<(u16, Vec<u8>)>, Vec<usize>) {
        let (mut train, mut arrived, mut departures) = (Train::default(), Vec::new(), Vec::new());
        let mut depart = |train: &mut Train| {
            if let Some(piece) = train.piece() {
                let to = piece.way.remote.address.port();
                let parts: Vec<_> = piece.datagrams().map(|part| (to, part.to_vec())).collect();
                departures.push(parts.len());
                arrived.extend(parts);
            }
            train.clear();
        };
        for (to, datagram) in datagrams {
            if !train.takes(way(*to), datagram, most) {
                depart(&mut train);
            }
            train.add(way(*to), datagram);
        }
        depart(&mut train);
        (arrived, departures)
    }

    #[test]
    fn a_picture_goes_at_once() {
        let mut picture = vec![(1, vec![7; 1_200]); 6];
        picture.push((1, vec![8; 300]));
        picture.extend(vec![(1, vec![9; 1_200]); 2]);
        picture.push((2, vec![9; 1_200]));
        let (arrived, departures) = sent(&picture, 64);
        assert_eq!(arrived, picture);
        assert_eq!(departures, [7, 2, 1], "after a short one comes another train, and to somebody else");
        assert_eq!(sent(&picture, 1).1, [1; 10], "where the kernel can't");
        assert_eq!(sent(&vec![(1, vec![7; 1_200]); 64], 64).1, [54, 10], "one piece is an IP packet");
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_reordered(
            datagrams in prop::collection::vec((0..3u16, prop::collection::vec(any::<u8>(), 1..5)), 0..60),
            most in 1..9usize,
        ) {
            let (arrived, departures) = sent(&datagrams, most);
            prop_assert_eq!(arrived, datagrams);
            prop_assert!(departures.iter().all(|count| (1..=most).contains(count)));
        }
    }
}
