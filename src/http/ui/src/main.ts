// `/`: every stream, the first one playing. `/{stream}/`: that one.

import { streams, type StreamInfo } from "./box.ts";
import { ClockOffset, follow } from "./clock.ts";
import type { PlayerStats } from "./player.ts";
import { make, StreamView } from "./view.ts";

declare global {
  interface Window {
    /** How playback goes, for tests and the curious: the stream that plays. */
    readonly captureboxStats: PlayerStats | null;
  }
}

const LIST_MS = 2_000;
const SHOW_MS = 500;

const alone = decodeURIComponent(location.pathname).split("/")[1] || null;
const main = document.querySelector("main")!;
const clock = new ClockOffset();
const views = new Map<string, StreamView>();

function playing(): StreamView | undefined {
  return [...views.values()].find(({ player }) => player.playing);
}

function add(info: StreamInfo): void {
  const view = new StreamView(info, clock, alone !== null, (starting) => {
    for (const other of views.values()) if (other !== starting) other.player.stop();
  });
  views.set(info.name, view);
  main.append(view.element);
  if (playing() === undefined) view.start();
}

function show(list: StreamInfo[]): void {
  for (const info of list.filter(({ name }) => alone === null || name === alone)) {
    const view = views.get(info.name);
    if (view === undefined) add(info);
    else view.update(info);
  }
  for (const [name, view] of views) {
    if (name !== alone && !list.some((info) => info.name === name)) {
      view.player.stop();
      view.element.remove();
      views.delete(name);
    }
  }
  main.classList.toggle("alone", alone !== null);
  const empty = main.querySelector(".empty");
  if (views.size === 0 && empty === null) main.append(make("p", { className: "empty" }, "No stream is running."));
  if (views.size > 0) empty?.remove();
}

Object.defineProperty(window, "captureboxStats", { get: () => playing()?.player.stats() ?? null });
if (alone !== null) document.title = `${alone} · capturebox`;
setInterval(() => views.forEach((view) => view.tick()), SHOW_MS);
void follow(clock);

// The stream's own page needn't wait for the list to start playing.
if (alone !== null) add({ name: alone, trouble: null, size: null });
for (;;) {
  const list = document.hidden ? null : await streams();
  if (list !== null) show(list);
  await new Promise((resolve) => setTimeout(resolve, LIST_MS));
}
