//! Says that the box is here, and under which name, until it is dropped.
#![allow(clippy::disallowed_methods, reason = "shell: looks for rivals now and then")]

use super::DiscoveryError;
use super::presence::{Presence, Says};
use super::rival::{Standing, next_label, standing};
use crate::config::DiscoveryConfig;
use mdns_sd::{DaemonEvent, DnsNameChange, ServiceEvent};
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

/// How often others are asked for anew. Asking begins with one query after 1, 2, 4, … s, and so finds within a
/// minute who could not be heard at the start.
const LOOK_AROUND: Duration = Duration::from_secs(120);
/// After a rival was seen: it has said good-bye by then.
const SAY_AGAIN_AFTER: Duration = Duration::from_secs(3);
/// After another program held the port.
const TRY_AGAIN: Duration = Duration::from_secs(10);

/// How a service is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scheme {
    Http,
    Https,
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

impl Scheme {
    pub const ALL: [Self; 2] = [Self::Http, Self::Https];

    /// The DNS-SD type.
    pub(super) fn service_type(self) -> &'static str {
        match self {
            Self::Http => "_http._tcp.local.",
            Self::Https => "_https._tcp.local.",
        }
    }
}

/// Something that the box serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    pub scheme: Scheme,
    /// Where it really listens: with the port that it got.
    pub listens: SocketAddr,
}

/// The presence that there is now; none while names are changed and after the end.
type Shared = Arc<Mutex<Option<Presence>>>;

/// Holds the box's names on the LAN; dropping it says good-bye.
pub struct Announcement {
    present: Shared,
    follows: JoinHandle<()>,
    host: watch::Receiver<Option<String>>,
}

impl Announcement {
    /// The name that the box has, as in `box.local`, or `box-2.local` after a conflict; `None` until that is
    /// settled.
    pub fn host(&self) -> watch::Receiver<Option<String>> {
        self.host.clone()
    }
}

impl Drop for Announcement {
    fn drop(&mut self) {
        self.follows.abort();
        drop(take(&self.present));
    }
}

