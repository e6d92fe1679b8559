//! The conversation with a WHIP server (RFC 9725): an offer goes there and its answer comes back, candidates follow,
//! and at the end the session is deleted. Also what a refusal means to the person whose stream it is.

use super::client::{Answer, Client, HttpError, Order, resolve};
use super::plan::Failure;
use hyper::header::{ACCEPT, CONTENT_TYPE, ETAG, HeaderValue, IF_MATCH, LINK, LOCATION, RETRY_AFTER};
use hyper::{HeaderMap, Method, StatusCode, Uri};
use rtc::peer_connection::configuration::RTCIceServer;
use std::time::Duration;

const SDP: HeaderValue = HeaderValue::from_static("application/sdp");
const SDPFRAG: HeaderValue = HeaderValue::from_static("application/trickle-ice-sdpfrag");
/// Servers that one answer may name.
const MAX_ICE_SERVERS: usize = 4;

/// A session at the other server.
pub struct Session {
    client: Client,
    url: Uri,
    etag: Option<HeaderValue>,
    /// Its description.
    pub answer: String,
    /// What the server names to find the way with.
    pub ice_servers: Vec<RTCIceServer>,
}

impl Session {
    /// Offers.
    pub async fn open(client: Client, url: Uri, offer: String) -> Result<Self, Failure> {
        let headers = vec![(CONTENT_TYPE, SDP), (ACCEPT, SDP)];
        let order = Order { method: Method::POST, url, headers, body: offer };
        let answer = client.send(&order).await.map_err(|error| unreachable(order.url.host(), &error))?;
        let host = answer.url.host().unwrap_or_default();
        if answer.status != StatusCode::CREATED {
            return Err(refusal(host, &answer));
        }
        let location = answer.headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let Some(url) = location.and_then(|location| resolve(&answer.url, location)) else {
            return Err(Failure::refused(format!(
                "{host} took the stream without saying how to end it: no WHIP server"
            )));
        };
        Ok(Self {
            client,
            url,
            etag: answer.headers.get(ETAG).cloned(),
            ice_servers: ice_servers(&answer.headers),
            answer: answer.body,
        })
    }

    /// Tells the candidates that were found since the offer (RFC 8838, RFC 8840), all of them. A server needn't take
    /// them: it hears of each when it is tried.
    pub async fn tell(&self, offer: &str, candidates: &[String]) {
        let mut headers = vec![(CONTENT_TYPE, SDPFRAG)];
        headers.extend(self.etag.clone().map(|etag| (IF_MATCH, etag)));
        let body = fragment(offer, candidates);
        let order = Order { method: Method::PATCH, url: self.url.clone(), headers, body };
        match self.client.send(&order).await {
            Ok(answer) if answer.status.is_success() => {}
            Ok(answer) => log::debug!("push: candidates were answered with {}", answer.status),
            Err(error) => log::debug!("push: candidates: the server {error}"),
        }
    }

    /// Ends it at the other side, too; where that can't be done, its server notices by itself.
    pub async fn close(self) {
        let order = Order { method: Method::DELETE, url: self.url, headers: Vec::new(), body: String::new() };
        match self.client.send(&order).await {
            Ok(answer) if answer.status.is_success() => {}
            Ok(answer) => log::debug!("push: the end was answered with {}", answer.status),
            Err(error) => log::debug!("push: the end: the server {error}"),
        }
    }
}

/// An SDP fragment with candidates of the first media section, which all others are bundled with.
fn fragment(offer: &str, candidates: &[String]) -> String {
    let first = |prefix: &str| offer.lines().find(|line| line.starts_with(prefix)).into_iter();
    let mut lines: Vec<&str> = first("a=ice-ufrag:").chain(first("a=ice-pwd:")).collect();
    lines.extend(first("m=").chain(first("a=mid:")));
    let mut text: String = lines.iter().flat_map(|line| [*line, "\r\n"]).collect();
    for candidate in candidates {
        text.push_str(&format!("a={candidate}\r\n"));
    }
    text.push_str("a=end-of-candidates\r\n");
    text
}

/// The STUN and TURN servers of `Link` headers (RFC 9725 4.6).
fn ice_servers(headers: &HeaderMap) -> Vec<RTCIceServer> {
    let values = headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(links).filter_map(ice_server).take(MAX_ICE_SERVERS).collect()
}

/// The links of one header, which commas divide outside of quotes and brackets.
fn links(header: &str) -> Vec<&str> {
    let (mut quoted, mut bracketed, mut from, mut all) = (false, false, 0, Vec::new());
    for (at, byte) in header.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'<' if !quoted => bracketed = true,
            b'>' if !quoted => bracketed = false,
            b',' if !quoted && !bracketed => {
                all.extend(header.get(from..at));
                from = at + 1;
            }
            _ => {}
        }
    }
    all.extend(header.get(from..));
    all
}

