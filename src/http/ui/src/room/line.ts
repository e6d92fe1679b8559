// The one peer connection of a participant: what is sent, what is received, and the offers in their order.

import { signal } from "@preact/signals";
import { beginningAt } from "../rtc/whip.ts";
import type { Source, ToBox, Welcome } from "./protocol.ts";

export interface LineEvents {
  send(message: ToBox): void;
  /** A text came over the data channel. */
  heard(text: unknown): void;
  /** Nothing comes through any more. */
  lost(): void;
}

export type Sent = "microphone" | "camera" | "screen";

/** A quarter, half and all of the height, and their parts of the bitrate. */
const LAYERS = [
  { rid: "l", scaleResolutionDownBy: 4, part: 0.08 },
  { rid: "m", scaleResolutionDownBy: 2, part: 0.22 },
  { rid: "h", scaleResolutionDownBy: 1, part: 0.7 },
] as const;
/** ICE says "disconnected" and often mends it. */
const MENDS_MS = 5_000;

export class Line {
  /** What comes, by mid; each is one track. */
  readonly received = signal<ReadonlyMap<string, MediaStream>>(new Map());
  private readonly connection: RTCPeerConnection;
  private readonly channel: RTCDataChannel;
  private readonly senders = new Map<Sent, RTCRtpTransceiver>();
  private wanted = { audio: 0, video: 0 };
  private offering = false;
  private resting = false;
  private again = false;
  private over = false;
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** `number` counts the peer connections of this participant. */
  constructor(readonly number: number, { ice_servers, limits }: Welcome, tracks: Record<Sent, MediaStreamTrack | null>, private readonly events: LineEvents) {
    const connection = new RTCPeerConnection({ bundlePolicy: "max-bundle", iceServers: ice_servers });
    this.connection = connection;
    this.channel = connection.createDataChannel("room", { ordered: true });
    this.channel.addEventListener("message", ({ data }) => events.heard(data));
    this.senders.set("microphone", connection.addTransceiver(tracks.microphone ?? "audio", {
      direction: "sendonly", sendEncodings: [{ maxBitrate: limits.audio_bps }],
    }));
    this.senders.set("camera", connection.addTransceiver(tracks.camera ?? "video", {
      direction: "sendonly",
      sendEncodings: LAYERS.map(({ rid, scaleResolutionDownBy, part }) => ({ rid, scaleResolutionDownBy, maxBitrate: Math.round(limits.video_bps * part) })),
    }));
    if (tracks.screen !== null) this.addScreen(tracks.screen, limits.video_bps);
    this.videoBps = limits.video_bps;
    connection.addEventListener("track", ({ track, transceiver }) => {
      const { mid } = transceiver;
      if (mid !== null) this.received.value = new Map([...this.received.value, [mid, new MediaStream([track])]]);
    });
    connection.addEventListener("icecandidate", ({ candidate }) => {
      if (!this.over) events.send({ type: "candidate", connection: number, candidate: candidate?.candidate ?? "" });
    });
    connection.addEventListener("connectionstatechange", () => {
      clearTimeout(this.timer);
      const { connectionState: state } = connection;
      if (state === "failed") this.lose();
      if (state === "disconnected") this.timer = setTimeout(() => this.lose(), MENDS_MS);
    });
  }

  private readonly videoBps: number;

  /** As many to receive as the box asks for; offers where that is more than there are. */
  receive(wanted: { audio: number; video: number }): void {
    this.wanted = wanted;
    void this.offer();
  }

  async answered(sdp: string): Promise<void> {
    if (!this.offering) return;
    try {
      await this.connection.setRemoteDescription({ type: "answer", sdp: beginningAt(sdp, this.videoBps / 2) });
    } catch {
      return this.lose();
    }
    this.offering = false;
    if (this.again) {
      this.again = false;
      void this.offer(true);
    }
  }

  /** Another track from now on, or none. */
  async use(what: Sent, track: MediaStreamTrack | null): Promise<void> {
    const sender = this.senders.get(what);
    if (sender !== undefined) await sender.sender.replaceTrack(track).catch(() => {});
    else if (track !== null) {
      this.addScreen(track, this.videoBps);
      void this.offer(true);
    }
  }

  /** Sends no media, not even padding, or does again. */
  async rest(resting: boolean): Promise<void> {
    if (resting === this.resting) return;
    this.resting = resting;
    for (const { sender } of this.senders.values()) {
      const parameters = sender.getParameters();
      for (const encoding of parameters.encodings) encoding.active = !resting;
      await sender.setParameters(parameters).catch(() => {});
    }
  }

  /** Over the data channel, once it is open. */
  say(message: ToBox): boolean {
    if (this.channel.readyState !== "open") return false;
    this.channel.send(JSON.stringify(message));
    return true;
  }

  close(): void {
    this.over = true;
    clearTimeout(this.timer);
    this.connection.close();
    this.received.value = new Map();
  }

  private addScreen(track: MediaStreamTrack, bps: number): void {
    this.senders.set("screen", this.connection.addTransceiver(track, { direction: "sendonly", sendEncodings: [{ maxBitrate: bps, active: !this.resting }] }));
  }

  private lose(): void {
    if (this.over) return;
    this.close();
    this.events.lost();
  }

  /** Offers what there is now; `changed`: even when the box has all it asked for. */
  private async offer(changed = false): Promise<void> {
    const { connection, wanted } = this;
    const receiving = connection.getTransceivers().filter(({ direction }) => direction === "recvonly");
    const missing = (["audio", "video"] as const).flatMap((kind) => {
      const have = receiving.filter(({ receiver }) => receiver.track.kind === kind).length;
      return Array.from({ length: Math.max(0, wanted[kind] - have) }, () => kind);
    });
    const first = connection.localDescription === null;
    if (this.over || (missing.length === 0 && !changed && !first)) return;
    if (this.offering) {
      this.again = true;
      return;
    }
    this.offering = true;
    for (const kind of missing) connection.addTransceiver(kind, { direction: "recvonly" });
    try {
      await connection.setLocalDescription(await connection.createOffer());
    } catch {
      return this.lose();
    }
    const tracks: Record<string, Source> = {};
    for (const [what, { mid }] of this.senders) if (mid !== null) tracks[mid] = what;
    this.events.send({ type: "offer", connection: this.number, sdp: connection.localDescription?.sdp ?? "", tracks });
  }
}
