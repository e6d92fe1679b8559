// Ways in for people with a camera: a room to meet in, and a stream to send.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { Card, Field, Head, Icon, ICONS } from "./ui.tsx";

export function MeetView() {
  return (
    <>
      <Head title="Meet" />
      <div class="cards">
        <Card title="Meet in a room">
          <p class="quiet">Whoever opens the same room sees and hears each other. A room is there as long as somebody is in it.</p>
          <Way label="Room" most={48} icon={ICONS.people} words="Go there" address={(name) => `/rooms/${name}`} />
        </Card>
        <Card title="Send a camera">
          <p class="quiet">This device’s camera, microphone or screen becomes a stream of the box, which everybody can watch.</p>
          <Way label="Stream" most={64} icon={ICONS.camera} words="Publish" address={(name) => `/${name}/publish`} />
        </Card>
      </div>
    </>
  );
}

/** What the box takes in a name. */
export function isName(name: string, most: number): boolean {
  return name.length <= most && /^[\w.-]+$/.test(name) && !/^\.{1,2}$/.test(name);
}

function Way({ label, most, icon, words, address }: { label: string; most: number; icon: string; words: ComponentChildren; address: (name: string) => string }) {
  const [typed, setTyped] = useState("");
  const name = typed.trim().replace(/\s+/g, "-");
  const error = name === "" || isName(name, most) ? undefined : `Letters, digits and . _ - make a name, ${most} at most.`;
  const go = (event: SubmitEvent): void => {
    event.preventDefault();
    if (isName(name, most)) location.assign(address(name));
  };
  return (
    <form onSubmit={go}>
      <Field label={label} error={error}>
        {(props) => (
          <div class="beside">
            <input {...props} value={typed} autocomplete="off" autocapitalize="none" spellcheck={false} onInput={(event) => setTyped(event.currentTarget.value)} />
            <button type="submit" disabled={name === "" || error !== undefined}><Icon path={icon} />{words}</button>
          </div>
        )}
      </Field>
    </form>
  );
}
