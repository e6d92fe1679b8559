// Who may do what: tokens for players and encoders, accounts for people.

import { Fragment } from "preact";
import { useEffect, useState } from "preact/hooks";
import { get, patch, post, remove, type Role, words } from "./api.ts";
import { LONGEST, SHORTEST, useForm } from "./form.ts";
import { streams } from "./live.ts";
import { say } from "./notices.ts";
import { session } from "./session.ts";
import { Action, Card, Copied, Field, Head } from "./ui.tsx";
import "./manage.css";

interface Token {
  id: string;
  name: string;
  /** `null`: all there are. */
  streams: string[] | null;
  view: boolean;
  publish: boolean;
  created_unix_s: number;
  expires_unix_s: number | null;
}

interface Account {
  name: string;
  role: Role;
}

const ROLES: Record<Role, string> = {
  viewer: "Viewer: watches",
  operator: "Operator: starts, stops, adjusts",
  admin: "Administrator: everything",
};

export function PeopleView() {
  return (
    <>
      <Head title="People" />
      <div class="cards two">
        <Tokens />
        <Accounts />
      </div>
    </>
  );
}

/** What a list of the box says now, and how to ask again. */
function useList<T>(path: string, key: string): [T[] | null, () => Promise<void>] {
  const [list, setList] = useState<T[] | null>(null);
  const look = async (): Promise<void> => setList((await get<Record<string, T[]>>(path))[key] ?? []);
  useEffect(() => void look().catch((error: unknown) => say(words(error), true)), []);
  return [list, look];
}

/** A button that asks once more before it does what can't be undone. */
function Remove({ what, run }: { what: string; run: () => Promise<unknown> }) {
  const [sure, setSure] = useState(false);
  if (!sure) return <button type="button" class="danger" onClick={() => setSure(true)}>Remove<span class="unseen"> {what}</span></button>;
  return (
    <span class="sure">
      <Action kind="danger" run={run}>Really remove<span class="unseen"> {what}</span></Action>
      <button type="button" onClick={() => setSure(false)}>Keep<span class="unseen"> {what}</span></button>
    </span>
  );
}

// --- tokens ---------------------------------------------------------------------------------------

function Tokens() {
  const [tokens, look] = useList<Token>("/tokens", "tokens");
  const [made, setMade] = useState<Made | null>(null);
  return (
    <Card title="Tokens">
      <p class="quiet">For players and encoders that can’t sign in. Each is shown once, when it is made.</p>
      {made !== null && <Shown made={made} done={() => setMade(null)} />}
      <ul class="rows">
        {tokens?.map((token) => (
          <li key={token.id}>
            <div>
              <strong>{token.name}</strong>
              <p class="quiet">{may(token)} · {token.streams === null ? "all streams" : token.streams.join(", ")} · {until(token.expires_unix_s)}</p>
            </div>
            <Remove what={`the token ${token.name}`} run={async () => { await remove(`/tokens/${token.id}`); await look(); }} />
          </li>
        ))}
        {tokens?.length === 0 && <li class="quiet">There are none.</li>}
      </ul>
      <NewToken done={async (made) => { setMade(made); await look(); }} />
    </Card>
  );
}

function may({ view, publish }: Token): string {
  return [view && "may watch", publish && "may publish"].filter(Boolean).join(", ");
}

function until(expires: number | null): string {
  if (expires === null) return "for ever";
  const date = new Date(expires * 1000);
  return `${date.getTime() < Date.now() ? "ended" : "until"} ${date.toLocaleDateString()}`;
}

interface Made {
  name: string;
  token: string;
  /** Streams that it may watch. */
  watches: string[];
}

function Shown({ made: { name, token, watches }, done }: { made: Made; done: () => void }) {
  return (
    <div class="shown" role="group" aria-label={`The token ${name}`}>
      <h3>{name}: copy it now</h3>
      <p>It is not shown again.</p>
      <Copied label="Token" text={token} />
      {watches.map((stream) => (
        <Fragment key={stream}>
          <Copied label={`For a browser: ${stream}`} text={new URL(`/${stream}/?token=${token}`, location.href).href} />
          <Copied label={`For a player: ${stream}`} text={new URL(`/${stream}/index.m3u8?token=${token}`, location.href).href} />
        </Fragment>
      ))}
      <button type="button" onClick={done}>Done</button>
    </div>
  );
}

