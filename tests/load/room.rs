//! People in a room, each with a film for a camera: all send, and see all others.

use crate::Result;
use crate::caller::{Caller, LOOPBACK, Means, Seen};
use crate::client::Target;
use crate::film::{Film, Out, SOUND_EVERY};
use crate::report::{Report, Stopwatch};
use futures_util::{SinkExt, StreamExt};
use rtc::interceptor::{NackResponderBuilder, Registry, SenderReportBuilder, Slot, TwccReceiverBuilder};
use rtc::rtp_transceiver::RTCRtpTransceiverId;
use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

const COME_WITHIN: Duration = Duration::from_secs(30);
/// After all see all: estimates have grown.
const SETTLE: Duration = Duration::from_secs(5);
/// As tall as the pictures that are asked for, pixels.
const HEIGHT: u32 = 360;
/// The loudest are passed on.
const MAX_VOICES: u32 = 6;

#[derive(Default)]
struct Meeting {
    there: Cell<u32>,
    measuring: Cell<bool>,
    over: Cell<bool>,
    seen: RefCell<Seen>,
    error: RefCell<Option<String>>,
}

pub async fn run(url: &str, people: u32, seconds: u64, film: &Path) -> Result<Report> {
    let (target, film, means) = (Target::parse(url)?, Rc::new(Film::open(film)?), Means::new()?);
    let meeting = Rc::new(Meeting::default());
    let mut tasks = JoinSet::new();
    for number in 0..people {
        let (target, film, means, meeting) = (target.clone(), Rc::clone(&film), Rc::clone(&means), Rc::clone(&meeting));
        tasks.spawn_local(async move {
            let person = async {
                let mut person = Person::come(&target, &means, number, people).await?;
                person.meet(&film, &meeting).await
            };
            if let Err(error) = person.await {
                meeting.error.borrow_mut().get_or_insert_with(|| error.to_string());
            }
        });
    }
    while meeting.there.get() < people && meeting.error.borrow().is_none() {
        sleep(Duration::from_millis(20)).await;
    }
    sleep(SETTLE).await;
    eprintln!("all are there");
    meeting.measuring.set(true);
    let watch = Stopwatch::start();
    sleep(Duration::from_secs(seconds)).await;
    meeting.over.set(true);
    let elapsed = watch.elapsed().as_secs_f64();
    let mut report = Report::new();
    report.add("people", people);
    report.add_times(&watch);
    while tasks.join_next().await.is_some() {}
    let seen = meeting.seen.take();
    let sent = film.packets_per_s() * f64::from(people * (people - 1))
        + f64::from(people * MAX_VOICES.min(people - 1)) / SOUND_EVERY.as_secs_f64();
    report.add("packets", seen.packets);
    report.add("packets_per_s", (seen.packets as f64 / elapsed).round());
    report.add("packets_per_s_when_all_see_all", sent.round());
    report.add("bytes", seen.bytes);
    report.add("lost", seen.lost);
    report.add("decrypted", seen.genuine);
    report.add("errors", u64::from(meeting.error.borrow().is_some()));
    if let Some(error) = meeting.error.take() {
        report.add("first_error", error);
    }
    Ok(report)
}

struct Person {
    caller: Caller,
    signalling: WebSocketStream<TcpStream>,
    sound: Out,
    picture: Out,
    people: usize,
    number: u32,
    others: Vec<String>,
    me: String,
    receives: [u64; 2],
    shows: bool,
    offered: bool,
}

impl Person {
    async fn come(target: &Target, means: &Rc<Means>, number: u32, people: u32) -> Result<Self> {
        let mut request = format!("ws://{}{}", target.address, target.path).into_client_request()?;
        request.headers_mut().insert("sec-websocket-protocol", "capturebox.room.v1".parse()?);
        let (mut signalling, _) = client_async(request, TcpStream::connect(target.address).await?).await?;
        let join = json!({ "type": "join", "name": format!("Person {number}") });
        signalling.send(Message::text(join.to_string())).await?;
        let registry = Registry::new()
            .with(Slot::NackResponder, NackResponderBuilder::new().build())
            .with(Slot::TwccReceiver, TwccReceiverBuilder::new().build())
            .with(Slot::SenderReport, SenderReportBuilder::new().build());
        let mut caller = Caller::new(means, LOOPBACK, true, registry)?;
        let sound = Out::new(&mut caller, RtpCodecKind::Audio, 1_000 + 2 * number)?;
        let picture = Out::new(&mut caller, RtpCodecKind::Video, 1_001 + 2 * number)?;
        Ok(Self {
            caller,
            signalling,
            sound,
            picture,
            people: people as usize,
            number,
            others: Vec::new(),
            me: String::new(),
            receives: [0; 2],
            shows: false,
            offered: false,
        })
    }

