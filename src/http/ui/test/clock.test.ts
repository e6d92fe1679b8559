import assert from "node:assert/strict";
import { test } from "node:test";
import { ClockOffset } from "../src/clock.ts";

test("the quickest exchange decides", () => {
  const clock = new ClockOffset();
  assert.equal(clock.offsetMs, null);
  // The true offset is 1000; slow exchanges are lopsided.
  clock.add({ sent: 0, received: 100, box: 1090 });
  clock.add({ sent: 200, received: 204, box: 1202 });
  clock.add({ sent: 300, received: 360, box: 1302 });
  assert.equal(clock.offsetMs, 1000);
  assert.equal(clock.roundTripMs, 4);
});

test("old exchanges are forgotten, for clocks drift", () => {
  const clock = new ClockOffset();
  clock.add({ sent: 0, received: 2, box: 1001 });
  clock.add({ sent: 200_000, received: 200_010, box: 201_007 });
  assert.equal(clock.offsetMs, 1002);
});

test("a clock that jumped is believed at once", () => {
  const clock = new ClockOffset();
  clock.add({ sent: 0, received: 2, box: 1001 });
  clock.add({ sent: 100, received: 130, box: 500_115 });
  assert.equal(clock.offsetMs, 500_000);
});

test("nonsense is ignored", () => {
  const clock = new ClockOffset();
  clock.add({ sent: 10, received: 5, box: 1 });
  clock.add({ sent: 1, received: 2, box: NaN });
  assert.equal(clock.offsetMs, null);
});
