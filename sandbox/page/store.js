// The state that was received from the sandbox. Frames arrive as server-sent events. Listeners are called at most once per
// animation frame, even if several frames have arrived.

export const store = {
  enabled: [],
  flow: null,
  /** The newest rows by number, oldest first. */
  events: new Map(),
  mails: new Map(),
  notices: [],
  /** Percentiles by the start of their period. */
  latency: new Map(),
  audit: null,
  /** How far the sandbox's clock is ahead of the browser's clock. */
  ahead: 0,
};

/** As many as the first frame has at most. */
const LISTED = 500;
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

/** Connects, and reconnects when necessary. `link` is called with the state of the connection. */
export function connect(link) {
  const source = new EventSource("/api/stream");
  source.onopen = () => link("live");
  source.onerror = () => {
    link("away");
    if (source.readyState === EventSource.CLOSED) setTimeout(() => connect(link), 1000);
  };
  source.onmessage = (message) => apply(JSON.parse(message.data));
}

function apply(frame) {
  const restarted = run !== null && frame.run !== run;
  if (frame.whole || restarted) reset(frame.run);
  store.ahead = frame.now - Date.now();
  store.enabled = frame.enabled;
  store.flow = frame.flow;
  for (const row of frame.events) store.events.set(row.number, row);
  while (store.events.size > LISTED) store.events.delete(store.events.keys().next().value);
  for (const mail of frame.mails) store.mails.set(mail.number, mail);
  while (store.mails.size > MAILS) store.mails.delete(store.mails.keys().next().value);
  store.notices.push(...frame.notices);
  store.notices.splice(0, store.notices.length - NOTICES);
  for (const period of frame.latency) store.latency.set(period.at, period);
  if (frame.audit) store.audit = frame.audit;
  schedule(frame, restarted);
}

function reset(newRun) {
  run = newRun;
  store.events.clear();
  store.mails.clear();
  store.notices = [];
  store.latency.clear();
  store.audit = null;
}

function schedule(frame, restarted) {
  if (!waiting) {
    waiting = { events: new Set(), mails: false, notices: false, latency: false, audit: false, whole: false, restarted: false };
    // A page in the background has no animation frames, but must stay up to date.
    (document.hidden ? (show) => setTimeout(show, 500) : requestAnimationFrame)(flush);
  }
  for (const row of frame.events) waiting.events.add(row.number);
  waiting.mails ||= frame.mails.length > 0 || frame.whole;
  waiting.notices ||= frame.notices.length > 0 || frame.whole;
  waiting.latency ||= frame.latency.length > 0 || frame.whole;
  waiting.audit ||= Boolean(frame.audit);
  waiting.whole ||= frame.whole;
  waiting.restarted ||= restarted;
}

function flush() {
  const changed = waiting;
  waiting = null;
  for (const show of listeners) show(changed);
}
