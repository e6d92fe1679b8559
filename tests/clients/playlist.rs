//! A strict reader of what our server writes: RFC 8216bis media and multivariant playlists. Unknown
//! tags, attributes given twice and misplaced tags are failures here, where a player would look away.

use std::collections::BTreeMap;

pub type Attributes = BTreeMap<String, String>;

#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    pub uri: String,
    pub duration: f64,
    pub independent: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    pub uri: String,
    pub duration: f64,
    /// What EXT-X-PROGRAM-DATE-TIME says, if it stands here, in seconds since 1970.
    pub date: Option<f64>,
    pub discontinuity: bool,
    pub map: String,
    pub parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    pub uri: String,
    pub last_msn: u64,
    pub last_part: u64,
}

#[derive(Debug, Clone, Default)]
pub struct Media {
    pub version: u64,
    pub target_duration: u64,
    pub part_target: f64,
    pub control: Attributes,
    pub media_sequence: u64,
    pub discontinuity_sequence: u64,
    /// SKIPPED-SEGMENTS of a delta update.
    pub skipped: u64,
    pub segments: Vec<Segment>,
    /// Parts of the segment that is still being made.
    pub open_parts: Vec<Part>,
    pub hint: Option<String>,
    pub reports: Vec<Report>,
    pub ended: bool,
}

impl Media {
    /// The media sequence number of the first segment that stands in the text.
    pub fn first_msn(&self) -> u64 {
        self.media_sequence + self.skipped
    }

    /// The media sequence number of the segment that is being made.
    pub fn open_msn(&self) -> u64 {
        self.first_msn() + self.segments.len() as u64
    }

    pub fn seconds(&self, attribute: &str) -> f64 {
        let value = self.control.get(attribute).unwrap_or_else(|| panic!("EXT-X-SERVER-CONTROL lacks {attribute}"));
        value.parse().unwrap_or_else(|_| panic!("{attribute}={value}"))
    }

    /// Every part in the text with its place: media sequence number, index within the segment.
    pub fn parts(&self) -> impl Iterator<Item = ((u64, u64), &Part)> {
        let closed = self.segments.iter().map(|segment| &segment.parts);
        let all = closed.chain(std::iter::once(&self.open_parts));
        all.zip(self.first_msn()..)
            .flat_map(|(parts, msn)| parts.iter().zip(0..).map(move |(part, index)| ((msn, index), part)))
    }

    pub fn parse(text: &str) -> Self {
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("#EXTM3U"), "{text}");
        let mut media = Self::default();
        let (mut map, mut date, mut discontinuity, mut duration) = (String::new(), None, false, None);
        let mut header = true;
        for line in lines.filter(|line| !line.is_empty()) {
            let (tag, value) = line.split_once(':').unwrap_or((line, ""));
            let in_header = matches!(
                tag,
                "#EXT-X-VERSION"
                    | "#EXT-X-TARGETDURATION"
                    | "#EXT-X-SERVER-CONTROL"
                    | "#EXT-X-PART-INF"
                    | "#EXT-X-MEDIA-SEQUENCE"
                    | "#EXT-X-DISCONTINUITY-SEQUENCE"
                    | "#EXT-X-SKIP"
                    | "#EXT-X-INDEPENDENT-SEGMENTS"
            );
            header &= in_header;
            assert!(header || !in_header, "{tag} stands after the first segment:\n{text}");
            match tag {
                "#EXT-X-VERSION" => media.version = number(value),
                "#EXT-X-TARGETDURATION" => media.target_duration = number(value),
                "#EXT-X-SERVER-CONTROL" => media.control = attributes(value),
                "#EXT-X-PART-INF" => media.part_target = attributes(value)["PART-TARGET"].parse().expect(line),
                "#EXT-X-MEDIA-SEQUENCE" => media.media_sequence = number(value),
                "#EXT-X-DISCONTINUITY-SEQUENCE" => media.discontinuity_sequence = number(value),
                "#EXT-X-INDEPENDENT-SEGMENTS" => {}
                "#EXT-X-SKIP" => media.skipped = number(&attributes(value)["SKIPPED-SEGMENTS"]),
                "#EXT-X-MAP" => map = unquote(&attributes(value)["URI"]),
                "#EXT-X-PROGRAM-DATE-TIME" => date = Some(parse_date(value)),
                "#EXT-X-DISCONTINUITY" => discontinuity = true,
                "#EXT-X-PART" => media.open_parts.push(part(&attributes(value))),
                "#EXT-X-PRELOAD-HINT" => {
                    let hint = attributes(value);
                    assert_eq!(hint["TYPE"], "PART", "{line}");
                    assert!(media.hint.replace(unquote(&hint["URI"])).is_none(), "two hints:\n{text}");
                }
                "#EXT-X-RENDITION-REPORT" => media.reports.push(report(&attributes(value))),
                "#EXT-X-ENDLIST" => media.ended = true,
                "#EXTINF" => duration = Some(value.trim_end_matches(',').parse().expect(line)),
                _ if !line.starts_with('#') => media.segments.push(Segment {
                    uri: line.to_owned(),
                    duration: duration.take().unwrap_or_else(|| panic!("{line} has no EXTINF:\n{text}")),
                    date: date.take(),
                    discontinuity: std::mem::take(&mut discontinuity),
                    map: map.clone(),
                    parts: std::mem::take(&mut media.open_parts),
                }),
                _ => panic!("unknown line {line:?}"),
            }
        }
        media
    }
}

