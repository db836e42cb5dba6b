// What a person does on the page, and what must be seen then. Started by main.rs with the page's address and a folder
// for screenshots. Waits for conditions, each with a deadline; never for a time. CHROMIUM names another executable than
// Debian's.

import assert from "node:assert/strict";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { contrast, labels } from "./checks.mjs";

const [url, pictures] = process.argv.slice(2);
const DEADLINE = 60_000;

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});
const complaints = [];

async function open(options) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 1010 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(DEADLINE);
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("request", (request) => request.url().startsWith(url) || complaints.push(`a request to ${request.url()}`));
  await page.addInitScript(() => {
    window.shift = 0;
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shift += entry.value;
    }).observe({ type: "layout-shift", buffered: true });
  });
  await page.goto(url);
  await page.locator("#link[data-state=live]").waitFor();
  return page;
}

const page = await open({ colorScheme: "light" });
process.once("uncaughtException", async (error) => {
  console.log(error, "complaints:", complaints);
  await page.screenshot({ path: join(pictures, "failed.png"), fullPage: true }).catch(() => {});
  process.exit(1);
});
const see = (selector, text, timeout = DEADLINE) => page.locator(selector).filter({ hasText: text }).first().waitFor({ timeout });
const tell = (step) => console.log(`- ${step}`);

/** A screenshot of the page's top, for the eye. */
async function picture(name, of = page) {
  await of.evaluate(() => scrollTo(0, 0));
  await of.screenshot({ path: join(pictures, `${name}.png`) });
}

const field = (name) => page.locator(`[data-field=${name}]`);
const calm = (timeout) => see("#headline", /^All [\d,]+ journeys that were due have started, each once\.$/, timeout);
const emptied = () => page.waitForFunction(() => !document.querySelector("[data-crowd]").disabled, null, { timeout: 5 * DEADLINE });
const weather = (dependency, setting) => page.selectOption(`[data-weather=${dependency}]`, setting);

/** Shops, and waits until the new event is the one that is followed. */
async function shop({ who = "Customer", where = "Online", email = true, ending = "Check out" }) {
  const events = Number((await field("events").textContent()).replace(",", ""));
  await page.getByLabel(who, { exact: true }).check();
  await page.getByLabel(where, { exact: true }).check();
  await page.getByLabel("can be reached by e-mail").setChecked(email);
  await page.getByRole("button", { name: ending, exact: true }).click();
  const last = events + (ending === "Check out" ? 2 : 1);
  await page.locator(`#event-${last}[aria-selected=true]`).waitFor();
  return last;
}

tell("a day of fifty buyers fills the page");
await page.getByRole("button", { name: "50 buyers" }).click();
await see("#notices", "A crowd of 50 buyers");
await page.waitForFunction(() => Number(document.querySelector("[data-field=events]").textContent) > 100);
await emptied();
await calm();

tell("a guest checks out, and the journeys start");
await shop({ who: "Guest" });
await see("#story .steps", "Committed by the shop");
await see("#story .steps", "Order confirmation started");
await see("#story .head", "done");
await see("#story", "Created after this event");
await calm();
const guest = await page.locator("#story .name").evaluate((it) => it.firstChild.textContent);
await page.locator(".letter", { hasText: "Thank you for your order" }).first().click();
await see("#paper", `Hello ${guest},`);
await see("#paper", "visitor.");
await see("#paper", "Paid");
await picture("desktop");

tell("somebody walks away from a cart");
await shop({ who: "New one", ending: "Walk away" });
await see("#story .steps", "Abandoned cart started");
await see(".letter", "You left something behind");

tell("a guest whom nobody can reach gets nothing, and that is right");
await shop({ who: "Guest", where: "In store", email: false });
await see("#story", "Nobody can be reached about this event.");
await calm();

tell("Dataverse goes down, and the event is tried again");
await weather("dataverse", "down");
await see("#notices", "Dataverse is off the network");
await shop({ who: "Customer" });
await see("#story .steps", "Will be tried again");
await see("#story .steps", "Dataverse does not answer");
await see("#headline", "on the way");
await see("[data-field=queue]", /[1-9]\d* for later/);
await page.getByLabel("In trouble").check();
await see("#rows .row", "retrying");
await page.getByLabel("All", { exact: true }).check();
await picture("trouble");

tell("Dataverse is mended, and the backlog drains");
await weather("dataverse", "fair");
await see("#notices", "Dataverse is well again");
await see("#story .steps", "Order confirmation started");
await see("#story .head", "done");
await calm();
await see("[data-field=queue]", "0 for later");

