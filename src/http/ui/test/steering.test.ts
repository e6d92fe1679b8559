// A simulated player: parts come at times that a seeded network chooses, and are played at the rate
// that the steering commands.
import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITS, Steering } from "../src/steering.ts";

const PART = 0.2;
const TICK = 0.02;

interface Run {
  stalls: number;
  /** Seconds behind the newest captured frame, sampled in the last third. */
  latency: number[];
  rates: Set<number>;
  /** Rates of the last third. */
  lateRates: number[];
  seeks: number;
}

/** mulberry32: the same seed, the same network. */
function random(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** `delay(n)` is how long after its end part n arrives; playback starts `behind` seconds behind. */
function simulate(seconds: number, delay: (part: number) => number, behind: number, steering = new Steering()): Run {
  const run: Run = { stalls: 0, latency: [], rates: new Set(), lateRates: [], seeks: 0 };
  const first = Math.ceil(behind / PART) + 1;
  let [position, end, next, rate, dry] = [first * PART - behind, 0, 0, 1, false];
  for (let now = first * PART + delay(first); now < seconds; now += TICK) {
    while ((next + 1) * PART + delay(next) <= now) end = ++next * PART;
    const room = end - position;
    if (room < TICK * rate) {
      if (!dry) { run.stalls += 1; steering.stalled(now, room); }
      dry = true;
    } else if (!dry || room > 0.1) {
      dry = false;
      position += TICK * rate;
    }
    const command = steering.observe({ now, position, bufferEnd: end, muted: false });
    rate = command.rate;
    run.rates.add(rate);
    if (command.seekTo !== null) { run.seeks += 1; position = command.seekTo; }
    if (now > (seconds * 2) / 3) {
      run.latency.push(now - position);
      run.lateRates.push(rate);
    }
  }
  run.latency.sort((a, b) => a - b);
  return run;
}

const median = ({ latency }: Run): number => latency[latency.length >> 1] ?? NaN;

test("on a steady network it settles at part + delay + margin, without a stall", () => {
  const run = simulate(120, () => 0.02, 1.0);
  assert.equal(run.stalls, 0);
  assert.ok(Math.abs(median(run) - (PART + 0.02 + LIMITS.margin)) < 0.05, `${median(run)}`);
});

test("it settles from too near the edge as well", () => {
  const run = simulate(120, () => 0.02, PART + 0.06);
  assert.ok(run.stalls <= 1, `${run.stalls}`);
  assert.ok(Math.abs(median(run) - (PART + 0.02 + LIMITS.margin)) < 0.06, `${median(run)}`);
});

test("rates stay within what nobody hears", () => {
  for (const rate of simulate(120, () => 0.02, 1.1).rates) {
    assert.ok(Math.abs(rate - 1) <= LIMITS.rateRange + 1e-9, `${rate}`);
  }
});

test("once settled on a steady network the rate is left alone", () => {
  const { lateRates } = simulate(120, () => 0.02, 0.8);
  const touched = lateRates.filter((rate) => rate !== 1);
  assert.ok(touched.length < lateRates.length / 10, `${touched.length} of ${lateRates.length}`);
  assert.ok(touched.every((rate) => Math.abs(rate - 1) <= 0.02), `${touched}`);
});

test("far behind it jumps once", () => {
  const run = simulate(30, () => 0.02, 5);
  assert.equal(run.seeks, 1);
  assert.ok(median(run) < 0.4, `${median(run)}`);
});

test("jitter widens the buffer, calm narrows it again", () => {
  const wild = random(1);
  const jittery = simulate(180, () => 0.02 + 0.15 * wild(), 0.6);
  assert.ok(jittery.stalls <= 1, `${jittery.stalls}`);
  assert.ok(median(jittery) > 0.4 && median(jittery) < 0.6, `${median(jittery)}`);
  const wild2 = random(1);
  const calmed = simulate(360, (part) => 0.02 + (part < 300 ? 0.15 * wild2() : 0), 0.6);
  assert.ok(median(calmed) < PART + 0.02 + LIMITS.margin + 0.05, `${median(calmed)}`);
});

test("a stall now and then is learned from", () => {
  const seed = 7;
  const wild = random(seed);
  // Every part has a 3 % chance to come a quarter of a second late.
  const delays = Array.from({ length: 4000 }, () => (wild() < 0.03 ? 0.27 : 0.02));
  const run = simulate(600, (part) => delays[part] ?? 0.02, 0.5);
  assert.ok(run.stalls <= 6, `seed ${seed}: ${run.stalls}`);
});

test("after the page slept it measures anew instead of believing the gap", () => {
  const steering = new Steering();
  steering.observe({ now: 1, position: 1, bufferEnd: 1.3, muted: false });
  assert.deepEqual(steering.observe({ now: 601, position: 1.3, bufferEnd: 1.3, muted: false }), { rate: 1, seekTo: null });
  assert.equal(steering.lowWater, null);
});

test("a player that runs dry early is given more, once", () => {
  const steering = new Steering();
  steering.stalled(0, 0.2);
  assert.ok(Math.abs(steering.margin - (0.2 + LIMITS.slack)) < 1e-9, `${steering.margin}`);
});

test("what is left while the machine is busy teaches little", () => {
  const steering = new Steering();
  steering.observe({ now: 1, position: 1, bufferEnd: 1.3, muted: false });
  steering.stalled(1.3, 0.25);
  assert.ok(steering.margin <= LIMITS.margin + LIMITS.slack, `${steering.margin}`);
});

test("stalls add to the margin, with a limit, and are forgotten", () => {
  const steering = new Steering();
  for (let i = 0; i < 100; i++) steering.stalled(0, 0);
  assert.equal(steering.margin, LIMITS.marginMost);
  for (let now = 0; now < 10_000; now += 1) steering.observe({ now, position: now, bufferEnd: now + 0.3, muted: false });
  assert.ok(steering.margin < LIMITS.margin + 0.001);
});
