// How playback goes, for tests and the curious.

import type { Transport } from "./rtc/choice.ts";

/** `off air`: it would play, and the box has stopped the stream. */
export type PlayerState = "starting" | "live" | "reconnecting" | "tap to play" | "off air" | "stopped";

/** What the page and tests read of whatever plays; times in ms. */
export interface PlayerStats {
  stream: string;
  transport: Transport;
  state: PlayerState;
  /** From the camera to the screen; null until clock and picture are there. */
  latencyMs: number | null;
  /** What waits to be shown. */
  bufferMs: number;
  /** Times that playback ran dry, or froze, since it first played. */
  stalls: number;
  frames: number;
  droppedFrames: number;
  /** Fresh starts after a failure. */
  reloads: number;
  /** What the clock offset is worth. */
  clockRoundTripMs: number | null;
  width: number;
  height: number;
}

declare global {
  interface Window {
    /** Of the stream that plays; null where none does. */
    captureboxStats: PlayerStats | null;
  }
}

/** Makes `window.captureboxStats` say what `stats` does. */
export function publishStats(stats: () => PlayerStats | null): void {
  Object.defineProperty(window, "captureboxStats", { get: stats, configurable: true });
}
