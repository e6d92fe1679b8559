//! The shell: who waits is woken, in time, and not for ever.

use super::*;
use crate::package::live::{LiveHls, MAX_WAITING};
use crate::stream::{Limits, Publisher, Stream};
use std::time::Duration;
use tokio::task::JoinHandle;

struct Live {
    live: Arc<LiveHls>,
    publisher: Option<Publisher>,
    running: JoinHandle<()>,
}

/// A packager that runs, and reads already.
async fn live(settings: Settings) -> Live {
    let stream = Stream::new("camera", Limits::default());
    let publisher = stream.publish().expect("the place is free");
    let live = LiveHls::new(stream, settings, Epoch::new(MonoTime::ZERO, WALL_NANOS));
    let running = tokio::spawn(Arc::clone(&live).run());
    let live = Live { live, publisher: Some(publisher), running };
    live.wait_until(|live| live.live.stream().status().readers == 1).await;
    live
}

impl Live {
    fn publish(&self, content: Content) {
        for (track, unit) in content {
            self.publisher.as_ref().expect("not ended").push(&track, unit);
        }
    }

    fn respond(&self, url: &str) -> JoinHandle<Answer> {
        let url = url.replace(SESSION, &self.live.status().session);
        let live = Arc::clone(&self.live);
        tokio::spawn(async move { live.respond(&request(&url)).await })
    }

    async fn wait_until(&self, reached: impl Fn(&Self) -> bool) {
        let patience = async {
            while !reached(self) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), patience).await.expect("it comes to that");
    }
}

fn only_video() -> Settings {
    Settings { expect_audio: false, ..settings() }
}

async fn ready(answer: JoinHandle<Answer>) -> Resource {
    match tokio::time::timeout(Duration::from_secs(30), answer).await.expect("an answer").expect("no panic") {
        Answer::Ready(resource) => resource,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_thousand_viewers_wait_and_get_the_same_bytes() {
    let box_ = live(only_video()).await;
    let track = video_track(Some((30, 1)), 1280);
    box_.publish(pictures(&track, (30, 1), 30, 0, 990));
    box_.wait_until(|live| live.live.status().parts == 2).await;
    let viewers: Vec<_> = (0..1_000).map(|_| box_.respond("5e55/video.m3u8?_HLS_msn=1&_HLS_part=0")).collect();
    let hint = box_.respond("5e55/video/1.0.m4s");
    box_.wait_until(|live| live.live.status().waiting == 1_001).await;
    box_.publish(pictures(&track, (30, 1), 30, 1_000, 1_490));
    let mut bytes = None;
    for viewer in viewers {
        let playlist = ready(viewer).await;
        let same = *bytes.get_or_insert(playlist.body[0].as_ptr());
        assert_eq!(playlist.body[0].as_ptr(), same, "written once");
    }
    assert!(!ready(hint).await.is_empty());
    assert_eq!(box_.live.status().waiting, 0);
}

#[tokio::test]
async fn the_first_request_waits_for_the_first_part() {
    let box_ = live(only_video()).await;
    let answer = box_.respond("index.m3u8");
    box_.wait_until(|live| live.live.status().waiting == 1).await;
    box_.publish(pictures(&video_track(Some((30, 1)), 1280), (30, 1), 30, 0, 500));
    assert!(ready(answer).await.len() > 100);
}

#[tokio::test(start_paused = true)]
async fn who_waits_in_vain_is_told_after_three_target_durations() {
    let box_ = live(only_video()).await;
    box_.publish(pictures(&video_track(Some((30, 1)), 1280), (30, 1), 30, 0, 990));
    box_.wait_until(|live| live.live.status().parts == 2).await;
    let before = tokio::time::Instant::now();
    let answer = box_.respond("5e55/video.m3u8?_HLS_msn=1").await.expect("no panic");
    assert_eq!(answer, Answer::TimedOut);
    let waited = before.elapsed();
    assert!((Duration::from_secs(3)..Duration::from_millis(3_100)).contains(&waited), "{waited:?}");
}

#[tokio::test]
async fn only_so_many_wait_and_who_hangs_up_frees_a_place() {
    let box_ = live(only_video()).await;
    let mut waiting: Vec<_> = (0..MAX_WAITING).map(|_| box_.respond("index.m3u8")).collect();
    box_.wait_until(|live| live.live.status().waiting == MAX_WAITING).await;
    assert_eq!(box_.respond("index.m3u8").await.expect("no panic"), Answer::Busy);
    waiting.pop().expect("somebody waits").abort();
    box_.wait_until(|live| live.live.status().waiting == MAX_WAITING - 1).await;
    let another = box_.respond("index.m3u8");
    box_.wait_until(|live| live.live.status().waiting == MAX_WAITING).await;
    another.abort();
}

#[tokio::test]
async fn the_end_of_the_stream_closes_the_last_part_and_answers_who_waits() {
    let mut box_ = live(only_video()).await;
    box_.publish(pictures(&video_track(Some((30, 1)), 1280), (30, 1), 30, 0, 1_200));
    box_.wait_until(|live| live.live.status().parts == 2).await;
    let answer = box_.respond("5e55/video.m3u8?_HLS_msn=2");
    box_.wait_until(|live| live.live.status().waiting == 1).await;
    box_.publisher = None;
    let playlist = String::from_utf8(ready(answer).await.body.concat()).expect("UTF-8");
    assert!(playlist.contains("#EXTINF:0.20000,\nvideo/1.m4s\n#EXT-X-ENDLIST\n"), "{playlist}");
    (&mut box_.running).await.expect("it ends by itself");
    assert!(!ready(box_.respond("5e55/video/1.m4s")).await.is_empty(), "and what is there stays");
}

#[tokio::test]
async fn every_start_has_a_session_of_its_own() {
    let (one, other) = (live(only_video()).await, live(only_video()).await);
    assert_ne!(one.live.status().session, other.live.status().session);
}
