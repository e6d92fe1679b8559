use super::*;
use crate::config::Size;
use crate::media::{AccessUnit, Codec, PcmBlock, RawFrame, Track};
use crate::time::Timescale;
use proptest::prelude::*;
use std::sync::Arc;

const SMALL: Size = Size { width: 64, height: 48 };
const SMALL_LEN: usize = 64 * 48 * 3 / 2;
const TICK: Duration = Duration::from_millis(20);

fn rate(fps: u32) -> FrameRate {
    FrameRate::new(fps, 1).expect("a rate")
}

fn shell(script: &str) -> Vec<String> {
    ["sh", "-c", script].map(str::to_owned).to_vec()
}

fn ffmpeg(arguments: &str) -> Vec<String> {
    ["ffmpeg", "-v", "error", "-nostdin"].into_iter().chain(arguments.split(' ')).map(str::to_owned).collect()
}

fn i420(fps: u32) -> VideoCommandFormat {
    VideoCommandFormat::I420 { size: SMALL, frame_rate: rate(fps) }
}

/// Everything until the error; fails after 30 s.
fn drain(capture: &mut dyn Capture) -> (Vec<Captured>, CaptureError) {
    let start = MonoTime::now();
    let mut all = Vec::new();
    loop {
        match capture.read(TICK) {
            Ok(captured) => all.extend(captured),
            Err(error) => return (all, error),
        }
        assert!(MonoTime::now().nanos_since(start) < 30_000_000_000, "never ends");
    }
}

fn take(capture: &mut dyn Capture, count: usize) -> Vec<Captured> {
    let start = MonoTime::now();
    let mut all = Vec::new();
    while all.len() < count {
        all.extend(capture.read(TICK).expect("goes on"));
        assert!(MonoTime::now().nanos_since(start) < 30_000_000_000, "comes too slowly");
    }
    all
}

fn frames(all: Vec<Captured>) -> Vec<RawFrame> {
    all.into_iter()
        .map(|captured| match captured {
            Captured::Frame(frame) => frame,
            other => panic!("{other:?}"),
        })
        .collect()
}

fn units(all: Vec<Captured>) -> Vec<(Arc<Track>, AccessUnit)> {
    all.into_iter()
        .map(|captured| match captured {
            Captured::Unit { track, unit } => (track, unit),
            other => panic!("{other:?}"),
        })
        .collect()
}

fn blocks(all: Vec<Captured>) -> Vec<PcmBlock> {
    all.into_iter()
        .map(|captured| match captured {
            Captured::Pcm(block) => block,
            other => panic!("{other:?}"),
        })
        .collect()
}

