// The flow: services with their counts, connections between them, and moving dots. A dot is a real call or message; many at
// the same time are shown as a few.

import { $, h, post, put, s, setText } from "./dom.js";
import { clock, count, journey, plural, reason } from "./format.js";
import { onChange, store } from "./store.js";

const AVAILABILITY = {
  normal: "normal",
  slow: "slow",
  failing: "failing",
  hanging: "hanging",
  refusing: "refusing",
  nonsense: "nonsense",
  down: "down",
};
/** How the map shows an availability: normal, slow, failing or down. */
const SHOWN = { hanging: "down", refusing: "failing", nonsense: "failing" };
/** The connections: from, to, and the dependency whose availability they show. */
const CONNECTIONS = [
  ["commerce", "poll", "commerce"],
  ["poll", "bus", "serviceBus"],
  ["bus", "process", "serviceBus"],
  ["process", "dataverse", "dataverse"],
  ["dataverse", "journeys", null],
  ["poll", "cosmos", "cosmos"],
  ["process", "cosmos", "cosmos"],
  ["process", "bus", null],
];
/** The way back: rescheduled messages wait on Service Bus. */
const BACK = "process bus";
const MAX_DOTS = 48;
const MAX_PER_CHANGE = 4;
const TRAVEL_TIME = 900;

const map = $("map");
const connections = $("connections");
const services = Object.fromEntries([...map.querySelectorAll("[data-service]")].map((it) => [it.dataset.service, it]));
const fields = Object.fromEntries([...map.querySelectorAll("[data-field]")].map((it) => [it.dataset.field, it]));
const rates = Object.fromEntries([...map.querySelectorAll("[data-rate]")].map((it) => [it.dataset.rate, it]));
const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");
const paths = new Map();
const dots = [];
let before = null;

const sum = (counts) => Object.values(counts).reduce((total, one) => total + one, 0);

// ---- availability

/** The control that is being saved. */
let saving = null;

for (const select of map.querySelectorAll("[data-faults]")) {
  select.append(...Object.entries(AVAILABILITY).map(([value, text]) => h("option", { value }, text)));
  select.addEventListener("change", async () => {
    saving = select;
    try {
      await post("/api/faults", { dependency: select.dataset.faults, availability: select.value });
    } catch (error) {
      setText($("result"), error.message);
      select.value = availabilityOf(store.flow.dependencies[select.dataset.faults]);
    }
    saving = null;
  });
}

/** The actual availability. A fault schedule can take dependencies off the network as well. */
function availabilityOf({ reachable, availability }) {
  if (!reachable) return "down";
  return availability === "down" ? "normal" : availability;
}

function showAvailability(flow) {
  for (const select of map.querySelectorAll("[data-faults]")) {
    const actual = availabilityOf(flow.dependencies[select.dataset.faults]);
    // A focused control follows only changes that were made elsewhere.
    const changed = select.dataset.actual !== actual;
    if (select !== saving && (changed || document.activeElement !== select)) select.value = actual;
    select.dataset.actual = actual;
    select.closest(".service").dataset.state = SHOWN[actual] ?? actual;
  }
  const back = flow.bus.scheduled ? "back" : "idle";
  for (const [from, to, dependency] of CONNECTIONS) {
    const key = `${from} ${to}`;
    const state = dependency ? availabilityOf(flow.dependencies[dependency]) : "normal";
    paths.get(key)?.setAttribute("data-state", key === BACK ? back : (SHOWN[state] ?? state));
  }
}

// ---- counts

function calls(dependency) {
  const failures = dependency.failures ? `, ${count(dependency.failures)} failed` : "";
  return `${plural(dependency.calls, "call")}${failures}`;
}

function handlers(flow) {
  if (!flow.handlers.length) return "not started by the sandbox";
  const up = flow.handlers.filter((handler) => handler.up).length;
  const exits = flow.handlers.reduce((all, handler) => all + handler.exits, 0);
  const state = up === flow.handlers.length ? "handler up" : "handler starting";
  return exits ? `${state}, ${plural(exits, "restart")}` : state;
}

