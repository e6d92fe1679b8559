// How a stream is, in a word and in a sentence.

import type { Event, Source, Stream } from "./api.ts";

export type Kind = "live" | "no-signal" | "connecting" | "error" | "stopped";

export interface Condition {
  kind: Kind;
  word: string;
  /** Why, where there is a why. */
  cause: string | null;
}

const WORDS: Record<Kind, string> = {
  "live": "Live", "no-signal": "No signal", "connecting": "Connecting", "error": "Error", "stopped": "Stopped",
};

function is(kind: Kind, cause: string | null = null): Condition {
  return { kind, word: WORDS[kind], cause };
}

/** The worst that is true of it. */
export function condition({ state, sources }: Stream): Condition {
  if (state === "stopped") return is("stopped");
  if (state === "stopping") return is("error", "A device hangs while the stream stops.");
  if (state === "ended") return is("stopped", "The source has come to its end.");
  const of = (wanted: Source["state"]): Source | undefined =>
    [...sources].sort((a, b) => b.kind.localeCompare(a.kind)).find((source) => source.state === wanted);
  const ended = of("ended");
  if (ended !== undefined) return is("error", because(ended, "has ended"));
  const silent = of("no_signal");
  if (silent !== undefined) return is("no-signal", because(silent, "gives nothing"));
  if (sources.length === 0 || of("starting") !== undefined) return is("connecting");
  return is("live");
}

/** "Microphone: no such device." */
function because({ kind, cause }: Source, otherwise: string): string {
  const what = kind === "video" ? "Picture" : "Sound";
  return cause ? `${what}: ${cause}` : `${what} ${otherwise}.`;
}

/** What an event says to people; null where it is nothing to tell. */
export function told({ event, stream, kind, state, cause, path }: Event): string | null {
  const what = `${stream}: ${kind === "audio" ? "sound" : "picture"}`;
  switch (event) {
    case "stream_started": return `${stream} has started.`;
    case "stream_stopped": return `${stream} has stopped.`;
    case "configuration_changed": return "The configuration has changed.";
    case "disk_low": return `Little is left on ${path}.`;
    case "source_state":
      switch (state) {
        case "no_signal": return `${what} has no signal${cause ? `: ${cause}` : ""}.`;
        case "live": return `${what} is live.`;
        case "ended": return `${what} has ended.`;
        default: return null;
      }
    default: return null;
  }
}
