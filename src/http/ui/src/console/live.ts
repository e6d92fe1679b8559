// What the box says now, asked for again and again while somebody looks, and at once when an event comes.

import { effect, signal, untracked } from "@preact/signals";
import { ApiError, type Event, get, type Stream, type System } from "./api.ts";
import { isBad, told } from "./condition.ts";
import { say } from "./notices.ts";
import { may, session, whoAmI } from "./session.ts";

/** `null` until the box has said. */
export const streams = signal<Stream[] | null>(null);
export const system = signal<System | null>(null);
export const reachable = signal(true);

/** Often enough for the sound meters. */
const STREAMS_MS = 500;
const SYSTEM_MS = 5_000;
/** While the box is away. */
const AWAY_MS = 2_000;
/** The box lets go of listeners that it has no room for; they come again after this. */
const LISTEN_AGAIN_MS = 30_000;

export function stream(name: string): Stream | undefined {
  return streams.value?.find((stream) => stream.name === name);
}

/** Asks for the streams now. */
export async function refresh(): Promise<void> {
  try {
    streams.value = (await get<{ streams: Stream[] }>("/streams")).streams;
    reachable.value = true;
  } catch (error) {
    if (error instanceof ApiError && error.status === 0) reachable.value = false;
  }
}

/** Asks how the board is, for whom that is. */
async function refreshSystem(): Promise<void> {
  system.value = may("viewer") ? await get<System>("/system").catch(() => system.value) : null;
}

/** Asks for as long as the page lives. */
export function follow(): void {
  void repeat(async () => {
    const wasAway = !reachable.value;
    await refresh();
    // A box that was started again may have forgotten who sits here.
    if (wasAway && reachable.value) await whoAmI().catch(() => {});
    return reachable.value ? STREAMS_MS : AWAY_MS;
  });
  void repeat(async () => {
    await refreshSystem();
    return SYSTEM_MS;
  });
  effect(() => {
    // By the account alone: what else changes in the session changes nothing here.
    const account = session.value?.account ?? null;
    void untracked(refreshSystem);
    return account === null ? undefined : listen();
  });
}

/** Calls `once` after the pause that it wants, as long as somebody looks. */
async function repeat(once: () => Promise<number>): Promise<never> {
  for (;;) {
    const pause = document.hidden ? STREAMS_MS : await once();
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

const EVENTS = [
  "stream_started", "stream_stopped", "source_state", "reader_joined", "reader_left", "configuration_changed", "disk_low",
  "mark", "mute", "slate", "address", "board", "load",
];

/** Listens to events until told to stop. */
function listen(): () => void {
  let source: EventSource;
  let again: ReturnType<typeof setTimeout> | undefined;
  const heard = ({ data }: MessageEvent<string>): void => {
    const event = JSON.parse(data) as Event;
    const text = told(event);
    if (text !== null) say(text, isBad(event));
    void refresh();
  };
  const open = (): void => {
    source = new EventSource("/api/v1/events");
    for (const name of EVENTS) source.addEventListener(name, heard);
    source.addEventListener("error", () => {
      // The browser tries again by itself where that makes sense.
      if (source.readyState === EventSource.CLOSED) again = setTimeout(open, LISTEN_AGAIN_MS);
    });
  };
  open();
  return () => {
    clearTimeout(again);
    source.close();
  };
}
