// The box's API, typed: what it says, and its problem documents as errors.

export type Role = "viewer" | "operator" | "admin";

export interface Session {
  account: string | null;
  role: Role | null;
  /** Whether the box has an administrator. */
  claimed: boolean;
}

export interface Source {
  kind: "video" | "audio";
  state: "starting" | "live" | "no_signal" | "ended";
  cause?: string;
}

export interface Track {
  id: string;
  codec: "h264" | "aac" | "opus";
  /** What the encoder aims at, 0 when not known; what it was over the last seconds. */
  bitrate_bps: number;
  measured_bps: number;
  width?: number;
  height?: number;
  frame_rate?: string;
  rate_hz?: number;
  channels?: number;
}

export interface Level {
  peak_dbfs: number;
  rms_dbfs: number;
}

export interface Pipeline {
  encoder: string | null;
  captured_frames: number;
  capture_fps: number;
  dropped_frames: number;
  dropped_units: number;
  audio_levels: Level[] | null;
}

export interface Stream {
  name: string;
  state: "running" | "ended" | "stopped" | "stopping" | null;
  /** Silence, or the slate, stands for it because somebody wants it so. */
  muted: boolean;
  private: boolean;
  sources: Source[];
  tracks: Track[];
  /** Outputs that read it. */
  readers: number;
  /** People who watch. */
  viewers: number;
  dropped: number;
  av_offset_us: number | null;
  bitrate_target_bps: number | null;
  page: string;
  hls: { url: string; part_delay_p50_us: number; part_delay_p99_us: number } | null;
  pipeline: Pipeline | null;
}

/** The last ten minutes: a number a step, oldest first, null where there was none. */
export interface StreamHistory {
  step_s: number;
  bitrate_bps: (number | null)[];
  fps: (number | null)[];
  dropped: (number | null)[];
  viewers: (number | null)[];
}

export interface BoardHistory {
  step_s: number;
  temperature_celsius: (number | null)[];
}

export interface System {
  version: string;
  board: {
    model: string | null;
    host_name: string | null;
    uptime_s: number | null;
    load_1m: number | null;
    temperatures: { zone: string; celsius: number }[];
    throttling: { now: boolean; under_voltage: boolean | null; since_boot: boolean | null } | null;
    storage: { path: string; total_bytes: number; available_bytes: number }[];
    wear: { device: string; used_percent: number; near_its_end: boolean }[];
  };
}

export interface VideoInput {
  name: string;
  path: string;
  stable_path: string | null;
  driver: string;
  modes: { format: string; size: string; rates: string }[];
  signal: string | null;
}

export interface Microphone {
  name: string;
  device: string;
  can: { min_rate_hz: number; max_rate_hz: number; min_channels: number; max_channels: number } | null;
}

export interface Devices {
  cameras: VideoInput[];
  hdmi_inputs: VideoInput[];
  microphones: Microphone[];
  encoders: { name: string; path: string; makes: string[]; takes: string[] }[];
  unreadable: { path: string; reason: string }[];
}

/** What `/events` tells. */
export interface Event {
  id: number;
  unix_ms: number;
  event: string;
  stream?: string;
  kind?: "video" | "audio";
  state?: Source["state"];
  cause?: string;
  readers?: number;
  path?: string;
  free_bytes?: number;
  on?: boolean;
  mark?: number;
  address?: string;
  trouble?: string;
  load?: string;
}

/** A place in what was sent, where the problem lies in it. */
export interface Place {
  detail: string;
  line?: number;
  /** Other members that a place has. */
  [member: string]: unknown;
}

/** The box refused, in its words; or it can't be reached, and `status` is 0. */
export class ApiError extends Error {
  constructor(readonly status: number, message: string, readonly errors: Place[] = []) {
    super(message);
  }
}

const PATIENCE_MS = 15_000;

export const get = <T>(path: string): Promise<T> => call("GET", path);
export const post = <T = void>(path: string, body?: unknown): Promise<T> => call("POST", path, body);
export const put = <T = void>(path: string, body: unknown): Promise<T> => call("PUT", path, body);
export const patch = <T = void>(path: string, body: unknown): Promise<T> => call("PATCH", path, body);
export const remove = (path: string): Promise<void> => call("DELETE", path);

/** `path` is below `/api/v1`. Throws nothing but an `ApiError`. */
async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const init: RequestInit = { method, cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { "content-type": "application/json" };
  }
  let answer: Response;
  let text: string;
  try {
    answer = await fetch(`/api/v1${path}`, init);
    text = await answer.text();
  } catch {
    throw new ApiError(0, "The box can't be reached.");
  }
  if (answer.ok) return (text === "" ? undefined : JSON.parse(text)) as T;
  throw refusal(answer.status, text);
}

/** The error that an answer's text tells, a problem document (RFC 9457) or not. */
export function refusal(status: number, text: string): ApiError {
  try {
    const { detail, title, errors } = JSON.parse(text) as { detail?: string; title?: string; errors?: Place[] };
    return new ApiError(status, detail ?? title ?? `The box answered ${status}.`, errors ?? []);
  } catch {
    return new ApiError(status, text.trim() || `The box answered ${status}.`);
  }
}

/** What to tell people of whatever was thrown. */
export function words(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
