//! Real streams with the test picture, started and stopped.

use super::*;
use crate::access::{Access, Action, Caller, Credential, Now, Policies};
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

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_new_configuration_touches_only_what_has_changed() {
    let folder = std::env::temp_dir().join(format!("capturebox-control-{}", std::process::id()));
    std::fs::create_dir(&folder).expect("a folder of this test's own");
    let file = folder.join("capturebox.toml");
    std::fs::write(&file, TWO).expect("written");
    let control = box_with(TWO).await;
    assert!(matches!(control.replace(TWO.to_owned()).await, Err(ControlError::NoFile)));
    control.set_file(file.clone());
    let session = |name: &str| control.served(name).map(|served| served.live.status().session);
    let (camera, desk) = (session("camera"), session("desk"));

    let refused = control.replace("[streams.camera]\nvideo = 7\n".to_owned()).await;
    assert!(matches!(refused, Err(ControlError::Invalid(problems)) if problems[0].line == 2));
    assert!(matches!(control.replace(String::new()).await, Err(ControlError::NoStreams)));
    assert_eq!(std::fs::read_to_string(&file).expect("there"), TWO, "nothing was written");

    let new = TWO.replacen("fps = 30", "fps = 25", 1).replace("desk", "stage");
    let replaced = control.replace(new.clone()).await.expect("it is good");
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!((replaced.restarted, replaced.started), (names(&["camera"]), names(&["stage"])));
    assert_eq!((replaced.removed, replaced.unchanged), (names(&["desk"]), names(&[])));
    assert!(replaced.failed.is_empty() && replaced.after_restart.is_empty());
    assert_ne!(session("camera"), camera);
    assert!(control.streams().get("desk").is_none() && desk.is_some() && session("desk").is_none());
    assert_eq!(control.configuration().await.expect("there"), new);
    assert_eq!(std::fs::read_to_string(folder.join("capturebox.toml.bak")).expect("kept"), TWO);

    control.stop("stage").await.expect("it stops");
    let camera = session("camera");
    let later = new.replace(
        "stage]\ninput = { source = \"test\", size = \"320x240\"",
        "stage]\ninput = { source = \"test\", size = \"160x120\"",
    );
    let replaced = control.replace(format!("[http]\nlisten = \"127.0.0.1:1\"\n{later}")).await.expect("it is good");
    assert_eq!((replaced.unchanged, replaced.restarted), (names(&["camera"]), names(&["stage"])));
    assert_eq!(replaced.after_restart, ["http"]);
    assert_eq!(session("camera"), camera, "it goes on undisturbed");
    assert_eq!(control.state("stage"), Some(State::Stopped), "what was stopped stays so");

    let access = Arc::new(Access::open(None, Policies::default(), None).expect("in memory"));
    control.set_access(Arc::clone(&access));
    let stranger = Caller { address: Some([203, 0, 113, 9].into()), credential: Credential::None };
    let watches = || access.decide(&stranger, &Action::View("camera"), Now { mono: MonoTime::ZERO, unix_s: 0 }).is_ok();
    assert!(!watches());
    let opened = format!("{later}\n[streams.camera.access]\nview = \"public\"\n");
    let replaced = control.replace(opened).await.expect("it is good");
    assert_eq!((replaced.unchanged, replaced.after_restart), (names(&["camera", "stage"]), vec!["http"]));
    assert!(watches(), "at once");
    assert_eq!(session("camera"), camera, "and undisturbed");
    end(&control).await;
    std::fs::remove_dir_all(&folder).expect("it was ours");
}
