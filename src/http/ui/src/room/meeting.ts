// Being in a room: the talk with the box, the connection that carries the media, and all that the page shows.

import { computed, effect, signal } from "@preact/signals";
import { withToken } from "../box.ts";
import type { Gear } from "../gear/gear.ts";
import { below, Direct } from "./direct.ts";
import { Line } from "./line.ts";
import { type Assigned, type Chat, comesBack, type FromBox, notLetIn, type Participant, type Quality, read, type Shown, SUBPROTOCOL, type ToBox, type Welcome } from "./protocol.ts";

/** `away`: in, but the connection is lost; `out`: it's over, and words say why. */
export type Phase = "lobby" | "joining" | "in" | "away" | "out";

/** Why the box didn't let us in yet, and what to mend. */
export interface Question {
  code: string;
  words: string;
}

export interface Entry {
  name: string;
  password: string;
  hostPassword: string;
}

/** What a reload of the page needs to have its place back. */
interface Place {
  resume: string;
  connection: number;
}

const MAX_CHATS = 200;
const NOTICE_MS = 5_000;

export class Meeting {
  readonly phase = signal<Phase>("lobby");
  readonly question = signal<Question | null>(null);
  readonly ending = signal("");
  readonly welcome = signal<Welcome | null>(null);
  readonly locked = signal(false);
  /** The stream that the room is. */
  readonly broadcast = signal<string | null>(null);
  readonly people = signal<Participant[]>([]);
  readonly assigned = signal<Assigned>({});
  readonly speaker = signal<string | null>(null);
  readonly levels = signal<Record<string, number>>({});
  readonly quality = signal<Record<string, Quality>>({});
  readonly chats = signal<Chat[]>([]);
  readonly unread = signal(0);
  readonly chatOpen = signal(false);
  readonly muted = signal(false);
  readonly hand = computed(() => this.people.value.find(({ id }) => id === this.welcome.value?.id)?.hand ?? false);
  /** Passing things, told to everybody. */
  readonly notices = signal<{ id: number; text: string }[]>([]);
  readonly line = signal<Line | null>(null);
  /** To the only other person, past the box; what comes by it is shown once `together` says so. */
  readonly direct = signal<Direct | null>(null);
  readonly together = signal(false);
  private socket: WebSocket | null = null;
  private entry: Entry = { name: "", password: "", hostPassword: "" };
  private place: Place | null;
  private tries = 0;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private wanted: { audio: number; video: number } | null = null;
  private shown = "";
  private media = "";
  private noticed = 0;

  constructor(readonly room: string, private readonly gear: Gear) {
    this.place = kept(room);
    for (const what of ["microphone", "camera", "screen"] as const) {
      effect(() => void this.line.value?.use(what, gear[what].value));
      effect(() => void this.direct.value?.use(what, gear[what].value));
    }
    // The box needs nothing of those who have each other.
    effect(() => void this.line.value?.rest(this.together.value));
    effect(() => {
      const [direct, me] = [this.direct.value, this.welcome.peek()?.id];
      if (direct === null || !this.together.value || me === undefined) return;
      const { theirs, mine } = direct.levels.value;
      const other = this.people.peek().find(({ id }) => id !== me)?.id;
      if (other !== undefined) this.levels.value = { [other]: below(theirs), [me]: this.muted.peek() ? 127 : below(mine) };
    });
    effect(() => {
      if (gear.microphone.value !== null) gear.microphone.value.enabled = !this.muted.value;
    });
    effect(() => {
      const audio = gear.microphone.value !== null && !this.muted.value;
      this.tellMedia({ audio, video: gear.camera.value !== null, screen: gear.screen.value !== null });
    });
    addEventListener("online", () => {
      if (this.phase.value === "away") this.open();
    });
  }

  join(entry: Entry): void {
    this.entry = entry;
    this.question.value = null;
    this.phase.value = "joining";
    if (this.socket?.readyState === WebSocket.OPEN) this.greet();
    else this.open();
  }

  leave(): void {
    this.send({ type: "leave" });
    this.end("You have left the room.");
  }

  /** What is shown now, and how high. */
  show(shown: Shown[]): void {
    const text = JSON.stringify(shown);
    if (text === this.shown || this.phase.value !== "in") return;
    this.shown = text;
    this.send({ type: "layout", show: shown });
  }

  say(text: string): void {
    this.tell({ type: "chat", text });
  }

  raise(raised: boolean): void {
    this.tell({ type: "hand", raised });
  }

