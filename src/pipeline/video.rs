//! One stream's picture: raw frames paced and encoded, or encoded pictures straight through, and the
//! slate where either is missing.
//!
//! [`VideoLine`] is handed mail and the time; it owns no thread, no device and no clock.

use super::Line;
use super::inbox::Mail;
use super::report::Report;
use crate::capture::slate;
use crate::config::{EncodeConfig, Size, VIDEO_BITRATE_BPS};
use crate::decode::MjpegDecoder;
use crate::encode::pacer::{self, FramePacer, Slot, Slots};
use crate::encode::scale::Scaler;
use crate::encode::{self, EncodeError, VideoEncoder, VideoSettings};
use crate::media::{AccessUnit, Codec, PixelFormat, RawFrame, Track, TrackId};
use crate::stream::{Kind, Publisher, SourceState};
use crate::time::{FrameRate, MonoTime, Timescale, rescale};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// What the slate says while somebody wants it.
const PRIVATE: &str = "the picture is switched off";
/// How soon an encoder that failed is opened again.
const REOPEN_AFTER: Duration = Duration::from_secs(1);

/// What the line is set up with.
#[derive(Debug, Clone)]
pub struct LineSettings {
    pub encode: EncodeConfig,
    /// Size of the slate until the source has shown its own.
    pub size: Size,
    /// `None`: the source's own rate.
    pub frame_rate: Option<FrameRate>,
    /// The picture keeps `size`: what comes in another one is scaled, and players notice nothing.
    pub scales: bool,
    /// A source that delivers encoded pictures may be this late before the slate stands in.
    pub units_late: Duration,
    /// What the encoder keeps up with; see [`encode::macroblocks_per_s`].
    pub macroblocks_per_s: Option<u64>,
}

/// Opens an encoder for the settings: `encode::open_video`, or a simulated one.
pub type OpenEncoder = Box<dyn FnMut(&VideoSettings) -> Result<Box<dyn VideoEncoder>, EncodeError> + Send>;

/// Encoded pictures straight through.
struct Relay {
    track: Arc<Track>,
    /// When the source is overdue and the slate stands in.
    overdue: MonoTime,
    /// Nothing can be decoded before the next key frame.
    needs_key_frame: bool,
}

/// See the module.
pub struct VideoLine {
    stream: String,
    settings: LineSettings,
    publisher: Arc<Publisher>,
    open_encoder: OpenEncoder,
    report: Arc<Report>,
    pacer: FramePacer,
    /// What pacers before this one counted.
    past: pacer::Counts,
    /// The source's.
    offered: FrameRate,
    /// One of so many pictures is taken, so that the encoder keeps up.
    every: u32,
    /// Pictures since one was taken.
    passed: u32,
    /// What is encoded: `offered`, divided by `every`.
    rate: FrameRate,
    size: Size,
    scaler: Option<Scaler>,
    encoder: Option<Box<dyn VideoEncoder>>,
    reopen_at: MonoTime,
    bitrate_bps: u32,
    mjpeg: MjpegDecoder,
    /// The newest good picture of the source.
    picture: Option<RawFrame>,
    slate: Option<RawFrame>,
    relay: Option<Relay>,
    /// Other renditions that go straight through beside it, each from a key frame on.
    beside: BTreeSet<TrackId>,
    /// Why the source is away, in words for people.
    cause: Option<String>,
    /// The slate stands for the picture because somebody wants it so, and goes on to until a new picture is there.
    private: bool,
    /// The one that is shown then.
    private_slate: Option<RawFrame>,
    /// The next slot is in the picture before it.
    covered: bool,
    /// Where the last key frame was, ticks.
    key_at: i64,
    /// End of what was published, ticks; nothing is published before it.
    end: i64,
    ended: bool,
}

