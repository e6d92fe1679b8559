//! The box structure (ISO/IEC 14496-12 §4.2): finding `moov` and `moof` in a file, and rebuilding
//! them from known boxes of checked sizes.
//!
//! The libraries that read the boxes trust what they are given: `mp4` loops for ever on a box of
//! size 0 inside `moov`, allocates what a `meta` box claims, and wants `avcC` to be the first in its
//! sample entry. So they are given a rebuilt copy: only the boxes listed here, each with a size that
//! fits its parent.

use super::Mp4Error;
use std::io::{Read, Seek, SeekFrom};

/// Largest `moov`, bytes: a day of video at 30 frames a second has under 48 MiB.
const MAX_MOOV_BYTES: u64 = 64 << 20;
/// Largest `moof`, bytes.
const MAX_MOOF_BYTES: u64 = 8 << 20;
/// Most boxes at the top of a file: two for each of a day's parts of 100 ms.
const MAX_TOP_LEVEL_BOXES: usize = 2_000_000;

pub(super) type Kind = [u8; 4];

/// For messages.
pub(super) fn name(kind: Kind) -> String {
    kind.escape_ascii().to_string()
}

/// A box's place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub kind: Kind,
    /// Where its header begins, and its size with header, bytes.
    pub at: u64,
    pub size: u64,
    header: u64,
}

/// What is where in a file.
#[derive(Debug, Default)]
pub(super) struct Layout {
    pub moov: Option<Place>,
    pub moofs: Vec<Place>,
}

/// Reads the headers of the boxes at the top of a file of `len` bytes.
pub(super) fn scan<R: Read + Seek>(file: &mut R, len: u64) -> Result<Layout, Mp4Error> {
    let mut layout = Layout::default();
    let mut at = 0;
    for _ in 0..MAX_TOP_LEVEL_BOXES {
        // A few bytes behind the last box are padding.
        if len.saturating_sub(at) < 8 && at > 0 {
            return Ok(layout);
        }
        let place = header(file, at, len)?;
        match &place.kind {
            b"moov" if layout.moov.is_none() => layout.moov = Some(place),
            b"moof" => layout.moofs.push(place),
            b"ftyp" | b"mdat" | b"free" | b"skip" | b"wide" | b"styp" | b"pnot" | b"uuid" => {}
            _ if at == 0 => return Err(Mp4Error::NotMp4),
            _ => {}
        }
        at = place.at + place.size;
    }
    Err(Mp4Error::TooLarge { what: "a file's list of boxes".to_owned(), limit: MAX_TOP_LEVEL_BOXES as u64 })
}

fn header<R: Read + Seek>(file: &mut R, at: u64, len: u64) -> Result<Place, Mp4Error> {
    if len - at < 8 {
        return Err(Mp4Error::NotMp4);
    }
    file.seek(SeekFrom::Start(at))?;
    let mut first = [0; 8];
    file.read_exact(&mut first)?;
    let [s0, s1, s2, s3, k0, k1, k2, k3] = first;
    let kind = [k0, k1, k2, k3];
    let (header, size) = match u32::from_be_bytes([s0, s1, s2, s3]) {
        0 => (8, len - at),
        1 => {
            let mut large = [0; 8];
            if len - at < 16 {
                return Err(Mp4Error::Truncated { what: name(kind), need: 16, have: len - at });
            }
            file.read_exact(&mut large)?;
            (16, u64::from_be_bytes(large))
        }
        size => (8, u64::from(size)),
    };
    if size < header {
        return Err(if at == 0 { Mp4Error::NotMp4 } else { Mp4Error::BoxSize { name: name(kind), size } });
    }
    if size > len - at {
        // What isn't MP4 has a nonsensical first size.
        let looks_like_one = at > 0 || matches!(&kind, b"ftyp" | b"moov" | b"mdat");
        let truncated = Mp4Error::Truncated { what: name(kind), need: size, have: len - at };
        return Err(if looks_like_one { truncated } else { Mp4Error::NotMp4 });
    }
    Ok(Place { kind, at, size, header })
}

