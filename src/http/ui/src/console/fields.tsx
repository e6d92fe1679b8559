// Controls for what the configuration's schema describes: one for each setting, with its error beside it.

import { useId } from "preact/hooks";
import { Field } from "./ui.tsx";
import { below, changed, isMark, isTable, kindOf, ofKind, resolved, type Schema, type Settings, typed, type Value } from "./schema.ts";

export interface Form {
  root: Schema;
  /** What is wrong, by the path of the setting. */
  errors: ReadonlyMap<string, string>;
  /** What is attached, by the name of the setting that takes it. */
  suggestions: Readonly<Record<string, string[]>>;
}

interface Props<T extends Value> {
  form: Form;
  schema: Schema;
  path: string;
  /** The setting's name in the file. */
  name: string;
  value: T | undefined;
  set: (value: Value | undefined) => void;
  required?: boolean;
}

/** The settings of a table: those in it directly, then each table in it. */
export function TableFields({ form, schema, path, value, set }: Omit<Props<Settings>, "name">) {
  const table = value ?? {};
  const all = Object.entries(schema.properties ?? {}).map(([name, property]) => ({ name, schema: resolved(form.root, property) }));
  const put = (name: string) => (value: Value | undefined): void => {
    const next = changed(table, name, value);
    set(Object.keys(next).length === 0 ? undefined : next);
  };
  return (
    <div class="grid">
      {all.filter(({ schema }) => schema.const === undefined).map(({ name, schema: property }) => (
        <Setting key={name} form={form} schema={property} path={below(path, name)} name={name} value={table[name]} set={put(name)}
          required={schema.required?.includes(name) ?? false} />
      ))}
    </div>
  );
}

/** One setting that is no table. */
export function Setting({ form, schema, path, name, value, set, required = false }: Props<Value>) {
  const label = schema.title ?? name;
  const error = form.errors.get(path);
  if (schema.type === "boolean") {
    return (
      <Field label={label} hint={schema.description} error={error}>
        {(props) => (
          <select {...props} value={value === undefined ? "" : String(value)} onChange={(event) => set(event.currentTarget.value === "" ? undefined : event.currentTarget.value === "true")}>
            <option value="">{schema.default === true ? "yes" : "no"} (as usual)</option>
            <option value="true">yes</option>
            <option value="false">no</option>
          </select>
        )}
      </Field>
    );
  }
  if (schema.enum !== undefined) {
    const words = schema.enum;
    // What the file has stays choosable, also where it is wrong.
    const other = typeof value === "string" && !words.includes(value) ? [value] : [];
    return (
      <Field label={label} hint={schema.description} error={error}>
        {(props) => (
          <select {...props} value={String(value ?? "")} onChange={(event) => set(event.currentTarget.value === "" ? undefined : event.currentTarget.value)}>
            {!required && <option value="">{schema.default === undefined ? "not set" : `${String(schema.default)} (as usual)`}</option>}
            {[...words, ...other].map((word) => <option key={word} value={word}>{word}</option>)}
          </select>
        )}
      </Field>
    );
  }
  if (schema.type === "array" && schema.items?.properties !== undefined) {
    return (
      <div class="group">
        <h3>{label}</h3>
        {error !== undefined && <p class="wrongs" role="alert">{error}</p>}
        <Tables form={form} schema={schema} path={path} name={name} value={Array.isArray(value) ? value : undefined} set={set} />
      </div>
    );
  }
  if (schema.type === "array" && schema.items?.enum !== undefined) {
    return <Choices form={form} schema={schema} path={path} name={name} value={Array.isArray(value) ? value : undefined} set={set} />;
  }
  if (schema.type === "array") {
    const lines = Array.isArray(value) ? value : [];
    return (
      <Field label={label} hint={schema.description} error={error}>
        {(props) => (
          <textarea {...props} class="mono" rows={Math.min(12, Math.max(2, lines.length + 1))} spellcheck={false} value={lines.join("\n")}
            onInput={(event) => {
              const text = event.currentTarget.value;
              set(text === "" && !required ? undefined : text.split("\n"));
            }} />
        )}
      </Field>
    );
  }
  if (schema.writeOnly) return <Secret form={form} schema={schema} path={path} name={name} value={value} set={set} />;
  return <Line form={form} schema={schema} path={path} name={name} value={value} set={set} required={required} />;
}

/** Some of a few words. */
function Choices({ form, schema, path, name, value, set }: Props<Value[]>) {
  const chosen = value ?? [];
  const tick = (word: string, on: boolean): void => {
    const next = on ? [...chosen, word] : chosen.filter((other) => other !== word);
    set(next.length === 0 ? undefined : next);
  };
  const error = form.errors.get(path);
  return (
    <fieldset class="choices">
      <legend>{schema.title ?? name}</legend>
      {schema.description && <p class="quiet">{schema.description}</p>}
      {schema.items?.enum?.map((word) => (
        <label class="tick" key={word}>
          <input type="checkbox" checked={chosen.includes(word)} onChange={(event) => tick(word, event.currentTarget.checked)} />{word.replaceAll("_", " ")}
        </label>
      ))}
      {error !== undefined && <p class="wrongs" role="alert">{error}</p>}
    </fieldset>
  );
}

