//! One push: waits until its stream has something to send, connects, sends, and begins again when that is over.

#![allow(clippy::disallowed_methods, reason = "shell: waits, and stamps with the time")]

use super::agent::{Agent, Happening, Numbers};
use super::client::Client;
use super::plan::{Failure, Plan};
use super::status::Status;
use super::whip::Session;
use crate::config::PushConfig;
use crate::control::{Control, State};
use crate::media::{Track, TrackId};
use crate::stream::{Read, Reader, Start, Stream};
use crate::supervisor::Stop;
use crate::time::MonoTime;
use crate::webrtc::packets::{Kind, is_reordered, packetise};
use rtc::peer_connection::configuration::RTCIceServer;
use rtc::shared::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// A stream that has sent nothing for this long pauses: nobody holds a place at a server for it.
const IDLE: Duration = Duration::from_secs(10);
/// How often a stream is looked for that isn't there, or stopped.
const LOOK: Duration = Duration::from_millis(500);
/// Key frames that the other server can ask for.
const KEY_FRAME_EVERY_MS: i64 = 500;
/// Sources that make key frames by themselves may take this long.
const KEY_FRAME_WITHIN: Duration = Duration::from_secs(30);
/// What the bitrate is measured over.
const MEASURED_MS: i64 = 1_000;
/// For a server's candidates that aren't found, because a STUN server doesn't answer, nobody waits longer.
const GATHER_WITHIN: Duration = Duration::from_secs(5);
/// A connection that takes no packet for so long takes none any more.
const SENT_WITHIN: Duration = Duration::from_secs(5);
/// What the end at the other server may take.
const CLOSED_WITHIN: Duration = Duration::from_secs(3);

/// What all pushes find their way by.
#[derive(Debug, Clone, Default)]
pub struct Ways {
    pub ice_servers: Vec<RTCIceServer>,
    /// By TURN servers alone.
    pub relay_only: bool,
}

/// Everything that one push works with.
pub struct Errand {
    pub control: Arc<Control>,
    pub stream: String,
    pub config: PushConfig,
    pub client: Client,
    pub ways: Ways,
    pub status: Arc<Mutex<Status>>,
    pub stop: Stop,
}

/// Why the sending is over.
enum End {
    Stopped,
    Paused,
    Failed(Failure),
}

impl Errand {
    /// Until it is stopped.
    pub async fn run(self) {
        let mut plan = Plan::new(MonoTime::now());
        loop {
            let Some((reader, track)) = self.unless_stopped(self.something_to_send()).await else { return };
            let end = self.attempt(&mut plan, reader, track).await;
            match end {
                End::Stopped => return,
                End::Paused => {
                    log::info!("{}: not sent to {} any more: it has nothing to send", self.stream, self.to());
                    self.told(&mut plan, |plan| plan.paused(MonoTime::now()));
                }
                End::Failed(failure) => {
                    let level = if plan.is_new(&failure) { log::Level::Warn } else { log::Level::Debug };
                    let cause = failure.cause.clone();
                    let now = MonoTime::now();
                    let until = self.told(&mut plan, |plan| plan.failed(failure, now, chance()));
                    let rest = now.until(until);
                    log::log!(level, "{}: {cause}; tried again in {} s", self.stream, rest.as_secs());
                    if self.unless_stopped(sleep(rest)).await.is_none() {
                        return;
                    }
                    self.told(&mut plan, |plan| plan.paused(MonoTime::now()));
                }
            }
        }
    }

    /// Waits for the first access unit; also for a stream that isn't there yet, or is stopped.
    async fn something_to_send(&self) -> (Reader, Option<Arc<Track>>) {
        loop {
            // A stream that is stopped still has what was before.
            let runs = self.control.state(&self.stream) == Some(State::Running);
            if let Some(stream) = self.control.streams().get(&self.stream).filter(|_| runs) {
                let mut reader = read(&stream, Start::LatestKeyframe);
                // Looked up again: a stream whose settings change is another one.
                let first = timeout(4 * LOOK, reader.next()).await;
                if let Ok(Read::Unit { .. } | Read::Lagged { .. }) = first {
                    let video = stream.tracks().into_iter().find(|track| track.id == TrackId::Video(0));
                    return (reader, video);
                }
            }
            sleep(LOOK).await;
        }
    }

