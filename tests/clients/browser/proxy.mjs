// UDP by way of this process, so that a way between a page and the box can go and another one come: what a phone
// that changes from Wi-Fi to cable is to the box.
import { createSocket } from "node:dgram";

/** Passes on to `port` of this machine whatever comes, and back what comes from there. */
export async function way(port) {
  const socket = createSocket("udp4");
  const outs = new Map();
  let open = true;
  socket.on("message", (message, { port: from }) => {
    if (!open) return;
    if (!outs.has(from)) {
      const out = createSocket("udp4");
      out.on("message", (back) => open && socket.send(back, from, "127.0.0.1"));
      outs.set(from, out);
    }
    outs.get(from).send(message, port, "127.0.0.1");
  });
  await new Promise((resolve) => socket.bind(0, "127.0.0.1", resolve));
  return {
    port: socket.address().port,
    /** From now on nothing gets through. */
    cut: () => { open = false; },
    close: () => [socket, ...outs.values()].forEach((one) => one.close()),
  };
}

/** Of a description or a fragment: the box is reached by one way alone. */
export function led(sdp, { port }) {
  return sdp.replace(/^(a=candidate:\S+ \d+ udp \d+) \S+ \d+ /gim, (_, head) => `${head} 127.0.0.1 ${port} `);
}

/** The port of the box's own candidates. */
export const boxPort = (sdp) => Number(/^a=candidate:\S+ \d+ udp \d+ \S+ (\d+) /im.exec(sdp)[1]);

/** Leads the sessions that `page` opens at `endpoint` ("**\/whep") by ways which can be cut; counts what is asked. */
export async function leads(page, endpoint) {
  const ways = [];
  const asked = { POST: 0, PATCH: 0, DELETE: 0 };
  let port = null;
  const answer = async (route) => {
    asked[route.request().method()] += 1;
    const response = await route.fetch();
    const sdp = await response.text();
    if (!sdp.includes("a=candidate:")) return route.fulfill({ response, body: sdp });
    port ??= boxPort(sdp);
    if (ways.length === 0 || ways.at(-1).gone) ways.push(await way(port));
    return route.fulfill({ response, body: led(sdp, ways.at(-1)) });
  };
  await page.route(endpoint, answer);
  await page.route(`${endpoint}/*`, answer);
  return {
    asked,
    cut() {
      ways.at(-1).gone = true;
      ways.at(-1).cut();
    },
    close: () => ways.forEach((one) => one.close()),
  };
}
