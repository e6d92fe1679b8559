//! One stream's sound: samples through the audio clock into AAC, and Opus while somebody wants it;
//! or encoded sound straight through, with silence where it is missing. Opus goes both ways: straight through to
//! those who take it, and as samples into the clock for all others.
//!
//! [`AudioLine`] is handed mail and the time; it owns no thread, no device and no clock.

use super::Line;
use super::inbox::Mail;
use super::report::Report;
use super::transcode::Transcoder;
use crate::codec::aac;
use crate::decode::AacDecoder;
use crate::encode::aac::AacEncoder;
use crate::encode::audio_clock::{AudioClock, Frames, Run};
use crate::encode::opus::OpusEncoder;
use crate::encode::{AudioEncoder, EncodeError};
use crate::media::{AacParams, AccessUnit, Codec, PcmBlock, Track, TrackId};
use crate::stream::{Kind, Publisher, SourceState};
use crate::time::{MonoTime, Timescale};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// All sound leaves at 48 kHz: what AAC players and Opus both take.
const RATE: Timescale = Timescale::SOUND;

/// How long encoded sound may be late before silence stands in for it. Above the jitter of a busy
/// pipe, below what a player has buffered.
const UNITS_LATE: Duration = Duration::from_millis(300);

/// How far behind the present a source's sound may run, as it does behind a program that began on a busy machine.
const SOURCE_BEHIND: Duration = Duration::from_secs(2);
/// What it does less than that for so long, it does no more.
const OF_LATE: Duration = Duration::from_secs(10);

/// The source's own Opus has to be away for so long before it is encoded here in its place: longer than what is late
/// or lost, shorter than a viewer's patience.
const OPUS_AWAY: Duration = Duration::from_millis(300);

/// What the line is set up with.
#[derive(Debug, Clone)]
pub struct AudioSettings {
    pub channels: u16,
    pub bitrate_bps: u32,
    /// The source delivers samples, not encoded frames: there is sound (or silence) from the start.
    pub raw: bool,
}

/// An encoder with the frames that it is fed.
struct Encoding<E> {
    encoder: E,
    frames: Frames,
}

impl<E: AudioEncoder> Encoding<E> {
    fn new(encoder: E, channels: u16) -> Self {
        let frames = Frames::new(encoder.frame_len(), channels);
        Self { encoder, frames }
    }

    fn encode(&mut self, run: Run<'_>, publisher: &Publisher) -> Result<(), EncodeError> {
        self.frames.push(run);
        let duration = u32::try_from(self.encoder.frame_len()).unwrap_or(u32::MAX);
        while let Some(frame) = self.frames.pop() {
            let data = self.encoder.encode(frame.samples)?;
            let pts = frame.tick - i64::from(self.encoder.delay());
            publisher.push(self.encoder.track(), AccessUnit { dts: pts, pts, duration, keyframe: true, data });
        }
        Ok(())
    }
}

/// The encoders of one line. One that fails is opened anew, with the next samples.
struct Encoders {
    settings: AudioSettings,
    aac: Option<Encoding<AacEncoder>>,
    opus: Option<Encoding<OpusEncoder>>,
}

impl Encoders {
    /// `opus`: whether that is made here, where somebody wants it.
    fn encode(&mut self, run: Run<'_>, publisher: &Publisher, opus: bool) -> Result<(), EncodeError> {
        if run.samples.is_empty() {
            return Ok(());
        }
        let wants_opus = opus && publisher.is_wanted(TrackId::Opus);
        if wants_opus != self.opus.is_some() {
            let AudioSettings { channels, bitrate_bps, .. } = self.settings;
            self.opus = match wants_opus {
                true => Some(Encoding::new(OpusEncoder::new(channels, bitrate_bps)?, channels)),
                false => None,
            };
        }
        let aac = match &mut self.aac {
            Some(aac) => aac,
            None => self.aac.insert(open_aac(&self.settings)?),
        };
        aac.encode(run, publisher)?;
        match &mut self.opus {
            Some(opus) => opus.encode(run, publisher),
            None => Ok(()),
        }
    }
}

