//! Real streams with the test picture, started and stopped.

use super::*;
use crate::access::{Access, Action, Caller, Credential, Now, Policies};
use crate::config::Config;
use crate::package::Request;

pub(super) fn config(text: &str) -> BTreeMap<String, StreamConfig> {
    let config = Config::parse(text, "test").expect("a configuration");
    config.streams.into_iter().map(|(name, config)| (name.as_str().to_owned(), config)).collect()
}

pub(super) const TWO: &str = "[streams.camera]\ninput = { source = \"test\", size = \"320x240\", fps = 30 }\n\
    [streams.desk]\ninput = { source = \"test\", size = \"320x240\", fps = 30 }\n";

pub(super) async fn box_with(text: &str) -> Arc<Control> {
    let control = Control::new(Supervisor::new(), Handle::current(), Epoch::now());
    for (name, config) in config(text) {
        control.add(name, config).await.expect("it starts");
    }
    control
}

pub(super) async fn end(control: &Arc<Control>) {
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
    assert!(matches!(control.replace(Wanted::Text(TWO.to_owned()), None).await, Err(ControlError::NoFile)));
    control.set_file(file.clone());
    let session = |name: &str| control.served(name).map(|served| served.live.status().session);
    let (camera, desk) = (session("camera"), session("desk"));

    let refused = control.replace(Wanted::Text("[streams.camera]\nvideo = 7\n".to_owned()), None).await;
    assert!(matches!(refused, Err(ControlError::Invalid(problems)) if problems[0].line == 2));
    assert!(matches!(control.replace(Wanted::Text(String::new()), None).await, Err(ControlError::NoStreams)));
    assert_eq!(std::fs::read_to_string(&file).expect("there"), TWO, "nothing was written");

    let new = TWO.replacen("fps = 30", "fps = 25", 1).replace("desk", "stage");
    let replaced = control.replace(Wanted::Text(new.clone()), None).await.expect("it is good");
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!((replaced.restarted, replaced.started), (names(&["camera"]), names(&["stage"])));
    assert_eq!((replaced.removed, replaced.unchanged), (names(&["desk"]), names(&[])));
    assert!(replaced.failed.is_empty() && replaced.after_restart.is_empty());
    assert_ne!(session("camera"), camera);
    assert!(control.streams().get("desk").is_none() && desk.is_some() && session("desk").is_none());
    assert_eq!(control.configuration().await.expect("there").text, new);
    assert_eq!(std::fs::read_to_string(folder.join("capturebox.toml.bak")).expect("kept"), TWO);

    control.stop("stage").await.expect("it stops");
    let camera = session("camera");
    let later = new.replace(
        "stage]\ninput = { source = \"test\", size = \"320x240\"",
        "stage]\ninput = { source = \"test\", size = \"160x120\"",
    );
    let replaced = control
        .replace(Wanted::Text(format!("[http]\nlisten = \"127.0.0.1:1\"\n{later}")), None)
        .await
        .expect("it is good");
    assert_eq!((replaced.unchanged, replaced.restarted), (names(&["camera"]), names(&["stage"])));
    assert_eq!(replaced.after_restart, ["http", "webrtc"]);
    assert_eq!(session("camera"), camera, "it goes on undisturbed");
    assert_eq!(control.state("stage"), Some(State::Stopped), "what was stopped stays so");

    let access = Arc::new(Access::open(None, Policies::default(), None).expect("in memory"));
    control.set_access(Arc::clone(&access));
    let stranger = Caller { address: Some([203, 0, 113, 9].into()), credential: Credential::None };
    let watches = || access.decide(&stranger, &Action::View("camera"), Now { mono: MonoTime::ZERO, unix_s: 0 }).is_ok();
    assert!(!watches());
    let opened = format!("{later}\n[streams.camera.access]\nview = \"public\"\n");
    let replaced = control.replace(Wanted::Text(opened), None).await.expect("it is good");
    assert_eq!((replaced.unchanged, replaced.after_restart), (names(&["camera", "stage"]), vec!["http", "webrtc"]));
    assert!(watches(), "at once");
    assert_eq!(session("camera"), camera, "and undisturbed");
    end(&control).await;
    std::fs::remove_dir_all(&folder).expect("it was ours");
}

