// Publishes from a page of Chromium by WHIP: a picture that flashes and a tone that beeps at every whole second of
// one clock, so that what comes out elsewhere tells how far the two are apart.
//   node whip.mjs ORIGIN PATH SECONDS [TURN_AFTER_SECONDS|layers|pause]
// Prints a line of JSON once it is connected, and another one at the end. With TURN_AFTER_SECONDS, the picture is
// turned from landscape to portrait then, as a phone's is. With layers, it is sent in three sizes (simulcast). With
// pause, camera and microphone are off from the sixth second to the tenth, as by the page's buttons.
import { launch, PEER_FLAGS } from "./chromium.mjs";

const [origin, path, seconds, special] = process.argv.slice(2);
const layers = special === "layers";
const pause = special === "pause";
const turnAfter = special && !layers && !pause ? Number(special) : null;

// Runs in the page.
async function publish({ path, turnAfter, layers, pause }) {
  const sound = new AudioContext();
  await sound.resume();
  const tone = new OscillatorNode(sound, { frequency: 1_000 });
  const loudness = new GainNode(sound, { gain: 0 });
  const out = new MediaStreamAudioDestinationNode(sound);
  tone.connect(loudness).connect(out);
  tone.start();
  const began = Math.ceil(sound.currentTime) + 1;
  for (let second = began; second < began + 300; second++) {
    loudness.gain.setValueAtTime(0.5, second);
    loudness.gain.setValueAtTime(0, second + 0.2);
  }

  const canvas = document.body.appendChild(document.createElement("canvas"));
  // In less, the browser makes fewer layers.
  [canvas.width, canvas.height] = layers ? [960, 540] : [640, 360];
  const context = canvas.getContext("2d");
  const draw = () => {
    const now = sound.currentTime;
    if (turnAfter !== null && now - began >= turnAfter && canvas.width > canvas.height) [canvas.width, canvas.height] = [360, 640];
    const flashes = now >= began && now % 1 < 0.2;
    context.fillStyle = flashes ? "#fff" : "#202020";
    context.fillRect(0, 0, canvas.width, canvas.height);
    // Something moves all the time.
    context.fillStyle = "#3070c0";
    context.fillRect((now * 90) % canvas.width, canvas.height - 20, 20, 10);
    // So much that each layer has the bits that it may have.
    for (let dot = 0; layers && dot < 40; dot++) {
      context.fillStyle = `hsl(${Math.random() * 360} 80% 50%)`;
      context.fillRect(Math.random() * canvas.width, (0.6 + 0.3 * Math.random()) * canvas.height, 16, 9);
    }
    requestAnimationFrame(draw);
  };
  draw();

  const media = new MediaStream([...canvas.captureStream(layers ? 15 : 30).getTracks(), ...out.stream.getTracks()]);
  const peer = new RTCPeerConnection();
  window.peer = peer;
  for (const track of media.getTracks()) {
    const sizes = [["low", 4, 150_000], ["middle", 2, 350_000], ["high", 1, 1_000_000]].map(([rid, scaleResolutionDownBy, maxBitrate]) => ({ rid, scaleResolutionDownBy, maxBitrate }));
    const sendEncodings = layers && track.kind === "video" ? sizes : [{}];
    const transceiver = peer.addTransceiver(track, { direction: "sendonly", streams: [media], sendEncodings });
    if (track.kind === "video") {
      const h264 = RTCRtpSender.getCapabilities("video").codecs.filter(({ mimeType }) => mimeType === "video/H264");
      transceiver.setCodecPreferences(h264);
      // A busy machine isn't to send smaller pictures.
      const parameters = { ...transceiver.sender.getParameters(), degradationPreference: "maintain-resolution" };
      if (layers) await transceiver.sender.setParameters(parameters);
    }
  }
  if (pause) {
    const enable = (enabled) => media.getTracks().forEach((track) => (track.enabled = enabled));
    setTimeout(enable, 6_000, false);
    setTimeout(enable, 10_000, true);
  }
  await peer.setLocalDescription();
  const answer = await fetch(path, { method: "POST", headers: { "content-type": "application/sdp" }, body: peer.localDescription.sdp });
  const text = await answer.text();
  if (answer.status !== 201) return { status: answer.status, text };
  // The browser needn't find out first what gets through.
  const sdp = layers ? text.replace(/^(a=fmtp:\d+ .*packetization-mode=1.*)$/gm, "$1;x-google-start-bitrate=2500") : text;
  await peer.setRemoteDescription({ type: "answer", sdp });
  if (peer.connectionState !== "connected")
    await new Promise((resolve) => {
      peer.onconnectionstatechange = () => peer.connectionState === "connected" && resolve();
    });
  return { status: answer.status, location: answer.headers.get("location"), etag: answer.headers.get("etag") };
}

const browser = await launch(PEER_FLAGS);
try {
  const page = await browser.newPage();
  // A page of the box's own; what it shows is of no interest.
  await page.goto(`${origin}/assets/none`);
  const begun = await page.evaluate(publish, { path, turnAfter, layers, pause });
  console.log(JSON.stringify(begun));
  if (begun.status === 201) {
    await page.waitForTimeout(Number(seconds) * 1_000);
    const sent = await page.evaluate(async () => {
      const stats = [...(await window.peer.getStats()).values()].find(({ type, kind }) => type === "outbound-rtp" && kind === "video");
      return { keyFrames: stats.keyFramesEncoded, frames: stats.framesEncoded, plis: stats.pliCount };
    });
    const left = await page.evaluate(async (location) => (await fetch(location, { method: "DELETE" })).status, begun.location);
    console.log(JSON.stringify({ ...sent, left }));
  }
} finally {
  await browser.close();
}
