// The list of events, newest first. Without a filter it has the newest events, which the stream sends. With a filter, the
// sandbox searches all events. Only the visible rows are in the DOM.

import { $, h, setText } from "./dom.js";
import { JOURNEY_STATES, clock, count, countdown, duration, eventType, journey, money, reason, state, upcoming } from "./format.js";
import { onChange, store } from "./store.js";

const box = $("rows");
const spacer = $("spacer");
const SPARE = 6;
const phone = matchMedia("(max-width: 820px)");
const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");

/** Numbers of the listed events, oldest first. */
let shown = [];
/** The rows that match the filter, and the number of all that do. `null` without a filter. */
let found = null;
let pool = new Map();
let selected = null;
let height = 0;
const listeners = [];

export const onSelect = (listener) => listeners.push(listener);

/** Shows the timeline if it is not visible, for example on a phone. */
export function revealTimeline(focus = false) {
  const { top, bottom } = $("timeline-title").getBoundingClientRect();
  if (top < 0 || bottom > innerHeight - 120) {
    $("timeline-title").scrollIntoView({ behavior: reducedMotion.matches ? "instant" : "smooth" });
  }
  if (focus) $("timeline").focus({ preventScroll: true });
}

/** Selects an event and scrolls the list to it. A filter that does not include the event is removed, unless it is kept. */
export function select(number, focus = false, keepFilter = false) {
  selected = number;
  if (!keepFilter && !shown.includes(number) && store.events.has(number)) {
    // An event that is selected elsewhere is shown regardless of the filter.
    $("search").value = "";
    document.querySelector("#filter input[value=all]").checked = true;
    refilter();
  }
  if (shown.includes(number)) reveal(shown.length - 1 - shown.indexOf(number));
  render();
  for (const listener of listeners) listener(number);
  if (focus) revealTimeline(true);
}

// ---- which events

/** Between two searches, so that typing and many changes do not cause a search each. */
const PAUSE = 300;
const REPEAT = 1500;
let timer = null;

function filter() {
  const text = $("search").value.trim();
  const show = document.querySelector("#filter input:checked").value;
  return text || show !== "all" ? new URLSearchParams({ show, text }) : null;
}

const rowOf = (number) => store.events.get(number) ?? found?.rows.get(number);

function refilter() {
  if (filter()) {
    // Until the answer is here, the list stays as it is.
    found ??= { total: store.flow?.events ?? 0, rows: new Map(store.events) };
    searchAfter(PAUSE, true);
  } else {
    found = null;
  }
  shown = [...(found?.rows ?? store.events).keys()];
}

function searchAfter(pause, restart = false) {
  if (restart) clearTimeout(timer);
  if (restart || timer === null) timer = setTimeout(search, pause);
}

async function search() {
  timer = null;
  const wanted = String(filter() ?? "");
  if (!wanted) return;
  try {
    const reply = await fetch(`/api/events?${wanted}`);
    if (reply.ok && String(filter() ?? "") === wanted) showFound(await reply.json());
  } catch {
    // The stream shows that the sandbox is not reachable. The next change searches again.
  }
}

function showFound({ total, events }) {
  found = { total, rows: new Map(events.map((row) => [row.number, row])) };
  shown = [...found.rows.keys()];
  render();
}

$("search").addEventListener("input", () => { refilter(); box.scrollTop = 0; render(); });
$("filter").addEventListener("change", () => { refilter(); box.scrollTop = 0; render(); });

// ---- rows

function build() {
  const parts = Object.fromEntries(["time", "who", "what", "amount", "marks", "state", "latency"]
    .map((name) => [name, h("span", { class: name })]));
  const indicator = h("i", { class: "indicator", "aria-hidden": "true" });
  const word = h("span");
  const more = h("span", { class: "more" });
  parts.state.append(indicator, word, more);
  const row = h("div", { class: "row", role: "option" }, ...Object.values(parts));
  return { row, parts, word, more, shown: null };
}

function fill(slot, event, position) {
  const { row, parts, word, more } = slot;
  row.style.transform = `translateY(${position * height}px)`;
  row.setAttribute("aria-posinset", position + 1);
  row.setAttribute("aria-setsize", shown.length);
  row.setAttribute("aria-selected", String(event.number === selected));
  if (slot.shown === event) return;
  slot.shown = event;
  row.id = `event-${event.number}`;
  row.dataset.number = event.number;
  const [text, tone] = state(event.status);
  row.dataset.tone = tone;
  setText(parts.time, clock(event.at));
  setText(parts.who, event.who);
  setText(parts.what, `${eventType(event.type)[0]}, ${event.place}`);
  setText(parts.amount, event.amount === null ? "" : money(event.amount, event.currency));
  parts.marks.replaceChildren(...event.journeys.map(mark));
  const coming = upcoming(event);
  if (coming) Object.assign(word.dataset, coming);
  else delete word.dataset.until;
  setText(word, coming ? countdown(coming.next, coming.until, coming.attempt) : text);
  const why = event.reason && (tone !== "good" || event.reason === "dismissed") ? reason(event.reason) : "";
  setText(more, why);
  parts.state.title = why ? `${text}: ${why}` : text;
  const first = event.journeys.find((it) => it.latencyMs !== null);
  setText(parts.latency, first ? duration(first.latencyMs) : "");
}

