// Goes through the console in headless Chromium, once with the window of a desktop, once with a phone's,
// and prints one line of JSON about what it saw:
//   node console.mjs URL CLAIM_CODE SCREENSHOTS
//
// The first claims the box, the second signs in. Each looks at every view that the menu has (axe-core looks
// along), sees the stream `camera` live with its graphs, changes its bitrate, makes a token and signs out.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import axe from "axe-core";
import { FLAGS, launch } from "./chromium.mjs";

const [url, code, screenshots] = process.argv.slice(2);
const PASSWORD = "correct horse";
const PATIENCE_MS = 60_000;
const WINDOWS = [
  { name: "desktop", bitrate: 700, options: { viewport: { width: 1440, height: 900 }, colorScheme: "light" } },
  {
    name: "phone",
    bitrate: 400,
    options: { viewport: { width: 390, height: 844 }, colorScheme: "dark", isMobile: true, hasTouch: true, deviceScaleFactor: 2 },
  },
];

/** Waits until `look` says something else than null or false. */
async function until(what, look) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const seen = await look();
    if (seen) return seen;
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

async function visit(browser, { name: size, bitrate, options }, claims) {
  const context = await browser.newContext({ ...options, ignoreHTTPSErrors: true });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  const problems = [];
  let leaving = false;
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("console", (message) => {
    // A picture that isn't there yet is asked for again; whoever signs out is refused what was just asked for.
    const expected = leaving ? /\b(401|503)\b/ : /\b503\b/;
    if (message.type() === "error" && !expected.test(message.text())) problems.push(message.text());
  });
  page.on("request", (request) => {
    const { host, protocol } = new URL(request.url());
    if (protocol.startsWith("http") && host !== new URL(url).host) problems.push(`asked ${host}`);
  });
  const violations = [];
  const views = [];
  const look = async (view) => {
    views.push(view);
    await page.screenshot({ path: join(screenshots, `${size}-${view}.png`), fullPage: true });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (wide > 0) problems.push(`${view} is ${wide} px wider than the window`);
    await page.evaluate(axe.source);
    const found = await page.evaluate(() => window.axe.run());
    violations.push(...found.violations.map(({ id, nodes }) => `${view}: ${id} at ${nodes.map(({ target }) => target.join(" ")).join(", ")}`));
  };

  await page.goto(url);
  if (claims) {
    await page.getByLabel("Claim code").fill(code);
    await page.getByLabel("New password for admin").fill(PASSWORD);
    await look("claim");
    await page.getByRole("button", { name: "Claim the box" }).click();
  } else {
    // Nobody may see anything here without an account, so it asks who we are.
    await page.getByLabel("Name").fill("admin");
    await page.getByLabel("Password").fill("wrong");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByText("That is not right.").waitFor();
    problems.splice(0, problems.length, ...problems.filter((problem) => !/\b401\b/.test(problem)));
    await look("sign-in");
    await page.getByLabel("Password").fill(PASSWORD);
    await page.getByRole("button", { name: "Sign in" }).click();
  }
  await page.getByRole("button", { name: "Sign out" }).waitFor();

  const picture = page.getByAltText("What camera shows now");
  const first = await picture.getAttribute("src");
  await until("the next picture", async () => (await picture.getAttribute("src")) !== first && picture.evaluate((image) => image.naturalWidth > 0));
  await look("wall");

  // By the keyboard alone, from the top of the page.
  await page.reload();
  await picture.waitFor();
  await page.keyboard.press("Tab");
  const skip = await page.evaluate(() => document.activeElement.textContent);
  const tile = page.getByRole("link", { name: "camera" });
  await until("the stream to be reached by Tab", async () => {
    await page.keyboard.press("Tab");
    return tile.evaluate((link) => link === document.activeElement);
  });
  await page.keyboard.press("Enter");

  const frames = () => page.locator("video").evaluate((video) => video.getVideoPlaybackQuality().totalVideoFrames);
  await until("pictures that move", async () => (await frames()) > 10);
  const points = () => page.locator("[data-points]").evaluateAll((graphs) => graphs.map((graph) => Number(graph.dataset.points)));
  const graphs = await until("graphs", async () => {
    const counts = await points();
    return counts.length >= 4 && counts.slice(0, 4).every((count) => count >= 3) && counts;
  });
  await page.getByLabel("Video bitrate").fill(String(bitrate));
  await page.getByRole("button", { name: "Set", exact: true }).click();
  const target = () => page.evaluate(async () => (await (await fetch("/api/v1/streams/camera")).json()).bitrate_target_bps);
  await until("the bitrate", async () => (await target()) === bitrate * 1000);
  await look("stream");

  // The slate at the touch of a button, and by the keyboard back again.
  const hidden = () => page.evaluate(async () => (await (await fetch("/api/v1/streams/camera")).json()).private);
  const slate = page.getByRole("button", { name: "Slate", exact: true });
  await slate.click();
  await until("the slate", hidden);
  await until("the button to stay pressed", async () => (await slate.getAttribute("aria-pressed")) === "true");
  await page.getByRole("button", { name: "Mark", exact: true }).click();
  await page.getByText(/^Marked: \d/).waitFor();
  await look("switched");
  await until("the button to be there again", () => slate.isEnabled());
  await slate.focus();
  await page.keyboard.press("Enter");
  await until("the picture", async () => !(await hidden()));

  const menu = await page.locator("nav a").evaluateAll((links) => links.map((link) => link.getAttribute("href")));
  for (const href of menu.filter((href) => href !== "#/")) {
    await page.goto(`${url}${href}`);
    await page.locator("main h1").waitFor();
    await page.waitForTimeout(1_000);
    await look(href.slice(2));
  }

  await page.goto(`${url}#/people`);
  const form = page.locator("form", { hasText: "New token" });
  await form.getByLabel("Name").fill(`player of ${size}`);
  await form.getByRole("button", { name: "Make the token" }).click();
  const token = await page.getByLabel("Token", { exact: true }).inputValue();
  leaving = true;
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("button", { name: "Sign in" }).waitFor();
  await context.close();
  return { size, views, violations, problems, skip, graphs, token };
}

mkdirSync(screenshots, { recursive: true });
const browser = await launch(FLAGS);
try {
  const visits = [];
  for (const [index, window] of WINDOWS.entries()) visits.push(await visit(browser, window, index === 0));
  console.log(JSON.stringify(visits));
} finally {
  await browser.close();
}
