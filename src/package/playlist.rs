//! The text of a media playlist, whole or as a delta update, from a window.

use super::text::{DateTime, Seconds, SecondsUp};
use super::window::{Edge, Segment, Window};
use std::fmt::Write;

/// What a playlist says that isn't in its window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    /// Directory of its media, and its own name: `video`.
    pub name: &'static str,
    pub target_duration_s: u32,
    pub part_target_nanos: i64,
    /// The longest PART-TARGET of the session.
    pub longest_part_nanos: i64,
    pub independent: bool,
    /// Nothing follows.
    pub ended: bool,
    /// The part that comes next: its segment and index.
    pub hint: Option<(u64, u32)>,
    /// Where the other rendition is.
    pub report: Option<(&'static str, Edge)>,
}

/// RFC 8216bis §4.4.3.8: at least six target durations.
const SKIP_UNTIL_TARGET_DURATIONS: i64 = 6;
/// RFC 8216bis §4.4.3.8: at least three.
const HOLD_BACK_TARGET_DURATIONS: u32 = 3;
/// RFC 8216bis §4.4.3.8: at least three times the longest PART-TARGET.
const HOLD_BACK_PARTS: i64 = 3;
/// RFC 8216bis §4.4.4.9: parts are listed within three target durations of the end.
const PARTS_TARGET_DURATIONS: i64 = 3;
/// EXT-X-SKIP needs 9; everything else here needs less (RFC 8216bis §8).
const VERSION: u32 = 9;
/// A playlist is about this long, bytes: one allocation.
const USUAL_LEN: usize = 8 << 10;

/// The playlist, or, when `skip` is asked for and something can be skipped, a delta update of it
/// (RFC 8216bis §6.2.5.1).
pub(super) fn write(window: &Window, header: &Header, skip: bool) -> String {
    let mut text = String::with_capacity(USUAL_LEN);
    let skipped = if skip { skippable(window, header) } else { 0 };
    // Writing to a string can't fail.
    let _ = write_all(&mut text, window, header, skipped);
    text
}

/// How many segments end before the skip boundary. A delta update has at least one segment left.
fn skippable(window: &Window, header: &Header) -> usize {
    let boundary = SKIP_UNTIL_TARGET_DURATIONS * i64::from(header.target_duration_s) * 1_000_000_000;
    let mut from_end = window.listed_nanos();
    let old = |segment: &&Segment| {
        from_end -= segment.nanos;
        segment.ended && from_end >= boundary
    };
    window.segments().take_while(old).count()
}

fn write_all(out: &mut String, window: &Window, header: &Header, skipped: usize) -> std::fmt::Result {
    let target_duration_s = header.target_duration_s;
    writeln!(out, "#EXTM3U\n#EXT-X-VERSION:{VERSION}\n#EXT-X-TARGETDURATION:{target_duration_s}")?;
    writeln!(
        out,
        "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL={}.0,HOLD-BACK={}.0,PART-HOLD-BACK={}",
        SKIP_UNTIL_TARGET_DURATIONS * i64::from(target_duration_s),
        HOLD_BACK_TARGET_DURATIONS.saturating_mul(target_duration_s),
        SecondsUp(HOLD_BACK_PARTS * header.longest_part_nanos),
    )?;
    writeln!(out, "#EXT-X-PART-INF:PART-TARGET={}", SecondsUp(header.part_target_nanos))?;
    writeln!(out, "#EXT-X-MEDIA-SEQUENCE:{}", window.media_sequence().unwrap_or_default())?;
    if window.discontinuity_sequence() > 0 {
        writeln!(out, "#EXT-X-DISCONTINUITY-SEQUENCE:{}", window.discontinuity_sequence())?;
    }
    if header.independent {
        writeln!(out, "#EXT-X-INDEPENDENT-SEGMENTS")?;
    }
    if skipped > 0 {
        writeln!(out, "#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}")?;
    }
    let parts_within = PARTS_TARGET_DURATIONS * i64::from(target_duration_s) * 1_000_000_000;
    let mut from_end = window.listed_nanos();
    let mut init = None;
    for (index, segment) in window.segments().enumerate() {
        from_end -= segment.nanos;
        if index < skipped || !(segment.ended || segment.listed_parts() > 0) {
            continue;
        }
        let shows_init = init.replace(segment.init) != Some(segment.init);
        write_segment(out, header.name, segment, shows_init, from_end < parts_within)?;
    }
    if header.ended {
        return writeln!(out, "#EXT-X-ENDLIST");
    }
    if let Some((msn, part)) = header.hint {
        writeln!(out, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{}/{msn}.{part}.m4s\"", header.name)?;
    }
    if let Some((name, edge)) = header.report {
        write!(out, "#EXT-X-RENDITION-REPORT:URI=\"{name}.m3u8\",LAST-MSN={}", edge.msn)?;
        if let Some(part) = edge.part {
            write!(out, ",LAST-PART={part}")?;
        }
        out.push('\n');
    }
    Ok(())
}

fn write_segment(
    out: &mut String,
    name: &str,
    segment: &Segment,
    shows_init: bool,
    shows_parts: bool,
) -> std::fmt::Result {
    let msn = segment.msn;
    if segment.discontinuity {
        out.push_str("#EXT-X-DISCONTINUITY\n");
    }
    if shows_init {
        writeln!(out, "#EXT-X-MAP:URI=\"{name}/init-{}.mp4\"", segment.init)?;
    }
    writeln!(out, "#EXT-X-PROGRAM-DATE-TIME:{}", DateTime(segment.unix_nanos))?;
    let parts = if shows_parts { segment.listed_parts() } else { 0 };
    for (index, part) in segment.parts.iter().take(parts).enumerate() {
        write!(out, "#EXT-X-PART:DURATION={},URI=\"{name}/{msn}.{index}.m4s\"", Seconds(part.nanos))?;
        out.push_str(if part.independent { ",INDEPENDENT=YES\n" } else { "\n" });
    }
    if segment.ended {
        writeln!(out, "#EXTINF:{},\n{name}/{msn}.m4s", Seconds(segment.nanos))?;
    }
    Ok(())
}
