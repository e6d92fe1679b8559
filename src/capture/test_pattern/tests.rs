use super::*;

const PATIENCE: Duration = Duration::from_secs(5);

fn frame(capture: &mut Box<dyn Capture>) -> RawFrame {
    match capture.read(PATIENCE).expect("the test picture doesn't fail") {
        Some(Captured::Frame(frame)) => frame,
        other => panic!("{other:?}"),
    }
}

fn hd() -> TestVideo {
    TestVideo::new(Size { width: 1280, height: 720 }, FrameRate::new(30, 1).expect("a rate"))
}

fn flash_is_lit(frame: &RawFrame) -> bool {
    let (w, h) = (frame.width() as usize, frame.height() as usize);
    frame.plane(0)[FLASH_CENTRE.1 * h / 8 * w + FLASH_CENTRE.0 * w / 8] > 200
}

#[test]
fn frames_lie_on_the_grid_and_say_so_themselves() {
    let mut capture = hd().open().expect("opens");
    let first = frame(&mut capture);
    let number = |frame: &RawFrame| Strip::read(frame.plane(0), 1280, (1280, 720)).expect("a strip").frame;
    let mut wall_clock_right = 0;
    for step in 1..=10 {
        let next = frame(&mut capture);
        assert!(MonoTime::now() >= next.captured(), "a frame came before its time");
        let index = index_at_or_after(FrameRate::new(30, 1).expect("a rate"), next.captured());
        assert_eq!(next.captured().ticks(Timescale::VIDEO), index * 3_000);
        assert!(number(&next) >= number(&first) + step);
        assert_eq!(
            i64::from(number(&next) - number(&first)) * 3_000,
            next.captured().ticks(Timescale::VIDEO) - first.captured().ticks(Timescale::VIDEO)
        );
        let wall = Epoch::now().unix_nanos_at(next.captured()) / 1_000_000;
        let burnt = Strip::read(next.plane(0), 1280, (1280, 720)).expect("a strip").unix_ms;
        wall_clock_right += usize::from((wall as u32).wrapping_sub(burnt).wrapping_add(2) < 5);
    }
    // Two clocks are read one after the other: on a busy machine something may come between.
    assert!(wall_clock_right >= 7, "{wall_clock_right} of 10");
}

#[test]
fn the_flash_is_lit_in_just_the_frames_that_beep() {
    let mut capture =
        TestVideo::new(Size { width: 320, height: 180 }, FrameRate::new(50, 1).expect("a rate")).open().expect("opens");
    let lit = (0..50)
        .filter(|_| {
            let frame = frame(&mut capture);
            assert_eq!(flash_is_lit(&frame), frame.captured().as_nanos() % SECOND_NANOS < BEEP_NANOS);
            flash_is_lit(&frame)
        })
        .count();
    assert!((1..=15).contains(&lit), "{lit}");
}

#[test]
fn a_short_timeout_returns_nothing_and_loses_nothing() {
    let mut capture =
        TestVideo::new(Size { width: 64, height: 48 }, FrameRate::new(5, 1).expect("a rate")).open().expect("opens");
    let first = frame(&mut capture);
    let mut waits = 0;
    let second = loop {
        match capture.read(Duration::from_millis(10)).expect("reads") {
            Some(Captured::Frame(frame)) => break frame,
            Some(other) => panic!("{other:?}"),
            None => waits += 1,
        }
    };
    assert!(waits >= 5);
    let apart = second.captured().nanos_since(first.captured());
    assert!(apart > 0 && apart % 200_000_000 == 0, "{apart}");
}

#[test]
fn the_picture_has_bars_text_and_a_moving_block() {
    let size = Size { width: 1280, height: 720 };
    let mut drawing = Drawing::new(size).expect("a size");
    let mut picture = |running_ms: i64| {
        let mut buffer = vec![0; drawing.len()];
        let moment = Moment { running_ms, flash: false, strip: Strip::new(0, 7) };
        drawing.draw(&moment, &mut buffer);
        buffer
    };
    let (one, two) = (picture(61_001), picture(61_500));
    let rows = |picture: &[u8], from: usize, to: usize| picture[from * 1280..to * 1280].to_vec();
    assert_eq!(rows(&one, 0, 360), rows(&two, 0, 360), "the bars stand still");
    assert_ne!(rows(&one, 360, 450), rows(&two, 360, 450), "the block moves");
    assert_ne!(rows(&one, 450, 630), rows(&two, 450, 630), "time runs");
    let levels: Vec<u8> = (0..7).map(|bar| one[100 * 1280 + bar * 1280 / 7 + 90]).collect();
    assert!(levels.windows(2).all(|pair| pair[0] > pair[1]), "{levels:?} falls from white to blue");
}

#[test]
fn blocks_of_sound_follow_each_other_on_the_grid() {
    let mut capture = TestAudio::new(2).open().expect("opens");
    let mut next = None;
    for _ in 0..20 {
        let Some(Captured::Pcm(block)) = capture.read(PATIENCE).expect("reads") else { panic!("no block") };
        assert_eq!((block.frames(), block.channels, block.rate_hz), (480, 2, 48_000));
        assert_eq!(block.captured.as_nanos() % BLOCK_NANOS, 0);
        assert!(MonoTime::now().nanos_since(block.captured) >= BLOCK_NANOS);
        if let Some(next) = next {
            assert_eq!(block.captured, next);
        }
        next = Some(block.captured.plus_nanos(BLOCK_NANOS));
        assert!(block.samples.chunks_exact(2).all(|pair| pair[0] == pair[1]));
    }
}

#[test]
fn a_size_that_no_picture_has_is_refused_in_words() {
    let odd = TestVideo::new(Size { width: 641, height: 480 }, FrameRate::new(30, 1).expect("a rate")).open();
    assert!(odd.err().expect("refused").to_string().contains("641x480"));
}

#[test]
fn buffers_go_round() {
    let mut capture = hd().open().expect("opens");
    let addresses: std::collections::BTreeSet<usize> =
        (0..12).map(|_| frame(&mut capture).buffer().bytes().as_ptr() as usize).collect();
    assert!(addresses.len() <= 3, "{} buffers for one frame at a time", addresses.len());
}
