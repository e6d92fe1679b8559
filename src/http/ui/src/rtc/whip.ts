// The HTTP side of WHIP and WHEP (RFC 9725): an offer goes there, an answer comes back, and the session is a
// resource that is patched and deleted. Knows no peer connection.

/** A session on the box. */
export interface Session {
  answer: string;
  url: string;
  token: string | null;
  etag: string | null;
  iceServers: RTCIceServer[];
  /** Whether the box wants to hear of our candidates: one that does no checks of its own needs none. */
  wantsCandidates: boolean;
}

/** The box said no: its status, and its words. */
export class Refused extends Error {
  constructor(readonly status: number, message: string) {
    super(message);
  }
}

const PATIENCE_MS = 8_000;
const FRAGMENT = "application/trickle-ice-sdpfrag";

/** `token` is shown to the box. Throws `Refused`, or what `fetch` throws when the box can't be reached. */
export async function open(url: string, offer: string, token = pageToken()): Promise<Session> {
  const answer = await fetch(url, {
    method: "POST",
    headers: { ...bearer(token), "content-type": "application/sdp", "accept": "application/sdp" },
    body: offer,
    cache: "no-store",
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  const text = await answer.text();
  const location = answer.headers.get("location");
  if (answer.status !== 201 || location === null) throw new Refused(answer.status, told(text));
  const { headers } = answer;
  const etag = headers.get("etag");
  return {
    answer: text,
    token,
    url: new URL(location, answer.url).href,
    etag,
    iceServers: iceServers(headers.get("link") ?? ""),
    wantsCandidates: (etag !== null || (headers.get("accept-patch") ?? "").includes(FRAGMENT)) && !/^a=ice-lite\s*$/m.test(text),
  };
}

/** Tells the box of candidates. What gets lost here is missing as one way among several. */
export async function trickle(session: Session, fragment: string): Promise<void> {
  const headers: Record<string, string> = { ...bearer(session.token), "content-type": FRAGMENT };
  if (session.etag !== null) headers["if-match"] = session.etag;
  await fetch(session.url, { method: "PATCH", headers, body: fragment, signal: AbortSignal.timeout(PATIENCE_MS) }).catch(() => {});
}

/** Tells of an ICE restart; the box's fragment comes back. Throws `Refused`, or what `fetch` throws. */
export async function restart(session: Session, fragment: string): Promise<string> {
  const answer = await fetch(session.url, {
    method: "PATCH",
    headers: { ...bearer(session.token), "content-type": FRAGMENT, "if-match": "*" },
    body: fragment,
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  const text = await answer.text();
  if (answer.status !== 200) throw new Refused(answer.status, told(text));
  session.etag = answer.headers.get("etag");
  return text;
}

/** Ends the session, also while the page is being left. */
export async function close(session: Session): Promise<void> {
  await fetch(session.url, { method: "DELETE", headers: bearer(session.token), keepalive: true }).catch(() => {});
}

/** The token that the page was opened with. */
export function pageToken(search = globalThis.location?.search ?? ""): string | null {
  return new URLSearchParams(search).get("token");
}

function bearer(token: string | null): Record<string, string> {
  return token === null ? {} : { authorization: `Bearer ${token}` };
}

/** A refusal's words: a problem document (RFC 9457) or plain text. */
export function told(text: string): string {
  try {
    const { detail, title } = JSON.parse(text) as { detail?: string; title?: string };
    return detail ?? title ?? "";
  } catch {
    return text.trim();
  }
}

/** `Link: <stun:…>; rel="ice-server"`, `<turn:…>; rel="ice-server"; username="…"; credential="…"` (RFC 9725 §4.6). */
export function iceServers(link: string): RTCIceServer[] {
  return [...link.matchAll(/<([^>]*)>((?:\s*;\s*[\w-]+\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^\s",;]*))*)/g)].flatMap(([, url = "", rest = ""]) => {
    const parameters = new Map([...rest.matchAll(/;\s*([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",;]*))/g)]
      .map(([, name = "", quoted, plain]) => [name.toLowerCase(), quoted?.replace(/\\(.)/g, "$1") ?? plain ?? ""] as const));
    if (!parameters.get("rel")?.split(" ").includes("ice-server") || !/^(stun|turn)s?:/.test(url)) return [];
    const [username, credential] = [parameters.get("username"), parameters.get("credential")];
    return [username !== undefined && credential !== undefined ? { urls: url, username, credential } : { urls: url }];
  });
}

/** The body of a PATCH that tells of candidates of the description `sdp` (RFC 8840); null ends them. */
export function fragment(sdp: string, candidates: readonly (RTCIceCandidate | null)[]): string {
  const line = (name: string): string => new RegExp(`^a=${name}:.*$`, "m").exec(sdp)?.[0].trim() ?? "";
  // All media goes one way (BUNDLE), that of the first.
  const media = /^m=.*$/m.exec(sdp)?.[0].trim() ?? "";
  const lines = [line("ice-ufrag"), line("ice-pwd"), media, line("mid"),
    ...candidates.map((candidate) => (candidate === null ? "a=end-of-candidates" : `a=${candidate.candidate}`))];
  return `${lines.filter(Boolean).join("\r\n")}\r\n`;
}

/** An answer with the user name, password and candidates of a fragment instead of its own. */
export function restarted(answer: string, fragment: string): string {
  const of = (name: string): string => new RegExp(`^a=${name}:.*$`, "m").exec(fragment)?.[0].trim() ?? "";
  const candidates = fragment.match(/^a=(candidate:.*|end-of-candidates)$/gm) ?? [];
  let placed = false;
  return `${answer.trimEnd().split(/\r?\n/).flatMap((line) => {
    if (line.startsWith("a=candidate:") || line === "a=end-of-candidates") return [];
    if (line.startsWith("a=ice-pwd:")) return [of("ice-pwd")];
    if (!line.startsWith("a=ice-ufrag:")) return [line];
    // All are bundled into the first.
    const first = placed ? [] : candidates.map((candidate) => candidate.trim());
    placed = true;
    return [of("ice-ufrag"), ...first];
  }).join("\r\n")}\r\n`;
}

/**
 * The box's answer with a word for Chromium on how fast to begin: it starts at 300 kbit/s and takes half a minute to
 * find out what a LAN carries. Others pass over it.
 */
export function beginningAt(answer: string, bps: number): string {
  return answer.replace(/^a=fmtp:\d+ .*profile-level-id=.*$/gm, (line) => `${line.trimEnd()};x-google-start-bitrate=${Math.round(bps / 1000)}`);
}
