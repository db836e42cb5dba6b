// The timeline of one event: loads it, shows it, and sends an operator's requests about it.

import { answer, box } from "./answer.js";
import { $, h, post, update } from "./dom.js";
import { countdown, eventType, money, state, upcoming } from "./format.js";
import { onSelect, select } from "./list.js";
import { contact, decision, fold, journeys, json, message } from "./outcomes.js";
import { steps } from "./steps.js";
import { onChange, store } from "./store.js";

const place = $("timeline");
const HINT = "Select an event to see its steps, from the shop to the journeys, with times, retries and reasons.";
let number = null;
let loading = false;
let loadAgain = false;
/** Creates the answer to the last request about this event. */
let lastAnswer = null;

onSelect((chosen) => {
  if (chosen !== number) {
    number = chosen;
    lastAnswer = null;
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
  if (!number) return hint(HINT);
  loading = true;
  loadedAt = Date.now();
  const wanted = number;
  try {
    const reply = await fetch(`/api/events/${wanted}`);
    if (reply.ok && wanted === number) show(await reply.json());
  } catch {
    if (shownNumber !== wanted) hint("The sandbox does not answer.");
  }
  loading = false;
  if (loadAgain) {
    loadAgain = false;
    load();
  }
}

let shownNumber = null;

function hint(text) {
  shownNumber = null;
  update(place, h("p", { class: "hint" }, text));
  $("replay").disabled = $("dry-run").disabled = true;
}

function show(details) {
  const { row, record } = details;
  shownNumber = row.number;
  $("replay").disabled = $("dry-run").disabled = !record || !store.flow.handlers.length;
  const top = place.scrollTop;
  update(place,
    head(details),
    lastAnswer?.(),
    decision(details),
    steps(details),
    h("h3", { "data-key": "contact-title" }, "Contact"), contact(details),
    details.messages.length ? [h("h3", { "data-key": "messages-title" }, "Messages on Service Bus"), ...details.messages.map(message)] : null,
    h("h3", { "data-key": "journeys-title" }, "Journeys"), journeys(details),
    record ? fold("record", "Record in Cosmos DB", json(record)) : null,
    fold("event", "Event of the Scale Unit", json(details.event)),
  );
  place.scrollTop = top;
}

function head({ row, email, loyaltyCard, record }) {
  const [text, tone] = state(row.status);
  const facts = [
    `${eventType(row.type)[1]}${row.amount && row.type !== "AddCartLines" ? ` of ${money(row.amount, row.currency)}` : ""}`,
    row.online ? `online (${row.place})` : `in store (${row.place})`,
    row.guest ? "as a guest" : "with an account",
    email ? `e-mail address ${email}` : "without e-mail address",
    loyaltyCard ? "with a loyalty card" : "without loyalty card",
  ];
  const numbers = ["salesId", "channelReferenceId", "receiptId"].map((name) => record?.[name]).filter(Boolean);
  const coming = upcoming(row);
  return h("div", { class: "head", "data-key": "head" },
    h("p", { class: "name" }, row.who, h("span", { class: "state", "data-tone": tone }, h("i", { class: "indicator", "aria-hidden": "true" }), text)),
    coming ? h("p", { class: "next", "data-next": coming.next, "data-until": coming.until, "data-attempt": coming.attempt }, countdown(coming.next, coming.until, coming.attempt)) : null,
    row.reason === "dismissed" ? h("p", {}, `Left by an operator: ${record.reason.detail}`) : null,
    h("p", { class: "hint" }, `${facts.join(", ")}.${numbers.length ? ` Order ${numbers.join(", ")}.` : ""}`));
}

// ---- operator requests

async function request(action, path, fields) {
  const event = number;
  lastAnswer = () => box("plain", h("p", {}, "Calling trigger-journey …"));
  load();
  try {
    const { status, answer: reply } = await post(path, { event, ...fields });
    if (event === number) lastAnswer = () => answer(action, status, reply);
  } catch (error) {
    if (event === number) lastAnswer = () => box("bad", h("p", {}, error.message));
  }
  if (event === number) load();
}

$("replay").addEventListener("click", () => request("replay", "/api/replay", {}));
$("dry-run").addEventListener("click", () => request("dryRun", "/api/replay", { dryRun: true }));
place.addEventListener("click", (click) => {
  const { action, journey: name } = click.target.closest("[data-action]")?.dataset ?? {};
  if (action === "release") request("release", "/api/replay", { release: true, journeys: [name] });
  if (action === "dismiss") request("dismiss", "/api/dismiss", { reason: "left on the page of the sandbox" });
});
