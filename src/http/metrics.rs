//! `/metrics`: what the box counts, in the text format of OpenMetrics, as Prometheus reads it.
//!
//! Here: which numbers have which names. They are read when somebody asks; nothing is counted here.
//! A name, once given, stays: dashboards and alarms hang on it (`board/grafana/capturebox.json` is one).

use super::body::Body;
use super::counts::ConnectionCounts;
use crate::control::{Load, Served, Troubles};
use crate::package::live::HlsStatus;
use crate::pipeline::{Counts, Histogram, STEPS_S};
use crate::push;
use crate::stream::{SourceState, StreamStatus};
use crate::system::Status;
use bytes::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::Arc;

const PREFIX: &str = "capturebox";

/// One stream at one moment.
pub struct StreamSample {
    status: StreamStatus,
    hls: Option<HlsStatus>,
    webrtc_viewers: usize,
    pipeline: Option<(Counts, Histogram)>,
    pushes: Vec<push::Status>,
}

impl StreamSample {
    pub fn new(
        status: StreamStatus,
        served: Option<&Served>,
        webrtc_viewers: usize,
        pushes: Vec<push::Status>,
    ) -> Self {
        let report = served.and_then(|served| served.report.as_ref());
        Self {
            status,
            hls: served.map(|served| served.live.status()),
            webrtc_viewers,
            pipeline: report.map(|report| (report.counts(), report.encode_time.read())),
            pushes,
        }
    }
}

