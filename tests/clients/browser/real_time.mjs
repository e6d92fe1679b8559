// Watches a stream in real time, and looks what the page does when that doesn't get through; prints one line
// of JSON:
//   node real_time.mjs URL
import { launch, open, until } from "./peers.mjs";
import { leads } from "./proxy.mjs";

const [url] = process.argv.slice(2);
const stats = (page) => page.evaluate(() => window.captureboxStats);
const plays = (page, transport) => async () => {
  const now = await stats(page);
  return now?.transport === transport && now.state === "live" && now.frames > 10 && now;
};

/** Sound and picture by WebRTC alone; then the viewer wants it steady. */
async function watched(browser) {
  const { page, problems } = await open(browser, url);
  await until("real time", plays(page, "webrtc"));
  const heard = await page.evaluate(() => window.hear(document.querySelector("video"), 2_500));
  await page.waitForTimeout(1_500);
  const live = await stats(page);
  await page.getByLabel("Steady").check({ force: true });
  const steady = await until("HLS at the viewer's wish", plays(page, "hls"));
  await page.getByLabel("Real time").check({ force: true });
  await until("real time at the viewer's wish", plays(page, "webrtc"));
  await page.context().close();
  return { heard, live, steady, problems };
}

/** The box isn't to be reached for a while. */
async function comesBack(browser) {
  const { page, problems } = await open(browser, "about:blank", {}, /ERR_FAILED/);
  await page.route("**/whep", (route) => route.abort());
  await page.goto(url);
  const meanwhile = await until("HLS meanwhile", plays(page, "hls"));
  const said = await page.locator(".why").innerText();
  await page.unroute("**/whep");
  const back = await until("real time again", plays(page, "webrtc"));
  await page.context().close();
  return { meanwhile, said, back, problems };
}

/** The way to the box is gone, as for who leaves the Wi-Fi: another one is found, and HLS isn't needed. */
async function changesNetwork(browser) {
  const { page, problems } = await open(browser, "about:blank");
  const ways = await leads(page, "**/whep");
  await page.goto(`${url}?player=webrtc`);
  const before = await until("real time by one way", plays(page, "webrtc"));
  ways.cut();
  await until("a restart", () => ways.asked.PATCH > 0);
  const { frames } = await stats(page);
  const after = await until("real time by the other way", async () => {
    const now = await stats(page);
    return now.frames > frames + 20 && now;
  });
  await page.context().close();
  ways.close();
  return { before, after, asked: ways.asked, problems };
}

/** Somebody stops the stream, and starts it again. */
async function stopped(browser) {
  const { page, problems } = await open(browser, url, {}, /\b(404|409)\b/);
  await until("real time", plays(page, "webrtc"));
  const order = (what) => page.request.post(`${new URL(url).origin}/api/v1/streams/camera/${what}`);
  await order("stop");
  const said = await until("word of it", () => page.locator(".trouble").innerText().then((text) => /stopped/.test(text) && text));
  const state = (await stats(page)).state;
  await order("start");
  const begun = Date.now();
  await until("real time after the start", plays(page, "webrtc"));
  const back_ms = Date.now() - begun;
  const shown = await page.locator(".trouble").isVisible();
  await page.context().close();
  return { said, state, back_ms, shown, problems };
}

/** No UDP leaves the browser, as behind many a firewall. */
async function withoutUdp() {
  const browser = await launch("--webrtc-ip-handling-policy=disable_non_proxied_udp");
  try {
    const opened = Date.now();
    const { page, problems } = await open(browser, url);
    const hls = await until("HLS without UDP", plays(page, "hls"));
    return { hls, after_ms: Date.now() - opened, problems };
  } finally {
    await browser.close();
  }
}

const browser = await launch();
try {
  const report = {};
  for (const [name, visit] of Object.entries({ watched, comesBack, changesNetwork, stopped, withoutUdp })) report[name] = await visit(browser);
  console.log(JSON.stringify(report));
} finally {
  await browser.close();
}
