// Four people meet in a room that is broadcast, each in a Chromium window of their own with a fake camera and
// microphone; a fifth watches the room as the stream that it is. Prints one line of JSON:
//   node broadcast.mjs ORIGIN ROOM
import { launch, open, until } from "./peers.mjs";

const [origin, room] = process.argv.slice(2);
const PEOPLE = ["Ada", "Bo", "Cem", "Dora"];
const VIEWPORT = { width: 640, height: 480 };

async function comesIn(browser, name) {
  const { page, problems } = await open(browser, `${origin}/rooms/${room}`, { viewport: VIEWPORT });
  await page.getByLabel("Your name").fill(name);
  await until(`${name}'s preview`, () => page.evaluate(() => window.see(document.querySelector("video")).frames > 2));
  await page.getByRole("button", { name: "Come in" }).click();
  await page.getByRole("button", { name: "Leave" }).waitFor();
  return { name, page, problems };
}

/** Of each of the four tiles of a picture, the share that is green, as the fake cameras' pictures are. */
const tiles = (page) =>
  page.evaluate(() => {
    const [width, height] = [64, 36];
    const context = new OffscreenCanvas(width, height).getContext("2d");
    context.drawImage(document.querySelector("video"), 0, 0, width, height);
    return [[0, 0], [1, 0], [0, 1], [1, 1]].map(([column, row]) => {
      const { data } = context.getImageData(column * width / 2, row * height / 2, width / 2, height / 2);
      let green = 0;
      for (let at = 0; at < data.length; at += 4) if (data[at + 1] > 50 && data[at + 1] > 1.5 * data[at] && data[at + 1] > 1.5 * data[at + 2]) green += 1;
      return green / (data.length / 4);
    });
  });

const browser = await launch();
try {
  const people = [];
  for (const name of PEOPLE) people.push(await comesIn(browser, name));

  const viewer = await open(browser, `${origin}/room-${room}/?player=hls`, { viewport: VIEWPORT });
  const stats = () => viewer.page.evaluate(() => window.captureboxStats);
  await until("the room to play", async () => (await stats())?.frames > 10);
  const seen = await until("all four in the picture", async () => {
    const now = await tiles(viewer.page);
    return now.every((green) => green > 0.5) && now;
  });
  const before = await viewer.page.evaluate(() => window.see(document.querySelector("video")));
  const heard = await viewer.page.evaluate(() => window.hear(document.querySelector("video"), 4_000));
  const after = await viewer.page.evaluate(() => window.see(document.querySelector("video")));

  await people[0].page.getByRole("button", { name: "Camera off" }).click();
  const without = await until("Ada's initial in her picture's place", async () => {
    const now = await tiles(viewer.page);
    return now[0] < 0.2 && now.slice(1).every((green) => green > 0.5) && now;
  });
  await people[3].page.getByRole("button", { name: "Leave" }).click();
  await until("three tiles", async () => (await tiles(viewer.page))[3] < 0.5);

  const problems = people.flatMap((person) => person.problems.map((problem) => `${person.name}: ${problem}`));
  problems.push(...viewer.problems);
  const { transport } = await stats();
  console.log(JSON.stringify({ seen, heard, frames: after.frames - before.frames, size: [after.width, after.height], without, transport, problems }));
} finally {
  await browser.close();
}
