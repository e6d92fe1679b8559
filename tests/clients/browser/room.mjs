// Four people meet in a room, each in a Chromium window of their own with a fake camera and microphone, and
// look whether they see and hear each other; prints one line of JSON:
//   node room.mjs ORIGIN ROOM SCREENSHOTS
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import axe from "axe-core";
import { launch, open, until } from "./peers.mjs";

const [origin, room, screenshots] = process.argv.slice(2);
const PEOPLE = ["Ada", "Bo", "Cem", "Dora"];
const SIZES = [{ width: 1280, height: 800 }, { width: 360, height: 740 }, { width: 1024, height: 640 }, { width: 800, height: 600 }];

async function comesIn(browser, name, viewport) {
  const { page, problems } = await open(browser, `${origin}/rooms/${room}`, { viewport });
  await page.getByLabel("Your name").fill(name);
  await until(`${name}'s preview`, () => page.evaluate(() => window.see(document.querySelector("video")).frames > 2));
  await page.getByRole("button", { name: "Come in" }).click();
  await page.getByRole("button", { name: "Leave" }).waitFor();
  return { name, page, problems };
}

/** The pictures of others that move, by the names under them. */
const pictures = (page) =>
  page.evaluate(() =>
    [...document.querySelectorAll(".tile")].flatMap((tile) => {
      const video = tile.querySelector("video");
      const name = tile.querySelector(".name").textContent;
      return video.hidden || video.videoWidth === 0 || name.endsWith("(you)") ? [] : [{ name, ...window.see(video) }];
    }));

/** Everybody else in the room, moving. */
async function sees({ name, page }) {
  const others = PEOPLE.filter((other) => other !== name);
  const before = await until(`${name} to see the others`, async () => {
    const now = await pictures(page);
    return others.every((other) => now.some((picture) => picture.name === other && picture.green > 0.5)) && now;
  });
  return until(`${name} to see the others move`, async () => {
    const now = await pictures(page);
    return before.every((was) => now.some((picture) => picture.name === was.name && picture.frames > was.frames + 10)) && now;
  });
}

/** How loud each sound is that comes, loudest first. The fake microphones beep once a second. */
const hears = ({ page }) =>
  page.evaluate(async () => (await Promise.all([...document.querySelectorAll("audio")].map((audio) => window.hear(audio, 4_000)))).sort((a, b) => b - a));

mkdirSync(screenshots, { recursive: true });
const browser = await launch();
try {
  const people = [];
  for (const [index, name] of PEOPLE.entries()) people.push(await comesIn(browser, name, SIZES[index]));
  const seen = {};
  const heard = {};
  for (const person of people) {
    seen[person.name] = await sees(person);
    heard[person.name] = await hears(person);
    await person.page.screenshot({ path: join(screenshots, `room-${person.name}.png`) });
  }

  const [ada, bo, cem, dora] = people;
  await ada.page.getByRole("button", { name: "Chat" }).click();
  await ada.page.getByLabel("Message to everybody").fill("Good morning");
  await ada.page.getByRole("button", { name: "Send" }).click();
  await bo.page.getByRole("button", { name: "Chat" }).click();
  const chat = await bo.page.getByRole("log").getByText("Good morning").innerText();
  await bo.page.getByRole("button", { name: "Raise hand" }).click();
  await cem.page.locator(".tile", { hasText: "Bo" }).getByRole("img", { name: "raises a hand" }).waitFor();

  // Muted people are heard by nobody; whose camera is off has initials.
  await dora.page.getByRole("button", { name: "Mute" }).click();
  await dora.page.getByRole("button", { name: "Camera off" }).click();
  await ada.page.locator(".tile", { hasText: "Dora" }).getByRole("img", { name: "muted" }).waitFor();
  await until("Dora's picture to go", async () => !(await pictures(ada.page)).some(({ name }) => name === "Dora"));

  // Who reloads the page keeps the place.
  await cem.page.reload();
  await until("Cem's preview again", () => cem.page.evaluate(() => window.see(document.querySelector("video")).frames > 2));
  await cem.page.getByRole("button", { name: "Come in" }).click();
  await cem.page.getByRole("button", { name: "Leave" }).waitFor();
  await until("Cem to be seen again", async () => {
    const was = (await pictures(bo.page)).find(({ name }) => name === "Cem")?.frames ?? 0;
    await bo.page.waitForTimeout(1_000);
    return ((await pictures(bo.page)).find(({ name }) => name === "Cem")?.frames ?? 0) > was;
  });
  const tiles = await bo.page.locator(".tile").count();

  await dora.page.getByRole("button", { name: "Leave" }).click();
  const left = await dora.page.getByRole("status").innerText();
  await ada.page.locator(".tile", { hasText: "Dora" }).waitFor({ state: "detached" });

  const violations = [];
  for (const { name, page } of [ada, bo, cem]) {
    await page.evaluate(axe.source);
    const found = await page.evaluate(() => window.axe.run());
    violations.push(...found.violations.map(({ id, nodes }) => `${name}: ${id} at ${nodes.map(({ target }) => target.join(" ")).join(", ")}`));
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (wide > 0) violations.push(`${name}'s page is ${wide} px wider than the window`);
  }
  const problems = people.flatMap((person) => person.problems.map((problem) => `${person.name}: ${problem}`));
  console.log(JSON.stringify({ seen, heard, chat, tiles, left, violations, problems }));
} finally {
  await browser.close();
}
