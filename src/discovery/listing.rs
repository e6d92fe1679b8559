//! What a box writes beside its address (TXT records, RFC 6763 section 6) and what is made of it.
//! Sans-IO.

use super::announce::Scheme;
use super::name::printable;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

/// Its value is the version; a web server without it is somebody else's.
pub(super) const MARK: &str = "capturebox";
/// The same in all that one process announces, so that its HTTP and its HTTPS are one box.
pub(super) const ID: &str = "id";
/// The page to open (RFC 6763 knows it from printers' pages).
pub(super) const PATH: &str = "path";

/// A LAN with more boxes is a prank.
const MAX_BOXES: usize = 256;
/// A box with more addresses is one too.
const MAX_ADDRESSES: usize = 16;

/// A box on the LAN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FoundBox {
    /// The instance's name, as people see it.
    pub name: String,
    /// As in `box.local`.
    pub host: String,
    /// IPv4 first.
    pub addresses: Vec<IpAddr>,
    pub version: String,
    /// By host name, which needs mDNS where it is opened.
    pub http: Option<String>,
    pub https: Option<String>,
    /// By address: opens anywhere.
    pub url: Option<String>,
}

/// One service as it was resolved.
#[derive(Debug, Clone)]
pub(super) struct Sighting {
    pub scheme: Scheme,
    /// `Kitchen._http._tcp.local.`
    pub full_name: String,
    /// `box.local.`
    pub host: String,
    pub port: u16,
    pub addresses: Vec<IpAddr>,
    pub version: String,
    pub id: String,
}

/// Gathers services into boxes. Bounded, whatever the network says.
#[derive(Debug, Default)]
pub(super) struct Sightings {
    /// By the process's mark; where it has none, by its name.
    boxes: BTreeMap<String, FoundBox>,
}

impl Sightings {
    pub fn see(&mut self, sighting: Sighting) {
        let host = printable(sighting.host.trim_end_matches('.'));
        let name = instance(&sighting.full_name);
        let key = if sighting.id.is_empty() { sighting.full_name } else { sighting.id };
        if self.boxes.len() >= MAX_BOXES && !self.boxes.contains_key(&key) {
            return;
        }
        let found = self.boxes.entry(key).or_insert_with(|| FoundBox {
            name: String::new(),
            host: String::new(),
            addresses: Vec::new(),
            version: printable(&sighting.version),
            http: None,
            https: None,
            url: None,
        });
        found.addresses.extend(sighting.addresses.into_iter().take(MAX_ADDRESSES));
        found.addresses.sort();
        found.addresses.dedup();
        found.addresses.truncate(MAX_ADDRESSES);
        let by_name = format!("{}://{host}:{}/", sighting.scheme, sighting.port);
        let by_address =
            found.addresses.first().map(|ip| format!("{}://{}/", sighting.scheme, SocketAddr::new(*ip, sighting.port)));
        match sighting.scheme {
            // Its page opens without a certificate's warning, so it is the one that is shown.
            Scheme::Http => (found.http, found.url) = (Some(by_name), by_address),
            Scheme::Https => {
                found.https = Some(by_name);
                found.url = found.url.take().or(by_address);
            }
        }
        // What was seen last is what it is called now: conflicts change names.
        (found.name, found.host) = (name, host);
    }

    pub fn into_boxes(self) -> Vec<FoundBox> {
        let mut boxes: Vec<_> = self.boxes.into_values().collect();
        boxes.sort_by(|a, b| (&a.name, &a.host, &a.url).cmp(&(&b.name, &b.host, &b.url)));
        boxes
    }
}

/// The boxes as a person reads them.
pub fn listed(boxes: &[FoundBox]) -> String {
    if boxes.is_empty() {
        return "No box answered. Is it on this network, and its [discovery] on?".to_owned();
    }
    let mut text = String::new();
    for found in boxes {
        // Writing to a string can't fail.
        let _ = writeln!(text, "{}  (capturebox {})", found.name, found.version);
        for url in [&found.http, &found.https, &found.url].into_iter().flatten() {
            let _ = writeln!(text, "  {url}");
        }
    }
    text
}

