import assert from "node:assert/strict";
import { test } from "node:test";
import { share } from "../src/gear/level.tsx";
import { constraints, h264First, isQuality, QUALITIES, scaleDown } from "../src/gear/quality.ts";
import { refusal, unable } from "../src/gear/refusal.ts";
import { next } from "../src/rtc/retry.ts";

test("H.264's simplest profile is offered first, and nothing is left out", () => {
  const vp8 = { mimeType: "video/VP8" };
  const rtx = { mimeType: "video/rtx" };
  const high = { mimeType: "video/H264", sdpFmtpLine: "packetization-mode=1;profile-level-id=640c1f" };
  const base = { mimeType: "video/H264", sdpFmtpLine: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f" };
  const single = { mimeType: "video/H264", sdpFmtpLine: "packetization-mode=0;profile-level-id=42e01f" };
  assert.deepEqual(h264First([vp8, rtx, single, high, base]), [base, high, single, vp8, rtx]);
});

test("a camera is asked for the size that goes out, and a bigger one is made smaller", () => {
  assert.deepEqual(constraints(QUALITIES.standard), { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30, max: 30 } });
  assert.equal(scaleDown(1080, QUALITIES.low), 3);
  assert.equal(scaleDown(240, QUALITIES.low), 1, "never bigger");
  assert.equal(scaleDown(undefined, QUALITIES.low), 1);
  assert.deepEqual([isQuality("low"), isQuality("toString"), isQuality(null)], [true, false, false]);
});

test("refused devices are told with what to do", () => {
  assert.match(refusal("camera", "NotAllowedError"), /may not use the camera\. Allow it/);
  assert.equal(refusal("screen", "NotAllowedError"), "", "closing the choice is no trouble");
  assert.match(refusal("microphone", "NotReadableError"), /another program/);
  assert.match(refusal("camera", "NotFoundError"), /no camera/);
  assert.deepEqual([unable(false, false), unable(true, false), unable(true, true)], ["insecure", "old", null]);
});

test("a publisher comes back by itself unless that is for nothing", () => {
  assert.deepEqual([0, 1, 2, 3, 4, 50].map((failures) => next(0, "", failures, null)),
    [300, 1_000, 2_000, 4_000, 8_000, 8_000].map((after) => ({ after })));
  assert.deepEqual(next(503, "", 0, null), { after: 300 });
  for (const status of [401, 403]) assert.equal((next(status, "", 0, 1_000) as { asks: boolean }).asks, true);
  assert.match((next(409, "", 0, null) as { stop: string }).stop, /Somebody else/);
  assert.deepEqual(next(409, "", 1, 10_000), { after: 1_000 }, "our own session, which the box hasn't given up yet");
  assert.ok("stop" in next(409, "", 9, 60_000));
  assert.match((next(406, "no codec in common", 0, null) as { stop: string }).stop, /no codec in common/);
});

test("the bar shows -60 dBFS at its left end and full scale at its right", () => {
  assert.equal(share(new Float32Array(8)), 0);
  assert.equal(share(new Float32Array(8).fill(1)), 1);
  assert.ok(Math.abs(share(new Float32Array(8).fill(0.0316)) - 0.5) < 0.01);
});
