//! The last ten minutes in numbers, for graphs. Handed samples, one a step; how they are taken is
//! `site`'s business.

use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Between two samples.
pub const STEP: Duration = Duration::from_secs(2);
/// Ten minutes of steps.
const KEPT: usize = 300;

/// How a stream was during one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StreamSample {
    /// Of all its tracks.
    pub bitrate_bps: u64,
    /// Pictures a second from the source; `None` where nothing is captured here.
    pub fps: Option<f64>,
    /// Pictures and access units that were dropped since the start.
    pub dropped: u64,
    pub viewers: usize,
}

/// One stream's last minutes, oldest first, `null` where it wasn't there. The members are equally long.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StreamHistory {
    step_s: u64,
    bitrate_bps: Vec<Option<u64>>,
    fps: Vec<Option<f64>>,
    /// During each step.
    dropped: Vec<Option<u64>>,
    viewers: Vec<Option<usize>>,
}

/// The board's, oldest first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BoardHistory {
    step_s: u64,
    /// Of the hottest zone.
    temperature_celsius: Vec<Option<f64>>,
}

/// All that is remembered. Bounded by the streams there are.
#[derive(Debug, Default)]
pub struct History {
    temperatures: VecDeque<Option<f64>>,
    streams: BTreeMap<String, VecDeque<Option<StreamSample>>>,
}

impl History {
    /// One step further.
    pub fn push(&mut self, temperature: Option<f64>, mut now: BTreeMap<String, StreamSample>) {
        keep(&mut self.temperatures, temperature);
        for (name, samples) in &mut self.streams {
            keep(samples, now.remove(name));
        }
        self.streams.extend(now.into_iter().map(|(name, sample)| (name, VecDeque::from([Some(sample)]))));
        self.streams.retain(|_, samples| samples.iter().any(Option::is_some));
    }

    /// Empty for a stream that wasn't there.
    pub fn stream(&self, name: &str) -> StreamHistory {
        let none = VecDeque::new();
        let samples = self.streams.get(name).unwrap_or(&none);
        let before = std::iter::once(&None).chain(samples);
        // Of what was counted since the start; a stream that was started anew counts from zero.
        let dropped = samples.iter().zip(before).map(|(now, before)| {
            let since = before.as_ref().map_or(0, |before| before.dropped);
            now.map(|now| if before.is_none() { 0 } else { now.dropped.saturating_sub(since) })
        });
        StreamHistory {
            step_s: STEP.as_secs(),
            bitrate_bps: samples.iter().map(|sample| sample.map(|sample| sample.bitrate_bps)).collect(),
            fps: samples.iter().map(|sample| sample.and_then(|sample| sample.fps).map(tenths)).collect(),
            dropped: dropped.collect(),
            viewers: samples.iter().map(|sample| sample.map(|sample| sample.viewers)).collect(),
        }
    }

    pub fn board(&self) -> BoardHistory {
        let temperature_celsius = self.temperatures.iter().map(|celsius| celsius.map(tenths)).collect();
        BoardHistory { step_s: STEP.as_secs(), temperature_celsius }
    }
}

fn keep<T>(samples: &mut VecDeque<T>, sample: T) {
    if samples.len() >= KEPT {
        samples.pop_front();
    }
    samples.push_back(sample);
}

/// More digits would only be sent.
fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(bitrate_bps: u64, dropped: u64) -> StreamSample {
        StreamSample { bitrate_bps, fps: Some(29.97), dropped, viewers: 2 }
    }

    fn streams(list: &[(&str, StreamSample)]) -> BTreeMap<String, StreamSample> {
        list.iter().map(|(name, sample)| ((*name).to_owned(), *sample)).collect()
    }

    #[test]
    fn a_stream_is_remembered_from_its_start_with_its_gaps() {
        let mut history = History::default();
        history.push(Some(51.26), streams(&[]));
        history.push(None, streams(&[("camera", sample(100, 7))]));
        history.push(Some(52.0), streams(&[("camera", sample(200, 9)), ("stage", sample(1, 0))]));
        history.push(Some(53.0), streams(&[]));
        // Started anew: its counters begin again.
        history.push(Some(53.0), streams(&[("camera", sample(300, 1))]));
        history.push(Some(53.0), streams(&[("camera", sample(300, 0))]));
        let camera = history.stream("camera");
        assert_eq!(camera.bitrate_bps, [Some(100), Some(200), None, Some(300), Some(300)]);
        assert_eq!(camera.dropped, [Some(0), Some(2), None, Some(0), Some(0)]);
        assert_eq!(camera.fps.first(), Some(&Some(30.0)));
        assert_eq!(history.stream("stage").viewers, [Some(2), None, None, None]);
        assert_eq!(history.stream("nobody").viewers, []);
        assert_eq!(history.board().temperature_celsius.get(..3), Some(&[Some(51.3), None, Some(52.0)][..]));
    }

    #[test]
    fn ten_minutes_are_kept_and_streams_that_are_gone_are_forgotten() {
        let mut history = History::default();
        history.push(None, streams(&[("old", sample(1, 0))]));
        for step in 0..KEPT as u64 {
            history.push(None, streams(&[("camera", sample(step, 0))]));
        }
        assert_eq!(history.streams.len(), 1);
        assert_eq!(history.stream("camera").bitrate_bps.len(), KEPT);
        history.push(None, streams(&[("camera", sample(1_000, 0))]));
        let camera = history.stream("camera");
        assert_eq!((camera.bitrate_bps.len(), camera.bitrate_bps.first()), (KEPT, Some(&Some(1))));
        assert_eq!(history.board().temperature_celsius.len(), KEPT);
    }
}
