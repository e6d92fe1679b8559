//! Who publishes into streams: finds the place of a stream that is for it, and makes streams that the configuration
//! doesn't name, for as long as somebody publishes into them.

use super::{Control, ControlError, State};
use crate::capture::contribution::{Claim, Contributor};
use crate::config::{
    EncodeConfig, HlsConfig, InputSource, Inputs, MAX_STREAMS, StreamAccess, StreamConfig, StreamName,
};
use crate::stream::Stream;
use crate::time::MonoTime;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Nobody has published into a stream that was made for so long: it ends. Whoever lost the network is back before.
const ENDS_AFTER: Duration = Duration::from_secs(120);
/// And is gone for so long after that: players have read that it is over.
const GONE_AFTER: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_secs(5);

/// A stream's place, taken.
pub struct Place {
    pub stream: Arc<Stream>,
    pub contributor: Contributor,
    /// How often its playlists need a key frame.
    pub key_frame_every: Duration,
}

/// A stream's place, which can be taken.
pub struct Invitation {
    pub stream: Arc<Stream>,
    pub claim: Claim,
    pub key_frame_every: Duration,
}

/// What becomes of a stream that nobody publishes into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Stays,
    Ends,
    Goes,
}

/// `since`: when nobody published any more.
fn fate(since: MonoTime, now: MonoTime) -> Fate {
    match since.until(now) {
        away if away >= ENDS_AFTER + GONE_AFTER => Fate::Goes,
        away if away >= ENDS_AFTER => Fate::Ends,
        _ => Fate::Stays,
    }
}

/// How a stream is that nobody configured.
fn made() -> StreamConfig {
    StreamConfig {
        inputs: Inputs::Both(InputSource::Publish { takeover: false }),
        encode: EncodeConfig::default(),
        hls: HlsConfig::default(),
        access: StreamAccess::default(),
        pushes: Vec::new(),
    }
}

impl Control {
    /// The place of a stream for somebody who may publish into it, and whose offer is still to be looked at; makes the
    /// stream where there is none.
    pub async fn invite(self: &Arc<Self>, name: &str) -> Result<Invitation, ControlError> {
        let name = name.to_owned();
        self.change(move |control| control.invite_now(&name)).await
    }

    /// Takes that place at once.
    pub async fn contribute(self: &Arc<Self>, name: &str) -> Result<Place, ControlError> {
        let Invitation { stream, claim, key_frame_every } = self.invite(name).await?;
        Ok(Place { stream, contributor: claim.take()?, key_frame_every })
    }

    fn invite_now(&self, name: &str) -> Result<Invitation, ControlError> {
        let known = self.entries().get(name).map(|entry| (entry.config.clone(), entry.made));
        let config = match known {
            Some((config, false)) => config,
            Some((config, true)) => {
                self.start_now(name)?;
                config
            }
            None => {
                self.make(name)?;
                made()
            }
        };
        let Inputs::Both(InputSource::Publish { takeover }) = config.inputs else {
            return Err(ControlError::HasSource { name: name.to_owned() });
        };
        if self.state(name) != Some(State::Running) {
            return Err(ControlError::Stopped { name: name.to_owned() });
        }
        let stream = self.streams.get(name).ok_or(ControlError::NoStream)?;
        let claim = Claim::new(&self.desk, name, takeover)?;
        let key_frame_every = Duration::from_millis(config.encode.gop_ms.into());
        Ok(Invitation { stream, claim, key_frame_every })
    }

    /// Makes and starts a stream that the configuration doesn't name.
    fn make(&self, name: &str) -> Result<(), ControlError> {
        StreamName::new(name).map_err(ControlError::Name)?;
        if self.entries().len() >= MAX_STREAMS {
            return Err(ControlError::TooMany { most: MAX_STREAMS });
        }
        self.insert(name, made());
        if let Some(entry) = self.entries_mut().get_mut(name) {
            entry.made = true;
        }
        log::info!("{name}: made for somebody who publishes");
        self.start_now(name).inspect_err(|_| drop(self.remove_now(name)))
    }

    /// Ends the streams that were made and that nobody publishes into any more, until the box stops.
    pub async fn watch_contributions(self: Arc<Self>) {
        let mut away = BTreeMap::new();
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let stop = self.supervisor.stop().clone();
        loop {
            tokio::select! {
                () = stop.requested() => return,
                _ = look.tick() => {}
            }
            self.look_at_contributions(&mut away, MonoTime::now()).await;
        }
    }

    /// `away`: since when nobody publishes into each.
    pub(super) async fn look_at_contributions(self: &Arc<Self>, away: &mut BTreeMap<String, MonoTime>, now: MonoTime) {
        let made = |(name, entry): (&String, &super::Entry)| {
            (entry.made && !self.desk.is_taken(name)).then(|| (name.clone(), entry.state))
        };
        let idle: BTreeMap<String, State> = self.entries().iter().filter_map(made).collect();
        away.retain(|name, _| idle.contains_key(name));
        for (name, state) in idle {
            let since = *away.entry(name.clone()).or_insert(now);
            let fate = fate(since, now);
            let done = self.change(move |control| {
                // Somebody may have come meanwhile.
                match fate {
                    _ if control.desk.is_taken(&name) => Ok(()),
                    Fate::Ends if state == State::Running => control.stop_now(&name),
                    Fate::Goes => control.remove_now(&name),
                    Fate::Stays | Fate::Ends => Ok(()),
                }
            });
            if fate != Fate::Stays
                && let Err(error) = done.await
            {
                log::warn!("a stream that nobody publishes into can't be ended: {error}");
            }
        }
    }
}
