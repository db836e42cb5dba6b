// What one can do: shop, and make trouble.

import { $, h, post, tell } from "./dom.js";
import { select } from "./list.js";
import { onChange, store } from "./store.js";
import { count, journey, many } from "./words.js";

/** Does something and says what came of it. */
async function act(doing, path, body, words) {
  tell($("done"), doing);
  try {
    tell($("done"), words(await post(path, body)));
  } catch (error) {
    tell($("done"), error.message);
  }
}

$("visit").addEventListener("submit", (submit) => {
  submit.preventDefault();
  const form = new FormData($("visit"));
  const ending = submit.submitter?.value ?? "checkout";
  const visit = {
    who: form.get("who"),
    place: form.get("place"),
    email: form.has("email"),
    loyaltyCard: form.has("loyaltyCard"),
    ending,
  };
  act("Shopping …", "/api/shop", visit, ({ events }) => {
    followUp(events.at(-1));
    return ending === "checkout" ? "Sold. Its event is open." : "The cart is left behind. Its event is open.";
  });
});

/** The new event may be answered before the stream has told of it. */
function followUp(number) {
  if (store.events[number - 1]) select(number);
  else awaited = number;
}

let awaited = null;

for (const button of document.querySelectorAll("[data-crowd]")) {
  const orders = Number(button.dataset.crowd);
  button.addEventListener("click", () => act("Opening the doors …", "/api/crowd", { orders }, () => `${many(orders, "buyer")} come in.`));
}

$("kill").addEventListener("click", () =>
  act("Killing …", "/api/kill", {}, () => "Killed, at whatever instruction it was. The host starts another."));

$("redrive").addEventListener("click", () =>
  act("Asking trigger-journey …", "/api/redrive", { max: 100 }, ({ status, answer }) => {
    if (status !== 200 && status !== 422) return `trigger-journey answered ${status}.`;
    const [done, failed] = [answer.succeeded.length, answer.failed.length];
    if (!answer.taken) return "There are no dead letters.";
    return failed ? `${many(done, "dead letter")} done, ${count(failed)} failed again and stay.` : `${many(done, "dead letter")} taken up, all done.`;
  }));

// ---- custom triggers

const [which, how] = [$("trigger-journey"), $("trigger-state")];

which.addEventListener("change", showTrigger);
how.addEventListener("change", async () => {
  const body = { journey: which.value, state: how.value };
  telling = true;
  await act("Telling Customer Insights …", "/api/trigger", body, () => `The trigger of ${body.journey} is ${body.state}.`);
  telling = false;
});

/** While Customer Insights is told, what was chosen stays chosen. */
let telling = false;

function showTrigger() {
  const state = store.flow?.triggers[which.value] ?? "published";
  if (how.value !== state) how.value = state;
}

onChange(({ events }) => {
  const names = store.enabled;
  if (which.options.length !== names.length) {
    which.replaceChildren(...names.map((name) => h("option", { value: name }, journey(name))));
  }
  if (document.activeElement !== how && !telling) showTrigger();
  const { deadLettered } = store.flow.bus;
  tell($("redrive"), deadLettered ? `Redrive ${many(deadLettered, "dead letter")}` : "Redrive dead letters");
  for (const button of document.querySelectorAll("[data-crowd]")) button.disabled = store.flow.crowded;
  if (awaited && events.has(awaited)) {
    select(awaited);
    awaited = null;
  }
});