impl VideoLine {
    pub fn new(
        stream: &str,
        settings: LineSettings,
        publisher: Arc<Publisher>,
        open_encoder: OpenEncoder,
        report: Arc<Report>,
    ) -> Self {
        let rate = settings.frame_rate.unwrap_or(FrameRate::DEFAULT);
        Self {
            stream: stream.to_owned(),
            publisher,
            open_encoder,
            report,
            pacer: FramePacer::new(rate),
            past: pacer::Counts::default(),
            offered: rate,
            every: 1,
            passed: 0,
            rate,
            size: settings.size,
            scaler: None,
            encoder: None,
            reopen_at: MonoTime::ZERO,
            bitrate_bps: settings.encode.video_bitrate_bps,
            mjpeg: MjpegDecoder::default(),
            picture: None,
            slate: None,
            relay: None,
            beside: BTreeSet::new(),
            cause: None,
            private: false,
            private_slate: None,
            covered: false,
            key_at: i64::MIN,
            end: i64::MIN,
            ended: false,
            settings,
        }
    }
}

impl Line for VideoLine {
    fn deadline(&self) -> Option<MonoTime> {
        match &self.relay {
            _ if self.ended => None,
            Some(relay) => Some(relay.overdue),
            None => Some(self.pacer.deadline()),
        }
    }

    fn handle(&mut self, mail: Mail, now: MonoTime) {
        if let Mail::Unit { track, unit } = &mail
            && track.id != TrackId::Video(0)
        {
            return self.relay_beside(track, unit);
        }
        if matches!(mail, Mail::Frame(_) | Mail::Unit { .. }) {
            self.report.captured(now);
        }
        match mail {
            Mail::Frame(frame) => self.frame(frame, now),
            Mail::Unit { track, unit } => self.relay(track, unit, now),
            Mail::Pcm(_) => {}
            Mail::Here(rate) => {
                if let Some(rate) = self.settings.frame_rate.or(rate) {
                    self.set_rate(rate);
                }
            }
            Mail::Away(cause) => {
                self.publisher.set_state(Kind::Video, SourceState::NoSignal { cause: cause.clone() });
                self.cause = Some(cause);
                self.slate = None;
                match &mut self.relay {
                    // No use waiting for more of them: the slate goes on at once.
                    Some(relay) => relay.overdue = now,
                    None => self.pacer.source_lost(now),
                }
            }
            Mail::Lost => {
                if let Some(relay) = &mut self.relay {
                    relay.needs_key_frame = true;
                }
                self.stop_beside();
            }
            Mail::End => {
                self.ended = true;
                self.publisher.set_state(Kind::Video, SourceState::Ended);
            }
        }
    }

    /// Shows what is due without a new picture: the last one again, or the slate.
    fn poll(&mut self, now: MonoTime) {
        if self.ended {
            return;
        }
        if let Some(relay) = &self.relay {
            if now < relay.overdue {
                return;
            }
            self.leave_relay();
        }
        let slots = self.pacer.poll(now);
        self.fill(slots, None, now);
    }

    fn overran(&self, total: u64) {
        self.report.video_overruns.set(total);
    }
}

impl VideoLine {
    fn frame(&mut self, frame: RawFrame, now: MonoTime) {
        if self.ended {
            return;
        }
        self.relay = None;
        self.stop_beside();
        if !self.settings.scales {
            self.set_size(Size { width: frame.width() & !1, height: frame.height() & !1 });
        }
        self.passed += 1;
        if self.passed < self.every {
            return;
        }
        self.passed = 0;
        let slots = self.pacer.push(frame.captured(), now);
        self.fill(slots, Some(frame), now);
    }

    /// Publishes a picture for every slot: what was missing before the new one first, then the new one.
    fn fill(&mut self, slots: Slots, mut new: Option<RawFrame>, now: MonoTime) {
        for slot in slots {
            if slot.kind == pacer::Kind::New
                && let Some(frame) = new.take()
                && !self.covered
            {
                self.take_picture(frame);
            }
            self.show(slot, now);
        }
        let counts = self.pacer.counts();
        self.report.repeated_frames.set(self.past.repeated + counts.repeated);
        self.report.dropped_frames.set(self.past.dropped + counts.dropped);
    }

