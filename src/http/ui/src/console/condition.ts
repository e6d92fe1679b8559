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

/** Of each, that it is over, and that it is so. */
const TROUBLES: Record<string, [string, string]> = {
  too_hot: ["The board has cooled down.", "The board is too hot: give it air."],
  throttled: ["The board runs at full speed again.", "The board holds itself back."],
  under_voltage: ["The board's voltage is right again.", "The board's voltage is too low: use a stronger supply."],
  memory_low: ["There is enough memory again.", "Little memory is left."],
  storage_worn: ["The card is another one.", "The card is near the end of its life: copy it to a new one."],
};

const LOADS: Record<string, string> = {
  full: "The board does everything again.",
  without_snapshots: "The board is held back: it makes no snapshots.",
  low_bitrate: "The board is held back: it encodes at a lower bitrate.",
  half_frame_rate: "The board is held back: it leaves out every second picture.",
};

/** Whether an event is one to worry about. */
export function isBad({ event, state, on, load }: Event): boolean {
  return state === "no_signal" || event === "disk_low" || (event === "board" && on === true) || (event === "load" && load !== "full");
}

/** What an event says to people; null where it is nothing to tell. */
export function told({ event, stream, kind, state, cause, path, on, mark, address, trouble, load }: Event): string | null {
  const what = `${stream}: ${kind === "audio" ? "sound" : "picture"}`;
  switch (event) {
    case "stream_started": return `${stream} has started.`;
    case "stream_stopped": return `${stream} has stopped.`;
    case "configuration_changed": return "The configuration has changed.";
    case "mark": return `${stream}: mark ${mark}.`;
    case "mute": return `${stream}: ${on ? "muted" : "the sound goes out"}.`;
    case "slate": return `${stream}: ${on ? "the slate is shown" : "the picture goes out"}.`;
    case "address": return `The box is at ${address}.`;
    case "board": return TROUBLES[trouble ?? ""]?.[on ? 1 : 0] ?? null;
    case "load": return LOADS[load ?? ""] ?? null;
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