fn take(present: &Shared) -> Option<Presence> {
    present.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Announces what others can reach; `None` where that is nothing (loopback only), or it is switched off.
/// Must be called within the network's runtime, on which changes of name are waited for.
///
/// `host_label` is the machine's name ([`super::host_label`]); `id` is the box's own ([`super::box_id`]).
pub fn announce(
    config: &DiscoveryConfig,
    host_label: &str,
    id: String,
    services: &[Service],
) -> Result<Option<Announcement>, DiscoveryError> {
    let services: Vec<_> = services.iter().filter(|service| !service.listens.ip().is_loopback()).copied().collect();
    if !config.enabled || services.is_empty() {
        return Ok(None);
    }
    let says = Says { id, instance: config.name.clone().unwrap_or_else(|| host_label.to_owned()), services };
    let present = Arc::new(Mutex::new(Some(Presence::begin(says.clone(), host_label)?)));
    let (tell, host) = watch::channel(None);
    let names = Names { says, base: host_label.to_owned(), label: host_label.to_owned(), host: tell };
    let follows = tokio::spawn(names.follow(Arc::clone(&present)));
    Ok(Some(Announcement { present, follows, host }))
}

/// What the box is called, now and next.
struct Names {
    says: Says,
    /// The machine's name.
    base: String,
    /// What it is called, or would be if nobody else were.
    label: String,
    host: watch::Sender<Option<String>>,
}

impl Names {
    /// Keeps the box present under a name that is its own.
    async fn follow(mut self, present: Shared) {
        loop {
            if let Err(error) = self.until_taken(&present).await {
                log::warn!("{error}");
                tokio::time::sleep(TRY_AGAIN).await;
            }
            let old = take(&present);
            // It says good-bye, and waits until that is out.
            let _ = tokio::task::spawn_blocking(move || drop(old)).await;
            match Presence::begin(self.says.clone(), &self.label) {
                Ok(new) => *present.lock().unwrap_or_else(PoisonError::into_inner) = Some(new),
                Err(error) => log::warn!("{error}"),
            }
        }
    }

    /// Returns when another box has the better right to the name, and `label` is another one.
    async fn until_taken(&mut self, present: &Shared) -> Result<(), DiscoveryError> {
        let locked = |what: &mut dyn FnMut(&mut Presence) -> Result<(), DiscoveryError>| {
            present.lock().unwrap_or_else(PoisonError::into_inner).as_mut().map_or(Err(DiscoveryError::Gone), what)
        };
        let (mut events, mut others) = (None, None);
        locked(&mut |presence| {
            events = Some(presence.events.clone());
            others = Some(presence.look_around()?);
            Ok(())
        })?;
        let (Some(events), Some(mut others)) = (events, others) else { return Err(DiscoveryError::Gone) };
        let mut look = interval_at(Instant::now() + LOOK_AROUND, LOOK_AROUND);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut say_again = None::<Instant>;
        loop {
            tokio::select! {
                event = events.recv_async() => match event.map_err(|_| DiscoveryError::Gone)? {
                    DaemonEvent::Announce(full_name, _) => locked(&mut |presence| {
                        if presence.is_first(&full_name) {
                            presence.go_on()?;
                            self.settled();
                        }
                        Ok(())
                    })?,
                    DaemonEvent::NameChange(change) => self.changed(&change),
                    DaemonEvent::Error(error) => log::warn!("mDNS: {error}"),
                    _ => {}
                },
                found = others.recv_async() => match found {
                    Ok(ServiceEvent::ServiceResolved(found)) => {
                        let id = found.get_fullname().split('.').next().unwrap_or_default();
                        match self.standing(id, found.get_hostname()) {
                            Standing::Apart => {}
                            Standing::Keeps => say_again = Some(Instant::now() + SAY_AGAIN_AFTER),
                            Standing::Yields => {
                                self.give_way();
                                return Ok(());
                            }
                        }
                    }
                    Ok(_) => {}
                    Err(_) => locked(&mut |presence| { others = presence.look_around()?; Ok(()) })?,
                },
                () = sleep_until(say_again.unwrap_or_else(Instant::now)), if say_again.is_some() => {
                    say_again = None;
                    locked(&mut Presence::say_again)?;
                }
                _ = look.tick() => locked(&mut |presence| { others = presence.look_around()?; Ok(()) })?,
            }
        }
    }

    /// The box is announced under its name.
    fn settled(&self) {
        let new = format!("{}.local", self.label);
        if self.host.borrow().as_ref() != Some(&new) {
            log::info!("on the LAN as \"{}\", {new}", self.says.instance);
            self.host.send_replace(Some(new));
        }
    }

    /// A conflict was seen before the name was used.
    fn changed(&mut self, change: &DnsNameChange) {
        let (old, new) = (change.original.trim_end_matches('.'), change.new_name.trim_end_matches('.'));
        log::warn!("another on the LAN is called {old}: this box is now {new}");
        // An instance's name has its service's type behind it; the host's is the one that hasn't.
        if !new.contains("._tcp.") {
            self.label = new.strip_suffix(".local").unwrap_or(new).to_owned();
        }
    }

    /// How this box stands to another; nobody is a rival while the name is still being probed for.
    fn standing(&self, id: &str, host: &str) -> Standing {
        let ours = format!("{}.local.", self.label);
        let settled = self.host.borrow().is_some();
        if settled { standing((&self.says.id, &ours), (id, host)) } else { Standing::Apart }
    }

    /// Another box has the better right to the name.
    fn give_way(&mut self) {
        log::warn!("another box on the LAN is called {}.local too: this one gives way", self.label);
        self.label = next_label(&self.base, &self.label);
        self.host.send_replace(None);
    }
}
