//! Many who watch in real time: by WHEP, or a mountpoint of Janus' streaming plugin.

use crate::Result;
use crate::caller::{Caller, LOOPBACK, Means, Seen, own_address};
use crate::client::{Client, Target, post};
use crate::janus;
use crate::report::{Report, Stopwatch};
use rtc::interceptor::Registry;
use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// How many shake hands at once; the box lets 16 of one address.
const COMING_AT_ONCE: usize = 12;
const COME_WITHIN: Duration = Duration::from_secs(20);
/// After the last one came: what their coming causes is over.
const SETTLE: Duration = Duration::from_secs(2);
/// Of so many, one has all that it gets decrypted.
const DECRYPTS: u32 = 10;

/// Where one asks for the stream.
#[derive(Debug, Clone)]
pub enum Door {
    Whep(Target),
    /// Its WebSocket, and the mountpoint.
    Janus(Target, u64),
}

#[derive(Default)]
struct Crowd {
    there: Cell<u32>,
    measuring: Cell<bool>,
    over: Cell<bool>,
    seen: RefCell<Seen>,
    first_ms: RefCell<Vec<f32>>,
    errors: Cell<u64>,
    first_error: RefCell<Option<String>>,
}

pub async fn run(door: Door, viewers: u32, seconds: u64) -> Result<Report> {
    let (crowd, means, coming) = (Rc::new(Crowd::default()), Means::new()?, Rc::new(Semaphore::new(COMING_AT_ONCE)));
    let mut tasks = JoinSet::new();
    for viewer in 0..viewers {
        let (crowd, means, coming, door) = (Rc::clone(&crowd), Rc::clone(&means), Rc::clone(&coming), door.clone());
        tasks.spawn_local(async move {
            if let Err(error) = watch(&crowd, &means, &coming, &door, viewer).await {
                crowd.errors.set(crowd.errors.get() + 1);
                crowd.first_error.borrow_mut().get_or_insert_with(|| error.to_string());
            }
        });
    }
    while u64::from(crowd.there.get()) + crowd.errors.get() < u64::from(viewers) {
        sleep(Duration::from_millis(20)).await;
    }
    sleep(SETTLE).await;
    // scripts/bench reads it.
    eprintln!("all are there");
    crowd.measuring.set(true);
    let watch = Stopwatch::start();
    sleep(Duration::from_secs(seconds)).await;
    crowd.over.set(true);
    let mut report = Report::new();
    report.add("viewers", viewers);
    let elapsed = watch.elapsed().as_secs_f64();
    report.add_times(&watch);
    while tasks.join_next().await.is_some() {}
    let seen = crowd.seen.take();
    report.add("packets", seen.packets);
    report.add("packets_per_s", (seen.packets as f64 / elapsed).round());
    report.add("bytes", seen.bytes);
    report.add("lost", seen.lost);
    report.add("decrypted", seen.genuine);
    report.add("errors", crowd.errors.get());
    if let Some(error) = crowd.first_error.take() {
        report.add("first_error", error);
    }
    report.add_percentiles("first_packet_ms", crowd.first_ms.take());
    if matches!(door, Door::Whep(_)) {
        report.add_percentiles("packet_delay_ms", seen.delay_ms);
    }
    Ok(report)
}

async fn watch(crowd: &Crowd, means: &Rc<Means>, coming: &Semaphore, door: &Door, viewer: u32) -> Result<()> {
    let permit = coming.acquire().await?;
    let decrypts = viewer.is_multiple_of(DECRYPTS);
    let from = if matches!(door, Door::Janus(..)) { own_address()? } else { LOOPBACK };
    let mut caller = Caller::new(means, from, decrypts, Registry::new())?;
    let _held = ask(&mut caller, door).await?;
    let answered = Instant::now();
    while !caller.is_connected() || caller.seen.packets == 0 {
        if answered.elapsed() > COME_WITHIN {
            return Err("no packet came".into());
        }
        caller.turn(answered + COME_WITHIN).await?;
    }
    crowd.first_ms.borrow_mut().push(answered.elapsed().as_secs_f32() * 1_000.0);
    drop(permit);
    crowd.there.set(crowd.there.get() + 1);
    while !crowd.measuring.get() {
        caller.turn(Instant::now() + Duration::from_secs(1)).await?;
    }
    caller.seen = Seen::default();
    while !crowd.over.get() {
        caller.turn(Instant::now() + Duration::from_secs(1)).await?;
    }
    let seen = std::mem::take(&mut caller.seen);
    if decrypts && seen.genuine < seen.packets {
        return Err(format!("of {} packets {} are genuine", seen.packets, seen.genuine).into());
    }
    crowd.seen.borrow_mut().add(seen);
    caller.hang_up()
}

/// What is returned is to be held.
async fn ask(caller: &mut Caller, door: &Door) -> Result<Option<janus::Line>> {
    match door {
        Door::Whep(target) => {
            let mut client = Client::connect(target.address).await?;
            for kind in [RtpCodecKind::Audio, RtpCodecKind::Video] {
                caller.wants(kind)?;
            }
            let request = post(target, &target.path, "application/sdp", &caller.offer()?);
            let answer = client.ask(&request, true).await?;
            let body = String::from_utf8(client.body().to_vec())?;
            if answer.status != 201 {
                return Err(format!("{}: {} {body}", target.path, answer.status).into());
            }
            caller.take_answer(body)?;
            Ok(None)
        }
        Door::Janus(target, mountpoint) => janus::watch(caller, target, *mountpoint).await.map(Some),
    }
}
