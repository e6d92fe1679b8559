// Every stream at a glance.

import { BoxActions, Switched } from "./actions.tsx";
import type { Stream } from "./api.ts";
import { condition, type Kind } from "./condition.ts";
import { bitrate, counted } from "./format.ts";
import { Health } from "./health.tsx";
import { streams } from "./live.ts";
import { Meters } from "./meters.tsx";
import { href } from "./router.ts";
import { Snapshot } from "./snapshot.tsx";
import { Empty, Head, Icon, ICONS } from "./ui.tsx";

export function WallView() {
  const all = streams.value;
  return (
    <>
      <Head title="Streams"><Health /></Head>
      <BoxActions />
      {all?.length === 0 && <Empty title="No stream yet">The configuration names none that you may see.</Empty>}
      <ul class="wall">{all?.map((stream) => <li key={stream.name}><Tile stream={stream} /></li>)}</ul>
    </>
  );
}

function Tile({ stream }: { stream: Stream }) {
  const { name, viewers, pipeline } = stream;
  const now = condition(stream);
  const levels = pipeline?.audio_levels ?? null;
  return (
    <article class="tile" data-kind={now.kind}>
      <a class="over" href={href("streams", name)}><span class="unseen">{name}</span></a>
      <div class="stage">
        <Snapshot name={name} running={now.kind !== "stopped"} />
        <Badge stream={stream} />
        <div class="chips">
          <Switched stream={stream} />
          {viewers > 0 && <span class="chip"><Icon path={ICONS.eye} />{viewers}<span class="unseen"> watching</span></span>}
        </div>
      </div>
      {levels !== null && now.kind !== "stopped" && <Meters levels={levels} />}
      <div class="foot">
        <h2>{name}</h2>
        <p>{now.cause ?? facts(stream)}</p>
      </div>
    </article>
  );
}

const SIGNS: Record<Kind, string> = {
  "live": "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8z", "no-signal": ICONS.alert, "connecting": ICONS.wait, "error": ICONS.alert, "stopped": ICONS.stop,
};

/** The state, in a word, a colour and a shape. `told`: read out when it changes. */
export function Badge({ stream, told = false }: { stream: Stream; told?: boolean }) {
  const { kind, word } = condition(stream);
  return <span class="badge" data-kind={kind} role={told ? "status" : undefined}><Icon path={SIGNS[kind]} />{word}</span>;
}

/** "1280 × 720 · 30 fps · 2.4 Mbit/s" */
export function facts({ tracks, pipeline, viewers, state }: Stream): string {
  if (state === "stopped" || state === "ended") return "Not running";
  const picture = tracks.find(({ width }) => width !== undefined);
  const sound = tracks.filter(({ codec }) => codec !== "h264");
  const sum = tracks.filter(({ codec }) => codec !== "opus").reduce((sum, { measured_bps }) => sum + measured_bps, 0);
  return [
    picture && `${picture.width} × ${picture.height}`,
    pipeline !== null && picture && `${Math.round(pipeline.capture_fps)} fps`,
    sum > 0 && bitrate(sum),
    !picture && sound.length > 0 && "sound only",
    viewers > 0 && counted(viewers, "viewer"),
  ].filter(Boolean).join(" · ") || "Waiting for a picture";
}
