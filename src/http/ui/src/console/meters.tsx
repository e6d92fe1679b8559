// Sound meters: the mean level as a bar, the peak as a mark, −60 to 0 dBFS.

import { useEffect, useRef } from "preact/hooks";
import type { Level } from "./api.ts";

const FLOOR_DB = -60;
/** How fast bar and mark come down, dB a second. */
const BAR_FALL = 40;
const MARK_FALL = 15;

/** Of the meter's length, 0 to 1. */
export function share(dbfs: number): number {
  return Math.min(1, Math.max(0, 1 - dbfs / FLOOR_DB));
}

/** Rises at once, comes down slowly. */
export function fallen(shown: number, wanted: number, db_a_second: number, seconds: number): number {
  return Math.max(wanted, shown - db_a_second * seconds);
}

function names(count: number): string[] {
  return count === 1 ? ["Sound"] : count === 2 ? ["Left", "Right"] : Array.from({ length: count }, (_, index) => `Channel ${index + 1}`);
}

export function Meters({ levels }: { levels: Level[] }) {
  return <div class="meters">{names(levels.length).map((name, index) => <Meter key={name} name={name} level={levels[index]!} />)}</div>;
}

function Meter({ name, level }: { name: string; level: Level }) {
  const bar = useRef<HTMLDivElement>(null);
  const mark = useRef<HTMLDivElement>(null);
  const wanted = useRef(level);
  wanted.current = level;

  useEffect(() => {
    const still = matchMedia("(prefers-reduced-motion: reduce)");
    const shown = { peak: FLOOR_DB, rms: FLOOR_DB };
    let last = performance.now();
    let frame = requestAnimationFrame(function draw(now) {
      const seconds = still.matches ? Infinity : (now - last) / 1000;
      last = now;
      shown.rms = fallen(shown.rms, wanted.current.rms_dbfs, BAR_FALL, seconds);
      shown.peak = fallen(shown.peak, wanted.current.peak_dbfs, MARK_FALL, seconds);
      bar.current?.style.setProperty("--level", share(shown.rms).toFixed(3));
      mark.current?.style.setProperty("--level", share(shown.peak).toFixed(3));
      frame = requestAnimationFrame(draw);
    });
    return () => cancelAnimationFrame(frame);
  }, []);

  const { peak_dbfs: peak, rms_dbfs: rms } = level;
  return (
    <div class="meter" role="meter" aria-label={`${name} level`} aria-valuemin={FLOOR_DB} aria-valuemax={0}
      aria-valuenow={Math.round(Math.max(FLOOR_DB, rms))} aria-valuetext={`${Math.round(rms)} dBFS, peak ${Math.round(peak)} dBFS`}>
      <div class={peak > -1 ? "bar over" : "bar"} ref={bar} />
      <div class="mark" ref={mark} />
    </div>
  );
}
