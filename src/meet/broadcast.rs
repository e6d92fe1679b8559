//! A mixed room: its mixer, and the stream that its picture is encoded in. That is the stream `room-NAME`, which is
//! there like any other, or one that nobody else sees, where people are only sent the mix.

#![allow(clippy::disallowed_methods, reason = "a shell: feeders are handed the time")]

use super::hall::{Mixed, stream_of};
use super::tap::SIZE;
use crate::capture::contribution::{Contributor, Desk};
use crate::config::{EncodeConfig, HlsConfig, InputSource, Inputs, StreamAccess, StreamConfig};
use crate::control::Control;
use crate::mix::{self, Layout, MixError, Mixer, Output};
use crate::pipeline::{self, PipelineError};
use crate::stream::{Limits, Stream};
use crate::supervisor::Supervisor;
use crate::time::FrameRate;
use crate::webrtc::feeder::{Feeder, Media};
use crate::webrtc::packets::Packets;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

const MEDIA_QUEUE: usize = 64;

#[derive(Debug, Error)]
pub enum BroadcastError {
    #[error(transparent)]
    Mix(#[from] MixError),
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
}

/// How a room is mixed.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    pub layout: Layout,
    pub each: bool,
    pub public: bool,
}

/// What comes of a room's mixer; `number` is that of the [`Broadcast`].
pub enum News {
    Mixed {
        room: String,
        number: u64,
        mixed: Mixed,
    },
    /// The mixed picture, encoded.
    Shown {
        room: String,
        number: u64,
        packets: Packets,
    },
    /// The stream is there.
    Placed {
        room: String,
        number: u64,
        stream: Arc<Stream>,
    },
}

/// See the module. Dropping it ends all of it.
pub struct Broadcast {
    pub mixer: Mixer,
    pub number: u64,
    each: bool,
    stream: Option<Arc<Stream>>,
    /// The threads that encode for nobody but the room.
    threads: Option<Supervisor>,
    shows: Option<(Feeder, AbortHandle)>,
}

impl Drop for Broadcast {
    fn drop(&mut self) {
        if let Some(threads) = &self.threads {
            threads.stop().request();
        }
        if let Some((_, task)) = &self.shows {
            task.abort();
        }
    }
}

impl Broadcast {
    pub fn start(
        room: &str,
        wanted: Wanted,
        control: &Arc<Control>,
        news: &mpsc::Sender<News>,
    ) -> Result<Self, BroadcastError> {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let place = Arc::new(OnceLock::new());
        let held = Arc::clone(&place);
        let settings =
            mix::Settings { size: SIZE, rate: FrameRate::DEFAULT, layout: wanted.layout, others: wanted.each };
        let (name, told) = (room.to_owned(), news.clone());
        let mixer = Mixer::start(&stream_of(room), settings, control.supervisor(), move |output| {
            let mixed = match output {
                Output::Everybody(captured) => {
                    let contributor: Option<&Contributor> = held.get();
                    contributor.into_iter().for_each(|contributor| contributor.push(captured.clone()));
                    return;
                }
                Output::Others { person, number, packet } => Mixed::Others { person, number, packet },
                Output::KeyFrameWanted { person, source } => Mixed::KeyFrameWanted { person, source },
            };
            // The rooms' task is behind by a queue: what is lost now comes again, or is late anyway.
            let _ = told.try_send(News::Mixed { room: name.clone(), number, mixed });
        })?;
        let mut broadcast = Self { mixer, number, each: wanted.each, stream: None, threads: None, shows: None };
        if wanted.public {
            let claim = claim(room.to_owned(), number, Arc::clone(control), Arc::downgrade(&place), news.clone());
            tokio::spawn(claim);
        } else {
            let (desk, stream) = (Desk::default(), Stream::new(&stream_of(room), Limits::default()));
            let threads = control.supervisor().scope();
            pipeline::start(stream.name(), &hidden(), &stream, &desk, &threads)?;
            broadcast.threads = Some(threads);
            // It is the first one at this desk.
            if let Ok(contributor) = desk.claim(stream.name()) {
                let _ = place.set(contributor);
            }
            broadcast.show(room, &stream, news);
        }
        Ok(broadcast)
    }

    /// The stream that the mix is encoded in is there: from now on, those who are sent the mix are sent that.
    pub fn show(&mut self, room: &str, stream: &Arc<Stream>, news: &mpsc::Sender<News>) {
        self.stream = Some(Arc::clone(stream));
        if !self.each {
            return;
        }
        let (media_out, mut media) = mpsc::channel::<Media>(MEDIA_QUEUE);
        let feeder = Feeder::start(stream, media_out, Instant::now());
        let (room, number, news) = (room.to_owned(), self.number, news.clone());
        let task = tokio::spawn(async move {
            while let Some((_, Some(packets))) = media.recv().await {
                if news.send(News::Shown { room: room.clone(), number, packets }).await.is_err() {
                    return;
                }
            }
        });
        self.shows = Some((feeder, task.abort_handle()));
    }

    pub fn request_key_frame(&self) {
        if let Some(stream) = &self.stream {
            stream.request_key_frame();
        }
    }
}

/// Takes the place of the room's stream, for as long as the mixer holds `place`.
async fn claim(
    room: String,
    number: u64,
    control: Arc<Control>,
    place: Weak<OnceLock<Contributor>>,
    news: mpsc::Sender<News>,
) {
    let claimed = control.contribute(&stream_of(&room)).await;
    let told = match claimed {
        Ok(claimed) => {
            // Nobody holds it any more: the room has changed its mind.
            let Some(place) = place.upgrade() else { return };
            let _ = place.set(claimed.contributor);
            News::Placed { room, number, stream: claimed.stream }
        }
        Err(error) => {
            log::warn!("room {room} can't be broadcast: {error}");
            News::Mixed { room, number, mixed: Mixed::Failed }
        }
    };
    let _ = news.send(told).await;
}

/// How the stream is that nobody but the room sees.
fn hidden() -> StreamConfig {
    StreamConfig {
        inputs: Inputs::Both(InputSource::Publish { takeover: false }),
        encode: EncodeConfig::default(),
        hls: HlsConfig::default(),
        access: StreamAccess::default(),
        pushes: Vec::new(),
    }
}
