//! Offers as real devices make them (shortened), and what is taken.

use super::*;
use proptest::prelude::*;

fn size(text: &str) -> Size {
    let (width, height) = text.split_once('x').expect("WxH");
    Size { width: width.parse().expect("a number"), height: height.parse().expect("a number") }
}

fn rate(fps: u32) -> FrameRate {
    FrameRate::new(fps, 1).expect("not zero")
}

fn offer(fourcc: &[u8; 4], at: &str, fps: &[u32]) -> Offer {
    let rates = if fps.is_empty() { Rates::Unknown } else { Rates::List(fps.iter().map(|fps| rate(*fps)).collect()) };
    Offer { fourcc: FourCc(*fourcc), sizes: Sizes::One(size(at)), rates }
}

/// Logitech C920, first generation.
fn c920() -> Vec<Offer> {
    vec![
        offer(b"YUYV", "640x480", &[30, 24, 20, 15, 10, 5]),
        offer(b"YUYV", "1280x720", &[10, 5]),
        offer(b"YUYV", "1920x1080", &[5]),
        offer(b"H264", "1280x720", &[30, 24, 15]),
        offer(b"H264", "1920x1080", &[30, 24, 15]),
        offer(b"MJPG", "640x480", &[30, 24, 15]),
        offer(b"MJPG", "1280x720", &[30, 24, 15]),
        offer(b"MJPG", "1920x1080", &[30, 24, 15]),
    ]
}

/// A webcam of the cheapest kind.
fn cheap() -> Vec<Offer> {
    vec![offer(b"YUYV", "640x480", &[30]), offer(b"YUYV", "352x288", &[30]), offer(b"YUYV", "320x240", &[30])]
}

/// MacroSilicon MS2109, the chip in cheap HDMI dongles.
fn ms2109() -> Vec<Offer> {
    vec![
        offer(b"MJPG", "1920x1080", &[60, 30, 20, 10]),
        offer(b"MJPG", "1280x720", &[60, 50, 30, 20, 10]),
        offer(b"MJPG", "640x480", &[60, 50, 30, 20, 10]),
        offer(b"YUYV", "1920x1080", &[5]),
        offer(b"YUYV", "1280x720", &[10]),
        offer(b"YUYV", "640x480", &[20, 10, 5]),
    ]
}

/// vivid's webcam input.
fn vivid() -> Vec<Offer> {
    let mut offers = Vec::new();
    for fourcc in [b"YUYV", b"UYVY", b"NV12", b"RGB3", b"YU12"] {
        offers.push(offer(fourcc, "320x180", &[1, 2, 4, 5, 10, 15, 25, 30, 40, 50, 60]));
        offers.push(offer(fourcc, "640x360", &[1, 2, 4, 5, 10, 15, 25, 30, 40, 50]));
        offers.push(offer(fourcc, "1280x720", &[1, 2, 4, 5, 10, 15, 25, 30]));
        offers.push(offer(fourcc, "1920x1080", &[1, 2, 4, 5, 10, 15, 25]));
    }
    offers
}

/// TC358743 behind a CSI receiver: any size in words, the signal's in fact.
fn tc358743() -> Vec<Offer> {
    let steps = Sizes::Steps { min: size("16x16"), max: size("16376x16376"), step: size("1x1") };
    [b"RGB3", b"UYVY"].map(|code| Offer { fourcc: FourCc(*code), sizes: steps, rates: Rates::Unknown }).to_vec()
}

