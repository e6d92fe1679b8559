//! Names and values, and a dashboard that asks for nothing that isn't there.

use super::*;
use crate::package::Settings;
use crate::package::live::LiveHls;
use crate::pipeline::Report;
use crate::stream::{Kind, Limits, Stream};
use crate::system::{Board, Process, Storage, Temperature, Throttling};
use crate::time::{Epoch, MonoTime};
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A stream and a board that tell everything there is to tell.
fn sample() -> (Vec<StreamSample>, Status) {
    let stream = Stream::new("camera", Limits::default());
    let publisher = stream.publish().expect("free");
    publisher.set_state(Kind::Video, SourceState::Live);
    publisher.set_state(Kind::Audio, SourceState::NoSignal { cause: "no \"cable\"".to_owned() });
    let report = Arc::new(Report::default());
    report.encode_time.add(Duration::from_millis(5));
    report.encode_time.add(Duration::from_millis(500));
    report.bad_pictures.add(3);
    let settings =
        Settings { part_ms: 200, segment_ms: 1_000, window: 4, gop_ms: None, expect_video: true, expect_audio: true };
    let live = LiveHls::new(Arc::clone(&stream), settings, Epoch::new(MonoTime::ZERO, 0));
    let served = Served { live, report: Some(Arc::clone(&report)) };
    let mut push = push::Status::new("https://example.org".to_owned(), true, MonoTime::ZERO);
    (push.phase, push.sent_bytes) = (push::Phase::Live, 1_500);
    let mut one = StreamSample::new(stream.status(), Some(&served), 3, vec![push]);
    one.status.av_offset_us = Some(-12_000);
    one.status.tracks.push(crate::stream::TrackStatus {
        id: "video0".to_owned(),
        codec: "h264",
        bitrate_bps: 3_000_000,
        measured_bps: 2_900_000,
        width: None,
        height: None,
        frame_rate: None,
        rate_hz: None,
        channels: None,
        language: None,
    });
    if let Some((counts, _)) = &mut one.pipeline {
        counts.audio_levels = Some(vec![crate::pipeline::Level { peak_dbfs: -6.0, rms_dbfs: -12.5 }]);
    }
    let board = Board {
        uptime_s: Some(9),
        load_1m: Some(0.5),
        memory_total_bytes: Some(4 << 30),
        memory_available_bytes: Some(1 << 30),
        temperatures: vec![Temperature { zone: "cpu".to_owned(), celsius: 48.5 }],
        throttling: Some(Throttling { now: true, under_voltage: Some(false), since_boot: None }),
        wear: vec![crate::system::Wear { device: "mmcblk0".to_owned(), used_percent: 20, near_its_end: false }],
        storage: vec![Storage { path: "/".into(), total_bytes: 100, available_bytes: 10, read_only: false }],
        ..Board::default()
    };
    let process = Process {
        resident_bytes: Some(1),
        threads: Some(2),
        open_files: Some(3),
        max_open_files: Some(4),
        ..Process::default()
    };
    (vec![one], Status { board, process })
}

fn troubled() -> (Troubles, Load) {
    (Troubles { too_hot: true, ..Troubles::default() }, Load::LowBitrate)
}

fn page(streams: &[StreamSample], system: Option<&Status>) -> String {
    let mut registry = Registry::with_prefix(PREFIX);
    let connections = ConnectionCounts::default();
    connections.accepted.store(9, Ordering::Relaxed);
    connections.ended.store(4, Ordering::Relaxed);
    connections.handshake_failed.store(2, Ordering::Relaxed);
    connections.answered(StatusCode::PAYLOAD_TOO_LARGE);
    registry.register_collector(Box::new(Families(families(streams, system, troubled(), &connections))));
    let mut page = String::new();
    text::encode(&mut page, &registry).expect("written");
    page
}

#[test]
fn the_page_as_prometheus_reads_it() {
    let (streams, system) = sample();
    let page = page(&streams, Some(&system));
    for line in [
        "# TYPE capturebox_dropped counter",
        "capturebox_dropped_total{stream=\"camera\",cause=\"bad_picture\"} 3.0",
        "capturebox_source_live{stream=\"camera\",kind=\"video\"} 1.0",
        "capturebox_source_live{stream=\"camera\",kind=\"audio\"} 0.0",
        "capturebox_encode_time_seconds_bucket{le=\"0.006\",stream=\"camera\"} 1",
        "capturebox_encode_time_seconds_bucket{le=\"+Inf\",stream=\"camera\"} 2",
        "capturebox_encode_time_seconds_count{stream=\"camera\"} 2",
        "capturebox_av_offset_seconds{stream=\"camera\"} -0.012",
        "capturebox_bitrate_bits_per_second{stream=\"camera\",track=\"video0\"} 2900000.0",
        "capturebox_audio_peak_dbfs{stream=\"camera\",channel=\"0\"} -6.0",
        "capturebox_board_temperature_celsius{zone=\"cpu\"} 48.5",
        "capturebox_board_throttled 1.0",
        "capturebox_board_trouble{trouble=\"too_hot\"} 1.0",
        "capturebox_board_trouble{trouble=\"memory_low\"} 0.0",
        "capturebox_load_shed 2.0",
        "capturebox_board_storage_life_used_ratio{device=\"mmcblk0\"} 0.2",
        "capturebox_process_open_files 3.0",
        "capturebox_http_connections_total{result=\"accepted\"} 9.0",
        "capturebox_http_connections_total{result=\"handshake_failed\"} 2.0",
        "capturebox_http_connections_total{result=\"refused_house\"} 0.0",
        "capturebox_http_open_connections 5.0",
        "capturebox_http_responses_total{status=\"413\"} 1.0",
        "# EOF",
    ] {
        assert!(page.lines().any(|told| told == line), "{line} is missing in\n{page}");
    }
}

#[test]
fn a_family_is_told_once_and_only_with_values() {
    let (mut streams, system) = sample();
    streams.extend(sample().0);
    let page = page(&streams, Some(&system));
    let types: Vec<_> = page.lines().filter(|line| line.starts_with("# TYPE")).collect();
    let once: BTreeSet<_> = types.iter().collect();
    assert_eq!(types.len(), once.len());
    assert!(stream_families(&[]).iter().all(|family| family.values.is_empty()));
}

#[test]
fn the_dashboard_asks_for_what_is_there() {
    let (streams, system) = sample();
    let told: BTreeSet<_> = families(&streams, Some(&system), troubled(), &ConnectionCounts::default())
        .iter()
        .map(|family| format!("{PREFIX}_{}", family.name))
        .collect();
    let dashboard = include_str!("../../../board/grafana/capturebox.json");
    let dashboard: serde_json::Value = serde_json::from_str(dashboard).expect("JSON");
    let mut asked = BTreeSet::new();
    for target in dashboard["panels"].as_array().expect("panels").iter().flat_map(|panel| panel["targets"].as_array()) {
        for target in target {
            let expression = target["expr"].as_str().expect("an expression");
            let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            asked.extend(words.filter(|word| word.starts_with(PREFIX)).map(str::to_owned));
        }
    }
    let plain = |name: &String| {
        let ends = ["_total", "_bucket", "_sum", "_count"];
        ends.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name).to_owned()
    };
    let unknown: Vec<_> = asked.iter().filter(|name| !told.contains(&plain(name))).collect();
    assert!(asked.len() >= 12 && unknown.is_empty(), "nobody tells {unknown:?}");
}
