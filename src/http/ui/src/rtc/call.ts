// A peer connection that the box answers by WHIP or WHEP: made, led over another way when the network has
// changed, and ended. What goes through it, and when it is given up, its owner knows.

import { close, fragment, open, restart, restarted, type Session, trickle } from "./whip.ts";

const BUNDLED: RTCConfiguration = { bundlePolicy: "max-bundle" };

export class Call {
  readonly connection = new RTCPeerConnection(BUNDLED);
  private session: Session | null = null;
  private over = false;

  /** `tuned` makes of the box's answer what the browser is to have. */
  constructor(private readonly tuned: (answer: string) => string = (answer) => answer) {}

  /** Offers what the connection has by now. Throws `Refused`, or what `fetch` and the browser throw. */
  async open(path: string, token?: string | null): Promise<void> {
    const { connection } = this;
    // Set as the local description only with the answer: that names the servers to gather candidates from.
    const offer = await connection.createOffer();
    const session = await open(path, offer.sdp ?? "", token);
    if (this.over) return await close(session);
    this.session = session;
    if (session.iceServers.length > 0) connection.setConfiguration({ ...BUNDLED, iceServers: session.iceServers });
    if (session.wantsCandidates) {
      connection.addEventListener("icecandidate", ({ candidate }) => {
        void trickle(session, fragment(connection.localDescription?.sdp ?? "", [candidate]));
      });
    }
    await connection.setLocalDescription(offer);
    await connection.setRemoteDescription({ type: "answer", sdp: this.tuned(session.answer) });
  }

  /** Looks for another way to the box (ICE restart), in the same session. Throws as `open` does. */
  async restart(): Promise<void> {
    const { connection, session } = this;
    if (session === null) return;
    const offer = await connection.createOffer({ iceRestart: true });
    const news = await restart(session, fragment(offer.sdp ?? "", []));
    if (this.over) return;
    session.answer = restarted(session.answer, news);
    await connection.setLocalDescription(offer);
    await connection.setRemoteDescription({ type: "answer", sdp: this.tuned(session.answer) });
  }

  /** Ends it, also while the page is being left. */
  hangUp(): void {
    this.over = true;
    const { connection, session } = this;
    // A connection that closes first ends the session, and what is asked to be deleted isn't there any more.
    if (session === null) connection.close();
    else void close(session).finally(() => connection.close());
    this.session = null;
  }
}
