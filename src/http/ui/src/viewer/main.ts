// `/{stream}/`: the page of one stream, which plays it.

import { type StreamInfo, streams } from "../box.ts";
import { ClockOffset, follow } from "../clock.ts";
import { publishStats } from "../stats.ts";
import { StreamView } from "./view.ts";

const LIST_MS = 2_000;
const SHOW_MS = 500;

const name = decodeURIComponent(location.pathname).split("/")[1] ?? "";
const clock = new ClockOffset();
const unknown: StreamInfo = { name, trouble: null, offAir: null, ended: false, size: null };
let look = (): void => {};
// When it plays no more, the box knows why.
const view = new StreamView(unknown, clock, () => look());

document.title = `${name} · capturebox`;
document.querySelector("main")!.append(view.element);
publishStats(() => (view.player.playing ? view.player.stats() : null));
// Playing needn't wait for what the box says about the stream.
view.player.start();
void follow(clock);
setInterval(() => view.tick(), SHOW_MS);
for (;;) {
  const list = document.hidden ? null : await streams();
  if (list !== null) view.update(list.find((info) => info.name === name) ?? unknown);
  await new Promise<void>((resolve) => {
    look = resolve;
    setTimeout(resolve, LIST_MS);
  });
}
