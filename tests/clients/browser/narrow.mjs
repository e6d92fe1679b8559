// Watches a stream by WHEP over a way that becomes narrow; prints one line of JSON:
//   node narrow.mjs ORIGIN PATH
import { launch, until } from "./peers.mjs";
import { Relay, narrows } from "./relay.mjs";

const [origin, path] = process.argv.slice(2);

// Runs in the page.
async function watch(path) {
  const peer = new RTCPeerConnection();
  const media = new MediaStream();
  for (const kind of ["video", "audio"]) media.addTrack(peer.addTransceiver(kind, { direction: "recvonly" }).receiver.track);
  const video = document.body.appendChild(document.createElement("video"));
  video.srcObject = media;
  await peer.setLocalDescription();
  const answer = await fetch(path, { method: "POST", headers: { "content-type": "application/sdp" }, body: peer.localDescription.sdp });
  await peer.setRemoteDescription({ type: "answer", sdp: await answer.text() });
  await video.play();
}

const relay = await Relay.start();
const browser = await launch();
try {
  const context = await browser.newContext();
  await relay.leads(context);
  const page = await context.newPage();
  await page.goto(`${origin}/assets/none`);
  await page.evaluate(watch, path);
  console.log(JSON.stringify(await narrows(page, relay, until)));
} finally {
  await browser.close();
  relay.close();
}