    async fn attempt(&self, plan: &mut Plan, reader: Reader, video: Option<Arc<Track>>) -> End {
        let stream = Arc::clone(reader.stream());
        let until = self.told(plan, |plan| plan.connects(MonoTime::now()));
        if video.as_deref().is_some_and(is_reordered) {
            let cause = "WHIP can't carry pictures that come in another order than they are shown in (B-frames); have the \
                         source encode without them";
            return End::Failed(Failure::refused(cause));
        }
        let Some(opened) = self.unless_stopped(self.open(video.as_deref())).await else { return End::Stopped };
        let (mut agent, session) = match opened {
            Ok(opened) => opened,
            Err(failure) => return End::Failed(failure),
        };
        let left = MonoTime::now().until(until);
        let connecting = async { timeout(left, self.connect(&mut agent, &session)).await };
        let end = match self.unless_stopped(connecting).await {
            None => End::Stopped,
            Some(Ok(Ok(()))) => {
                // It was held so that the sound is encoded already.
                drop(reader);
                self.told(plan, |plan| plan.connected(MonoTime::now()));
                log::info!("{}: live at {}", self.stream, self.to());
                self.send(&mut agent, &stream, video.is_some()).await
            }
            Some(Ok(Err(failure))) => End::Failed(failure),
            Some(Err(_)) => End::Failed(self.no_way()),
        };
        // Also where it hangs: the next try isn't to find the place taken.
        let closing = async { tokio::join!(session.close(), agent.close()) };
        if timeout(CLOSED_WITHIN, closing).await.is_err() {
            log::debug!("{}: the end at {} wasn't answered", self.stream, self.to());
        }
        end
    }

    /// Offers, and takes the answer.
    async fn open(&self, video: Option<&Track>) -> Result<(Agent, Session), Failure> {
        let own = |error: Error| Failure::passing(format!("the box can't offer the stream: {error}"));
        let local = self.client.is_local().await;
        let mut agent = Agent::new(video, local, numbers()?).await.map_err(own)?;
        let opened = Session::open(self.client.clone(), self.config.url.clone(), agent.offer().to_owned()).await;
        let session = match opened {
            Ok(session) => session,
            Err(failure) => {
                agent.close().await;
                return Err(failure);
            }
        };
        let servers = [self.ways.ice_servers.clone(), session.ice_servers.clone()].concat();
        let answered = agent.answered(session.answer.clone(), servers, self.ways.relay_only).await;
        let unusable = match answered {
            Ok(()) if video.is_some() && !agent.takes(Kind::Video) => {
                format!("{} doesn't take H.264 as this stream has it, so that nobody would see a picture", self.to())
            }
            Ok(()) if agent.takes(Kind::Video) || agent.takes(Kind::Audio) => return Ok((agent, session)),
            Ok(()) => format!("{} takes neither H.264 nor Opus", self.to()),
            Err(error) => format!("{} answers what the box can't use: {error}", self.to()),
        };
        tokio::join!(session.close(), agent.close());
        Err(Failure::refused(unusable))
    }

    /// Until packets can flow.
    async fn connect(&self, agent: &mut Agent, session: &Session) -> Result<(), Failure> {
        let mut candidates = Vec::new();
        let mut gathering = std::pin::pin!(sleep(GATHER_WITHIN));
        // A lite server looks for nobody.
        let mut told = session.answer.lines().any(|line| line == "a=ice-lite");
        loop {
            let complete = tokio::select! {
                () = &mut gathering, if !told => true,
                happening = agent.next() => match happening {
                    Happening::Candidate(candidate) => {
                        candidates.push(candidate);
                        false
                    }
                    Happening::Gathered => true,
                    Happening::Connected => return Ok(()),
                    Happening::Over => return Err(self.no_way()),
                },
            };
            if complete && !told {
                session.tell(agent.offer(), &candidates).await;
                told = true;
            }
        }
    }