/// Reads the body of a `moov` or `moof`.
pub(super) fn read_body<R: Read + Seek>(file: &mut R, place: Place) -> Result<Vec<u8>, Mp4Error> {
    let limit = if &place.kind == b"moov" { MAX_MOOV_BYTES } else { MAX_MOOF_BYTES };
    if place.size > limit {
        return Err(Mp4Error::TooLarge { what: name(place.kind), limit });
    }
    file.seek(SeekFrom::Start(place.at + place.header))?;
    let mut body = vec![0; usize::try_from(place.size - place.header).unwrap_or_default()];
    file.read_exact(&mut body)?;
    Ok(body)
}

/// The boxes in `body`: kind and body of each. Zeros and a few bytes at the end are padding, which
/// QuickTime writes.
pub(super) fn children(body: &[u8]) -> impl Iterator<Item = Result<(Kind, &[u8]), Mp4Error>> {
    let mut rest = body;
    std::iter::from_fn(move || {
        let (&[s0, s1, s2, s3, k0, k1, k2, k3], after) = rest.split_first_chunk::<8>()?;
        let kind = [k0, k1, k2, k3];
        let size = u32::from_be_bytes([s0, s1, s2, s3]);
        if size == 0 && kind == [0; 4] {
            return None;
        }
        let child = match size {
            0 => Some((after, &[][..])),
            1 => after.split_first_chunk::<8>().and_then(|(&large, after)| {
                let len = usize::try_from(u64::from_be_bytes(large).checked_sub(16)?).ok()?;
                after.split_at_checked(len)
            }),
            _ => usize::try_from(size).ok().and_then(|size| after.split_at_checked(size.checked_sub(8)?)),
        };
        match child {
            Some((body, after)) => {
                rest = after;
                Some(Ok((kind, body)))
            }
            None => {
                rest = &[];
                Some(Err(Mp4Error::BoxSize { name: name(kind), size: u64::from(size) }))
            }
        }
    })
}

/// The body of the first child of this kind.
pub(super) fn child(body: &[u8], kind: Kind) -> Option<&[u8]> {
    children(body).find_map(|child| child.ok().filter(|(found, _)| *found == kind).map(|(_, body)| body))
}

/// A box that is kept when its parent is rebuilt.
pub(super) enum Keep {
    /// With its body as it is.
    Leaf(Kind),
    /// With those of its children that are kept.
    Node(Kind, &'static [Keep]),
}

/// `moof`, as far as it is read.
pub(super) const MOOF: &[Keep] =
    &[Keep::Leaf(*b"mfhd"), Keep::Node(*b"traf", &[Keep::Leaf(*b"tfhd"), Keep::Leaf(*b"tfdt"), Keep::Leaf(*b"trun")])];

/// Children of `trak`, but for `mdia`, which [`super::moov`] puts together.
pub(super) const TRAK: &[Keep] = &[Keep::Leaf(*b"tkhd"), Keep::Node(*b"edts", &[Keep::Leaf(*b"elst")])];

/// Children of `stbl`, but for `stsd`.
pub(super) const STBL: &[Keep] = &[
    Keep::Leaf(*b"stts"),
    Keep::Leaf(*b"ctts"),
    Keep::Leaf(*b"stsc"),
    Keep::Leaf(*b"stsz"),
    Keep::Leaf(*b"stco"),
    Keep::Leaf(*b"co64"),
];

/// Writes the kept children of `body` to `out`.
pub(super) fn rebuild(body: &[u8], kept: &[Keep], out: &mut Vec<u8>) -> Result<(), Mp4Error> {
    for child in children(body) {
        let (kind, body) = child?;
        for keep in kept {
            match keep {
                Keep::Leaf(leaf) if *leaf == kind => write_box(kind, out, |out| {
                    out.extend_from_slice(body);
                    Ok(())
                })?,
                Keep::Node(node, kept) if *node == kind => write_box(kind, out, |out| rebuild(body, kept, out))?,
                _ => {}
            }
        }
    }
    Ok(())
}

/// Writes a box whose body `write` writes.
pub(super) fn write_box(
    kind: Kind,
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), Mp4Error>,
) -> Result<(), Mp4Error> {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&kind);
    write(out)?;
    let size = out.len() - at;
    let size = u32::try_from(size).map_err(|_| Mp4Error::BoxSize { name: name(kind), size: size as u64 })?;
    if let Some(field) = out.get_mut(at..at + 4) {
        field.copy_from_slice(&size.to_be_bytes());
    }
    Ok(())
}
