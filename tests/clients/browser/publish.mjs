// Publishes Chromium's fake camera and microphone from the publishing page, watches that as HLS and in real
// time on other pages, and stops again; prints one line of JSON:
//   node publish.mjs URL_OF_THE_STREAM SCREENSHOTS
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import axe from "axe-core";
import { launch, open, until } from "./peers.mjs";
import { leads } from "./proxy.mjs";

const [url, screenshots] = process.argv.slice(2);
const WINDOWS = { phone: { viewport: { width: 360, height: 780 }, isMobile: true, hasTouch: true }, desktop: { viewport: { width: 1280, height: 900 } } };

/** Whether a page is as it should be for those who don't see it, and fits its window. */
async function looksRight(page, name) {
  await page.screenshot({ path: join(screenshots, `${name}.png`) });
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => window.axe.run());
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  return [
    ...violations.map(({ id, nodes }) => `${name}: ${id} at ${nodes.map(({ target }) => target.join(" ")).join(", ")}`),
    ...(wide > 0 ? [`${name} is ${wide} px wider than the window`] : []),
  ];
}

/** What a viewer sees and hears. The stream may still be coming, for which pages ask again. */
async function watch(browser, player) {
  const { page, problems } = await open(browser, `${url}?player=${player}`, {}, /\b(404|405|406|503)\b/);
  const stats = await until(`the stream by ${player}`, () => page.evaluate(() => {
    const { state, frames } = window.captureboxStats ?? {};
    return state === "live" && frames > 20 && window.captureboxStats;
  }));
  const see = () => page.evaluate(() => window.see(document.querySelector("video")));
  const before = await see();
  const after = await until(`pictures that move by ${player}`, async () => {
    const now = await see();
    return now.frames > before.frames + 20 && now;
  });
  // The fake microphone beeps once a second.
  const heard = await until(`sound by ${player}`, async () => {
    const loudest = await page.evaluate(() => {
      const video = document.querySelector("video");
      video.muted = false;
      return window.hear(video, 3_000);
    });
    return loudest > 0.02 && loudest;
  });
  await page.context().close();
  return { transport: stats.transport, heard, before, after, problems };
}

mkdirSync(screenshots, { recursive: true });
const browser = await launch();
try {
  const { page, problems } = await open(browser, `${url}publish`, WINDOWS.phone);
  await until("the preview", () => page.evaluate(() => window.see(document.querySelector("video")).frames > 5));
  const violations = await looksRight(page, "publish-before");
  const level = await until("the level meter", () => page.getByRole("meter").getAttribute("aria-valuenow").then((value) => Number(value) > 20 && Number(value)));
  await page.getByLabel("Quality").selectOption("low");
  const ways = await leads(page, "**/whip");
  await page.getByRole("button", { name: "Go live" }).click();
  await page.getByRole("status").filter({ hasText: "Live" }).waitFor();
  const bitrate = await until("the outgoing bitrate", () => page.locator(".numbers").innerText().then((text) => /bit\/s/.test(text) && text).catch(() => null));
  violations.push(...(await looksRight(page, "publish-live")));

  // The way to the box is gone, as for who leaves the Wi-Fi. What others see below goes by another one.
  ways.cut();
  await until("a restart", () => ways.asked.PATCH > 0);
  await page.getByRole("status").filter({ hasText: "Live" }).waitFor();

  // Real time first: a page may only be opened once the stream is there.
  await until("the stream's page", async () => (await page.request.get(url)).ok());
  const webrtc = await watch(browser, "webrtc");
  const hls = await watch(browser, "hls");

  // A second publisher is told what is wrong.
  const second = await open(browser, `${url}publish`, WINDOWS.desktop, /\b409\b/);
  await until("the second preview", () => second.page.evaluate(() => window.see(document.querySelector("video")).frames > 5));
  await second.page.getByRole("button", { name: "Go live" }).click();
  const taken = await second.page.getByRole("alert").innerText();
  violations.push(...(await looksRight(second.page, "publish-taken")));

  await page.getByRole("button", { name: "Stop", exact: true }).click();
  const status = await page.getByRole("status").innerText();
  await until("the session's end", () => ways.asked.DELETE > 0);
  ways.close();
  console.log(JSON.stringify({ asked: ways.asked, level, bitrate, hls, webrtc, taken, status, problems: [...problems, ...second.problems], violations }));
} finally {
  await browser.close();
}