function lastPoll(flow) {
  const poll = flow.functions["poll-events"];
  const again = flow.republished ? ` · ${count(flow.republished)} again` : "";
  if (!poll?.lastStart) return `not polled yet${again}`;
  return `last poll ${clock(poll.lastStart)}${again}`;
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
    poll: lastPoll(flow),
    handler: handlers(flow),
    waiting: count(bus.active + bus.locked + bus.scheduled),
    queue: `${count(bus.locked)} locked · ${count(bus.scheduled)} scheduled · ${count(bus.deadLettered)} dead`,
    processed: count(records.processed),
    process: `${count(process.inFlight)} in flight${flow.rescheduled ? ` · ${count(flow.rescheduled)} rescheduled` : ""}`,
    replays: replay ? plural(replay.started, "operator request") : "",
    contacts: count(flow.contacts),
    dataverse: `${count(flow.contacts - flow.initialContacts)} created · ${calls(dependencies.dataverse)}`,
    started: count(sum(started)),
    records: count(sum(records)),
    states: `${count(open)} open · ${count(records.retrying)} retrying · ${count(records.failed)} failed`,
    tokens: count(dependencies.entra.calls),
    entra: dependencies.entra.failures ? `${count(dependencies.entra.failures)} failed` : "valid for one hour",
  };
}

// ---- connections

/** A straight line between services in one row or column, a curve between others. */
function route(from, to) {
  const [a, b] = [from, to].map((service) => service.querySelector(".marker").getBoundingClientRect());
  const origin = map.getBoundingClientRect();
  const [x1, y1] = [a.left + a.width / 2 - origin.left, a.top + a.height / 2 - origin.top];
  const [x2, y2] = [b.left + b.width / 2 - origin.left, b.top + b.height / 2 - origin.top];
  if (from === services.process && to === services.bus) {
    return y1 === y2 ? `M${x1} ${y1}C${x1 - 10} ${y1 - 34} ${x2 + 10} ${y2 - 34} ${x2} ${y2}` : "M0 0";
  }
  if (Math.abs(x1 - x2) < 2 || Math.abs(y1 - y2) < 2) return `M${x1} ${y1}L${x2} ${y2}`;
  if (x1 > x2 && y2 > y1) {
    // Between the columns, because the texts are below the markers.
    const lane = x1 - 14;
    return `M${x1} ${y1}C${lane} ${y1} ${lane} ${y1} ${lane} ${y1 + 20}L${lane} ${y2 - 20}C${lane} ${y2} ${lane} ${y2} ${lane - 20} ${y2}L${x2} ${y2}`;
  }
  const lane = x2 - 14;
  return `M${x1} ${y1}L${lane - 20} ${y1}C${lane} ${y1} ${lane} ${y1} ${lane} ${y1 + 20}L${lane} ${y2 - 20}C${lane} ${y2} ${lane} ${y2} ${x2} ${y2}`;
}

const narrow = matchMedia("(max-width: 1100px)");
const phone = matchMedia("(max-width: 820px)");

/** Whether two services are next to each other, in a row or, on a phone, in the only column. */
function isNeighbour(from, to) {
  const [a, b] = [from, to].map((service) => service.getBoundingClientRect());
  const isBeside = a.top === b.top && Math.abs(a.left - b.left) < a.width * 1.5;
  return isBeside || phone.matches;
}

function draw() {
  const { width, height } = map.getBoundingClientRect();
  connections.setAttribute("viewBox", `0 0 ${width} ${height}`);
  for (const [from, to] of CONNECTIONS) {
    const key = `${from} ${to}`;
    if (!paths.has(key)) {
      paths.set(key, s("path", { "data-state": "normal" }));
      connections.append(paths.get(key));
    }
    // In three columns, other connections would cross the texts.
    const isShown = !narrow.matches || isNeighbour(services[from], services[to]);
    paths.get(key).setAttribute("d", isShown ? route(services[from], services[to]) : "M0 0");
  }
}

