// Uses the page like a person, and checks what the page shows. Started by main.rs with the page's address and a folder
// for screenshots. It waits for conditions with a deadline, never for a fixed time.

import assert from "node:assert/strict";
import { join } from "node:path";
import { borders, chosen, contrast, labels } from "./checks.mjs";
import { launch } from "./chromium.mjs";

const [url, pictures] = process.argv.slice(2);
const DEADLINE = 60_000;

const browser = await launch();
const problems = [];

async function open(options) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 1010 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(DEADLINE);
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && problems.push(message.text()));
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("request", (request) => request.url().startsWith(url) || problems.push(`a request to ${request.url()}`));
  await page.addInitScript(() => {
    window.EventSource = class extends EventSource {
      constructor(...options) {
        super(...options);
        window.stream = this;
      }
    };
    window.shift = 0;
    // A new step of a timeline moves what is below it in the timeline, and must move nothing else.
    const isInTimeline = ({ node }) => (node?.closest ? node : node?.parentElement)?.closest("#timeline");
    new PerformanceObserver((list) => {
      const moved = list.getEntries().filter((entry) => !entry.hadRecentInput && !entry.sources.every(isInTimeline));
      for (const entry of moved) window.shift += entry.value;
    }).observe({ type: "layout-shift", buffered: true });
  });
  await page.goto(url);
  await page.locator("#link[data-state=live]").waitFor();
  return page;
}

const page = await open({ colorScheme: "light" });
process.once("uncaughtException", async (error) => {
  console.log(error, "problems:", problems);
  await page.screenshot({ path: join(pictures, "failed.png"), fullPage: true }).catch(() => {});
  process.exit(1);
});
const see = (selector, text, timeout = DEADLINE) => page.locator(selector).filter({ hasText: text }).first().waitFor({ timeout });
const step = (text) => console.log(`- ${text}`);

/** A screenshot of the top of the page. */
async function picture(name, of = page) {
  await of.evaluate(() => scrollTo(0, 0));
  await of.screenshot({ path: join(pictures, `${name}.png`) });
}

const field = (name) => page.locator(`[data-field=${name}]`);
const settled = (timeout) => see("#headline", /^All [\d,]+ expected journeys have started, each once\.$/, timeout);
const bulkFinished = () => page.waitForFunction(() => !document.querySelector("[data-orders]").disabled, null, { timeout: 5 * DEADLINE });
const setFaults = (dependency, setting) => page.selectOption(`[data-faults=${dependency}]`, setting);

/** Places an order, and waits until its event is selected. */
async function shop({ who = "Existing", where = "Online", email = true, outcome = "Check out" }) {
  const events = Number((await field("events").textContent()).replace(",", ""));
  await page.getByLabel(who, { exact: true }).check();
  await page.getByLabel(where, { exact: true }).check();
  await page.getByLabel("has an e-mail address").setChecked(email);
  await page.getByRole("button", { name: outcome, exact: true }).click();
  const last = events + (outcome === "Check out" ? 2 : 1);
  await page.locator(`#event-${last}[aria-selected=true]`).waitFor();
  return last;
}

step("a held journey is started by an operator, and another one is left");
const held = [];
for (const who of ["Guest", "New customer"]) {
  held.push(await shop({ who }));
  await see("#timeline .decision", "the trigger was invoked, and its answer was lost");
}
await see("#timeline .decision", "Here, Dataverse has not started it.");
await see("#headline", "2 journeys need an operator; nothing is lost.");
await see("#notices", /failed: needs an operator/);
await page.getByRole("button", { name: /^Redrive \d dead letter/ }).click();
await see("#result .failures", "needs an operator");
await page.locator("#result .failures a").first().click();
await page.getByRole("button", { name: "Dry run" }).click();
await see("#timeline .answer", "is held; a replay does not start it.");
await see("#timeline .answer", "amountpaid");
await page.goto(`${url}#event-${held[0]}`);
await page.getByRole("button", { name: "Start anyway: Feedback request" }).click();
await see("#timeline .answer", "Started now: Feedback request.");
await see("#timeline .head", "processed");
await page.goto(`${url}#event-${held[1]}`);
await page.getByRole("button", { name: "Leave it" }).click();
await see("#timeline .answer", "The event is closed.");
await see("#timeline .head", "Left by an operator");
await see("#audit-lines", "1 journey started by hand");
await see("#audit-lines", "1 journey not started, because an operator left it.");
await page.getByRole("button", { name: /^Redrive/ }).click();
await see("#f-dead", "0");
await settled();

step("fifty orders fill the page");
await page.getByRole("button", { name: "50 orders" }).click();
await see("#notices", "50 orders are being placed");
await page.waitForFunction(() => Number(document.querySelector("[data-field=events]").textContent) > 100);
await bulkFinished();
await settled();

