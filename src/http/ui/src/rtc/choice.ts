// Real time or HLS: which of them plays, and when real time is tried again after it failed. Pure.

export type Transport = "webrtc" | "hls";

/** What the viewer would like: as little delay as there can be, or never a hiccup. */
export type Wish = "real time" | "steady";

/** Why real time doesn't play: the box has none (for this stream), the stream is stopped, it has no room, or nothing comes through. */
export type Trouble = "absent" | "stopped" | "full" | "lost";

/** Until the first new try, ms; doubled by each that fails. */
const FIRST_PAUSE_MS: Record<Trouble, number> = { absent: 60_000, stopped: 5_000, full: 15_000, lost: 2_000 };
const LONGEST_PAUSE_MS = 60_000;
/** Played for so long, the next trouble is a new one. */
const STEADY_MS = 20_000;

export interface Means {
  /** The browser has it, and nobody ruled it out. */
  webrtc: boolean;
  hls: boolean;
}

/** What a page's address asks for: `?player=hls` and `?player=webrtc` allow nothing else. */
export function means(search: string, able: boolean): Means {
  const only = new URLSearchParams(search).get("player");
  return { webrtc: able && only !== "hls", hls: !able || only !== "webrtc" };
}

export class Choice {
  /** What plays, or is to play as soon as it can. */
  transport: Transport;
  private troubles = 0;
  private playsSince: number | null = null;
  /** When to connect in real time; null while connected or connecting. */
  private connectAt: number | null = 0;

  constructor(readonly means: Means, public wish: Wish) {
    this.transport = this.wantsRealTime ? "webrtc" : "hls";
  }

  private get wantsRealTime(): boolean {
    return this.means.webrtc && (this.wish === "real time" || !this.means.hls);
  }

  /** Whether a connection in real time is to be made now; then it is as good as begun. */
  takesTurn(now: number): boolean {
    if (!this.wantsRealTime || this.connectAt === null || now < this.connectAt) return false;
    this.connectAt = null;
    return true;
  }

  /** Pictures come through in real time. */
  plays(now: number): void {
    this.playsSince = now;
    this.transport = "webrtc";
  }

  fails(trouble: Trouble, now: number): void {
    if (this.playsSince !== null && now - this.playsSince >= STEADY_MS) this.troubles = 0;
    this.playsSince = null;
    if (this.means.hls) this.transport = "hls";
    // That ends when somebody wants it to, however long it takes: nothing has failed.
    if (trouble === "stopped") {
      this.troubles = 0;
      this.connectAt = now + FIRST_PAUSE_MS.stopped;
      return;
    }
    this.connectAt = now + Math.min(FIRST_PAUSE_MS[trouble] * 2 ** this.troubles, LONGEST_PAUSE_MS);
    this.troubles += 1;
  }

  /** The network came back, or the page: no need to wait. */
  hurry(now: number): void {
    if (this.connectAt !== null) this.connectAt = Math.min(this.connectAt, now);
  }

  /** The viewer wants it otherwise; what is connected is to be let go of. */
  wants(wish: Wish, now: number): void {
    this.wish = wish;
    this.troubles = 0;
    this.playsSince = null;
    this.connectAt = now;
    if (!this.wantsRealTime) this.transport = "hls";
  }
}
