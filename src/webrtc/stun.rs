//! As much of STUN (RFC 8489) as it takes to tell whose a request is. Pure; bytes from anybody.

const COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];
const HEADER_LEN: usize = 20;
const USERNAME: u16 = 0x0006;
const BINDING_REQUEST: u16 = 0x0001;

/// Whether a datagram is STUN's and not DTLS's or SRTP's (RFC 7983, 7).
pub fn is_stun(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| *first < 4) && datagram.get(4..8) == Some(&COOKIE)
}

/// The user name fragment that this side made up, of a request that names one.
pub fn local_ufrag(datagram: &[u8]) -> Option<&str> {
    let (header, mut attributes) = datagram.split_at_checked(HEADER_LEN)?;
    if !is_stun(header) || header.get(..2)? != BINDING_REQUEST.to_be_bytes() {
        return None;
    }
    while let Some((head, rest)) = attributes.split_first_chunk::<4>() {
        let [kind_high, kind_low, len_high, len_low] = *head;
        let len = usize::from(u16::from_be_bytes([len_high, len_low]));
        let value = rest.get(..len)?;
        if u16::from_be_bytes([kind_high, kind_low]) == USERNAME {
            return Some(std::str::from_utf8(value).ok()?.split_once(':')?.0);
        }
        attributes = rest.get(len.next_multiple_of(4)..)?;
    }
    None
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
