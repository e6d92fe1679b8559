// The small parts that views are made of.

import type { ComponentChildren } from "preact";
import { useId, useState } from "preact/hooks";
import { Icon, ICONS } from "../parts.tsx";
import { words } from "./api.ts";
import { say } from "./notices.ts";

export { Field, Icon, ICONS } from "../parts.tsx";

/** A view's heading, with what can be done beside it. */
export function Head({ title, children }: { title: string; children?: ComponentChildren }) {
  return <div class="head"><h1>{title}</h1>{children}</div>;
}

/** A titled area of a view. */
export function Card({ title, children, wide = false }: { title?: string; children: ComponentChildren; wide?: boolean }) {
  return <section class={wide ? "card wide" : "card"}>{title && <h2>{title}</h2>}{children}</section>;
}

/** What there is when there is nothing. */
export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return <div class="empty"><h2>{title}</h2>{children && <p>{children}</p>}</div>;
}

interface ActionProps {
  children: ComponentChildren;
  /** Says what went wrong where it throws. */
  run: () => Promise<unknown>;
  icon?: string;
  kind?: "plain" | "main" | "danger";
  disabled?: boolean;
  /** For one that stays pressed. */
  pressed?: boolean | undefined;
}

/** A button that does something on the box, once at a time. */
export function Action({ children, run, icon, kind = "plain", disabled = false, pressed }: ActionProps) {
  const [busy, setBusy] = useState(false);
  const click = async (): Promise<void> => {
    setBusy(true);
    try {
      await run();
    } catch (error) {
      say(words(error), true);
    } finally {
      setBusy(false);
    }
  };
  return (
    <button type="button" class={kind} disabled={disabled || busy} aria-busy={busy} aria-pressed={pressed} onClick={() => void click()}>
      {icon && <Icon path={icon} />}{children}
    </button>
  );
}

/** An address or a line, to be copied. */
export function Copied({ label, text }: { label: string; text: string }) {
  const id = useId();
  const [done, setDone] = useState(false);
  const copy = async (): Promise<void> => {
    const field = document.getElementById(id) as HTMLInputElement;
    field.select();
    // Browsers keep the clipboard from pages without https; the old way still works there.
    if (navigator.clipboard) await navigator.clipboard.writeText(text);
    else document.execCommand("copy");
    setDone(true);
    setTimeout(() => setDone(false), 2_000);
  };
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <div class="beside">
        <input id={id} class="mono" readOnly value={text} spellcheck={false} onFocus={(event) => event.currentTarget.select()} />
        <button type="button" onClick={() => void copy().catch((error: unknown) => say(words(error), true))}>
          <Icon path={ICONS.copy} /><span aria-live="polite">{done ? "Copied" : "Copy"}</span>
          <span class="unseen">: {label}</span>
        </button>
      </div>
    </div>
  );
}
