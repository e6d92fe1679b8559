// Camera, microphone and screen of whoever sits here: which there are, which are chosen, and what they give.

import { signal } from "@preact/signals";
import { remember, remembered } from "../memory.ts";
import { type Aim, constraints } from "./quality.ts";
import { type Device, refusal, unable } from "./refusal.ts";

/** No device at all, by choice. */
export const NONE = "none";

export class Gear {
  readonly cameras = signal<MediaDeviceInfo[]>([]);
  readonly microphones = signal<MediaDeviceInfo[]>([]);
  /** The chosen devices; "" is the browser's choice. */
  readonly cameraId = signal(remembered("camera") ?? "");
  readonly microphoneId = signal(remembered("microphone") ?? "");
  /** As it sounds, without what makes speech clearer. */
  readonly music = signal(remembered("music") === "true");
  readonly camera = signal<MediaStreamTrack | null>(null);
  readonly microphone = signal<MediaStreamTrack | null>(null);
  readonly screen = signal<MediaStreamTrack | null>(null);
  /** What to tell of each. */
  readonly troubles = signal<Partial<Record<Device, string>>>({});
  /** Until the browser has answered the first question. */
  readonly asking = signal(false);

  constructor(private aim: Aim) {}

  /** Asks for camera and microphone in one question. */
  async start(): Promise<void> {
    if (unable(isSecureContext, "mediaDevices" in navigator) !== null) return;
    this.asking.value = true;
    navigator.mediaDevices.addEventListener("devicechange", () => void this.list());
    const [video, audio] = [this.videoWish(), this.audioWish()];
    try {
      if (video === false || audio === false) throw new DOMException("asked one by one");
      const media = await navigator.mediaDevices.getUserMedia({ video, audio });
      this.take("camera", media.getVideoTracks()[0]);
      this.take("microphone", media.getAudioTracks()[0]);
    } catch {
      // One of them may be there.
      await this.openCamera();
      await this.openMicrophone();
    }
    this.asking.value = false;
    await this.list();
  }

  async choose(device: "camera" | "microphone", id: string): Promise<void> {
    (device === "camera" ? this.cameraId : this.microphoneId).value = id;
    remember(device, id);
    await (device === "camera" ? this.openCamera() : this.openMicrophone());
    await this.list();
  }

  async makeMusic(music: boolean): Promise<void> {
    this.music.value = music;
    remember("music", String(music));
    await this.openMicrophone();
  }

  async aimAt(aim: Aim): Promise<void> {
    this.aim = aim;
    await this.camera.value?.applyConstraints(constraints(aim)).catch(() => {});
  }

  async openCamera(): Promise<void> {
    // Phones open one camera at a time.
    this.drop("camera");
    const video = this.videoWish();
    if (video !== false) await this.open("camera", async () => (await navigator.mediaDevices.getUserMedia({ video })).getVideoTracks()[0]);
  }

  async openMicrophone(): Promise<void> {
    this.drop("microphone");
    const audio = this.audioWish();
    if (audio !== false) await this.open("microphone", async () => (await navigator.mediaDevices.getUserMedia({ audio })).getAudioTracks()[0]);
  }

  async share(): Promise<void> {
    await this.open("screen", async () => {
      const video = { frameRate: { ideal: 15, max: 30 } };
      const track = (await navigator.mediaDevices.getDisplayMedia({ video })).getVideoTracks()[0];
      if (track !== undefined) track.contentHint = "detail";
      return track;
    });
  }

  /** Lets go of a device. */
  drop(device: Device): void {
    this[device].value?.stop();
    this[device].value = null;
    this.tell(device, "");
  }

  stop(): void {
    for (const device of ["camera", "microphone", "screen"] as const) this.drop(device);
  }

  private videoWish(): MediaTrackConstraints | false {
    const id = this.cameraId.value;
    if (id === NONE) return false;
    return { ...constraints(this.aim), ...(id === "" ? { facingMode: "user" } : { deviceId: { ideal: id } }) };
  }

  private audioWish(): MediaTrackConstraints | false {
    const id = this.microphoneId.value;
    const clearer = !this.music.value;
    if (id === NONE) return false;
    return {
      echoCancellation: clearer, noiseSuppression: clearer, autoGainControl: clearer,
      ...(id === "" ? {} : { deviceId: { ideal: id } }),
    };
  }

  private async open(device: Device, ask: () => Promise<MediaStreamTrack | undefined>): Promise<void> {
    try {
      this.take(device, await ask());
    } catch (error) {
      this.tell(device, refusal(device, error instanceof Error ? error.name : "Error"));
    }
  }

  private take(device: Device, track: MediaStreamTrack | undefined): void {
    if (track === undefined) return this.tell(device, refusal(device, "NotFoundError"));
    if (device === "camera") track.contentHint = "motion";
    this[device].value?.stop();
    this[device].value = track;
    this.tell(device, "");
    track.addEventListener("ended", () => {
      if (this[device].value !== track) return;
      this[device].value = null;
      if (device !== "screen") this.tell(device, `The ${device} is gone: unplugged, or taken by the system. Choose it again, or another one.`);
    });
  }

  private tell(device: Device, text: string): void {
    const { [device]: _, ...others } = this.troubles.value;
    this.troubles.value = text === "" ? others : { ...others, [device]: text };
  }

  private async list(): Promise<void> {
    const devices = await navigator.mediaDevices.enumerateDevices().catch(() => []);
    // Without a permission they have neither names nor numbers.
    const of = (kind: MediaDeviceKind): MediaDeviceInfo[] => devices.filter((device) => device.kind === kind && device.deviceId !== "");
    this.cameras.value = of("videoinput");
    this.microphones.value = of("audioinput");
  }
}
