// The connection to the one other person in the room, past the box: tried beside the one to the box, whose media go
// on until this one's are there.

import { signal } from "@preact/signals";
import { h264First } from "../gear/quality.ts";
import { beginningAt } from "../rtc/whip.ts";
import type { Sent } from "./line.ts";
import type { Signal, Welcome } from "./protocol.ts";

export interface DirectEvents {
  send(kind: Signal, text: string, mid: string | null): void;
  /** What the other sends is there. */
  plays(): void;
  /** It can't be made, or is lost. */
  lost(): void;
}

/** Who offers has them in this order. */
const ORDER: readonly Sent[] = ["microphone", "camera", "screen"];
const LOOK_MS = 250;
/** ICE says "disconnected" and often mends it. */
const MENDS_MS = 2_500;

interface Stat {
  type: string;
  kind?: string;
  packetsReceived?: number;
  framesDecoded?: number;
  audioLevel?: number;
}

export class Direct {
  /** What comes, by what it is of the other. */
  readonly received = signal<ReadonlyMap<Sent, MediaStream>>(new Map());
  /** How loud the other and I am, 0 to 1. */
  readonly levels = signal({ theirs: 0, mine: 0 });
  private readonly connection: RTCPeerConnection;
  private readonly transceivers = new Map<Sent, RTCRtpTransceiver>();
  private told = false;
  private over = false;
  private mending: ReturnType<typeof setTimeout> | undefined;
  private readonly looker = setInterval(() => void this.look(), LOOK_MS);

  /** `expects` says what the other has on. */
  constructor(
    readonly call: number, offers: boolean, private readonly welcome: Welcome, private readonly tracks: Record<Sent, MediaStreamTrack | null>,
    private readonly expects: () => { audio: boolean; video: boolean }, private readonly events: DirectEvents,
  ) {
    const connection = new RTCPeerConnection({ bundlePolicy: "max-bundle", iceServers: welcome.ice_servers });
    this.connection = connection;
    connection.addEventListener("icecandidate", ({ candidate }) => {
      if (!this.over && candidate !== null && candidate.candidate !== "") events.send("candidate", candidate.candidate, candidate.sdpMid);
    });
    connection.addEventListener("connectionstatechange", () => {
      clearTimeout(this.mending);
      const { connectionState: state } = connection;
      if (state === "failed" || state === "closed") this.lose();
      if (state === "disconnected") this.mending = setTimeout(() => this.lose(), MENDS_MS);
    });
    if (offers) void this.offer();
  }

  async heard(kind: Signal, text: string, mid: string | null): Promise<void> {
    const { connection } = this;
    try {
      if (kind === "candidate") await connection.addIceCandidate({ candidate: text, sdpMid: mid });
      else await connection.setRemoteDescription({ type: kind, sdp: beginningAt(text, this.welcome.limits.video_bps / 2) });
      if (kind === "offer") {
        connection.getTransceivers().forEach((transceiver, at) => this.has(ORDER[at], transceiver));
        for (const transceiver of connection.getTransceivers()) transceiver.direction = "sendrecv";
        for (const [what, track] of Object.entries(this.tracks) as [Sent, MediaStreamTrack | null][]) await this.use(what, track);
        await this.describe("answer");
      }
      if (kind !== "candidate") await this.limit();
    } catch {
      // A way less; without a description, nothing.
      if (kind !== "candidate") this.lose();
    }
  }

  /** Another track from now on, or none. */
  async use(what: Sent, track: MediaStreamTrack | null): Promise<void> {
    this.tracks[what] = track;
    await this.transceivers.get(what)?.sender.replaceTrack(track).catch(() => {});
  }

  close(): void {
    this.over = true;
    clearInterval(this.looker);
    clearTimeout(this.mending);
    this.connection.close();
    this.received.value = new Map();
  }

  private async offer(): Promise<void> {
    try {
      for (const what of ORDER) {
        const kind = what === "microphone" ? "audio" : "video";
        this.has(what, this.connection.addTransceiver(this.tracks[what] ?? kind, { direction: "sendrecv" }));
      }
      await this.describe("offer");
    } catch {
      this.lose();
    }
  }

  private has(what: Sent | undefined, transceiver: RTCRtpTransceiver): void {
    if (what === undefined) return;
    this.transceivers.set(what, transceiver);
    const able = RTCRtpSender.getCapabilities("video")?.codecs;
    if (what !== "microphone" && able !== undefined) transceiver.setCodecPreferences(h264First(able));
    this.received.value = new Map([...this.received.value, [what, new MediaStream([transceiver.receiver.track])]]);
  }

  private async describe(kind: "offer" | "answer"): Promise<void> {
    await this.connection.setLocalDescription();
    if (!this.over) this.events.send(kind, this.connection.localDescription?.sdp ?? "", null);
  }

  /** No more than the box would take. */
  private async limit(): Promise<void> {
    const { audio_bps, video_bps } = this.welcome.limits;
    for (const [what, { sender }] of this.transceivers) {
      const parameters = sender.getParameters();
      const [encoding] = parameters.encodings;
      if (encoding === undefined) continue;
      encoding.maxBitrate = what === "microphone" ? audio_bps : video_bps;
      await sender.setParameters(parameters).catch(() => {});
    }
  }

  private lose(): void {
    if (this.over) return;
    this.close();
    this.events.lost();
  }

  private async look(): Promise<void> {
    if (this.connection.connectionState !== "connected") return;
    const stats = [...((await this.connection.getStats()) as unknown as Map<string, Stat>).values()];
    if (this.over) return;
    const inbound = stats.filter(({ type }) => type === "inbound-rtp");
    const sound = inbound.find(({ kind }) => kind === "audio");
    const mine = stats.find(({ type, kind }) => type === "media-source" && kind === "audio");
    this.levels.value = { theirs: sound?.audioLevel ?? 0, mine: mine?.audioLevel ?? 0 };
    if (this.told) return;
    const { audio, video } = this.expects();
    const seen = inbound.some(({ kind, framesDecoded = 0 }) => kind === "video" && framesDecoded > 0);
    if (video ? !seen : audio && (sound?.packetsReceived ?? 0) === 0) return;
    this.told = true;
    this.events.plays();
  }
}

/** Of a level from 0 to 1: dB below full scale. */
export function below(level: number): number {
  return level <= 0 ? 127 : Math.max(0, Math.min(127, Math.round(-20 * Math.log10(level))));
}
