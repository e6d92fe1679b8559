//! As much of a playlist as a viewer needs to go on.

use crate::Result;

/// A part, named by its segment and its place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartId {
    pub msn: u64,
    pub part: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Part<'a> {
    pub id: PartId,
    pub uri: &'a str,
    /// When its last frame ended, ms since 1970.
    pub end_ms: f64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Playlist<'a> {
    pub parts: Vec<Part<'a>>,
    pub hint: Option<&'a str>,
    /// What comes after the last part.
    pub next: PartId,
}

pub fn parse(text: &str) -> Result<Playlist<'_>> {
    let (mut msn, mut part, mut clock_ms) = (None, 0_u32, None);
    let mut playlist = Playlist { parts: Vec::new(), hint: None, next: PartId { msn: 0, part: 0 } };
    for line in text.lines() {
        let (tag, value) = line.split_once(':').unwrap_or((line, ""));
        match tag {
            "#EXT-X-MEDIA-SEQUENCE" => msn = Some(value.parse::<u64>()?),
            "#EXT-X-SKIP" => {
                let skipped: u64 = attribute(value, "SKIPPED-SEGMENTS").ok_or("a skip of nothing")?.parse()?;
                msn = msn.map(|msn| msn + skipped);
            }
            "#EXT-X-PROGRAM-DATE-TIME" => clock_ms = Some(unix_ms(value).ok_or("a bad date")?),
            "#EXT-X-PART" => {
                let duration_s: f64 = attribute(value, "DURATION").ok_or("a part without duration")?.parse()?;
                let uri = attribute(value, "URI").ok_or("a part without URI")?;
                let (Some(msn), Some(start_ms)) = (msn, clock_ms) else {
                    return Err("a part without sequence or date".into());
                };
                let end_ms = start_ms + duration_s * 1_000.0;
                clock_ms = Some(end_ms);
                playlist.parts.push(Part { id: PartId { msn, part }, uri, end_ms });
                part += 1;
            }
            "#EXT-X-PRELOAD-HINT" => playlist.hint = attribute(value, "URI"),
            "#EXT-X-ENDLIST" => return Err("the stream has ended".into()),
            _ if !line.is_empty() && !line.starts_with('#') => {
                msn = msn.map(|msn| msn + 1);
                part = 0;
            }
            _ => {}
        }
    }
    playlist.next = PartId { msn: msn.ok_or("no media playlist")?, part };
    Ok(playlist)
}

/// The media playlists of a multivariant playlist.
pub fn renditions(text: &str) -> Vec<&str> {
    let media = text.lines().filter_map(|line| attribute(line.strip_prefix("#EXT-X-MEDIA:")?, "URI"));
    let variants = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).take(1);
    variants.chain(media).collect()
}

fn attribute<'a>(list: &'a str, name: &str) -> Option<&'a str> {
    let mut from = 0;
    loop {
        let at = list[from..].find(name)? + from;
        from = at + name.len();
        let starts = at == 0 || list.as_bytes()[at - 1] == b',';
        if let (true, Some(value)) = (starts, list[from..].strip_prefix('=')) {
            return match value.strip_prefix('"') {
                Some(quoted) => quoted.split('"').next(),
                None => value.split(',').next(),
            };
        }
    }
}

/// `2026-11-21T10:00:00.123Z` as ms since 1970.
fn unix_ms(date: &str) -> Option<f64> {
    let (seconds, fraction) = date.strip_suffix('Z')?.split_once('.')?;
    let whole = unix_s(seconds)?;
    let fraction: f64 = format!("0.{fraction}").parse().ok()?;
    Some(whole as f64 * 1_000.0 + fraction * 1_000.0)
}

/// Days by the civil calendar, after the usual shift of the year's start to March.
fn unix_s(text: &str) -> Option<i64> {
    let numbers: Vec<i64> = text.split(['-', 'T', ':']).map(|number| number.parse().ok()).collect::<Option<_>>()?;
    let [year, month, day, hour, minute, second] = numbers.try_into().ok()?;
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}
