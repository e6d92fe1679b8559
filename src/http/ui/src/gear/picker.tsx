// Fields to choose devices, and what is said when there are none.

import { useEffect, useState } from "preact/hooks";
import { Field, Icon, ICONS } from "../parts.tsx";
import { type Gear, NONE } from "./gear.ts";

interface PickerProps {
  gear: Gear;
  device: "camera" | "microphone";
  label: string;
  none: string;
}

export function Picker({ gear, device, label, none }: PickerProps) {
  const devices = (device === "camera" ? gear.cameras : gear.microphones).value;
  const chosen = (device === "camera" ? gear.cameraId : gear.microphoneId).value;
  const known = chosen === "" || chosen === NONE || devices.some(({ deviceId }) => deviceId === chosen);
  return (
    <Field label={label} error={gear.troubles.value[device]}>
      {(props) => (
        <select {...props} value={known ? chosen : ""} onChange={(event) => void gear.choose(device, event.currentTarget.value)}>
          <option value="">{devices.length === 0 ? `The ${device}` : "As the browser likes"}</option>
          {devices.map(({ deviceId, label }, index) => <option key={deviceId} value={deviceId}>{label || `${device} ${index + 1}`}</option>)}
          <option value={NONE}>{none}</option>
        </select>
      )}
    </Field>
  );
}

/** Says why this page gets no camera at all, and how it would. */
export function Unable({ why }: { why: "insecure" | "old" }) {
  const [secure, setSecure] = useState<string | null>(null);
  useEffect(() => void httpsAddress().then(setSecure), []);
  if (why === "old") {
    return <p class="alert" role="alert"><Icon path={ICONS.alert} />This browser knows no cameras. Use a newer one.</p>;
  }
  return (
    <div class="alert" role="alert">
      <Icon path={ICONS.lock} />
      <div>
        <p>Browsers give camera and microphone to secure pages only, and this one came without HTTPS.</p>
        <p class="row">
          {secure !== null && <a class="button main" href={secure}>Open it with HTTPS</a>}
          <a class="button" href="/setup">How this device comes to trust the box</a>
        </p>
      </div>
    </div>
  );
}

/** This page's address by HTTPS, where the box tells whoever sits here. */
async function httpsAddress(): Promise<string | null> {
  try {
    const answer = await fetch("/api/v1/setup", { cache: "no-store" });
    if (!answer.ok) return null;
    const { https_address } = (await answer.json()) as { https_address: string | null };
    if (https_address === null) return null;
    const url = new URL(location.href);
    url.protocol = "https:";
    url.port = new URL(https_address).port;
    return url.href;
  } catch {
    return null;
  }
}
