// Shows the result of the audit.

import { $, h, setText, update } from "./dom.js";
import { count, duration, journey, plural } from "./format.js";
import { onChange, store } from "./store.js";

function headline(audit) {
  const { expected, started, pending, needsOperator, lost, duplicates, misdirected } = audit;
  if (lost) return `${plural(lost, "journey")} lost.`;
  if (duplicates || misdirected) return `${plural(duplicates + misdirected, "journey")} started wrongly.`;
  if (!expected) return "No journeys are expected yet.";
  const progress = pending ? `, ${count(pending)} in progress` : "";
  if (needsOperator) return `${plural(needsOperator, "journey")} ${needsOperator === 1 ? "needs" : "need"} an operator${progress}; nothing is lost.`;
  if (pending) return `${count(started)} of ${plural(expected, "journey")} started, ${count(pending)} in progress.`;
  return expected === 1 ? "The expected journey has started, once." : `All ${plural(expected, "expected journey")} have started, each once.`;
}

function lines(audit) {
  const { pending, needsOperator, lost, duplicates, uncertain, forced, dismissed, misdirected, duplicateContacts, deadLettered, findings } = audit;
  const line = (bad, wrong, right) => [bad ? "bad" : "good", bad ? wrong : right];
  return [
    line(lost, `${plural(lost, "journey")} not started, and not being processed.`, "Nothing is lost."),
    line(duplicates, `${plural(duplicates, "journey")} started twice without a reason.`, "No journey started twice without a reason."),
    line(misdirected, `${plural(misdirected, "journey")} started for the wrong contact, with wrong values, or unexpectedly.`, "Each journey has the right contact and the amounts of the receipt."),
    line(duplicateContacts, `${plural(duplicateContacts, "duplicate contact")}.`, "There are no duplicate contacts."),
    pending ? ["wait", `${plural(pending, "journey")} in progress or waiting for a retry.`] : null,
    needsOperator || deadLettered ? ["bad", `${plural(deadLettered, "dead letter")}${needsOperator ? `, ${plural(needsOperator, "journey")} not started` : ""}: select the event, correct the cause, then start or leave it.`] : null,
    uncertain ? ["wait", `${plural(uncertain, "journey")} started again because an answer was lost. This is the one case that cannot be prevented.`] : null,
    forced ? ["plain", `${plural(forced, "journey")} started by hand: an operator decided so.`] : null,
    dismissed ? ["plain", `${plural(dismissed, "journey")} not started, because an operator left ${dismissed === 1 ? "it" : "them"}.`] : null,
    ...findings.map((finding) => ["bad", finding]),
  ].filter(Boolean);
}

function figure(id, number, tone) {
  const element = $(id);
  setText(element, count(number));
  element.dataset.tone = number ? tone : "plain";
}

onChange(({ audit: changed }) => {
  const { audit } = store;
  if (!changed || !audit) return;
  setText($("headline"), headline(audit));
  $("headline").dataset.tone = audit.lost || audit.duplicates || audit.misdirected ? "bad" : "plain";
  figure("f-pending", audit.pending, "wait");
  figure("f-lost", audit.lost, "bad");
  figure("f-duplicates", audit.duplicates, "bad");
  figure("f-uncertain", audit.uncertain, "wait");
  figure("f-dead", audit.deadLettered, "bad");
  setText($("f-p50"), duration(audit.p50Ms));
  setText($("f-p99"), duration(audit.p99Ms));
  update($("audit-lines"), lines(audit).map(([tone, text]) => h("li", { "data-tone": tone }, text)));
  update($("audit-table").tBodies[0], audit.journeys.map((it) => h("tr", {},
    h("th", { scope: "row" }, journey(it.journey)),
    ...[it.expected, it.started, it.duplicated, it.misdirected].map((number) => h("td", {}, count(number))),
    h("td", {}, duration(it.latency?.p50Ms)), h("td", {}, duration(it.latency?.p99Ms)))));
});