    async fn meet(&mut self, film: &Film, meeting: &Meeting) -> Result<()> {
        let give_up = Instant::now() + COME_WITHIN;
        // Not all at the same moment.
        let began = Instant::now() + Duration::from_millis(4) * self.number;
        let (mut sounds, mut pictures) = (0u32, 0usize);
        let (mut there, mut measuring) = (false, false);
        while !meeting.over.get() {
            let now = Instant::now();
            if !there && self.caller.is_connected() && self.caller.seen.packets > 0 {
                there = true;
                meeting.there.set(meeting.there.get() + 1);
            }
            if !there && give_up <= now {
                return Err("nothing came".into());
            }
            if meeting.measuring.get() && !std::mem::replace(&mut measuring, true) {
                self.caller.seen = Seen::default();
            }
            let sound_due = began + SOUND_EVERY * sounds;
            let (offset, packets) = film.picture(pictures);
            let picture_due = began + offset;
            if sound_due <= now {
                self.sound.send_sound(&mut self.caller, sounds, now)?;
                sounds += 1;
            } else if picture_due <= now {
                self.picture.send_picture(&mut self.caller, packets, offset, now)?;
                pictures += 1;
            } else {
                tokio::select! {
                    message = self.signalling.next() => {
                        let message = message.ok_or("the box closed the WebSocket")??;
                        if let Message::Text(text) = message {
                            self.told(&serde_json::from_str(&text)?).await?;
                        }
                    }
                    turned = self.caller.turn(sound_due.min(picture_due)) => turned?,
                }
            }
        }
        meeting.seen.borrow_mut().add(std::mem::take(&mut self.caller.seen));
        self.say(&json!({ "type": "leave" })).await
    }

    async fn say(&mut self, message: &Value) -> Result<()> {
        Ok(self.signalling.send(Message::text(message.to_string())).await?)
    }

    async fn told(&mut self, told: &Value) -> Result<()> {
        match told["type"].as_str().unwrap_or_default() {
            "welcome" => self.me = told["id"].as_str().unwrap_or_default().to_owned(),
            "participants" => {
                let ids = told["participants"].as_array().into_iter().flatten().filter_map(|one| one["id"].as_str());
                self.others = ids.filter(|id| *id != self.me).map(str::to_owned).collect();
            }
            "receive" => self.receives = ["audio", "video"].map(|kind| told[kind].as_u64().unwrap_or(0)),
            "answer" => {
                self.caller.take_answer(told["sdp"].as_str().ok_or("no SDP")?.to_owned())?;
                self.say(&json!({ "type": "media", "audio": true, "video": true, "screen": false })).await?;
            }
            "error" => return Err(told.to_string().into()),
            _ => {}
        }
        let all = self.others.len() + 1 == self.people;
        if all && !std::mem::replace(&mut self.shows, true) {
            let show = |id: &String| json!({ "participant": id, "source": "camera", "height": HEIGHT });
            let show: Vec<_> = self.others.iter().map(show).collect();
            self.say(&json!({ "type": "layout", "show": show })).await?;
        }
        // One offer, when the box knows of them all.
        let [voices, pictures] = self.receives;
        let ready = pictures >= self.others.len() as u64 && voices >= u64::from(MAX_VOICES).min(pictures);
        if all && ready && !std::mem::replace(&mut self.offered, true) {
            for (kind, count) in [RtpCodecKind::Audio, RtpCodecKind::Video].into_iter().zip(self.receives) {
                (0..count).try_for_each(|_| self.caller.wants(kind))?;
            }
            let sdp = self.caller.offer()?;
            let (sound, picture) = (self.mid(self.sound.transceiver)?, self.mid(self.picture.transceiver)?);
            let tracks = json!({ sound: "microphone", picture: "camera" });
            self.say(&json!({ "type": "offer", "connection": 1, "sdp": sdp, "tracks": tracks })).await?;
        }
        Ok(())
    }

    fn mid(&mut self, transceiver: RTCRtpTransceiverId) -> Result<String> {
        let transceiver = self.caller.connection.rtp_transceiver(transceiver).ok_or("no transceiver")?;
        Ok(transceiver.mid().clone().ok_or("no mid")?)
    }
}
