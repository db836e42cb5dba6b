// Loads all parts of the page.

import { $, setText } from "./dom.js";
import { connect } from "./store.js";
import "./actions.js";
import "./address.js";
import "./audit.js";
import "./flow.js";
import "./guide.js";
import "./latency.js";
import "./list.js";
import "./mail.js";
import "./timeline.js";

const LINK_STATES = { live: "live", away: "not reachable, retrying", ended: "ended" };
/** A connection that is interrupted for longer means that the sandbox has ended. */
const ENDED_AFTER = 3000;
let ending = null;

connect((state) => {
  if (state === "live") {
    clearTimeout(ending);
    ending = null;
    show("live");
  } else if (ending === null) {
    show("away");
    ending = setTimeout(() => show("ended"), ENDED_AFTER);
  }
});

function show(state) {
  const ended = state === "ended";
  $("link").dataset.state = state;
  setText($("link").lastElementChild, LINK_STATES[state]);
  $("ended").hidden = !ended;
  document.body.classList.toggle("has-ended", ended);
  for (const part of document.querySelectorAll("[data-live]")) part.inert = ended;
}

const dark = matchMedia("(prefers-color-scheme: dark)");

function showTheme() {
  const chosen = document.documentElement.dataset.theme;
  const isDark = chosen ? chosen === "dark" : dark.matches;
  $("theme").setAttribute("aria-pressed", String(isDark));
  return isDark;
}

$("theme").addEventListener("click", () => {
  const theme = showTheme() ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  localStorage.setItem("theme", theme);
  showTheme();
});
dark.addEventListener("change", showTheme);
showTheme();
