// One event's way, step by step.

import { $, h, post, put } from "./dom.js";
import { onSelect, select } from "./list.js";
import { onChange, store } from "./store.js";
import { clock, journey, many, money, reason, span, state } from "./words.js";

const place = $("story");
let number = null;
let asking = false;
let again = false;
/** What was answered to the last thing asked about this event. */
let answer = null;

onSelect((chosen) => {
  if (chosen !== number) {
    number = chosen;
    answer = null;
    place.scrollTop = 0;
  }
  load();
});

onChange(({ events, whole }) => {
  if (whole && number && number > store.events.length) select(null);
  else if (number && (events.has(number) || whole)) load();
});

/** Fetches the story; what comes in meanwhile asks once more. */
async function load() {
  if (asking) return void (again = true);
  if (!number) return clear();
  asking = true;
  const wanted = number;
  try {
    const reply = await fetch(`/api/events/${wanted}`);
    if (reply.ok && wanted === number) show(await reply.json());
  } catch {
    // The stream says that the sandbox is away; it asks again when it is back.
  }
  asking = false;
  if (again) {
    again = false;
    load();
  }
}

function clear() {
  put(place, h("p", { class: "hint" }, "Choose an event: its way appears here, from the shop to the journeys."));
  $("replay").disabled = $("try-out").disabled = true;
}

function show(story) {
  const { row, record } = story;
  $("replay").disabled = $("try-out").disabled = !record;
  const open = new Set([...place.querySelectorAll("details[open]")].map((it) => it.dataset.key));
  const top = place.scrollTop;
  put(place,
    head(story),
    answer ? h("p", { class: "answer", "data-tone": answer.tone, role: "status" }, answer.text) : null,
    h("ol", { class: "steps" }, story.steps.map((step) => line(step, story)).filter(Boolean)),
    h("h3", {}, "Contact"), contact(story),
    story.messages.length ? [h("h3", {}, "On Service Bus now"), ...story.messages.map(message)] : null,
    h("h3", {}, "Journeys"), journeys(story),
    record ? fold("record", "The record, as it lies in Cosmos DB", json(record)) : null,
    fold("event", "The event, as the Scale Unit tells it", json(story.event)),
  );
  for (const fold of place.querySelectorAll("details")) if (open.has(fold.dataset.key)) fold.open = true;
  place.scrollTop = top;
}

function head({ row, email, loyaltyCard }) {
  const [text, tone] = state(row.status);
  const facts = [
    row.type === "AddCartLines" ? "put something into a cart" : `${row.type.toLowerCase()}${row.amount ? ` of ${money(row.amount, row.currency)}` : ""}`,
    row.online ? `online (${row.place})` : `in store (${row.place})`,
    row.guest ? "as a guest" : "with an account",
    email ? `reachable at ${email}` : "without e-mail address",
    loyaltyCard ? "with a loyalty card" : "without loyalty card",
  ];
  return h("div", { class: "head" },
    h("p", { class: "name" }, row.who, h("span", { class: "state", "data-tone": tone }, h("i", { class: "lamp", "aria-hidden": "true" }), text)),
    h("p", { class: "hint" }, `${facts.join(", ")}.`));
}

// ---- steps

function line(step, story) {
  const words = WORDS[step.kind]?.(step, story);
  if (!words) return null;
  const [tone, title, more] = words;
  const since = new Date(step.at) - new Date(story.steps[0].at);
  return h("li", { "data-tone": tone },
    h("time", { datetime: step.at, title: step.at }, `+${span(since)}`),
    h("span", {}, h("b", {}, title), more ? h("span", { class: "more" }, more) : null));
}

const WORDS = {
  committed: (_, { row }) => ["plain", "Committed by the shop", `${clock(row.at)}, in one transaction with the ${row.amount === null ? "cart" : "sale"}`],
  recorded: recorded,
  delivered: ({ deliveryCount, messageId }) => [
    "plain",
    messageId.includes("~~") ? "The scheduled copy is delivered" : "Delivered to process-message",
    deliveryCount > 1 ? `delivery ${deliveryCount} of 10` : null,
  ],
  settled: ({ outcome, detail, tookMs }) => [
    outcome === "succeeded" ? "plain" : "bad",
    outcome === "succeeded" ? "Message completed" : outcome === "lost" ? "The handler died at it" : "Delivery failed",
    outcome === "succeeded" ? `after ${span(tookMs)}` : `${detail}, after ${span(tookMs)}`,
  ],
  started: ({ journey: name, again }) => [again ? "wait" : "good", `${journey(name)} started${again ? " again" : ""}`, null],
  asked: ({ what, status }) => ["plain", what === "dryRun" ? "Tried out by hand" : "Replayed by hand", `trigger-journey answered ${status}`],
};

