// Runs the box by the console's pages in headless Chromium, once with the window of a desktop, once with a
// phone's, and prints one line of JSON about what it saw:
//   node settings.mjs URL CLAIM_CODE SCREENSHOTS
//
// Settings: a mistake is told at its field, put right, saved; somebody else's change isn't overwritten; the
// text has the same. People: a token with its player's address, an account with a new password. Log: follows,
// searches. Phones: QR codes. axe-core looks along.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import axe from "axe-core";
import { FLAGS, launch } from "./chromium.mjs";

const [url, code, screenshots] = process.argv.slice(2);
const PASSWORD = "correct horse";
const SECRET = "a secret of some length";
const PATIENCE_MS = 60_000;
const WINDOWS = [
  { size: "desktop", options: { viewport: { width: 1440, height: 900 }, colorScheme: "dark" } },
  { size: "phone", options: { viewport: { width: 360, height: 780 }, colorScheme: "light", isMobile: true, hasTouch: true, deviceScaleFactor: 2 } },
];

async function change(page, from, to) {
  await page.getByLabel("Password now").fill(from);
  await page.getByLabel("New password").fill(to);
  await page.getByRole("button", { name: "Change the password" }).click();
}

async function visit(browser, { size, options }, claims) {
  const context = await browser.newContext({ ...options, ignoreHTTPSErrors: true });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  const problems = [];
  const violations = [];
  page.on("pageerror", (error) => problems.push(String(error)));
  const look = async (view) => {
    await page.screenshot({ path: join(screenshots, `${size}-${view}.png`), fullPage: true });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (wide > 0) problems.push(`${view} is ${wide} px wider than the window`);
    await page.evaluate(axe.source);
    const found = await page.evaluate(() => window.axe.run());
    violations.push(...found.violations.map(({ id, nodes }) => `${view}: ${id} at ${nodes.map(({ target }) => target.join(" ")).join(", ")}`));
  };
  const configuration = () => page.evaluate(async () => (await fetch("/api/v1/config")).json());

  await page.goto(`${url}#/sign-in`);
  if (claims) {
    await page.getByLabel("Claim code").fill(code);
    await page.getByLabel("New password for admin").fill(PASSWORD);
    await page.getByRole("button", { name: "Claim the box" }).click();
  } else {
    await page.getByLabel("Name").fill("admin");
    await page.getByLabel("Password").fill(PASSWORD);
    await page.getByRole("button", { name: "Sign in" }).click();
  }
  await page.getByRole("button", { name: "Sign out" }).waitFor();

  // --- one's own password, there and back
  await page.getByRole("link", { name: "admin" }).click();
  await change(page, `not ${PASSWORD}`, `${PASSWORD} 3`);
  await page.getByText("The password that you have now is another one").waitFor();
  await look("account");
  for (const [from, to] of [[PASSWORD, `${PASSWORD} 3`], [`${PASSWORD} 3`, PASSWORD]]) {
    await change(page, from, to);
    await page.getByText("Your password is changed.").first().waitFor();
    await page.getByText("Your password is changed.").first().waitFor({ state: "detached" });
  }

  // --- settings: a form
  await page.goto(`${url}#/settings`);
  const fps = page.getByLabel("Frames a second").first();
  await fps.fill("500");
  await page.getByText("it must be from 1 to 120").first().waitFor();
  const atField = await fps.evaluate((input) => input.getAttribute("aria-invalid") === "true" && document.getElementById(input.getAttribute("aria-describedby")).textContent);
  await look("settings-wrong");
  const rate = claims ? "12" : "10";
  await fps.fill(rate);
  await page.getByText("it must be from 1 to 120").first().waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Save and use" }).click();
  const told = await page.locator(".told").innerText();
  await look("settings");
  const saved = (await configuration()).toml;

  // Somebody else saves while the form is open.
  await fps.fill("14");
  await page.evaluate(async () => {
    const read = await fetch("/api/v1/config");
    const { toml } = await read.json();
    const answer = await fetch("/api/v1/config", { method: "PUT", headers: { "content-type": "application/json" }, body: JSON.stringify({ toml: `# theirs\n${toml}` }) });
    if (!answer.ok) throw new Error(await answer.text());
  });
  await page.getByRole("button", { name: "Save and use" }).click();
  await page.getByRole("button", { name: "Load theirs" }).click();
  await page.getByRole("button", { name: "Load theirs" }).waitFor({ state: "detached" });
  const theirs = (await configuration()).toml.includes(`fps = ${rate}`);

  // --- settings: a list of tables
  await page.getByRole("button", { name: "Add to webhooks" }).click();
  const webhook = page.getByRole("group", { name: "Webhooks 1", exact: true });
  await webhook.getByRole("textbox", { name: "Address" }).fill("http://127.0.0.1:9/hook");
  await webhook.getByRole("textbox", { name: "Shared secret" }).fill("short");
  await webhook.getByText("at least 16").first().waitFor();
  await webhook.getByLabel("Shared secret").fill(SECRET);
  await webhook.getByLabel("disk low").check();
  await page.getByRole("button", { name: "Save and use" }).click();
  await page.getByRole("button", { name: "Save and use" }).and(page.locator(":disabled")).waitFor();
  await webhook.getByPlaceholder("is set; type another one").waitFor();
  await look("settings-webhook");
  const hook = (await configuration()).toml;
  await webhook.getByRole("button", { name: /^Remove/ }).click();
  await page.getByRole("button", { name: "Save and use" }).click();
  await page.getByRole("button", { name: "Save and use" }).and(page.locator(":disabled")).waitFor();
  const unhooked = (await configuration()).toml;

  // --- settings: the text
  await page.getByRole("button", { name: "Text", exact: true }).click();
  const file = page.getByLabel("The file");
  const text = await file.inputValue();
  await file.fill(`${text}\n[http2]\n`);
  await page.getByText("unknown key `http2`").waitFor();
  const line = await page.getByRole("button", { name: /^Line / }).innerText();
  await look("settings-text");
  await page.getByRole("button", { name: "Undo" }).click();

  // --- people
  await page.goto(`${url}#/people`);
  const token = page.locator("form", { hasText: "New token" });
  await token.getByLabel("Name").fill(`tablet of ${size}`);
  await token.getByLabel("all", { exact: true }).uncheck();
  await token.getByLabel("camera").check();
  await token.getByLabel("Last day").fill("2099-12-31");
  await token.getByRole("button", { name: "Make the token" }).click();
  const player = await page.getByLabel("For a player: camera").inputValue();
  await look("people");
  await page.getByRole("button", { name: "Done" }).click();
  const account = page.locator("form", { hasText: "New account" });
  await account.getByLabel("Name").fill(`eye-${size}`);
  await account.getByLabel("Password").fill(PASSWORD);
  await account.getByRole("button", { name: "Add the account" }).click();
  const row = page.getByRole("listitem").filter({ hasText: `eye-${size}` });
  await row.getByRole("button", { name: /^Change/ }).click();
  await row.getByLabel("Role").selectOption("operator");
  await row.getByLabel("New password").fill(`${PASSWORD} 2`);
  await row.getByRole("button", { name: "Save" }).click();
  await row.getByText("Operator: starts").first().waitFor();
  await row.getByRole("button", { name: /^Remove/ }).click();
  await row.getByRole("button", { name: /^Really remove/ }).click();
  await row.waitFor({ state: "detached" });

  // --- log and phones
  await page.goto(`${url}#/log`);
  await page.getByLabel("Search").fill("the configuration has been replaced");
  await page.locator(".log li").first().waitFor();
  const found = await page.locator(".log li").count();
  await page.getByLabel("Search").fill("");
  await look("log");
  await page.goto(`${url}#/phone`);
  await page.getByRole("img", { name: "QR code of the viewer page of camera" }).waitFor();
  await page.getByRole("img", { name: "QR code of the setup page" }).waitFor();
  await look("phone");
  await page.goto(new URL("/setup", url).href);
  await look("setup");
  await context.close();
  return { size, violations, problems, atField, told, saved, hook, unhooked, theirs, line, player, found };
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
