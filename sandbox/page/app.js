// Loads all parts of the page.

import { $, setText } from "./dom.js";
import { connect } from "./store.js";
import "./actions.js";
import "./audit.js";
import "./flow.js";
import "./latency.js";
import "./list.js";
import "./mail.js";
import "./timeline.js";

const LINK_STATES = { live: "live", away: "not reachable, retrying" };

connect((state) => {
  $("link").dataset.state = state;
  setText($("link").lastElementChild, LINK_STATES[state]);
});

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
