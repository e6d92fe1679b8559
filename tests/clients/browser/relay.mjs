// A way between a page and the box that can be narrowed: UDP through a socket of ours, and what goes to the page waits
// in front of a bottleneck, or is lost where too much waits. All of the page's WebRTC goes through it.
import { createSocket } from "node:dgram";

/** What waits at most, ms. */
const QUEUE_MS = 250;

export class Relay {
  #page = createSocket("udp4");
  #box = createSocket("udp4");
  #client = null;
  #target = null;
  #busyUntil = 0;
  #bytes = 0;
  #open = true;
  #since = performance.now();
  bps = Infinity;

  static async start() {
    const relay = new Relay();
    await Promise.all([relay.#page, relay.#box].map((socket) => new Promise((bound) => socket.bind(0, "127.0.0.1", bound))));
    relay.#page.on("message", (datagram, from) => {
      relay.#client = from.port;
      if (relay.#target) relay.#box.send(datagram, relay.#target, "127.0.0.1");
    });
    relay.#box.on("message", (datagram) => relay.#narrow(datagram));
    return relay;
  }

  #narrow(datagram) {
    const now = performance.now();
    this.#bytes += datagram.length;
    const begins = Math.max(this.#busyUntil, now);
    if (begins > now + QUEUE_MS) return;
    this.#busyUntil = begins + (datagram.length * 8_000) / this.bps;
    const send = () => this.#open && this.#page.send(datagram, this.#client, "127.0.0.1");
    if (this.#busyUntil - now < 1) send();
    else setTimeout(send, this.#busyUntil - now);
  }

  /** What the box has sent since this was last asked, bits a second. */
  rate() {
    const now = performance.now();
    const rate = (this.#bytes * 8_000) / (now - this.#since);
    [this.#bytes, this.#since] = [0, now];
    return rate;
  }

  /** From now on what the page connects to is reached by this way. */
  async leads(context) {
    await context.exposeFunction("relayTo", (port) => {
      this.#target = port;
      return this.#page.address().port;
    });
    await context.addInitScript(() => {
      window.peers = [];
      const set = RTCPeerConnection.prototype.setRemoteDescription;
      RTCPeerConnection.prototype.setRemoteDescription = async function (description) {
        if (!window.peers.includes(this)) window.peers.push(this);
        const port = await window.relayTo(Number(/^a=candidate:\S+ 1 udp \d+ 127\.0\.0\.1 (\d+) /im.exec(description.sdp)[1]));
        const candidate = `a=candidate:1 1 udp 2130706431 127.0.0.1 ${port} typ host\r\n`;
        const [session, ...media] = description.sdp.replace(/^a=(candidate:.*|end-of-candidates)\r\n/gm, "").split(/^(?=m=)/m);
        return set.call(this, { type: description.type, sdp: session + media.map((section) => section + candidate).join("") });
      };
    });
  }

  close() {
    this.#open = false;
    this.#page.close();
    this.#box.close();
  }
}

/** What a page gets: the picture's width and frames, how long it stood still, s, and how much of the sound was made up. */
export const gets = (page) =>
  page.evaluate(async () => {
    const stats = [...(await window.peers.at(-1).getStats()).values()].filter(({ type }) => type === "inbound-rtp");
    const picture = stats.find(({ kind, frameWidth }) => kind === "video" && frameWidth) ?? {};
    const sound = stats.find(({ kind }) => kind === "audio") ?? {};
    return {
      width: picture.frameWidth ?? 0, frames: picture.framesDecoded ?? 0, frozen: picture.totalFreezesDuration ?? 0,
      samples: sound.totalSamplesReceived ?? 0, concealed: (sound.concealedSamples ?? 0) - (sound.silentConcealedSamples ?? 0),
    };
  });

/** Narrows the way until a smaller picture comes; what was seen before, then, and some seconds later. */
export async function narrows(page, relay, until) {
  await until("the large picture", async () => (await gets(page)).width >= 640);
  await page.waitForTimeout(1_000);
  relay.rate();
  await page.waitForTimeout(2_000);
  const large = await gets(page);
  const rate = relay.rate();
  relay.bps = rate * 0.45;
  await until("a smaller picture", async () => (await gets(page)).width < large.width);
  // What was on its way is through, and what was lost is made up for.
  await page.waitForTimeout(2_000);
  const small = await gets(page);
  await page.waitForTimeout(4_000);
  return { rate, large, small, settled: await gets(page) };
}