fn ice_server(link: &str) -> Option<RTCIceServer> {
    let (url, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
    let parameter = |name: &str| {
        let mut pairs = parameters.split(';').filter_map(|pair| pair.trim().split_once('='));
        let value = pairs.find(|(key, _)| key.trim().eq_ignore_ascii_case(name))?.1;
        Some(value.trim().trim_matches('"').to_owned())
    };
    let good = parameter("rel").is_some_and(|rel| rel.eq_ignore_ascii_case("ice-server"));
    let known = ["stun:", "turn:", "turns:"].iter().any(|scheme| url.starts_with(scheme));
    (good && known).then(|| RTCIceServer {
        urls: vec![url.to_owned()],
        username: parameter("username").unwrap_or_default(),
        credential: parameter("credential").unwrap_or_default(),
    })
}

fn unreachable(host: Option<&str>, error: &HttpError) -> Failure {
    let cause = format!("{} {error}", host.unwrap_or_default());
    match error {
        HttpError::Connect(_) | HttpError::Tls(_) | HttpError::Early | HttpError::Answer(_) | HttpError::Late => {
            Failure::passing(cause)
        }
        _ => Failure::refused(cause),
    }
}

fn refusal(host: &str, answer: &Answer) -> Failure {
    let retry_after = answer.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let status = answer.status;
    let (cause, refused) = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            (format!("{host} refuses the token; see whether `token` is what it gave you"), true)
        }
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::GONE => {
            (format!("{host} takes no stream at this address; see whether `url` is right"), true)
        }
        StatusCode::NOT_ACCEPTABLE | StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            (format!("{host} doesn't take H.264 and Opus by WHIP"), true)
        }
        StatusCode::CONFLICT => (format!("{host} has a stream at this address already"), false),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => (format!("{host} is busy"), false),
        _ if status.is_server_error() => (format!("{host} has trouble of its own ({})", status.as_u16()), false),
        _ => (format!("{host} refuses the stream ({})", status.as_u16()), true),
    };
    Failure { cause, refused, retry_after: retry_after.map(Duration::from_secs) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_from_links() {
        let mut headers = HeaderMap::new();
        for value in [
            "<stun:stun.example.net>; rel=\"ice-server\"",
            "<turn:turn.example.net?transport=udp>; rel=\"ice-server\"; username=\"a,b\"; credential=\"c=d\", \
             <turns:turn.example.net>;rel=ice-server;username=\"e\";credential=\"f\"",
            "<https://example.org/style.css>; rel=\"stylesheet\"",
            "<http://evil/>; rel=\"ice-server\"",
            "nonsense",
            "<stun:",
        ] {
            headers.append(LINK, HeaderValue::from_static(value));
        }
        let servers = ice_servers(&headers);
        let told: Vec<_> = servers.iter().map(|one| (one.urls[0].as_str(), &*one.username, &*one.credential)).collect();
        let expected = [
            ("stun:stun.example.net", "", ""),
            ("turn:turn.example.net?transport=udp", "a,b", "c=d"),
            ("turns:turn.example.net", "e", "f"),
        ];
        assert_eq!(told, expected);
        for _ in 0..100 {
            headers.append(LINK, HeaderValue::from_static("<stun:a>; rel=\"ice-server\""));
        }
        assert_eq!(ice_servers(&headers).len(), MAX_ICE_SERVERS);
    }

    #[test]
    fn candidates_go_as_a_fragment() {
        let offer = "v=0\r\na=group:BUNDLE 0 1\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=ice-ufrag:u\r\na=ice-pwd:p\r\n\
                     a=mid:0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:1\r\n";
        let told = fragment(offer, &["candidate:1 1 udp 1 192.0.2.1 9 typ host".to_owned()]);
        assert_eq!(
            told,
            "a=ice-ufrag:u\r\na=ice-pwd:p\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\n\
             a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\na=end-of-candidates\r\n"
        );
    }

    #[test]
    fn a_refusal_says_what_to_do_and_how_soon_to_ask_again() {
        let answered = |status: u16, retry: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.extend(retry.map(|retry| (RETRY_AFTER, HeaderValue::from_static(retry))));
            let status = StatusCode::from_u16(status).expect("a status");
            let url = Uri::from_static("http://a/");
            refusal("a.example", &Answer { status, headers, body: String::new(), url })
        };
        assert!(answered(401, None).refused && answered(401, None).cause.contains("token"));
        assert!(answered(404, None).refused && answered(404, None).cause.contains("url"));
        assert!(!answered(409, None).refused && !answered(503, None).refused && answered(400, None).refused);
        assert_eq!(answered(503, Some("30")).retry_after, Some(Duration::from_secs(30)));
        assert_eq!(answered(429, Some("soon")).retry_after, None);
    }
}
