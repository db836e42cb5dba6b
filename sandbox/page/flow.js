// The flow: stations with their counts, wires between them, and what travels on these. A dot stands for something that
// really passed; more than a few at a time are shown as a few.

import { $, h, post, s, tell } from "./dom.js";
import { onChange, store } from "./store.js";
import { clock, count, journey, many, span } from "./words.js";

const SETTINGS = { fair: "fair", slow: "slow", throttled: "throttled", down: "down" };
/** Which wires there are, by the stations they connect, and whose weather they feel. */
const WIRES = [
  ["commerce", "poll", "commerce"],
  ["poll", "bus", "serviceBus"],
  ["bus", "process", "serviceBus"],
  ["process", "dataverse", "dataverse"],
  ["dataverse", "journeys", null],
  ["poll", "cosmos", "cosmos"],
  ["process", "cosmos", "cosmos"],
  ["process", "bus", null],
];
/** The way back: what is put off waits on Service Bus for its time. */
const BACK = "process bus";
const DOTS = 48;
const AT_ONCE = 4;
const TRAVEL = 900;

const map = $("map");
const wires = $("wires");
const stations = Object.fromEntries([...map.querySelectorAll("[data-station]")].map((it) => [it.dataset.station, it]));
const fields = Object.fromEntries([...map.querySelectorAll("[data-field]")].map((it) => [it.dataset.field, it]));
const rates = Object.fromEntries([...map.querySelectorAll("[data-rate]")].map((it) => [it.dataset.rate, it]));
const still = matchMedia("(prefers-reduced-motion: reduce)");
const paths = new Map();
const dots = [];
let before = null;

const sum = (counts) => Object.values(counts).reduce((total, one) => total + one, 0);

// ---- weather

/** Where the weather is being changed at this moment. */
let setting = null;

for (const select of map.querySelectorAll("[data-weather]")) {
  select.append(...Object.entries(SETTINGS).map(([value, text]) => h("option", { value }, text)));
  select.addEventListener("change", async () => {
    setting = select;
    try {
      await post("/api/weather", { dependency: select.dataset.weather, weather: select.value });
    } catch (error) {
      tell($("done"), error.message);
      select.value = weatherOf(store.flow.dependencies[select.dataset.weather]);
    }
    setting = null;
  });
}

/** What it is, not what was asked for: others take dependencies off the network and put them back, too. */
function weatherOf({ reachable, weather }) {
  if (!reachable) return "down";
  return weather === "down" ? "fair" : weather;
}

function showWeather(flow) {
  for (const select of map.querySelectorAll("[data-weather]")) {
    const actual = weatherOf(flow.dependencies[select.dataset.weather]);
    // Whoever is choosing is not interrupted.
    if (document.activeElement !== select && select !== setting) select.value = actual;
    select.closest(".station").dataset.state = actual;
  }
  const back = flow.bus.scheduled ? "back" : "idle";
  for (const [from, to, dependency] of WIRES) {
    const key = `${from} ${to}`;
    const state = dependency ? weatherOf(flow.dependencies[dependency]) : "fair";
    paths.get(key)?.setAttribute("data-state", key === BACK ? back : state);
  }
}

// ---- counts

function calls(dependency) {
  const failures = dependency.failures ? `, ${count(dependency.failures)} failed` : "";
  return `${many(dependency.calls, "call")}${failures}`;
}

function handlers(flow) {
  const up = flow.handlers.filter((handler) => handler.up).length;
  const deaths = flow.handlers.reduce((all, handler) => all + handler.deaths, 0);
  const state = up === flow.handlers.length ? "handler up" : "handler starting";
  return deaths ? `${state}, died ${deaths === 1 ? "once" : `${count(deaths)} times`}` : state;
}

function heartbeat(flow) {
  const poll = flow.functions["poll-events"];
  if (!poll?.lastBegan) return "not polled yet";
  const took = poll.lastTookMs === null ? "" : `, took ${span(poll.lastTookMs)}`;
  return `last poll ${clock(poll.lastBegan)}${took}`;
}

