// One stream in one video element: hls.js fetches and buffers, Steering keeps it near the edge, and
// whatever goes wrong is mended by starting over, sooner or later.

import Hls, { type HlsConfig } from "hls.js";
import { withToken } from "./box.ts";
import type { ClockOffset } from "./clock.ts";
import { Recent } from "./recent.ts";
import type { PlayerState, PlayerStats } from "./stats.ts";
import { Steering } from "./steering.ts";

/** What tests and the curious may know besides; times in ms. */
export interface HlsStats extends PlayerStats {
  /** What the steering keeps at the bottom of the saw, and what is there. */
  marginMs: number;
  lowWaterMs: number | null;
  jitterMs: number;
  rate: number;
  /** Jumps to the edge. */
  jumps: number;
}

const TICK_MS = 20;
/** No progress for so long: start over. Longer than any stall that mends itself. */
const STUCK_MS = 4_000;
/** Further behind than this after the tab was away: to the edge. */
const AWAY_S = 2;
const RETRY_MS = [250, 500, 1_000, 2_000, 3_000] as const;
/** Live for so long: the next failure is a new one. */
const STEADY_MS = 10_000;

const FAIL_FAST = {
  default: { maxTimeToFirstByteMs: 8_000, maxLoadTimeMs: 12_000, timeoutRetry: null, errorRetry: null },
};
const RETRY_ONCE = {
  default: {
    ...FAIL_FAST.default,
    timeoutRetry: { maxNumRetry: 1, retryDelayMs: 0, maxRetryDelayMs: 0 },
    errorRetry: { maxNumRetry: 1, retryDelayMs: 100, maxRetryDelayMs: 100 },
  },
};

const CONFIG: Partial<HlsConfig> = {
  lowLatencyMode: true,
  // Steering sets the rate; hls.js would wait for a second of buffer.
  maxLiveSyncPlaybackRate: 1,
  // Where it starts, seconds behind the edge, a part at least; fetching and decoding add their time, and
  // from there the steering takes over.
  liveSyncDuration: 0.1,
  liveMaxLatencyDuration: 10,
  backBufferLength: 4,
  maxBufferLength: 8,
  liveDurationInfinity: true,
  // fMP4 passes through: a worker would only add its messages to the delay.
  enableWorker: false,
  testBandwidth: false,
  startFragPrefetch: true,
  // Whatever fails, starting over mends it, and a new session of the box needs it.
  // For whoever looks into it: /camera/#debug.
  debug: location.hash === "#debug",
  manifestLoadPolicy: FAIL_FAST,
  playlistLoadPolicy: RETRY_ONCE,
  fragLoadPolicy: RETRY_ONCE,
};

export class Player {
  private hls: Hls | null = null;
  private steering = new Steering();
  private state: PlayerState = "stopped";
  private stalls = 0;
  private jumps = 0;
  private reloads = 0;
  private failures = 0;
  private readonly latencies = new Recent();
  private lastPosition = -1;
  private lastProgress = 0;
  private liveSince: number | null = null;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private ticker: ReturnType<typeof setInterval> | undefined;
  private readonly events = new AbortController();

  constructor(
    readonly stream: string,
    private readonly video: HTMLVideoElement,
    private readonly clock: ClockOffset,
    private readonly changed: (state: PlayerState) => void,
  ) {
    const { signal } = this.events;
    video.addEventListener("waiting", () => this.ranDry(), { signal });
    video.addEventListener("playing", () => this.plays(), { signal });
    document.addEventListener("visibilitychange", () => this.visible(), { signal });
    window.addEventListener("online", () => this.state === "reconnecting" && this.restart(), { signal });
    this.watchFrames();
  }

  get playing(): boolean {
    return this.state !== "stopped";
  }

  start(): void {
    if (this.playing) return;
    this.become("starting");
    this.ticker = setInterval(() => this.tick(), TICK_MS);
    this.open();
  }

  stop(): void {
    clearInterval(this.ticker);
    this.close();
    this.become("stopped");
  }

  stats(): HlsStats {
    const { video, steering, clock } = this;
    const quality = video.getVideoPlaybackQuality?.();
    const ms = (time: number | null, a_ms = 1000): number | null => (time === null ? null : Math.round(time * a_ms));
    return {
      stream: this.stream,
      transport: "hls",
      state: this.state,
      latencyMs: this.state === "live" ? ms(this.latencies.median, 1) : null,
      bufferMs: Math.round((bufferEnd(video) - video.currentTime) * 1000),
      marginMs: Math.round(steering.margin * 1000),
      lowWaterMs: ms(steering.lowWater),
      jitterMs: Math.round(steering.jitter * 1000),
      rate: video.playbackRate,
      stalls: this.stalls,
      frames: quality?.totalVideoFrames ?? 0,
      droppedFrames: quality?.droppedVideoFrames ?? 0,
      jumps: this.jumps,
      reloads: this.reloads,
      clockRoundTripMs: clock.roundTripMs,
      width: video.videoWidth,
      height: video.videoHeight,
    };
  }

