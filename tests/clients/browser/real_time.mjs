// Watches a stream in real time, and looks what the page does when that doesn't get through; prints one line
// of JSON:
//   node real_time.mjs URL
import { launch, open, until } from "./peers.mjs";

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
  console.log(JSON.stringify({ watched: await watched(browser), comes_back: await comesBack(browser), without_udp: await withoutUdp() }));
} finally {
  await browser.close();
}