step("a guest checks out, and the journeys start");
await shop({ who: "Guest" });
await see("#timeline .steps", "Committed by the shop");
await see("#timeline .steps", "Order confirmation started");
await see("#timeline .head", "processed");
await see("#timeline", "Created after this event");
await settled();
const guest = await page.locator("#timeline .name").evaluate((it) => it.firstChild.textContent);
await page.locator(".mail-item", { hasText: "Thank you for your order" }).first().click();
await see("#mail-preview", `Hello ${guest},`);
await see("#mail-preview", "visitor.");
await see("#mail-preview", "Paid");
await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
await page.getByRole("button", { name: "Show its event" }).click();
await page.waitForFunction(() => {
  const { top, bottom } = document.querySelector("#timeline-title").getBoundingClientRect();
  return top >= 0 && bottom <= innerHeight && document.activeElement.id === "timeline";
});
await picture("desktop");

step("a customer leaves without buying");
await shop({ who: "New customer", outcome: "Leave without buying" });
await see("#timeline .steps", "Abandoned cart started");
await see(".mail-item", "You left something behind");

step("a guest without an address gets no message");
await shop({ who: "Guest", where: "In store", email: false });
await see("#timeline", "There is no reachable customer for this event.");
await settled();

step("Dataverse is down, and the event is retried");
await setFaults("dataverse", "down");
await see("#notices", "Dataverse is down now");
await shop({ who: "Existing" });
await see("#timeline .steps", "Retry scheduled");
await see("#timeline .steps", "Dataverse does not answer");
await see("#timeline .next", /retry in \d+ s \(attempt \d+\)/);
await see("#rows .row", /retry (in \d+ s|now)/);
await see("#notices", /wait.* for a retry: Dataverse/);
await see("#headline", "in progress");
await see("[data-field=queue]", /[1-9]\d* scheduled/);
await page.getByLabel("Problems").check();
await page.getByLabel("All", { exact: true }).check();
await picture("problems");

step("the timeline keeps focus and open details while it changes");
await page.locator("#timeline summary", { hasText: "Record in Cosmos DB" }).click();
const retries = await page.locator("#timeline .steps", { hasText: "Retry scheduled" }).evaluate((it) => it.children.length);
await page.waitForFunction((before) => document.querySelector("#timeline .steps").children.length > before, retries);
assert.equal(await page.evaluate(() => document.activeElement.textContent), "Record in Cosmos DB");
assert.ok(await page.locator("#timeline details[data-key=record]").evaluate((it) => it.open));
await page.keyboard.press("Enter");
await page.locator("#rows").focus();

step("Dataverse works again, and the backlog is processed");
await setFaults("dataverse", "normal");
await see("#notices", "Dataverse works normally again");
await see("#timeline .steps", "Order confirmation started");
await see("#timeline .head", "processed");
await settled();
await see("[data-field=queue]", "0 scheduled");

step("the trigger is changed, the message is dead-lettered, and a redrive processes it");
await page.selectOption("#trigger-journey", "order-confirmation");
await page.selectOption("#trigger-state", "changed");
await see("#result", "now requires one more value");
await shop({ who: "Existing", where: "In store" });
await see("#timeline .head", "failed");
await see("#timeline .steps", "the custom trigger rejects its parameters");
await see("#timeline", "Dead letter (MaxDeliveryCountExceeded)");
await see("#headline", "needs an operator; nothing is lost.");
await see("#timeline .decision", "Correct the cause and replay it, or leave it");
await page.selectOption("#trigger-state", "published");
await see("#result", "is published");
await page.getByRole("button", { name: "Redrive 1 dead letter" }).click();
await see("#result", "1 dead letter processed.");
await see("#timeline .head", "processed");
assert.equal(await page.locator("#timeline .decision").count(), 0);
await see("#f-dead", "0");
await settled();

step("a replay starts no journey again, and a dry run changes nothing");
const before = await field("started").textContent();
await page.getByRole("button", { name: "Replay" }).click();
await see("#timeline .answer", "Journeys that had started were not started again.");
await page.getByRole("button", { name: "Dry run" }).click();
await see("#timeline .answer", "Dry run, nothing was changed. Contact: found.");
assert.equal(await field("started").textContent(), before);

step("the handler is killed and replaced");
await page.getByRole("button", { name: "Kill the handler" }).click();
await see("#notices", "The handler stopped: it was killed");
await see("#notices", "A new handler is running");
await see("[data-field=handler]", "handler up, 1 restart");
await shop({ who: "New customer" });
await see("#timeline .head", "processed");
await settled();

step("the audit reports no problems");
for (const text of ["Nothing is lost.", "No journey started twice without a reason.", "Each journey has the right contact", "There are no duplicate contacts."]) {
  await see("#audit-lines li[data-tone=good]", text);
}
assert.equal(await page.locator("#audit-table tbody tr").count(), 4);
await see("#latency-text", /half started within \d/);

