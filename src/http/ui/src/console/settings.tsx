// The configuration: as forms over the box's own schema, or as the text of its file. Both are checked by the
// box while somebody types, and put over the version that was read, never over somebody else's.

import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { ApiError, type Devices, get, type Place, words } from "./api.ts";
import { checkConfiguration, type Configuration, readConfiguration, readSchema, type Replaced, type Wanted, writeConfiguration } from "./config.ts";
import { type Form, Setting, Source, TableFields, Tables } from "./fields.tsx";
import { refresh } from "./live.ts";
import { say } from "./notices.ts";
import { below, changed, isTable, renamed, resolved, type Schema, type Settings, type Value } from "./schema.ts";
import { Card, Empty, Field, Head } from "./ui.tsx";
import "./manage.css";

/** This long after the last key, the box is asked what it thinks of it. */
const CHECK_AFTER_MS = 500;

type Tab = "form" | "text";

export function SettingsView() {
  const [schema, setSchema] = useState<Schema | null>(null);
  const [read, setRead] = useState<Configuration | null>(null);
  const [wrong, setWrong] = useState<string>();
  const [told, setTold] = useState<Replaced | null>(null);
  const load = async (): Promise<void> => {
    try {
      const [schema, read] = await Promise.all([readSchema(), readConfiguration()]);
      setSchema(schema);
      setRead(read);
      setWrong(undefined);
    } catch (error) {
      setWrong(words(error));
    }
  };
  useEffect(() => void load(), []);
  if (wrong !== undefined) return <><Head title="Settings" /><Empty title="The settings can’t be read">{wrong}</Empty></>;
  if (schema === null || read === null) return <Head title="Settings" />;
  // Read again, it is edited anew.
  return <Editor key={read.version} schema={schema} read={read} load={load} told={told} tell={setTold} />;
}

interface EditorProps {
  schema: Schema;
  read: Configuration;
  load: () => Promise<void>;
  /** What the last save did. */
  told: Replaced | null;
  tell: (told: Replaced | null) => void;
}