function texts(flow) {
  const { bus, functions, dependencies, records, started } = flow;
  const process = functions["process-message"] ?? { succeeded: 0, failed: 0, inFlight: 0 };
  const replay = functions["trigger-journey"];
  const open = (records.new ?? 0) + (records.processing ?? 0);
  return {
    events: count(flow.events),
    commerce: calls(dependencies.commerce),
    published: count(flow.published),
    poll: heartbeat(flow),
    handler: handlers(flow),
    waiting: count(bus.active + bus.locked + bus.scheduled),
    queue: `${count(bus.locked)} at work · ${count(bus.scheduled)} for later · ${count(bus.deadLettered)} dead`,
    processed: count(process.succeeded),
    process: `${count(process.inFlight)} in flight${process.failed ? ` · ${count(process.failed)} failed` : ""}`,
    replays: replay ? `${count(replay.started)} by hand (trigger-journey)` : "",
    contacts: count(flow.contacts),
    dataverse: `${count(flow.contacts - flow.contactsBefore)} created · ${calls(dependencies.dataverse)}`,
    started: count(sum(started)),
    records: count(sum(records)),
    states: `${count(open)} open · ${count(records.retrying)} retrying · ${count(records.failed)} failed`,
    tokens: count(dependencies.entra.calls),
    entra: dependencies.entra.failures ? `${count(dependencies.entra.failures)} failed` : "each is good for an hour",
  };
}

// ---- wires

/** Straight where stations stand side by side or below each other, with a bend where they do not. */
function route(from, to) {
  const [a, b] = [from, to].map((station) => station.querySelector(".stop").getBoundingClientRect());
  const origin = map.getBoundingClientRect();
  const [x1, y1] = [a.left + a.width / 2 - origin.left, a.top + a.height / 2 - origin.top];
  const [x2, y2] = [b.left + b.width / 2 - origin.left, b.top + b.height / 2 - origin.top];
  if (from === stations.process && to === stations.bus) {
    return y1 === y2 ? `M${x1} ${y1}C${x1 - 10} ${y1 - 34} ${x2 + 10} ${y2 - 34} ${x2} ${y2}` : "M0 0";
  }
  if (Math.abs(x1 - x2) < 2 || Math.abs(y1 - y2) < 2) return `M${x1} ${y1}L${x2} ${y2}`;
  if (x1 > x2 && y2 > y1) {
    // Between the columns: texts stand below the stops.
    const lane = x1 - 14;
    return `M${x1} ${y1}C${lane} ${y1} ${lane} ${y1} ${lane} ${y1 + 20}L${lane} ${y2 - 20}C${lane} ${y2} ${lane} ${y2} ${lane - 20} ${y2}L${x2} ${y2}`;
  }
  const lane = x2 - 14;
  return `M${x1} ${y1}L${lane - 20} ${y1}C${lane} ${y1} ${lane} ${y1} ${lane} ${y1 + 20}L${lane} ${y2 - 20}C${lane} ${y2} ${lane} ${y2} ${x2} ${y2}`;
}

function draw() {
  const { width, height } = map.getBoundingClientRect();
  wires.setAttribute("viewBox", `0 0 ${width} ${height}`);
  for (const [from, to] of WIRES) {
    const key = `${from} ${to}`;
    if (!paths.has(key)) {
      paths.set(key, s("path", { "data-state": "fair" }));
      wires.append(paths.get(key));
    }
    paths.get(key).setAttribute("d", route(stations[from], stations[to]));
  }
}

new ResizeObserver(draw).observe(map);

// ---- what travels

function travel(key, number) {
  const path = paths.get(key);
  if (!path || still.matches || document.hidden) return;
  for (let i = 0; i < Math.min(number, AT_ONCE) && dots.length < DOTS; i++) {
    const circle = s("circle", { r: 3.5, class: "dot", opacity: 0 });
    wires.append(circle);
    dots.push({ circle, path, length: path.getTotalLength(), begin: performance.now() + i * 110 });
  }
  if (dots.length && !moving) moving = requestAnimationFrame(move);
}

