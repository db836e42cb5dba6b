// Has the page open while its sandbox ends and another one starts at the same address. Started by main.rs with the page's
// address. Prints what it sees, one word a line, and main.rs ends or starts the sandbox then.

import assert from "node:assert/strict";
import { launch } from "./chromium.mjs";

const [url] = process.argv.slice(2);
const browser = await launch();
const page = await browser.newPage();
page.setDefaultTimeout(60_000);
const inert = () => page.locator("section.actions").evaluate((it) => it.inert);

await page.goto(url);
await page.locator("#link[data-state=live]").waitFor();
assert.equal(await inert(), false);
console.log("live");

await page.locator("#ended").filter({ hasText: "The sandbox has ended." }).waitFor();
assert.equal(await inert(), true);
console.log("ended");

await page.locator("#link[data-state=live]").waitFor();
await page.locator("#ended").waitFor({ state: "hidden" });
assert.equal(await inert(), false);
await page.getByRole("button", { name: "Check out", exact: true }).click();
await page.locator("#rows .row[aria-selected=true]").waitFor();
await browser.close();
