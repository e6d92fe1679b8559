//! The text of the multivariant playlist (RFC 8216bis §4.4.6): one variant, with its sound beside it.

use super::request::Session;
use super::window::Bandwidth;
use crate::codec::rfc6381;
use crate::media::{Codec, Track};
use crate::time::FrameRate;
use std::fmt::Write;

/// One rendition as the multivariant playlist names it.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub track: &'a Track,
    pub bandwidth: Bandwidth,
    pub frame_rate: FrameRate,
}

/// At least one of the two is given.
pub(super) fn write(
    session: Session,
    video: Option<&Entry<'_>>,
    audio: Option<&Entry<'_>>,
    independent: bool,
) -> String {
    let mut text = String::from("#EXTM3U\n#EXT-X-VERSION:9\n");
    if independent {
        text.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
    }
    // Writing to a string can't fail.
    let _ = write_variant(&mut text, session, video, audio);
    text
}

fn write_variant(
    out: &mut String,
    session: Session,
    video: Option<&Entry<'_>>,
    audio: Option<&Entry<'_>>,
) -> std::fmt::Result {
    if let (Some(_), Some(audio)) = (video, audio) {
        write_audio(out, session, audio.track)?;
    }
    let both = || video.into_iter().chain(audio);
    let peak_bps: u64 = both().map(|entry| entry.bandwidth.peak_bps).sum();
    let average_bps: u64 = both().map(|entry| entry.bandwidth.average_bps).sum();
    let codecs: Vec<String> = both().map(|entry| rfc6381(entry.track)).collect();
    write!(out, "#EXT-X-STREAM-INF:BANDWIDTH={peak_bps},AVERAGE-BANDWIDTH={average_bps}")?;
    write!(out, ",CODECS=\"{}\"", codecs.join(","))?;
    if let Some(video) = video {
        if let Codec::H264(params) = &video.track.codec {
            write!(out, ",RESOLUTION={}x{}", params.width, params.height)?;
        }
        let rate = video.frame_rate;
        let millis = (u64::from(rate.num()) * 1_000 + u64::from(rate.den()) / 2) / u64::from(rate.den());
        write!(out, ",FRAME-RATE={}.{:03}", millis / 1_000, millis % 1_000)?;
        out.push_str(",CLOSED-CAPTIONS=NONE");
        if audio.is_some() {
            out.push_str(",AUDIO=\"audio\"");
        }
    }
    let name = if video.is_some() { "video" } else { "audio" };
    writeln!(out, "\n{session}/{name}.m3u8")
}

fn write_audio(out: &mut String, session: Session, track: &Track) -> std::fmt::Result {
    write!(out, "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"Sound\",DEFAULT=YES,AUTOSELECT=YES")?;
    // A quoted-string can't hold these, and no language tag does.
    if let Some(language) = track.language.as_ref().filter(|tag| !tag.contains(['"', '\r', '\n'])) {
        write!(out, ",LANGUAGE=\"{language}\"")?;
    }
    if let Codec::Aac(params) = &track.codec {
        write!(out, ",CHANNELS=\"{}\"", params.channels)?;
    }
    writeln!(out, ",URI=\"{session}/audio.m3u8\"")
}
