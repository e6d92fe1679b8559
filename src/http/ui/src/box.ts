// What the box says about its streams.

export interface StreamInfo {
  name: string;
  /** What the sources are doing, where that is not "live": "no signal: no cable". */
  trouble: string | null;
  /** Why there is nothing to play until somebody starts it, in a sentence; null where there is. */
  offAir: string | null;
  ended: boolean;
  /** "1280 × 720", or null without pictures. */
  size: string | null;
}

interface StreamEntry {
  name: string;
  state: "running" | "ended" | "stopped" | "stopping" | null;
  sources: { kind: "video" | "audio"; state: string; cause?: string }[];
  tracks: { width?: number; height?: number }[];
}

/**
 * The token that a page was opened with (`/camera/?token=…`), put on an address of the box: for streams that
 * only those with a token may watch. What the playlists name carries a key of the box's own.
 */
export function withToken(path: string, search = globalThis.location?.search ?? ""): string {
  const token = new URLSearchParams(search).get("token");
  return token === null ? path : `${path}?token=${encodeURIComponent(token)}`;
}

/** `null` when the box can't be reached. */
export async function streams(): Promise<StreamInfo[] | null> {
  try {
    const answer = await fetch(withToken("/api/v1/streams"), { cache: "no-store", signal: AbortSignal.timeout(5_000) });
    if (!answer.ok) return null;
    return ((await answer.json()) as { streams: StreamEntry[] }).streams.map(info);
  } catch {
    return null;
  }
}

const OFF_AIR: Record<string, string> = {
  ended: "This stream has ended. If it starts again, it plays here by itself.",
  stopped: "This stream is stopped. When it starts again, it plays here by itself.",
};

export function info({ name, state, sources, tracks }: StreamEntry): StreamInfo {
  const picture = tracks.find(({ width }) => width !== undefined);
  const trouble = sources.flatMap(({ kind, state, cause }) => {
    const what = kind === "video" ? "" : " from the microphone";
    switch (state) {
      case "no_signal": return [`no signal${what}${cause ? `: ${cause}` : ""}`];
      case "ended": return kind === "video" ? ["ended"] : [];
      default: return [];
    }
  })[0] ?? null;
  const offAir = OFF_AIR[state === "stopping" ? "stopped" : state ?? ""] ?? null;
  return { name, trouble, offAir, ended: state === "ended", size: picture ? `${picture.width} × ${picture.height}` : null };
}
