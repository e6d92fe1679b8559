//! The task that has all rooms: lines and datagrams in, lines and datagrams out. What they mean, the hall knows.

#![allow(clippy::disallowed_methods, reason = "a shell: rooms are handed the time")]

use super::broadcast::{Broadcast, News, Wanted};
use super::hall::{Coming, Hall, Means, Mix, Output, RoomStatus, Settings};
use super::room::Line;
use crate::control::Control;
use crate::time::{Epoch, MonoTime};
use crate::webrtc::branch::{Branch, Outlet};
use crate::webrtc::feeder::{Feeder, Media};
use crate::webrtc::path::Datagram;
use crate::webrtc::train::Train;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

const ORDERS: usize = 256;
/// What waits for a WebSocket whose reader is slow; with more, it is closed.
const OUTBOX: usize = 256;
/// Datagrams that are read before anything is sent.
const AT_ONCE: usize = 64;
const MEDIA_QUEUE: usize = 256;
const NEWS_QUEUE: usize = 512;
/// A timeout that is due again and again must not keep the others from their turn.
const SHORTEST: Duration = Duration::from_millis(1);

enum Order {
    Open { line: Line, coming: Coming, outbox: mpsc::Sender<Push> },
    Said { line: Line, text: String },
    Heard { line: Line },
    Lost { line: Line },
    List { reply: oneshot::Sender<Vec<RoomStatus>> },
    End,
}

/// For a WebSocket.
#[derive(Debug)]
pub enum Push {
    Say(String),
    Close(u16),
}

/// Talks to the task.
#[derive(Debug)]
pub struct Rooms {
    orders: mpsc::Sender<Order>,
    next: AtomicU64,
}

/// Somebody's WebSocket, as the rooms see it. Dropping it loses it.
#[derive(Debug)]
pub struct Visitor {
    line: Line,
    orders: mpsc::Sender<Order>,
    pub pushed: mpsc::Receiver<Push>,
}

impl Visitor {
    pub async fn said(&self, text: String) {
        let _ = self.orders.send(Order::Said { line: self.line, text }).await;
    }

    /// Something came, were it only the answer to a ping.
    pub async fn heard(&self) {
        let _ = self.orders.send(Order::Heard { line: self.line }).await;
    }
}

impl Drop for Visitor {
    fn drop(&mut self) {
        let lost = Order::Lost { line: self.line };
        if let Err(mpsc::error::TrySendError::Full(lost)) = self.orders.try_send(lost) {
            let orders = self.orders.clone();
            tokio::spawn(async move { orders.send(lost).await });
        }
    }
}

impl Rooms {
    /// Nothing happens before the future is polled.
    pub fn new(branch: Branch, settings: Settings, control: Arc<Control>) -> (Self, impl Future<Output = ()> + Send) {
        let (orders, waiting) = mpsc::channel(ORDERS);
        let outlet = branch.outlet.clone();
        let named = Arc::clone(&control);
        let means = Means {
            identity: Box::new(move |from| outlet.identity(from)),
            random: Box::new(random),
            streams: Box::new(move || named.streams().list().iter().map(|stream| stream.name().to_owned()).collect()),
            unix_ms: Box::new(|| u64::try_from(Epoch::now().unix_nanos_at(MonoTime::now()) / 1_000_000).unwrap_or(0)),
        };
        let (media_out, media) = mpsc::channel(MEDIA_QUEUE);
        let (news_out, news) = mpsc::channel(NEWS_QUEUE);
        let task = Task {
            hall: Hall::new(settings, means),
            outlet: branch.outlet,
            train: Train::default(),
            outboxes: HashMap::new(),
            control,
            feeders: BTreeMap::new(),
            media_out,
            broadcasts: BTreeMap::new(),
            news_out,
        };
        (Self { orders, next: AtomicU64::new(1) }, task.run(waiting, branch.datagrams, media, news))
    }

    /// Takes a WebSocket in; `None`: the box is ending.
    pub async fn open(&self, coming: Coming) -> Option<Visitor> {
        let line = self.next.fetch_add(1, Ordering::Relaxed);
        let (outbox, pushed) = mpsc::channel(OUTBOX);
        self.orders.send(Order::Open { line, coming, outbox }).await.ok()?;
        Some(Visitor { line, orders: self.orders.clone(), pushed })
    }

    pub async fn list(&self) -> Vec<RoomStatus> {
        let (reply, list) = oneshot::channel();
        let _ = self.orders.send(Order::List { reply }).await;
        list.await.unwrap_or_default()
    }

    /// Tells everybody that the box ends.
    pub async fn end(&self) {
        let _ = self.orders.send(Order::End).await;
    }
}

/// Where the system has no randomness, nothing is encrypted either: this program has ended before.
fn random() -> u32 {
    getrandom::u32().unwrap_or_else(|_| std::process::abort())
}

struct Task {
    hall: Hall,
    outlet: Outlet,
    train: Train,
    outboxes: HashMap<Line, mpsc::Sender<Push>>,
    control: Arc<Control>,
    /// By stream, with the rooms that it is in.
    feeders: BTreeMap<String, (Feeder, BTreeSet<String>)>,
    media_out: mpsc::Sender<Media>,
    /// The mixers of rooms.
    broadcasts: BTreeMap<String, Broadcast>,
    news_out: mpsc::Sender<News>,
}

