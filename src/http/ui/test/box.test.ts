import assert from "node:assert/strict";
import { test } from "node:test";
import { withToken } from "../src/box.ts";

test("the token that a page was opened with goes on to the box", () => {
  assert.equal(withToken("/camera/index.m3u8", ""), "/camera/index.m3u8");
  assert.equal(withToken("/camera/index.m3u8", "?a=1"), "/camera/index.m3u8");
  assert.equal(withToken("/camera/index.m3u8", "?a=1&token=cb_x%26y"), "/camera/index.m3u8?token=cb_x%26y");
});
