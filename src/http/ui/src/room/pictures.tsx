// Everybody's pictures: a grid that fills the space, or one that stands out and the others beside it.

import { signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Gear } from "../gear/gear.ts";
import { Icon, ICONS } from "../parts.tsx";
import { featured, grid, keyOf, layout, type Tile, tiles } from "./grid.ts";
import type { Meeting } from "./meeting.ts";
import { initials } from "./names.ts";
import type { Quality, Source } from "./protocol.ts";

export const speakerView = signal(false);
const pinned = signal<string | null>(null);

const GAP = 8;
/** The strip beside the one that stands out, px. */
const STRIP = { width: 208, height: 117 };
/** What stands out is shown whole. */
const WHOLE = 16 / 9;
/** Louder than this, dB below full scale, counts as talking. */
const TALKING_DB = 55;

export function Pictures({ meeting, gear }: { meeting: Meeting; gear: Gear }) {
  const box = useRef<HTMLDivElement>(null);
  const [space, setSpace] = useState({ width: 0, height: 0 });
  const [spoke, setSpoke] = useState<string>("");
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => {
      if (entry !== undefined) setSpace({ width: entry.contentRect.width, height: entry.contentRect.height });
    });
    if (box.current !== null) observer.observe(box.current);
    return () => observer.disconnect();
  }, []);
  const me = meeting.welcome.value?.id ?? "";
  const speaker = meeting.speaker.value;
  // Who spoke last stays big while nobody does.
  useEffect(() => {
    if (speaker !== null && speaker !== me) setSpoke(speaker);
  }, [speaker]);

  const mixed = meeting.welcome.value?.mode === "mix";
  const all = tiles(meeting.people.value, me);
  const first = featured(all, pinned.value, speakerView.value ? spoke : null);
  const rest = first === null ? all : all.filter((tile) => tile !== first);
  const cells = grid(all.length, space.width, space.height, GAP);
  const upright = space.height > space.width;
  const strip = rest.length === 0 ? 0 : upright ? STRIP.height : STRIP.width;
  const big = grid(1, space.width - (upright ? 0 : strip + GAP), space.height - (upright ? strip + GAP : 0), 0, WHOLE);

  useEffect(() => {
    if (mixed) return;
    const height = (tile: Tile): number => (first === null ? cells.height : tile === first ? big.height : STRIP.height) * devicePixelRatio;
    meeting.show(layout(all, first, height));
  });

  const draw = (tile: Tile, size: { width: number; height: number }) => <Picture key={keyOf(tile)} tile={tile} size={size} meeting={meeting} gear={gear} />;
  if (mixed) {
    return <div class="pictures" ref={box}><Mixed meeting={meeting} size={grid(1, space.width, space.height, 0, WHOLE)} /></div>;
  }
  if (first === null) {
    return (
      <div class="pictures" ref={box}>
        <ul class="grid" style={{ gridTemplateColumns: `repeat(${cells.columns}, ${cells.width}px)`, gap: `${GAP}px` }}>{all.map((tile) => draw(tile, cells))}</ul>
      </div>
    );
  }
  return (
    <div class={upright ? "pictures upright" : "pictures sideways"} ref={box}>
      <ul class="first">{draw(first, big)}</ul>
      {rest.length > 0 && <ul class="strip">{rest.map((tile) => draw(tile, STRIP))}</ul>}
    </div>
  );
}

/** What carries a picture now. */
function carried(meeting: Meeting, participant: string, source: Source): MediaStream | null {
  if (meeting.together.value) return source === "mix" ? null : meeting.direct.value?.received.value.get(source) ?? null;
  const [mid] = Object.entries(meeting.assigned.value).find(([, on]) => on.participant === participant && on.source === source) ?? [];
  return mid === undefined ? null : meeting.line.value?.received.value.get(mid) ?? null;
}

interface PictureProps {
  tile: Tile;
  size: { width: number; height: number };
  meeting: Meeting;
  gear: Gear;
}

function Picture({ tile, size, meeting, gear }: PictureProps) {
  const { participant: { id, name, audio, hand, here, kind }, participant, source, mine } = tile;
  const own = source === "screen" ? gear.screen.value : gear.camera.value;
  const on = source === "screen" ? participant.screen : participant.video;
  const stream = mine ? null : carried(meeting, id, source);
  const camera = source === "camera";
  const loud = (meeting.levels.value[id] ?? 127) <= TALKING_DB || (meeting.speaker.value === id && !mine);
  const talks = camera && audio && loud;
  const key = keyOf(tile);
  const title = source === "screen" ? `${name}’s screen` : mine ? `${name} (you)` : name;
  const pin = (): void => { pinned.value = pinned.value === key ? null : key; };
  return (
    <li class="tile" data-talks={talks} data-here={here} data-participant={id} data-source={source} style={{ width: `${size.width}px`, height: `${size.height}px` }}>
      <Moving stream={stream} track={mine ? own : null} mirrored={mine && camera} label={title} shown={mine ? own !== null : on && stream !== null} />
      {!(mine ? own !== null : on && stream !== null) && here && <span class="initials" aria-hidden="true">{initials(name)}</span>}
      <button type="button" class="pin" aria-pressed={pinned.value === key} aria-label={`Make ${title} big`} onClick={pin} />
      <p class="plate">
        {camera && !audio && <span class="sign" role="img" aria-label="muted"><Icon path={`${ICONS.microphone}M4 4l16 16`} /></span>}
        <span class="name">{title}</span>
        {camera && talks && <span class="unseen"> is talking</span>}
        {camera && kind === "person" && <Bars quality={meeting.quality.value[id]} />}
      </p>
      {camera && hand && <span class="hand" role="img" aria-label="raises a hand"><Icon path={ICONS.hand} /></span>}
      {!here && <p class="gone">Lost the connection</p>}
    </li>
  );
}

const BARS: Record<Quality, { filled: number; words: string }> = {
  good: { filled: 3, words: "good connection" }, fair: { filled: 2, words: "fair connection" }, poor: { filled: 1, words: "poor connection" },
};

function Bars({ quality }: { quality: Quality | undefined }) {
  if (quality === undefined) return null;
  const { filled, words } = BARS[quality];
  return <span class="bars" role="img" aria-label={words} title={words} data-quality={quality}>{[1, 2, 3].map((bar) => <i data-filled={bar <= filled} />)}</span>;
}

interface MovingProps {
  stream: MediaStream | null;
  track: MediaStreamTrack | null;
  mirrored: boolean;
  label: string;
  shown: boolean;
}

function Moving({ stream, track, mirrored, label, shown }: MovingProps) {
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    if (video.current === null) return;
    video.current.srcObject = stream ?? (track === null ? null : new MediaStream([track]));
    if (video.current.srcObject !== null) video.current.play().catch(() => {});
  }, [stream, track]);
  return <video ref={video} class={mirrored ? "mirrored" : ""} hidden={!shown} muted autoplay playsInline aria-label={label} />;
}

function Mixed({ meeting, size }: { meeting: Meeting; size: { width: number; height: number } }) {
  const stream = carried(meeting, "room", "mix");
  return (
    <ul class="first">
      <li class="tile" data-participant="room" data-source="mix" style={{ width: `${size.width}px`, height: `${size.height}px` }}>
        <Moving stream={stream} track={null} mirrored={false} label="Everybody in the room" shown={stream !== null} />
        {stream === null && <p class="nothing">The picture of the room is coming.</p>}
      </li>
    </ul>
  );
}
