// Letting people in: the first one makes the box their own, the others sign in.

import { useState } from "preact/hooks";
import { LONGEST, SHORTEST, useForm } from "./form.ts";
import { go, here } from "./router.ts";
import { claim, signIn } from "./session.ts";
import { say } from "./notices.ts";
import { Field } from "./ui.tsx";

export function ClaimView() {
  const [code, setCode] = useState("");
  const [password, setPassword] = useState("");
  const form = useForm(async () => {
    await claim(code, password);
    say("The box is yours. You are signed in as admin.");
    if (here.value.view === "sign-in") go();
  });
  return (
    <form class="door" onSubmit={form.onSubmit}>
      <h1>Make this box yours</h1>
      <p>
        It is new: nobody looks after it yet. Its claim code stands on its screen or terminal, and in the file
        claim-code of its state folder.
      </p>
      <Field label="Claim code" error={form.wrong}>
        {(props) => (
          <input {...props} class="mono code" name="code" value={code} required autocomplete="one-time-code" autocapitalize="characters"
            spellcheck={false} onInput={(event) => setCode(event.currentTarget.value)} />
        )}
      </Field>
      {/* Tells password managers whose password it is. */}
      <input class="unseen" name="username" value="admin" autocomplete="username" readOnly tabIndex={-1} aria-hidden="true" />
      <Field label="New password for admin" hint={`${SHORTEST} characters at least.`}>
        {(props) => (
          <input {...props} type="password" name="password" value={password} required minLength={SHORTEST} maxLength={LONGEST}
            autocomplete="new-password" onInput={(event) => setPassword(event.currentTarget.value)} />
        )}
      </Field>
      <button class="main" disabled={form.busy} aria-busy={form.busy}>Claim the box</button>
    </form>
  );
}

export function SignInView() {
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const form = useForm(async () => {
    await signIn(name, password);
    if (here.value.view === "sign-in") go();
  });
  return (
    <form class="door" onSubmit={form.onSubmit}>
      <h1>Sign in</h1>
      <p>To see how the box is, and to change what it does.</p>
      <Field label="Name">
        {(props) => (
          <input {...props} name="username" value={name} required autocomplete="username" autocapitalize="none" spellcheck={false}
            onInput={(event) => setName(event.currentTarget.value)} />
        )}
      </Field>
      <Field label="Password" error={form.wrong}>
        {(props) => (
          <input {...props} type="password" name="password" value={password} required autocomplete="current-password"
            onInput={(event) => setPassword(event.currentTarget.value)} />
        )}
      </Field>
      <button class="main" disabled={form.busy} aria-busy={form.busy}>Sign in</button>
    </form>
  );
}
