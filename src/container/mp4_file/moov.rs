//! `moov`: which tracks there are, and their sample tables. Read by the `mp4` crate from a rebuilt copy.

use super::boxes::{self, Kind, STBL, TRAK, child, children, rebuild, write_box};
use super::tables::{Sizes, Tables};
use super::{Mp4Error, fragments::Defaults};
use crate::codec::aac::aac_params;
use crate::codec::sps::h264_params;
use crate::media::{Codec, Track, TrackId};
use crate::time::{Timescale, rescale};
use bytes::Bytes;
use mp4_atom::Decode;
use std::collections::BTreeMap;
use std::io::Cursor;

/// Bytes of a VisualSampleEntry and an AudioSampleEntry before their child boxes (§12.1.3, §12.2.3).
const VISUAL_ENTRY_BYTES: usize = 78;
const AUDIO_ENTRY_BYTES: usize = 28;
/// What QuickTime's versions 1 and 2 of the sound description add.
const QUICKTIME_SOUND_BYTES: [usize; 3] = [0, 16, 36];
/// MPEG-4 object type indications that are AAC (ISO/IEC 14496-1 Table 5): MPEG-4, and MPEG-2 AAC-LC.
const AAC_OBJECT_TYPES: [u8; 2] = [0x40, 0x67];

/// A track that can be played, and where its samples are.
#[derive(Debug)]
pub(super) struct Playable {
    pub track: Track,
    /// The file's id of it.
    pub id: u32,
    /// Ticks a second of what follows, and of `tables`.
    pub timescale: Timescale,
    /// What the edit list adds to every time.
    pub shift: i64,
    /// Of an H.264 track's NAL unit lengths: 1, 2 or 4 bytes.
    pub length_size: u8,
    pub tables: Tables,
    pub defaults: Defaults,
}

#[derive(Debug)]
pub(super) struct Movie {
    pub tracks: Vec<Playable>,
    /// Tracks that can't be played, for people to read.
    pub ignored: Vec<String>,
}

pub(super) fn read(moov: &[u8]) -> Result<Movie, Mp4Error> {
    let Rebuilt { file, configs, mut ignored } = rebuild_moov(moov)?;
    let read = mp4::Mp4Reader::read_header(Cursor::new(&file), file.len() as u64)
        .map_err(|error| Mp4Error::Moov { reason: error.to_string() })?;
    let movie_timescale = timescale("mvhd", read.moov.mvhd.timescale)?;
    let defaults = defaults(moov)?;

    let mut tracks = Vec::<Playable>::new();
    for (trak, config) in read.moov.traks.iter().zip(configs) {
        let id = trak.tkhd.track_id;
        let (codec, length_size) = match (config, &trak.mdia.minf.stbl.stsd.avc1) {
            (Config::H264, Some(avc1)) => {
                let avcc = &avc1.avcc;
                let (Some(sps), Some(pps)) =
                    (avcc.sequence_parameter_sets.first(), avcc.picture_parameter_sets.first())
                else {
                    return Err(Mp4Error::NoParameterSets { track: id });
                };
                let params = h264_params(Bytes::copy_from_slice(&sps.bytes), Bytes::copy_from_slice(&pps.bytes))?;
                (Codec::H264(params), avcc.length_size_minus_one + 1)
            }
            (Config::Aac(config), _) => (Codec::Aac(aac_params(config)?), 0),
            (Config::H264, None) => continue,
        };
        let track_id = if matches!(codec, Codec::H264(_)) { TrackId::Video(0) } else { TrackId::Aac };
        if tracks.iter().any(|other| other.track.id == track_id) {
            ignored.push(format!("track {id}: a further {}", if track_id.is_video() { "H.264" } else { "AAC" }));
            continue;
        }
        let mdhd = &trak.mdia.mdhd;
        let media_timescale = timescale("mdhd", mdhd.timescale)?;
        let edits = trak.edts.iter().filter_map(|edts| edts.elst.as_ref()).flat_map(|elst| {
            let empty = if elst.version == 1 { u64::MAX } else { u64::from(u32::MAX) };
            elst.entries.iter().map(move |edit| Edit {
                duration: edit.segment_duration,
                media_time: (edit.media_time != empty).then_some(edit.media_time),
            })
        });
        let stbl = &trak.mdia.minf.stbl;
        let chunk_offsets = match (&stbl.stco, &stbl.co64) {
            (_, Some(co64)) => co64.entries.clone(),
            (Some(stco), None) => stco.entries.iter().map(|&offset| u64::from(offset)).collect(),
            (None, None) => Vec::new(),
        };
        tracks.push(Playable {
            track: Track {
                id: track_id,
                timescale: match &codec {
                    Codec::Aac(params) => timescale("esds", params.rate_hz)?,
                    _ => Timescale::VIDEO,
                },
                language: Some(mdhd.language.clone()).filter(|tag| {
                    tag != "und" && tag.len() == 3 && tag.bytes().all(|letter| letter.is_ascii_lowercase())
                }),
                bitrate_bps: 0,
                codec,
            },
            id,
            timescale: media_timescale,
            shift: shift(edits, movie_timescale, media_timescale),
            length_size,
            tables: Tables {
                sizes: match stbl.stsz.sample_size {
                    0 => Sizes::Each(stbl.stsz.sample_sizes.clone()),
                    size => Sizes::Same { size, count: stbl.stsz.sample_count },
                },
                durations: stbl.stts.entries.iter().map(|run| (run.sample_count, run.sample_delta)).collect(),
                offsets: stbl
                    .ctts
                    .iter()
                    .flat_map(|ctts| ctts.entries.iter().map(|run| (run.sample_count, run.sample_offset)))
                    .collect(),
                chunk_runs: stbl.stsc.entries.iter().map(|run| (run.first_chunk, run.samples_per_chunk)).collect(),
                chunk_offsets,
            },
            defaults: defaults.get(&id).copied().unwrap_or_default(),
        });
    }
    if tracks.is_empty() {
        return Err(Mp4Error::NothingToPlay { found: ignored.join(", ") });
    }
    Ok(Movie { tracks, ignored })
}

