//! Says that the box is here, and under which name, until it is dropped.

use super::DiscoveryError;
use super::listing::{ID, MARK, PATH};
use crate::config::DiscoveryConfig;
use mdns_sd::{DaemonEvent, IfKind, IfPredicate, Receiver, ServiceDaemon, ServiceInfo};
use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long the good-bye may take at the end: it is one packet for each service and interface.
const GOODBYE_WITHIN: Duration = Duration::from_millis(300);

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

/// Holds the box's names on the LAN; dropping it says good-bye.
pub struct Announcement {
    daemon: ServiceDaemon,
    registered: Vec<String>,
    host: Arc<Mutex<String>>,
}

impl Announcement {
    /// The name that the box has now, as in `box.local`; after a conflict `box-2.local`.
    pub fn host(&self) -> String {
        self.host.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Announcement {
    fn drop(&mut self) {
        let goodbyes: Vec<_> = self.registered.iter().filter_map(|name| self.daemon.unregister(name).ok()).collect();
        for goodbye in goodbyes {
            let _ = goodbye.recv_timeout(GOODBYE_WITHIN);
        }
        let _ = self.daemon.shutdown();
    }
}

/// Announces what others can reach; `None` where that is nothing (loopback only), or it is switched off.
/// Must be called within the network's runtime, on which changes of name are waited for.
///
/// `host_label` is the machine's name ([`super::host_label`]).
pub fn announce(
    config: &DiscoveryConfig,
    host_label: &str,
    services: &[Service],
) -> Result<Option<Announcement>, DiscoveryError> {
    let services: Vec<_> = services.iter().filter(|service| !service.listens.ip().is_loopback()).collect();
    if !config.enabled || services.is_empty() {
        return Ok(None);
    }
    let instance = config.name.as_deref().unwrap_or(host_label);
    let host = format!("{host_label}.local.");
    let id = format!("{:016x}", RandomState::new().build_hasher().finish());
    let infos = services
        .iter()
        .map(|service| info(service, instance, &host, &id))
        .collect::<Result<Vec<_>, mdns_sd::Error>>()?;

    let daemon = ServiceDaemon::new()?;
    daemon.disable_interface(vec![IfKind::LoopbackV4, IfKind::LoopbackV6])?;
    let name = Arc::new(Mutex::new(host.trim_end_matches('.').to_owned()));
    tokio::spawn(follow(daemon.monitor()?, Arc::clone(&name)));
    let mut announcement = Announcement { daemon, registered: Vec::new(), host: name };
    for info in infos {
        let full_name = info.get_fullname().to_owned();
        announcement.daemon.register(info)?;
        announcement.registered.push(full_name);
    }
    log::info!("announced on the LAN as \"{instance}\", {}", announcement.host());
    Ok(Some(announcement))
}

fn info(service: &Service, instance: &str, host: &str, id: &str) -> Result<ServiceInfo, mdns_sd::Error> {
    let properties = [(MARK, env!("CARGO_PKG_VERSION")), (ID, id), (PATH, "/")];
    let (kind, port) = (service.scheme.service_type(), service.listens.port());
    let ip = service.listens.ip();
    let mut info = if ip.is_unspecified() {
        // Interfaces come and go: their addresses are followed.
        ServiceInfo::new(kind, instance, host, "", port, &properties[..])?.enable_addr_auto()
    } else {
        ServiceInfo::new(kind, instance, host, ip, port, &properties[..])?
    };
    // Only where it listens; and no link-local IPv6 address, which no URL can hold without the reader's own
    // name of the interface, and which avahi leaves out too (so that it doesn't see a conflict).
    let ipv6_too = ip.is_ipv6();
    let reachable = move |address: IpAddr| match address {
        IpAddr::V4(v4) => !v4.is_loopback(),
        IpAddr::V6(v6) => ipv6_too && !v6.is_loopback() && !is_link_local(v6),
    };
    info.set_interfaces(vec![IfKind::Predicate(IfPredicate::new(move |interface| reachable(interface.ip())))]);
    Ok(info)
}

fn is_link_local(address: Ipv6Addr) -> bool {
    address.is_unicast_link_local()
}

/// Notes and logs what becomes of the names, until the daemon ends.
async fn follow(events: Receiver<DaemonEvent>, host: Arc<Mutex<String>>) {
    while let Ok(event) = events.recv_async().await {
        match event {
            DaemonEvent::NameChange(change) => {
                let new = change.new_name.trim_end_matches('.').to_owned();
                log::warn!(
                    "another on the LAN is called {}: this box is now {new}",
                    change.original.trim_end_matches('.')
                );
                // An instance's name has its service's type behind it; the host's is the one that hasn't.
                if !new.contains("._tcp.") {
                    *host.lock().unwrap_or_else(PoisonError::into_inner) = new;
                }
            }
            DaemonEvent::Error(error) => log::warn!("mDNS: {error}"),
            _ => {}
        }
    }
}
