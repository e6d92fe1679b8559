//! Opus of a contributor's on the audio line.

use super::audio::Rig;
use super::{assert_seamless, drain};
use crate::capture::Captured;
use crate::codec::opus::packet_samples;
use crate::encode::AudioEncoder;
use crate::encode::opus::OpusEncoder;
use crate::media::{AccessUnit, Codec, Track, TrackId};
use crate::pipeline::Line;
use crate::pipeline::inbox::Mail;
use crate::stream::Start;
use std::sync::Arc;
use std::time::Duration;

/// A browser with a tone.
struct Browser {
    encoder: OpusEncoder,
    samples: usize,
}

impl Browser {
    fn new() -> Self {
        Self { encoder: OpusEncoder::new(2, 64_000).expect("opens"), samples: 0 }
    }

    /// 20 ms, as it arrives just after they were.
    fn speak(&mut self, rig: &mut Rig, arrives: bool) {
        let tone = |at: usize| ((at as f64 * std::f64::consts::TAU / 109.0).sin() * 9_000.0) as i16;
        let pcm: Vec<i16> = (self.samples..self.samples + 960).flat_map(|at| [tone(at); 2]).collect();
        self.samples += 960;
        let pts = rig.now.ticks(self.encoder.track().timescale);
        let data = self.encoder.encode(&pcm).expect("encodes");
        rig.pass(Duration::from_millis(20));
        if arrives {
            let unit = AccessUnit { dts: pts, pts, duration: 960, keyframe: true, data };
            let track = Arc::clone(self.encoder.track());
            rig.line.handle(Captured::Unit { track, unit }.into(), rig.now);
        }
    }
}

fn is_aac(units: &[(Arc<Track>, AccessUnit)]) -> bool {
    units.iter().all(|(track, _)| matches!(track.codec, Codec::Aac(_)))
}

#[test]
fn opus_becomes_aac_without_a_seam_through_losses_pauses_and_goodbyes() {
    let (mut rig, mut browser) = (Rig::new(true), Browser::new());
    rig.line.handle(Mail::Away("nobody publishes".into()), rig.now);
    rig.pass(Duration::from_secs(2));
    let before = drain(&mut rig.reader);
    assert!(before.len() > 70 && is_aac(&before), "silence from the start: {}", before.len());
    for n in 0..250 {
        browser.speak(&mut rig, n % 20 != 7);
    }
    rig.pass(Duration::from_secs(3));
    for _ in 0..50 {
        browser.speak(&mut rig, true);
    }
    let units = drain(&mut rig.reader);
    assert!(is_aac(&units));
    assert_seamless(&[before, units.clone()].concat());
    let (last, now) = (&units.last().expect("units").1, rig.now.ticks(browser.encoder.track().timescale));
    assert!((0..9_600).contains(&(now - last.dts)), "it keeps to the present: {}", now - last.dts);
}

#[test]
fn whoever_takes_opus_gets_the_senders_own_and_the_boxs_while_there_is_none_or_it_is_muted() {
    let (mut rig, mut browser) = (Rig::new(true), Browser::new());
    let mut reader = rig.stream.read(&[TrackId::Opus], Start::NextKeyframe);
    rig.pass(Duration::from_secs(1));
    let silence = drain(&mut reader);
    assert!(silence.len() > 30, "{}", silence.len());
    assert!(silence.iter().all(|(track, _)| !Arc::ptr_eq(track, browser.encoder.track())));
    for _ in 0..50 {
        browser.speak(&mut rig, true);
    }
    let own: Vec<_> = drain(&mut reader);
    let through = own.iter().filter(|(track, _)| Arc::ptr_eq(track, browser.encoder.track())).count();
    assert!(through >= 48 && own.len() - through <= 2, "{through} of {}", own.len());
    assert!(own.iter().all(|(_, unit)| packet_samples(&unit.data) == Some(960)));
    rig.stream.set_muted(true);
    for _ in 0..50 {
        browser.speak(&mut rig, true);
    }
    let muted = drain(&mut reader);
    assert!(muted.iter().all(|(track, _)| !Arc::ptr_eq(track, browser.encoder.track())), "nothing of it is heard");
    assert!(muted.len() >= 30, "{}", muted.len());
    assert!([silence, own, muted].concat().windows(2).all(|pair| pair[0].1.pts < pair[1].1.pts), "in order");
}
