//! The actions, on streams with the test picture.

use super::tests::{TWO, box_with, end};
use super::*;
use crate::config::{ACTIONS, STATES};
use crate::state::StateDir;

fn order(stream: Option<&str>, on: Option<bool>) -> Order {
    Order { stream: stream.map(str::to_owned), on }
}

struct Nothing(&'static str);

impl Act for Nothing {
    fn name(&self) -> &'static str {
        self.0
    }

    fn title(&self) -> &'static str {
        "Nothing"
    }

    fn run<'a>(&'a self, _: &'a Arc<Control>, _: &'a Order) -> Run<'a> {
        Box::pin(std::future::ready(Ok("nothing is done".to_owned())))
    }
}

fn is_on(control: &Control, name: &str) -> Option<bool> {
    control.actions_shown().iter().find(|shown| shown.name == name).and_then(|shown| shown.on)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn one_stream_or_all_are_switched_and_it_is_told_once() {
    let control = box_with(TWO).await;
    let stream = |name: &str| control.streams().get(name).expect("listed");
    let mut heard = control.events().listen();
    let told = control.act("mute", &order(Some("desk"), None), "a test").await.expect("done");
    assert_eq!(told, "desk: muted");
    assert_eq!((stream("camera").is_muted(), stream("desk").is_muted()), (false, true));
    assert_eq!(heard.recv().await.expect("told").what, What::Mute { stream: "desk".to_owned(), on: true });
    assert_eq!(is_on(&control, "mute"), Some(false), "not for all");

    // Of a box that is muted in part, a press mutes the rest: nobody is heard by surprise.
    let told = control.act("mute", &order(None, None), "a test").await.expect("done");
    assert_eq!(told, "camera, desk: muted");
    assert_eq!(heard.recv().await.expect("told").what, What::Mute { stream: "camera".to_owned(), on: true });
    assert_eq!(is_on(&control, "mute"), Some(true));
    control.act("mute", &order(None, Some(true)), "a test").await.expect("it is already");
    control.act("slate", &order(Some("camera"), Some(true)), "a test").await.expect("done");
    assert_eq!(heard.recv().await.expect("told").what, What::Slate { stream: "camera".to_owned(), on: true });
    control.act("mute", &order(None, None), "a test").await.expect("done");
    assert!(!stream("camera").is_muted() && !stream("desk").is_muted() && stream("camera").is_private());
    end(&control).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_mark_is_kept_with_the_time_of_the_streams() {
    let control = box_with(TWO).await;
    let mut heard = control.events().listen();
    control.act("mark", &order(Some("desk"), None), "a test").await.expect("done");
    let before = MonoTime::now().as_nanos() / 1_000;
    assert_eq!(control.act("mark", &order(None, None), "a test").await.expect("done"), "mark 2");
    let after = MonoTime::now().as_nanos() / 1_000;
    let (camera, desk) = (control.marks("camera"), control.marks("desk"));
    assert_eq!((camera.len(), desk.len(), camera[0].number), (1, 2, 2));
    assert!((before..=after).contains(&camera[0].media_us));
    assert_eq!(camera[0], desk[1], "one moment");
    let What::Mark { stream, mark, media_us } = heard.recv().await.expect("told").what else { panic!("no mark") };
    assert_eq!((stream.as_str(), mark, media_us), ("desk", 1, desk[0].media_us));

    control.stop("camera").await.expect("it stops");
    control.act("mark", &order(None, None), "a test").await.expect("the other runs");
    assert_eq!((control.marks("camera").len(), control.marks("desk").len()), (1, 3));
    let error = control.act("mark", &order(Some("camera"), None), "a test").await.expect_err("stopped");
    assert!(matches!(error, ActionError::Refused { .. }), "{error}");
    end(&control).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_can_not_be_done_says_why() {
    let control = box_with("[streams.film]\nvideo = { source = \"test\" }\n").await;
    let told = async |name: &str, order: Order| control.act(name, &order, "a test").await.expect_err(name).to_string();
    let there = told("record", order(None, None)).await;
    assert_eq!(there, "there is no action record; there are mark, mute, slate, restart_network, shut_down");
    assert_eq!(told("mute", order(Some("none"), None)).await, "there is no stream of that name");
    assert_eq!(told("mute", order(None, None)).await, "the box has no sound");
    assert_eq!(told("mute", order(Some("film"), Some(true))).await, "film has no sound");
    assert_eq!(told("mark", order(None, Some(true))).await, "mark is done, not switched on and off");
    assert_eq!(
        told("shut_down", order(Some("film"), None)).await,
        "shut_down is for the whole box, not for one stream"
    );

    let command = |line: &str| vec!["sh".to_owned(), "-c".to_owned(), line.to_owned()];
    let config = ActionsConfig {
        shut_down: command("echo 'Interactive authentication required.' >&2; exit 1"),
        restart_network: command("exit 0"),
        off: vec!["slate"],
    };
    control.set_actions(config);
    assert_eq!(told("shut_down", order(None, None)).await, "sh refused: Interactive authentication required.");
    control.act("restart_network", &order(None, None), "a test").await.expect("permitted");
    assert_eq!(told("slate", order(None, None)).await, "the configuration has it off ([actions])");
    let shown = control.actions_shown();
    let slate = shown.iter().find(|shown| shown.name == "slate").expect("listed");
    assert!(!slate.available && slate.cause.is_some(), "{slate:?}");
    end(&control).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn others_register_what_they_can_do() {
    let control = box_with("").await;
    let own: Vec<_> = control.actions_shown().iter().map(|shown| shown.name).collect();
    // Showing the address is the app's.
    let all: Vec<_> = own.into_iter().chain(["show_address"]).collect();
    assert_eq!(all, ACTIONS, "the configuration knows the list");
    control.actions().register(Nothing("record"));
    assert_eq!(control.status().names().collect::<Vec<_>>(), STATES, "and what lights can show");
    control.states().register("recording", |_| Shine::Partly);
    assert_eq!(control.status().of("recording"), Shine::Partly);
    assert_eq!(control.act("record", &Order::default(), "a test").await.expect("done"), "nothing is done");
    control.actions().register(Nothing("record"));
    assert_eq!(control.actions_shown().len(), 6, "a name stands once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_camera_that_is_switched_off_stays_so_over_restarts() {
    let folder = std::env::temp_dir().join(format!("capturebox-switches-{}", std::process::id()));
    let file = folder.join("capturebox.toml");
    let open = || Arc::new(StateDir::open(Some(&folder)).expect("a folder"));
    let control = box_with("").await;
    control.set_state_dir(open()).expect("readable");
    std::fs::write(&file, "").expect("written");
    control.set_file(file);
    control.replace(Wanted::Text(TWO.to_owned()), None).await.expect("good");
    control.act("slate", &order(Some("camera"), None), "a test").await.expect("done");
    control.act("mute", &order(None, None), "a test").await.expect("done");
    let text = TWO.replace("fps = 30", "fps = 15");
    let replaced = control.replace(Wanted::Text(text), None).await.expect("good");
    assert_eq!(replaced.restarted.len(), 2, "with other settings");
    let switched = |control: &Control| {
        let of = |name| control.streams().get(name).map(|stream| (stream.is_muted(), stream.is_private()));
        (of("camera").expect("listed"), of("desk").expect("listed"))
    };
    assert_eq!(switched(&control), ((true, true), (true, false)));
    end(&control).await;

    let again = box_with("").await;
    again.set_state_dir(open()).expect("readable");
    for (name, config) in super::tests::config(TWO) {
        again.add(name, config).await.expect("it starts");
    }
    assert_eq!(switched(&again), ((true, true), (true, false)));
    again.act("slate", &order(None, Some(false)), "a test").await.expect("done");
    end(&again).await;
    std::fs::write(folder.join("switches.json"), "{").expect("written");
    let third = box_with("").await;
    third.set_state_dir(open()).expect("the box is there to be cured");
    for (name, config) in super::tests::config(TWO) {
        third.add(name, config).await.expect("it starts");
    }
    assert_eq!(switched(&third), ((true, true), (true, true)), "a broken file doesn't switch a camera on");
    third.act("slate", &order(Some("camera"), Some(false)), "a test").await.expect("done");
    end(&third).await;
    let fourth = box_with("").await;
    fourth.set_state_dir(open()).expect("readable");
    for (name, config) in super::tests::config(TWO) {
        fourth.add(name, config).await.expect("it starts");
    }
    assert_eq!(switched(&fourth), ((true, false), (true, true)), "and what was said since holds");
    end(&fourth).await;
    std::fs::remove_dir_all(&folder).expect("removed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_stream_that_is_stopped_behind_the_slate_leaves_no_pictures_behind() {
    let control = box_with(TWO).await;
    control.act("slate", &order(Some("camera"), None), "a test").await.expect("done");
    for name in ["camera", "desk"] {
        control.stop(name).await.expect("it stops");
    }
    assert!(control.served("camera").is_none());
    assert!(control.served("desk").is_some(), "players read that it is over");
    control.start("camera").await.expect("it starts");
    assert!(control.served("camera").is_some());
    end(&control).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn states_follow_the_streams() {
    let control = box_with(TWO).await;
    let of = |state: &str| control.status().of(state);
    assert_eq!((of("power"), of("ready"), of("live"), of("mute")), (Shine::On, Shine::On, Shine::Off, Shine::Off));
    control.act("mute", &order(Some("desk"), None), "a test").await.expect("done");
    let reader = control.streams().get("desk").expect("listed").read(&[], crate::stream::Start::LatestKeyframe);
    assert_eq!((of("mute"), of("live")), (Shine::Partly, Shine::On));
    drop(reader);
    while of("signal") != Shine::On {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    control.stop("desk").await.expect("it stops");
    assert_eq!((of("ready"), of("signal")), (Shine::Partly, Shine::On), "of those that run");
    assert_eq!(of("recording"), Shine::Off, "nobody tells it");
    end(&control).await;
}