/** A list of tables of one kind, each of which can be taken out, and another put at the end. */
export function Tables({ form, schema, path, value, set }: Props<Value[]>) {
  const tables = value ?? [];
  const kind = schema.items ?? {};
  const what = (schema.title ?? path).toLowerCase();
  const put = (next: Value[]): void => set(next.length === 0 ? undefined : next);
  return (
    <>
      {tables.map((table, index) => (
        <div class="group entry" role="group" aria-label={`${schema.title ?? path} ${index + 1}`} key={index}>
          <TableFields form={form} schema={kind} path={below(path, String(index))} value={isTable(table) ? table : {}}
            set={(next) => put(tables.map((other, at) => at === index ? next ?? {} : other))} />
          <button type="button" class="danger" onClick={() => put(tables.filter((_, at) => at !== index))}>Remove<span class="unseen"> number {index + 1} of {what}</span></button>
        </div>
      ))}
      {tables.length < (schema.maxItems ?? Infinity) && (
        <button type="button" style={{ justifySelf: "start" }} onClick={() => put([...tables, ofKind(form.root, kind, {})])}>Add to {what}</button>
      )}
    </>
  );
}

function Line({ form, schema, path, name, value, set, required = false }: Props<Value>) {
  const list = useId();
  const suggestions = form.suggestions[path.split(".").at(-2) ?? ""] ?? [];
  const offers = name === "device" ? suggestions : [];
  const shown = schema.default ?? schema.examples?.[0];
  return (
    <Field label={schema.title ?? name} hint={schema.description} error={form.errors.get(path)}>
      {(props) => (
        <>
          <input {...props} value={value === undefined ? "" : String(value)} required={required} spellcheck={false} autocapitalize="none" autocomplete="off"
            inputMode={schema.type === "integer" ? "numeric" : "text"} placeholder={shown === undefined ? "" : String(shown)}
            list={offers.length > 0 ? list : undefined}
            onInput={(event) => set(typed(schema, event.currentTarget.value) ?? (required ? "" : undefined))} />
          {offers.length > 0 && <datalist id={list}>{offers.map((offer) => <option key={offer} value={offer} />)}</datalist>}
        </>
      )}
    </Field>
  );
}

/** Stays in the box; somebody may put another one in its place, or take it away. */
function Secret({ form, schema, path, name, value, set }: Props<Value>) {
  const kept = isMark(value);
  return (
    <Field label={schema.title ?? name} hint={schema.description} error={form.errors.get(path)}>
      {(props) => (
        <div class="beside">
          <input {...props} class="mono" autocomplete="off" spellcheck={false} placeholder={kept ? "is set; type another one" : "not set"}
            value={kept || value === undefined ? "" : String(value)}
            onInput={(event) => set(event.currentTarget.value.trim() || undefined)} />
          {value !== undefined && <button type="button" onClick={() => set(undefined)}>Take away</button>}
        </div>
      )}
    </Field>
  );
}

interface SourceProps extends Omit<Props<Settings>, "value"> {
  value: Settings | undefined;
  /** What it is called where there is none; without it there must be one. */
  none?: string;
}

/** A source: which kind, and what that kind needs. */
export function Source({ form, schema, path, name, value, set, none }: SourceProps) {
  const kinds = schema.oneOf ?? [];
  const now = value === undefined ? -1 : kindOf(form.root, kinds, value);
  const kind = kinds[now];
  const choose = (index: number): void => {
    const wanted = kinds[index];
    set(wanted === undefined ? undefined : ofKind(form.root, wanted, value ?? {}));
  };
  // About the source as a whole, or about which it is.
  const error = form.errors.get(path) ?? form.errors.get(below(path, "source")) ?? (value !== undefined && now < 0 ? "This kind is not known here; the text has it." : undefined);
  return (
    <div class="group" role="group" aria-label={schema.title ?? name}>
      <Field label={schema.title ?? name} error={error}>
        {(props) => (
          <select {...props} value={now} onChange={(event) => choose(Number(event.currentTarget.value))}>
            {(none !== undefined || now < 0) && <option value={-1}>{none ?? "choose"}</option>}
            {kinds.map(({ title }, index) => <option key={title} value={index}>{title}</option>)}
          </select>
        )}
      </Field>
      {kind !== undefined && isTable(value) && (
        // A source without settings is a source all the same.
        <TableFields form={form} schema={kind} path={path} value={value} set={(next) => set(next ?? {})} />
      )}
    </div>
  );
}