function NewToken({ done }: { done: (made: Made) => Promise<void> }) {
  const names = (streams.value ?? []).map(({ name }) => name);
  const [name, setName] = useState("");
  const [all, setAll] = useState(true);
  const [some, setSome] = useState<string[]>([]);
  const [view, setView] = useState(true);
  const [publish, setPublish] = useState(false);
  const [day, setDay] = useState("");
  const form = useForm(async () => {
    if (!all && some.length === 0) throw new Error("Choose a stream.");
    // To the end of the day, where this person is.
    const expires_unix_s = day === "" ? null : Math.floor(new Date(`${day}T23:59:59`).getTime() / 1000);
    const { token } = await post<{ token: string }>("/tokens", { name, streams: all ? null : some, view, publish, expires_unix_s });
    await done({ name, token, watches: view ? (all ? names : some) : [] });
    setName("");
  });
  const tick = (stream: string, on: boolean): void => setSome((some) => on ? [...some, stream] : some.filter((other) => other !== stream));
  return (
    <form class="sub" onSubmit={form.onSubmit}>
      <h3>New token</h3>
      <Field label="Name" hint="Who or what it is for." error={form.wrong}>
        {(props) => <input {...props} value={name} required maxLength={64} onInput={(event) => setName(event.currentTarget.value)} />}
      </Field>
      <fieldset>
        <legend>It may</legend>
        <label class="tick"><input type="checkbox" checked={view} onChange={(event) => setView(event.currentTarget.checked)} />watch</label>
        <label class="tick"><input type="checkbox" checked={publish} onChange={(event) => setPublish(event.currentTarget.checked)} />publish</label>
      </fieldset>
      <fieldset>
        <legend>Streams</legend>
        <label class="tick"><input type="checkbox" checked={all} onChange={(event) => setAll(event.currentTarget.checked)} />all</label>
        {!all && names.map((stream) => (
          <label class="tick" key={stream}>
            <input type="checkbox" checked={some.includes(stream)} onChange={(event) => tick(stream, event.currentTarget.checked)} />{stream}
          </label>
        ))}
      </fieldset>
      <Field label="Last day" hint="Without one it is good until it is removed.">
        {(props) => <input {...props} type="date" value={day} onInput={(event) => setDay(event.currentTarget.value)} />}
      </Field>
      <button class="main" disabled={form.busy || (!view && !publish)} aria-busy={form.busy}>Make the token</button>
    </form>
  );
}

// --- accounts -------------------------------------------------------------------------------------

function Accounts() {
  const [accounts, look] = useList<Account>("/accounts", "accounts");
  return (
    <Card title="Accounts">
      <p class="quiet">For people who sign in here.</p>
      <ul class="rows">{accounts?.map((account) => <AccountRow key={account.name} account={account} look={look} />)}</ul>
      <NewAccount look={look} />
    </Card>
  );
}

function RoleSelect({ props, role, set }: { props: object; role: Role; set: (role: Role) => void }) {
  return (
    <select {...props} value={role} onChange={(event) => set(event.currentTarget.value as Role)}>
      {(Object.keys(ROLES) as Role[]).map((role) => <option key={role} value={role}>{ROLES[role]}</option>)}
    </select>
  );
}

function AccountRow({ account: { name, role }, look }: { account: Account; look: () => Promise<void> }) {
  const [changing, setChanging] = useState(false);
  const mine = session.value?.account === name;
  const path = `/accounts/${encodeURIComponent(name)}`;
  return (
    <li>
      <div><strong>{name}</strong>{mine && <span class="quiet"> (you)</span>}<p class="quiet">{ROLES[role]}</p></div>
      <span class="sure">
        <button type="button" aria-expanded={changing} onClick={() => setChanging(!changing)}>{changing ? "Close" : "Change"}<span class="unseen"> {name}</span></button>
        <Remove what={`the account ${name}`} run={async () => { await remove(path); await look(); }} />
      </span>
      {changing && <Change name={name} role={role} mine={mine} path={path} done={async () => { setChanging(false); await look(); }} />}
    </li>
  );
}

interface ChangeProps {
  name: string;
  role: Role;
  mine: boolean;
  path: string;
  done: () => Promise<void>;
}

function Change({ name, role: before, mine, path, done }: ChangeProps) {
  const [role, setRole] = useState(before);
  const [password, setPassword] = useState("");
  const form = useForm(async () => {
    await patch(path, { ...(role !== before && { role }), ...(password !== "" && { password }) });
    say(mine && password !== "" ? "Your password is changed." : `${name} is changed.`);
    await done();
  });
  return (
    <form class="sub" onSubmit={form.onSubmit}>
      <Field label="Role">{(props) => <RoleSelect props={props} role={role} set={setRole} />}</Field>
      <Field label={mine ? "Your new password" : "New password"} hint={`${SHORTEST} characters at least; empty: as it is.`} error={form.wrong}>
        {(props) => (
          <input {...props} type="password" autocomplete="new-password" value={password} minLength={SHORTEST} maxLength={LONGEST}
            onInput={(event) => setPassword(event.currentTarget.value)} />
        )}
      </Field>
      <button class="main" disabled={form.busy || (role === before && password === "")} aria-busy={form.busy}>Save</button>
    </form>
  );
}

function NewAccount({ look }: { look: () => Promise<void> }) {
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [role, setRole] = useState<Role>("viewer");
  const form = useForm(async () => {
    await post("/accounts", { name, role, password });
    say(`${name} can sign in now.`);
    setName("");
    setPassword("");
    await look();
  });
  return (
    <form class="sub" onSubmit={form.onSubmit}>
      <h3>New account</h3>
      <Field label="Name" error={form.wrong}>
        {(props) => (
          <input {...props} value={name} required maxLength={64} autocomplete="off" autocapitalize="none" spellcheck={false}
            onInput={(event) => setName(event.currentTarget.value)} />
        )}
      </Field>
      <Field label="Password" hint={`${SHORTEST} characters at least.`}>
        {(props) => (
          <input {...props} type="password" autocomplete="new-password" value={password} required minLength={SHORTEST} maxLength={LONGEST}
            onInput={(event) => setPassword(event.currentTarget.value)} />
        )}
      </Field>
      <Field label="Role">{(props) => <RoleSelect props={props} role={role} set={setRole} />}</Field>
      <button class="main" disabled={form.busy} aria-busy={form.busy}>Add the account</button>
    </form>
  );
}
