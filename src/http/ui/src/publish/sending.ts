// What goes out: a WHIP session that is made again whenever it is lost, until somebody stops it.

import { signal } from "@preact/signals";
import { type Aim, h264First, scaleDown } from "../gear/quality.ts";
import { Call } from "../rtc/call.ts";
import { next } from "../rtc/retry.ts";
import { beginningAt, Refused } from "../rtc/whip.ts";

export type SendState = "off" | "connecting" | "live" | "reconnecting";

export interface Outgoing {
  bps: number;
  fps: number;
  size: string;
  /** What of it the box reports lost, 0 to 1. */
  lost: number;
  /** What holds the picture back, in the browser's words: "bandwidth", "cpu". */
  held: string;
}

interface Tracks {
  video: MediaStreamTrack | null;
  audio: MediaStreamTrack | null;
}

const LOOK_MS = 1_000;
/** ICE says "disconnected" and often mends it; so does a restart. */
const MENDS_MS = 4_000;
const RESTART_PAUSE_MS = 400;
const CONNECTS_MS = 10_000;

export class Sending {
  readonly state = signal<SendState>("off");
  /** Why it stopped by itself. */
  readonly refusal = signal<{ words: string; asks: boolean } | null>(null);
  readonly outgoing = signal<Outgoing | null>(null);
  readonly liveSince = signal<number | null>(null);
  private call: Call | null = null;
  /** Since it was connected last. */
  private restarted = false;
  private failures = 0;
  private lastLive: number | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private looker: ReturnType<typeof setInterval> | undefined;
  private sent = { at: 0, bytes: 0 };

  constructor(private readonly path: string, private tracks: Tracks, private aim: Aim, private readonly token: () => string | null) {
    addEventListener("pagehide", () => this.hangUp());
    addEventListener("online", () => {
      if (this.state.value === "reconnecting") void this.connect();
    });
  }

  start(): void {
    if (this.state.value !== "off") return;
    this.refusal.value = null;
    this.failures = 0;
    this.lastLive = null;
    this.state.value = "connecting";
    void this.connect();
  }

  stop(): void {
    this.hangUp();
    this.state.value = "off";
    this.outgoing.value = null;
    this.liveSince.value = null;
  }

  /** Other tracks from now on, or none of a kind. */
  async use(tracks: Tracks): Promise<void> {
    this.tracks = tracks;
    const [video, audio] = this.call?.connection.getTransceivers() ?? [];
    await video?.sender.replaceTrack(tracks.video);
    await audio?.sender.replaceTrack(tracks.audio);
    await this.limit();
  }

  async aimAt(aim: Aim): Promise<void> {
    this.aim = aim;
    await this.limit();
  }

  private async connect(): Promise<void> {
    this.hangUp();
    const call = new Call((answer) => beginningAt(answer, this.aim.videoBps / 2));
    const { connection } = call;
    this.call = call;
    const current = (): boolean => this.call === call;
    connection.addEventListener("connectionstatechange", () => {
      if (current()) this.heard(connection.connectionState);
    });
    this.timer = setTimeout(() => this.failed(0, ""), CONNECTS_MS);
    try {
      const video = connection.addTransceiver(this.tracks.video ?? "video", { direction: "sendonly", sendEncodings: [this.encoding()] });
      connection.addTransceiver(this.tracks.audio ?? "audio", { direction: "sendonly" });
      const able = RTCRtpSender.getCapabilities("video")?.codecs;
      if (able !== undefined) video.setCodecPreferences(h264First(able));
      await call.open(this.path, this.token());
      await this.limit();
    } catch (error) {
      if (current()) this.failed(error instanceof Refused ? error.status : 0, error instanceof Refused ? error.message : "");
    }
  }

  private heard(state: RTCPeerConnectionState): void {
    switch (state) {
      case "connected":
        clearTimeout(this.timer);
        this.failures = 0;
        this.restarted = false;
        this.state.value = "live";
        this.liveSince.value ??= Date.now();
        clearInterval(this.looker);
        this.looker = setInterval(() => void this.look(), LOOK_MS);
        break;
      case "disconnected":
        this.mend();
        break;
      case "failed": case "closed":
        // Networks may go without a word.
        if (state === "failed" && this.state.value === "live" && !this.restarted) this.mend();
        else this.failed(0, "");
        break;
      default:
    }
  }

  /** Gives the connection a while to find another way. */
  private mend(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.failed(0, ""), MENDS_MS);
    if (!this.restarted && this.call !== null) void this.restart(this.call);
  }

  private async restart(call: Call): Promise<void> {
    this.restarted = true;
    try {
      await call.restart();
    } catch (error) {
      if (this.call !== call) return;
      if (error instanceof Refused) return this.failed(error.status === 404 ? 0 : error.status, error.message);
      // Between two networks nothing gets through.
      setTimeout(() => this.call === call && this.restarted && void this.restart(call), RESTART_PAUSE_MS);
    }
  }

  private failed(status: number, words: string): void {
    const now = performance.now();
    if (this.state.value === "live") this.lastLive = now;
    const then = next(status, words, this.failures, this.lastLive === null ? null : now - this.lastLive);
    this.hangUp();
    if ("stop" in then) {
      this.stop();
      this.refusal.value = { words: then.stop, asks: then.asks };
      return;
    }
    this.failures += 1;
    this.outgoing.value = null;
    this.state.value = this.lastLive === null ? "connecting" : "reconnecting";
    this.timer = setTimeout(() => void this.connect(), then.after);
  }

  private hangUp(): void {
    clearTimeout(this.timer);
    clearInterval(this.looker);
    this.sent = { at: 0, bytes: 0 };
    this.restarted = false;
    this.call?.hangUp();
    this.call = null;
  }

  private encoding(): RTCRtpEncodingParameters {
    const { height } = this.tracks.video?.getSettings() ?? {};
    return { maxBitrate: this.aim.videoBps, maxFramerate: this.aim.fps, scaleResolutionDownBy: scaleDown(height, this.aim) };
  }

  private async limit(): Promise<void> {
    const sender = this.call?.connection.getTransceivers()[0]?.sender;
    const parameters = sender?.getParameters();
    const [encoding] = parameters?.encodings ?? [];
    if (sender === undefined || parameters === undefined || encoding === undefined) return;
    Object.assign(encoding, this.encoding());
    await sender.setParameters(parameters).catch(() => {});
  }

  private async look(): Promise<void> {
    const report = await this.call?.connection.getStats();
    if (report === undefined || this.state.value !== "live") return;
    const all = [...(report as unknown as Map<string, Record<string, unknown>>).values()];
    const number = (value: unknown): number => (typeof value === "number" ? value : 0);
    const streams = all.filter(({ type }) => type === "outbound-rtp");
    const video = streams.find(({ kind }) => kind === "video") ?? {};
    const bytes = streams.reduce((sum, { bytesSent }) => sum + number(bytesSent), 0);
    const lost = all.filter(({ type }) => type === "remote-inbound-rtp").map(({ fractionLost }) => number(fractionLost));
    const at = performance.now();
    const { at: before, bytes: had } = this.sent;
    this.sent = { at, bytes };
    if (before === 0) return;
    this.outgoing.value = {
      bps: Math.max(0, ((bytes - had) * 8_000) / (at - before)),
      fps: Math.round(number(video["framesPerSecond"])),
      size: video["frameWidth"] === undefined ? "" : `${video["frameWidth"]} × ${video["frameHeight"]}`,
      lost: Math.max(0, ...lost),
      held: video["qualityLimitationReason"] === "none" ? "" : String(video["qualityLimitationReason"] ?? ""),
    };
  }
}