/// The answer to a scrape. `system` is `None` when it couldn't be read.
pub fn metrics(
    streams: &[StreamSample],
    system: Option<Arc<Status>>,
    board: (Troubles, Load),
    connections: &ConnectionCounts,
) -> Response<Body> {
    let mut registry = Registry::with_prefix(PREFIX);
    registry.register_collector(Box::new(Families(families(streams, system.as_deref(), board, connections))));
    let mut page = String::new();
    let mut response = match text::encode(&mut page, &registry) {
        Ok(()) => Response::new(Body::from(Bytes::from(page))),
        Err(_) => {
            let mut response = Response::new(Body::default());
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
    };
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    headers.insert(CONTENT_TYPE, kind);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

type Labels = Vec<(&'static str, String)>;

#[derive(Debug)]
enum Value {
    Number(f64),
    Histogram(Histogram),
}

/// One name and its values.
#[derive(Debug)]
struct Family {
    name: &'static str,
    help: &'static str,
    kind: MetricType,
    values: Vec<(Labels, Value)>,
}

#[derive(Debug)]
struct Families(Vec<Family>);

impl Collector for Families {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        for family in &self.0 {
            let mut encoder = encoder.encode_descriptor(family.name, family.help, None, family.kind)?;
            for (labels, value) in &family.values {
                if labels.is_empty() {
                    write(&mut encoder, family.kind, value)?;
                } else {
                    write(&mut encoder.encode_family(labels)?, family.kind, value)?;
                }
            }
        }
        Ok(())
    }
}

fn write(encoder: &mut MetricEncoder, kind: MetricType, value: &Value) -> fmt::Result {
    match (value, kind) {
        (Value::Number(number), MetricType::Counter) => encoder.encode_counter::<NoLabelSet, _, f64>(number, None),
        (Value::Number(number), _) => encoder.encode_gauge(number),
        (Value::Histogram(times), _) => {
            // The last step has no end; the encoder adds up.
            let ends = STEPS_S.into_iter().chain([f64::INFINITY]);
            let steps: Vec<_> = ends.zip(times.counts).collect();
            encoder.encode_histogram::<NoLabelSet>(times.sum_s, times.count, &steps, None)
        }
    }
}

fn families(
    streams: &[StreamSample],
    system: Option<&Status>,
    board: (Troubles, Load),
    connections: &ConnectionCounts,
) -> Vec<Family> {
    let mut all = stream_families(streams);
    all.extend(connection_families(connections));
    all.extend(system.map(system_families).into_iter().flatten());
    all.extend(board_families(board));
    // A name without values says nothing.
    all.retain(|family| !family.values.is_empty());
    all
}

fn family(
    name: &'static str,
    help: &'static str,
    kind: MetricType,
    values: impl IntoIterator<Item = (Labels, f64)>,
) -> Family {
    let values = values.into_iter().map(|(labels, number)| (labels, Value::Number(number))).collect();
    Family { name, help, kind, values }
}

fn stream_families(streams: &[StreamSample]) -> Vec<Family> {
    use MetricType::{Counter, Gauge};
    let of = |one: &StreamSample| vec![("stream", one.status.name.clone())];
    let with = |one: &StreamSample, name, value: &str| {
        let mut labels = of(one);
        labels.push((name, value.to_owned()));
        labels
    };
    let each = |value: fn(&StreamSample) -> Option<f64>| {
        streams.iter().filter_map(move |one| Some((of(one), value(one)?))).collect::<Vec<_>>()
    };
    let counts = |one: &StreamSample| one.pipeline.as_ref().map(|(counts, _)| counts.clone());
    let states = streams.iter().flat_map(|one| {
        let live = |state: &SourceState| f64::from(u8::from(*state == SourceState::Live));
        one.status.sources.iter().map(move |s| (with(one, "kind", &s.kind.to_string()), live(&s.state)))
    });
    let drops = streams.iter().flat_map(|one| {
        let mut causes = vec![("slow_reader", one.status.dropped)];
        causes.extend(one.hls.as_ref().map(|hls| ("not_packaged", hls.dropped)));
        if let Some(counts) = counts(one) {
            causes.extend([
                ("bad_picture", counts.bad_pictures),
                ("early_picture", counts.dropped_frames),
                ("video_overrun", counts.video_overruns),
                ("audio_overrun", counts.audio_overruns),
                ("unusable_unit", counts.dropped_units),
            ]);
        }
        causes.into_iter().map(move |(cause, count)| (with(one, "cause", cause), count as f64))
    });
    let tracks = |value: fn(&crate::stream::TrackStatus) -> f64| {
        let of_one = move |one: &StreamSample| -> Vec<(Labels, f64)> {
            one.status.tracks.iter().map(|track| (with(one, "track", &track.id), value(track))).collect()
        };
        streams.iter().flat_map(of_one).collect::<Vec<_>>()
    };
    let delays = streams.iter().flat_map(|one| {
        let delays = one.hls.as_ref().map(|hls| [("0.5", hls.part_delay_p50_us), ("0.99", hls.part_delay_p99_us)]);
        delays.into_iter().flatten().map(move |(quantile, us)| (with(one, "quantile", quantile), us as f64 / 1e6))
    });
    let levels = |value: fn(&crate::pipeline::Level) -> f64| {
        let of_one = move |one: &StreamSample| -> Vec<(Labels, f64)> {
            let levels = counts(one).and_then(|counts| counts.audio_levels).unwrap_or_default();
            let numbered = levels.iter().enumerate();
            numbered.map(|(channel, level)| (with(one, "channel", &channel.to_string()), value(level))).collect()
        };
        streams.iter().flat_map(of_one).collect::<Vec<_>>()
    };
    let pushes = |value: fn(&push::Status) -> f64| {
        let of_one = move |one: &StreamSample| -> Vec<(Labels, f64)> {
            // Numbered, as two can go to one server.
            let numbered = one.pushes.iter().enumerate();
            let labels = |number: usize, push: &push::Status| {
                [with(one, "push", &number.to_string()), vec![("to", push.to.clone())]].concat()
            };
            numbered.map(|(number, push)| (labels(number, push), value(push))).collect()
        };
        streams.iter().flat_map(of_one).collect::<Vec<_>>()
    };
    let times = |one: &StreamSample| Some((of(one), Value::Histogram(one.pipeline.as_ref()?.1.clone())));
    vec![
        family("source_live", "1 while the source delivers, 0 while slate or silence stand in", Gauge, states),
        family(
            "captured_frames",
            "Pictures that came from the source",
            Counter,
            each(|one| one.pipeline.as_ref().map(|(counts, _)| counts.captured_frames as f64)),
        ),
        family(
            "picture_bytes_copied",
            "Bytes of pictures that were scaled, converted or copied on their way into the encoder",
            Counter,
            each(|one| one.pipeline.as_ref().map(|(counts, _)| counts.bytes_copied as f64)),
        ),
        family(
            "capture_fps",
            "Pictures a second that the source delivers",
            Gauge,
            each(|one| one.pipeline.as_ref().map(|(counts, _)| counts.capture_fps)),
        ),
        family("dropped", "Pictures, blocks of sound and access units that were dropped, by cause", Counter, drops),
        family(
            "repeated_frames",
            "Pictures shown again because the source was late",
            Counter,
            each(|one| one.pipeline.as_ref().map(|(counts, _)| counts.repeated_frames as f64)),
        ),
        family(
            "silence_units",
            "Silent frames that stood in for encoded sound",
            Counter,
            each(|one| one.pipeline.as_ref().map(|(counts, _)| counts.silence_units as f64)),
        ),
        Family {
            name: "encode_time_seconds",
            help: "From handing a picture to the encoder until it comes out",
            kind: MetricType::Histogram,
            values: streams.iter().filter_map(times).collect(),
        },
        family(
            "bitrate_bits_per_second",
            "What a track was over the last seconds",
            Gauge,
            tracks(|track| track.measured_bps as f64),
        ),
        family(
            "target_bitrate_bits_per_second",
            "What a track's encoder aims at",
            Gauge,
            tracks(|track| f64::from(track.bitrate_bps)),
        ),
        family(
            "part_delay_seconds",
            "From the capture of a part's first frame until it could be fetched",
            Gauge,
            delays,
        ),
        family(
            "av_offset_seconds",
            "By how much the newest sound ends after the newest picture",
            Gauge,
            each(|one| one.status.av_offset_us.map(|us| us as f64 / 1e6)),
        ),
        family(
            "audio_correction_ppm",
            "By how much the sound card's clock is off the box's",
            Gauge,
            each(|one| one.pipeline.as_ref().map(|(counts, _)| counts.audio_correction_ppm as f64)),
        ),
        family(
            "audio_resyncs",
            "How many times sound was brought back into step at once",
            Counter,
            each(|one| one.pipeline.as_ref().map(|(counts, _)| counts.audio_resyncs as f64)),
        ),
        family("audio_peak_dbfs", "Peak of a channel over the last second", Gauge, levels(|level| level.peak_dbfs)),
        family("audio_rms_dbfs", "RMS of a channel over the last 300 ms", Gauge, levels(|level| level.rms_dbfs)),
        family("readers", "Outputs that read the stream", Gauge, each(|one| Some(one.status.readers as f64))),
        family(
            "viewers",
            "Players of HLS, by address and program",
            Gauge,
            each(|one| one.hls.as_ref().map(|hls| hls.viewers as f64)),
        ),
        family("webrtc_viewers", "Who watches in real time", Gauge, each(|one| Some(one.webrtc_viewers as f64))),
        family(
            "waiting_requests",
            "Players' requests that wait for the next part",
            Gauge,
            each(|one| one.hls.as_ref().map(|hls| hls.waiting as f64)),
        ),
        family("stream_bytes", "Bytes of access units published", Counter, each(|one| Some(one.status.bytes as f64))),
        family("stream_units", "Access units published", Counter, each(|one| Some(one.status.units as f64))),
        family(
            "push_live",
            "1 while the stream is sent on to another server, 0 while it isn't",
            Gauge,
            pushes(|push| f64::from(u8::from(push.phase == push::Phase::Live))),
        ),
        family(
            "push_bitrate_bits_per_second",
            "What is sent on to another server",
            Gauge,
            pushes(|push| push.bitrate_bps as f64),
        ),
        family("push_bytes", "Bytes sent on to another server", Counter, pushes(|push| push.sent_bytes as f64)),
        family("push_failures", "How often sending on has failed", Counter, pushes(|push| push.failures as f64)),
        family("parts", "HLS parts made", Counter, each(|one| one.hls.as_ref().map(|hls| hls.parts as f64))),
    ]
}

fn connection_families(connections: &ConnectionCounts) -> Vec<Family> {
    let results = connections.list().map(|(result, count)| (vec![("result", result.to_owned())], count as f64));
    let open = [(Labels::new(), connections.open() as f64)];
    let answers = connections.answers().map(|(status, count)| (vec![("status", status.to_string())], count as f64));
    vec![
        family("http_responses", "Answers to requests of HTTP and HTTPS, by status", MetricType::Counter, answers),
        family(
            "http_connections",
            "Connections of HTTP and HTTPS that were accepted, refused, and closed on the other side's account, by why",
            MetricType::Counter,
            results,
        ),
        family("http_open_connections", "Connections of HTTP and HTTPS that are open", MetricType::Gauge, open),
    ]
}

fn board_families((troubles, load): (Troubles, Load)) -> Vec<Family> {
    let each = troubles.each().map(|(name, on)| (vec![("trouble", name.to_owned())], f64::from(u8::from(on))));
    let step = [(Labels::new(), f64::from(load.step()))];
    vec![
        family("board_trouble", "1 while the board suffers from it", MetricType::Gauge, each),
        family(
            "load_shed",
            "What a board that is held back leaves undone: 1 snapshots, 2 bitrate too, 3 frame rate too",
            MetricType::Gauge,
            step,
        ),
    ]
}

fn system_families(system: &Status) -> Vec<Family> {
    use MetricType::{Counter, Gauge};
    let (board, process) = (&system.board, &system.process);
    let whole = |number: Option<u64>| number.map(|number| (Labels::new(), number as f64));
    let flag = |flag: Option<bool>| flag.map(|set| (Labels::new(), f64::from(u8::from(set))));
    let temperatures = board.temperatures.iter().map(|one| (vec![("zone", one.zone.clone())], one.celsius));
    let disk = |bytes: fn(&crate::system::Storage) -> u64| {
        let labels = |path: &std::path::Path| vec![("path", path.display().to_string())];
        board.storage.iter().map(move |one| (labels(&one.path), bytes(one) as f64)).collect::<Vec<_>>()
    };
    let throttling = board.throttling;
    vec![
        family("process_resident_bytes", "Memory that this program holds", Gauge, whole(process.resident_bytes)),
        family("process_cpu_seconds", "Processor time of all threads", Counter, [(Labels::new(), process.cpu_s)]),
        family("process_threads", "Threads of this program", Gauge, whole(process.threads)),
        family("process_open_files", "Descriptors that this program holds", Gauge, whole(process.open_files)),
        family("process_max_open_files", "Descriptors that it may hold", Gauge, whole(process.max_open_files)),
        family("process_uptime_seconds", "Since this program started", Gauge, whole(Some(process.uptime_s))),
        family("board_uptime_seconds", "Since the board started", Gauge, whole(board.uptime_s)),
        family(
            "board_load",
            "Tasks that run or wait to, over a minute",
            Gauge,
            board.load_1m.map(|l| (Labels::new(), l)),
        ),
        family("board_memory_bytes", "Memory of the board", Gauge, whole(board.memory_total_bytes)),
        family("board_memory_available_bytes", "Memory that can be had", Gauge, whole(board.memory_available_bytes)),
        family("board_temperature_celsius", "Temperature of a zone", Gauge, temperatures),
        family("board_throttled", "1 while the board is held back", Gauge, flag(throttling.map(|told| told.now))),
        family(
            "board_under_voltage",
            "1 while the supply's voltage is too low",
            Gauge,
            flag(throttling.and_then(|told| told.under_voltage)),
        ),
        family(
            "board_storage_life_used_ratio",
            "Of the writes that a card is made for",
            Gauge,
            board.wear.iter().map(|card| (vec![("device", card.device.clone())], f64::from(card.used_percent) / 100.0)),
        ),
        family("board_storage_bytes", "Size of a file system", Gauge, disk(|one| one.total_bytes)),
        family(
            "board_storage_available_bytes",
            "What may still be written there",
            Gauge,
            disk(|one| one.available_bytes),
        ),
    ]
}

#[cfg(test)]
mod tests;