  private open(): void {
    const url = withToken(`/${this.stream}/index.m3u8`);
    this.lastProgress = performance.now();
    this.lastPosition = -1;
    this.steering.restart();
    if (!Hls.isSupported()) {
      // Safari on older iPhones: the system's own player, which chooses its own latency.
      this.video.src = url;
      this.play();
      return;
    }
    const hls = new Hls(CONFIG);
    this.hls = hls;
    hls.on(Hls.Events.MANIFEST_PARSED, () => this.play());
    hls.on(Hls.Events.BUFFER_APPENDED, () => this.steer());
    hls.on(Hls.Events.ERROR, (_, { fatal }) => {
      if (fatal && this.hls === hls) this.failed();
    });
    hls.loadSource(url);
    hls.attachMedia(this.video);
  }

  private close(): void {
    clearTimeout(this.retry);
    this.liveSince = null;
    this.latencies.clear();
    if (this.hls !== null) {
      this.hls.destroy();
      this.hls = null;
    } else if (this.video.hasAttribute("src")) {
      this.video.removeAttribute("src");
      this.video.load();
    }
  }

  /** Starts over, after a pause that grows while it keeps failing. */
  private failed(): void {
    const pause = RETRY_MS[Math.min(this.failures++, RETRY_MS.length - 1)];
    this.close();
    this.become(this.state === "starting" ? "starting" : "reconnecting");
    this.retry = setTimeout(() => this.restart(), pause);
  }

  private restart(): void {
    this.close();
    this.reloads += 1;
    this.open();
  }

  private play(): void {
    this.video.play().catch((error: unknown) => {
      // Even muted playback may need a touch: battery saver.
      if (error instanceof DOMException && error.name === "NotAllowedError") this.become("tap to play");
    });
  }

  private plays(): void {
    if (!this.playing) return;
    this.lastProgress = performance.now();
    this.liveSince ??= this.lastProgress;
    this.become("live");
  }

  private ranDry(): void {
    if (this.state !== "live" || this.video.seeking || document.hidden) return;
    this.stalls += 1;
    this.steering.stalled(performance.now() / 1000, bufferEnd(this.video) - this.video.currentTime);
  }

  private tick(): void {
    const now = performance.now();
    const { currentTime } = this.video;
    if (currentTime !== this.lastPosition) {
      this.lastPosition = currentTime;
      this.lastProgress = now;
      if (this.liveSince !== null && now - this.liveSince > STEADY_MS) this.failures = 0;
    } else if (this.state === "tap to play" || document.hidden) {
      this.lastProgress = now;
    } else if (now - this.lastProgress > STUCK_MS) {
      this.lastProgress = now;
      this.failed();
    }
    this.steer();
  }

  private steer(): void {
    const { video } = this;
    // The system's own player steers itself; a seek under way says nothing about the buffer.
    if (this.hls === null || this.state !== "live" || video.paused || video.seeking) return;
    const end = bufferEnd(video);
    const { rate, seekTo } = this.steering.observe({
      now: performance.now() / 1000,
      position: video.currentTime,
      bufferEnd: end,
      muted: video.muted,
    });
    if (video.playbackRate !== rate) video.playbackRate = rate;
    if (seekTo !== null && seekTo < end) {
      this.jumps += 1;
      video.currentTime = seekTo;
    }
  }

  private visible(): void {
    if (document.hidden || this.state !== "live") return;
    this.steering.restart();
    const edge = this.hls?.liveSyncPosition;
    if (edge !== null && edge !== undefined && edge - this.video.currentTime > AWAY_S) {
      this.jumps += 1;
      this.video.currentTime = edge;
    }
  }

  /** Takes the latency of every frame that is shown. */
  private watchFrames(): void {
    const { video } = this;
    const sample = (mediaTime: number, shownAt: number): void => {
      const [captured, offset] = [this.captureTimeMs(mediaTime), this.clock.offsetMs];
      if (captured === null || offset === null) return;
      this.latencies.add(shownAt + offset - captured);
    };
    if ("requestVideoFrameCallback" in video) {
      const frame: VideoFrameRequestCallback = (_, { mediaTime, expectedDisplayTime }) => {
        sample(mediaTime, expectedDisplayTime);
        if (!this.events.signal.aborted) video.requestVideoFrameCallback(frame);
      };
      video.requestVideoFrameCallback(frame);
    } else {
      (video as HTMLVideoElement).addEventListener(
        "timeupdate", () => sample((video as HTMLVideoElement).currentTime, performance.now()),
        { signal: this.events.signal });
    }
  }

  /** When the frame at `mediaTime` was taken, by the box's clock, from EXT-X-PROGRAM-DATE-TIME. */
  private captureTimeMs(mediaTime: number): number | null {
    const { video, hls } = this;
    if (!this.playing) return null;
    const native = (video as { getStartDate?: () => Date }).getStartDate;
    if (hls === null) return native ? native.call(video).getTime() + mediaTime * 1000 : null;
    const playing = hls.playingDate;
    return playing === null ? null : playing.getTime() + (mediaTime - video.currentTime) * 1000;
  }

  private become(state: PlayerState): void {
    if (state === this.state) return;
    this.state = state;
    this.changed(state);
  }
}

/** The end of the buffered range that the playhead is in, or the playhead. */
function bufferEnd({ buffered, currentTime }: HTMLVideoElement): number {
  for (let index = 0; index < buffered.length; index++) {
    if (buffered.start(index) <= currentTime + 0.1 && currentTime <= buffered.end(index)) return buffered.end(index);
  }
  return currentTime;
}
