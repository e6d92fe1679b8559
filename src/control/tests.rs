//! Real streams with the test picture, started and stopped.

use super::*;
use crate::config::Config;
use crate::package::Request;

fn config(text: &str) -> BTreeMap<String, StreamConfig> {
    let config = Config::parse(text, "test").expect("a configuration");
    config.streams.into_iter().map(|(name, config)| (name.as_str().to_owned(), config)).collect()
}

const TWO: &str = "[streams.camera]\ninput = { source = \"test\", size = \"320x240\", fps = 30 }\n\
    [streams.desk]\ninput = { source = \"test\", size = \"320x240\", fps = 30 }\n";

async fn box_with(text: &str) -> Arc<Control> {
    let control = Control::new(Supervisor::new(), Handle::current(), Epoch::now());
    for (name, config) in config(text) {
        control.add(name, config).await.expect("it starts");
    }
    control
}

async fn end(control: &Arc<Control>) {
    control.supervisor.stop().request();
    let supervisor = control.supervisor.clone();
    let joined = tokio::task::spawn_blocking(move || supervisor.join(Duration::from_secs(30))).await;
    joined.expect("no panic").expect("all threads end");
    control.packaged().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_stream_stops_and_starts_without_the_others() {
    let control = box_with(TWO).await;
    let mut heard = control.events().listen();
    let desk = control.served("desk").expect("served").live.status().session;
    let first = control.served("camera").expect("served").live;

    control.stop("camera").await.expect("it stops");
    assert_eq!((control.state("camera"), control.state("desk")), (Some(State::Stopped), Some(State::Running)));
    assert!(!control.streams().get("camera").expect("listed").status().published);
    assert_eq!(heard.recv().await.expect("told").what, What::StreamStopped { stream: "camera".to_owned() });
    assert!(matches!(control.request_key_frame("camera"), Err(ControlError::Stopped { .. })));
    control.stop("camera").await.expect("stopping again is no error");

    control.start("camera").await.expect("it starts");
    assert_eq!(heard.recv().await.expect("told").what, What::StreamStarted { stream: "camera".to_owned() });
    let second = control.served("camera").expect("served").live;
    assert_ne!(first.status().session, second.status().session, "old URLs never show new media");
    let request = Request::parse("index.m3u8", None).expect("ours").expect("good");
    assert!(matches!(second.respond(&request).await, crate::package::Answer::Ready(_)), "it plays");
    control.start("camera").await.expect("starting again is no error");
    assert_eq!(control.served("camera").expect("served").live.status().session, second.status().session);
    assert_eq!(control.served("desk").expect("served").live.status().session, desk, "never touched");

    end(&control).await;
    assert!(matches!(control.start("camera").await, Err(ControlError::Ending)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_can_not_be_adjusted_says_why() {
    let text = "[streams.camera]\ninput = { source = \"test\", size = \"320x240\", fps = 30 }\n\
        [streams.film]\ninput = { source = \"file\", path = \"/no/such/film.mp4\" }\n";
    let control = box_with(text).await;
    assert!(matches!(control.set_bitrate("camera", 1), Err(ControlError::Bitrate { .. })));
    assert!(matches!(control.set_bitrate("film", 1_000_000), Err(ControlError::NotEncodedHere { .. })));
    assert!(matches!(control.request_key_frame("film"), Err(ControlError::NotEncodedHere { .. })));
    for error in [control.request_key_frame("none"), control.start("none").await, control.stop("none").await] {
        assert!(matches!(error, Err(ControlError::NoStream)));
    }
    control.set_bitrate("camera", 1_000_000).expect("it is encoded here");
    assert_eq!(control.streams().get("camera").expect("listed").bitrate_target(), Some(1_000_000));
    control.request_key_frame("camera").expect("it is encoded here");
    end(&control).await;
}