function Editor({ schema, read, load, told, tell }: EditorProps) {
  const [tab, setTab] = useState<Tab>(read.settings === null ? "text" : "form");
  const [settings, setSettings] = useState<Settings>(read.settings ?? {});
  const [text, setText] = useState(read.toml);
  const [problems, setProblems] = useState<Place[]>([]);
  const [stale, setStale] = useState(false);
  const [busy, setBusy] = useState(false);
  const wanted: Wanted = tab === "form" ? { settings } : { toml: text };
  const dirty = tab === "form" ? JSON.stringify(settings) !== JSON.stringify(read.settings ?? {}) : text !== read.toml;
  const suggestions = useDevices();
  const errors = useMemo(() => new Map(problems.map(({ path, detail }) => [String(path ?? ""), detail])), [problems]);

  const last = useRef(0);
  useEffect(() => {
    const turn = ++last.current;
    if (!dirty) {
      setProblems([]);
      return;
    }
    const timer = setTimeout(() => {
      checkConfiguration(wanted)
        .then((problems) => { if (turn === last.current) setProblems(problems); })
        // Saving says it again, where it stays so.
        .catch(() => {});
    }, CHECK_AFTER_MS);
    return () => clearTimeout(timer);
  }, [settings, text, tab]);

  const save = async (): Promise<void> => {
    setBusy(true);
    try {
      const replaced = await writeConfiguration(wanted, read.version);
      last.current++;
      setProblems([]);
      tell(replaced);
      say("The settings are in use.");
      await Promise.all([load(), refresh()]);
    } catch (error) {
      if (error instanceof ApiError && error.status === 412) setStale(true);
      else if (error instanceof ApiError && error.errors.length > 0) setProblems(error.errors);
      say(words(error), true);
    } finally {
      setBusy(false);
    }
  };
  const change = (next: Settings): void => { setSettings(next); tell(null); };
  const turn = (to: Tab): void => {
    if (to === tab) return;
    if (dirty && !confirm("What you have changed here is not saved. Go over without it?")) return;
    setSettings(read.settings ?? {});
    setText(read.toml);
    setTab(to);
  };

  return (
    <form class="form" onSubmit={(event) => { event.preventDefault(); void save(); }} noValidate>
      <Head title="Settings">
        <div class="tabs" role="group" aria-label="How to edit them">
          <button type="button" aria-pressed={tab === "form"} disabled={read.settings === null} onClick={() => turn("form")}>Form</button>
          <button type="button" aria-pressed={tab === "text"} onClick={() => turn("text")}>Text</button>
        </div>
      </Head>
      <p class="quiet">{read.saved ? <>They stand in <code>{read.file}</code>.</> : <>The box chose them itself. Once you save, they stand in <code>{read.file}</code>.</>}</p>
      {read.settings === null && <p class="away" role="alert">The file is broken, so there is no form. Mend it here.</p>}
      {tab === "form"
        ? <Forms form={{ root: schema, errors, suggestions }} settings={settings} set={change} />
        : <Text text={text} problems={problems} set={(text) => { setText(text); tell(null); }} />}
      {tab === "form" && problems.length > 0 && <Wrongs problems={problems} />}
      <Told told={told} />
      <div class="bottom">
        <button class="main" disabled={!dirty || busy || stale} aria-busy={busy}>Save and use</button>
        {dirty && <button type="button" onClick={() => { setSettings(read.settings ?? {}); setText(read.toml); }}>Undo</button>}
        {stale && <><span role="alert">Somebody else has changed them meanwhile.</span><button type="button" onClick={() => void load()}>Load theirs</button></>}
        {dirty && problems.length > 0 && <span class="quiet" role="status">{problems.length === 1 ? "One thing is" : `${problems.length} things are`} not right yet.</span>}
      </div>
    </form>
  );
}

/** Cameras and microphones, as the settings name them. */
function useDevices(): Record<string, string[]> {
  const [found, setFound] = useState<Record<string, string[]>>({});
  useEffect(() => {
    // Without them the fields are typed into as before.
    get<Devices>("/devices").then(({ cameras, hdmi_inputs, microphones }) => setFound({
      video: [...cameras, ...hdmi_inputs].map(({ path, stable_path }) => stable_path ?? path),
      audio: microphones.map(({ device }) => device),
    })).catch(() => {});
  }, []);
  return found;
}

// --- forms ----------------------------------------------------------------------------------------

function Forms({ form, settings, set }: { form: Form; settings: Settings; set: (settings: Settings) => void }) {
  const sections = Object.entries(form.root.properties ?? {}).map(([name, schema]) => ({ name, schema: resolved(form.root, schema) }));
  const put = (name: string) => (value: Value | undefined): void => set(changed(settings, name, value));
  const plain = sections.filter(({ schema }) => schema.properties === undefined && schema.type !== "object" && schema.type !== "array");
  return (
    <>
      <Streams form={form} streams={isTable(settings["streams"]) ? settings["streams"] : {}} set={put("streams")} />
      {sections.filter(({ schema }) => schema.properties !== undefined).map(({ name, schema }) => (
        <Card key={name} title={schema.title ?? name}>
          {schema.description && <p class="quiet">{schema.description}</p>}
          <Wrong form={form} path={name} />
          <TableFields form={form} schema={schema} path={name} value={table(settings[name])} set={put(name)} />
        </Card>
      ))}
      {sections.filter(({ schema }) => schema.items?.properties !== undefined).map(({ name, schema }) => (
        <Card key={name} title={schema.title ?? name}>
          {schema.description && <p class="quiet">{schema.description}</p>}
          <Wrong form={form} path={name} />
          <Tables form={form} schema={schema} path={name} name={name} value={list(settings[name])} set={put(name)} />
        </Card>
      ))}
      <Card title="More">
        <div class="grid">
          {plain.map(({ name, schema }) => <Setting key={name} form={form} schema={schema} path={name} name={name} value={settings[name]} set={put(name)} />)}
        </div>
      </Card>
    </>
  );
}

