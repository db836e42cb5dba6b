// Puts the page together.

import { $, tell } from "./dom.js";
import { connect } from "./store.js";
import "./audit.js";
import "./detail.js";
import "./flow.js";
import "./latency.js";
import "./list.js";
import "./mail.js";
import "./try.js";

const WORDS = { live: "live", away: "not reachable, trying again" };

connect((state) => {
  $("link").dataset.state = state;
  tell($("link").lastElementChild, WORDS[state]);
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
