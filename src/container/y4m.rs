//! YUV4MPEG2 ("y4m"), what `ffmpeg -f yuv4mpegpipe` writes, sans-IO: a header line, then for each
//! frame a line and its planes.
//!
//! 8-bit 4:2:0 only; other formats are refused by name. Interlacing and aspect ratio are not read.

use crate::media::{MAX_DIMENSION, PixelFormat, RawFrame};
use crate::time::FrameRate;
use thiserror::Error;

/// Longest header or frame line, bytes; real ones have under a hundred.
const MAX_LINE_BYTES: usize = 1024;
const SIGNATURE: &str = "YUV4MPEG2";
const FRAME: &str = "FRAME";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Y4mHeader {
    /// Even, px.
    pub width: u32,
    pub height: u32,
    /// `None` when the header doesn't say.
    pub frame_rate: Option<FrameRate>,
}

impl Y4mHeader {
    /// Bytes of one frame, [`PixelFormat::I420`] without padding.
    pub fn frame_len(&self) -> usize {
        RawFrame::packed_len(self.width, self.height, PixelFormat::I420).unwrap_or(0)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Y4mEvent {
    Header(Y4mHeader),
    /// One picture: Y, U and V planes, [`Y4mHeader::frame_len`] bytes.
    Frame(Vec<u8>),
}

/// Final: what follows can't be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Y4mError {
    #[error("not YUV4MPEG2: begins with {begins:?}")]
    NotY4m { begins: String },
    #[error("a YUV4MPEG2 header that can't be read: {parameter:?}")]
    Header { parameter: String },
    #[error("a picture of {width}x{height}: even sizes from 2x2 to {MAX_DIMENSION}x{MAX_DIMENSION} can be handled")]
    Size { width: u32, height: u32 },
    #[error("YUV4MPEG2 colour space {name:?}: 8-bit 4:2:0 can be handled (ffmpeg: -pix_fmt yuv420p)")]
    ColourSpace { name: String },
    #[error("{FRAME:?} should stand where {found:?} does: bytes were lost")]
    NotFrame { found: String },
    #[error("a line of more than {MAX_LINE_BYTES} bytes")]
    LongLine,
}

/// Parses what is pushed. Holds one line and one frame, no more.
#[derive(Debug, Default)]
pub struct Y4mParser {
    header: Option<Y4mHeader>,
    line: Vec<u8>,
    /// The frame that is coming in.
    frame: Option<Vec<u8>>,
}

impl Y4mParser {
    pub fn new() -> Self {
        Self::default()
    }

    /// What the stream is, once its header has come.
    pub fn header(&self) -> Option<Y4mHeader> {
        self.header
    }

    /// Takes bytes off the front of `bytes` until something is complete; `None` when all are taken.
    pub fn push(&mut self, bytes: &mut &[u8]) -> Result<Option<Y4mEvent>, Y4mError> {
        loop {
            if let Some((mut frame, header)) = self.frame.take().zip(self.header) {
                let missing = header.frame_len().saturating_sub(frame.len());
                frame.extend_from_slice(take(bytes, missing));
                if frame.len() == header.frame_len() {
                    return Ok(Some(Y4mEvent::Frame(frame)));
                }
                self.frame = Some(frame);
                return Ok(None);
            }
            let Some(line) = self.line(bytes)? else { return Ok(None) };
            match self.header {
                None => {
                    let header = parse_header(&line)?;
                    self.header = Some(header);
                    return Ok(Some(Y4mEvent::Header(header)));
                }
                Some(header) if is_frame(&line) => self.frame = Some(Vec::with_capacity(header.frame_len())),
                Some(_) => return Err(Y4mError::NotFrame { found: shorten(&line) }),
            }
        }
    }

    /// The next line without its end, once it is complete.
    fn line(&mut self, bytes: &mut &[u8]) -> Result<Option<String>, Y4mError> {
        let end = bytes.iter().position(|&byte| byte == b'\n');
        let taken = take(bytes, end.map_or(bytes.len(), |end| end + 1));
        self.line.extend_from_slice(taken.get(..MAX_LINE_BYTES + 1).unwrap_or(taken));
        // Says so early: what is no Y4M may never have an end of line.
        let expected = if self.header.is_some() { FRAME } else { SIGNATURE };
        if !self.line.iter().zip(expected.bytes()).all(|(&got, want)| got == want) {
            let line = String::from_utf8_lossy(&self.line);
            return Err(match self.header {
                Some(_) => Y4mError::NotFrame { found: shorten(&line) },
                None => Y4mError::NotY4m { begins: shorten(&line) },
            });
        }
        if self.line.len() > MAX_LINE_BYTES {
            return Err(Y4mError::LongLine);
        }
        if end.is_none() {
            return Ok(None);
        }
        let line = String::from_utf8_lossy(&self.line).trim_end_matches('\n').to_owned();
        self.line.clear();
        Ok(Some(line))
    }
}

/// Takes at most `len` bytes off the front.
fn take<'a>(bytes: &mut &'a [u8], len: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(len.min(bytes.len()));
    *bytes = rest;
    taken
}