function table(value: Value | undefined): Settings | undefined {
  return isTable(value) ? value : undefined;
}

function list(value: Value | undefined): Value[] | undefined {
  return Array.isArray(value) ? value : undefined;
}

/** What is wrong with a table as a whole. */
function Wrong({ form, path }: { form: Form; path: string }) {
  const error = form.errors.get(path);
  return error === undefined ? null : <p class="wrongs" role="alert">{error}</p>;
}

function Streams({ form, streams, set }: { form: Form; streams: Settings; set: (streams: Value) => void }) {
  const names = Object.keys(streams);
  const add = (): void => {
    const free = ["camera", ...Array.from({ length: names.length + 1 }, (_, index) => `camera-${index + 2}`)].find((name) => !names.includes(name)) ?? "camera";
    set({ ...streams, [free]: { input: { source: "test" } } });
  };
  return (
    <section class="group" aria-label="Streams">
      <div class="cards two">
        {Object.entries(streams).map(([name, stream], index) => (
          // By its place, so that the field stays while its name is typed.
          <StreamCard key={index} form={form} name={name} stream={isTable(stream) ? stream : {}} taken={names}
            set={(stream) => set({ ...streams, [name]: stream })}
            rename={(to) => set(renamed(streams, name, to))}
            remove={() => set(changed(streams, name, undefined) as Settings)} />
        ))}
      </div>
      <button type="button" onClick={add} style={{ justifySelf: "start" }}>Add a stream</button>
    </section>
  );
}

interface StreamProps {
  form: Form;
  name: string;
  stream: Settings;
  taken: string[];
  set: (stream: Settings) => void;
  rename: (to: string) => void;
  remove: () => void;
}

function StreamCard({ form, name, stream, taken, set, rename, remove }: StreamProps) {
  const schema = resolved(form.root, { $ref: "#/$defs/stream" });
  const of = (key: string): Schema => resolved(form.root, schema.properties?.[key] ?? {});
  const path = below("streams", name);
  const [typedName, setTypedName] = useState<string | null>(null);
  const both = "input" in stream;
  const clash = typedName !== null && typedName !== name && taken.includes(typedName) ? "Another stream has that name." : undefined;
  const put = (key: string) => (value: Value | undefined): void => set(changed(stream, key, value));
  const split = (together: boolean): void => {
    const { input, video, audio, ...rest } = stream;
    const test = { source: "test" };
    // Test and file are sources of both kinds; for the others there is a start with the test picture.
    const file = isTable(input) && input["source"] === "file" ? input : isTable(video) && video["source"] === "file" ? video : test;
    set(together ? { input: file, ...rest } : { video: file, audio: file === test ? test : { ...file }, ...rest });
  };
  return (
    <Card title={name}>
      <Field label="Name" hint={resolved(form.root, { $ref: "#/$defs/stream_name" }).description} error={clash ?? form.errors.get(path)}>
        {(props) => (
          <div class="beside">
            <input {...props} value={typedName ?? name} maxLength={64} spellcheck={false} autocapitalize="none" autocomplete="off"
              onInput={(event) => setTypedName(event.currentTarget.value)}
              onBlur={() => {
                if (typedName !== null && typedName !== "" && typedName !== name && clash === undefined) rename(typedName);
                if (clash === undefined) setTypedName(null);
              }} />
            <button type="button" class="danger" onClick={remove}>Remove<span class="unseen"> the stream {name}</span></button>
          </div>
        )}
      </Field>
      <Field label="Picture and sound">
        {(props) => (
          <select {...props} value={both ? "both" : "apart"} onChange={(event) => split(event.currentTarget.value === "both")}>
            <option value="apart">from a source each</option>
            <option value="both">from one source</option>
          </select>
        )}
      </Field>
      {both
        ? <Source form={form} schema={{ ...of("input"), title: "Source" }} path={below(path, "input")} name="input" value={table(stream["input"])} set={put("input")} />
        : (
          <>
            <Source form={form} schema={of("video")} path={below(path, "video")} name="video" value={table(stream["video"])} set={put("video")} none="none" />
            <Source form={form} schema={of("audio")} path={below(path, "audio")} name="audio" value={table(stream["audio"])} set={put("audio")} none="none" />
          </>
        )}
      {["encode", "hls", "access"].map((key) => (
        <Part key={key} title={of(key).title ?? key} hint={of(key).description} wrong={[...form.errors.keys()].some((error) => error.startsWith(below(path, key)))}>
          <Wrong form={form} path={below(path, key)} />
          <TableFields form={form} schema={of(key)} path={below(path, key)} value={table(stream[key])} set={put(key)} />
        </Part>
      ))}
    </Card>
  );
}

