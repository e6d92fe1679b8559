//! The box on the LAN by name: mDNS and DNS-SD (RFC 6762, 6763), so that nobody types addresses.
//!
//! Here: what a box says of itself ([`announce()`]), who else is there ([`find()`]), and what both sides
//! write and read (`listing`, `name`, `id`). Not here: the protocol itself, which is the crate `mdns-sd`'s,
//! probing and changes of address included; and no other lookups.
//!
//! Invariant: of boxes that hear each other no two keep one host name. Whoever comes later finds out by probing;
//! who comes at the same instant too (`presence`); and who couldn't be heard then, when it can be (`rival`).

mod announce;
mod find;
mod id;
mod listing;
mod name;
mod presence;
mod rival;

pub use announce::{Announcement, Scheme, Service, announce};
pub use find::find;
pub use id::box_id;
pub use listing::{FoundBox, listed};
pub use name::host_label;

use thiserror::Error;

/// Why the box can't be found by name, or can't look for others. It runs all the same.
#[derive(Debug, Error)]
pub enum DiscoveryError {
    #[error("mDNS: {0}; is another program holding UDP port 5353 for itself?")]
    Mdns(#[from] mdns_sd::Error),
    #[error("mDNS has ended by itself")]
    Gone,
}