fn is_frame(line: &str) -> bool {
    line.strip_prefix(FRAME).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

fn parse_header(line: &str) -> Result<Y4mHeader, Y4mError> {
    let mut parameters = line.split(' ');
    if parameters.next() != Some(SIGNATURE) {
        return Err(Y4mError::NotY4m { begins: shorten(line) });
    }
    let (mut width, mut height, mut frame_rate) = (0, 0, None);
    for parameter in parameters.filter(|parameter| !parameter.is_empty()) {
        let bad = || Y4mError::Header { parameter: shorten(parameter) };
        let mut letters = parameter.chars();
        let letter = letters.next();
        let value = letters.as_str();
        match letter {
            Some('W') => width = value.parse().map_err(|_| bad())?,
            Some('H') => height = value.parse().map_err(|_| bad())?,
            Some('F') => {
                let (num, den) = value.split_once(':').ok_or_else(bad)?;
                // 0:0 stands for unknown.
                frame_rate = FrameRate::new(num.parse().map_err(|_| bad())?, den.parse().map_err(|_| bad())?);
            }
            // The names differ in where chroma is sited; nothing after them may make the samples larger.
            Some('C') if !matches!(value, "420" | "420jpeg" | "420mpeg2" | "420paldv") => {
                return Err(Y4mError::ColourSpace { name: shorten(value) });
            }
            _ => {}
        }
    }
    let fits = |side: u32| (2..=MAX_DIMENSION).contains(&side) && side.is_multiple_of(2);
    if !fits(width) || !fits(height) {
        return Err(Y4mError::Size { width, height });
    }
    Ok(Y4mHeader { width, height, frame_rate })
}

/// For error messages.
fn shorten(text: &str) -> String {
    text.chars().take(32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(stream: &[u8], chunk: usize) -> Result<Vec<Y4mEvent>, Y4mError> {
        let mut parser = Y4mParser::new();
        let mut events = Vec::new();
        for mut chunk in stream.chunks(chunk) {
            while let Some(event) = parser.push(&mut chunk)? {
                events.push(event);
            }
            assert!(chunk.is_empty(), "None means that all was taken");
        }
        Ok(events)
    }

    fn stream(frames: usize) -> Vec<u8> {
        let mut stream = b"YUV4MPEG2 W4 H2 F30000:1001 Ip A1:1 C420mpeg2 XYSCSS=420MPEG2\n".to_vec();
        for index in 0..frames {
            stream.extend_from_slice(if index % 2 == 0 { b"FRAME\n" } else { b"FRAME Ip\n" });
            stream.extend_from_slice(&[index as u8 + 10; 12]);
        }
        stream
    }

    #[test]
    fn a_header_and_frames() {
        let events = parse(&stream(2), usize::MAX).expect("y4m");
        let header = Y4mHeader { width: 4, height: 2, frame_rate: FrameRate::new(30_000, 1_001) };
        assert_eq!(events, [Y4mEvent::Header(header), Y4mEvent::Frame(vec![10; 12]), Y4mEvent::Frame(vec![11; 12])]);
    }

    #[test]
    fn what_ffmpeg_writes_is_read() {
        let made = std::process::Command::new("ffmpeg")
            .args(["-v", "error", "-f", "lavfi", "-i", "testsrc=size=64x48:rate=25", "-frames:v", "3"])
            .args(["-pix_fmt", "yuv420p", "-f", "yuv4mpegpipe", "pipe:1"])
            .output()
            .expect("ffmpeg is installed");
        let events = parse(&made.stdout, 1000).expect("y4m");
        let header = Y4mHeader { width: 64, height: 48, frame_rate: FrameRate::new(25, 1) };
        assert_eq!(events.first(), Some(&Y4mEvent::Header(header)));
        let lens: Vec<_> =
            events[1..].iter().map(|event| matches!(event, Y4mEvent::Frame(frame) if frame.len() == 4608)).collect();
        assert_eq!(lens, [true; 3]);
    }

    #[test]
    fn what_cannot_be_handled_is_refused_by_name() {
        let error = |header: &str| parse(header.as_bytes(), usize::MAX).expect_err(header);
        assert_eq!(error("RIFF"), Y4mError::NotY4m { begins: "RIFF".to_owned() });
        assert_eq!(error("YUV4MPEG2 W4 H2 C422\n"), Y4mError::ColourSpace { name: "422".to_owned() });
        assert_eq!(error("YUV4MPEG2 W4 H2 C420p10\n"), Y4mError::ColourSpace { name: "420p10".to_owned() });
        assert_eq!(error("YUV4MPEG2 W3 H2\n"), Y4mError::Size { width: 3, height: 2 });
        assert_eq!(error("YUV4MPEG2 W99999 H2\n"), Y4mError::Size { width: 99_999, height: 2 });
        assert_eq!(error("YUV4MPEG2 W4 Hx\n"), Y4mError::Header { parameter: "Hx".to_owned() });
        assert_eq!(error(&format!("YUV4MPEG2 {}", "X".repeat(2_000))), Y4mError::LongLine);
    }

    #[test]
    fn lost_bytes_are_seen_at_the_next_frame() {
        let mut bytes = stream(2);
        bytes.truncate(bytes.len() - 22);
        bytes.extend_from_slice(&stream(1)[..]);
        assert!(matches!(parse(&bytes, 7), Err(Y4mError::NotFrame { .. })));
    }

    #[test]
    fn a_program_that_prints_something_else_is_found_out_without_an_end_of_line() {
        assert!(matches!(parse(&[0; 100], 1), Err(Y4mError::NotY4m { .. })));
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same(frames in 0_usize..5, cut in 0_usize..60, chunk in 1_usize..40) {
            let mut bytes = stream(frames);
            bytes.truncate(bytes.len() - cut);
            prop_assert_eq!(parse(&bytes, chunk), parse(&bytes, usize::MAX));
        }

        #[test]
        fn any_bytes_are_survived(tail in proptest::collection::vec(any::<u8>(), 0..80), with_header in any::<bool>()) {
            let mut bytes = if with_header { stream(1) } else { b"YUV4MPEG2 W".to_vec() };
            bytes.extend_from_slice(&tail);
            let _ = parse(&bytes, 9);
        }
    }
}
