// Actions: place orders, and inject faults.

import { $, h, post, setText } from "./dom.js";
import { count, journey, plural } from "./format.js";
import { select } from "./list.js";
import { onChange, store } from "./store.js";

/** Runs an action and shows its result. */
async function act(progress, path, body, describe) {
  setText($("result"), progress);
  try {
    setText($("result"), describe(await post(path, body)));
  } catch (error) {
    setText($("result"), error.message);
  }
}

$("visit").addEventListener("submit", (submit) => {
  submit.preventDefault();
  const form = new FormData($("visit"));
  const outcome = submit.submitter?.value ?? "checkout";
  const visit = {
    who: form.get("who"),
    place: form.get("place"),
    email: form.has("email"),
    loyaltyCard: form.has("loyaltyCard"),
    outcome,
  };
  act("Placing the order …", "/api/shop", visit, ({ events }) => {
    selectWhenKnown(events.at(-1));
    return outcome === "checkout" ? "Order placed. Its event is shown on the right." : "Cart left without buying. Its event is shown on the right.";
  });
});

/** Selects the new event. The answer may come before the event is in the stream. */
function selectWhenKnown(number) {
  if (store.events.has(number)) select(number);
  else awaited = number;
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
    return failed ? `${plural(done, "dead letter")} processed, ${count(failed)} failed again.` : `${plural(done, "dead letter")} processed.`;
  }));

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

onChange(({ events }) => {
  const names = store.enabled;
  if (which.options.length !== names.length) {
    which.replaceChildren(...names.map((name) => h("option", { value: name }, journey(name))));
  }
  if (document.activeElement !== how && !saving) showTrigger();
  const { deadLettered } = store.flow.bus;
  setText($("redrive"), deadLettered ? `Redrive ${plural(deadLettered, "dead letter")}` : "Redrive dead letters");
  for (const button of document.querySelectorAll("[data-orders]")) button.disabled = store.flow.bulkRunning;
  if (awaited && events.has(awaited)) {
    select(awaited);
    awaited = null;
  }
});
