// Plays a page of the box in headless Chromium and prints one line of JSON about how it went:
//   node play.mjs URL SECONDS [SCREENSHOT.png [AUTHORITY.pem]]
//
// Latency is read from the picture itself: the test source burns the capture time into the lowest
// eighth of each frame (src/capture/test_pattern/strip.rs says how), and the page's clock is this
// machine's, which is the box's. Without a test picture `latency_ms` is null. With an authority's
// certificate, the browser's user has installed that, as the box's guide says for Linux.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { CHROMIUM, FLAGS } from "./chromium.mjs";

const [url, seconds, screenshot, authority] = process.argv.slice(2);
const START_MS = 30_000;

// Runs in the page, before anything of the page does.
function watch() {
  const seen = { frames: [], waiting: 0, playing: false, errors: [] };
  window.seen = seen;
  addEventListener("error", (event) => seen.errors.push(String(event.message)));

  // Two rows of 32 blocks, here 8 px each; see strip.rs.
  const canvas = new OffscreenCanvas(256, 16);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  function readStrip(video) {
    const { videoWidth: width, videoHeight: height } = video;
    context.drawImage(video, 0, (height * 7) / 8, width, height / 8, 0, 0, 256, 16);
    const { data } = context.getImageData(0, 0, 256, 16);
    const bytes = [];
    for (let row = 0; row < 2; row++)
      for (let byte = 0; byte < 4; byte++) {
        let value = 0;
        for (let bit = 0; bit < 8; bit++) {
          const x = (byte * 8 + bit) * 8 + 4;
          value = (value << 1) | (data[((row * 8 + 4) * 256 + x) * 4 + 1] >= 128);
        }
        bytes.push(value);
      }
    let crc = 0xff;
    for (const byte of bytes.slice(0, 7)) {
      crc ^= byte;
      for (let i = 0; i < 8; i++) crc = (crc & 0x80 ? (crc << 1) ^ 0x07 : crc << 1) & 0xff;
    }
    if (crc !== bytes[7]) return null;
    const captured = ((bytes[0] << 24) | (bytes[1] << 16) | (bytes[2] << 8) | bytes[3]) >>> 0;
    return { captured, frame: (bytes[4] << 16) | (bytes[5] << 8) | bytes[6] };
  }

  const watched = new WeakSet();
  function attach(video) {
    if (watched.has(video)) return;
    watched.add(video);
    video.addEventListener("playing", () => (seen.playing = true));
    video.addEventListener("waiting", () => (seen.waiting += seen.playing ? 1 : 0));
    const onFrame = (now, metadata) => {
      // When this frame is on the screen, by the wall clock.
      const shown = performance.timeOrigin + Math.max(metadata.expectedDisplayTime, now);
      const strip = readStrip(video);
      seen.frames.push({
        shown,
        media: metadata.mediaTime,
        frame: strip && strip.frame,
        latency: strip && ((shown % 2 ** 32) - strip.captured) | 0,
      });
      video.requestVideoFrameCallback(onFrame);
    };
    video.requestVideoFrameCallback(onFrame);
  }
  new MutationObserver(() => document.querySelectorAll("video").forEach(attach)).observe(document, {
    childList: true,
    subtree: true,
  });
}

const profile = mkdtempSync(join(tmpdir(), "capturebox-chromium-"));
if (authority) {
  const certificates = join(profile, "home/.pki/nssdb");
  mkdirSync(certificates, { recursive: true });
  execFileSync("certutil", ["-d", `sql:${certificates}`, "-N", "--empty-password"]);
  execFileSync("certutil", ["-d", `sql:${certificates}`, "-A", "-n", "box", "-t", "C,,", "-i", authority]);
}
const context = await chromium.launchPersistentContext(join(profile, "profile"), {
  env: authority ? { ...process.env, HOME: join(profile, "home"), XDG_DATA_HOME: join(profile, "home/.local/share") } : process.env,
  ...CHROMIUM,
  viewport: { width: 1280, height: 900 },
  args: FLAGS,
});
try {
  const page = await context.newPage();
  const problems = [];
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  page.on("request", (request) => {
    const host = new URL(request.url()).host;
    if (request.url().startsWith("http") && host !== new URL(url).host) problems.push(`asked ${host}`);
  });
  await page.addInitScript(watch);
  const opened = Date.now();
  await page.goto(url);
  await page.waitForFunction(() => window.seen.frames.length > 0, null, { timeout: START_MS });
  const firstFrameMs = Date.now() - opened;
  // Settling in is not counted: the player finds its place behind the live edge.
  await page.waitForTimeout(Math.min(5_000, (seconds * 1_000) / 2));
  const snapshot = () =>
    page.evaluate(() => {
      const video = document.querySelector("video");
      const quality = video.getVideoPlaybackQuality();
      return {
        at: performance.now(),
        waiting: window.seen.waiting,
        count: window.seen.frames.length,
        time: video.currentTime,
        decoded: quality.totalVideoFrames,
        dropped: quality.droppedVideoFrames,
        audioBytes: video.webkitAudioDecodedByteCount,
        paused: video.paused,
        muted: video.muted,
        stats: window.captureboxStats ?? null,
        secure: isSecureContext,
        protocols: [...new Set(performance.getEntriesByType("resource").map((entry) => entry.nextHopProtocol))],
      };
    });
  const before = await snapshot();
  await page.waitForTimeout(seconds * 1_000);
  const after = await snapshot();
  const frames = (await page.evaluate(() => window.seen.frames)).slice(before.count, after.count);
  if (screenshot) await page.screenshot({ path: screenshot });

  const sorted = frames.map((frame) => frame.latency).filter((ms) => ms !== null).sort((a, b) => a - b);
  const percentile = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  console.log(
    JSON.stringify({
      first_frame_ms: firstFrameMs,
      seconds: (after.at - before.at) / 1_000,
      media_seconds: after.time - before.time,
      frames_presented: frames.length,
      frames_decoded: after.decoded - before.decoded,
      frames_dropped: after.dropped - before.dropped,
      stalls: after.waiting - before.waiting,
      audio_bytes: after.audioBytes - before.audioBytes,
      paused: after.paused,
      muted: after.muted,
      strips_read: sorted.length,
      // Something else than the test picture passes the strip's check now and then.
      latency_ms: sorted.length > frames.length / 2
        ? { p50: percentile(0.5), p99: percentile(0.99), max: sorted.at(-1), min: sorted[0] }
        : null,
      page: after.stats,
      secure: after.secure,
      protocols: after.protocols,
      problems: [...problems, ...(await page.evaluate(() => window.seen.errors))],
    }),
  );
} finally {
  await context.close();
  rmSync(profile, { recursive: true, force: true });
}
