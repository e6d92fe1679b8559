//! Streams that are published into, configured and made.

use super::tests::{box_with, end};
use super::*;
use crate::package::{Answer, Request};

const STAGE: &str = "[streams.stage]\ninput = { source = \"publish\" }\n\
    [streams.open]\ninput = { source = \"publish\", takeover = true }\nencode.gop_ms = 500\n\
    [streams.camera]\ninput = { source = \"test\", size = \"320x240\", fps = 30 }\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_place_is_taken_once_or_from_another() {
    let control = box_with(STAGE).await;
    let first = control.contribute("stage").await.expect("free");
    assert_eq!(first.key_frame_every, Duration::from_secs(1));
    assert!(matches!(control.contribute("stage").await, Err(ControlError::Taken(_))));
    drop(first);
    let stage = control.contribute("stage").await.expect("free again").contributor;
    control.request_key_frame("stage").expect("whoever publishes can be asked");
    let first = control.contribute("open").await.expect("free").contributor;
    let second = control.invite("open").await.expect("free");
    assert_eq!(second.key_frame_every, Duration::from_millis(500));
    assert!(!first.is_displaced(), "what comes may be refused yet");
    let second = second.claim.take().expect("taken over");
    assert!(first.is_displaced() && !second.is_displaced());
    assert!(matches!(control.contribute("camera").await, Err(ControlError::HasSource { .. })));
    drop(stage);
    control.stop("stage").await.expect("it stops");
    assert!(matches!(control.contribute("stage").await, Err(ControlError::Stopped { .. })));
    end(&control).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_stream_is_made_for_who_publishes_and_ends_and_goes_after_that() {
    let control = box_with("").await;
    for name in ["api", "a b", ".."] {
        assert!(matches!(control.contribute(name).await, Err(ControlError::Name(_))), "{name}");
    }
    let place = control.contribute("choir").await.expect("made").contributor;
    assert_eq!(control.state("choir"), Some(State::Running));
    let playlist = Request::parse("index.m3u8", None).expect("ours").expect("good");
    let live = control.served("choir").expect("served").live;
    assert!(matches!(live.respond(&playlist).await, Answer::Ready(_)), "the slate plays");

    let (mut away, now) = (BTreeMap::new(), MonoTime::now());
    let later = |seconds: i64| now.plus_nanos(seconds * 1_000_000_000);
    control.look_at_contributions(&mut away, later(1_000)).await;
    assert_eq!(control.state("choir"), Some(State::Running), "somebody publishes");
    drop(place);
    control.look_at_contributions(&mut away, later(1_001)).await;
    let back = control.contribute("choir").await.expect("back in time").contributor;
    control.look_at_contributions(&mut away, later(1_100)).await;
    drop(back);
    control.look_at_contributions(&mut away, later(1_101)).await;
    control.look_at_contributions(&mut away, later(1_220)).await;
    assert_eq!(control.state("choir"), Some(State::Running), "not long enough");
    control.look_at_contributions(&mut away, later(1_221)).await;
    assert_eq!(control.state("choir"), Some(State::Stopped));
    let again = control.contribute("choir").await.expect("it starts again").contributor;
    assert_eq!(control.state("choir"), Some(State::Running));
    drop(again);
    control.look_at_contributions(&mut away, later(1_300)).await;
    control.look_at_contributions(&mut away, later(1_480)).await;
    assert_eq!(control.state("choir"), None);
    assert!(control.streams().get("choir").is_none());
    end(&control).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn there_are_only_so_many_streams() {
    let control = box_with("").await;
    let mut places = Vec::new();
    for n in 0..config::MAX_STREAMS {
        places.push(control.contribute(&format!("s{n}")).await.expect("made"));
    }
    assert!(matches!(control.contribute("more").await, Err(ControlError::TooMany { .. })));
    end(&control).await;
}