    /// Keeps a picture to show; a JPEG that can't be decoded is counted, and the last good one stays.
    fn take_picture(&mut self, frame: RawFrame) {
        if self.publisher.is_private() {
            return self.live();
        }
        let picture = match frame.format() {
            PixelFormat::Mjpeg => self.mjpeg.decode(&frame),
            _ => Ok(frame),
        };
        match picture.map_err(|error| error.to_string()).and_then(|picture| self.scaled(picture)) {
            Ok(picture) => {
                self.picture = Some(picture);
                self.set_private(false);
                self.live();
            }
            Err(error) => {
                log::debug!("{}: {error}", self.stream);
                self.report.bad_pictures.add(1);
            }
        }
    }

    /// In the stream's size, where that is fixed.
    fn scaled(&mut self, picture: RawFrame) -> Result<RawFrame, String> {
        let Size { width, height } = self.size;
        if !self.settings.scales || (picture.width(), picture.height()) == (width, height) {
            return Ok(picture);
        }
        if self.scaler.is_none() {
            log::info!("{}: {}x{} is scaled to {width}x{height}", self.stream, picture.width(), picture.height());
        }
        let scaled = self.scaler.get_or_insert_with(|| Scaler::new((width, height))).scale(&picture);
        self.report.bytes_copied.add(u64::from(width) * u64::from(height) * 3 / 2);
        scaled.map_err(|error| error.to_string())
    }

    fn live(&mut self) {
        self.cause = None;
        self.slate = None;
        self.publisher.set_state(Kind::Video, SourceState::Live);
    }

    /// Encodes and publishes what belongs into `slot`.
    fn show(&mut self, mut slot: Slot, now: MonoTime) {
        if std::mem::take(&mut self.covered) {
            return;
        }
        if self.publisher.stream().has_half_rate() {
            // What is next is as long.
            slot.timing.duration = slot.timing.duration.saturating_mul(2);
            self.covered = true;
        }
        if self.publisher.is_private() {
            self.set_private(true);
        }
        let stays_away = slot.kind == pacer::Kind::Slate;
        if self.private && stays_away && !self.publisher.is_private() {
            self.set_private(false);
        }
        let picture = match (&self.picture, slot.kind) {
            _ if self.private => {
                if stays_away {
                    // That it is away is told all the same.
                    self.slate();
                }
                self.publisher.hid(slot.timing.pts);
                self.private_slate()
            }
            (Some(picture), pacer::Kind::New | pacer::Kind::Repeat) => picture.clone(),
            _ => self.slate(),
        };
        if let Err(error) = self.encode(&picture, slot, now) {
            log::error!("{}: {error}; opening the encoder again", self.stream);
            self.encoder = None;
            self.reopen_at = now + REOPEN_AFTER;
        }
    }

    fn slate(&mut self) -> RawFrame {
        let Size { width, height } = self.size;
        match &self.slate {
            Some(slate) if (slate.width(), slate.height()) == (width, height) => slate.clone(),
            _ => {
                let cause = self.cause.as_deref().unwrap_or("no pictures come from the source");
                if self.cause.is_none() {
                    self.publisher.set_state(Kind::Video, SourceState::NoSignal { cause: cause.to_owned() });
                }
                let picture = slate(self.size, &self.stream, cause);
                self.slate = Some(picture.clone());
                picture
            }
        }
    }

    /// Begins or ends to show the slate because somebody wants it so; at once, with a key frame.
    fn set_private(&mut self, private: bool) {
        if private != self.private {
            self.private = private;
            self.picture = self.picture.take().filter(|_| !private);
            self.private_slate = None;
            self.publisher.stream().request_key_frame();
        }
    }

    fn private_slate(&mut self) -> RawFrame {
        let Size { width, height } = self.size;
        match &self.private_slate {
            Some(slate) if (slate.width(), slate.height()) == (width, height) => slate.clone(),
            _ => self.private_slate.insert(slate(self.size, &self.stream, PRIVATE)).clone(),
        }
    }

