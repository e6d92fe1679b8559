// Debian's Chromium, headless, as all tests start it.
import { chromium } from "playwright-core";

/** Draws by the processor, asks nobody on the Internet, and plays without having been touched. */
export const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--autoplay-policy=no-user-gesture-required",
];

/** Also finds the box on this very machine by WebRTC, and has a camera and a microphone, which aren't real. */
export const PEER_FLAGS = [
  ...FLAGS,
  "--allow-loopback-in-peer-connection",
  "--use-fake-device-for-media-stream",
  "--use-fake-ui-for-media-stream",
];

export const CHROMIUM = { executablePath: "/usr/bin/chromium", headless: true };

export const launch = (flags) => chromium.launch({ ...CHROMIUM, args: flags });
