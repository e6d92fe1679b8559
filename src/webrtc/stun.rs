//! As much of STUN (RFC 8489) as it takes to tell whose a request is. Pure; bytes from anybody.

const COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];
const HEADER_LEN: usize = 20;
const USERNAME: u16 = 0x0006;
const USE_CANDIDATE: u16 = 0x0025;
const ICE_CONTROLLED: u16 = 0x8029;
const BINDING_REQUEST: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;

/// Whether a datagram is STUN's and not DTLS's or SRTP's (RFC 7983, 7).
pub fn is_stun(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| *first < 4) && datagram.get(4..8) == Some(&COOKIE)
}

/// Whether a datagram says that a check was good: who it goes to has shown that it is there.
pub fn is_success(datagram: &[u8]) -> bool {
    is_stun(datagram) && datagram.starts_with(&BINDING_SUCCESS.to_be_bytes())
}

/// The user name fragment that this side made up, of a request that names one.
pub fn local_ufrag(datagram: &[u8]) -> Option<&str> {
    let username = attributes(datagram).find(|(kind, _)| *kind == USERNAME)?.1;
    Some(std::str::from_utf8(username).ok()?.split_once(':')?.0)
}

/// Whether a request comes from somebody who wants the box to choose: a lite box doesn't (RFC 8445, 6.1.1), and
/// `rtc` would begin to.
pub fn is_of_controlled(datagram: &[u8]) -> bool {
    attributes(datagram).any(|(kind, _)| kind == ICE_CONTROLLED)
}

/// Whether a request chooses the way that it came by (RFC 8445, 7.1.1).
pub fn nominates(datagram: &[u8]) -> bool {
    attributes(datagram).any(|(kind, _)| kind == USE_CANDIDATE)
}

/// Those of a request, by kind, up to what can't be read.
fn attributes(datagram: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let split = datagram.split_at_checked(HEADER_LEN);
    let asks = |header: &[u8]| is_stun(header) && header.starts_with(&BINDING_REQUEST.to_be_bytes());
    let mut rest = split.filter(|(header, _)| asks(header)).map_or(&[] as &[u8], |(_, rest)| rest);
    std::iter::from_fn(move || {
        let (head, after) = rest.split_first_chunk::<4>()?;
        let [kind_high, kind_low, len_high, len_low] = *head;
        let len = usize::from(u16::from_be_bytes([len_high, len_low]));
        let value = after.get(..len)?;
        // What fills up the last one may be missing.
        rest = after.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((u16::from_be_bytes([kind_high, kind_low]), value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A binding request with a SOFTWARE attribute, whose length isn't a multiple of four, before its user name.
    fn request(username: &str) -> Vec<u8> {
        let mut attributes = vec![0x80, 0x22, 0, 3, b'a', b'b', b'c', 0];
        attributes.extend([0, 6, 0, username.len() as u8]);
        attributes.extend(username.as_bytes());
        attributes.resize(attributes.len().next_multiple_of(4), 0);
        let mut datagram = vec![0, 1, 0, attributes.len() as u8];
        datagram.extend(COOKIE);
        datagram.extend([7; 12]);
        datagram.extend(attributes);
        datagram
    }

    #[test]
    fn a_request_names_whom_it_is_for() {
        assert_eq!(local_ufrag(&request("ours:theirs")), Some("ours"));
        assert_eq!(local_ufrag(&request("ours")), None);
        let mut answer = request("ours:theirs");
        answer[0] = 1;
        assert!(is_stun(&answer));
        assert_eq!(local_ufrag(&answer), None, "an answer is known by where it comes from");
        answer[1] = 1;
        assert!(is_success(&answer) && !is_success(&request("ours:theirs")));
        assert!(!is_of_controlled(&request("ours:theirs")));
        let mut controlled = request("ours:theirs");
        controlled.extend([0x80, 0x29, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8]);
        assert!(is_of_controlled(&controlled));
        assert_eq!(local_ufrag(&controlled), Some("ours"));
        assert!(!is_stun(&[22, 254, 253]), "DTLS");
        assert!(!is_stun(&[128, 96]), "RTP");
    }

    proptest! {
        #[test]
        fn nothing_that_anybody_sends_panics(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = local_ufrag(&bytes);
            if bytes.len() >= 20 {
                bytes[..8].copy_from_slice(&[0, 1, 0, 0, COOKIE[0], COOKIE[1], COOKIE[2], COOKIE[3]]);
                let _ = local_ufrag(&bytes);
            }
        }
    }
}