function mark({ journey: name, state: its, times }) {
  const [glyph, text] = JOURNEY_STATES[its] ?? ["◌", its];
  const label = `${journey(name)}: ${times > 1 ? `started ${times} times` : text}`;
  return h("span", { class: "mark", "data-state": its, title: label },
    h("span", { "aria-hidden": "true" }, times > 1 ? `${times}×` : glyph), h("span", { class: "visually-hidden" }, `${label}.`));
}

function render() {
  height = parseFloat(getComputedStyle(box).getPropertyValue("--row")) || 44;
  spacer.style.height = `${shown.length * height}px`;
  const from = Math.max(0, Math.floor(box.scrollTop / height) - SPARE);
  const to = Math.min(shown.length, Math.ceil((box.scrollTop + box.clientHeight) / height) + SPARE);
  const wanted = new Map();
  for (let position = from; position < to; position++) wanted.set(shown[shown.length - 1 - position], position);
  const free = [...pool].filter(([number]) => !wanted.has(number));
  for (const [number, position] of wanted) {
    let slot = pool.get(number);
    if (!slot) {
      const [old, spare] = free.pop() ?? [null, build()];
      if (old !== null) pool.delete(old);
      slot = spare;
      pool.set(number, slot);
      if (!slot.row.isConnected) spacer.append(slot.row);
    }
    fill(slot, rowOf(number), position);
  }
  for (const [number, slot] of free) {
    slot.row.remove();
    pool.delete(number);
  }
  if (selected && pool.has(selected)) box.setAttribute("aria-activedescendant", `event-${selected}`);
  else box.removeAttribute("aria-activedescendant");
  const all = store.flow?.events ?? 0;
  const matching = found ? found.total : all;
  const total = found ? `${count(matching)} of ${count(all)}` : count(all);
  setText($("events-count"), shown.length < matching ? `${total}, the newest ${count(shown.length)} are listed` : total);
  box.dataset.empty = shown.length ? "" : all ? "No matching events." : "There are no events yet.";
}

function reveal(position) {
  if (position < 0 || !height) return;
  const top = position * height;
  if (top < box.scrollTop) box.scrollTop = top;
  else if (top + height > box.scrollTop + box.clientHeight) box.scrollTop = top + height - box.clientHeight;
}

// ---- input

let scrolled = false;
box.addEventListener("scroll", () => {
  if (scrolled) return;
  scrolled = true;
  requestAnimationFrame(() => { scrolled = false; render(); });
}, { passive: true });

box.addEventListener("click", (click) => {
  const row = click.target.closest(".row");
  if (!row) return;
  select(Number(row.dataset.number));
  // On a phone the timeline is below the list.
  if (phone.matches) revealTimeline();
});

const KEYS = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity };

box.addEventListener("keydown", (key) => {
  if (!(key.key in KEYS) || !shown.length) return;
  key.preventDefault();
  const current = shown.length - 1 - shown.indexOf(selected);
  const start = selected === null || current >= shown.length ? -1 : current;
  const next = Math.min(shown.length - 1, Math.max(0, start + KEYS[key.key]));
  select(shown[shown.length - 1 - next]);
});

new ResizeObserver(render).observe(box);

// Only what is visible, because the time until a retry changes every second.
setInterval(() => {
  for (const text of document.querySelectorAll("[data-until]")) setText(text, countdown(text.dataset.next, Number(text.dataset.until), text.dataset.attempt));
}, 1000);

onChange((changed) => {
  const newest = shown.at(-1) ?? 0;
  const atTop = box.scrollTop < height;
  if (changed.whole) {
    pool.forEach(({ row }) => row.remove());
    pool = new Map();
  }
  if (filter()) return searchAfter(REPEAT);
  if (!changed.events.size && !changed.whole) return;
  refilter();
  // A list that is scrolled down keeps its position.
  const added = shown.filter((number) => number > newest).length;
  if (!atTop && added) {
    spacer.style.height = `${shown.length * height}px`;
    box.scrollTop += added * height;
  }
  render();
});
