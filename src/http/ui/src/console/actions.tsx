// What can be done at the touch of a button: for one stream beside its picture, for the box above the wall.

import { useEffect, useState } from "preact/hooks";
import { get, post, type Stream } from "./api.ts";
import { refresh, streams } from "./live.ts";
import { say } from "./notices.ts";
import { may } from "./session.ts";
import { Action, Card, Icon } from "./ui.tsx";

/** One of the box's actions, as it stands. */
export interface BoxAction {
  name: string;
  title: string;
  on_streams: boolean;
  /** Only an administrator may do it. */
  administers: boolean;
  /** null: it isn't switched on and off. */
  on: boolean | null;
  available: boolean;
  cause: string | null;
}

interface Mark {
  number: number;
  unix_ms: number;
}

const PATHS = {
  mute: "M4 10v4h4l5 4V6L8 10zM17 9l5 6M22 9l-5 6",
  slate: "M3 5l18 14M9.500 7H20v9M16 17H4V7h2",
  mark: "M7 4h10v16l-5-4-5 4z",
  address: "M12 21s7-6 7-11a7 7 0 1 0-14 0c0 5 7 11 7 11zM12 12a2 2 0 1 0 0-4 2 2 0 0 0 0 4z",
  network: "M4 9a12 12 0 0 1 16 0M7 13a7 7 0 0 1 10 0M12 18v.500",
  off: "M12 4v8M7 7a7 7 0 1 0 10 0",
} as const;

/** Says what became of it, in the box's words. */
async function act(action: string, stream?: string, on?: boolean): Promise<void> {
  const { done } = await post<{ done: string }>("/actions", { action, ...(stream && { stream }), ...(on !== undefined && { on }) });
  say(done);
  await refresh();
}

/** Which of a stream's switches make sense: without sound there is nothing to mute. */
export function switches({ sources, muted, private: hidden }: Pick<Stream, "sources" | "muted" | "private">): { action: string; title: string; on: boolean }[] {
  const has = (kind: "video" | "audio"): boolean => sources.length === 0 || sources.some((source) => source.kind === kind);
  return [
    ...(has("audio") ? [{ action: "mute", title: "Mute", on: muted }] : []),
    ...(has("video") ? [{ action: "slate", title: "Slate", on: hidden }] : []),
  ];
}

/** Mute, slate and mark of one stream, and what was marked. */
export function StreamActions({ stream }: { stream: Stream }) {
  const { name, state, muted, private: hidden } = stream;
  const [marks, setMarks] = useState<Mark[]>([]);
  const look = async (): Promise<void> => setMarks((await get<{ marks: Mark[] }>(`/streams/${name}/marks`)).marks);
  useEffect(() => {
    setMarks([]);
    look().catch(() => {});
  }, [name]);
  return (
    <Card title="Live">
      <div class="row">
        {switches(stream).map(({ action, title, on }) => (
          <Switch key={action} icon={action === "mute" ? PATHS.mute : PATHS.slate} on={on} run={() => act(action, name, !on)}>{title}</Switch>
        ))}
        <Action icon={PATHS.mark} disabled={state !== "running"} run={async () => { await act("mark", name); await look(); }}>Mark</Action>
      </div>
      {hidden && <p class="quiet">Viewers see the slate. Who looks back sees the last seconds from before.</p>}
      {muted && <p class="quiet">Viewers hear silence.</p>}
      {marks.length > 0 && (
        <details>
          <summary>Marked: {marks.length}</summary>
          <ol class="marks">{marks.map(({ number, unix_ms }) => <li key={number} value={number}><time dateTime={new Date(unix_ms).toISOString()}>{new Date(unix_ms).toLocaleTimeString()}</time></li>)}</ol>
        </details>
      )}
    </Card>
  );
}

/** A button that stays pressed. */
function Switch({ children, icon, on, run }: { children: string; icon: string; on: boolean; run: () => Promise<void> }) {
  return <Action kind={on ? "danger" : "plain"} icon={icon} pressed={on} run={run}>{children}</Action>;
}

/** What is switched in a stream, on its picture. */
export function Switched({ stream: { muted, private: hidden } }: { stream: Stream }) {
  return (
    <>
      {hidden && <span class="chip"><Icon path={PATHS.slate} />Slate</span>}
      {muted && <span class="chip"><Icon path={PATHS.mute} />Muted</span>}
    </>
  );
}

const SIGNS: Record<string, string> = {
  mark: PATHS.mark, mute: PATHS.mute, slate: PATHS.slate, show_address: PATHS.address, restart_network: PATHS.network, shut_down: PATHS.off,
};
/** What can't be taken back is asked for twice. */
const SURE: Record<string, string> = {
  restart_network: "Restart the network? The box may be away for a while.",
  shut_down: "Shut the box down? Somebody has to switch it on again there.",
};

/** The actions of the whole box, for those who may. */
export function BoxActions() {
  const [actions, setActions] = useState<BoxAction[]>([]);
  const look = async (): Promise<void> => setActions((await get<{ actions: BoxAction[] }>("/actions")).actions);
  const allowed = may("operator");
  // Somebody else's button switches, too.
  const switched = JSON.stringify(streams.value?.map(({ name, muted, private: hidden }) => [name, muted, hidden]));
  useEffect(() => {
    if (allowed) look().catch(() => {});
  }, [allowed, switched]);
  if (!allowed || actions.length === 0) return null;
  return (
    <div class="actions" role="group" aria-label="The whole box">
      {actions.filter(({ available, administers }) => available && (!administers || may("admin"))).map(({ name, title, on }) => {
        const run = async (): Promise<void> => {
          const sure = SURE[name];
          if (sure !== undefined && !confirm(sure)) return;
          await act(name, undefined, on === null ? undefined : !on);
          await look();
        };
        return (
          <Action key={name} icon={SIGNS[name] ?? PATHS.mark} kind={on === true ? "danger" : "plain"} pressed={on ?? undefined} run={run}>
            {on === null ? title : `${title} all`}
          </Action>
        );
      })}
    </div>
  );
}