let moving = null;

function move(time) {
  for (let i = dots.length - 1; i >= 0; i--) {
    const { circle, path, length, begin } = dots[i];
    const part = (time - begin) / TRAVEL;
    if (part < 0) continue;
    if (part > 1) {
      circle.remove();
      dots.splice(i, 1);
      continue;
    }
    const { x, y } = path.getPointAtLength(part * length);
    circle.setAttribute("cx", x);
    circle.setAttribute("cy", y);
    circle.setAttribute("opacity", Math.min(1, 6 * part, 6 * (1 - part)));
  }
  moving = dots.length ? requestAnimationFrame(move) : null;
}

function passed(flow) {
  return {
    "commerce poll": sum(flow.records),
    "poll bus": flow.published,
    "bus process": flow.functions["process-message"]?.started ?? 0,
    "process dataverse": flow.dependencies.dataverse.calls,
    "dataverse journeys": sum(flow.started),
    "poll cosmos": sum(flow.records),
    "process cosmos": flow.functions["process-message"]?.succeeded ?? 0,
    [BACK]: flow.bus.scheduled,
  };
}

// ---- rates

const STRETCH = 5000;
const samples = [];

function totals(flow) {
  return {
    events: flow.events,
    published: flow.published,
    processed: flow.functions["process-message"]?.succeeded ?? 0,
    started: sum(flow.started),
    records: sum(flow.records),
    contacts: flow.contacts,
  };
}

/** Per second, over the last five seconds. */
function showRates() {
  if (!store.flow) return;
  const at = performance.now();
  const latest = totals(store.flow);
  samples.push({ at, latest });
  while (samples.length > 2 && samples[1].at <= at - STRETCH) samples.shift();
  const seconds = (at - samples[0].at) / 1000;
  for (const [name, element] of Object.entries(rates)) {
    const passed = latest[name] - (samples[0].latest[name] ?? latest[name]);
    const rate = seconds > 0.5 && passed > 0 ? passed / seconds : 0;
    tell(element, rate ? `${rate < 10 ? rate.toFixed(1) : Math.round(rate)}/s` : "");
  }
}

setInterval(showRates, 1000);

// ---- all together

onChange(({ notices, whole }) => {
  const { flow } = store;
  for (const [field, text] of Object.entries(texts(flow))) tell(fields[field], text);
  showKinds(flow.started);
  stations.poll.dataset.state = stations.process.dataset.state = flow.handlers.every((it) => it.up) ? "fair" : "down";
  stations.bus.dataset.dead = flow.bus.deadLettered > 0;
  showWeather(flow);
  const counts = passed(flow);
  if (before && !whole) {
    for (const [key, number] of Object.entries(counts)) if (number > before[key]) travel(key, number - before[key]);
  }
  if (before && flow.functions["poll-events"]?.started !== before.polls && !still.matches) beat();
  before = { ...counts, polls: flow.functions["poll-events"]?.started };
  if (notices) showNotices();
});

function showKinds(started) {
  const list = $("kinds");
  if (list.children.length !== store.enabled.length) {
    list.replaceChildren(...store.enabled.map((name) => h("li", {}, h("b"), ` ${journey(name).toLowerCase()}`)));
  }
  store.enabled.forEach((name, place) => tell(list.children[place].firstChild, count(started[name])));
}

function beat() {
  stations.poll.querySelector(".stop").animate(
    [{ boxShadow: "0 0 0 0 var(--accent-soft)" }, { boxShadow: "0 0 0 9px transparent" }], { duration: 700, easing: "ease-out" });
}

function showNotices() {
  const last = store.notices.slice(-4).reverse();
  const lines = last.map((notice) =>
    h("p", { "data-tone": notice.tone, "data-number": notice.number }, h("time", {}, clock(notice.at)), ` ${notice.text}`));
  if (lines.length) $("notices").replaceChildren(...lines);
}

