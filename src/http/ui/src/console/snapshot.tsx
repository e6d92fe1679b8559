// A stream's newest picture, asked for once a second while somebody can see it.

import { useEffect, useRef, useState } from "preact/hooks";
import { Icon, ICONS } from "./ui.tsx";

const PAUSE_MS = 1_000;
const PATIENCE_MS = 5_000;
/** Requests at a time of the whole page: over HTTP/1.1 a browser has six connections to a host. */
const AT_A_TIME = 2;

let busy = 0;
const queue: (() => void)[] = [];

/** Waits for its turn. */
async function inTurn<T>(run: () => Promise<T>): Promise<T> {
  if (busy >= AT_A_TIME) await new Promise<void>((resolve) => queue.push(resolve));
  busy += 1;
  try {
    return await run();
  } finally {
    busy -= 1;
    queue.shift()?.();
  }
}

export function Snapshot({ name, running }: { name: string; running: boolean }) {
  const frame = useRef<HTMLDivElement>(null);
  const [picture, setPicture] = useState<string | null>(null);

  useEffect(() => {
    if (!running) return undefined;
    let gone = false;
    let seen = true;
    const observer = new IntersectionObserver(([entry]) => { seen = entry?.isIntersecting ?? true; });
    observer.observe(frame.current!);
    let shown: string | null = null;
    let tag: string | null = null;
    const ask = async (): Promise<void> => {
      if (gone) return;
      const signal = AbortSignal.timeout(PATIENCE_MS);
      // The browser keeps the picture and asks with its tag: an unchanged one isn't sent again.
      const answer = await fetch(`/api/v1/streams/${name}/snapshot.jpg`, { cache: "no-cache", signal });
      const newTag = answer.headers.get("etag");
      if (!answer.ok || (newTag !== null && newTag === tag)) return;
      const blob = await answer.blob();
      if (gone) return;
      const next = URL.createObjectURL(blob);
      const old = shown;
      [shown, tag] = [next, newTag];
      setPicture(next);
      // Once the new one stands there.
      if (old !== null) setTimeout(() => URL.revokeObjectURL(old), PAUSE_MS);
    };
    void (async () => {
      while (!gone) {
        // The next one may come better.
        if (seen && !document.hidden) await inTurn(ask).catch(() => {});
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
      if (shown !== null) URL.revokeObjectURL(shown);
    })();
    return () => {
      gone = true;
      observer.disconnect();
      setPicture(null);
    };
  }, [name, running]);

  return (
    <div class="snapshot" ref={frame}>
      {picture === null ? <Icon path={ICONS.camera} /> : <img src={picture} alt={`What ${name} shows now`} decoding="async" />}
    </div>
  );
}
