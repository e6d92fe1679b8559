// One's own account: the password.

import { useState } from "preact/hooks";
import { put } from "./api.ts";
import { LONGEST, SHORTEST, useForm } from "./form.ts";
import { say } from "./notices.ts";
import { session } from "./session.ts";
import { Field } from "./ui.tsx";

export function AccountView() {
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");
  const form = useForm(async () => {
    await put("/password", { current, new: next });
    setCurrent("");
    setNext("");
    say("Your password is changed. Your other browsers have to sign in again.");
  });
  const name = session.value?.account ?? "";
  return (
    <form class="door" onSubmit={form.onSubmit}>
      <h1>Your password</h1>
      <p>You are signed in as <strong>{name}</strong>.</p>
      {/* Tells password managers whose password it is. */}
      <input class="unseen" name="username" value={name} autocomplete="username" readOnly tabIndex={-1} aria-hidden="true" />
      <Field label="Password now" error={form.wrong}>
        {(props) => (
          <input {...props} type="password" value={current} required autocomplete="current-password"
            onInput={(event) => setCurrent(event.currentTarget.value)} />
        )}
      </Field>
      <Field label="New password" hint={`${SHORTEST} characters at least.`}>
        {(props) => (
          <input {...props} type="password" value={next} required minLength={SHORTEST} maxLength={LONGEST} autocomplete="new-password"
            onInput={(event) => setNext(event.currentTarget.value)} />
        )}
      </Field>
      <button class="main" disabled={form.busy} aria-busy={form.busy}>Change the password</button>
    </form>
  );
}
