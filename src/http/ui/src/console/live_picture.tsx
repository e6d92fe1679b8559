// The chosen stream, live: the player around a video element, fetched when it is first needed.

import { useEffect, useRef, useState } from "preact/hooks";
import type { Player } from "../player.ts";
import { type PlayerState, publishStats } from "../stats.ts";
import { Icon, ICONS } from "./ui.tsx";

const SHOW_MS = 500;

const WORDS: Record<PlayerState, string> = {
  "starting": "Starting", "live": "", "reconnecting": "Reconnecting", "tap to play": "", "off air": "Not running", "stopped": "Not running",
};

export function LivePicture({ name, runs, note }: { name: string; runs: boolean; note: string | null }) {
  const video = useRef<HTMLVideoElement>(null);
  const stage = useRef<HTMLDivElement>(null);
  const player = useRef<Player | null>(null);
  const [state, setState] = useState<PlayerState>("stopped");
  const [latency, setLatency] = useState<number | null>(null);
  const [muted, setMuted] = useState(true);

  useEffect(() => {
    if (!runs) return undefined;
    let gone = false;
    void (async () => {
      const { Player, sharedClock } = await import("./playback.ts");
      if (gone || video.current === null) return;
      player.current = new Player(name, video.current, sharedClock(), setState);
      publishStats(() => player.current?.stats() ?? null);
      player.current.start();
    })();
    const ticker = setInterval(() => setLatency(player.current?.stats().latencyMs ?? null), SHOW_MS);
    return () => {
      gone = true;
      clearInterval(ticker);
      player.current?.stop();
      player.current = null;
      publishStats(() => null);
      setLatency(null);
    };
  }, [name, runs]);

  const words = note ?? WORDS[state];
  const fullScreen = (): void => {
    const element = video.current as HTMLVideoElement & { webkitEnterFullscreen?: () => void };
    if (document.fullscreenElement) void document.exitFullscreen();
    else if (stage.current?.requestFullscreen) void stage.current.requestFullscreen();
    else element.webkitEnterFullscreen?.();
  };
  const sound = (): void => {
    video.current!.muted = !muted;
    setMuted(!muted);
  };
  return (
    <div class="stage player" ref={stage} data-state={state}>
      <video ref={video} muted autoplay playsInline aria-label={`Live picture of ${name}`} />
      {words !== "" && <p class="note" role="status">{words}</p>}
      {state === "tap to play" && (
        <button type="button" class="main centre" onClick={() => void video.current?.play()}><Icon path={ICONS.play} />Play</button>
      )}
      {state !== "stopped" && (
        <div class="over-picture">
          <button type="button" onClick={sound} aria-pressed={!muted}>
            <Icon path={muted ? "M4 9v6h4l5 4V5L8 9zM16 9l5 6M21 9l-5 6" : "M4 9v6h4l5 4V5L8 9zM16 9a4 4 0 0 1 0 6M18.500 6.500a8 8 0 0 1 0 11"} />
            {muted ? "Sound on" : "Sound off"}
          </button>
          {latency !== null && <span class="chip">{latency} ms behind</span>}
          <button type="button" onClick={fullScreen} aria-label="Full screen" title="Full screen">
            <Icon path="M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5" />
          </button>
        </div>
      )}
    </div>
  );
}
