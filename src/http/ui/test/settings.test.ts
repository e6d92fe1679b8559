import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { below, changed, kindOf, ofKind, renamed, resolved, type Schema, typed } from "../src/console/schema.ts";

const root = JSON.parse(readFileSync("../../config/schema.json", "utf8")) as Schema;
const kinds = (name: string): Schema[] => resolved(root, { $ref: `#/$defs/${name}` }).oneOf ?? [];
const kind = (name: string, table: Record<string, string | string[]>): string | undefined => kinds(name)[kindOf(root, kinds(name), table)]?.title;

test("paths are written as the box writes them", () => {
  assert.equal(below("", "http"), "http");
  assert.equal(below(below("streams", "a-b_1"), "video"), "streams.a-b_1.video");
  assert.equal(below("streams", "a.b"), 'streams."a.b"');
});

test("what is typed becomes what the schema wants", () => {
  assert.equal(typed({ type: "integer" }, " 7 "), 7);
  assert.equal(typed({ type: ["string", "integer"] }, "3M"), "3M");
  assert.equal(typed({ type: ["string", "integer"] }, "2.5"), "2.5");
  assert.equal(typed({ type: ["number", "string"] }, "29.97"), 29.97);
  assert.equal(typed({ type: ["number", "string"] }, "30000/1001"), "30000/1001");
  assert.equal(typed({ type: "string" }, "7"), "7");
  assert.equal(typed({ type: "integer" }, "seven"), "seven");
  assert.equal(typed({ type: "integer" }, "  "), undefined);
});

test("a source is known by what it says", () => {
  assert.equal(kind("video", { source: "v4l2", device: "/dev/video0", format: "h264" }), "Camera or HDMI input");
  assert.equal(kind("video", { source: "command", format: "h264", command: ["x"] }), "Program that writes H.264");
  assert.equal(kind("video", { source: "command", format: "nv12", command: ["x"] }), "Program that writes pictures");
  assert.equal(kind("video", { source: "command", format: "mpegts", command: ["x"] }), "Program that writes Y4M or MPEG-TS");
  assert.equal(kind("audio", { source: "alsa" }), "Microphone or line input");
  assert.equal(kind("input", { source: "command", command: ["x"] }), "Program that writes MPEG-TS");
  assert.equal(kind("input", { source: "ndi" }), undefined);
});

test("another kind keeps what fits, and has what it needs", () => {
  const [camera, test, , pictures] = kinds("video") as [Schema, Schema, Schema, Schema];
  const from = { source: "v4l2", device: "/dev/video0", size: "640x480", format: "mjpeg" };
  assert.deepEqual(ofKind(root, test, from), { source: "test", size: "640x480" });
  assert.deepEqual(ofKind(root, pictures, from), { source: "command", format: "i420", size: "640x480", fps: "", command: [] });
  assert.deepEqual(ofKind(root, camera, { source: "test" }), { source: "v4l2", device: "" });
});

test("a table changes without losing its order", () => {
  const table = { a: 1, b: 2, c: 3 };
  assert.deepEqual(Object.entries(renamed(table, "b", "x")), [["a", 1], ["x", 2], ["c", 3]]);
  assert.deepEqual(changed(table, "b", undefined), { a: 1, c: 3 });
  assert.deepEqual(changed(table, "b", 5), { a: 1, b: 5, c: 3 });
});