  /** What only hosts may. */
  command(message: ToBox): void {
    this.send(message);
  }

  notice(text: string): void {
    const id = ++this.noticed;
    this.notices.value = [...this.notices.value.slice(-2), { id, text }];
    setTimeout(() => { this.notices.value = this.notices.value.filter((notice) => notice.id !== id); }, NOTICE_MS);
  }

  private open(): void {
    clearTimeout(this.retry);
    const url = new URL(withToken(`/rooms/${this.room}/ws`), location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url, SUBPROTOCOL);
    const old = this.socket;
    this.socket = socket;
    old?.close();
    let opened = false;
    socket.addEventListener("open", () => {
      opened = true;
      if (this.socket === socket) this.greet();
    });
    socket.addEventListener("message", ({ data }) => {
      const message = this.socket === socket ? read(data) : null;
      if (message !== null) this.heard(message);
    });
    socket.addEventListener("close", ({ code }) => {
      if (this.socket === socket) void this.closed(code, opened);
    });
  }

  private greet(): void {
    const { name, password, hostPassword } = this.entry;
    const join: ToBox = { type: "join", name };
    if (password !== "") join.password = password;
    if (hostPassword !== "") join.host_password = hostPassword;
    if (this.place !== null) join.resume = this.place.resume;
    this.send(join);
  }

  private async closed(code: number, opened: boolean): Promise<void> {
    this.socket = null;
    if (this.phase.value === "out" || this.phase.value === "lobby") return;
    if (!opened && this.welcome.value === null) {
      this.phase.value = "lobby";
      this.question.value = { code: "closed", words: notLetIn(await status(withToken(`/rooms/${this.room}/ws`))) };
      return;
    }
    const pause = comesBack(code, this.tries);
    if (pause === null) {
      return this.end(code === 4002 ? "You are in this room from another window now." : this.ending.value || "The box has ended this.");
    }
    this.tries += 1;
    this.phase.value = this.welcome.value === null ? "joining" : "away";
    this.retry = setTimeout(() => this.open(), pause);
  }

  private end(words: string): void {
    clearTimeout(this.retry);
    this.phase.value = "out";
    this.ending.value = words;
    this.socket?.close(1000);
    this.socket = null;
    this.part();
    this.line.value?.close();
    this.line.value = null;
    this.welcome.value = null;
    this.people.value = [];
    this.assigned.value = {};
    this.place = null;
    forget(this.room);
    this.gear.drop("screen");
  }

  private heard(message: FromBox): void {
    switch (message.type) {
      case "welcome": return this.welcomed(message);
      case "room": return this.isNow(message);
      case "participants": return this.meet(message.participants);
      case "receive":
        this.wanted = message;
        this.line.value?.receive(message);
        return;
      case "answer":
        if (message.connection === this.line.value?.number) void this.line.value.answered(message.sdp);
        return;
      case "assign":
        if (message.connection === this.line.value?.number) this.assigned.value = message.mids;
        return;
      case "speaker": this.speaker.value = message.participant; return;
      case "levels": this.levels.value = message.levels; return;
      case "quality": this.quality.value = { ...this.quality.value, ...message.quality }; return;
      case "chat":
        this.chats.value = [...this.chats.value, message].slice(-MAX_CHATS);
        if (!this.chatOpen.value && message.from !== this.welcome.value?.id) {
          this.unread.value += 1;
          this.notice(`${message.name}: ${message.text}`);
        }
        return;
      case "direct": return this.led(message);
      case "peer":
        if (message.call === this.direct.value?.call) void this.direct.value.heard(message.kind, message.text, message.mid);
        return;
      case "muted":
        this.muted.value = true;
        this.notice(`${this.nameOf(message.by)} has muted you.`);
        return;
      case "removed": this.ending.value = `${this.nameOf(message.by)} has put you out of the room.`; return;
      case "error": return this.refused(message);
    }
  }

  private welcomed(welcome: Welcome): void {
    this.tries = 0;
    // What was said before holds no more.
    this.part();
    this.welcome.value = welcome;
    this.isNow(welcome);
    this.phase.value = "in";
    // Without resuming, the count of connections begins anew.
    this.place = { resume: welcome.resume, connection: welcome.resumed ? this.place?.connection ?? 0 : 0 };
    this.connect();
  }

  private isNow({ locked, broadcast = null }: { locked: boolean; broadcast?: string | null }): void {
    this.locked.value = locked;
    this.broadcast.value = broadcast;
  }

