// How the board is, in one line.

import type { System } from "./api.ts";
import { bytes, duration } from "./format.ts";
import { system } from "./live.ts";
import { Icon, ICONS } from "./ui.tsx";

/** Boards hold themselves back from 80 °C. */
const HOT_C = 75;
/** Of the writes that a card is made for. */
const WORN_PERCENT = 90;
/** Less free than this is little. Bytes. */
const LITTLE = 1e9;

export function Health() {
  const now = system.value;
  if (now === null) return null;
  return (
    <dl class="health">
      {readings(now).map(({ icon, name, text, bad }) => (
        <div key={name} class={bad ? "bad" : ""} title={name}><dt><Icon path={icon} /><span class="unseen">{name}</span></dt><dd>{text}</dd></div>
      ))}
    </dl>
  );
}

interface Reading {
  icon: string;
  name: string;
  text: string;
  bad: boolean;
}

export function readings({ version, board }: System): Reading[] {
  const { temperatures, throttling, storage, wear, uptime_s } = board;
  const hottest = temperatures.length === 0 ? null : Math.max(...temperatures.map(({ celsius }) => celsius));
  const held = throttling === null ? null
    : throttling.under_voltage ? "under-voltage" : throttling.now ? "held back" : throttling.since_boot ? "was held back" : "full speed";
  return [
    ...(hottest === null ? [] : [{ icon: ICONS.heat, name: "Temperature", text: `${Math.round(hottest)} °C`, bad: hottest >= HOT_C }]),
    ...(held === null ? [] : [{ icon: ICONS.bolt, name: "Power and throttling", text: held, bad: held !== "full speed" }]),
    ...storage.map(({ path, available_bytes }) => ({
      icon: ICONS.disk, name: `Storage at ${path}`, text: `${bytes(available_bytes)} free`, bad: available_bytes < LITTLE,
    })),
    ...wear.map(({ device, used_percent, near_its_end }) => ({
      icon: ICONS.disk, name: `Life of the card ${device}`, text: `${used_percent} % used`, bad: near_its_end || used_percent >= WORN_PERCENT,
    })),
    ...(uptime_s === null ? [] : [{ icon: ICONS.clock, name: "Switched on for", text: duration(uptime_s), bad: false }]),
    { icon: ICONS.box, name: "Version of capturebox", text: version, bad: false },
  ];
}
