//! The box on the LAN by name: mDNS and DNS-SD (RFC 6762, 6763), so that nobody types addresses.
//!
//! Here: what a box says of itself ([`announce()`]), who else is there ([`find()`]), and what both sides
//! write and read (`listing`, `name`). Not here: the protocol itself, which is the crate `mdns-sd`'s,
//! probing, name conflicts and changes of address included; and no other lookups.

mod announce;
mod find;
mod listing;
mod name;

pub use announce::{Announcement, Scheme, Service, announce};
pub use find::find;
pub use listing::{FoundBox, listed};
pub use name::host_label;

use thiserror::Error;

/// Why the box can't be found by name, or can't look for others. It runs all the same.
#[derive(Debug, Error)]
pub enum DiscoveryError {
    #[error("mDNS: {0}; is another program holding UDP port 5353 for itself?")]
    Mdns(#[from] mdns_sd::Error),
}
