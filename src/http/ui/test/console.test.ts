import assert from "node:assert/strict";
import { test } from "node:test";
import { refusal, type Source, type Stream } from "../src/console/api.ts";
import { switches } from "../src/console/actions.tsx";
import { condition, isBad, told } from "../src/console/condition.ts";
import { videoLine } from "../src/console/devices.tsx";
import { bitrate, bytes, duration } from "../src/console/format.ts";
import { newest } from "../src/console/graph_data.ts";
import { isName } from "../src/console/meet.tsx";
import { fallen, share } from "../src/console/meters.tsx";

function stream(state: Stream["state"], ...sources: Source[]): Stream {
  return {
    name: "camera", state, sources, tracks: [], readers: 0, viewers: 0, dropped: 0, av_offset_us: null,
    muted: false, private: false, bitrate_target_bps: null, page: "/camera/", hls: null, pipeline: null,
  };
}

test("a stream's condition is the worst that is true of it", () => {
  const live: Source = { kind: "video", state: "live" };
  const kind = (...of: Parameters<typeof stream>): string => condition(stream(...of)).kind;
  assert.equal(kind("running", live), "live");
  assert.equal(kind("running"), "connecting");
  assert.equal(kind("running", live, { kind: "audio", state: "starting" }), "connecting");
  assert.equal(kind("running", live, { kind: "audio", state: "ended" }), "error");
  assert.equal(kind("stopped", live), "stopped");
  assert.equal(kind("stopping", live), "error");
  assert.equal(kind("ended", { kind: "video", state: "ended" }), "stopped");
  const dark = stream("running", { kind: "audio", state: "no_signal" }, { kind: "video", state: "no_signal", cause: "no cable" });
  assert.deepEqual(condition(dark), { kind: "no-signal", word: "No signal", cause: "Picture: no cable" });
});

test("events are told in sentences, and not all of them", () => {
  const event = { id: 1, unix_ms: 0, stream: "camera" };
  assert.equal(told({ ...event, event: "source_state", kind: "audio", state: "no_signal", cause: "unplugged" }),
    "camera: sound has no signal: unplugged.");
  assert.equal(told({ ...event, event: "stream_stopped" }), "camera has stopped.");
  assert.equal(told({ ...event, event: "reader_joined", readers: 2 }), null);
  assert.equal(told({ ...event, event: "mute", on: true }), "camera: muted.");
  assert.equal(told({ ...event, event: "slate", on: false }), "camera: the picture goes out.");
  const hot = { id: 1, unix_ms: 0, event: "board", trouble: "too_hot", on: true };
  assert.equal(told(hot), "The board is too hot: give it air.");
  assert.equal(told({ ...hot, on: false }), "The board has cooled down.");
  assert.deepEqual([isBad(hot), isBad({ ...hot, on: false }), isBad({ ...event, event: "load", load: "full" })], [true, false, false]);
  assert.equal(told({ ...hot, trouble: "of a newer box" }), null);
});

test("a stream has the switches that it has a use for", () => {
  const names = (...kinds: Source["kind"][]): string[] =>
    switches({ sources: kinds.map((kind) => ({ kind, state: "live" })), muted: true, private: false }).map(({ action, on }) => `${action} ${on}`);
  assert.deepEqual(names("video", "audio"), ["mute true", "slate false"]);
  assert.deepEqual(names("audio"), ["mute true"]);
  assert.deepEqual(names("video"), ["slate false"]);
  assert.deepEqual(names(), ["mute true", "slate false"], "nothing is known of it yet");
});

test("a refusal is told in the box's words, whatever it sent", () => {
  const problem = refusal(422, '{"title":"Unprocessable","status":422,"detail":"Too low.","errors":[{"detail":"x","line":3}]}');
  assert.deepEqual([problem.status, problem.message, problem.errors], [422, "Too low.", [{ detail: "x", line: 3 }]]);
  assert.equal(refusal(404, "There is nothing here.\n").message, "There is nothing here.");
  assert.equal(refusal(502, "").message, "The box answered 502.");
});

test("numbers as people read them", () => {
  assert.deepEqual([bitrate(300_400), bitrate(2_345_000), bitrate(12_345_000)], ["300 kbit/s", "2.3 Mbit/s", "12 Mbit/s"]);
  assert.deepEqual([bytes(999), bytes(1_500), bytes(25_000_000_000)], ["999 B", "1.5 kB", "25 GB"]);
  assert.deepEqual([duration(59), duration(3_700), duration(190_000)], ["0 min", "1 h 1 min", "2 d 4 h"]);
});

test("a device's line is one that the configuration takes", () => {
  assert.equal(videoLine("/dev/video0", undefined, ""), 'video = { source = "v4l2", device = "/dev/video0" }');
  assert.equal(videoLine("/dev/video0", { format: "mjpeg", size: "1280x720" }, "30000/1001"),
    'video = { source = "v4l2", device = "/dev/video0", format = "mjpeg", size = "1280x720", fps = "30000/1001" }');
  assert.equal(videoLine("/dev/video0", { format: "yuyv", size: "32x32 to 1920x1080" }, "25"),
    'video = { source = "v4l2", device = "/dev/video0", format = "yuyv", fps = 25 }');
});

test("meters rise at once and fall slowly", () => {
  assert.deepEqual([share(0), share(-30), share(-60), share(-96), share(3)], [1, 0.5, 0, 0, 1]);
  assert.equal(fallen(-40, -10, 20, 0.1), -10);
  assert.equal(fallen(-10, -40, 20, 0.5), -20);
  assert.equal(fallen(-10, -40, 20, Infinity), -40);
});

test("a gap is not the newest number", () => {
  assert.equal(newest([1, 2, null]), 2);
  assert.equal(newest([null]), null);
});

test("rooms and streams have names that the box takes", () => {
  for (const name of ["choir", "a.b-c_d", "...", "x".repeat(48)]) assert.equal(isName(name, 48), true, name);
  for (const name of ["", ".", "..", "a/b", "caf\u00e9", "a b", "x".repeat(49)]) assert.equal(isName(name, 48), false, name);
});
