//! Who is speaking, from the levels that come with each packet of sound (RFC 6464). Pure.

use super::room::PersonId;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// dB below full scale, 0 to 127 (silence).
pub type Level = u8;
const SILENCE: Level = 127;
/// Quieter than this is a room, not a voice.
const VOICE: i32 = 50;
/// How much louder the next speaker is than the one before, dB.
const LOUDER: i32 = 6;
/// Somebody speaks for so long before others can follow.
const HOLD: Duration = Duration::from_millis(800);
/// Nobody speaks when there was no voice for so long.
const QUIET_AFTER: Duration = Duration::from_secs(3);
/// Packets come 50 times a second; what is older says nothing.
const STALE: Duration = Duration::from_millis(400);
/// A new level counts a quarter when it is louder, an eighth when it is quieter: words have gaps.
const RISE: i32 = 4;
const FALL: i32 = 8;
/// Levels are kept in parts of a dB.
const FINE: i32 = 64;

#[derive(Debug)]
struct Voice {
    /// dB above silence, in parts of [`FINE`].
    loudness: i32,
    at: Instant,
}

#[derive(Debug, Default)]
pub struct Speakers {
    voices: BTreeMap<PersonId, Voice>,
    speaker: Option<PersonId>,
    since: Option<Instant>,
    last_voice: Option<Instant>,
}

impl Speakers {
    /// A packet of somebody's sound.
    pub fn heard(&mut self, who: PersonId, level: Level, now: Instant) {
        let loudness = i32::from(SILENCE - level.min(SILENCE)) * FINE;
        let voice = self.voices.entry(who).or_insert(Voice { loudness: 0, at: now });
        let change = loudness - voice.loudness;
        voice.loudness += change / if change > 0 { RISE } else { FALL };
        voice.at = now;
    }

    pub fn forget(&mut self, who: PersonId) {
        self.voices.remove(&who);
        if self.speaker == Some(who) {
            self.speaker = None;
        }
    }

    /// dB above silence; 0 for who isn't heard.
    fn loudness(&self, who: PersonId, now: Instant) -> i32 {
        let voice = self.voices.get(&who).filter(|voice| voice.at + STALE > now);
        voice.map_or(0, |voice| voice.loudness / FINE)
    }

    /// Who speaks now; `Some` when that has changed.
    pub fn decide(&mut self, now: Instant) -> Option<Option<PersonId>> {
        let loudest = self.voices.keys().map(|who| (self.loudness(*who, now), *who)).max();
        let before = self.speaker;
        if let Some((loudness, who)) = loudest.filter(|(loudness, _)| *loudness > i32::from(SILENCE) - VOICE) {
            self.last_voice = Some(now);
            let held = self.since.is_some_and(|since| since + HOLD > now);
            let louder = before.is_none_or(|before| loudness >= self.loudness(before, now) + LOUDER && !held);
            if before != Some(who) && louder {
                self.speaker = Some(who);
                self.since = Some(now);
            }
        } else if self.last_voice.is_none_or(|at| at + QUIET_AFTER <= now) {
            self.speaker = None;
        }
        (self.speaker != before).then_some(self.speaker)
    }

    pub fn speaker(&self) -> Option<PersonId> {
        self.speaker
    }

    /// Those who are to be heard, and how loud, dB below full scale.
    pub fn levels(&self, now: Instant) -> BTreeMap<PersonId, Level> {
        let level = |who: &PersonId| SILENCE.saturating_sub(u8::try_from(self.loudness(*who, now)).unwrap_or(SILENCE));
        self.voices.keys().map(|who| (*who, level(who))).filter(|(_, level)| *level < 90).collect()
    }

    /// The loudest of `among`, at most `most`. Who has a place already (`seated`) loses it only to who is clearly
    /// louder.
    pub fn loudest(&self, among: &[PersonId], seated: &[PersonId], most: usize, now: Instant) -> Vec<PersonId> {
        let key = |who: &PersonId| self.loudness(*who, now) + if seated.contains(who) { LOUDER } else { 0 };
        let mut order = among.to_vec();
        order.sort_by_key(|who| (-key(who), *who));
        order.truncate(most);
        order
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "simulated time begins somewhere")]

    use super::*;

    /// Seconds of sound from people at levels, decided 50 times a second; who spoke, in order.
    fn talk(
        speakers: &mut Speakers,
        now: &mut Instant,
        seconds: u64,
        levels: &[(PersonId, Level)],
    ) -> Vec<Option<PersonId>> {
        let mut told = Vec::new();
        for _ in 0..seconds * 50 {
            *now += Duration::from_millis(20);
            for (who, level) in levels {
                speakers.heard(*who, *level, *now);
            }
            told.extend(speakers.decide(*now));
        }
        told
    }

    #[test]
    fn the_speaker_follows_the_voices_and_not_the_noise() {
        let (mut speakers, mut now) = (Speakers::default(), Instant::now());
        assert_eq!(talk(&mut speakers, &mut now, 3, &[(1, 90), (2, 80)]), []);
        assert_eq!(talk(&mut speakers, &mut now, 3, &[(1, 30), (2, 80)]), [Some(1)]);
        assert_eq!(talk(&mut speakers, &mut now, 3, &[(1, 32), (2, 30)]), [], "both: the first goes on");
        assert_eq!(talk(&mut speakers, &mut now, 3, &[(1, 90), (2, 30)]), [Some(2)]);
        assert_eq!(talk(&mut speakers, &mut now, 2, &[(1, 127), (2, 127)]), [], "a pause");
        assert_eq!(talk(&mut speakers, &mut now, 3, &[(1, 127), (2, 127)]), [None]);
        speakers.heard(3, 0, now);
        speakers.forget(3);
        assert!(!speakers.levels(now).contains_key(&3));
    }

    #[test]
    fn the_loudest_are_heard_and_places_dont_flutter() {
        let (mut speakers, mut now) = (Speakers::default(), Instant::now());
        talk(&mut speakers, &mut now, 3, &[(1, 40), (2, 30), (3, 38), (4, 127)]);
        assert_eq!(speakers.loudest(&[1, 2, 3, 4], &[], 2, now), [2, 3]);
        assert_eq!(speakers.loudest(&[1, 2, 3, 4], &[1, 2], 2, now), [2, 1], "not for 2 dB");
        assert_eq!(speakers.loudest(&[1, 4], &[], 2, now), [1, 4]);
        now += Duration::from_secs(1);
        assert!(speakers.levels(now).is_empty(), "nobody sends any more");
    }
}
