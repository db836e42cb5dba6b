// The first steps for a new user, and the help.

import { shop } from "./actions.js";
import { $, post, setText } from "./dom.js";
import { onChange, store } from "./store.js";

const GUEST = { who: "guest", place: "online", email: true, loyaltyCard: false, outcome: "checkout" };

async function setDataverse(availability) {
  try {
    await post("/api/faults", { dependency: "dataverse", availability });
    if (availability === "down") await shop(GUEST);
  } catch (error) {
    setText($("result"), error.message);
  }
}

const ACTIONS = {
  checkout: () => shop(GUEST),
  down: () => setDataverse("down"),
  normal: () => setDataverse("normal"),
};

$("guide").addEventListener("click", (click) => {
  const step = click.target.closest("[data-guide]");
  if (!step) return;
  step.dataset.done = "true";
  ACTIONS[step.dataset.guide]();
});

onChange(() => {
  const { reachable } = store.flow.dependencies.dataverse;
  $("guide").querySelector("[data-guide=down]").disabled = !reachable;
  $("guide").querySelector("[data-guide=normal]").disabled = reachable;
});

$("help").addEventListener("click", () => $("help-text").showModal());
addEventListener("keydown", (key) => {
  const isTyping = ["INPUT", "SELECT", "TEXTAREA"].includes(document.activeElement?.tagName);
  if (key.key === "?" && !isTyping) $("help-text").showModal();
});