/// A multivariant playlist: its renditions (EXT-X-MEDIA) and its variants with their URIs.
#[derive(Debug)]
pub struct Multivariant {
    pub media: Vec<Attributes>,
    pub variants: Vec<(Attributes, String)>,
}

impl Multivariant {
    pub fn parse(text: &str) -> Self {
        let mut lines = text.lines().filter(|line| !line.is_empty());
        assert_eq!(lines.next(), Some("#EXTM3U"), "{text}");
        let (mut media, mut variants) = (Vec::new(), Vec::new());
        while let Some(line) = lines.next() {
            match line.split_once(':').unwrap_or((line, "")) {
                ("#EXT-X-VERSION" | "#EXT-X-INDEPENDENT-SEGMENTS", _) => {}
                ("#EXT-X-MEDIA", value) => media.push(attributes(value)),
                ("#EXT-X-STREAM-INF", value) => {
                    let uri = lines.next().filter(|line| !line.starts_with('#'));
                    variants.push((attributes(value), uri.expect("a URI after EXT-X-STREAM-INF").to_owned()));
                }
                _ => panic!("unknown line {line:?}"),
            }
        }
        Self { media, variants }
    }

    /// The URIs of all media playlists.
    pub fn uris(&self) -> Vec<String> {
        let variants = self.variants.iter().map(|(_, uri)| uri.clone());
        variants.chain(self.media.iter().filter_map(|media| media.get("URI")).map(|uri| unquote(uri))).collect()
    }
}

/// `A=1,B="x,y"`; values keep their quotes, so that a test sees whether they are there.
pub fn attributes(list: &str) -> Attributes {
    let mut attributes = Attributes::new();
    let mut rest = list;
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=').unwrap_or_else(|| panic!("no value in {list:?}"));
        let end = match after.strip_prefix('"') {
            Some(quoted) => quoted.find('"').unwrap_or_else(|| panic!("an open quote in {list:?}")) + 2,
            None => after.find(',').unwrap_or(after.len()),
        };
        let (value, after) = after.split_at(end);
        assert!(attributes.insert(name.to_owned(), value.to_owned()).is_none(), "{name} twice in {list:?}");
        rest = after.strip_prefix(',').unwrap_or(after);
    }
    attributes
}

pub fn unquote(value: &str) -> String {
    let inner = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    inner.unwrap_or_else(|| panic!("{value} is not quoted")).to_owned()
}

fn number(value: &str) -> u64 {
    value.parse().unwrap_or_else(|_| panic!("{value:?} is not a whole number"))
}

fn part(attributes: &Attributes) -> Part {
    Part {
        uri: unquote(&attributes["URI"]),
        duration: attributes["DURATION"].parse().expect("a part's DURATION is a number"),
        independent: attributes.get("INDEPENDENT").is_some_and(|value| value == "YES"),
    }
}

fn report(attributes: &Attributes) -> Report {
    Report {
        uri: unquote(&attributes["URI"]),
        last_msn: number(&attributes["LAST-MSN"]),
        last_part: number(&attributes["LAST-PART"]),
    }
}

/// `2026-11-21T09:59:27.123Z` in seconds since 1970.
fn parse_date(text: &str) -> f64 {
    let digits = |range: std::ops::Range<usize>| -> i64 {
        text.get(range).and_then(|digits| digits.parse().ok()).unwrap_or_else(|| panic!("no date: {text:?}"))
    };
    let seconds = text.get(17..).and_then(|rest| rest.strip_suffix('Z')).and_then(|rest| rest.parse::<f64>().ok());
    let seconds = seconds.unwrap_or_else(|| panic!("not UTC: {text:?}"));
    let (year, month, day) = (digits(0..4), digits(5..7), digits(8..10));
    // Days since 1970 of the proleptic Gregorian calendar, with years that start in March.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    (days * 86_400 + digits(11..13) * 3_600 + digits(14..16) * 60) as f64 + seconds
}

#[test]
fn dates_are_read_right() {
    assert_eq!(parse_date("1970-01-01T00:00:00.000Z"), 0.0);
    assert_eq!(parse_date("2026-11-21T09:59:27.250Z"), 1_795_255_167.25);
    assert_eq!(parse_date("2024-02-29T00:00:00Z"), 1_709_164_800.0);
}
