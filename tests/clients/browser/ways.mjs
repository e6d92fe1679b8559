// Publishes from a page of Chromium and watches the same stream there, both by one way only, as networks may have it:
//   node ways.mjs ORIGIN STREAM SECONDS tcp|relay
// `tcp`: with the box's TCP candidates alone. `relay`: by the TURN server that the box tells of, alone.
// Prints a line of JSON: by what each connection goes, and what came of it.
import { chromium } from "playwright-core";

const [origin, stream, seconds, way] = process.argv.slice(2);
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-background-networking",
  "--autoplay-policy=no-user-gesture-required",
  "--allow-loopback-in-peer-connection",
];

// Runs in the page.
async function publishAndWatch({ stream, seconds, way }) {
  const canvas = document.body.appendChild(document.createElement("canvas"));
  [canvas.width, canvas.height] = [640, 360];
  const context = canvas.getContext("2d");
  const draw = (now) => {
    context.fillStyle = `hsl(${(now / 10) % 360} 80% 50%)`;
    context.fillRect(0, 0, canvas.width, canvas.height);
    requestAnimationFrame(draw);
  };
  requestAnimationFrame(draw);

  const relayed = /<(turn:[^>]*)>; rel="ice-server"; username="(.*?)"; credential="(.*?)"/;
  const connect = async (peer, path) => {
    const offer = await peer.createOffer();
    const headers = { "content-type": "application/sdp" };
    const answer = await fetch(path, { method: "POST", headers, body: offer.sdp });
    const text = await answer.text();
    if (answer.status !== 201) throw new Error(`${path}: ${answer.status} ${text}`);
    if (way === "relay") {
      const [, urls, username, credential] = relayed.exec(answer.headers.get("link"));
      peer.setConfiguration({ iceTransportPolicy: "relay", iceServers: [{ urls, username, credential }] });
    }
    await peer.setLocalDescription(offer);
    const left = (line) => way !== "tcp" || !/^a=candidate:\S+ \d+ udp /i.test(line);
    await peer.setRemoteDescription({ type: "answer", sdp: text.split("\r\n").filter(left).join("\r\n") });
    if (peer.connectionState !== "connected")
      await new Promise((resolve, reject) => {
        peer.onconnectionstatechange = () => {
          if (peer.connectionState === "connected") resolve();
          if (peer.connectionState === "failed") reject(new Error(`${path}: no connection`));
        };
      });
    const stats = await peer.getStats();
    const pair = [...stats.values()].find(({ type, nominated, state }) => type === "candidate-pair" && nominated && state === "succeeded");
    const { candidateType, protocol } = stats.get(pair.localCandidateId);
    return { candidateType, protocol };
  };

  const publisher = new RTCPeerConnection();
  const [track] = canvas.captureStream(30).getTracks();
  const sender = publisher.addTransceiver(track, { direction: "sendonly" });
  sender.setCodecPreferences(RTCRtpSender.getCapabilities("video").codecs.filter(({ mimeType }) => mimeType === "video/H264"));
  const published = await connect(publisher, `/${stream}/whip`);

  const viewer = new RTCPeerConnection();
  viewer.addTransceiver("video", { direction: "recvonly" });
  viewer.addTransceiver("audio", { direction: "recvonly" });
  const watched = await connect(viewer, `/${stream}/whep`);
  await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
  const inbound = [...(await viewer.getStats()).values()].find(({ type, kind }) => type === "inbound-rtp" && kind === "video");
  const frames = { decoded: inbound.framesDecoded, lost: inbound.packetsLost, freezes: inbound.freezeCount };
  publisher.close();
  viewer.close();
  return { published, watched, frames };
}

const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", headless: true, args: FLAGS });
try {
  const page = await browser.newPage();
  // A page of the box's own; what it shows is of no interest.
  await page.goto(`${origin}/assets/none`);
  console.log(JSON.stringify(await page.evaluate(publishAndWatch, { stream, way, seconds: Number(seconds) })));
} finally {
  await browser.close();
}