fn open_aac(settings: &AudioSettings) -> Result<Encoding<AacEncoder>, EncodeError> {
    AacEncoder::new(RATE.hz(), settings.channels, settings.bitrate_bps)
        .map(|encoder| Encoding::new(encoder, settings.channels))
}

/// Encoded sound straight through.
struct Relay {
    track: Arc<Track>,
    /// End of what was published, ticks of the track.
    end: i64,
    /// When the source is overdue and silence stands in.
    overdue: MonoTime,
    /// How far behind the present its sound was seen to run when silence was there before it: silence must wait for
    /// so long, or it would always be ahead, and no sound could take its place.
    behind: Duration,
    /// The same of late, and since when: what was once isn't for ever.
    of_late: Duration,
    of_late_since: MonoTime,
}

impl Relay {
    /// Sound took its place.
    fn goes_on(self, track: Arc<Track>, end: i64, now: MonoTime) -> Self {
        let behind = MonoTime::from_ticks(end, track.timescale).until(now);
        let mut next = Self { track, end, of_late: self.of_late.max(behind), ..self };
        if next.of_late_since.until(now) >= OF_LATE {
            next.behind = next.behind.min(next.of_late);
            (next.of_late, next.of_late_since) = (Duration::ZERO, now);
        }
        next.overdue = now + next.behind + UNITS_LATE;
        next
    }

    /// Sound came whose place silence has taken.
    fn was_early(&mut self, unit: &AccessUnit, now: MonoTime) {
        let end = unit.dts.saturating_add(i64::from(unit.duration));
        let behind = MonoTime::from_ticks(end, self.track.timescale).until(now);
        // Older sound is no measure: its clock is off, or it was held up once.
        if behind > self.behind && behind <= SOURCE_BEHIND {
            self.behind = behind;
            self.of_late = self.of_late.max(behind);
        }
        let waits = MonoTime::from_ticks(self.end, self.track.timescale) + self.behind + UNITS_LATE;
        self.overdue = self.overdue.max(waits);
    }
}

/// Opus of the source's own, which comes out of a contributor's hands.
#[derive(Default)]
struct Opus {
    transcoder: Option<Transcoder>,
    /// Until then it goes straight through, and none is made here.
    through: Option<MonoTime>,
    /// End of what went through, ticks.
    end: i64,
}

impl Opus {
    fn goes_through(&self, now: MonoTime) -> bool {
        self.through.is_some_and(|until| now < until)
    }
}

/// One frame of silence, where it is known for the track's layout.
fn silence(track: &Track) -> Option<Bytes> {
    match &track.codec {
        Codec::Aac(params) => aac::silent_frame(params.channels).map(Bytes::from_static),
        _ => None,
    }
}

/// Decodes sound that goes straight through.
struct Listener {
    track: Arc<Track>,
    /// `None`: it is of a kind that can't be decoded.
    decoder: Option<AacDecoder>,
}

impl Listener {
    fn to(track: &Arc<Track>) -> Self {
        let decoder = match &track.codec {
            Codec::Aac(params) => AacDecoder::new(&params.config)
                .inspect_err(|error| log::info!("its levels can't be shown: {error}"))
                .ok(),
            _ => None,
        };
        Self { track: Arc::clone(track), decoder }
    }
}

/// See the module.
pub struct AudioLine {
    stream: String,
    raw: bool,
    publisher: Arc<Publisher>,
    clock: AudioClock,
    encoders: Encoders,
    relay: Option<Relay>,
    opus: Opus,
    /// While somebody looks at the levels.
    listener: Option<Listener>,
    report: Arc<Report>,
    ended: bool,
}

