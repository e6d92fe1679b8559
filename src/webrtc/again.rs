//! Later offers of a connection, as `rtc` can take them. Pure.
//!
//! It takes every track of an offer for a new one, and forgets which layers of a simulcast it has learnt from the
//! first packets (RFC 8852): browsers don't tell them a second time, and their pictures would end with the next
//! offer. A section that doesn't say whose track it has (`a=msid`, `a=ssrc`) leaves what is there as it is.

use std::collections::BTreeMap;

/// The offer without the names of tracks that the one before had, too, in the same section.
pub fn without_known_tracks(offer: &str, before: &str) -> String {
    let known: BTreeMap<_, _> = sections(before).filter_map(|section| Some((mid(section)?, track(section)?))).collect();
    let mut told = String::with_capacity(offer.len());
    for section in sections(offer) {
        let same = mid(section)
            .and_then(|mid| known.get(mid))
            .is_some_and(|track_before| Some(*track_before) == track(section));
        let names =
            |line: &&str| same && ["a=msid:", "a=ssrc:", "a=ssrc-group:"].iter().any(|name| line.starts_with(name));
        section.split_inclusive('\n').filter(|line| !names(line)).for_each(|line| told.push_str(line));
    }
    told
}

/// What is for the whole session, and then each medium.
fn sections(sdp: &str) -> impl Iterator<Item = &str> {
    let starts = std::iter::once(0).chain(sdp.match_indices("\nm=").map(|(at, _)| at + 1));
    let ends = sdp.match_indices("\nm=").map(|(at, _)| at + 1).chain(std::iter::once(sdp.len()));
    starts.zip(ends).filter_map(|(start, end)| sdp.get(start..end))
}

fn mid(section: &str) -> Option<&str> {
    section.lines().find_map(|line| line.strip_prefix("a=mid:")).map(str::trim)
}

fn track(section: &str) -> Option<&str> {
    section.lines().find_map(|line| line.strip_prefix("a=msid:")).map(str::trim)
}

/// Whether an offer restarts ICE (RFC 8445, 9): by another user name than before.
pub fn restarts(offer: &str, before: &str) -> bool {
    let ufrag = |sdp: &'_ str| sdp.lines().find(|line| line.starts_with("a=ice-ufrag:")).map(str::to_owned);
    ufrag(offer) != ufrag(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "v=0\r\na=group:BUNDLE 0 1\r\nm=audio 9 x\r\na=mid:0\r\na=msid:s t0\r\na=ssrc:7 cname:c\r\n\
                         m=video 9 x\r\na=mid:1\r\na=msid:s t1\r\na=rid:h send\r\n";

    #[test]
    fn tracks_that_were_there_are_not_named_again() {
        let second = format!("{FIRST}m=video 9 x\r\na=mid:2\r\na=msid:s t2\r\na=ssrc:9 cname:c\r\n");
        let told = without_known_tracks(&second, FIRST);
        assert!(!told.contains("t0") && !told.contains("ssrc:7") && !told.contains("t1"), "{told}");
        assert!(told.contains("t2") && told.contains("ssrc:9") && told.contains("a=rid:h send"), "{told}");
        assert_eq!(told.matches("m=").count(), 3);
    }

    #[test]
    fn the_first_offer_and_other_tracks_stay_as_they_are() {
        assert_eq!(without_known_tracks(FIRST, ""), FIRST);
        let other = FIRST.replace("t1", "t9");
        let told = without_known_tracks(&other, FIRST);
        assert!(told.contains("a=msid:s t9") && !told.contains("t0"), "{told}");
        assert_eq!(without_known_tracks("", FIRST), "");
    }
}