  /** A fresh peer connection, which replaces the one before. */
  private connect(): void {
    const { welcome: { value: welcome }, place, gear } = this;
    if (welcome === null || place === null) return;
    place.connection += 1;
    keep(this.room, place);
    this.line.value?.close();
    this.assigned.value = {};
    this.shown = "";
    this.media = "";
    const tracks = { microphone: gear.microphone.value, camera: gear.camera.value, screen: gear.screen.value };
    const line = new Line(place.connection, welcome, tracks, {
      send: (message) => this.send(message),
      heard: (text) => {
        const message = read(text);
        if (message?.type === "chat") this.heard(message);
      },
      lost: () => {
        if (this.line.value === line && this.phase.value === "in") this.connect();
      },
    });
    this.line.value = line;
    if (this.wanted !== null) line.receive(this.wanted);
    this.tellMedia({ audio: tracks.microphone !== null && !this.muted.value, video: tracks.camera !== null, screen: tracks.screen !== null });
  }

  /** The box leads us to the other one, or stands in for them again. */
  private led({ call, with: other, offers, plays }: { call: number; with: string | null; offers: boolean; plays: boolean }): void {
    const { gear, welcome: { value: welcome } } = this;
    if (plays && this.direct.value?.call === call) {
      this.together.value = true;
      return;
    }
    this.part();
    if (other === null || welcome === null) return;
    const tracks = { microphone: gear.microphone.peek(), camera: gear.camera.peek(), screen: gear.screen.peek() };
    const expects = () => this.people.peek().find(({ id }) => id === other) ?? { audio: false, video: false };
    const current = (): boolean => this.direct.peek()?.call === call;
    this.direct.value = new Direct(call, offers, welcome, tracks, expects, {
      send: (kind, text, mid) => this.send({ type: "peer", call, kind, text, mid }),
      plays: () => this.send({ type: "direct", call, state: "plays" }),
      lost: () => {
        if (!current()) return;
        this.part();
        this.send({ type: "direct", call, state: "lost" });
      },
    });
  }

  private part(): void {
    this.direct.value?.close();
    this.direct.value = null;
    this.together.value = false;
  }

  private meet(people: Participant[]): void {
    const [before, me] = [this.people.value, this.welcome.value?.id];
    this.people.value = people;
    if (before.length === 0) return;
    for (const { id, name, hand } of people) {
      if (id === me) continue;
      const known = before.find((other) => other.id === id);
      if (known === undefined) this.notice(`${name} has come in.`);
      else if (hand && !known.hand) this.notice(`${name} raises a hand.`);
    }
    for (const { id, name } of before) if (!people.some((other) => other.id === id)) this.notice(`${name} has left.`);
  }

  private refused({ code, message, fatal }: { code: string; message: string; fatal: boolean }): void {
    if (this.phase.value === "joining") {
      this.phase.value = "lobby";
      this.question.value = { code, words: message };
    } else if (fatal) {
      this.ending.value = message;
    } else {
      this.notice(message);
    }
  }

  private nameOf(id: string): string {
    return this.people.value.find((other) => other.id === id)?.name ?? "A host";
  }

  private tellMedia(media: { audio: boolean; video: boolean; screen: boolean }): void {
    const text = JSON.stringify(media);
    if (text === this.media || this.phase.peek() !== "in") return;
    this.media = text;
    this.send({ type: "media", ...media });
  }

  private tell(message: ToBox): void {
    if (this.line.value?.say(message) !== true) this.send(message);
  }

  private send(message: ToBox): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }
}

/** What the box answers to an address, 0 where it can't be reached. */
async function status(url: string): Promise<number> {
  return fetch(url, { cache: "no-store" }).then(({ status }) => status).catch(() => 0);
}

const placeName = (room: string): string => `capturebox.room.${room}`;

function kept(room: string): Place | null {
  try {
    const place = JSON.parse(sessionStorage.getItem(placeName(room)) ?? "null") as Place | null;
    return typeof place?.resume === "string" && typeof place.connection === "number" ? place : null;
  } catch {
    return null;
  }
}

function keep(room: string, place: Place): void {
  try {
    sessionStorage.setItem(placeName(room), JSON.stringify(place));
  } catch {
    // A reload loses the place, then.
  }
}

function forget(room: string): void {
  try {
    sessionStorage.removeItem(placeName(room));
  } catch {
    // It wasn't kept either.
  }
}