    fn encode(&mut self, picture: &RawFrame, slot: Slot, now: MonoTime) -> Result<(), EncodeError> {
        let Some(mut encoder) = self.encoder.take().map_or_else(|| self.open(now), |open| Ok(Some(open)))? else {
            return Ok(());
        };
        let stream = self.publisher.stream();
        let asked_bps = self.publisher.bitrate_target().unwrap_or(self.settings.encode.video_bitrate_bps);
        let share_bps = u64::from(asked_bps) * u64::from(stream.bitrate_percent()) / 100;
        let wanted_bps = u32::try_from(share_bps).unwrap_or(asked_bps).max(*VIDEO_BITRATE_BPS.start().min(&asked_bps));
        if wanted_bps != self.bitrate_bps {
            self.bitrate_bps = wanted_bps;
            encoder.set_bitrate(wanted_bps)?;
        }
        // An encoder counts pictures, of which there may be half as many.
        let gop_ticks = i64::from(self.settings.encode.gop_ms) * i64::from(Timescale::VIDEO.hz()) / 1_000;
        let due = stream.has_half_rate() && slot.timing.pts.saturating_sub(self.key_at) >= gop_ticks;
        let key = self.publisher.take_key_frame_request() || due;
        encoder.submit(picture, slot.timing, key)?;
        // An encoder on the SoC takes a part of a frame's time; one that drops a picture says nothing.
        let mut patience = Duration::from_nanos(self.rate.period_nanos().unsigned_abs());
        while let Some(encoded) = encoder.receive(patience)? {
            patience = Duration::ZERO;
            self.publish(&encoded.track, encoded.unit);
        }
        self.encoder = Some(encoder);
        Ok(())
    }

    fn open(&mut self, now: MonoTime) -> Result<Option<Box<dyn VideoEncoder>>, EncodeError> {
        if now < self.reopen_at {
            return Ok(None);
        }
        let encode = &self.settings.encode;
        let gop = u64::from(encode.gop_ms) * u64::from(self.rate.num()) / (1_000 * u64::from(self.rate.den()));
        let settings = VideoSettings {
            width: self.size.width,
            height: self.size.height,
            frame_rate: self.rate,
            bitrate_bps: self.bitrate_bps,
            gop_frames: u32::try_from(gop).unwrap_or(u32::MAX).max(1),
            profile: encode.profile,
        };
        let encoder = (self.open_encoder)(&settings)?;
        log::info!(
            "{}: {} encodes {}x{} at {} fps, {} kbit/s",
            self.stream,
            encoder.name(),
            settings.width,
            settings.height,
            settings.frame_rate,
            settings.bitrate_bps / 1_000
        );
        self.report.set_encoder(encoder.name());
        Ok(Some(encoder))
    }

    fn publish(&mut self, track: &Arc<Track>, unit: AccessUnit) {
        if unit.keyframe {
            self.key_at = unit.pts;
        }
        self.end = self.end.max(unit.dts.saturating_add(i64::from(unit.duration)));
        self.publisher.push(track, unit);
    }

    fn set_size(&mut self, size: Size) {
        if size != self.size {
            if self.encoder.take().is_some() {
                log::info!("{}: the picture is {}x{} now", self.stream, size.width, size.height);
            }
            self.size = size;
            self.picture = None;
            self.set_rate(self.offered);
        }
    }

    /// Takes what the source offers, or of it what the encoder keeps up with.
    fn set_rate(&mut self, offered: FrameRate) {
        let every = encode::every(self.settings.macroblocks_per_s, (self.size.width, self.size.height), offered);
        let rate = FrameRate::new(offered.num(), offered.den() * every).unwrap_or(offered);
        if every > self.every {
            log::info!(
                "{}: {}x{} at {offered} fps is more than the board's encoder does; one of {every} pictures is taken",
                self.stream,
                self.size.width,
                self.size.height
            );
        }
        (self.offered, self.every) = (offered, every);
        if rate != self.rate {
            self.rate = rate;
            self.encoder = None;
            if let Some(start) = self.pacer.next_start() {
                self.resume_pacer(start);
            } else {
                self.pacer = FramePacer::new(rate);
            }
        }
    }