    /// Until there is nothing more to send, or nobody takes it. `pictures`: the stream has some.
    async fn send(&self, agent: &mut Agent, stream: &Arc<Stream>, pictures: bool) -> End {
        let gone = || End::Failed(Failure::passing(format!("the connection to {} is lost", self.to())));
        let mut reader = read(stream, Start::NextKeyframe);
        stream.request_key_frame();
        let (mut asked, mut begun) = (MonoTime::now(), !pictures || !agent.takes(Kind::Video));
        let (mut measured, mut bytes) = (MonoTime::now(), 0);
        loop {
            let unit = tokio::select! {
                biased;
                () = self.stop.requested() => return End::Stopped,
                happening = agent.next() => match happening {
                    Happening::Over => return gone(),
                    _ => continue,
                },
                read = timeout(if begun { IDLE } else { KEY_FRAME_WITHIN }, reader.next()) => match read {
                    Ok(Read::Unit { track, unit }) => Some((track, unit)),
                    Ok(Read::Lagged { .. }) => None,
                    Ok(Read::End) | Err(_) => return End::Paused,
                },
            };
            let packets = unit.and_then(|(track, unit)| packetise(&track, &unit));
            // No sound without a picture: some servers take the first for the whole.
            begun |= packets.as_ref().is_some_and(|packets| packets.kind == Kind::Video && packets.starts);
            if let Some(packets) = packets.filter(|_| begun) {
                match timeout(SENT_WITHIN, agent.send(&packets)).await {
                    Ok(Ok(sent)) => bytes += sent as u64,
                    Ok(Err(_)) | Err(_) => return gone(),
                }
            }
            let now = MonoTime::now();
            if agent.wants_key_frame() && now.nanos_since(asked) >= KEY_FRAME_EVERY_MS * 1_000_000 {
                asked = now;
                stream.request_key_frame();
            }
            let elapsed = now.nanos_since(measured);
            if elapsed >= MEASURED_MS * 1_000_000 {
                let mut status = self.status();
                status.sent_bytes += bytes;
                status.bitrate_bps = (bytes as f64 * 8e9 / elapsed as f64) as u64;
                (measured, bytes) = (now, 0);
            }
        }
    }

    /// Changes the plan, and puts down how it is then.
    fn told<T>(&self, plan: &mut Plan, change: impl FnOnce(&mut Plan) -> T) -> T {
        let result = change(plan);
        plan.tell(&mut self.status());
        result
    }

    fn status(&self) -> std::sync::MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn unless_stopped<T>(&self, wait: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.stop.requested() => None,
            result = wait => Some(result),
        }
    }

    /// What the server is called.
    fn to(&self) -> &str {
        self.config.url.host().unwrap_or_default()
    }

    fn no_way(&self) -> Failure {
        let help = if self.ways.relay_only {
            "see whether the TURN server in [webrtc] ice_servers runs and knows the box"
        } else {
            "a firewall may keep UDP; a TURN server in [webrtc] ice_servers can help"
        };
        Failure::passing(format!("{} answers, but packets find no way there: {help}", self.to()))
    }
}

fn read(stream: &Arc<Stream>, start: Start) -> Reader {
    stream.read(&[TrackId::Video(0), TrackId::Opus], start)
}

fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Failure::passing(format!("no random numbers: {error}")))?;
    Ok(bytes)
}

fn numbers() -> Result<Numbers, Failure> {
    let number = || random().map(u32::from_ne_bytes);
    Ok(Numbers { ssrcs: [number()?, number()?, number()?], sequence_numbers: [number()? as u16, number()? as u16] })
}

/// From 0 to 1.
fn chance() -> f64 {
    random().map_or(0.5, |bytes| f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX))
}