/// `Kitchen\.2._http._tcp.local.` → `Kitchen.2`: what stands before the service's type, unescaped (RFC 6763 section 4.3).
fn instance(full_name: &str) -> String {
    let end = full_name.find("._http").unwrap_or(full_name.len());
    let mut name = String::new();
    let mut characters = full_name.get(..end).unwrap_or_default().chars();
    while let Some(c) = characters.next() {
        name.extend(if c == '\\' { characters.next() } else { Some(c) });
    }
    printable(&name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sighting(scheme: Scheme, id: &str, name: &str, port: u16, last: u8) -> Sighting {
        Sighting {
            scheme,
            full_name: format!("{name}._{scheme}._tcp.local."),
            host: "box.local.".to_owned(),
            port,
            addresses: vec![IpAddr::from([192, 168, 1, last])],
            version: "1.2.3".to_owned(),
            id: id.to_owned(),
        }
    }

    fn gathered(sightings: impl IntoIterator<Item = Sighting>) -> Vec<FoundBox> {
        let mut all = Sightings::default();
        sightings.into_iter().for_each(|sighting| all.see(sighting));
        all.into_boxes()
    }

    #[test]
    fn http_and_https_of_one_process_are_one_box() {
        let http = sighting(Scheme::Http, "a", "Kitchen", 8080, 7);
        let https = sighting(Scheme::Https, "a", "Kitchen", 8443, 7);
        let expected = FoundBox {
            name: "Kitchen".to_owned(),
            host: "box.local".to_owned(),
            addresses: vec![IpAddr::from([192, 168, 1, 7])],
            version: "1.2.3".to_owned(),
            http: Some("http://box.local:8080/".to_owned()),
            https: Some("https://box.local:8443/".to_owned()),
            url: Some("http://192.168.1.7:8080/".to_owned()),
        };
        assert_eq!(gathered([http.clone(), https.clone()]), std::slice::from_ref(&expected));
        assert_eq!(gathered([https, http]), [expected], "in whichever order");
    }

    #[test]
    fn two_boxes_of_one_host_name_are_two() {
        let boxes =
            gathered([sighting(Scheme::Http, "b", "box (2)", 8080, 8), sighting(Scheme::Http, "a", "box", 8080, 7)]);
        let names: Vec<_> = boxes.iter().map(|found| found.name.as_str()).collect();
        assert_eq!(names, ["box", "box (2)"]);
    }

    #[test]
    fn a_box_with_https_alone_has_its_url() {
        let boxes = gathered([sighting(Scheme::Https, "a", "box", 8443, 7)]);
        assert_eq!(boxes[0].url.as_deref(), Some("https://192.168.1.7:8443/"));
        assert_eq!(boxes[0].http, None);
    }

    #[test]
    fn a_renamed_box_has_its_last_name() {
        let boxes =
            gathered([sighting(Scheme::Http, "a", "box", 8080, 7), sighting(Scheme::Http, "a", "box (2)", 8080, 7)]);
        assert_eq!(boxes.len(), 1);
        assert_eq!(boxes[0].name, "box (2)");
    }

    #[test]
    fn the_list_says_how_to_open_them() {
        let text = listed(&gathered([sighting(Scheme::Http, "a", "Kitchen", 8080, 7)]));
        assert_eq!(text, "Kitchen  (capturebox 1.2.3)\n  http://box.local:8080/\n  http://192.168.1.7:8080/\n");
        assert!(listed(&[]).starts_with("No box answered"));
    }

    #[test]
    fn instance_names_are_unescaped() {
        assert_eq!(instance("Kitchen\\.2._http._tcp.local."), "Kitchen.2");
        assert_eq!(instance("a\\\\b._https._tcp.local."), "a\\b");
        assert_eq!(instance("\u{1b}[2Jbox._http._tcp.local."), "[2Jbox");
        assert_eq!(instance("trailing\\"), "trailing");
    }

    #[test]
    fn a_flood_of_boxes_is_bounded() {
        let flood = (0..2_000).map(|n| sighting(Scheme::Http, &n.to_string(), "box", 1, 1));
        assert_eq!(gathered(flood).len(), MAX_BOXES);
        let addresses = (0..=255).map(|last| sighting(Scheme::Http, "a", "box", 1, last));
        assert_eq!(gathered(addresses)[0].addresses.len(), MAX_ADDRESSES);
    }

    proptest! {
        #[test]
        fn nothing_from_the_network_reaches_the_terminal_raw(
            name in any::<String>(), host in any::<String>(), version in any::<String>(), id in any::<String>(), port: u16,
        ) {
            let text = listed(&gathered([Sighting {
                scheme: Scheme::Http, full_name: name, host, port, addresses: Vec::new(), version, id,
            }]));
            prop_assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
        }
    }
}