impl Task {
    async fn run(
        mut self,
        mut orders: mpsc::Receiver<Order>,
        mut datagrams: mpsc::Receiver<Datagram>,
        mut media: mpsc::Receiver<Media>,
        mut news: mpsc::Receiver<News>,
    ) {
        loop {
            let wait = self.hall.next_timeout().unwrap_or_else(|| Instant::now() + Duration::from_secs(3_600));
            let wait = wait.max(Instant::now() + SHORTEST);
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => self.order(order),
                    None => return,
                },
                Some(datagram) = datagrams.recv() => {
                    self.datagram(&datagram);
                    for _ in 1..AT_ONCE {
                        let Ok(datagram) = datagrams.try_recv() else { break };
                        self.datagram(&datagram);
                    }
                    self.hall.attend(Instant::now());
                }
                Some((stream, packets)) = media.recv() => {
                    let rooms = self.feeders.get(&stream).map(|(_, rooms)| rooms.clone()).unwrap_or_default();
                    for room in rooms {
                        self.hall.packets(&room, &stream, packets.as_ref(), Instant::now());
                    }
                }
                Some(news) = news.recv() => self.news(news),
                () = tokio::time::sleep_until(wait.into()) => self.hall.timeout(Instant::now()),
            }
            self.flush();
        }
    }

    fn datagram(&mut self, datagram: &Datagram) {
        self.hall.datagram(datagram.way, &datagram.contents, Instant::now());
    }

    fn order(&mut self, order: Order) {
        let now = Instant::now();
        match order {
            Order::Open { line, coming, outbox } => {
                self.outboxes.insert(line, outbox);
                self.hall.open(line, coming, now);
            }
            Order::Said { line, text } => self.hall.said(line, &text, now),
            Order::Heard { line } => self.hall.heard(line, now),
            Order::Lost { line } => {
                self.outboxes.remove(&line);
                self.hall.lost(line, now);
            }
            Order::List { reply } => drop(reply.send(self.hall.rooms())),
            Order::End => self.hall.end(),
        }
    }

    /// Says and sends what there is to say and to send.
    fn flush(&mut self) {
        while let Some(output) = self.hall.next_output() {
            match output {
                Output::Say(line, text) => self.push(line, Push::Say(text)),
                Output::Close(line, code) => {
                    self.push(line, Push::Close(code));
                    self.outboxes.remove(&line);
                }
                Output::Feed { room, stream, on } => self.feed(room, stream, on),
                Output::KeyFrame { stream } => {
                    if let Some((feeder, _)) = self.feeders.get_mut(&stream) {
                        feeder.ask_for_key_frame(0, false, Instant::now());
                    }
                }
            }
        }
        while let Some((room, mix)) = self.hall.next_mix() {
            self.mix(room, mix);
        }
        self.hall.write(|way, contents| self.outlet.send(&mut self.train, way, contents));
        self.outlet.depart(&mut self.train);
    }

    /// From a mixer.
    fn news(&mut self, news: News) {
        let now = Instant::now();
        let is_current = |broadcasts: &BTreeMap<String, Broadcast>, room: &str, number| {
            broadcasts.get(room).is_some_and(|broadcast| broadcast.number == number)
        };
        match news {
            News::Mixed { room, number, mixed } => {
                if is_current(&self.broadcasts, &room, number) {
                    self.hall.mixed(&room, mixed, now);
                }
            }
            News::Shown { room, number, packets } => {
                if is_current(&self.broadcasts, &room, number) {
                    self.hall.mixed_picture(&room, &packets, now);
                }
            }
            News::Placed { room, number, stream } => {
                if let Some(broadcast) = self.broadcasts.get_mut(&room).filter(|broadcast| broadcast.number == number) {
                    broadcast.show(&room, &stream, &self.news_out);
                }
            }
        }
    }

    fn mix(&mut self, room: String, mix: Mix) {
        match mix {
            Mix::Begin { layout, each, public } => {
                self.broadcasts.remove(&room);
                let wanted = Wanted { layout, each, public };
                match Broadcast::start(&room, wanted, &self.control, &self.news_out) {
                    Ok(broadcast) => drop(self.broadcasts.insert(room, broadcast)),
                    Err(error) => log::error!("room {room} can't be mixed: {error}"),
                }
            }
            Mix::Tell(inputs) => {
                if let Some(broadcast) = self.broadcasts.get(&room) {
                    inputs.into_iter().for_each(|input| broadcast.mixer.send(input));
                }
            }
            Mix::KeyFrame => {
                if let Some(broadcast) = self.broadcasts.get(&room) {
                    broadcast.request_key_frame();
                }
            }
            Mix::End => drop(self.broadcasts.remove(&room)),
        }
    }

    /// A reader that is so slow has lost too much already: without its outbox, its WebSocket ends.
    fn push(&mut self, line: Line, push: Push) {
        if self.outboxes.get(&line).is_some_and(|outbox| outbox.try_send(push).is_err()) {
            self.outboxes.remove(&line);
        }
    }

    fn feed(&mut self, room: String, stream: String, on: bool) {
        if on {
            let Some(source) = self.control.streams().get(&stream) else { return };
            let feeder = self.feeders.entry(stream);
            let start = || (Feeder::start(&source, self.media_out.clone(), Instant::now()), BTreeSet::new());
            feeder.or_insert_with(start).1.insert(room);
        } else if let Some((_, rooms)) = self.feeders.get_mut(&stream) {
            rooms.remove(&room);
            if rooms.is_empty() {
                self.feeders.remove(&stream);
            }
        }
    }
}
