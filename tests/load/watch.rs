//! Viewers.

use crate::Result;
use crate::client::{Client, Target, request};
use crate::playlist::{self, Part, PartId};
use crate::report::{Report, Stopwatch};
use flate2::read::GzDecoder;
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::io::Read;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// How long the viewers take to come, at most; they come evenly.
const ARRIVAL: Duration = Duration::from_secs(3);
/// After the last one came: what their coming causes is over.
const SETTLE: Duration = Duration::from_secs(2);
/// How long a part's first sight is remembered, in parts of a rendition.
const REMEMBERED: usize = 500;
const EXCHANGES: usize = 9;
/// Playlists unpacked that are remembered: of each rendition the last two, whole and as updates.
const UNPACKED: usize = 8;

struct Crowd {
    target: Target,
    hints: bool,
    clock: BoxClock,
    totals: RefCell<Totals>,
    /// The last few playlists, as they came and as they read: the viewers get the same ones, and a
    /// thousand machines would each unpack their own.
    unpacked: RefCell<VecDeque<(Vec<u8>, Rc<str>)>>,
}

#[derive(Default)]
struct Totals {
    measuring: bool,
    over: bool,
    requests: u64,
    bytes: u64,
    errors: u64,
    first_error: Option<String>,
    /// When the first viewer had a part.
    seen: HashMap<(usize, PartId), Instant>,
    part_delay_ms: Vec<f32>,
    capture_delay_ms: Vec<f32>,
}

/// The box's media clock, ms since 1970, from ours.
struct BoxClock {
    at: Instant,
    media_ms: f64,
}

impl BoxClock {
    /// The quickest of some exchanges is the most exact.
    async fn ask(target: &Target) -> Result<Self> {
        let mut client = Client::connect(target.address).await?;
        let mut best: Option<(Duration, Self)> = None;
        for _ in 0..EXCHANGES {
            let sent = Instant::now();
            client.ask(&request(target, "/api/v1/time", false), true).await?;
            let round_trip = sent.elapsed();
            let time: serde_json::Value = serde_json::from_slice(client.body())?;
            let media_ms = time["media_us"].as_f64().ok_or("no media_us in /api/v1/time")? / 1_000.0;
            if best.as_ref().is_none_or(|(quickest, _)| round_trip < *quickest) {
                best = Some((round_trip, Self { at: sent + round_trip / 2, media_ms }));
            }
        }
        Ok(best.ok_or("no exchange")?.1)
    }

    fn ms_since(&self, media_ms: f64, now: Instant) -> f64 {
        self.media_ms + now.duration_since(self.at).as_secs_f64() * 1_000.0 - media_ms
    }
}

pub async fn run(url: &str, viewers: u32, seconds: u64, hints: bool) -> Result<Report> {
    let target = Target::parse(url)?;
    let clock = BoxClock::ask(&target).await?;
    let mut client = Client::connect(target.address).await?;
    let answer = client.ask(&request(&target, &target.path, false), true).await?;
    if answer.status != 200 {
        return Err(format!("{url}: {}", answer.status).into());
    }
    let text = std::str::from_utf8(client.body())?;
    let renditions: Vec<String> = playlist::renditions(text).into_iter().map(|uri| target.join(uri)).collect();
    let crowd = Rc::new(Crowd { target, hints, clock, totals: RefCell::default(), unpacked: RefCell::default() });

    let mut tasks = JoinSet::new();
    for viewer in 0..viewers {
        for (rendition, path) in renditions.iter().enumerate() {
            let (crowd, path) = (Rc::clone(&crowd), path.clone());
            let wait = ARRIVAL.mul_f64(f64::from(viewer) / f64::from(viewers));
            tasks.spawn_local(async move {
                sleep(wait).await;
                if let Err(error) = follow(&crowd, rendition, path).await {
                    let mut totals = crowd.totals.borrow_mut();
                    if !totals.over {
                        totals.errors += 1;
                        totals.first_error.get_or_insert_with(|| error.to_string());
                    }
                }
            });
        }
    }
    sleep(ARRIVAL + SETTLE).await;
    {
        let mut totals = crowd.totals.borrow_mut();
        (totals.requests, totals.bytes, totals.measuring) = (0, 0, true);
    }
    let watch = Stopwatch::start();
    sleep(Duration::from_secs(seconds)).await;
    let mut totals = crowd.totals.take();
    let mut report = Report::new();
    report.add("viewers", viewers);
    report.add("renditions", renditions.len());
    report.add("requests", totals.requests);
    report.add("requests_per_s", (totals.requests as f64 / watch.elapsed().as_secs_f64()).round());
    report.add("bytes", totals.bytes);
    report.add("errors", totals.errors);
    if let Some(error) = totals.first_error.take() {
        report.add("first_error", error);
    }
    report.add_percentiles("part_delay_ms", totals.part_delay_ms);
    report.add_percentiles("capture_delay_ms", totals.capture_delay_ms);
    report.add_times(&watch);
    crowd.totals.borrow_mut().over = true;
    Ok(report)
}

