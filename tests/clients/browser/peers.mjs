// Chromium with a fake camera and microphone, and how to see and hear what its pages show.
import { launch as launchChromium, PEER_FLAGS } from "./chromium.mjs";

const PATIENCE_MS = 45_000;

export const launch = (...flags) => launchChromium([...PEER_FLAGS, ...flags]);

/** A page with what went wrong on it; `expected` are errors that belong to the test. */
export async function open(browser, url, options = {}, expected = /$^/) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  const problems = [];
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error" && !expected.test(message.text())) problems.push(message.text());
  });
  await page.addInitScript(senses);
  await page.goto(url);
  return { page, problems };
}

/** Waits until `look` says something else than null or false. */
export async function until(what, look) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const seen = await look();
    if (seen) return seen;
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

// Runs in the page.
function senses() {
  /** The average colour of a video's picture, the share of it that is green, and how many frames it has shown. */
  window.see = (video) => {
    const canvas = new OffscreenCanvas(32, 18);
    const context = canvas.getContext("2d");
    context.drawImage(video, 0, 0, 32, 18);
    const { data } = context.getImageData(0, 0, 32, 18);
    let green = 0;
    for (let at = 0; at < data.length; at += 4) if (data[at + 1] > 80 && data[at + 1] > 1.5 * data[at] && data[at + 1] > 1.5 * data[at + 2]) green += 1;
    const { totalVideoFrames } = video.getVideoPlaybackQuality();
    return { green: green / (data.length / 4), frames: totalVideoFrames, width: video.videoWidth, height: video.videoHeight };
  };

  const ears = new Map();
  /** Listens to a media element for so long; says the loudest moment, as the root mean square of some 20 ms. */
  window.hear = async (element, ms) => {
    const stream = element.srcObject ?? element.captureStream();
    if (!ears.has(stream)) {
      const context = new AudioContext();
      const analyser = new AnalyserNode(context, { fftSize: 1024 });
      context.createMediaStreamSource(stream).connect(analyser);
      ears.set(stream, analyser);
    }
    const analyser = ears.get(stream);
    const samples = new Float32Array(analyser.fftSize);
    let loudest = 0;
    for (const end = performance.now() + ms; performance.now() < end; ) {
      analyser.getFloatTimeDomainData(samples);
      loudest = Math.max(loudest, Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return loudest;
  };
}
