// What the box says about its streams.

export interface StreamInfo {
  name: string;
  /** What the sources are doing, where that is not "live": "no signal: no cable". */
  trouble: string | null;
  /** "1280 × 720", or null without pictures. */
  size: string | null;
}

interface StreamEntry {
  name: string;
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

export function info({ name, sources, tracks }: StreamEntry): StreamInfo {
  const picture = tracks.find(({ width }) => width !== undefined);
  const trouble = sources.flatMap(({ kind, state, cause }) => {
    const what = kind === "video" ? "" : " from the microphone";
    switch (state) {
      case "no_signal": return [`no signal${what}${cause ? `: ${cause}` : ""}`];
      case "ended": return kind === "video" ? ["ended"] : [];
      default: return [];
    }
  })[0] ?? null;
  return { name, trouble, size: picture ? `${picture.width} × ${picture.height}` : null };
}