fn timescale(of: &str, hz: u32) -> Result<Timescale, Mp4Error> {
    Timescale::new(hz).ok_or_else(|| Mp4Error::Moov { reason: format!("the timescale in {of} is 0") })
}

struct Edit {
    /// In the movie's timescale.
    duration: u64,
    /// In the track's; `None` is an empty edit.
    media_time: Option<u64>,
}

/// What the edit list (§8.6.6) adds to every time: empty edits in front delay the track, and the first
/// real one says which media time is shown first. Cuts within a track are not made.
fn shift(edits: impl Iterator<Item = Edit>, movie: Timescale, media: Timescale) -> i64 {
    let mut delay = 0_i64;
    for edit in edits {
        match edit.media_time {
            None => delay = delay.saturating_add(i64::try_from(edit.duration).unwrap_or(i64::MAX)),
            Some(time) => {
                return rescale(delay, movie, media).saturating_sub(i64::try_from(time).unwrap_or(i64::MAX));
            }
        }
    }
    rescale(delay, movie, media)
}

/// `trex`: what fragments leave out. The `mp4` crate keeps only the last track's.
fn defaults(moov: &[u8]) -> Result<BTreeMap<u32, Defaults>, Mp4Error> {
    let mut defaults = BTreeMap::new();
    let Some(mvex) = child(moov, *b"mvex") else { return Ok(defaults) };
    for found in children(mvex) {
        let (kind, body) = found?;
        if &kind != b"trex" {
            continue;
        }
        let mut whole = Vec::new();
        write_box(kind, &mut whole, |out| {
            out.extend_from_slice(body);
            Ok(())
        })?;
        let trex = mp4_atom::Trex::decode(&mut Cursor::new(&whole))
            .map_err(|error| Mp4Error::Moov { reason: error.to_string() })?;
        let values = Defaults { duration: trex.default_sample_duration, size: trex.default_sample_size };
        defaults.insert(trex.track_id, values);
    }
    Ok(defaults)
}

enum Config {
    H264,
    /// AudioSpecificConfig.
    Aac(Bytes),
}

struct Rebuilt {
    /// `ftyp` and `moov` with only the tracks that can be played.
    file: Vec<u8>,
    /// One for each of them.
    configs: Vec<Config>,
    ignored: Vec<String>,
}

fn rebuild_moov(moov: &[u8]) -> Result<Rebuilt, Mp4Error> {
    let mut rebuilt = Rebuilt { file: Vec::new(), configs: Vec::new(), ignored: Vec::new() };
    write_box(*b"ftyp", &mut rebuilt.file, |out| {
        out.extend_from_slice(b"isom\0\0\0\0isom");
        Ok(())
    })?;
    let mut file = std::mem::take(&mut rebuilt.file);
    write_box(*b"moov", &mut file, |out| {
        rebuild(moov, &[boxes::Keep::Leaf(*b"mvhd")], out)?;
        for (index, found) in
            children(moov).filter(|found| !matches!(found, Ok((kind, _)) if kind != b"trak")).enumerate()
        {
            let (_, trak) = found?;
            let start = out.len();
            match rebuild_trak(trak, out)? {
                Ok(config) => rebuilt.configs.push(config),
                Err(what) => {
                    out.truncate(start);
                    rebuilt.ignored.push(format!("track {}: {what}", index + 1));
                }
            }
        }
        Ok(())
    })?;
    rebuilt.file = file;
    Ok(rebuilt)
}

