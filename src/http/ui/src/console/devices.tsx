// What is attached: cameras, HDMI inputs, microphones, encoders; and the line of configuration that takes each.

import { useEffect, useState } from "preact/hooks";
import { type Devices, get, type Microphone, type VideoInput, words } from "./api.ts";
import { say } from "./notices.ts";
import { Action, Card, Copied, Empty, Field, Head } from "./ui.tsx";

export function DevicesView() {
  const [devices, setDevices] = useState<Devices | null>(null);
  const look = async (): Promise<void> => setDevices(await get<Devices>("/devices"));
  useEffect(() => void look().catch((error: unknown) => say(words(error), true)), []);
  return (
    <>
      <Head title="Devices"><Action run={look}>Look again</Action></Head>
      {devices !== null && <Listed devices={devices} />}
    </>
  );
}

function Listed({ devices: { cameras, hdmi_inputs, microphones, encoders, unreadable } }: { devices: Devices }) {
  if ([cameras, hdmi_inputs, microphones, encoders, unreadable].every(({ length }) => length === 0)) {
    return <Empty title="Nothing is attached">Plug a camera, an HDMI bridge or a microphone in, and look again.</Empty>;
  }
  return (
    <div class="cards">
      {cameras.map((input) => <Video key={input.path} input={input} what="Camera" />)}
      {hdmi_inputs.map((input) => <Video key={input.path} input={input} what="HDMI input" />)}
      {microphones.map((microphone) => <Sound key={microphone.device} microphone={microphone} />)}
      {encoders.map(({ name, path, makes, takes }) => (
        <Card key={path} title={name}>
          <p class="quiet">Hardware encoder · <code>{path}</code></p>
          <dl class="facts">
            <div><dt>Makes</dt><dd>{makes.join(", ")}</dd></div>
            <div><dt>Takes</dt><dd>{takes.join(", ")}</dd></div>
          </dl>
        </Card>
      ))}
      {unreadable.length > 0 && (
        <Card title="Can't be read">
          <dl class="facts">{unreadable.map(({ path, reason }) => <div key={path}><dt><code>{path}</code></dt><dd>{reason}</dd></div>)}</dl>
        </Card>
      )}
    </div>
  );
}

/** The line for the configuration. `rate` is one that the camera lists, or "" for what it likes. */
export function videoLine(device: string, mode: { format: string; size: string } | undefined, rate: string): string {
  const fps = rate === "" ? "" : `, fps = ${/^\d+$/.test(rate) ? rate : `"${rate}"`}`;
  // Some take any size from one to another; of those they choose.
  const size = mode !== undefined && /^\d+x\d+$/.test(mode.size) ? `, size = "${mode.size}"` : "";
  const chosen = mode === undefined ? "" : `, format = "${mode.format}"${size}${fps}`;
  return `video = { source = "v4l2", device = "${device}"${chosen} }`;
}

function Video({ input: { name, path, stable_path, driver, modes, signal }, what }: { input: VideoInput; what: string }) {
  const [mode, setMode] = useState(0);
  const [rate, setRate] = useState("");
  const chosen = modes[mode];
  const rates = chosen?.rates.match(/\d+(\/\d+)?(\.\d+)?/g) ?? [];
  return (
    <Card title={name}>
      <p class="quiet">{what} · <code>{path}</code> · {driver}</p>
      {signal !== null && <p>On the cable: {signal}</p>}
      {modes.length > 0 && (
        <div class="row">
          <Field label="Format and size">
            {(props) => (
              <select {...props} value={mode} onChange={(event) => { setMode(Number(event.currentTarget.value)); setRate(""); }}>
                {modes.map(({ format, size }, index) => <option key={`${format} ${size}`} value={index}>{size.replace("x", " × ")} · {format}</option>)}
              </select>
            )}
          </Field>
          <Field label="Pictures a second">
            {(props) => (
              <select {...props} value={rate} onChange={(event) => setRate(event.currentTarget.value)}>
                <option value="">what it likes</option>
                {rates.map((rate) => <option key={rate} value={rate}>{rate}</option>)}
              </select>
            )}
          </Field>
        </div>
      )}
      <Copied label="In the stream's section of the configuration" text={videoLine(stable_path ?? path, chosen, rate)} />
    </Card>
  );
}

function Sound({ microphone: { name, device, can } }: { microphone: Microphone }) {
  return (
    <Card title={name}>
      <p class="quiet">Microphone · <code>{device}</code></p>
      <p>
        {can === null ? "Another program holds it, or it is in use by a stream."
          : `${span(can.min_channels, can.max_channels)} channels · ${span(can.min_rate_hz / 1000, can.max_rate_hz / 1000)} kHz`}
      </p>
      <Copied label="In the stream's section of the configuration" text={`audio = { source = "alsa", device = "${device}" }`} />
    </Card>
  );
}

function span(least: number, most: number): string {
  return least === most ? `${least}` : `${least} to ${most}`;
}
