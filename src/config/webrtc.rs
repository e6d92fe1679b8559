//! `[webrtc]`: where browsers' real-time connections come in, and what helps them to find the way.

use super::http::{Listen, all_interfaces, is_host, listen_or_off};
use super::section::{Field, Section};
use std::net::{IpAddr, SocketAddr};

const PORT: u16 = 8189;
/// A browser warns of more than a handful.
const MAX_ICE_SERVERS: usize = 4;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebrtcConfig {
    /// UDP.
    pub listen: Listen,
    /// For peers that no UDP gets through to.
    pub listen_tcp: Listen,
    /// Where the box is reached from outside, where its own interfaces don't have that address.
    pub public_address: Option<IpAddr>,
    /// What the box's peers may use to be reached, as `stun:…` and `turn:…` (RFC 7064, RFC 7065).
    pub ice_servers: Vec<String>,
    /// For those that are `turn:`.
    pub turn: Option<TurnLogin>,
    /// What the box sends on goes by the TURN servers alone.
    pub relay_only: bool,
}

/// Peers are given it: it opens nothing but the TURN servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnLogin {
    pub username: String,
    pub credential: String,
}

impl Default for WebrtcConfig {
    fn default() -> Self {
        let listen = Listen::Try(all_interfaces(PORT));
        Self {
            listen,
            listen_tcp: listen,
            public_address: None,
            ice_servers: Vec::new(),
            turn: None,
            relay_only: false,
        }
    }
}

/// `http` is where the web server listens: where that is for this machine only, so is this.
pub(super) fn read(section: Option<&Section<'_>>, http: SocketAddr) -> WebrtcConfig {
    const LISTEN: &str = "\"0.0.0.0:8189\" (all interfaces), or \"off\"";
    let near = Listen::Try(SocketAddr::new(http.ip(), PORT));
    let default = WebrtcConfig { listen: near, listen_tcp: near, ..WebrtcConfig::default() };
    let Some(section) = section else { return default };
    let listen = section.field("listen").and_then(|field| listen_or_off(&field, LISTEN)).unwrap_or(default.listen);
    let listen_tcp = match section.field("listen_tcp") {
        Some(field) if listen == Listen::Off => {
            field.refuse("needs `listen`, which is \"off\"");
            Listen::Off
        }
        Some(field) => listen_or_off(&field, LISTEN).unwrap_or(default.listen_tcp),
        // Where UDP is, is TCP.
        None => match listen {
            Listen::Off => Listen::Off,
            Listen::Try(address) | Listen::At(address) => Listen::Try(address),
        },
    };
    let ice_servers = section.field("ice_servers").and_then(|field| ice_servers(&field)).unwrap_or_default();
    let config = WebrtcConfig {
        listen,
        listen_tcp,
        public_address: section.field("public_address").and_then(|field| public_address(&field)),
        turn: turn(section, &ice_servers),
        relay_only: relay_only(section, &ice_servers),
        ice_servers,
    };
    section.finish();
    config
}

fn public_address(field: &Field<'_>) -> Option<IpAddr> {
    const EXAMPLE: &str = "\"203.0.113.7\"";
    let address = field.string(EXAMPLE)?.parse().ok().filter(|address: &IpAddr| !address.is_unspecified());
    if address.is_none() {
        field.refuse(format!("must be an IP address, like {EXAMPLE}"));
    }
    address
}

fn ice_servers(field: &Field<'_>) -> Option<Vec<String>> {
    const EXAMPLE: &str = "[\"stun:stun.example.org:3478\"]";
    let servers = field.strings(EXAMPLE, MAX_ICE_SERVERS)?;
    if let Some(wrong) = servers.iter().find(|server| !is_ice_server(server)) {
        field.refuse(format!("has \"{wrong}\"; it must be like {EXAMPLE}, or turn: or turns: instead of stun:"));
        return None;
    }
    Some(servers)
}

fn is_ice_server(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let (rest, transport) = match rest.split_once("?transport=") {
        Some((rest, transport)) => (rest, Some(transport)),
        None => (rest, None),
    };
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => (host, Some(port)),
        _ => (rest, None),
    };
    let turn = scheme == "turn" || scheme == "turns";
    (scheme == "stun" || turn)
        && transport.is_none_or(|transport| turn && ["udp", "tcp"].contains(&transport))
        && port.is_none_or(|port| port.parse::<u16>().is_ok())
        && is_host(host)
}

fn relay_only(section: &Section<'_>, servers: &[String]) -> bool {
    let Some(field) = section.field("relay_only") else { return false };
    let wanted = field.boolean().unwrap_or_default();
    if wanted && !servers.iter().any(|server| server.starts_with("turn")) {
        field.refuse("needs a turn: server to go by, and `ice_servers` has none");
    }
    wanted
}

