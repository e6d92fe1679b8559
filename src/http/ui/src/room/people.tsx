// Who is here, how others come in, and what a host may.

import { useState } from "preact/hooks";
import { Field, Icon, ICONS } from "../parts.tsx";
import type { Meeting } from "./meeting.ts";
import type { Participant } from "./protocol.ts";

export function PeoplePanel({ meeting }: { meeting: Meeting }) {
  const welcome = meeting.welcome.value;
  if (welcome === null) return null;
  const people = meeting.people.value;
  return (
    <>
      <h2>People</h2>
      <ul class="people">{people.map((person) => <Person key={person.id} person={person} meeting={meeting} host={welcome.host} mine={person.id === welcome.id} />)}</ul>
      {meeting.together.value && <p class="quiet">Picture and sound go directly between you two, past the box.</p>}
      <Copied address={`${location.origin}/rooms/${meeting.room}`} words="Copy the room’s address" />
      {/* Boxes without a mixer say nothing of it. */}
      {welcome.broadcast !== undefined && <Broadcast meeting={meeting} host={welcome.host} />}
      {welcome.host && <Cameras meeting={meeting} streams={welcome.streams} people={people} />}
      {welcome.host && <Lock meeting={meeting} />}
    </>
  );
}

function Person({ person: { id, name, kind, host, hand, audio, here }, meeting, host: mayHost, mine }: { person: Participant; meeting: Meeting; host: boolean; mine: boolean }) {
  const about = [mine && "you", host && "host", kind === "camera" && "camera of the box", !here && "away", hand && "raises a hand"].filter(Boolean).join(", ");
  return (
    <li>
      <span class="name">{name}{about !== "" && <small>{about}</small>}</span>
      {mayHost && !mine && kind === "person" && (
        <>
          <button type="button" class="bare" disabled={!audio} aria-label={`Mute ${name}`} title="Mute" onClick={() => meeting.command({ type: "mute", participant: id })}>
            <Icon path={audio ? ICONS.microphone : `${ICONS.microphone}M4 4l16 16`} />
          </button>
          <Remove name={name} act={() => meeting.command({ type: "remove", participant: id })} />
        </>
      )}
    </li>
  );
}

/** Asks once more. */
function Remove({ name, act }: { name: string; act: () => void }) {
  const [sure, setSure] = useState(false);
  return sure
    ? <button type="button" class="danger" onClick={act} onBlur={() => setSure(false)}>Really remove<span class="unseen"> {name}</span></button>
    : <button type="button" class="bare" aria-label={`Remove ${name}`} title="Remove" onClick={() => setSure(true)}><Icon path={ICONS.cross} /></button>;
}

function Copied({ address, words }: { address: string; words: string }) {
  const [done, setDone] = useState(false);
  const copy = async (): Promise<void> => {
    if (navigator.share !== undefined && /Mobi/.test(navigator.userAgent)) return navigator.share({ url: address }).catch(() => {});
    await navigator.clipboard.writeText(address);
    setDone(true);
    setTimeout(() => setDone(false), 2_000);
  };
  return <button type="button" onClick={() => void copy()}><Icon path={ICONS.copy} /><span aria-live="polite">{done ? "Copied" : words}</span></button>;
}

/** The room as a stream of the box: others watch, who aren't in it. */
function Broadcast({ meeting, host }: { meeting: Meeting; host: boolean }) {
  const [layout, setLayout] = useState<"grid" | "speaker">("grid");
  const stream = meeting.broadcast.value;
  if (stream === null && !host) return null;
  return (
    <section>
      <h3>Broadcast</h3>
      {stream === null
        ? <p class="quiet">Shows and plays the room to those who aren’t in it, as a stream of the box.</p>
        : <p class="row"><a class="button" href={`/${stream}/`} target="_blank" rel="noreferrer"><Icon path={ICONS.open} />Watch</a><Copied address={`${location.origin}/${stream}/`} words="Copy its address" /></p>}
      {host && (
        <div class="beside">
          {stream === null && (
            <select aria-label="How it shows the room" value={layout} onChange={(event) => setLayout(event.currentTarget.value === "speaker" ? "speaker" : "grid")}>
              <option value="grid">Grid</option>
              <option value="speaker">Speaker</option>
            </select>
          )}
          <button type="button" class={stream === null ? "" : "danger"} onClick={() => meeting.command(stream === null ? { type: "broadcast", on: true, layout } : { type: "broadcast", on: false })}>
            <Icon path={stream === null ? ICONS.share : ICONS.stop} />{stream === null ? "Broadcast" : "Stop the broadcast"}
          </button>
        </div>
      )}
    </section>
  );
}

function Cameras({ meeting, streams, people }: { meeting: Meeting; streams: string[]; people: Participant[] }) {
  if (streams.length === 0) return null;
  return (
    <section>
      <h3>Cameras of the box</h3>
      <div class="row">
        {streams.map((stream) => {
          const here = people.some(({ kind, name }) => kind === "camera" && name === stream);
          return (
            <button type="button" aria-pressed={here} onClick={() => meeting.command({ type: here ? "dismiss" : "bring", stream })}>
              <Icon path={ICONS.camera} />{stream}<span class="unseen">{here ? ": is in the room" : ": bring in"}</span>
            </button>
          );
        })}
      </div>
    </section>
  );
}

function Lock({ meeting }: { meeting: Meeting }) {
  const [password, setPassword] = useState("");
  const lock = (event: SubmitEvent): void => {
    event.preventDefault();
    meeting.command({ type: "lock", password });
    setPassword("");
  };
  if (meeting.locked.value) {
    return <button type="button" onClick={() => meeting.command({ type: "lock", password: null })}><Icon path={ICONS.lock} />Take the password off</button>;
  }
  return (
    <form onSubmit={lock}>
      <Field label="Password for those who come from now on">
        {(props) => (
          <div class="beside">
            <input {...props} value={password} autocomplete="off" onInput={(event) => setPassword(event.currentTarget.value)} />
            <button type="submit" disabled={password === ""}>Lock</button>
          </div>
        )}
      </Field>
    </form>
  );
}