impl AudioLine {
    pub fn new(
        stream: &str,
        settings: AudioSettings,
        publisher: Arc<Publisher>,
        report: Arc<Report>,
    ) -> Result<Self, EncodeError> {
        Ok(Self {
            stream: stream.to_owned(),
            raw: settings.raw,
            publisher,
            clock: AudioClock::new(RATE, settings.channels),
            encoders: Encoders { aac: Some(open_aac(&settings)?), opus: None, settings },
            relay: None,
            opus: Opus::default(),
            listener: None,
            report,
            ended: false,
        })
    }
}

impl Line for AudioLine {
    fn deadline(&self) -> Option<MonoTime> {
        match &self.relay {
            _ if self.ended => None,
            Some(relay) => Some(relay.overdue),
            None if self.raw => Some(self.clock.deadline()),
            None => None,
        }
    }

    fn handle(&mut self, mail: Mail, now: MonoTime) {
        match mail {
            Mail::Pcm(block) => self.samples(block, now),
            Mail::Unit { track, unit } if matches!(track.codec, Codec::Opus(_)) => self.opus(&track, unit, now),
            Mail::Unit { track, unit } => self.relay(track, unit, now),
            Mail::Away(cause) => {
                self.publisher.set_state(Kind::Audio, SourceState::NoSignal { cause });
                // No use waiting for more of it: silence goes on at once.
                if let Some(relay) = &mut self.relay {
                    relay.overdue = now;
                }
            }
            Mail::End => {
                self.ended = true;
                self.publisher.set_state(Kind::Audio, SourceState::Ended);
            }
            Mail::Frame(_) | Mail::Here(_) | Mail::Lost => {}
        }
    }

    /// Fills what is missing with silence.
    fn poll(&mut self, now: MonoTime) {
        if self.ended {
            return;
        }
        if self.relay.is_some() {
            self.stand_in(now);
        } else if self.raw {
            let run = self.clock.poll(now);
            let encoded = self.encoders.encode(run, &self.publisher, !self.opus.goes_through(now));
            self.after(encoded);
        }
    }

    fn overran(&self, total: u64) {
        self.report.audio_overruns.set(total);
    }
}

impl AudioLine {
    fn after(&mut self, encoded: Result<(), EncodeError>) {
        if let Err(error) = encoded {
            log::error!("{}: {error}; opening the encoder again", self.stream);
            self.encoders.aac = None;
            self.encoders.opus = None;
        }
        self.report.set_audio_correction_ppm(self.clock.correction_ppm());
        self.report.audio_resyncs.set(self.clock.counts().resyncs);
    }

    fn samples(&mut self, mut block: PcmBlock, now: MonoTime) {
        if self.relay.take().is_some() {
            // Another source has come. What the clock has counted lies long ago.
            self.clock = AudioClock::new(RATE, self.encoders.settings.channels);
        }
        if self.publisher.is_muted() {
            block.samples = vec![0; block.samples.len()].into();
        }
        self.report.heard(&block.samples, block.channels, now);
        self.publisher.set_state(Kind::Audio, SourceState::Live);
        let run = self.clock.push(&block);
        let encoded = self.encoders.encode(run, &self.publisher, !self.opus.goes_through(now));
        self.after(encoded);
    }

    /// Opus: straight through to those who take it, and decoded for those who don't.
    fn opus(&mut self, track: &Arc<Track>, unit: AccessUnit, now: MonoTime) {
        if self.ended {
            return;
        }
        let transcoder = match &mut self.opus.transcoder {
            Some(transcoder) => transcoder,
            None => match Transcoder::new(self.encoders.settings.channels) {
                Ok(transcoder) => self.opus.transcoder.insert(transcoder),
                Err(error) => {
                    log::error!("{}: {error}", self.stream);
                    return;
                }
            },
        };
        match transcoder.decode(&unit) {
            Ok(blocks) => {
                if !blocks.is_empty() && !self.publisher.is_muted() && self.publisher.is_wanted(TrackId::Opus) {
                    self.pass(track, unit, now);
                }
                for block in blocks {
                    self.samples(block, now);
                }
            }
            Err(error) => {
                log::debug!("{}: {error}", self.stream);
                self.report.dropped_units.add(1);
            }
        }
    }

