//! Looks for boxes on the LAN.
#![allow(clippy::disallowed_methods, reason = "shell: waits for answers in real time")]

use super::DiscoveryError;
use super::announce::Scheme;
use super::listing::{FoundBox, ID, MARK, Sighting, Sightings};
use mdns_sd::{IfKind, ResolvedService, ServiceDaemon, ServiceEvent};
use std::time::{Duration, Instant};

/// Between two looks at each of the searches.
const TURN: Duration = Duration::from_millis(20);

/// Every box that answers within the time, which is spent whole: nobody knows how many there are.
pub fn find(within: Duration) -> Result<Vec<FoundBox>, DiscoveryError> {
    let daemon = ServiceDaemon::new()?;
    daemon.disable_interface(vec![IfKind::LoopbackV4, IfKind::LoopbackV6])?;
    let mut searches = Vec::new();
    for scheme in Scheme::ALL {
        searches.push((scheme, daemon.browse(scheme.service_type())?));
    }
    let mut sightings = Sightings::default();
    let end = Instant::now() + within;
    while Instant::now() < end {
        for (scheme, events) in &searches {
            let turn = TURN.min(end.saturating_duration_since(Instant::now()));
            if let Ok(ServiceEvent::ServiceResolved(service)) = events.recv_timeout(turn)
                && let Some(sighting) = sighting(*scheme, &service)
            {
                sightings.see(sighting);
            }
        }
    }
    let _ = daemon.shutdown();
    Ok(sightings.into_boxes())
}

/// A web server that says it is a box.
fn sighting(scheme: Scheme, service: &ResolvedService) -> Option<Sighting> {
    let version = service.get_property_val_str(MARK)?.to_owned();
    Some(Sighting {
        scheme,
        full_name: service.get_fullname().to_owned(),
        host: service.get_hostname().to_owned(),
        port: service.get_port(),
        addresses: service.get_addresses().iter().map(|address| address.to_ip_addr()).collect(),
        version,
        id: service.get_property_val_str(ID).unwrap_or_default().to_owned(),
    })
}
