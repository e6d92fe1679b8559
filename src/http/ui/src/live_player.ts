// One stream in one video element, as live as it goes: in real time where that gets through, by HLS otherwise
// and meanwhile.

import type { ClockOffset } from "./clock.ts";
import { Player } from "./player.ts";
import { Recent } from "./recent.ts";
import { Choice, means, type Trouble, type Transport, type Wish } from "./rtc/choice.ts";
import { Watching } from "./rtc/watching.ts";
import type { PlayerState, PlayerStats } from "./stats.ts";

const TICK_MS = 250;

export class LivePlayer {
  private readonly hls: Player;
  private readonly choice: Choice;
  private readonly latencies = new Recent();
  private watching: Watching | null = null;
  /** Of real time. */
  private state: PlayerState = "stopped";
  private ticker: ReturnType<typeof setInterval> | undefined;
  private resting = false;
  private freezes = 0;
  private connections = 0;

  constructor(
    readonly stream: string,
    private readonly video: HTMLVideoElement,
    private readonly clock: ClockOffset,
    wish: Wish,
    private readonly changed: () => void,
  ) {
    this.choice = new Choice(means(location.search, "RTCPeerConnection" in window), wish);
    this.hls = new Player(stream, video, clock, () => this.transport === "hls" && changed());
    video.addEventListener("playing", () => this.attached && this.become("live"));
    addEventListener("online", () => this.choice.hurry(performance.now()));
    this.watchFrames();
  }

  get transport(): Transport {
    return this.choice.transport;
  }

  get playing(): boolean {
    return this.ticker !== undefined;
  }

  get wish(): Wish {
    return this.choice.wish;
  }

  /** Whether there is something to choose between. */
  get chooses(): boolean {
    return this.choice.means.webrtc && this.choice.means.hls;
  }

  start(): void {
    if (this.playing) return;
    this.ticker = setInterval(() => this.tick(), TICK_MS);
    this.become("starting");
    if (this.transport === "hls" && !this.resting) this.hls.start();
    this.tick();
  }

  want(wish: Wish): void {
    this.choice.wants(wish, performance.now());
    if (!this.playing || this.resting) return;
    this.letGo();
    if (this.transport === "hls") this.hls.start();
    this.tick();
    this.changed();
  }

  /** The box says that the stream is stopped, or that it runs again. `ended`: of itself; who is behind sees the end. */
  rest(resting: boolean, ended = false): void {
    if (resting === this.resting || (resting && ended && this.transport === "hls")) return;
    this.resting = resting;
    if (!this.playing) return;
    if (resting) {
      this.letGo();
      this.hls.stop();
      this.changed();
    } else {
      this.state = "starting";
      this.want(this.wish);
    }
  }

  stats(): PlayerStats {
    const { video, watching } = this;
    if (this.resting && this.playing) return { ...this.hls.stats(), state: "off air", latencyMs: null };
    if (this.transport === "hls") return { ...this.hls.stats(), reloads: this.hls.stats().reloads + Math.max(0, this.connections - 1) };
    const { frames, dropped, freezes, bufferMs } = watching?.received ?? { frames: 0, dropped: 0, freezes: 0, bufferMs: 0 };
    const latency = this.latencies.median;
    return {
      stream: this.stream,
      transport: "webrtc",
      state: this.state,
      latencyMs: latency === null || this.state !== "live" ? null : Math.round(latency),
      bufferMs,
      stalls: this.freezes + freezes,
      frames,
      droppedFrames: dropped,
      reloads: Math.max(0, this.connections - 1),
      clockRoundTripMs: this.clock.roundTripMs,
      width: video.videoWidth,
      height: video.videoHeight,
    };
  }

  private get attached(): boolean {
    return this.watching !== null && this.video.srcObject === this.watching.media;
  }

  private tick(): void {
    if (this.resting || !this.choice.takesTurn(performance.now())) return;
    this.connections += 1;
    const watching = new Watching(`/${this.stream}/whep`, (what) => this.told(watching, what));
    this.watching = watching;
    // While HLS stands in it goes on until there are pictures to take its place.
    if (this.transport === "webrtc") this.attach();
  }

  private told(watching: Watching, what: "plays" | Trouble): void {
    if (watching !== this.watching) return;
    const now = performance.now();
    if (what === "plays") {
      this.choice.plays(now);
      this.hls.stop();
      if (!this.attached) this.attach();
    } else {
      this.choice.fails(what, now);
      this.letGo();
      if (this.transport === "hls") this.hls.start();
      else this.become(this.state === "starting" ? "starting" : "reconnecting");
    }
    this.changed();
  }

  private attach(): void {
    if (this.watching === null) return;
    this.latencies.clear();
    this.video.playbackRate = 1;
    this.video.srcObject = this.watching.media;
    this.video.play().catch((error: unknown) => {
      if (error instanceof DOMException && error.name === "NotAllowedError") this.become("tap to play");
    });
  }

  private letGo(): void {
    this.freezes += this.watching?.received.freezes ?? 0;
    if (this.attached) this.video.srcObject = null;
    this.watching?.close();
    this.watching = null;
  }

  /** Takes the latency of every frame that is shown. */
  private watchFrames(): void {
    const { video } = this;
    if (!("requestVideoFrameCallback" in video)) return;
    const frame: VideoFrameRequestCallback = (_, { rtpTimestamp, expectedDisplayTime }) => {
      const { offsetMs } = this.clock;
      const captured = rtpTimestamp === undefined || !this.attached ? null : this.watching?.times.of(rtpTimestamp) ?? null;
      if (captured !== null && offsetMs !== null) this.latencies.add(expectedDisplayTime + offsetMs - captured);
      video.requestVideoFrameCallback(frame);
    };
    video.requestVideoFrameCallback(frame);
  }

  private become(state: PlayerState): void {
    if (state === this.state) return;
    this.state = state;
    this.changed();
  }
}