new ResizeObserver(draw).observe(map);

// ---- moving dots

function send(key, number) {
  const path = paths.get(key);
  if (!path || reducedMotion.matches || document.hidden) return;
  for (let i = 0; i < Math.min(number, MAX_PER_CHANGE) && dots.length < MAX_DOTS; i++) {
    const circle = s("circle", { r: 3.5, class: "dot", opacity: 0 });
    connections.append(circle);
    dots.push({ circle, path, length: path.getTotalLength(), begin: performance.now() + i * 110 });
  }
  if (dots.length && !moving) moving = requestAnimationFrame(move);
}

let moving = null;

function move(time) {
  for (let i = dots.length - 1; i >= 0; i--) {
    const { circle, path, length, begin } = dots[i];
    const part = (time - begin) / TRAVEL_TIME;
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

function traffic(flow) {
  return {
    "commerce poll": sum(flow.records),
    "poll bus": flow.published + flow.republished,
    "bus process": flow.functions["process-message"]?.started ?? 0,
    "process dataverse": flow.dependencies.dataverse.calls,
    "dataverse journeys": sum(flow.started),
    "poll cosmos": sum(flow.records),
    "process cosmos": flow.functions["process-message"]?.succeeded ?? 0,
    [BACK]: flow.bus.scheduled,
  };
}

// ---- rates

const RATE_PERIOD = 5000;
const samples = [];

function totals(flow) {
  return {
    events: flow.events,
    published: flow.published,
    processed: flow.records.processed ?? 0,
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
  while (samples.length > 2 && samples[1].at <= at - RATE_PERIOD) samples.shift();
  const seconds = (at - samples[0].at) / 1000;
  for (const [name, element] of Object.entries(rates)) {
    const passed = latest[name] - (samples[0].latest[name] ?? latest[name]);
    const rate = seconds > 0.5 && passed > 0 ? passed / seconds : 0;
    setText(element, rate ? `${rate < 10 ? rate.toFixed(1) : Math.round(rate)}/s` : "");
  }
}

setInterval(showRates, 1000);

// ---- updates

onChange(({ notices, whole, restarted }) => {
  const { flow } = store;
  for (const [field, text] of Object.entries(texts(flow))) setText(fields[field], text);
  showKinds(flow.started);
  services.poll.dataset.state = services.process.dataset.state = flow.handlers.every((it) => it.up) ? "normal" : "down";
  services.bus.dataset.dead = flow.bus.deadLettered > 0;
  showAvailability(flow);
  const counts = traffic(flow);
  if (before && !whole) {
    for (const [key, number] of Object.entries(counts)) if (number > before[key]) send(key, number - before[key]);
  }
  if (before && flow.functions["poll-events"]?.started !== before.polls && !reducedMotion.matches) pulse();
  before = { ...counts, polls: flow.functions["poll-events"]?.started };
  if (notices || restarted) showNotices();
});

function showKinds(started) {
  const list = $("kinds");
  if (list.children.length !== store.enabled.length) {
    list.replaceChildren(...store.enabled.map((name) => h("li", {}, h("b"), ` ${journey(name).toLowerCase()}`)));
  }
  store.enabled.forEach((name, place) => setText(list.children[place].firstChild, count(started[name])));
}

function pulse() {
  services.poll.querySelector(".marker").animate(
    [{ boxShadow: "0 0 0 0 var(--accent-soft)" }, { boxShadow: "0 0 0 9px transparent" }], { duration: 700, easing: "ease-out" });
}

function showNotices() {
  const last = store.notices.slice(-4).reverse();
  const lines = last.map((notice) => h("p", { "data-tone": notice.tone, "data-number": notice.number },
    h("time", {}, clock(notice.at)), ` ${notice.text}${notice.reason === undefined ? "" : notice.reason ? `: ${reason(notice.reason)}.` : "."}`));
  put($("notices"), lines.length ? lines : h("p", { class: "hint" }, "No faults and no changes yet."));
}
