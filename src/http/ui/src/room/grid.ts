// How tiles fill a space, and which pictures to ask for. Pure.

import { MAX_SHOWN, type Participant, type Shown, type Source } from "./protocol.ts";

export interface Grid {
  columns: number;
  /** Of one tile, px. */
  width: number;
  height: number;
}

/** Tiles are as wide as cameras' pictures, or as narrow as a square: faces are in the middle. */
const [NARROW, WIDE] = [1, 16 / 9];

/** The biggest tiles of which `count` fit into the space. */
export function grid(count: number, width: number, height: number, gap: number, narrowest = NARROW): Grid {
  let best: Grid = { columns: 1, width: 0, height: 0 };
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const wide = Math.max(0, (width - gap * (columns - 1)) / columns);
    const high = Math.max(0, (height - gap * (rows - 1)) / rows);
    const tile = { columns, width: Math.floor(Math.min(wide, high * WIDE)), height: Math.floor(Math.min(high, wide / narrowest)) };
    if (tile.width * tile.height > best.width * best.height) best = tile;
  }
  return best;
}

/** A picture in the room, or the place of one. */
export interface Tile {
  participant: Participant;
  source: Source;
  mine: boolean;
}

export const keyOf = ({ participant, source }: { participant: { id: string } | string; source: Source }): string =>
  `${typeof participant === "string" ? participant : participant.id}/${source}`;

/** Everybody has a tile; who shares a screen has two. Others come before me. */
export function tiles(people: readonly Participant[], me: string): Tile[] {
  const of = (participant: Participant): Tile[] => {
    const mine = participant.id === me;
    const camera: Tile = { participant, source: "camera", mine };
    return participant.screen ? [{ participant, source: "screen", mine }, camera] : [camera];
  };
  return [...people.filter(({ id }) => id !== me), ...people.filter(({ id }) => id === me)].flatMap(of);
}

/** The tile that stands out: what I pinned, a shared screen, and in the speaker view who speaks, or spoke last. */
export function featured(all: readonly Tile[], pinned: string | null, speaks: string | null): Tile | null {
  const others = all.filter(({ mine }) => !mine);
  return all.find((tile) => keyOf(tile) === pinned)
    ?? others.find(({ source }) => source === "screen")
    ?? (speaks === null ? null : others.find(({ participant, source }) => source === "camera" && participant.id === speaks) ?? others[0] ?? null);
}

/** What to ask the box for: `heights` says how high each tile is, in pixels of the screen. */
export function layout(all: readonly Tile[], first: Tile | null, heights: (tile: Tile) => number): Shown[] {
  const sends = ({ participant, source }: Tile): boolean => (source === "screen" ? participant.screen : participant.video);
  return [...all]
    .sort((a, b) => Number(b === first) - Number(a === first))
    .filter((tile) => !tile.mine && sends(tile) && heights(tile) > 0)
    .slice(0, MAX_SHOWN)
    .map((tile) => ({ participant: tile.participant.id, source: tile.source, height: Math.round(heights(tile)) }));
}