fn turn(section: &Section<'_>, servers: &[String]) -> Option<TurnLogin> {
    let (username, credential) = (section.field("turn_username"), section.field("turn_credential"));
    match (&username, &credential) {
        (Some(alone), None) => alone.refuse("needs its `turn_credential` too"),
        (None, Some(alone)) => alone.refuse("needs its `turn_username` too"),
        (Some(unused), Some(_)) if !servers.iter().any(|server| server.starts_with("turn")) => {
            unused.refuse("is for a turn: server, and `ice_servers` has none");
        }
        _ => {}
    }
    let one = |field: Field<'_>, example: &str| {
        let text = field.string(example)?;
        // They stand in a header, in quotes.
        if text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\') {
            return Some(text.to_owned());
        }
        field.refuse("can have letters, digits and signs of ASCII, without spaces, \" and \\");
        None
    };
    Some(TurnLogin { username: one(username?, "\"box\"")?, credential: one(credential?, "\"a-long-word\"")? })
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    fn read(text: &str) -> Result<WebrtcConfig, String> {
        Config::parse(text, "box.toml").map(|config| config.webrtc).map_err(|error| error.to_string())
    }

    #[test]
    fn it_listens_where_the_web_server_does() {
        assert_eq!(read(""), Ok(WebrtcConfig::default()));
        assert_eq!(read("[webrtc]\n"), read(""));
        let local = read("[http]\nlisten = \"127.0.0.1:80\"\n").expect("good").listen;
        assert_eq!(local, Listen::Try("127.0.0.1:8189".parse().expect("an address")));
        let off = read("[webrtc]\nlisten = \"off\"\n").expect("good");
        assert_eq!((off.listen, off.listen_tcp), (Listen::Off, Listen::Off));
        let moved = read("[webrtc]\nlisten = \"127.0.0.1:9000\"\n").expect("good").listen_tcp;
        assert_eq!(moved, Listen::Try("127.0.0.1:9000".parse().expect("an address")), "where UDP is");
        assert_eq!(read("[webrtc]\nlisten_tcp = \"off\"\n").expect("good").listen_tcp, Listen::Off);
    }

    #[test]
    fn everything_is_read() {
        let text = "[webrtc]\nlisten = \"[::]:9000\"\nlisten_tcp = \"[::]:9001\"\npublic_address = \"203.0.113.7\"\n\
                    ice_servers = [\"stun:stun.example.org\", \"turn:turn.example.org:3478?transport=udp\"]\n\
                    turn_username = \"box\"\nturn_credential = \"secret\"\nrelay_only = true\n";
        let config = read(text).expect("good");
        assert_eq!(config.listen, Listen::At("[::]:9000".parse().expect("an address")));
        assert_eq!(config.listen_tcp, Listen::At("[::]:9001".parse().expect("an address")));
        assert_eq!(config.public_address, Some(IpAddr::from([203, 0, 113, 7])));
        assert_eq!(config.ice_servers, ["stun:stun.example.org", "turn:turn.example.org:3478?transport=udp"]);
        let login = TurnLogin { username: "box".to_owned(), credential: "secret".to_owned() };
        assert_eq!((config.turn, config.relay_only), (Some(login), true));
    }

    #[test]
    fn bad_ones_are_refused_with_their_line() {
        let table = [
            ("[webrtc]\nlisten = \"8189\"\n", "box.toml:2: `listen` must be an IP address and a port"),
            ("[webrtc]\nlisten_tcp = \"8189\"\n", "box.toml:2: `listen_tcp` must be an IP address and a port"),
            ("[webrtc]\nlisten = \"off\"\nlisten_tcp = \"[::]:1\"\n", "box.toml:3: `listen_tcp` needs `listen`, which"),
            ("[webrtc]\npublic_address = \"box.example.org\"\n", "box.toml:2: `public_address` must be an IP address"),
            ("[webrtc]\npublic_address = \"0.0.0.0\"\n", "box.toml:2: `public_address` must be an IP address"),
            ("[webrtc]\nice_servers = [\"http://a\"]\n", "box.toml:2: `ice_servers` has \"http://a\"; it must be like"),
            ("[webrtc]\nice_servers = [\"stun:a?transport=udp\"]\n", "box.toml:2: `ice_servers` has \"stun:a?tr"),
            ("[webrtc]\nturn_username = \"a\"\n", "box.toml:2: `turn_username` needs its `turn_credential` too"),
            (
                "[webrtc]\nturn_username = \"a\"\nturn_credential = \"b\"\n",
                "box.toml:2: `turn_username` is for a turn: server, and `ice_servers` has none",
            ),
            (
                "[webrtc]\nice_servers = [\"turn:a\"]\nturn_username = \"a b\"\nturn_credential = \"b\"\n",
                "box.toml:3: `turn_username` can have letters",
            ),
            ("[webrtc]\nrelay_only = true\n", "box.toml:2: `relay_only` needs a turn: server to go by"),
            ("[webrtc]\nport = 1\n", "box.toml:2: unknown key `port` in [webrtc]"),
        ];
        for (text, message) in table {
            let told = read(text).expect_err(text);
            assert!(told.starts_with(message), "{told}");
        }
    }
}
