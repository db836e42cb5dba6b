// The answers of trigger-journey about one event.

import { h } from "./dom.js";
import { clock, journey, reason } from "./format.js";
import { table } from "./outcomes.js";

/** The answer to a request, as an element. */
export function answer(action, status, reply) {
  const content = status === 200 ? (ANSWERS[action] ?? ANSWERS.replay)(reply) : failure(status, reply);
  return box(status === 200 ? "good" : "bad", content);
}

/** A text in place of an answer. */
export const box = (tone, content) => h("div", { class: "answer", "data-key": "answer", "data-tone": tone, role: "status" }, content);

const names = (list) => list.map(journey).join(", ");
const startedNow = ({ startedNow: started }) =>
  started?.length ? `Started now: ${names(started)}.` : "No journey was started now. Journeys that had started were not started again.";

const ANSWERS = {
  replay: (reply) => h("p", {}, `Replay: the event is ${reply.status}. ${startedNow(reply)}`),
  release: (reply) => h("p", {}, `The event is ${reply.status}. ${startedNow(reply)}`),
  dismiss: (reply) => h("p", {}, `The event is closed. ${reply.deadLetter === "removed" ? "Its dead letter is removed." : "It has no dead letter any more, or the next redrive removes it."}`),
  dryRun: (reply) => [
    h("p", {}, `Dry run, nothing was changed. Contact: ${found(reply.contact)}.`),
    Object.entries(reply.journeys ?? {}).map(([name, it]) => dryRun(name, it)),
  ],
};

function failure(status, reply) {
  const error = reply?.error;
  const started = reply?.startedNow?.length ? ` ${startedNow(reply)}` : "";
  return h("p", {}, `trigger-journey answered ${status}: ${error ? `${reason(error.code)}. ${error.message}` : "no details"}${started}`);
}

function found(contact) {
  if (contact?.found) return contact.inactive ? "found, but it is inactive" : "found";
  return contact?.wouldBeCreated ? "would be created" : "none";
}

function dryRun(name, it) {
  const lines = [outlook(it), it.triggerPublished === false ? "Its custom trigger is not published." : null, it.problem];
  return h("div", { "data-key": name },
    h("p", {}, h("b", {}, `${journey(name)}: `), lines.filter(Boolean).join(" ")),
    it.parameters ? table(it.parameters) : null);
}

/** What a replay would do. */
function outlook({ recorded, scheduledFor, skippedBecause }) {
  if (recorded?.state === "started") return `has started at ${clock(recorded.at)}; a replay does not start it again.`;
  if (recorded?.reason?.code === "held") return "is held; a replay does not start it.";
  if (skippedBecause) return `would be skipped: ${skippedBecause}.`;
  if (scheduledFor) return `is due at ${clock(scheduledFor)}; a replay starts it now.`;
  return "would be started.";
}
