// Actions: place orders, and inject faults.

import { $, h, post, put, setText } from "./dom.js";
import { count, journey, plural, reason } from "./format.js";
import { revealTimeline, select } from "./list.js";
import { onChange, store } from "./store.js";

/** Runs an action and shows its result: a text, or a text and elements. */
async function act(progress, path, body, describe) {
  setText($("result"), progress);
  try {
    put($("result"), describe(await post(path, body)));
  } catch (error) {
    setText($("result"), error.message);
  }
}

$("visit").addEventListener("submit", (submit) => {
  submit.preventDefault();
  const form = new FormData($("visit"));
  const outcome = submit.submitter?.value ?? "checkout";
  shop({ who: form.get("who"), place: form.get("place"), email: form.has("email"), loyaltyCard: form.has("loyaltyCard"), outcome });
});

/** Performs a visit to the shop, and shows its event. */
export function shop(visit) {
  return act("Placing the order …", "/api/shop", visit, ({ events }) => {
    selectWhenKnown(events.at(-1));
    return visit.outcome === "checkout" ? "Order placed. The event timeline shows its event." : "Cart left without buying. The event timeline shows its event.";
  });
}

/** Selects the new event. The answer may come before the event is in the stream. */
function selectWhenKnown(number) {
  if (store.events.has(number)) show(number);
  else awaited = number;
}

function show(number) {
  select(number);
  revealTimeline();
}

let awaited = null;

for (const button of document.querySelectorAll("[data-orders]")) {
  const orders = Number(button.dataset.orders);
  button.addEventListener("click", () => act("Placing orders …", "/api/bulk-orders", { orders }, () => `${plural(orders, "order")} are being placed.`));
}

$("kill").addEventListener("click", () =>
  act("Killing the handler …", "/api/kill", {}, () => "Killed with SIGKILL. The host starts a new handler."));

$("redrive").addEventListener("click", () =>
  act("Calling trigger-journey …", "/api/redrive", { max: 100 }, ({ status, answer }) => {
    if (status !== 200 && status !== 422) return `trigger-journey answered ${status}.`;
    const [done, failed] = [answer.succeeded.length, answer.failed.length];
    if (!answer.taken) return "There are no dead letters.";
    if (!failed) return `${plural(done, "dead letter")} processed.`;
    return [`${plural(done, "dead letter")} processed, ${count(failed)} failed again:`, failures(answer.failed)];
  }));

/** The dead letters that have failed again, with the reason, and a link to the event. */
function failures(failed) {
  const lines = failed.slice(0, FAILURES).map(({ eventId, number, reason: why }) => h("li", {},
    number ? h("a", { href: `#event-${number}` }, `Event ${number}`) : (eventId ?? "A message of another sender"),
    `: ${reason(why?.code)}`));
  const more = failed.length - lines.length;
  return h("ul", { class: "failures" }, lines, more > 0 ? h("li", {}, `and ${count(more)} more`) : null);
}

const FAILURES = 5;

// ---- custom triggers

const TRIGGER_STATES = {
  published: "is published",
  unpublished: "is not published",
  changed: "now requires one more value",
};
const [which, how] = [$("trigger-journey"), $("trigger-state")];

which.addEventListener("change", showTrigger);
how.addEventListener("change", async () => {
  const body = { journey: which.value, state: how.value };
  saving = true;
  await act("Changing the trigger …", "/api/trigger", body, () => `The trigger of ${body.journey} ${TRIGGER_STATES[body.state]}.`);
  saving = false;
});

/** While the change is saved, the selection stays as it is. */
let saving = false;

function showTrigger() {
  const state = store.flow?.triggers[which.value] ?? "published";
  if (how.value !== state) how.value = state;
}

onChange(({ events, restarted }) => {
  if (restarted) setText($("result"), "");
  const names = store.enabled;
  if (which.options.length !== names.length) {
    which.replaceChildren(...names.map((name) => h("option", { value: name }, journey(name))));
  }
  if (document.activeElement !== how && !saving) showTrigger();
  const { deadLettered } = store.flow.bus;
  setText($("redrive"), deadLettered ? `Redrive ${plural(deadLettered, "dead letter")}` : "Redrive dead letters");
  for (const button of document.querySelectorAll("[data-orders]")) button.disabled = store.flow.bulkRunning;
  $("kill").disabled = $("redrive").disabled = !store.flow.handlers.length;
  if (awaited && events.has(awaited)) {
    show(awaited);
    awaited = null;
  }
});