/// `Ok(Err(name))` for a track that can't be played.
fn rebuild_trak(trak: &[u8], out: &mut Vec<u8>) -> Result<Result<Config, String>, Mp4Error> {
    let missing = |what: &str| Mp4Error::Moov { reason: format!("a track has no {what}") };
    let mdia = child(trak, *b"mdia").ok_or_else(|| missing("mdia"))?;
    let mdhd = child(mdia, *b"mdhd").ok_or_else(|| missing("mdhd"))?;
    let minf = child(mdia, *b"minf").ok_or_else(|| missing("minf"))?;
    let stbl = child(minf, *b"stbl").ok_or_else(|| missing("stbl"))?;
    let entry = child(stbl, *b"stsd").and_then(|stsd| children(stsd.get(8..)?).next()).transpose()?;
    let Some((kind, entry)) = entry else { return Ok(Err("without a sample description".to_owned())) };
    let (config, entry) = match sample_entry(kind, entry)? {
        Ok(playable) => playable,
        Err(what) => return Ok(Err(what)),
    };

    write_box(*b"trak", out, |out| {
        rebuild(trak, TRAK, out)?;
        write_box(*b"mdia", out, |out| {
            leaf(*b"mdhd", mdhd, out)?;
            // What follows is asked for, but not read by anyone.
            leaf(*b"hdlr", &[0; 25], out)?;
            write_box(*b"minf", out, |out| {
                write_box(*b"dinf", out, |out| leaf(*b"dref", &[0; 8], out))?;
                write_box(*b"stbl", out, |out| {
                    write_box(*b"stsd", out, |out| {
                        out.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 1]);
                        out.extend_from_slice(&entry);
                        Ok(())
                    })?;
                    rebuild(stbl, STBL, out)
                })
            })
        })
    })?;
    Ok(Ok(config))
}

fn leaf(kind: Kind, body: &[u8], out: &mut Vec<u8>) -> Result<(), Mp4Error> {
    write_box(kind, out, |out| {
        out.extend_from_slice(body);
        Ok(())
    })
}

/// The configuration, and the sample entry with nothing but `avcC`; or what the track is instead.
fn sample_entry(kind: Kind, entry: &[u8]) -> Result<Result<(Config, Vec<u8>), String>, Mp4Error> {
    let mut out = Vec::new();
    match &kind {
        b"avc1" => {
            let short = || Mp4Error::BoxSize { name: "avc1".to_owned(), size: entry.len() as u64 };
            let (fixed, rest) = entry.split_at_checked(VISUAL_ENTRY_BYTES).ok_or_else(short)?;
            let Some(avcc) = child(rest, *b"avcC") else { return Ok(Err("H.264 without avcC".to_owned())) };
            write_box(kind, &mut out, |out| {
                out.extend_from_slice(fixed);
                leaf(*b"avcC", avcc, out)
            })?;
            Ok(Ok((Config::H264, out)))
        }
        b"mp4a" => {
            let short = || Mp4Error::BoxSize { name: "mp4a".to_owned(), size: entry.len() as u64 };
            let (fixed, rest) = entry.split_at_checked(AUDIO_ENTRY_BYTES).ok_or_else(short)?;
            let version = fixed.get(9).copied().unwrap_or_default();
            let extra = QUICKTIME_SOUND_BYTES.get(usize::from(version)).copied().unwrap_or_default();
            let rest = rest.get(extra..).ok_or_else(short)?;
            let esds = child(rest, *b"esds").or_else(|| child(child(rest, *b"wave")?, *b"esds"));
            let Some(esds) = esds else { return Ok(Err("mp4a without esds".to_owned())) };
            let (object_type, config) = match audio_config(esds) {
                Ok(found) => found,
                Err(what) => return Ok(Err(what)),
            };
            if !AAC_OBJECT_TYPES.contains(&object_type) {
                return Ok(Err(format!("mp4a with object type {object_type:#04x}, not AAC")));
            }
            // Version 0, so that the `mp4` crate needn't know QuickTime's.
            write_box(kind, &mut out, |out| {
                out.extend_from_slice(fixed);
                Ok(())
            })?;
            Ok(Ok((Config::Aac(config), out)))
        }
        _ => Ok(Err(boxes::name(kind))),
    }
}

/// Object type indication and AudioSpecificConfig. The `mp4` crate drops the latter's bytes.
fn audio_config(esds: &[u8]) -> Result<(u8, Bytes), String> {
    let mut whole = Vec::new();
    leaf(*b"esds", esds, &mut whole).map_err(|error| error.to_string())?;
    let esds = mp4_atom::Esds::decode(&mut Cursor::new(&whole))
        .map_err(|error| format!("mp4a with a broken esds: {error}"))?;
    let decoder = esds.es_desc.dec_config;
    Ok((decoder.object_type_indication, decoder.dec_specific.map(|specific| specific.raw.into()).unwrap_or_default()))
}