    /// Encoded pictures straight through.
    fn relay(&mut self, track: Arc<Track>, mut unit: AccessUnit, now: MonoTime) {
        if self.publisher.is_private() || (self.private && !unit.keyframe) {
            return self.hide(&track, &unit, now);
        }
        let after_a_slate = self.relay.is_none();
        let needs_key_frame = self.relay.as_ref().is_none_or(|relay| relay.needs_key_frame);
        let length = i64::from(unit.duration);
        let overlap = self.end.saturating_sub(unit.dts);
        if self.ended || (needs_key_frame && !unit.keyframe) || (after_a_slate && overlap > length) {
            self.report.dropped_units.add(1);
            if after_a_slate && self.end > i64::MIN {
                self.slate_in_its_time(&track, &unit, now);
            }
            return;
        }
        if after_a_slate {
            self.encoder = None;
            if let Codec::H264(params) = &track.codec {
                self.size = Size { width: params.width, height: params.height };
                (self.offered, self.every) = (params.frame_rate.unwrap_or(self.offered), 1);
                self.rate = self.offered;
            }
            // The slate ran at most a frame into this picture's time: shorten the picture by that.
            if overlap > 0 {
                unit.dts = self.end;
                unit.pts = unit.pts.max(unit.dts);
                unit.duration = u32::try_from(length - overlap).unwrap_or(0).max(1);
            }
        }
        let late = self.settings.units_late.max(Duration::from_nanos(
            rescale(length, track.timescale, Timescale::NANOS).saturating_mul(2).unsigned_abs(),
        ));
        self.private = false;
        self.live();
        self.publish(&track, unit);
        self.relay = Some(Relay { track, overdue: now + late, needs_key_frame: false });
    }

    /// Another rendition of what goes straight through. Where a slate stands for that, there is none.
    fn relay_beside(&mut self, track: &Arc<Track>, unit: &AccessUnit) {
        let goes = self.relay.is_some() && !self.publisher.is_private();
        if !goes || self.ended {
            return;
        }
        if !unit.keyframe && !self.beside.contains(&track.id) {
            return self.publisher.stream().request_key_frame_of(track.id);
        }
        self.beside.insert(track.id);
        self.publisher.push(track, unit.clone());
    }

    fn stop_beside(&mut self) {
        for id in std::mem::take(&mut self.beside) {
            self.publisher.retire(id);
        }
    }

    /// A private picture that comes encoded: the slate is shown in its place and time. Until a picture comes that
    /// players can begin with, that goes on.
    fn hide(&mut self, track: &Track, unit: &AccessUnit, now: MonoTime) {
        if self.ended {
            return;
        }
        if let Codec::H264(params) = &track.codec {
            self.set_size(Size { width: params.width, height: params.height });
            self.set_rate(params.frame_rate.unwrap_or(self.rate));
        }
        self.set_private(true);
        self.leave_relay();
        self.live();
        self.slate_in_its_time(track, unit, now);
    }

    /// The slate goes on by the time of the source's pictures, which come later than they are taken: by the present's
    /// it would always be ahead of them, and they could never take its place.
    fn slate_in_its_time(&mut self, track: &Track, unit: &AccessUnit, now: MonoTime) {
        if self.ended {
            return;
        }
        let slots = self.pacer.push(MonoTime::from_ticks(unit.dts, track.timescale), now);
        self.fill(slots, None, now);
    }

    /// The source of encoded pictures is overdue: the slate goes on where it stopped.
    fn leave_relay(&mut self) {
        let Some(relay) = self.relay.take() else { return };
        self.stop_beside();
        self.covered = false;
        self.resume_pacer(MonoTime::from_ticks(self.end, relay.track.timescale));
        self.picture = None;
    }

    /// Goes on from `start` with a new grid; what the old one counted is kept.
    fn resume_pacer(&mut self, start: MonoTime) {
        let counts = self.pacer.counts();
        self.past.repeated += counts.repeated;
        self.past.dropped += counts.dropped;
        self.pacer = FramePacer::resuming(self.rate, start);
    }
}
