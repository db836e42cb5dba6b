// The timeline of one event, step by step.

import { $, h, post, put } from "./dom.js";
import { clock, duration, eventType, journey, money, plural, reason, state } from "./format.js";
import { onSelect, select } from "./list.js";
import { onChange, store } from "./store.js";

const place = $("timeline");
let number = null;
let loading = false;
let loadAgain = false;
/** The answer to the last request about this event. */
let answer = null;

onSelect((chosen) => {
  if (chosen !== number) {
    number = chosen;
    answer = null;
    place.scrollTop = 0;
  }
  load();
});

/** Changes of events that are not in the list are not sent, so the selected event is loaded again from time to time. */
const RELOAD = 2000;
let loadedAt = 0;

onChange(({ events, whole }) => {
  if (!number) return;
  const unlisted = !store.events.has(number) && Date.now() - loadedAt > RELOAD;
  if (number > store.flow.events) select(null);
  else if (events.has(number) || whole || unlisted) load();
});

/** Loads the event. A change during loading loads it again. */
async function load() {
  if (loading) return void (loadAgain = true);
  if (!number) return clear();
  loading = true;
  loadedAt = Date.now();
  const wanted = number;
  try {
    const reply = await fetch(`/api/events/${wanted}`);
    if (reply.ok && wanted === number) show(await reply.json());
  } catch {
    // The stream shows that the sandbox is not reachable, and loads again when it is back.
  }
  loading = false;
  if (loadAgain) {
    loadAgain = false;
    load();
  }
}

function clear() {
  put(place, h("p", { class: "hint" }, "Select an event to see its steps, from the shop to the journeys."));
  $("replay").disabled = $("dry-run").disabled = true;
}

function show(details) {
  const { row, record } = details;
  $("replay").disabled = $("dry-run").disabled = !record;
  const open = new Set([...place.querySelectorAll("details[open]")].map((it) => it.dataset.key));
  const top = place.scrollTop;
  put(place,
    head(details),
    answer ? h("p", { class: "answer", "data-tone": answer.tone, role: "status" }, answer.text) : null,
    h("ol", { class: "steps" }, details.steps.map((step) => line(step, details)).filter(Boolean)),
    h("h3", {}, "Contact"), contact(details),
    details.messages.length ? [h("h3", {}, "Messages on Service Bus"), ...details.messages.map(message)] : null,
    h("h3", {}, "Journeys"), journeys(details),
    record ? fold("record", "Record in Cosmos DB", json(record)) : null,
    fold("event", "Event of the Scale Unit", json(details.event)),
  );
  for (const fold of place.querySelectorAll("details")) if (open.has(fold.dataset.key)) fold.open = true;
  place.scrollTop = top;
}

function head({ row, email, loyaltyCard }) {
  const [text, tone] = state(row.status);
  const facts = [
    `${eventType(row.type)[1]}${row.amount && row.type !== "AddCartLines" ? ` of ${money(row.amount, row.currency)}` : ""}`,
    row.online ? `online (${row.place})` : `in store (${row.place})`,
    row.guest ? "as a guest" : "with an account",
    email ? `e-mail address ${email}` : "without e-mail address",
    loyaltyCard ? "with a loyalty card" : "without loyalty card",
  ];
  return h("div", { class: "head" },
    h("p", { class: "name" }, row.who, h("span", { class: "state", "data-tone": tone }, h("i", { class: "indicator", "aria-hidden": "true" }), text)),
    h("p", { class: "hint" }, `${facts.join(", ")}.`));
}

// ---- steps

function line(step, details) {
  const content = STEPS[step.kind]?.(step, details);
  if (!content) return null;
  const [tone, title, more] = content;
  const since = new Date(step.at) - new Date(details.steps[0].at);
  return h("li", { "data-tone": tone },
    h("time", { datetime: step.at, title: step.at }, `+${duration(since)}`),
    h("span", {}, h("b", {}, title), more ? h("span", { class: "more" }, more) : null));
}

const STEPS = {
  committed: (_, { row }) => ["plain", "Committed by the shop", `${clock(row.at)}, in one transaction with the ${row.amount === null ? "cart" : "sale"}`],
  recorded: recorded,
  delivered: ({ deliveryCount, messageId }) => [
    "plain",
    messageId.includes("~~") ? "Rescheduled message delivered" : "Delivered to process-message",
    deliveryCount > 1 ? `delivery ${deliveryCount} of 10` : null,
  ],
  settled: ({ outcome, detail, tookMs }) => [
    outcome === "succeeded" ? "plain" : "bad",
    outcome === "succeeded" ? "Message completed" : outcome === "lost" ? "The handler stopped during processing" : "Delivery failed",
    outcome === "succeeded" ? `after ${duration(tookMs)}` : `${detail}, after ${duration(tookMs)}`,
  ],
  started: ({ journey: name, again }) => [again ? "wait" : "good", `${journey(name)} started${again ? " again" : ""}`, null],
  requested: ({ action, status }) => ["plain", action === "dryRun" ? "Dry run by an operator" : "Replay by an operator", `trigger-journey answered ${status}`],
};

