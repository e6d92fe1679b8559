// Phones go to sleep, and the camera with them: keeps them awake.

import { effect } from "@preact/signals";

/** As long as `while_`, which reads signals, says so. */
export function stayAwake(while_: () => boolean): void {
  effect(() => {
    if (!while_()) return undefined;
    let lock: WakeLockSentinel | null = null;
    // The system takes it from pages that aren't seen.
    const ask = (): void => {
      if (!document.hidden) void navigator.wakeLock?.request("screen").then((held) => { lock = held; }).catch(() => {});
    };
    ask();
    document.addEventListener("visibilitychange", ask);
    return () => {
      document.removeEventListener("visibilitychange", ask);
      void lock?.release();
    };
  });
}