/// Whether a process is gone, or dead and only waits for its parent to look.
fn is_gone(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_none_or(|rest| rest.is_empty() || rest.starts_with('Z'))
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = MonoTime::now();
    while !done() {
        assert!(MonoTime::now().nanos_since(start) < 5_000_000_000, "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn a_program_that_runs_ahead_is_paced_on_an_exact_grid() {
    let mut capture = CommandVideo::new(shell("cat /dev/zero"), i420(50)).open().expect("starts");
    let mut got = Vec::new();
    while got.len() < 30 {
        if let Some(Captured::Frame(frame)) = capture.read(TICK).expect("goes on") {
            assert!(frame.captured() <= MonoTime::now(), "handed out before its time");
            got.push(frame);
        }
    }
    for (index, frame) in (0..).zip(&got) {
        assert_eq!(frame.captured().nanos_since(got[0].captured()), index * 20_000_000);
    }
    assert_eq!(capture.frame_rate(), Some(rate(50)));
}

#[test]
fn the_formats_have_their_lengths() {
    for (format, len) in [
        (i420(100), SMALL_LEN),
        (VideoCommandFormat::Nv12 { size: SMALL, frame_rate: rate(100) }, SMALL_LEN),
        (VideoCommandFormat::Yuyv { size: SMALL, frame_rate: rate(100) }, 64 * 48 * 2),
    ] {
        let command = shell(&format!("head -c {} /dev/zero", 2 * len + len / 2));
        let (all, _) = drain(&mut *CommandVideo::new(command, format).open().expect("starts"));
        assert_eq!(all.len(), 2, "{format:?}: what is cut off is no picture");
    }
}

#[test]
fn a_program_that_ends_says_how_and_why() {
    let (all, error) = drain(
        &mut *CommandVideo::new(shell("echo starting >&2; echo no camera found >&2; exit 3"), i420(30))
            .open()
            .expect("starts"),
    );
    assert!(all.is_empty());
    assert_eq!(error.to_string(), "sh ended (exit status: 3; its last words: no camera found)");
}

#[test]
fn what_was_written_before_the_end_is_handed_out_first() {
    let command = shell(&format!("head -c {} /dev/zero", 10 * SMALL_LEN));
    let (all, error) = drain(&mut *CommandVideo::new(command, i420(100)).open().expect("starts"));
    assert_eq!(all.len(), 10);
    assert!(matches!(error, CaptureError::Exited { .. }), "{error}");
}

#[test]
fn a_missing_or_empty_program_is_named() {
    let missing = vec!["/nowhere/to-be-found".to_owned()];
    let error = CommandVideo::new(missing, i420(30)).open().err().expect("can't start");
    assert!(matches!(&error, CaptureError::Spawn { program, .. } if program == "/nowhere/to-be-found"), "{error}");
    let error = CommandAudio::new(vec![], AudioCommandFormat::S16le { rate_hz: 48_000, channels: 2 }).open().err();
    assert!(matches!(error, Some(CaptureError::Spawn { .. })));
}

#[test]
fn a_program_that_hangs_is_given_up() {
    let format = raw::Raw::new(PixelFormat::I420, SMALL, rate(30)).expect("a size");
    let mut running = Running::start(&shell("sleep 1000"), format).expect("starts");
    running.child.set_silence_limit(Duration::from_millis(200));
    let (all, error) = drain(&mut running);
    assert!(all.is_empty());
    assert!(matches!(&error, CaptureError::BadData { device, .. } if device == "sh"), "{error}");
}

#[test]
fn a_program_that_ignores_signals_is_killed_with_all_its_own() {
    let format = pcm::Pcm::new(8_000, 1).expect("a rate");
    let script = "trap '' TERM; sleep 1000 & echo $!; exec 1>&-; while :; do sleep 1000; done";
    let mut running = Running::start(&shell(script), format).expect("starts");
    let mut said = [0; 100];
    let mut number = String::new();
    until("says its child's number", || {
        if let Ok(Heard::Bytes(len)) = running.child.read(&mut said, TICK) {
            number.push_str(std::str::from_utf8(&said[..len]).expect("a number"));
        }
        number.ends_with('\n')
    });
    let (leader, grandchild) = (running.child.id(), number.trim().parse().expect("a number"));
    assert!(!is_gone(leader) && !is_gone(grandchild));
    drop(running);
    assert!(!std::path::Path::new(&format!("/proc/{leader}")).exists(), "reaped");
    until("the grandchild dies", || is_gone(grandchild));
}

#[test]
fn a_program_that_is_asked_to_end_may_clean_up() {
    let directory = std::env::temp_dir().join(format!("capturebox-command-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a temporary directory");
    let mark = directory.join("ended");
    // It says goodbye on both pipes, more than they hold, before it cleans up.
    let goodbye = "head -c 200000 /dev/zero; head -c 200000 /dev/zero >&2";
    let script = format!("trap '{goodbye}; touch {}; exit' TERM; echo; while :; do sleep 0.01; done", mark.display());
    let mut running = Running::start(&shell(&script), pcm::Pcm::new(8_000, 1).expect("a rate")).expect("starts");
    until("its trap is set", || running.child.read(&mut [0; 10], TICK).expect("runs") == Heard::Bytes(1));
    drop(running);
    assert!(mark.exists());
    std::fs::remove_dir_all(directory).expect("removed");
}

#[test]
fn a_flood_on_standard_error_blocks_nothing() {
    let script = format!("head -c 3000000 /dev/zero | tr '\\0' 'e' >&2; head -c {SMALL_LEN} /dev/zero");
    let (all, error) = drain(&mut *CommandVideo::new(shell(&script), i420(30)).open().expect("starts"));
    assert_eq!(all.len(), 1);
    assert!(error.to_string().len() < 1_000);
}

#[test]
fn y4m_says_its_size_and_rate() {
    let command = ffmpeg("-f lavfi -i testsrc=size=64x48:rate=100:duration=0.2 -pix_fmt yuv420p -f yuv4mpegpipe -");
    let mut capture = CommandVideo::new(command, VideoCommandFormat::Y4m).open().expect("starts");
    let (all, error) = drain(&mut *capture);
    assert_eq!(capture.frame_rate(), Some(rate(100)));
    let frames = frames(all);
    assert_eq!(frames.len(), 20, "{error}");
    assert_eq!((frames[0].width(), frames[0].height(), frames[0].format()), (64, 48, PixelFormat::I420));
    assert_eq!(frames[19].captured().nanos_since(frames[0].captured()), 190_000_000);
}

#[test]
fn garbage_is_named() {
    for (format, words) in [
        (VideoCommandFormat::Y4m, "yes: wrote bad Y4M: not YUV4MPEG2"),
        (VideoCommandFormat::H264 { frame_rate: None }, "yes: wrote no H.264 picture in 16 MiB"),
        (VideoCommandFormat::MpegTs, "yes: wrote no MPEG-TS with H.264 in 8 MiB"),
    ] {
        let (all, error) = drain(&mut *CommandVideo::new(vec!["yes".into()], format).open().expect("starts"));
        assert!(all.is_empty());
        assert!(error.to_string().starts_with(words), "{error}");
    }
}

#[test]
fn sound_that_runs_ahead_is_paced_without_a_gap() {
    let command = ffmpeg("-f lavfi -i sine=frequency=440:sample_rate=48000:duration=0.5 -ac 2 -f s16le -");
    let format = AudioCommandFormat::S16le { rate_hz: 48_000, channels: 2 };
    let start = MonoTime::now();
    let (all, _) = drain(&mut *CommandAudio::new(command, format).open().expect("starts"));
    let took = MonoTime::now().nanos_since(start);
    let blocks = blocks(all);
    assert_eq!(blocks.len(), 50);
    assert!(took >= 480_000_000, "in real time: {took} ns");
    for (index, block) in (0..).zip(&blocks) {
        assert_eq!((block.frames(), block.channels), (480, 2));
        assert_eq!(block.captured.nanos_since(blocks[0].captured), index * 10_000_000);
    }
    assert!(blocks.iter().all(|block| block.samples.iter().any(|&sample| sample.unsigned_abs() > 1_000)));
}

/// Plays a recording as fast as it can be read: no encoder whose speed could matter.
fn cat(name: &str) -> Vec<String> {
    vec!["cat".into(), format!("{}/tests/vectors/{name}", env!("CARGO_MANIFEST_DIR"))]
}

#[test]
fn h264_without_timestamps_gets_them_from_its_rate() {
    let format = VideoCommandFormat::H264 { frame_rate: Some(rate(7)) };
    let start = MonoTime::now();
    let (all, error) = drain(&mut *CommandVideo::new(cat("slices.h264"), format).open().expect("starts"));
    assert!(MonoTime::now().nanos_since(start) > 700_000_000, "in real time");
    let units = units(all);
    assert_eq!(units.len(), 20, "{error}");
    let (track, first) = &units[0];
    let Codec::H264(params) = &track.codec else { panic!("{track:?}") };
    assert_eq!((params.width, params.height, params.frame_rate), (96, 64, Some(rate(25))), "the stream says it");
    assert!(first.keyframe);
    for (index, (other, unit)) in (0..).zip(&units) {
        assert!(Arc::ptr_eq(track, other));
        assert_eq!((unit.dts, unit.pts, unit.duration), (first.dts + index * 3_600, unit.dts, 3_600));
        assert_eq!(unit.keyframe, index % 10 == 0);
    }
}

#[test]
fn h264_whose_order_is_unknown_is_refused() {
    let format = VideoCommandFormat::H264 { frame_rate: None };
    let (_, error) = drain(&mut *CommandVideo::new(cat("bframes.h264"), format).open().expect("starts"));
    assert!(error.to_string().contains("B-frames"), "{error}");
}

const TS: &str = "-f lavfi -i testsrc=size=128x96:rate=50:duration=0.6 -f lavfi -i sine=sample_rate=48000:duration=0.6 \
                  -c:v libx264 -pix_fmt yuv420p -bf 2 -b_strategy 0 -g 10 -c:a aac -f mpegts -";

#[test]
fn mpegts_keeps_picture_and_sound_in_step() {
    let start = MonoTime::now();
    let (all, error) = drain(&mut *CommandTs::new(cat("bframes.ts")).open().expect("starts"));
    assert!(matches!(error, CaptureError::Exited { .. }), "{error}");
    assert!(MonoTime::now().nanos_since(start) > 700_000_000, "in real time");
    let (video, audio): (Vec<_>, Vec<_>) = units(all).into_iter().partition(|(track, _)| track.id.is_video());
    assert_eq!(video.len(), 20);
    assert!(video[0].1.keyframe);
    assert!(video.windows(2).all(|pair| pair[1].1.dts == pair[0].1.dts + 3_600));
    assert!(audio.windows(2).all(|pair| pair[1].1.dts == pair[0].1.dts + 1_024), "sound without a gap");
    let mut shown: Vec<i64> = video.iter().map(|(_, unit)| unit.pts).collect();
    shown.sort_unstable();
    assert!(shown.windows(2).all(|pair| pair[1] == pair[0] + 3_600), "{shown:?}");
    // The encoder's priming of 1024 samples comes before the first picture.
    let first = |all: &[(Arc<Track>, AccessUnit)]| MonoTime::from_ticks(all[0].1.pts, all[0].0.timescale);
    let lead = first(&video).nanos_since(first(&audio));
    assert!((lead - 21_333_333).abs() < 1_000_000, "{lead}");
}

#[test]
fn one_kind_of_mpegts_can_be_taken() {
    let (all, _) = drain(&mut *CommandVideo::new(ffmpeg(TS), VideoCommandFormat::MpegTs).open().expect("starts"));
    assert!(all.len() == 30 && units(all).iter().all(|(track, _)| track.id.is_video()));
    let (all, _) = drain(&mut *CommandAudio::new(ffmpeg(TS), AudioCommandFormat::MpegTs).open().expect("starts"));
    assert!(all.len() >= 28 && units(all).iter().all(|(track, _)| !track.id.is_video()));
}

#[test]
fn mpegts_whose_timestamps_jump_back_goes_on() {
    let vector = format!("{}/tests/vectors/bframes.ts", env!("CARGO_MANIFEST_DIR"));
    // Behind the first pass, silence long enough to make the jump one of more than a second.
    let shifted = format!("ffmpeg -v error -nostdin -itsoffset 100 -i {vector} -c copy -copyts -f mpegts -");
    let (all, _) = drain(&mut *CommandTs::new(shell(&format!("{shifted}; cat {vector}"))).open().expect("starts"));
    let (video, audio): (Vec<_>, Vec<_>) = units(all).into_iter().partition(|(track, _)| track.id.is_video());
    assert_eq!(video.len(), 40);
    for track in [&video, &audio] {
        assert!(track.windows(2).all(|pair| pair[1].1.dts > pair[0].1.dts));
        let (first, last) = (&track[0], &track[track.len() - 1]);
        let took = MonoTime::from_ticks(last.1.dts, last.0.timescale)
            .nanos_since(MonoTime::from_ticks(first.1.dts, first.0.timescale));
        assert!(took < 4_000_000_000, "{took} ns");
    }
}

#[test]
fn a_live_program_is_stamped_when_its_frame_is_complete() {
    let script = format!("while :; do head -c {SMALL_LEN} /dev/zero; sleep 0.1; done");
    let mut capture = CommandVideo::new(shell(&script), i420(10)).open().expect("starts");
    for frame in frames(take(&mut *capture, 5)) {
        assert!(MonoTime::now().nanos_since(frame.captured()) < 1_000_000_000);
    }
}

/// Feeds all bytes at one time, in chunks of the given lengths, over and over.
fn feed(format: &mut impl Format, mut bytes: &[u8], chunks: &[usize]) -> (Vec<Captured>, Result<(), String>) {
    let now = MonoTime::from_millis(1_000);
    let mut held = Held::new(usize::MAX, usize::MAX);
    let mut result = Ok(());
    let mut lengths = chunks.iter().cycle();
    while result.is_ok() && !bytes.is_empty() {
        let space = format.space();
        let len = lengths.next().expect("not empty").min(&space.len()).min(&bytes.len()).to_owned().max(1);
        let (now_bytes, rest) = bytes.split_at(len);
        space[..len].copy_from_slice(now_bytes);
        bytes = rest;
        result = format.filled(len, now, &mut held);
    }
    format.finish(now, &mut held);
    let far = MonoTime::from_nanos(i64::MAX);
    (std::iter::from_fn(|| held.pop(far)).collect(), result)
}

/// What can be compared of captured things.
fn described(all: Vec<Captured>) -> Vec<(i64, Vec<u8>)> {
    all.into_iter()
        .map(|captured| match captured {
            Captured::Frame(frame) => (frame.captured().as_nanos(), frame.buffer().bytes().to_vec()),
            Captured::Pcm(block) => {
                (block.captured.as_nanos(), block.samples.iter().flat_map(|s| s.to_le_bytes()).collect())
            }
            Captured::Unit { unit, track } => {
                (unit.dts, [track.timescale.hz().to_be_bytes().as_slice(), &unit.data].concat())
            }
            Captured::End => panic!("a command has no end"),
        })
        .collect()
}

fn chunking_makes_no_difference<F: Format>(new: impl Fn() -> F, bytes: &[u8], chunks: &[usize]) {
    let (whole, whole_result) = feed(&mut new(), bytes, &[usize::MAX]);
    let (parts, parts_result) = feed(&mut new(), bytes, chunks);
    assert_eq!(described(whole), described(parts));
    // A complaint quotes what had come by then.
    assert_eq!(whole_result.is_ok(), parts_result.is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn raw_formats_take_any_chunks(
        bytes in proptest::collection::vec(any::<u8>(), 0..4_000),
        chunks in proptest::collection::vec(1_usize..700, 1..20),
    ) {
        let size = Size { width: 8, height: 6 };
        chunking_makes_no_difference(|| raw::Raw::new(PixelFormat::Nv12, size, rate(30)).expect("fits"), &bytes, &chunks);
        chunking_makes_no_difference(|| pcm::Pcm::new(8_000, 2).expect("fits"), &bytes, &chunks);
        chunking_makes_no_difference(raw::Y4m::new, &bytes, &chunks);
        let y4m = [b"YUV4MPEG2 W4 H2 F50:1\nFRAME\n".as_slice(), &bytes].concat();
        chunking_makes_no_difference(raw::Y4m::new, &y4m, &chunks);
        chunking_makes_no_difference(|| h264::H264::new(None), &bytes, &chunks);
        chunking_makes_no_difference(|| ts::Ts::new("test".into(), Kinds::Both), &bytes, &chunks);
    }
}

#[test]
fn encoded_formats_take_any_chunks() {
    let vector =
        |name: &str| std::fs::read(format!("{}/tests/vectors/{name}", env!("CARGO_MANIFEST_DIR"))).expect("a vector");
    for chunks in [[1, 1, 1], [187, 188, 189], [7, 4_000, 100]] {
        chunking_makes_no_difference(|| h264::H264::new(None), &vector("slices.h264"), &chunks);
        chunking_makes_no_difference(|| ts::Ts::new("test".into(), Kinds::Both), &vector("bframes.ts"), &chunks);
    }
    let (all, _) = feed(&mut h264::H264::new(None), &vector("slices.h264"), &[10_000]);
    assert_eq!(all.len(), 20);
}

#[test]
fn all_that_came_out_counts_in_its_own_time() {
    let mut pcm = pcm::Pcm::new(44_100, 2).expect("a rate");
    let (all, result) = feed(&mut pcm, &vec![1; 441 * 4 * 3 + 7], &[1_000]);
    assert_eq!(result, Ok(()));
    let starts: Vec<i64> = blocks(all).iter().map(|block| block.captured.ticks(Timescale::MILLIS)).collect();
    assert_eq!(starts, [990, 1_000, 1_010]);
}
