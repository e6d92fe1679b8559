// One stream in real time: a WHEP session, and a look now and then whether anything comes through it.

import { Call } from "./call.ts";
import { CaptureTimes } from "./capture_times.ts";
import type { Trouble } from "./choice.ts";
import { Refused } from "./whip.ts";

/** What came through so far. */
export interface Received {
  frames: number;
  dropped: number;
  freezes: number;
  /** How long a picture waited between its coming and its showing, ms. */
  bufferMs: number;
}

const LOOK_MS = 250;
/** From the offer to the first picture, and between pictures. */
const PATIENCE_MS = 3_000;
/** Not a byte for so long after it played, though the box reports each second: the way may be another one now. */
const RESTART_MS = 1_500;
/** Between pictures, when another way is looked for. */
const RESTART_PATIENCE_MS = 6_000;

const TROUBLES: Partial<Record<number, Trouble>> = { 409: "stopped", 429: "full", 503: "full" };

interface Inbound {
  type: string;
  kind: string;
  packetsReceived?: number;
  framesDecoded?: number;
  framesDropped?: number;
  freezeCount?: number;
  jitterBufferDelay?: number;
  jitterBufferEmittedCount?: number;
  bytesReceived?: number;
}

export class Watching {
  /** What plays in a video element. */
  readonly media = new MediaStream();
  readonly times = new CaptureTimes();
  received: Received = { frames: 0, dropped: 0, freezes: 0, bufferMs: 0 };
  plays = false;
  private readonly call = new Call();
  private over = false;
  /** Since something came last. */
  private restarted = false;
  private readonly begun = performance.now();
  private progress = -1;
  private progressAt = this.begun;
  private bytes = -1;
  private bytesAt = this.begun;
  private readonly looker: ReturnType<typeof setInterval>;

  /** `path` is the WHEP endpoint. `told` hears once that it plays, and once why it doesn't any more. */
  constructor(private readonly path: string, private readonly told: (what: "plays" | Trouble) => void) {
    const { connection } = this.call;
    for (const kind of ["video", "audio"] as const) connection.addTransceiver(kind, { direction: "recvonly" });
    connection.addEventListener("track", ({ track, receiver }) => {
      // Late pictures are worth nothing here: show them when they come.
      receiver.jitterBufferTarget = 0;
      this.media.addTrack(track);
    });
    // The box writes into it; offered here, since only an offer can make room for one.
    const stamps = connection.createDataChannel("capture");
    stamps.addEventListener("message", ({ data }) => this.times.read(data));
    connection.addEventListener("datachannel", ({ channel }) => channel.addEventListener("message", ({ data }) => this.times.read(data)));
    connection.addEventListener("connectionstatechange", () => {
      if (connection.connectionState === "failed" || connection.connectionState === "closed") this.fail("lost");
    });
    addEventListener("pagehide", this.close);
    this.looker = setInterval(() => void this.look(), LOOK_MS);
    void this.connect();
  }

  readonly close = (): void => {
    this.over = true;
    clearInterval(this.looker);
    removeEventListener("pagehide", this.close);
    this.call.hangUp();
  };

  private async connect(): Promise<void> {
    try {
      await this.call.open(this.path);
    } catch (error) {
      this.fail(error instanceof Refused ? TROUBLES[error.status] ?? "absent" : "lost");
    }
  }

  private async restart(): Promise<void> {
    this.restarted = true;
    try {
      await this.call.restart();
    } catch (error) {
      if (error instanceof Refused) this.fail("lost");
      // Between two networks nothing gets through.
      this.restarted = false;
    }
  }

  private fail(trouble: Trouble): void {
    if (this.over) return;
    this.close();
    this.told(trouble);
  }

  private async look(): Promise<void> {
    const report = await this.call.connection.getStats();
    if (this.over) return;
    const all = [...(report as unknown as Map<string, Inbound>).values()];
    const inbound = all.filter(({ type }) => type === "inbound-rtp");
    const bytes = all.find(({ type }) => type === "transport")?.bytesReceived ?? inbound.reduce((sum, one) => sum + (one.packetsReceived ?? 0), 0);
    const video = inbound.find(({ kind, packetsReceived }) => kind === "video" && (packetsReceived ?? 0) > 0);
    const sound = inbound.find(({ kind }) => kind === "audio");
    const { framesDecoded = 0, framesDropped = 0, freezeCount = 0, jitterBufferDelay = 0, jitterBufferEmittedCount = 0 } = video ?? {};
    this.received = {
      frames: framesDecoded,
      dropped: framesDropped,
      freezes: freezeCount,
      bufferMs: jitterBufferEmittedCount === 0 ? 0 : Math.round((jitterBufferDelay / jitterBufferEmittedCount) * 1000),
    };
    // A stream may have sound only; and nobody decodes pictures for a page that nobody sees.
    const progress = video === undefined ? sound?.packetsReceived ?? 0 : document.hidden ? video.packetsReceived ?? 0 : framesDecoded;
    const now = performance.now();
    if (bytes !== this.bytes) [this.bytes, this.bytesAt] = [bytes, now];
    if (progress !== this.progress && progress > 0) {
      this.progressAt = now;
      this.restarted = false;
      if (!this.plays && (video !== undefined || now - this.begun > PATIENCE_MS / 2)) {
        this.plays = true;
        this.told("plays");
      }
    } else if (now - this.progressAt > (this.restarted ? RESTART_PATIENCE_MS : PATIENCE_MS)) {
      this.fail("lost");
    } else if (this.plays && !this.restarted && now - this.bytesAt > RESTART_MS) {
      void this.restart();
    }
    this.progress = progress;
  }
}