function recorded({ status, retryCount, publications, reason: why, journeys: outcomes }) {
  const because = why ? reason(why.code) : null;
  switch (status) {
    case "new": return ["plain", "Found by poll-events", "a record was written to Cosmos DB"];
    case "processing":
      return ["plain", publications > 1 ? `Published again (${publications} times in all)` : publications ? "Enriched and published" : "In progress", because];
    case "retrying": return ["wait", "Retry scheduled", [because, retryCount > 1 ? plural(retryCount, "failure") : null].filter(Boolean).join(", ")];
    case "processed": return ["good", "Processed", summary(outcomes)];
    case "failed": return ["bad", "Failed", why ? `${because}: ${why.detail}` : null];
    default: return ["plain", status, because];
  }
}

function summary(outcomes) {
  const all = Object.values(outcomes ?? {});
  const started = all.filter((it) => it.state === "started").length;
  const skipped = all.filter((it) => it.state === "skipped").length;
  return [plural(started, "journey") + " started", skipped ? `${skipped} skipped` : null].filter(Boolean).join(", ");
}

// ---- contact and journeys

function contact({ contact: its, row }) {
  if (!its) return h("p", { class: "hint" }, row.status === "processed" ? "There is no reachable customer for this event." : "Not determined yet.");
  const how = its.initial ? "Existed at the start" : `${its.createdSince ? "Created after this event" : "Created before this event"}, at ${clock(its.createdOn)}`;
  const by = its.byNumber ? `has the customer number ${its.number}` : its.byEmail ? "has the same e-mail address" : "is the contact of the record";
  return h("p", {}, h("b", {}, its.name ?? its.email ?? "Without a name"), ` · ${how}; ${by}.`, h("span", { class: "id" }, its.id));
}

function message({ messageId, deliveries, deadLetter }) {
  const text = deadLetter ? `Dead letter (${deadLetter.reason}) after ${plural(deliveries, "delivery", "deliveries")}.` : `Waiting, ${plural(deliveries, "delivery", "deliveries")} so far.`;
  return h("p", { "data-tone": deadLetter ? "bad" : "wait", class: "queued" }, text, h("span", { class: "id" }, messageId));
}

function journeys({ record, started, row }) {
  const outcomes = record?.journeys ?? {};
  const names = [...new Set([...row.journeys.map((it) => it.journey), ...Object.keys(outcomes)])];
  if (!names.length) return h("p", { class: "hint" }, "No journeys are expected.");
  return h("ul", { class: "outcomes" }, names.map((name) => outcome(name, outcomes[name], started.filter((it) => it.journey === name))));
}

function outcome(name, recorded, starts) {
  const texts = {
    started: () => `started ${starts.length > 1 ? `${starts.length} times` : ""} after ${duration(starts[0]?.latencyMs)}`.replace("  ", " "),
    skipped: () => `skipped: ${recorded.because}`,
    waiting: () => (recorded.until ? `scheduled for ${clock(recorded.until)}` : `waiting: ${reason(recorded.reason.code)}`),
    failed: () => `failed: ${reason(recorded.reason.code)}. ${recorded.reason.detail}`,
  };
  const its = starts.length ? "started" : (recorded?.state ?? "due");
  const tones = { started: "good", skipped: "plain", waiting: "wait", failed: "bad", due: "plain" };
  return h("li", { "data-tone": tones[its] }, h("b", {}, journey(name)), ` ${texts[its]?.() ?? "is expected"}`,
    ...starts.map((start) => fold(`call-${start.call}`, "parameters", table(start.parameters))));
}

function table(parameters) {
  const rows = Object.entries(parameters).map(([key, value]) =>
    h("tr", {}, h("th", { scope: "row" }, key.replace("msdynmkt_", "")), h("td", {}, String(value))));
  return h("table", { class: "parameters" }, h("tbody", {}, rows));
}

function fold(key, title, content) {
  return h("details", { "data-key": key }, h("summary", {}, title), content);
}

const json = (value) => h("pre", {}, JSON.stringify(value, null, 2));

// ---- operator requests

async function request(dryRun) {
  const event = number;
  answer = { tone: "plain", text: "Calling trigger-journey …" };
  try {
    const { status, answer: reply } = await post("/api/replay", { event, dryRun });
    answer = { tone: status === 200 ? "good" : "bad", text: answerText(status, reply, dryRun) };
  } catch (error) {
    answer = { tone: "bad", text: error.message };
  }
  if (event === number) load();
}

function answerText(status, reply, dryRun) {
  if (status !== 200) return `trigger-journey answered ${status}: ${reply?.error ? reason(reply.error.code) + ". " + reply.error.message : "no details"}`;
  if (!dryRun) return `trigger-journey answered 200: the event is ${reply.status}. Journeys that had started were not started again.`;
  const found = reply.contact?.found ? "found" : reply.contact?.wouldBeCreated ? "would be created" : "none";
  const names = Object.entries(reply.journeys ?? {}).map(([name, it]) => `${journey(name)}: ${it.parameters ? `${Object.keys(it.parameters).length} parameters` : it.problem ?? it.skippedBecause ?? "none"}`);
  return `Dry run, nothing was changed. Contact: ${found}. ${names.join("; ")}.`;
}

$("replay").addEventListener("click", () => request(false));
$("dry-run").addEventListener("click", () => request(true));
