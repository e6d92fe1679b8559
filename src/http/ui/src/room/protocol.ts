// What the page and the box say to each other about a room: version 1 of src/meet/PROTOCOL.md. Pure.

export const SUBPROTOCOL = "capturebox.room.v1";

export type Source = "microphone" | "camera" | "screen" | "mix";
/** What two browsers say to each other to connect directly. */
export type Signal = "offer" | "answer" | "candidate";
export type Quality = "good" | "fair" | "poor";

export interface Participant {
  id: string;
  name: string;
  /** `camera`: a stream of the box. */
  kind: "person" | "camera";
  host: boolean;
  /** Not while somebody's connection is lost and they may come back at once. */
  here: boolean;
  hand: boolean;
  audio: boolean;
  video: boolean;
  screen: boolean;
}

export interface Welcome {
  type: "welcome";
  id: string;
  name: string;
  host: boolean;
  resumed: boolean;
  resume: string;
  room: string;
  mode: "forward" | "mix";
  locked: boolean;
  /** The stream that the room is. */
  broadcast?: string | null;
  /** Streams of the box that a host may bring. */
  streams: string[];
  ice_servers: RTCIceServer[];
  limits: { people: number; video_bps: number; audio_bps: number; place_ms: number };
}

/** Who is on which mid. */
export type Assigned = Record<string, { participant: string; source: Source }>;

export interface Chat {
  type: "chat";
  from: string;
  name: string;
  text: string;
  unix_ms: number;
}

export type FromBox =
  | Welcome
  | { type: "room"; locked: boolean; broadcast?: string | null }
  | { type: "participants"; participants: Participant[] }
  | { type: "receive"; audio: number; video: number }
  | { type: "answer"; connection: number; sdp: string }
  | { type: "assign"; connection: number; mids: Assigned }
  | { type: "speaker"; participant: string | null }
  | { type: "levels"; levels: Record<string, number> }
  | { type: "quality"; quality: Record<string, Quality> }
  | Chat
  /** Connect to another participant, past the box; with nobody: no more. `plays`: it does, and the box sends nothing. */
  | { type: "direct"; call: number; with: string | null; offers: boolean; plays: boolean }
  | { type: "peer"; call: number; kind: Signal; text: string; mid: string | null }
  | { type: "muted"; by: string }
  | { type: "removed"; by: string }
  | { type: "error"; code: string; message: string; fatal: boolean };

export interface Shown {
  participant: string;
  source: Source;
  height: number;
}

export type ToBox =
  | { type: "join"; name: string; password?: string; host_password?: string; resume?: string }
  | { type: "offer"; connection: number; sdp: string; tracks: Record<string, Source> }
  | { type: "candidate"; connection: number; candidate: string }
  | { type: "media"; audio: boolean; video: boolean; screen: boolean }
  | { type: "layout"; show: Shown[] }
  | { type: "chat"; text: string }
  | { type: "hand"; raised: boolean }
  | { type: "direct"; call: number; state: "plays" | "lost" }
  | { type: "peer"; call: number; kind: Signal; text: string; mid: string | null }
  | { type: "leave" }
  | { type: "mute"; participant: string }
  | { type: "remove"; participant: string }
  | { type: "bring"; stream: string }
  | { type: "dismiss"; stream: string }
  | { type: "lock"; password: string | null }
  | { type: "broadcast"; on: boolean; layout?: "grid" | "speaker" };

export const MAX_CHAT = 1_000;
export const MAX_NAME = 64;
export const MAX_SHOWN = 16;

type Shape = Record<string, "string" | "number" | "boolean" | "object" | "array" | "string?">;

/** What must be there of each message for the page to use it. */
const SHAPES: Record<FromBox["type"], Shape> = {
  welcome: { id: "string", name: "string", host: "boolean", resumed: "boolean", resume: "string", mode: "string", locked: "boolean", streams: "array", ice_servers: "array", limits: "object" },
  room: { locked: "boolean" },
  participants: { participants: "array" },
  receive: { audio: "number", video: "number" },
  answer: { connection: "number", sdp: "string" },
  assign: { connection: "number", mids: "object" },
  speaker: { participant: "string?" },
  levels: { levels: "object" },
  quality: { quality: "object" },
  chat: { from: "string", name: "string", text: "string", unix_ms: "number" },
  direct: { call: "number", with: "string?", offers: "boolean", plays: "boolean" },
  peer: { call: "number", kind: "string", text: "string", mid: "string?" },
  muted: { by: "string" },
  removed: { by: "string" },
  error: { code: "string", message: "string", fatal: "boolean" },
};

/** Null for what this page doesn't know: the box may have learnt more. */
export function read(text: unknown): FromBox | null {
  if (typeof text !== "string") return null;
  let message: Record<string, unknown>;
  try {
    message = JSON.parse(text) as Record<string, unknown>;
  } catch {
    return null;
  }
  if (typeof message !== "object" || message === null) return null;
  const { type } = message;
  if (typeof type !== "string" || !Object.hasOwn(SHAPES, type)) return null;
  const fits = Object.entries(SHAPES[type as FromBox["type"]]).every(([field, shape]) => is(message[field], shape));
  return fits ? (message as unknown as FromBox) : null;
}

function is(value: unknown, shape: Shape[string]): boolean {
  switch (shape) {
    case "array": return Array.isArray(value);
    case "object": return typeof value === "object" && value !== null && !Array.isArray(value);
    case "string?": return value === null || typeof value === "string";
    default: return typeof value === shape;
  }
}

/** After the WebSocket closed: when to come back, ms, or null where that is for a person to decide. */
export function comesBack(code: number, tries: number): number | null {
  // 1000: we left; 4000: something of ours isn't right; 4001: removed; 4002: the place is used elsewhere.
  if (code === 1000 || code === 4000 || code === 4001 || code === 4002) return null;
  return [0, 1_000, 2_000][Math.min(tries, 2)] ?? null;
}

/** Why the WebSocket didn't open, by the status of the same address. */
export function notLetIn(status: number): string {
  switch (status) {
    case 401: return "Only those with an account or a token may come in here. Sign in to the box, or ask for a link.";
    case 403: return "You may not come in here. Ask whoever runs the box.";
    case 404: return "There are no rooms on this box, or none may have this name.";
    case 503: return "The box has no room for more people now. Try again later.";
    case 0: return "The box can't be reached.";
    default: return "The box doesn't let this browser in. Try another one, or a newer one.";
  }
}