/// A folder of a test's own, with a configuration in it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("capturebox-control-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).expect("a folder of this test's own");
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("capturebox.toml")
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.file()).expect("there")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_somebody_else_has_changed_is_not_overwritten() {
    let folder = Folder::new("versions");
    std::fs::write(folder.file(), TWO).expect("written");
    let control = box_with(TWO).await;
    control.set_file(folder.file());
    let version = control.configuration().await.expect("there").version;
    let new = format!("# mine\n{TWO}");
    let replace = |versions: &[&str], text: &str| {
        let versions = versions.iter().map(|version| (*version).to_owned()).collect();
        control.replace(Wanted::Text(text.to_owned()), Some(versions))
    };
    let replaced = replace(&["other", &version], &new).await.expect("nobody else was there");
    assert_eq!(control.configuration().await.expect("there").version, replaced.version);
    let late = replace(&[&version], TWO).await;
    assert!(matches!(late, Err(ControlError::Changed)), "{late:?}");
    assert_eq!(folder.text(), new, "nothing was written");
    end(&control).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_box_that_chose_its_streams_gets_a_file_with_the_first_change() {
    let folder = Folder::new("chosen");
    let chosen = Config::automatic_text(None, None);
    let control = box_with(&chosen).await;
    control.set_file(folder.file());
    control.set_chosen(chosen.clone());
    let shown = control.configuration().await.expect("there");
    assert_eq!((shown.text.as_str(), shown.saved), (chosen.as_str(), false));
    let session = || control.served("camera").map(|served| served.live.status().session);
    let before = session();
    let mut settings: toml::Table = shown.text.parse().expect("TOML");
    settings.insert("discovery".to_owned(), toml::toml! { name = "Altar" }.into());
    let replaced = control.replace(Wanted::Settings(settings), Some(vec![shown.version])).await.expect("it is good");
    assert_eq!((replaced.unchanged, replaced.after_restart), (vec!["camera".to_owned()], vec!["discovery"]));
    assert_eq!(session(), before, "the stream goes on");
    assert!(folder.text().starts_with(&chosen) && folder.text().contains("Altar"), "{}", folder.text());
    let mode = std::os::unix::fs::PermissionsExt::mode(&folder.file().metadata().expect("there").permissions());
    assert_eq!(mode & 0o777, 0o600, "its owner's alone");
    // A file that says nothing of streams is shown with those that run.
    std::fs::write(folder.file(), "[http]\n").expect("written");
    let shown = control.configuration().await.expect("there");
    assert!(shown.text.starts_with("[http]\n") && shown.text.contains("[streams.camera]"), "{}", shown.text);
    end(&control).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn secrets_stay_where_they_are() {
    const HASH: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$0123456789abcdefghijABCDEFGHIJ0123456789abc";
    let folder = Folder::new("secrets");
    let text = format!("{TWO}\n[access]\nadmin_password_hash = \"{HASH}\" # ours\n");
    std::fs::write(folder.file(), &text).expect("written");
    let control = box_with(TWO).await;
    control.set_file(folder.file());
    let shown = control.configuration().await.expect("there");
    assert!(!shown.text.contains("argon2id"), "{}", shown.text);
    control.check(Wanted::Text(shown.text.clone())).await.expect("a mark stands for what is there");
    let new = shown.text.replace("[access]", "[access]\nview = \"token\"");
    control.replace(Wanted::Text(new), None).await.expect("it is good");
    assert_eq!(folder.text(), text.replace("[access]", "[access]\nview = \"token\""));
    // A mark that stands for nothing is told, once, with its line.
    std::fs::write(folder.file(), TWO).expect("written");
    let refused = control.check(Wanted::Text(shown.text.clone())).await;
    let Err(ControlError::Invalid(problems)) = refused else { panic!("{refused:?}") };
    let line = shown.text.lines().position(|line| line.contains("admin_password_hash")).map(|line| line + 1);
    assert_eq!(problems.iter().map(|problem| Some(problem.line)).collect::<Vec<_>>(), [line], "{problems:?}");
    end(&control).await;
}
