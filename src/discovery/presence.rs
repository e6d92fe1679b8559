//! The box under one host name: what it says, until it is dropped and says good-bye.
//!
//! The crate defends a host name only while some service of that host is announced, and a service waits
//! until its own name is settled too. Of two boxes that start in the same instant, the one that wins the host
//! name may lose the service's name, be silent for a second, and so lose the host name without knowing. So the
//! first service has a name that nobody else has, the box's id: it settles the host name. The others follow.

use super::DiscoveryError;
use super::announce::Service;
use super::listing::{ID, MARK, PATH};
use mdns_sd::{DaemonEvent, IfKind, IfPredicate, Receiver, ServiceDaemon, ServiceEvent, ServiceInfo};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

/// Where boxes tell each other their ids (RFC 6763 section 7).
pub(super) const BOXES: &str = "_capturebox._tcp.local.";
/// How long the good-bye may take at the end: it is one packet for each service and interface.
const GOODBYE_WITHIN: Duration = Duration::from_millis(300);

/// What the box says of itself besides its host name.
#[derive(Debug, Clone)]
pub(super) struct Says {
    pub id: String,
    /// What people see.
    pub instance: String,
    /// One at least.
    pub services: Vec<Service>,
}

pub(super) struct Presence {
    daemon: ServiceDaemon,
    says: Says,
    /// `box.local.`
    host: String,
    registered: Vec<String>,
    /// What becomes of the names.
    pub events: Receiver<DaemonEvent>,
}

impl Presence {
    /// Begins to probe for `label`.local.
    pub fn begin(says: Says, label: &str) -> Result<Self, DiscoveryError> {
        let daemon = ServiceDaemon::new()?;
        daemon.disable_interface(vec![IfKind::LoopbackV4, IfKind::LoopbackV6])?;
        let events = daemon.monitor()?;
        let mut presence = Self { daemon, says, host: format!("{label}.local."), registered: Vec::new(), events };
        presence.register_first()?;
        Ok(presence)
    }

    fn register_first(&mut self) -> Result<(), DiscoveryError> {
        let id = self.says.id.clone();
        self.says.services.first().copied().map_or(Ok(()), |first| self.register(BOXES, &id, &first))
    }

    /// Whether an announcement's name is that of the first service, so that the host name is settled.
    pub fn is_first(&self, full_name: &str) -> bool {
        self.registered.first().is_some_and(|first| first.eq_ignore_ascii_case(full_name))
    }

    /// Announces the services under the names that people see, unless that has been done.
    pub fn go_on(&mut self) -> Result<(), DiscoveryError> {
        if self.registered.len() == 1 {
            let instance = self.says.instance.clone();
            for service in self.says.services.clone() {
                self.register(service.scheme.service_type(), &instance, &service)?;
            }
        }
        Ok(())
    }

    /// Says everything once more, to those who have heard another box say good-bye to the same names.
    pub fn say_again(&mut self) -> Result<(), DiscoveryError> {
        let all = self.registered.len();
        self.registered.clear();
        self.register_first()?;
        if all > 1 { self.go_on() } else { Ok(()) }
    }

    /// Asks who else is there, from the beginning.
    pub fn look_around(&self) -> Result<Receiver<ServiceEvent>, DiscoveryError> {
        Ok(self.daemon.browse(BOXES)?)
    }

    fn register(&mut self, kind: &str, instance: &str, service: &Service) -> Result<(), DiscoveryError> {
        let info = info(kind, instance, &self.host, service, &self.says.id)?;
        let full_name = info.get_fullname().to_owned();
        self.daemon.register(info)?;
        self.registered.push(full_name);
        Ok(())
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let goodbyes: Vec<_> = self.registered.iter().filter_map(|name| self.daemon.unregister(name).ok()).collect();
        for goodbye in goodbyes {
            let _ = goodbye.recv_timeout(GOODBYE_WITHIN);
        }
        let _ = self.daemon.shutdown();
    }
}

fn info(kind: &str, instance: &str, host: &str, service: &Service, id: &str) -> Result<ServiceInfo, mdns_sd::Error> {
    let properties = [(MARK, env!("CARGO_PKG_VERSION")), (ID, id), (PATH, "/")];
    let (ip, port) = (service.listens.ip(), service.listens.port());
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
