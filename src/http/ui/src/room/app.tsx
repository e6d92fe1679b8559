// The page of a room: before it, in it, after it.

import type { Gear } from "../gear/gear.ts";
import { Unable } from "../gear/picker.tsx";
import { unable } from "../gear/refusal.ts";
import { Icon, ICONS } from "../parts.tsx";
import { Inside } from "./inside.tsx";
import { Lobby } from "./lobby.tsx";
import type { Meeting } from "./meeting.ts";

export function App({ meeting, gear }: { meeting: Meeting; gear: Gear }) {
  switch (meeting.phase.value) {
    case "in": case "away": return <Inside meeting={meeting} gear={gear} />;
    case "out": return <Out meeting={meeting} />;
    default: return <Lobby meeting={meeting} gear={gear} why={<Why />} />;
  }
}

function Why() {
  const why = unable(isSecureContext, "mediaDevices" in navigator);
  return why === null ? null : <Unable why={why} />;
}

function Out({ meeting }: { meeting: Meeting }) {
  return (
    <main class="door">
      <h1>{meeting.room}</h1>
      <p role="status">{meeting.ending.value}</p>
      <button type="button" class="main" onClick={() => { meeting.phase.value = "lobby"; }}><Icon path={ICONS.back} />Come back</button>
      <a class="button" href="/">To the box’s console</a>
    </main>
  );
}