#[test]
fn the_choice_for_each_device_and_wish() {
    type Row = (&'static str, Vec<Offer>, Wanted, Option<(&'static [u8; 4], &'static str, Option<u32>)>);
    let none = Wanted::default();
    let sized = |at: &str, fps: Option<u32>| Wanted { size: Some(size(at)), frame_rate: fps.map(rate), format: None };
    let of = |format| Wanted { format: Some(format), ..none };
    let table: Vec<Row> = vec![
        ("C920", c920(), none, Some((b"MJPG", "1280x720", Some(30)))),
        ("C920 small", c920(), sized("640x480", None), Some((b"YUYV", "640x480", Some(30)))),
        ("C920 slow", c920(), sized("1280x720", Some(10)), Some((b"YUYV", "1280x720", Some(10)))),
        ("C920 as H.264", c920(), of(CameraFormat::H264), Some((b"H264", "1280x720", Some(30)))),
        ("C920 as YUYV", c920(), of(CameraFormat::Yuyv), Some((b"YUYV", "640x480", Some(30)))),
        ("C920 1080p", c920(), sized("1920x1080", Some(30)), Some((b"MJPG", "1920x1080", Some(30)))),
        ("C920 as NV12", c920(), of(CameraFormat::Nv12), None),
        ("cheap", cheap(), none, Some((b"YUYV", "640x480", Some(30)))),
        ("cheap, too much", cheap(), sized("1920x1080", Some(60)), Some((b"YUYV", "640x480", Some(30)))),
        ("MS2109", ms2109(), none, Some((b"MJPG", "1280x720", Some(30)))),
        ("MS2109 1080p60", ms2109(), sized("1920x1080", Some(60)), Some((b"MJPG", "1920x1080", Some(60)))),
        ("MS2109 at 25", ms2109(), sized("1280x720", Some(25)), Some((b"MJPG", "1280x720", Some(30)))),
        ("vivid", vivid(), none, Some((b"YU12", "1280x720", Some(30)))),
        ("vivid small", vivid(), sized("640x360", Some(15)), Some((b"YU12", "640x360", Some(15)))),
        ("TC358743", tc358743(), none, Some((b"UYVY", "1280x720", None))),
        ("TC358743 1080p", tc358743(), sized("1920x1080", None), Some((b"UYVY", "1920x1080", None))),
        ("H.264 alone", vec![offer(b"H264", "1920x1080", &[30])], none, Some((b"H264", "1920x1080", Some(30)))),
        ("gray alone", vec![offer(b"GREY", "640x480", &[30])], none, None),
        ("an odd size", vec![offer(b"YUYV", "641x480", &[30])], none, None),
        ("8K", vec![offer(b"NV12", "7680x4320", &[30])], none, None),
        ("nothing", vec![], none, None),
    ];
    for (name, offers, wanted, expected) in table {
        let choice = negotiate(&offers, &wanted);
        let expected = expected.map(|(code, at, fps)| (FourCc(*code), size(at), fps.map(rate)));
        assert_eq!(choice.map(|choice| (choice.fourcc, choice.size, choice.frame_rate)), expected, "{name}");
    }
}

#[test]
fn ntsc_rates_count_as_the_round_ones() {
    let ntsc = FrameRate::new(30_000, 1_001).expect("a rate");
    let offers = [
        Offer { fourcc: FourCc(*b"YUYV"), sizes: Sizes::One(USUAL_SIZE), rates: Rates::List(vec![ntsc]) },
        offer(b"MJPG", "1280x720", &[30]),
    ];
    let choice = negotiate(&offers, &Wanted::default()).expect("a choice");
    assert_eq!((choice.format, choice.frame_rate), (CameraFormat::Yuyv, Some(ntsc)));
}

#[test]
fn what_is_offered_can_be_read() {
    let uyvy = tc358743().remove(1);
    let offers = [offer(b"YUYV", "640x480", &[30, 15]), offer(b"YUYV", "1280x720", &[10]), uyvy];
    let listed = "yuyv 640x480, 1280x720; uyvy 16x16 to 16376x16376 (`capturebox devices` lists the frame rates)";
    assert_eq!(Listed(&offers).to_string(), listed);
    assert_eq!(offers[0].rates.to_string(), "30, 15");
    assert_eq!(Listed(&[]).to_string(), "nothing");
}

fn any_size() -> impl Strategy<Value = Size> {
    (0_u32..9000, 0_u32..9000).prop_map(|(width, height)| Size { width, height })
}

fn any_rate() -> impl Strategy<Value = FrameRate> {
    (1_u32.., 1_u32..).prop_filter_map("not zero", |(num, den)| FrameRate::new(num, den))
}

proptest! {
    #[test]
    fn whatever_a_driver_says_the_choice_is_usable(
        sizes in proptest::collection::vec((any_size(), any_size(), any_size(), any::<bool>()), 0..6),
        rates in proptest::collection::vec(any_rate(), 1..4),
        wanted_size in proptest::option::of(any_size()),
        wanted_rate in proptest::option::of(any_rate()),
    ) {
        let offers: Vec<Offer> = sizes.into_iter().map(|(min, max, step, one)| Offer {
            fourcc: FourCc(*b"YUYV"),
            sizes: if one { Sizes::One(min) } else { Sizes::Steps { min, max, step } },
            rates: if one { Rates::List(rates.clone()) } else { Rates::Range { slowest: rates[0], fastest: rates[0] } },
        }).collect();
        let wanted = Wanted { size: wanted_size, frame_rate: wanted_rate, format: None };
        if let Some(choice) = negotiate(&offers, &wanted) {
            for side in [choice.size.width, choice.size.height] {
                prop_assert!(side % 2 == 0 && (2..=MAX_DIMENSION).contains(&side));
            }
        }
    }
}