/** What few people change: closed, unless something in it is wrong. */
function Part({ title, hint, wrong, children }: { title: string; hint: string | undefined; wrong: boolean; children: ComponentChildren }) {
  return (
    <div class="group">
      <details open={wrong || undefined}>
        <summary>{title}</summary>
        <div class="group">{hint && <p class="quiet">{hint}</p>}{children}</div>
      </details>
    </div>
  );
}

// --- text -----------------------------------------------------------------------------------------

function Text({ text, problems, set }: { text: string; problems: Place[]; set: (text: string) => void }) {
  const area = useRef<HTMLTextAreaElement>(null);
  const show = ({ line = 1, column }: Place): void => {
    const lines = text.split("\n");
    const start = lines.slice(0, line - 1).reduce((sum, line) => sum + line.length + 1, 0);
    const from = start + (typeof column === "number" ? column - 1 : 0);
    area.current?.focus();
    area.current?.setSelectionRange(from, start + (lines[line - 1]?.length ?? 0));
  };
  return (
    <div class="group">
      <Field label="The file" hint="Secrets stand here as (unchanged …); leave that, and they stay.">
        {(props) => (
          <textarea {...props} ref={area} class="mono toml" spellcheck={false} autocapitalize="none" autocomplete="off" value={text} aria-invalid={problems.length > 0}
            onInput={(event) => set(event.currentTarget.value)} />
        )}
      </Field>
      {problems.length > 0 && <Wrongs problems={problems} show={show} />}
    </div>
  );
}

function Wrongs({ problems, show }: { problems: Place[]; show?: (place: Place) => void }) {
  return (
    <ul class="wrongs" aria-label="What is not right yet">
      {problems.map((place) => (
        <li key={`${place.line} ${place.detail}`}>
          {show !== undefined && place.line !== undefined && <button type="button" onClick={() => show(place)}>Line {place.line}</button>}
          {show === undefined && typeof place["path"] === "string" && <code>{place["path"]}: </code>}
          {place.detail}
        </li>
      ))}
    </ul>
  );
}

// --- what became of it ----------------------------------------------------------------------------

function Told({ told }: { told: Replaced | null }) {
  if (told === null) return null;
  const rows: [string, string[]][] = [
    ["Started", told.started],
    ["Started anew, with a short gap", told.restarted],
    ["Gone", told.removed],
    ["Undisturbed", told.unchanged],
    ["Takes effect when the box is started again", told.after_restart],
  ];
  return (
    <div class="told" role="status">
      <strong>Saved.</strong>
      {rows.filter(([, names]) => names.length > 0).map(([what, names]) => <p key={what}>{what}: {names.join(", ")}</p>)}
      {told.failed.map(({ stream, cause }) => <p key={stream} class="wrongs">{stream} did not start: {cause}</p>)}
    </div>
  );
}
