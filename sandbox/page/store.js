// What the sandbox has told so far. Frames come as server-sent events; whoever shows something is called at most once
// per animation frame, however many frames came in between.

export const store = {
  enabled: [],
  flow: null,
  /** Rows by number, from 1. */
  events: [],
  mails: new Map(),
  notices: [],
  /** Percentiles by the time at which their stretch began. */
  latency: new Map(),
  audit: null,
  /** By how much the sandbox's clock is ahead of the browser's. */
  ahead: 0,
};

const MAILS = 300;
const NOTICES = 100;
const listeners = [];
let run = null;
let waiting = null;

/** The sandbox's time, in milliseconds. */
export const now = () => Date.now() + store.ahead;

/** Calls `show` with what has changed, before the next paint. */
export function onChange(show) {
  listeners.push(show);
}

/** Connects, and keeps connected; `link` is told how it is. */
export function connect(link) {
  const source = new EventSource("/api/stream");
  source.onopen = () => link("live");
  source.onerror = () => {
    link("away");
    if (source.readyState === EventSource.CLOSED) setTimeout(() => connect(link), 1000);
  };
  source.onmessage = (message) => take(JSON.parse(message.data));
}

function take(frame) {
  if (frame.whole || frame.run !== run) forget(frame.run);
  store.ahead = frame.now - Date.now();
  store.enabled = frame.enabled;
  store.flow = frame.flow;
  for (const row of frame.events) store.events[row.number - 1] = row;
  for (const mail of frame.mails) store.mails.set(mail.number, mail);
  while (store.mails.size > MAILS) store.mails.delete(store.mails.keys().next().value);
  store.notices.push(...frame.notices);
  store.notices.splice(0, store.notices.length - NOTICES);
  for (const stretch of frame.latency) store.latency.set(stretch.at, stretch);
  if (frame.audit) store.audit = frame.audit;
  announce(frame);
}

function forget(newRun) {
  run = newRun;
  store.events = [];
  store.mails.clear();
  store.notices = [];
  store.latency.clear();
  store.audit = null;
}

function announce(frame) {
  if (!waiting) {
    waiting = { events: new Set(), mails: false, notices: false, latency: false, audit: false, whole: false };
    // A page in the background paints nothing, and must not fall behind for it.
    (document.hidden ? (show) => setTimeout(show, 500) : requestAnimationFrame)(flush);
  }
  for (const row of frame.events) waiting.events.add(row.number);
  waiting.mails ||= frame.mails.length > 0 || frame.whole;
  waiting.notices ||= frame.notices.length > 0 || frame.whole;
  waiting.latency ||= frame.latency.length > 0 || frame.whole;
  waiting.audit ||= Boolean(frame.audit);
  waiting.whole ||= frame.whole;
}

function flush() {
  const changed = waiting;
  waiting = null;
  for (const show of listeners) show(changed);
}
