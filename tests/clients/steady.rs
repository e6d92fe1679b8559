//! A player that misses nothing: it reloads the playlist as each part comes, fetches every part, and holds
//! that the media goes on without a gap whatever else happens to the box.

use crate::fragment;
use crate::http::Response;
use crate::playlist::{Media, Multivariant};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How a stretch of playing went.
#[derive(Debug, Clone, Copy)]
pub struct Played {
    pub parts: usize,
    /// Between two parts.
    pub longest: Duration,
    /// Discontinuities that came meanwhile.
    pub changes: u64,
    /// Ticks of media time that nothing fills.
    pub jumped: u64,
}

/// Reloads that a player goes on for: what was done shows its effect.
const AFTERWARDS: usize = 5;

/// When a player is to stop.
#[derive(Default)]
pub struct Over(AtomicBool);

/// Stops the player as it goes away, so that a test which fails doesn't wait for it.
pub struct AtLast<'a>(&'a Over);

impl Over {
    pub fn at_last(&self) -> AtLast<'_> {
        AtLast(self)
    }
}

impl Drop for AtLast<'_> {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

/// Plays the video of `stream` until a little after `over`, asking by `get`. Panics at a part that is missing or
/// begins before the one before it ends.
pub fn play(mut get: impl FnMut(&str) -> Response, stream: &str, over: &Over) -> Played {
    let mut ask = |path: &str| {
        let answer = get(path);
        assert_eq!(answer.status, 200, "{path}");
        answer
    };
    let master = Multivariant::parse(ask(&format!("/{stream}/index.m3u8")).text());
    let path = format!("/{stream}/{}", master.variants[0].1);
    let folder = path.rsplit_once('/').expect("a path").0.to_owned();
    let first = Media::parse(ask(&path).text());
    let mut last = first.parts().map(|(place, _)| place).last().expect("a part");
    let mut next = (first.open_msn(), first.open_parts.len() as u64);
    let (mut played, mut end, mut came) =
        (Played { parts: 0, longest: Duration::ZERO, changes: 0, jumped: 0 }, None, Instant::now());
    let mut left = AFTERWARDS;
    while left > 0 {
        left -= usize::from(over.0.load(Ordering::Relaxed));
        let update = Media::parse(ask(&format!("{path}?_HLS_msn={}&_HLS_part={}", next.0, next.1)).text());
        let new: Vec<_> = update.parts().filter(|(place, _)| *place > last).collect();
        for (place, part) in new {
            let follows = [(last.0, last.1 + 1), (last.0 + 1, 0)].contains(&place);
            assert!(follows, "{place:?} came after {last:?}");
            for fragment in fragment::read(&ask(&format!("{folder}/{}", part.uri)).body) {
                let expected = end.unwrap_or(fragment.start);
                assert!(expected <= fragment.start, "time went back at {place:?}: {expected} {fragment:?}");
                played.jumped += fragment.start - expected;
                end = Some(fragment.end());
            }
            last = place;
            played.parts += 1;
        }
        played.longest = played.longest.max(came.elapsed());
        came = Instant::now();
        next = (update.open_msn(), update.open_parts.len() as u64);
        played.changes = discontinuities(&update) - discontinuities(&first);
    }
    played
}

/// Those of the whole stream so far.
fn discontinuities(media: &Media) -> u64 {
    let these = media.segments.iter().filter(|segment| segment.discontinuity).count();
    media.discontinuity_sequence + these as u64
}

impl Played {
    /// That it lasted `parts`, and that no wait was longer than what a player keeps in hand.
    pub fn is_steady(&self, parts: usize) {
        assert_eq!(self.jumped, 0, "{self:?}");
        assert!(self.parts >= parts, "{self:?}, and {parts} were due");
        assert!(self.longest < Duration::from_secs(3), "{self:?}");
    }
}