/// One rendition of one viewer, until the run is over or something fails.
async fn follow(crowd: &Crowd, rendition: usize, path: String) -> Result<()> {
    let mut lists = Client::connect(crowd.target.address).await?;
    let mut media = Client::connect(crowd.target.address).await?;
    let folder = Target { address: crowd.target.address, path: path.clone() };
    let mut text = reload(crowd, &mut lists, &path).await?;
    let mut last = playlist::parse(&text)?.parts.last().map(|part| part.id);
    loop {
        let list = playlist::parse(&text)?;
        let next = format!("{path}?_HLS_msn={}&_HLS_part={}&_HLS_skip=YES", list.next.msn, list.next.part);
        if crowd.hints {
            // Both at once: the part comes as it completes, the playlist says what follows it.
            let hint = folder.join(list.hint.ok_or("no hint")?);
            let (part, listed) = tokio::join!(fetch(crowd, &mut media, &hint), reload(crowd, &mut lists, &next));
            let (at, listed) = (part?, listed?);
            if let Some(part) = playlist::parse(&listed)?.parts.iter().find(|part| folder.join(part.uri) == hint) {
                crowd.have(rendition, part, at);
            }
            text = listed;
        } else {
            text = reload(crowd, &mut lists, &next).await?;
            let seen = last;
            for part in playlist::parse(&text)?.parts.iter().filter(|part| Some(part.id) > seen) {
                let at = fetch(crowd, &mut media, &folder.join(part.uri)).await?;
                crowd.have(rendition, part, at);
                last = Some(part.id);
            }
        }
    }
}

async fn reload(crowd: &Crowd, client: &mut Client, path: &str) -> Result<Rc<str>> {
    let answer = client.ask(&request(&crowd.target, path, true), true).await?;
    crowd.count(answer.len);
    if answer.status != 200 {
        return Err(format!("{path}: {}", answer.status).into());
    }
    if !answer.gzip {
        return Ok(std::str::from_utf8(client.body())?.into());
    }
    let mut unpacked = crowd.unpacked.borrow_mut();
    if let Some((_, text)) = unpacked.iter().find(|(packed, _)| packed == client.body()) {
        return Ok(Rc::clone(text));
    }
    let mut text = String::new();
    GzDecoder::new(client.body()).read_to_string(&mut text)?;
    let text: Rc<str> = text.into();
    unpacked.push_front((client.body().to_vec(), Rc::clone(&text)));
    unpacked.truncate(UNPACKED);
    Ok(text)
}

async fn fetch(crowd: &Crowd, client: &mut Client, path: &str) -> Result<Instant> {
    let answer = client.ask(&request(&crowd.target, path, false), false).await?;
    crowd.count(answer.len);
    if answer.status == 200 { Ok(Instant::now()) } else { Err(format!("{path}: {}", answer.status).into()) }
}

impl Crowd {
    fn count(&self, bytes: usize) {
        let mut totals = self.totals.borrow_mut();
        totals.requests += 1;
        totals.bytes += bytes as u64;
    }

    /// A viewer has `part` whole, since `at`.
    fn have(&self, rendition: usize, part: &Part<'_>, at: Instant) {
        let mut totals = self.totals.borrow_mut();
        if totals.seen.len() > 2 * REMEMBERED {
            let newest = part.id.msn;
            totals.seen.retain(|(_, id), _| id.msn + 20 > newest);
        }
        let first = *totals.seen.entry((rendition, part.id)).or_insert(at);
        if totals.measuring {
            totals.part_delay_ms.push(at.duration_since(first).as_secs_f32() * 1_000.0);
            let capture = self.clock.ms_since(part.end_ms, at);
            totals.capture_delay_ms.push(capture as f32);
        }
    }
}
