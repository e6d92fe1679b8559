import assert from "node:assert/strict";
import { test } from "node:test";
import { Choice, means } from "../src/rtc/choice.ts";

const BOTH = { webrtc: true, hls: true };

test("real time comes first, and HLS stands in until it is back", () => {
  const choice = new Choice(BOTH, "real time");
  assert.equal(choice.transport, "webrtc");
  assert.equal(choice.takesTurn(0), true);
  assert.equal(choice.takesTurn(100), false, "one connection at a time");
  choice.fails("lost", 3_000);
  assert.equal(choice.transport, "hls");
  assert.equal(choice.takesTurn(4_900), false);
  assert.equal(choice.takesTurn(5_000), true);
  assert.equal(choice.transport, "hls", "until there are pictures");
  choice.plays(5_200);
  assert.equal(choice.transport, "webrtc");
});

test("tries get rarer while they fail, and quick again after it has played a while", () => {
  const choice = new Choice(BOTH, "real time");
  const pauses: number[] = [];
  let now = 0;
  for (let round = 0; round < 8; round++) {
    const failed = now;
    choice.fails("lost", now);
    while (!choice.takesTurn(now)) now += 500;
    pauses.push(now - failed);
  }
  assert.deepEqual(pauses, [2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
  choice.plays(now);
  choice.fails("lost", now + 1_000);
  assert.equal(choice.takesTurn(now + 60_000), false, "a moment's playing mends nothing");
  assert.equal(choice.takesTurn(now + 61_000), true);
  choice.plays(now + 61_000);
  choice.fails("lost", now + 100_000);
  assert.equal(choice.takesTurn(now + 102_000), true);
});

test("a box without real time isn't asked all the time, and never at the viewer's wish", () => {
  const choice = new Choice(BOTH, "real time");
  choice.takesTurn(0);
  choice.fails("absent", 0);
  assert.equal(choice.takesTurn(59_000), false);
  choice.hurry(59_000);
  assert.equal(choice.takesTurn(59_000), true, "another network may have it");
  choice.plays(59_500);
  choice.wants("steady", 60_000);
  assert.equal(choice.transport, "hls");
  assert.equal(choice.takesTurn(500_000), false);
  choice.wants("real time", 500_000);
  assert.equal(choice.transport, "hls", "plays on until there are pictures");
  assert.equal(choice.takesTurn(500_000), true);
});

test("a stopped stream is asked for every few seconds, however long it stays so", () => {
  const choice = new Choice(BOTH, "real time");
  let now = 0;
  for (let round = 0; round < 20; round++) {
    assert.equal(choice.takesTurn(now), true);
    choice.fails("stopped", now);
    assert.equal(choice.transport, "hls");
    assert.equal(choice.takesTurn(now + 4_900), false);
    now += 5_000;
  }
  choice.fails("lost", now);
  assert.equal(choice.takesTurn(now + 2_000), true, "and doesn't count against what comes then");
});

test("what the address rules out is never tried", () => {
  assert.deepEqual(means("", true), BOTH);
  assert.deepEqual(means("?player=hls", true), { webrtc: false, hls: true });
  assert.deepEqual(means("?token=x&player=webrtc", true), { webrtc: true, hls: false });
  assert.deepEqual(means("?player=webrtc", false), { webrtc: false, hls: true }, "better than nothing");
  const hls = new Choice({ webrtc: false, hls: true }, "real time");
  assert.deepEqual([hls.transport, hls.takesTurn(0)], ["hls", false]);
  const webrtc = new Choice({ webrtc: true, hls: false }, "steady");
  assert.equal(webrtc.takesTurn(0), true);
  webrtc.fails("lost", 0);
  assert.equal(webrtc.transport, "webrtc");
  assert.equal(webrtc.takesTurn(2_000), true);
});
