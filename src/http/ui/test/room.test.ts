import assert from "node:assert/strict";
import { test } from "node:test";
import { below } from "../src/room/direct.ts";
import { featured, grid, keyOf, layout, type Tile, tiles } from "../src/room/grid.ts";
import { initials } from "../src/room/names.ts";
import { comesBack, notLetIn, type Participant, read } from "../src/room/protocol.ts";

const person = (id: string, more: Partial<Participant> = {}): Participant =>
  ({ id, name: id, kind: "person", host: false, here: true, hand: false, audio: true, video: true, screen: false, ...more });

test("tiles are as big as they can be, in wide windows and on phones", () => {
  assert.equal(grid(1, 1600, 900, 8).width, 1600);
  assert.equal(grid(2, 1600, 900, 8).columns, 2);
  assert.deepEqual(grid(2, 360, 640, 8), { columns: 1, width: 360, height: 316 });
  assert.deepEqual(grid(1, 360, 640, 0, 16 / 9), { columns: 1, width: 360, height: 202 }, "whole");
  assert.equal(grid(4, 1600, 900, 8).columns, 2);
  assert.equal(grid(9, 1920, 1080, 8).columns, 3);
  for (const [width, height] of [[360, 640], [1920, 1080], [800, 300], [0, 0]] as const) {
    for (let count = 1; count <= 16; count++) {
      const { columns, width: tile, height: high } = grid(count, width, height, 8);
      const rows = Math.ceil(count / columns);
      assert.ok(columns * tile + (columns - 1) * 8 <= width || tile === 0, `${count} in ${width}`);
      assert.ok(rows * high + (rows - 1) * 8 <= height || high === 0, `${count} in ${height}`);
    }
  }
});

test("everybody has a tile, screens have their own, and mine is the last", () => {
  const people = [person("me"), person("a", { screen: true }), person("b")];
  assert.deepEqual(tiles(people, "me").map(keyOf), ["a/screen", "a/camera", "b/camera", "me/camera"]);
});

test("what is pinned stands out, then a screen, then who speaks", () => {
  const people = [person("me"), person("a"), person("b")];
  const all = tiles(people, "me");
  const key = (tile: Tile | null): string | null => (tile === null ? null : keyOf(tile));
  assert.equal(key(featured(all, null, null)), null, "a grid");
  assert.equal(key(featured(all, null, "b")), "b/camera");
  assert.equal(key(featured(all, null, "")), "a/camera", "nobody spoke yet");
  assert.equal(key(featured(all, "me/camera", "b")), "me/camera");
  const sharing = tiles([person("me"), person("a"), person("b", { screen: true })], "me");
  assert.equal(key(featured(sharing, null, "a")), "b/screen");
  assert.equal(key(featured(sharing, "a/camera", null)), "a/camera");
  assert.equal(key(featured(all, "gone/camera", null)), null);
});

test("only pictures that are there and are shown are asked for, the biggest first", () => {
  const all = tiles([person("me"), person("a", { video: false }), person("b"), person("c", { screen: true })], "me");
  const first = all.find((tile) => keyOf(tile) === "c/screen")!;
  assert.deepEqual(layout(all, first, (tile) => (tile === first ? 720.4 : 117)), [
    { participant: "c", source: "screen", height: 720 },
    { participant: "b", source: "camera", height: 117 },
    { participant: "c", source: "camera", height: 117 },
  ]);
  assert.deepEqual(layout(all, null, () => 0), []);
  const crowd = tiles(Array.from({ length: 30 }, (_, n) => person(`p${n}`)), "p0");
  assert.equal(layout(crowd, null, () => 90).length, 16);
});

test("messages are taken as far as they are known and whole", () => {
  assert.deepEqual(read('{"type":"speaker","participant":null,"new":1}'), { type: "speaker", participant: null, new: 1 });
  assert.equal(read('{"type":"speaker"}')?.type, undefined);
  for (const text of ["", "null", "[]", '"x"', '{"type":"toString"}', '{"type":"later"}', '{"type":"answer","connection":"1","sdp":""}',
    '{"type":"participants","participants":{}}', '{"type":"levels","levels":[]}']) assert.equal(read(text), null, text);
  assert.equal(read(new ArrayBuffer(2)), null);
});

test("a lost connection is made again at once, then every other second; an end is an end", () => {
  assert.deepEqual([0, 1, 2, 9].map((tries) => comesBack(1006, tries)), [0, 1_000, 2_000, 2_000]);
  assert.equal(comesBack(4003, 0), 0);
  assert.equal(comesBack(1001, 1), 1_000);
  for (const code of [1000, 4000, 4001, 4002]) assert.equal(comesBack(code, 0), null);
  assert.match(notLetIn(404), /no rooms/);
});

test("who has no picture has initials", () => {
  assert.equal(initials("Ada Lovelace King"), "AK");
  assert.equal(initials("  bo "), "B");
  assert.equal(initials("🙂 x"), "🙂X");
  assert.equal(initials(""), "");
});

test("levels are told as the box tells them", () => {
  for (const [level, db] of [[0, 127], [-1, 127], [1e-9, 127], [0.1, 20], [1, 0], [2, 0]] as const) assert.equal(below(level), db);
});

test("what leads two to each other is read, and nothing half of it", () => {
  const direct = { type: "direct", call: 1, with: "p2", offers: true, plays: false };
  assert.deepEqual(read(JSON.stringify(direct)), direct);
  assert.deepEqual(read(JSON.stringify({ ...direct, with: null })), { ...direct, with: null });
  assert.equal(read(JSON.stringify({ ...direct, call: "1" })), null);
  assert.equal(read(JSON.stringify({ type: "peer", call: 1, kind: "offer", text: 7, mid: null })), null);
});
