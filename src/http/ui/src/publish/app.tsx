// The publishing page: preview and devices, one big button, and how it goes.

import { effect, signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { bitrate } from "../console/format.ts";
import { stayAwake } from "../gear/awake.ts";
import { Gear } from "../gear/gear.ts";
import { Level } from "../gear/level.tsx";
import { Picker, Unable } from "../gear/picker.tsx";
import { isQuality, QUALITIES, type Quality } from "../gear/quality.ts";
import { unable } from "../gear/refusal.ts";
import { remember, remembered } from "../memory.ts";
import { Field, Icon, ICONS } from "../parts.tsx";
import { pageToken } from "../rtc/whip.ts";
import { Sending, type SendState } from "./sending.ts";

const saved = remembered("quality");
const quality = signal<Quality>(isQuality(saved) ? saved : "standard");
const muted = signal(false);
const token = signal(pageToken() ?? "");
const now = signal(Date.now());

export function App({ stream, gear, sending }: { stream: string; gear: Gear; sending: Sending }) {
  const why = unable(isSecureContext, "mediaDevices" in navigator);
  return (
    <main>
      <div class="top">
        <h1>{stream}</h1>
        <Status sending={sending} />
      </div>
      {why !== null ? <Unable why={why} /> : (
        <div class="studio">
          <section aria-label="Preview"><Preview gear={gear} sending={sending} /></section>
          <section class="card" aria-label="What goes out"><Devices gear={gear} sending={sending} /></section>
        </div>
      )}
      <p class="links quiet">
        <a href={`/${stream}/`}>Watch this stream</a>
        <a href="/">The box’s console</a>
      </p>
    </main>
  );
}

const WORDS: Record<SendState, string> = { off: "Not live", connecting: "Connecting", live: "Live", reconnecting: "Reconnecting" };

function Status({ sending }: { sending: Sending }) {
  const state = sending.state.value;
  return <span class="badge" data-state={state} role="status">{WORDS[state]}</span>;
}

function Preview({ gear, sending }: { gear: Gear; sending: Sending }) {
  const video = useRef<HTMLVideoElement>(null);
  const track = gear.screen.value ?? gear.camera.value;
  useEffect(() => {
    if (video.current !== null) video.current.srcObject = track === null ? null : new MediaStream([track]);
  }, [track]);
  // People expect a mirror of the camera that looks at them; it goes out as it is.
  const mirrored = track === gear.camera.value && track?.getSettings().facingMode === "user";
  const live = sending.state.value !== "off";
  return (
    <>
      <div class="stage">
        <video ref={video} class={mirrored ? "mirrored" : ""} muted autoplay playsInline aria-label="What your camera or screen shows" />
        {track === null && <p class="nothing">{gear.asking.value ? "The browser asks whether this page may use camera and microphone." : "No picture"}</p>}
      </div>
      <Level track={muted.value ? null : gear.microphone.value} label="How loud your microphone is" />
      <div class="deck">
        {live
          ? <button type="button" class="danger big" onClick={() => sending.stop()}><Icon path={ICONS.stop} />Stop</button>
          : <button type="button" class="main big" disabled={track === null && gear.microphone.value === null} onClick={() => sending.start()}>
              <Icon path={ICONS.share} />Go live
            </button>}
        <button type="button" aria-pressed={muted.value} disabled={gear.microphone.value === null} onClick={() => { muted.value = !muted.value; }}>
          <Icon path={muted.value ? `${ICONS.microphone}M4 4l16 16` : ICONS.microphone} />Mute
        </button>
        <Screen gear={gear} />
      </div>
      <Numbers sending={sending} />
      <Refusal sending={sending} />
    </>
  );
}

function Screen({ gear }: { gear: Gear }) {
  // Phones can't.
  if (!("getDisplayMedia" in navigator.mediaDevices)) return null;
  const shared = gear.screen.value !== null;
  return (
    <button type="button" class={shared ? "lit" : ""} onClick={() => (shared ? gear.drop("screen") : void gear.share())}>
      <Icon path={ICONS.screen} />{shared ? "Stop sharing" : "Share screen"}
    </button>
  );
}

const HELD: Record<string, string> = {
  bandwidth: "The network holds the picture back.",
  cpu: "This device is too busy for more.",
};

/** Browsers begin small, and find out. */
const SETTLES_S = 10;

function Numbers({ sending }: { sending: Sending }) {
  const out = sending.outgoing.value;
  const since = sending.liveSince.value;
  if (since === null) return null;
  const seconds = Math.max(0, Math.floor((now.value - since) / 1000));
  const time = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  const facts = out === null ? [] : [bitrate(out.bps), out.size, out.fps > 0 && `${out.fps} fps`, out.lost >= 0.02 && `${Math.round(out.lost * 100)} % lost`];
  return (
    <p class="numbers">
      <span>{[time, ...facts].filter(Boolean).join(" · ")}</span>
      {out !== null && seconds > SETTLES_S && HELD[out.held] !== undefined && <span class="quiet">{HELD[out.held]}</span>}
    </p>
  );
}

function Refusal({ sending }: { sending: Sending }) {
  const refusal = sending.refusal.value;
  if (refusal === null) return null;
  const again = (event: SubmitEvent): void => {
    event.preventDefault();
    sending.start();
  };
  return (
    <div class="alert" role="alert">
      <Icon path={ICONS.alert} />
      <div>
        <p>{refusal.words}</p>
        {refusal.asks && (
          <form onSubmit={again}>
            <Field label="Token">
              {(props) => <input {...props} value={token.value} autocomplete="off" spellcheck={false} onInput={(event) => { token.value = event.currentTarget.value.trim(); }} />}
            </Field>
            <button type="submit" class="main" disabled={token.value === ""}>Try with it</button>
            <a class="button" href="/#/sign-in">Sign in</a>
          </form>
        )}
      </div>
    </div>
  );
}

function Devices({ gear, sending }: { gear: Gear; sending: Sending }) {
  const turn = (next: string): void => {
    if (!isQuality(next)) return;
    quality.value = next;
    remember("quality", next);
    void gear.aimAt(QUALITIES[next]).then(() => sending.aimAt(QUALITIES[next]));
  };
  return (
    <>
      <Picker gear={gear} device="camera" label="Camera" none="No picture" />
      <Picker gear={gear} device="microphone" label="Microphone" none="No sound" />
      {gear.troubles.value.screen && <p class="quiet" role="alert">{gear.troubles.value.screen}</p>}
      <Field label="Quality">
        {(props) => (
          <select {...props} value={quality.value} onChange={(event) => turn(event.currentTarget.value)}>
            {Object.entries(QUALITIES).map(([name, { words }]) => <option key={name} value={name}>{words}</option>)}
          </select>
        )}
      </Field>
      <label class="tick">
        <input type="checkbox" checked={gear.music.value} onChange={(event) => void gear.makeMusic(event.currentTarget.checked)} />
        <span>Music: leave the sound as it is<small>Without the browser’s clean-up for speech. Use headphones.</small></span>
      </label>
    </>
  );
}

/** Gear and sender of the page, tied together. */
export function assemble(stream: string): { gear: Gear; sending: Sending } {
  const gear = new Gear(QUALITIES[quality.peek()]);
  const tracks = () => ({ video: gear.screen.value ?? gear.camera.value, audio: gear.microphone.value });
  const sending = new Sending(`/${stream}/whip`, tracks(), QUALITIES[quality.peek()], () => token.value || null);
  effect(() => void sending.use(tracks()));
  effect(() => {
    if (gear.microphone.value !== null) gear.microphone.value.enabled = !muted.value;
  });
  stayAwake(() => sending.state.value !== "off");
  setInterval(() => { now.value = Date.now(); }, 1_000);
  return { gear, sending };
}