function recorded({ status, retryCount, publications, reason: why, journeys: outcomes }) {
  const because = why ? reason(why.code) : null;
  switch (status) {
    case "new": return ["plain", "Seen by the poller", "a record is written to Cosmos DB"];
    case "processing":
      return ["plain", publications > 1 ? `Published, the ${publications}. time` : publications ? "Enriched and published" : "Under way", because];
    case "retrying": return ["wait", "Will be tried again", [because, retryCount > 1 ? many(retryCount, "failure") : null].filter(Boolean).join(", ")];
    case "processed": return ["good", "Done", summary(outcomes)];
    case "failed": return ["bad", "Given up", why ? `${because}: ${why.detail}` : null];
    default: return ["plain", status, because];
  }
}

function summary(outcomes) {
  const all = Object.values(outcomes ?? {});
  const started = all.filter((it) => it.state === "started").length;
  const skipped = all.filter((it) => it.state === "skipped").length;
  return [many(started, "journey") + " started", skipped ? `${skipped} not for this one` : null].filter(Boolean).join(", ");
}

// ---- whom, what

function contact({ contact: its, row }) {
  if (!its) return h("p", { class: "hint" }, row.status === "processed" ? "Nobody can be reached about this event." : "Not known yet.");
  const how = its.before ? "Was there before the day began" : `${its.createdSince ? "Created after this event" : "Created before this event"}, at ${clock(its.createdOn)}`;
  const by = its.byNumber ? `carries the customer’s number ${its.number}` : its.byEmail ? "has the same e-mail address" : "was linked by the record";
  return h("p", {}, h("b", {}, its.name ?? its.email ?? "Without a name"), ` · ${how}; ${by}.`, h("span", { class: "id" }, its.id));
}

function message({ messageId, deliveries, deadLetter }) {
  const text = deadLetter ? `Dead letter (${deadLetter.reason}) after ${many(deliveries, "delivery", "deliveries")}.` : `Waiting, ${many(deliveries, "delivery", "deliveries")} so far.`;
  return h("p", { "data-tone": deadLetter ? "bad" : "wait", class: "queued" }, text, h("span", { class: "id" }, messageId));
}

function journeys({ record, started, row }) {
  const outcomes = record?.journeys ?? {};
  const names = [...new Set([...row.journeys.map((it) => it.journey), ...Object.keys(outcomes)])];
  if (!names.length) return h("p", { class: "hint" }, "None is due.");
  return h("ul", { class: "outcomes" }, names.map((name) => outcome(name, outcomes[name], started.filter((it) => it.journey === name))));
}

function outcome(name, said, starts) {
  const texts = {
    started: () => `started ${starts.length > 1 ? `${starts.length} times` : ""} after ${span(starts[0]?.waitMs)}`.replace("  ", " "),
    skipped: () => `not for this one: ${said.because}`,
    waiting: () => `waits: ${reason(said.reason.code)}`,
    failed: () => `failed: ${reason(said.reason.code)}. ${said.reason.detail}`,
  };
  const its = starts.length ? "started" : (said?.state ?? "due");
  const tones = { started: "good", skipped: "plain", waiting: "wait", failed: "bad", due: "plain" };
  return h("li", { "data-tone": tones[its] }, h("b", {}, journey(name)), ` ${texts[its]?.() ?? "is due"}`,
    ...starts.map((start) => fold(`call-${start.call}`, "the parameters it was started with", table(start.parameters))));
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

// ---- by hand

async function ask(dryRun) {
  const about = number;
  answer = { tone: "plain", text: "Asking trigger-journey …" };
  try {
    const { status, answer: said } = await post("/api/replay", { event: about, dryRun });
    answer = { tone: status === 200 ? "good" : "bad", text: words(status, said, dryRun) };
  } catch (error) {
    answer = { tone: "bad", text: error.message };
  }
  if (about === number) load();
}

function words(status, said, dryRun) {
  if (status !== 200) return `trigger-journey answered ${status}: ${said?.error ? reason(said.error.code) + ". " + said.error.message : "nothing more"}`;
  if (!dryRun) return `trigger-journey answered 200: the event is ${said.status}. What had started was not started again.`;
  const found = said.contact?.found ? "found" : said.contact?.wouldBeCreated ? "would be created" : "nobody";
  const names = Object.entries(said.journeys ?? {}).map(([name, it]) => `${journey(name)}: ${it.parameters ? `${Object.keys(it.parameters).length} parameters` : it.problem ?? it.skippedBecause ?? "no"}`);
  return `Tried out, nothing changed. Contact: ${found}. ${names.join("; ")}.`;
}

$("replay").addEventListener("click", () => ask(false));
$("try-out").addEventListener("click", () => ask(true));
