// The steps of an event, from the shop to its journeys.

import { h } from "./dom.js";
import { clock, duration, journey, plural, reason } from "./format.js";

/** The steps as a list, in the order of their times. */
export const steps = (details) =>
  h("ol", { class: "steps", "data-key": "steps" }, details.steps.map((step) => line(step, details)));

function line(step, details) {
  const [tone, title, more] = STEPS[step.kind]?.(step, details) ?? ["plain", step.kind, null];
  const since = new Date(step.at) - new Date(details.steps[0].at);
  return h("li", { "data-tone": tone },
    h("time", { datetime: step.at, title: step.at }, `+${duration(since)}`),
    h("span", {}, h("b", {}, title), more ? h("span", { class: "more" }, more) : null));
}

const REQUESTS = {
  dryRun: "Dry run by an operator",
  replay: "Replay by an operator",
  release: "Started by an operator",
  dismiss: "Left by an operator",
};

const STEPS = {
  committed: (_, { row }) => ["plain", "Committed by the shop", `${clock(row.at)}, in one transaction with the ${row.amount === null ? "cart" : "sale"}`],
  recorded: recorded,
  delivered: ({ deliveryCount, messageId }) => [
    "plain",
    messageId.includes("~~") ? "Rescheduled message delivered" : "Delivered to process-message",
    deliveryCount > 1 ? `delivery ${deliveryCount} of 10` : null,
  ],
  settled: ({ outcome, detail, tookMs }) => [
    outcome === "succeeded" ? "plain" : "bad",
    outcome === "succeeded" ? "Message completed" : outcome === "lost" ? "The handler stopped during processing" : "Delivery failed",
    outcome === "succeeded" ? `after ${duration(tookMs)}` : `${detail}, after ${duration(tookMs)}`,
  ],
  started: ({ journey: name, again }) => [again ? "wait" : "good", `${journey(name)} started${again ? " again" : ""}`, null],
  requested: ({ action, status }) => ["plain", REQUESTS[action] ?? action, `trigger-journey answered ${status}`],
};

function recorded({ status, retryCount, publications, reason: why, journeys: outcomes }) {
  const because = why ? reason(why.code) : null;
  switch (status) {
    case "new": return ["plain", "Found by poll-events", "a record was written to Cosmos DB"];
    case "processing":
      return ["plain", publications > 1 ? `Published again (${publications} times in all)` : publications ? "Enriched and published" : "In progress", because];
    case "retrying": return ["wait", "Retry scheduled", [because, retryCount > 1 ? plural(retryCount, "failure") : null].filter(Boolean).join(", ")];
    case "processed": return ["good", "Processed", summary(outcomes)];
    case "failed": return ["bad", "Failed", why ? `${because}: ${why.detail}` : null];
    default: return ["plain", status, because];
  }
}

function summary(outcomes) {
  const all = Object.values(outcomes ?? {});
  const started = all.filter((it) => it.state === "started").length;
  const skipped = all.filter((it) => it.state === "skipped").length;
  return [plural(started, "journey") + " started", skipped ? `${skipped} skipped` : null].filter(Boolean).join(", ");
}
