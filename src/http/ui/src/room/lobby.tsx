// Before the room: who I am, how I look and sound, and the way in.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { useEffect, useRef } from "preact/hooks";
import type { Gear } from "../gear/gear.ts";
import { Level } from "../gear/level.tsx";
import { Picker } from "../gear/picker.tsx";
import { remember, remembered } from "../memory.ts";
import { Field, Icon, ICONS } from "../parts.tsx";
import type { Meeting } from "./meeting.ts";
import { MAX_NAME } from "./protocol.ts";

export function Lobby({ meeting, gear, why }: { meeting: Meeting; gear: Gear; why: ComponentChildren }) {
  const [name, setName] = useState(remembered("name") ?? "");
  const [password, setPassword] = useState("");
  const [hostPassword, setHostPassword] = useState("");
  const [host, setHost] = useState(false);
  const question = meeting.question.value;
  const joining = meeting.phase.value === "joining";
  const error = (code: string): string | undefined => (question?.code === code ? question.words : undefined);
  const join = (event: SubmitEvent): void => {
    event.preventDefault();
    remember("name", name.trim());
    meeting.join({ name: name.trim(), password, hostPassword: host ? hostPassword : "" });
  };
  return (
    <main class="lobby">
      <section aria-label="How you look and sound">
        <SelfView gear={gear} />
        <Level track={meeting.muted.value ? null : gear.microphone.value} label="How loud your microphone is" />
        {why}
      </section>
      <form class="card" onSubmit={join}>
        <h1>{meeting.room}</h1>
        <Field label="Your name" error={error("name")}>
          {(props) => <input {...props} value={name} maxLength={MAX_NAME} autocomplete="name" required onInput={(event) => setName(event.currentTarget.value)} />}
        </Field>
        {(error("password") !== undefined || password !== "") && (
          <Field label="The room’s password" error={error("password")}>
            {(props) => <input {...props} type="password" value={password} autocomplete="off" onInput={(event) => setPassword(event.currentTarget.value)} />}
          </Field>
        )}
        <Picker gear={gear} device="camera" label="Camera" none="No picture" />
        <Picker gear={gear} device="microphone" label="Microphone" none="Only listen" />
        <label class="tick">
          <input type="checkbox" checked={host} onChange={(event) => setHost(event.currentTarget.checked)} />
          <span>I am the host</span>
        </label>
        {host && (
          <Field label="Host’s password" error={error("host_password")}>
            {(props) => <input {...props} type="password" value={hostPassword} autocomplete="off" onInput={(event) => setHostPassword(event.currentTarget.value)} />}
          </Field>
        )}
        {question !== null && !["name", "password", "host_password"].includes(question.code) && (
          <p class="alert" role="alert"><Icon path={ICONS.alert} />{question.words}</p>
        )}
        <button type="submit" class="main big" disabled={joining || name.trim() === ""} aria-busy={joining}>{joining ? "Coming in…" : "Come in"}</button>
      </form>
    </main>
  );
}

function SelfView({ gear }: { gear: Gear }) {
  const video = useRef<HTMLVideoElement>(null);
  const track = gear.camera.value;
  useEffect(() => {
    if (video.current !== null) video.current.srcObject = track === null ? null : new MediaStream([track]);
  }, [track]);
  return (
    <div class="stage">
      <video ref={video} class="mirrored" muted autoplay playsInline aria-label="What your camera shows" />
      {track === null && <p class="nothing">{gear.asking.value ? "The browser asks whether this page may use camera and microphone." : "No picture: others see your name."}</p>}
    </div>
  );
}
