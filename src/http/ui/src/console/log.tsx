// The log: its newest lines, and those that follow.

import { useEffect, useRef, useState } from "preact/hooks";
import { get, words } from "./api.ts";
import { say } from "./notices.ts";
import { Empty, Field, Head } from "./ui.tsx";
import "./manage.css";

const LEVELS = ["error", "warn", "info", "debug"] as const;
type Level = (typeof LEVELS)[number];

interface Line {
  id: number;
  unix_ms: number;
  level: Level | "trace";
  target: string;
  message: string;
}

interface Lines {
  lines: Line[];
  after: number;
  missed: boolean;
}

const LOOK_AGAIN_MS = 1_000;
/** As the box keeps. */
const MOST_LINES = 2_000;

const SAID: Record<Level, string> = { error: "Errors", warn: "Warnings and errors", info: "What happens", debug: "Everything" };

/** The lines of a level, and what has been said since; `null` before there is an answer. */
function useLines(level: Level, follow: boolean): Line[] | null {
  const [lines, setLines] = useState<Line[] | null>(null);
  const after = useRef<number | undefined>(undefined);
  useEffect(() => {
    after.current = undefined;
    setLines(null);
  }, [level]);
  useEffect(() => {
    let told = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = async (): Promise<void> => {
      const since = after.current;
      try {
        const news = await get<Lines>(`/log?level=${level}&lines=${MOST_LINES}${since === undefined ? "" : `&after=${since}`}`);
        if (stopped) return;
        after.current = news.after;
        if (since === undefined) setLines(news.lines);
        else if (news.lines.length > 0) setLines((old) => [...(old ?? []), ...news.lines].slice(-MOST_LINES));
        told = false;
      } catch (error) {
        if (!told && !stopped) say(words(error), true);
        told = true;
      }
      if (!stopped && follow) timer = setTimeout(() => void look(), LOOK_AGAIN_MS);
    };
    let stopped = false;
    void look();
    return () => {
      stopped = true;
      clearTimeout(timer);
    };
  }, [level, follow]);
  return lines;
}

export function LogView() {
  const [level, setLevel] = useState<Level>("info");
  const [search, setSearch] = useState("");
  const [follow, setFollow] = useState(true);
  const lines = useLines(level, follow);
  const wanted = search.trim().toLowerCase();
  const shown = lines?.filter(({ message, target }) => `${target} ${message}`.toLowerCase().includes(wanted)) ?? [];
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (follow && list.current) list.current.scrollTop = list.current.scrollHeight;
  }, [shown.length, shown.at(-1)?.id, follow]);
  return (
    <>
      <Head title="Log">
        <label class="tick"><input type="checkbox" checked={follow} onChange={(event) => setFollow(event.currentTarget.checked)} />Follow</label>
      </Head>
      <div class="row filters">
        <Field label="Show">
          {(props) => (
            <select {...props} value={level} onChange={(event) => setLevel(event.currentTarget.value as Level)}>
              {LEVELS.map((level) => <option key={level} value={level}>{SAID[level]}</option>)}
            </select>
          )}
        </Field>
        <Field label="Search">
          {(props) => <input {...props} type="search" value={search} onInput={(event) => setSearch(event.currentTarget.value)} />}
        </Field>
      </div>
      {lines !== null && shown.length === 0
        ? <Empty title={wanted === "" ? "Nothing was said" : "No line has that"}>Since the box was started, as far as it remembers.</Empty>
        : (
          <div class="log" ref={list} tabIndex={0} role="region" aria-label={`${shown.length} lines of the log`}>
            <ol>
              {shown.map(({ id, unix_ms, level, target, message }) => (
                <li key={id} data-level={level}>
                  <time dateTime={new Date(unix_ms).toISOString()} title={new Date(unix_ms).toLocaleString()}>{clock(unix_ms)}</time>
                  <span class="level">{level}</span>
                  <span class="message" title={target}>{message}</span>
                </li>
              ))}
            </ol>
          </div>
        )}
    </>
  );
}

function clock(unix_ms: number): string {
  return new Date(unix_ms).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
}
