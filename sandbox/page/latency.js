// How long customers waited, in stretches of ten seconds, over the last minutes.

import { $, h, s, tell } from "./dom.js";
import { now, onChange, store } from "./store.js";
import { clock, many, span } from "./words.js";

const STRETCH = 10_000;
const WIDTH = 640;
const HEIGHT = 190;
/** The picture begins with the first journey, and shows ten minutes at most. */
const LEAST = 120_000;
const MOST = 600_000;
const LINES = ["p99", "p95", "p50"];
const NICE = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 3600];

const chart = $("chart");
const grid = s("g", { class: "grid" });
const drawn = Object.fromEntries(LINES.map((name) => [name, s("path", { class: name })]));
chart.append(grid, ...Object.values(drawn));

function render() {
  const end = Math.floor(now() / STRETCH) * STRETCH + STRETCH;
  const stretches = [...store.latency.values()].filter((it) => it.at >= end - MOST).sort((a, b) => a.at - b.at);
  const begin = Math.min(end - LEAST, stretches[0]?.at ?? end);
  const most = Math.max(1000, ...stretches.map((it) => it.p99)) / 1000;
  const top = NICE.find((nice) => nice >= most) ?? most;
  const x = (at) => ((at - begin) / (end - begin)) * WIDTH;
  const y = (ms) => HEIGHT - 6 - (ms / 1000 / top) * (HEIGHT - 16);
  for (const name of LINES) drawn[name].setAttribute("d", line(stretches, name, x, y));
  grid.replaceChildren(...[0, 0.5, 1].map((part) => s("path", { d: `M0 ${y(part * top * 1000)}H${WIDTH}` })));
  $("axis").replaceChildren(h("span", {}, `${clock(begin)}`), h("span", {}, `top line ${span(top * 1000)}`), h("span", {}, "now"));
  describe(stretches);
}

/** Steps: each stretch is what it is, and where nothing started there is nothing. */
function line(stretches, name, x, y) {
  let path = "";
  let last = null;
  for (const stretch of stretches) {
    path += `${last === stretch.at ? "L" : "M"}${x(stretch.at).toFixed(1)} ${y(stretch[name]).toFixed(1)}H${x(stretch.at + STRETCH).toFixed(1)}`;
    last = stretch.at + STRETCH;
  }
  return path;
}

function describe(stretches) {
  const last = stretches.at(-1);
  if (!last) return tell($("latency-text"), "No journey has started in the last ten minutes.");
  const slowest = stretches.reduce((worst, it) => (it.p99 > worst.p99 ? it : worst), last);
  tell($("latency-text"),
    `Of the ${many(last.count, "journey")} that started in the ten seconds from ${clock(last.at)} on, half waited at most ${span(last.p50)}, ` +
    `95 % at most ${span(last.p95)}, 99 % at most ${span(last.p99)}. The slowest ten seconds began at ${clock(slowest.at)}: 99 % within ${span(slowest.p99)}.`);
}

onChange(({ latency }) => {
  if (latency) render();
});
setInterval(() => { if (store.latency.size && !document.hidden) render(); }, 2000);
