// The latency from event to journey in periods of ten seconds, over the last minutes.

import { $, h, s, setText } from "./dom.js";
import { clock, duration, plural } from "./format.js";
import { now, onChange, store } from "./store.js";

const PERIOD = 10_000;
const WIDTH = 640;
const HEIGHT = 190;
/** The chart starts with the first journey and shows at most ten minutes. */
const SHORTEST = 120_000;
const LONGEST = 600_000;
const LINES = ["p99", "p95", "p50"];
/** The scale is logarithmic, so that one slow journey does not hide the others. Lines in seconds. */
const SCALE = [0.1, 1, 10, 100, 1000, 10_000];

const chart = $("chart");
const grid = s("g", { class: "grid" });
const drawn = Object.fromEntries(LINES.map((name) => [name, s("path", { class: name })]));
chart.append(grid, ...Object.values(drawn));

function render() {
  const end = Math.floor(now() / PERIOD) * PERIOD + PERIOD;
  const periods = [...store.latency.values()].filter((it) => it.at >= end - LONGEST).sort((a, b) => a.at - b.at);
  const begin = Math.min(end - SHORTEST, periods[0]?.at ?? end);
  const most = Math.max(5000, ...periods.map((it) => it.p99)) / 1000;
  const lines = SCALE.slice(0, SCALE.findIndex((line) => line >= most) + 1 || SCALE.length);
  const [lowest, highest] = [lines[0], lines.at(-1)].map(Math.log10);
  const x = (at) => ((at - begin) / (end - begin)) * WIDTH;
  const part = (ms) => (Math.log10(Math.max(ms / 1000, lines[0])) - lowest) / (highest - lowest);
  const y = (ms) => HEIGHT - 6 - part(ms) * (HEIGHT - 16);
  for (const name of LINES) drawn[name].setAttribute("d", line(periods, name, x, y));
  grid.replaceChildren(...lines.map((seconds) => s("path", { d: `M0 ${y(seconds * 1000)}H${WIDTH}` })));
  $("axis").replaceChildren(h("span", {}, `${clock(begin)}`), h("span", {}, `lines: ${lines.join(", ")} s`), h("span", {}, "now"));
  describe(periods);
}

/** A step line: one step per period, and a gap where no journey started. */
function line(periods, name, x, y) {
  let path = "";
  let last = null;
  for (const period of periods) {
    path += `${last === period.at ? "L" : "M"}${x(period.at).toFixed(1)} ${y(period[name]).toFixed(1)}H${x(period.at + PERIOD).toFixed(1)}`;
    last = period.at + PERIOD;
  }
  return path;
}

function describe(periods) {
  const last = periods.at(-1);
  if (!last) return setText($("latency-text"), "No journey has started in the last ten minutes.");
  const slowest = periods.reduce((worst, it) => (it.p99 > worst.p99 ? it : worst), last);
  setText($("latency-text"),
    `Of the ${plural(last.count, "journey")} in the ten seconds from ${clock(last.at)}, half started within ${duration(last.p50)}, ` +
    `95 % within ${duration(last.p95)}, 99 % within ${duration(last.p99)}. The slowest ten seconds started at ${clock(slowest.at)}: 99 % within ${duration(slowest.p99)}. All services share this computer, so many orders at once take longer here than in Azure.`);
}

onChange(({ latency }) => {
  if (latency) render();
});
setInterval(() => { if (store.latency.size && !document.hidden) render(); }, 2000);
