// The result of an event: its contact, its messages, its journeys, and what an operator has to decide.

import { h } from "./dom.js";
import { clock, duration, journey, plural, reason } from "./format.js";

export function contact({ contact: its, row }) {
  if (!its) return h("p", { class: "hint" }, row.status === "processed" ? "There is no reachable customer for this event." : "Not determined yet.");
  const other = its.name && row.who !== "Guest" && its.name !== row.who;
  const how = its.initial ? "Existed at the start" : `${its.createdSince ? "Created after this event" : "Created before this event"}, at ${clock(its.createdOn)}`;
  const by = its.byNumber ? `has the customer number ${its.number}` : its.byEmail ? "has the same e-mail address" : "is the contact of the record";
  const note = other && its.initial ? " Dataverse had this contact with another name, for example because two people share an address. The number decides." : "";
  return h("p", { "data-key": "contact" }, h("b", {}, its.name ?? its.email ?? "Without a name"), ` · ${how}; ${by}.${note}`, h("span", { class: "id" }, its.id));
}

export function message({ messageId, deliveries, deadLetter }) {
  const text = deadLetter ? `Dead letter (${deadLetter.reason}) after ${plural(deliveries, "delivery", "deliveries")}.` : `Waiting, ${plural(deliveries, "delivery", "deliveries")} so far.`;
  return h("p", { "data-tone": deadLetter ? "bad" : "wait", class: "queued" }, text, h("span", { class: "id" }, messageId));
}

export function journeys({ record, started, row }) {
  const outcomes = record?.journeys ?? {};
  const names = [...new Set([...row.journeys.map((it) => it.journey), ...Object.keys(outcomes)])];
  if (!names.length) return h("p", { class: "hint" }, "No journeys are expected.");
  return h("ul", { class: "outcomes" }, names.map((name) => outcome(name, outcomes[name], started.filter((it) => it.journey === name))));
}

function outcome(name, recorded, starts) {
  const texts = {
    started: () => `started ${starts.length > 1 ? `${starts.length} times, first ` : ""}after ${duration(starts[0]?.latencyMs)}`,
    skipped: () => `skipped: ${recorded.because ?? reason(recorded.reason?.code)}`,
    waiting: () => (recorded.until ? `scheduled for ${clock(recorded.until)}` : `waiting: ${reason(recorded.reason?.code)}`),
    failed: () => `failed: ${reason(recorded.reason?.code)}. ${recorded.reason?.detail ?? ""}`,
    due: () => "is expected",
  };
  const its = starts.length ? "started" : (recorded?.state ?? "due");
  const tones = { started: "good", waiting: "wait", failed: "bad" };
  return h("li", { "data-tone": tones[its] ?? "plain", "data-key": name }, h("b", {}, journey(name)), ` ${texts[its]?.() ?? its}`,
    starts.map((start) => fold(`call-${start.call}`, "parameters", table(start.parameters))));
}

/** Parameters with their values. */
export function table(parameters) {
  const rows = Object.entries(parameters).map(([key, value]) =>
    h("tr", {}, h("th", { scope: "row" }, key.replace("msdynmkt_", "")), h("td", {}, String(value))));
  return h("table", { class: "parameters" }, h("tbody", {}, rows));
}

export function fold(key, title, content) {
  return h("details", { "data-key": key }, h("summary", {}, title), content);
}

export const json = (value) => h("pre", {}, JSON.stringify(value, null, 2));

// ---- decisions

/** The journeys that only an operator can start, or leave. */
export const held = (record) =>
  Object.entries(record?.journeys ?? {}).filter(([, it]) => it.state === "failed" && it.reason?.code === "held").map(([name]) => name);

/** What an operator has to know and can do about an event that has failed. */
export function decision({ record, started, steps }) {
  const names = held(record);
  if (!names.length) return record?.status === "failed" ? correction() : null;
  const delivered = steps.findLast((step) => step.kind === "delivered")?.at ?? record.EventDateTime;
  return h("section", { class: "decision", "data-key": "decision", "aria-label": "An operator decides" },
    h("h3", {}, "An operator decides"),
    h("p", {}, `${names.length === 1 ? "This journey is" : "These journeys are"} held: the trigger was invoked, and its answer was lost. It may have started.`),
    h("p", {}, `How to find out: in Customer Insights - Journeys, open the journey and look for the contact around ${clock(delivered)}.`),
    h("ul", {}, names.map((name) => choice(name, started.filter((it) => it.journey === name)))),
    h("div", { class: "buttons" }, h("button", { type: "button", "data-action": "dismiss" }, names.length === 1 ? "Leave it" : "Leave them")),
    h("p", { class: "hint" }, "Start anyway starts only that journey. Leave it closes the event: what has not started is not started any more."));
}

function correction() {
  return h("section", { class: "decision", "data-key": "correction", "aria-label": "An operator decides" },
    h("p", {}, "This event cannot succeed as it is. Correct the cause and replay it, or leave it: then it is closed, and its dead letter is removed."),
    h("div", { class: "buttons" }, h("button", { type: "button", "data-action": "dismiss" }, "Leave it")));
}

function choice(name, starts) {
  const found = starts.length ? `Here, Dataverse has started it at ${clock(starts[0].at)}.` : "Here, Dataverse has not started it.";
  return h("li", { "data-key": name },
    h("p", {}, h("b", {}, journey(name)), ` ${found}`),
    h("button", { type: "button", "data-action": "release", "data-journey": name, "aria-label": `Start anyway: ${journey(name)}` }, "Start anyway"));
}
