import assert from "node:assert/strict";
import { test } from "node:test";
import { info, withToken } from "../src/box.ts";

test("the token that a page was opened with goes on to the box", () => {
  assert.equal(withToken("/camera/index.m3u8", ""), "/camera/index.m3u8");
  assert.equal(withToken("/camera/index.m3u8", "?a=1"), "/camera/index.m3u8");
  assert.equal(withToken("/camera/index.m3u8", "?a=1&token=cb_x%26y"), "/camera/index.m3u8?token=cb_x%26y");
});

test("who watches is told what a stream lacks, and whether it is off air", () => {
  const entry = { name: "camera", state: "running", sources: [{ kind: "video", state: "no_signal", cause: "no cable" }], tracks: [{}, { width: 640, height: 360 }] } as const;
  const of = (state: "running" | "ended" | "stopped" | "stopping" | null) => info({ ...entry, state, sources: [...entry.sources], tracks: [...entry.tracks] });
  assert.deepEqual(of("running"), { name: "camera", trouble: "no signal: no cable", offAir: null, ended: false, size: "640 × 360" });
  assert.equal(of(null).offAir, null);
  assert.match(of("stopped").offAir ?? "", /stopped/);
  assert.equal(of("stopping").offAir, of("stopped").offAir);
  assert.match(of("ended").offAir ?? "", /ended/);
});
