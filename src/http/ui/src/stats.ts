// How playback goes, for tests and the curious.

import type { PlayerStats } from "./player.ts";

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