step("hundreds of events keep the page fast");
const answer = await page.evaluate(() => fetch("/api/bulk-orders", { method: "POST", headers: { "Content-Type": "application/json" }, body: '{"orders":150}' }).then((it) => it.status));
assert.equal(answer, 202);
await page.waitForFunction(() => Number(document.querySelector("[data-field=events]").textContent.replace(",", "")) > 400, null, { timeout: 5 * DEADLINE });
assert.ok((await page.locator("#rows .row").count()) < 60);
await bulkFinished();
await settled(5 * DEADLINE);
const events = await field("events").textContent();

step("a reload keeps everything");
const shifted = await page.evaluate(() => window.shift);
await page.reload();
await settled();
assert.equal(await field("events").textContent(), events);
await see("#notices", "150 orders are being placed");

step("events are found by e-mail address, type and status, and the address keeps the search");
for (const [text, found] of [["visitor.", /visitor|Guest|./], ["checkout", /Checkout/], ["feedback-request", /./]]) {
  await page.locator("#search").fill(text);
  await see("#rows .row", found);
  await see("#events-count", / of /);
}
await page.locator("#search").fill("dismissed");
await see("#events-count", /^1 of /);
await page.reload();
await see("#events-count", /^1 of /);
assert.equal(await page.locator("#search").inputValue(), "dismissed");
await page.locator("#search").fill("");

step("help explains the page");
await page.getByRole("button", { name: "Help" }).click();
await see("dialog", "Dead letters");
await page.keyboard.press("Escape");

step("the page can be used with the keyboard");
await page.reload();
await settled();
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
await see("#timeline .steps", "Committed by the shop");
await page.locator("#search").fill("no such customer");
await see("#events-count", "0 of");
await page.locator("#search").fill("");
await page.locator("[data-faults=commerce]").focus();
await page.keyboard.press("s");
await see("#notices", "Commerce is slow now");
await setFaults("commerce", "normal");

step("all controls have names, and all texts have enough contrast, in both themes");
assert.deepEqual(await page.evaluate(labels), []);
assert.deepEqual(await page.evaluate(contrast), []);
assert.deepEqual(await page.evaluate(borders), []);
await page.getByRole("button", { name: "Dark" }).click();
assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark");
assert.deepEqual(await page.evaluate(contrast), []);
assert.deepEqual(await page.evaluate(borders), []);
await page.locator("#rows").focus();
await page.keyboard.press("Home");
await see("#timeline .head", "processed");
await picture("dark");

step("forced colours show what is chosen");
const forced = await open({ forcedColors: "active" });
await forced.locator("#rows .row").first().click();
await forced.locator("#rows .row[aria-selected=true]").waitFor();
assert.deepEqual(await forced.evaluate(chosen), []);
await forced.close();

step("an operator uses the timeline with the keyboard only");
await page.goto(`${url}#event-${held[0]}`);
await page.getByRole("button", { name: "Dry run" }).focus();
await page.keyboard.press("Enter");
await see("#timeline .answer", "Dry run, nothing was changed.");

step("the page says that the sandbox has ended, and connects again");
const leaving = await open({});
const failures = problems.length;
await leaving.route("**/api/**", (route) => route.abort());
await leaving.evaluate(() => {
  window.stream.close();
  window.stream.dispatchEvent(new Event("error"));
});
await leaving.locator("#ended").filter({ hasText: "The sandbox has ended." }).waitFor();
assert.ok(await leaving.locator("section.actions").evaluate((it) => it.inert));
await leaving.unroute("**/api/**");
await leaving.locator("#link[data-state=live]").waitFor();
await leaving.locator("#ended").waitFor({ state: "hidden" });
assert.ok(await leaving.locator("section.actions").evaluate((it) => !it.inert));
problems.splice(failures);
await leaving.close();

step("a phone shows everything without horizontal scrolling");
const phone = await open({ viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, colorScheme: "dark", isMobile: true, hasTouch: true, reducedMotion: "reduce" });
await phone.locator("#rows .row").first().waitFor();
for (const width of [390, 320, 1000]) {
  await phone.setViewportSize({ width, height: 844 });
  const wide = await phone.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(wide <= 0, `${wide} px too wide at ${width} px`);
}
await phone.setViewportSize({ width: 390, height: 844 });
await phone.getByRole("button", { name: "Check out", exact: true }).tap();
await phone.waitForFunction(() => document.querySelector("#timeline-title").getBoundingClientRect().top < innerHeight / 2);
await phone.locator("#timeline .head", { hasText: "processed" }).waitFor();
await settled();
assert.equal(await phone.locator(".dot").count(), 0);
assert.deepEqual(await phone.evaluate(contrast), []);
await picture("phone", phone);
const shiftedOnPhone = await phone.evaluate(() => window.shift);

step("the reminder of the bought cart ends without a journey");
await see("[data-field=queue]", "0 scheduled");
await settled();

step(`the layout shifted by ${shifted.toFixed(4)}, on the phone by ${shiftedOnPhone.toFixed(4)}`);
assert.ok(shifted < 0.05, `the layout shifted by ${shifted}`);
assert.ok(shiftedOnPhone < 0.05, `on the phone the layout shifted by ${shiftedOnPhone}`);
assert.deepEqual(problems, []);
await browser.close();
