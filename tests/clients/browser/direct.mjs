// Two people alone in a room have each other directly, past the box, which stands in again when that breaks and when
// a third one comes; prints one line of JSON:
//   node direct.mjs ORIGIN ROOM
import { launch, open, until } from "./peers.mjs";

const [origin, room] = process.argv.slice(2);

// Runs in the page: keeps its connections, those to the box (they have a data channel) and those past it.
function watchConnections() {
  const [ours, boxes] = [[], new WeakSet()];
  const Connection = RTCPeerConnection;
  window.RTCPeerConnection = class extends Connection {
    constructor(...configuration) {
      super(...configuration);
      ours.push(this);
    }

    createDataChannel(...channel) {
      boxes.add(this);
      return super.createDataChannel(...channel);
    }
  };
  const open = () => ours.filter(({ connectionState }) => connectionState === "connected");
  window.past = () => open().find((connection) => !boxes.has(connection));
  /** Media packets that went either way so far, by the box and past it. */
  window.packets = async () => {
    const count = { box: 0, past: 0 };
    for (const connection of open())
      for (const { type, packetsReceived = 0, packetsSent = 0 } of (await connection.getStats()).values())
        if (type === "inbound-rtp" || type === "outbound-rtp") count[boxes.has(connection) ? "box" : "past"] += packetsReceived + packetsSent;
    return count;
  };
}

async function comesIn(browser, name) {
  const { page, problems } = await open(browser, "about:blank", { viewport: { width: 640, height: 480 } });
  await page.addInitScript(watchConnections);
  await page.goto(`${origin}/rooms/${room}`);
  await page.getByLabel("Your name").fill(name);
  await until(`${name}'s preview`, () => page.evaluate(() => window.see(document.querySelector("video")).frames > 2));
  await page.getByRole("button", { name: "Come in" }).click();
  await page.getByRole("button", { name: "Leave" }).waitFor();
  return { name, page, problems };
}

/** Waits until somebody sees so many others, all moving. */
async function sees({ name, page }, others) {
  const pictures = () => page.evaluate(() => [...document.querySelectorAll(".tile video:not([hidden]):not(.mirrored)")]
    .filter((video) => !video.getAttribute("aria-label").endsWith("(you)") && video.videoWidth > 0).map((video) => window.see(video)));
  return until(`${name} to see ${others} others`, async () => {
    const before = await pictures();
    if (before.length !== others) return false;
    await page.waitForTimeout(600);
    const after = await pictures();
    return after.length === others && after.every(({ green, frames }, at) => green > 0.5 && frames > before[at].frames) && after;
  });
}

const are = async (people, direct) => {
  for (const { name, page } of people) await until(`${name} to be ${direct ? "directly connected" : "connected by the box"}`, () => page.locator(`.room[data-direct="${direct}"]`).count());
};

const browser = await launch();
try {
  const people = [await comesIn(browser, "Ada"), await comesIn(browser, "Bo")];
  const [ada] = people;
  await are(people, true);
  for (const person of people) await sees(person, 1);
  // What was on its way is there by now.
  await ada.page.waitForTimeout(500);
  const before = await ada.page.evaluate(() => window.packets());
  const heard = await ada.page.evaluate(() => window.hear(document.querySelector("audio"), 2_500));
  const after = await ada.page.evaluate(() => window.packets());
  const alone = { box: after.box - before.box, past: after.past - before.past };

  // It breaks at one end.
  await ada.page.evaluate(() => window.past().close());
  await are(people, false);
  for (const person of people) await sees(person, 1);

  // Somebody comes: by the box, and all see each other. Gone again, the two have another try.
  const cem = await comesIn(browser, "Cem");
  for (const person of [...people, cem]) await sees(person, 2);
  const three = await ada.page.evaluate(() => window.past() === undefined);
  await cem.page.getByRole("button", { name: "Leave" }).click();
  await are(people, true);
  await sees(ada, 1);
  const problems = [...people, cem].flatMap((person) => person.problems.map((problem) => `${person.name}: ${problem}`));
  console.log(JSON.stringify({ heard, alone, three, problems }));
} finally {
  await browser.close();
}
