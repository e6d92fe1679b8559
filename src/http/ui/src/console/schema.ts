// The schema of the configuration, as far as forms need it; and the values that stand in forms.

export type Value = string | number | boolean | Value[] | Settings;
export interface Settings { [key: string]: Value }

export interface Schema {
  "$ref"?: string;
  "$defs"?: Record<string, Schema>;
  title?: string;
  description?: string;
  default?: Value;
  examples?: Value[];
  type?: string | string[];
  enum?: string[];
  const?: string;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  maxItems?: number;
  writeOnly?: boolean;
  required?: string[];
  properties?: Record<string, Schema>;
  oneOf?: Schema[];
  items?: Schema;
}

/** A schema with what it refers to. */
export function resolved(root: Schema, schema: Schema): Schema {
  const { $ref, ...own } = schema;
  const name = $ref?.match(/^#\/\$defs\/(.+)$/)?.[1];
  const found = name === undefined ? undefined : root.$defs?.[name];
  return found === undefined ? own : { ...resolved(root, found), ...own };
}

/** The path of a key below another, as the box tells it with an error. */
export function below(path: string, key: string): string {
  const name = /^[A-Za-z0-9_-]+$/.test(key) ? key : `"${key}"`;
  return path === "" ? name : `${path}.${name}`;
}

export function isTable(value: Value | undefined): value is Settings {
  return typeof value === "object" && !Array.isArray(value);
}

/** `table` with `value` at `key`; without the key where there is no value. The order stays. */
export function changed(table: Settings, key: string, value: Value | undefined): Settings {
  if (value !== undefined) return { ...table, [key]: value };
  return Object.fromEntries(Object.entries(table).filter(([name]) => name !== key));
}

/** `table` with another name for a key, in the same place. */
export function renamed(table: Settings, from: string, to: string): Settings {
  return Object.fromEntries(Object.entries(table).map(([name, value]) => [name === from ? to : name, value]));
}

/** What somebody typed, as a value of that kind; `undefined` for nothing. */
export function typed(schema: Schema, text: string): Value | undefined {
  const trimmed = text.trim();
  if (trimmed === "") return undefined;
  const kinds = [schema.type ?? "string"].flat();
  const whole = /^-?\d{1,15}$/.test(trimmed);
  const decimal = /^-?\d{1,9}\.\d{1,6}$/.test(trimmed);
  if (whole && kinds.some((kind) => kind === "integer" || kind === "number")) return Number(trimmed);
  if (decimal && kinds.includes("number")) return Number(trimmed);
  return trimmed;
}

/** Which of the kinds of a source a table is; -1 for none. */
export function kindOf(root: Schema, kinds: Schema[], table: Settings): number {
  const fits = (kind: Schema): boolean => Object.entries(kind.properties ?? {}).every(([key, property]) => {
    const { const: only, enum: words } = resolved(root, property);
    const value = table[key];
    if (only !== undefined) return value === only || (value === undefined && !kind.required?.includes(key));
    // A word that no kind has is some kind's mistake, and the box says whose.
    return key !== "format" || words === undefined || value === undefined || words.includes(String(value));
  });
  return kinds.findIndex(fits);
}

/** A table of that kind with what it must have, keeping from another what fits. */
export function ofKind(root: Schema, kind: Schema, from: Settings): Settings {
  const table: Settings = {};
  for (const [key, property] of Object.entries(kind.properties ?? {})) {
    const { const: only, enum: words, type } = resolved(root, property);
    const old = from[key];
    if (only !== undefined) {
      if (kind.required?.includes(key)) table[key] = only;
    } else if (old !== undefined && (words === undefined || words.includes(String(old)))) table[key] = old;
    else if (kind.required?.includes(key)) table[key] = words?.[0] ?? (type === "array" ? [] : "");
  }
  return table;
}

/** Stands for a secret that the box keeps to itself. */
export function isMark(value: Value | undefined): boolean {
  return typeof value === "string" && value.startsWith("(unchanged ");
}
