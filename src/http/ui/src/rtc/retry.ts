// After a connection failed: when to try again, or why not to. Pure.

export type Next =
  | { after: number }
  /** Nothing would change by itself; `asks`: a token, or signing in, would. */
  | { stop: string; asks: boolean };

const PAUSES_MS = [300, 1_000, 2_000, 4_000, 8_000] as const;
/** The box lets go of a publisher that vanished after a while; until then it takes us for somebody else. */
const OWN_GHOST_MS = 40_000;

/**
 * `status` is the box's refusal, 0 where nothing came through; `failures` counts those in a row before this one;
 * `sinceLive` is how long ago we were live last, ms, or null.
 */
export function next(status: number, words: string, failures: number, sinceLive: number | null): Next {
  const again = { after: PAUSES_MS[Math.min(failures, PAUSES_MS.length - 1)] ?? 0 };
  const stop = (text: string, asks = false): Next => ({ stop: text, asks });
  switch (status) {
    case 401: return stop("The box doesn't know who you are. Sign in, or show a token.", true);
    case 403: return stop("You may not publish here. Sign in as somebody who may, or show a token for it.", true);
    case 404: case 405: return stop("This box takes no publishers, or not under this name.");
    case 409:
      if (sinceLive !== null && sinceLive < OWN_GHOST_MS) return again;
      return stop(words || "Somebody else is live on this stream. Wait until they are done, or take another name.");
    case 400: case 406: case 413: case 415: case 422:
      return stop(words === "" ? "The box can't use what this browser sends." : `The box can't use what this browser sends: ${words}`);
    default: return again;
  }
}