tell("the trigger is changed, the message dies, and a redrive brings it back");
await page.selectOption("#trigger-journey", "order-confirmation");
await page.selectOption("#trigger-state", "changed");
await see("#done", "is changed");
await shop({ who: "Customer", where: "In store" });
await see("#story .head", "failed");
await see("#story .steps", "the custom trigger refuses its parameters");
await see("#story", "Dead letter (MaxDeliveryCountExceeded)");
await see("#headline", "waits for a person; nothing is lost.");
await page.selectOption("#trigger-state", "published");
await see("#done", "is published");
await page.getByRole("button", { name: "Redrive 1 dead letter" }).click();
await see("#done", "1 dead letter taken up, all done.");
await see("#story .head", "done");
await see("#f-dead", "0");
await calm();

tell("a replay starts nothing again, and a trial changes nothing");
const before = await field("started").textContent();
await page.getByRole("button", { name: "Replay" }).click();
await see("#story .answer", "What had started was not started again.");
await page.getByRole("button", { name: "Try out" }).click();
await see("#story .answer", "Tried out, nothing changed. Contact: found.");
assert.equal(await field("started").textContent(), before);

tell("the handler is killed, and another takes its place");
await page.getByRole("button", { name: "Kill the handler" }).click();
await see("#notices", "The handler is gone: it was killed");
await see("#notices", "A new handler answers");
await see("[data-field=handler]", "handler up, died once");
await shop({ who: "New one" });
await see("#story .head", "done");
await calm();

tell("the audit says so in plain words");
for (const text of ["Nothing is lost.", "No journey started twice without a reason.", "Each went to the right contact", "No contact is there twice."]) {
  await see("#audit-words li[data-tone=good]", text);
}
assert.equal(await page.locator("#audit-table tbody tr").count(), 4);
await see("#latency-text", /half waited at most \d/);

tell("hundreds of events do not make the page heavy");
const answer = await page.evaluate(() => fetch("/api/crowd", { method: "POST", headers: { "Content-Type": "application/json" }, body: '{"orders":150}' }).then((it) => it.status));
assert.equal(answer, 202);
await page.waitForFunction(() => Number(document.querySelector("[data-field=events]").textContent.replace(",", "")) > 400, null, { timeout: 5 * DEADLINE });
assert.ok((await page.locator("#rows .row").count()) < 60);
await emptied();
await calm(5 * DEADLINE);
const events = await field("events").textContent();

tell("a reload loses nothing");
const shifted = await page.evaluate(() => window.shift);
await page.reload();
await calm();
assert.equal(await field("events").textContent(), events);
await see("#notices", "crowd of 150");

tell("the keyboard is enough");
await page.keyboard.press("Tab");
assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
await page.locator("#rows").focus();
await page.keyboard.press("Home");
const newest = await page.locator("#rows .row[aria-selected=true]").getAttribute("aria-posinset");
assert.equal(newest, "1");
await page.keyboard.press("ArrowDown");
await page.locator("#rows .row[aria-selected=true][aria-posinset='2']").waitFor();
assert.ok(await page.locator("#rows").getAttribute("aria-activedescendant"));
await page.keyboard.press("End");
await page.locator("#rows .row[aria-selected=true] .who").waitFor();
await see("#story .steps", "Committed by the shop");
await page.locator("#search").fill("no such customer");
await see("#events-count", "0 of");
await page.locator("#search").fill("");
await page.locator("[data-weather=commerce]").focus();
await page.keyboard.press("s");
await see("#notices", "Commerce is slow now");
await weather("commerce", "fair");

tell("everything has a name, and can be read, in both themes");
assert.deepEqual(await page.evaluate(labels), []);
assert.deepEqual(await page.evaluate(contrast), []);
await page.getByRole("button", { name: "Dark" }).click();
assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark");
assert.deepEqual(await page.evaluate(contrast), []);
await page.locator("#rows").focus();
await page.keyboard.press("Home");
await see("#story .head", "done");
await picture("dark");

tell("a phone shows it all, without a sideways scroll");
const phone = await open({ viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, colorScheme: "dark", isMobile: true, hasTouch: true, reducedMotion: "reduce" });
await phone.locator("#rows .row").first().waitFor();
assert.ok(await phone.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
assert.equal(await phone.locator(".dot").count(), 0);
assert.deepEqual(await phone.evaluate(contrast), []);
await picture("phone", phone);
const shiftedOnPhone = await phone.evaluate(() => window.shift);

tell(`the layout shifted by ${shifted.toFixed(4)}, on the phone by ${shiftedOnPhone.toFixed(4)}`);
assert.ok(shifted < 0.05, `the layout shifted by ${shifted}`);
assert.ok(shiftedOnPhone < 0.05, `on the phone the layout shifted by ${shiftedOnPhone}`);
assert.deepEqual(complaints, []);
await browser.close();
