// In the room: pictures, sounds, the bar of buttons, and the panel beside them.

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Gear } from "../gear/gear.ts";
import { Icon, ICONS } from "../parts.tsx";
import { ChatPanel } from "./chat.tsx";
import type { Meeting } from "./meeting.ts";
import { PeoplePanel } from "./people.tsx";
import { Pictures, speakerView } from "./pictures.tsx";
import { Sounds } from "./sounds.tsx";

const panel = signal<"none" | "chat" | "people">("none");

export function Inside({ meeting, gear }: { meeting: Meeting; gear: Gear }) {
  const open = panel.value;
  useEffect(() => {
    meeting.chatOpen.value = open === "chat";
    if (open === "chat") meeting.unread.value = 0;
  }, [open]);
  const toggle = (which: "chat" | "people") => (): void => { panel.value = open === which ? "none" : which; };
  const troubles = Object.values(gear.troubles.value).filter((text) => text !== "");
  return (
    <div class="room" data-panel={open} data-direct={meeting.together.value}>
      {meeting.phase.value === "away" && <p class="away" role="alert"><Icon path={ICONS.wait} />The connection is lost. Coming back…</p>}
      {meeting.broadcast.value !== null && <p class="air" role="status"><Icon path={ICONS.eye} />This room is broadcast</p>}
      <main><h1 class="unseen">{meeting.room}</h1><Pictures meeting={meeting} gear={gear} /></main>
      {open !== "none" && (
        <aside class="panel" aria-label={open === "chat" ? "Chat" : "People"}>
          {open === "chat" ? <ChatPanel meeting={meeting} /> : <PeoplePanel meeting={meeting} />}
        </aside>
      )}
      <div class="notices" role="status" aria-live="polite">
        {meeting.notices.value.map(({ id, text }) => <p key={id}>{text}</p>)}
        {troubles.map((text) => <p key={text}>{text}</p>)}
      </div>
      <Sounds meeting={meeting} />
      <footer>
        <div class="deck" role="toolbar" aria-label="In the room">
          <Microphone meeting={meeting} gear={gear} />
          <Camera gear={gear} />
          <Screen gear={gear} />
          <Switch icon={ICONS.hand} on={meeting.hand.value} changes words={meeting.hand.value ? "Lower hand" : "Raise hand"} act={() => meeting.raise(!meeting.hand.value)} />
          <Switch icon={ICONS.wall} on={speakerView.value} words="Speaker view" wide act={() => { speakerView.value = !speakerView.value; }} />
          <Switch icon={ICONS.chat} on={open === "chat"} words="Chat" act={toggle("chat")} count={meeting.unread.value} />
          <Switch icon={ICONS.people} on={open === "people"} words="People" act={toggle("people")} count={meeting.people.value.length} />
          <button type="button" class="leave" onClick={() => meeting.leave()} title="Leave"><Icon path={ICONS.leave} /><span>Leave</span></button>
        </div>
      </footer>
    </div>
  );
}

interface SwitchProps {
  icon: string;
  /** It shows; said by the words alone where they change with it. */
  on: boolean;
  changes?: boolean;
  words: string;
  act: () => void;
  count?: number;
  disabled?: boolean;
  /** Only where there is room. */
  wide?: boolean;
  off?: boolean;
}

function Switch({ icon, on, changes = false, words, act, count = 0, disabled = false, wide = false, off = false }: SwitchProps) {
  return (
    <button type="button" class={[wide && "wide", off && "off", changes && on && "lit"].filter(Boolean).join(" ")} aria-pressed={changes ? undefined : on} disabled={disabled} title={words} onClick={act}>
      <Icon path={off ? `${icon}M4 4l16 16` : icon} /><span>{words}</span>{count > 0 && <b>{count}</b>}
    </button>
  );
}

function Microphone({ meeting, gear }: { meeting: Meeting; gear: Gear }) {
  const there = gear.microphone.value !== null;
  const off = !there || meeting.muted.value;
  const act = (): void => {
    if (there) meeting.muted.value = !meeting.muted.value;
    else {
      meeting.muted.value = false;
      void gear.choose("microphone", gear.microphones.value[0]?.deviceId ?? "");
    }
  };
  return <Switch icon={ICONS.microphone} on={false} changes off={off} words={off ? "Unmute" : "Mute"} act={act} />;
}

function Camera({ gear }: { gear: Gear }) {
  const off = gear.camera.value === null;
  const act = (): void => {
    if (!off) gear.drop("camera");
    else if (gear.cameraId.value === "none") void gear.choose("camera", gear.cameras.value[0]?.deviceId ?? "");
    else void gear.openCamera();
  };
  return <Switch icon={ICONS.camera} on={false} changes off={off} words={off ? "Camera on" : "Camera off"} act={act} />;
}

function Screen({ gear }: { gear: Gear }) {
  if (navigator.mediaDevices === undefined || !("getDisplayMedia" in navigator.mediaDevices)) return null;
  const on = gear.screen.value !== null;
  return <Switch icon={ICONS.screen} on={on} changes words={on ? "Stop sharing" : "Share screen"} act={() => (on ? gear.drop("screen") : void gear.share())} />;
}
