//! `application/trickle-ice-sdpfrag` (RFC 8840, and RFC 9725 4.3): candidates that come later, and the user name
//! and password of an ICE restart. Pure; bytes from anybody.

/// Candidates in one fragment; a phone has some ten.
const MAX_CANDIDATES: usize = 64;

/// What a fragment says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fragment<'a> {
    pub ufrag: Option<&'a str>,
    pwd: Option<&'a str>,
    /// As `candidate:…`.
    pub candidates: Vec<&'a str>,
}

impl<'a> Fragment<'a> {
    /// `None` for what isn't one.
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut fragment = Self::default();
        for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
            let attribute = match line.split_once('=')? {
                ("a", attribute) => attribute,
                ("m", _) => continue,
                _ => return None,
            };
            if let Some(ufrag) = attribute.strip_prefix("ice-ufrag:") {
                fragment.ufrag = Some(ufrag);
            } else if let Some(pwd) = attribute.strip_prefix("ice-pwd:") {
                fragment.pwd = Some(pwd);
            } else if attribute.starts_with("candidate:") {
                // Tens of thousands would be pairs to check with each of ours.
                (fragment.candidates.len() < MAX_CANDIDATES).then_some(())?;
                fragment.candidates.push(attribute);
            }
        }
        Some(fragment)
    }

    /// Whether it is an ICE restart of the session that began with this offer.
    pub fn restarts(&self, offer: &str) -> bool {
        let before = Fragment::of_description(offer);
        self.ufrag.is_some() && self.pwd.is_some() && (self.ufrag, self.pwd) != (before.ufrag, before.pwd)
    }

    /// The offer with this fragment's user name, password and candidates instead of its own.
    pub fn restarted(&self, offer: &str) -> String {
        let mut restarted = String::with_capacity(offer.len());
        let mut line_out = |line: &str| {
            restarted.push_str(line);
            restarted.push_str("\r\n");
        };
        for line in offer.lines() {
            match (self.ufrag, self.pwd) {
                (Some(ufrag), _) if line.starts_with("a=ice-ufrag:") => {
                    line_out(&format!("a=ice-ufrag:{ufrag}"));
                    // All are bundled into one; beside it, they stand in the first media section or each.
                    self.candidates.iter().for_each(|candidate| line_out(&format!("a={candidate}")));
                }
                (_, Some(pwd)) if line.starts_with("a=ice-pwd:") => line_out(&format!("a=ice-pwd:{pwd}")),
                _ if line.starts_with("a=candidate:") || line == "a=end-of-candidates" => {}
                _ => line_out(line),
            }
        }
        restarted
    }

    /// What a whole description would be as a fragment.
    fn of_description(sdp: &'a str) -> Self {
        let mut fragment = Self::default();
        for line in sdp.lines() {
            if let Some(ufrag) = line.strip_prefix("a=ice-ufrag:") {
                fragment.ufrag.get_or_insert(ufrag);
            } else if let Some(pwd) = line.strip_prefix("a=ice-pwd:") {
                fragment.pwd.get_or_insert(pwd);
            } else if let Some(candidate) = line.strip_prefix("a=")
                && candidate.starts_with("candidate:")
                && !fragment.candidates.contains(&candidate)
            {
                fragment.candidates.push(candidate);
            }
        }
        fragment
    }
}

/// An answer's own fragment: what the peer needs to know of it after a restart.
pub fn of_answer(answer: &str) -> String {
    let Fragment { ufrag, pwd, candidates } = Fragment::of_description(answer);
    let media = answer.lines().find(|line| line.starts_with("m=")).unwrap_or("m=audio 9 UDP/TLS/RTP/SAVPF 0");
    let mid = answer.lines().find(|line| line.starts_with("a=mid:")).unwrap_or("a=mid:0");
    let mut text = String::new();
    let credentials = [ufrag.map(|ufrag| format!("a=ice-ufrag:{ufrag}")), pwd.map(|pwd| format!("a=ice-pwd:{pwd}"))];
    let heads = [Some("a=ice-lite".to_owned()), Some(media.to_owned()), Some(mid.to_owned())];
    for line in credentials.into_iter().chain(heads).flatten() {
        text.push_str(&line);
        text.push_str("\r\n");
    }
    for candidate in candidates {
        text.push_str(&format!("a={candidate}\r\n"));
    }
    text.push_str("a=end-of-candidates\r\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OFFER: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n\
        a=candidate:1 1 udp 2122260223 192.0.2.1 5000 typ host\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n";

    #[test]
    fn a_candidate_that_comes_later_is_no_restart() {
        let text = "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n\
                    a=candidate:2 1 udp 1 192.0.2.9 6000 typ host\r\na=end-of-candidates\r\n";
        let fragment = Fragment::parse(text).expect("a fragment");
        assert_eq!(fragment.candidates, ["candidate:2 1 udp 1 192.0.2.9 6000 typ host"]);
        assert!(!fragment.restarts(OFFER));
    }

    #[test]
    fn a_restart_puts_its_credentials_and_candidates_into_the_offer() {
        let text = "a=ice-ufrag:wxyz\r\na=ice-pwd:9999999999999999999999\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n\
                    a=candidate:3 1 udp 1 192.0.2.77 7000 typ host\r\n";
        let fragment = Fragment::parse(text).expect("a fragment");
        assert!(fragment.restarts(OFFER));
        let offer = fragment.restarted(OFFER);
        assert_eq!(offer.matches("a=ice-ufrag:wxyz").count(), 2);
        assert_eq!(offer.matches("a=ice-pwd:9999999999999999999999").count(), 2);
        assert!(!offer.contains("abcd") && !offer.contains("192.0.2.1 "), "{offer}");
        assert!(offer.contains("192.0.2.77"));
        assert!(!fragment.restarts(&offer));
    }

    #[test]
    fn an_answer_is_told_as_a_fragment() {
        let fragment = of_answer(OFFER);
        assert_eq!(
            fragment,
            "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=ice-lite\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n\
             a=mid:0\r\na=candidate:1 1 udp 2122260223 192.0.2.1 5000 typ host\r\na=end-of-candidates\r\n"
        );
        assert_eq!(Fragment::parse(&fragment).expect("one").ufrag, Some("abcd"));
    }

    #[test]
    fn other_things_are_no_fragments() {
        for text in ["hello", "v=0\r\n", "{}", "a=candidate:1\r\nb=AS:1"] {
            assert_eq!(Fragment::parse(text), None, "{text:?}");
        }
        assert_eq!(Fragment::parse(&"a=candidate:1 1 udp 1 192.0.2.1 1 typ host\n".repeat(65)), None, "too many");
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "(a=|m=|ice-ufrag:|ice-pwd:|candidate:|\r|\n|\\PC){0,30}") {
            if let Some(fragment) = Fragment::parse(&text) {
                fragment.restarts(&text);
                fragment.restarted(&text);
            }
            of_answer(&text);
        }
    }
}