    fn pass(&mut self, track: &Arc<Track>, unit: AccessUnit, now: MonoTime) {
        if unit.pts < self.opus.end {
            return;
        }
        self.opus.through = Some(now + OPUS_AWAY);
        self.opus.end = unit.pts.saturating_add(i64::from(unit.duration));
        self.publisher.push(track, unit);
    }

    /// Encoded sound straight through. Sound that overlaps the silence which stood in for it is dropped:
    /// frames of AAC can't be cut.
    fn relay(&mut self, track: Arc<Track>, unit: AccessUnit, now: MonoTime) {
        let half = i64::from(unit.duration / 2);
        let covered = self.relay.as_mut().filter(|relay| unit.dts.saturating_add(half) < relay.end);
        if self.ended || covered.is_some() {
            self.report.dropped_units.add(1);
            if let Some(relay) = covered {
                relay.was_early(&unit, now);
            }
            return;
        }
        self.publisher.set_state(Kind::Audio, SourceState::Live);
        let end = unit.dts + i64::from(unit.duration);
        if self.publisher.is_muted() {
            self.listener = None;
            if let Codec::Aac(AacParams { channels, .. }) = track.codec
                && self.report.levels_wanted(now)
            {
                self.report.heard(&vec![0; unit.duration as usize * usize::from(channels)], channels, now);
            }
            // Of a layout that no silence is known for, players see a gap.
            if let Some(data) = silence(&track) {
                self.publisher.push(&track, AccessUnit { data, ..unit });
            }
        } else {
            self.measure(&track, &unit, now);
            self.publisher.push(&track, unit);
        }
        let relay = self.relay.take().unwrap_or_else(|| Relay {
            track: Arc::clone(&track),
            end,
            overdue: now,
            behind: Duration::ZERO,
            of_late: Duration::ZERO,
            of_late_since: now,
        });
        self.relay = Some(relay.goes_on(track, end, now));
    }

    /// Measures sound that goes straight through, while somebody looks.
    fn measure(&mut self, track: &Arc<Track>, unit: &AccessUnit, now: MonoTime) {
        if !self.report.levels_wanted(now) {
            self.listener = None;
            return;
        }
        let listener = match &mut self.listener {
            Some(listener) if listener.track == *track => listener,
            other => other.insert(Listener::to(track)),
        };
        // What is damaged isn't louder or quieter.
        if let Some(decoder) = &mut listener.decoder
            && let Ok((samples, channels)) = decoder.decode(&unit.data)
        {
            self.report.heard(samples, channels, now);
        }
    }

    /// Silent frames up to `now` less the time that sound is allowed to be late.
    fn stand_in(&mut self, now: MonoTime) {
        let Some(relay) = &mut self.relay else { return };
        if now < relay.overdue {
            return;
        }
        if !matches!(relay.track.codec, Codec::Aac(_)) {
            return;
        }
        let Some(silence) = silence(&relay.track) else {
            // No silence for this layout: players see a gap. Look again when sound may be back.
            relay.overdue = now + UNITS_LATE;
            return;
        };
        let until = now.ticks(relay.track.timescale);
        while relay.end <= until {
            let unit = AccessUnit {
                dts: relay.end,
                pts: relay.end,
                duration: aac::FRAME_SAMPLES,
                keyframe: true,
                data: silence.clone(),
            };
            relay.end += i64::from(aac::FRAME_SAMPLES);
            self.publisher.push(&relay.track, unit);
            self.report.silence_units.add(1);
        }
        relay.overdue = MonoTime::from_ticks(relay.end, relay.track.timescale);
    }
}
