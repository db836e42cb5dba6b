// The audit in plain words.

import { $, h, tell } from "./dom.js";
import { onChange, store } from "./store.js";
import { count, journey, many, span } from "./words.js";

function headline(audit) {
  const { expected, started, onTheWay, parked, lost, doubled, misdirected } = audit;
  if (lost) return `${many(lost, "journey")} lost.`;
  if (doubled || misdirected) return `${many(doubled + misdirected, "journey")} started that should not have.`;
  if (!expected) return "Nothing is due yet.";
  if (parked) return `${many(parked, "journey")} ${parked === 1 ? "waits" : "wait"} for a person; nothing is lost.`;
  if (onTheWay) return `${count(started)} of ${many(expected, "journey")} started, ${count(onTheWay)} on the way.`;
  return `All ${many(expected, "journey")} that were due have started, each once.`;
}

function words(audit) {
  const { onTheWay, parked, lost, doubled, uncertain, misdirected, duplicateContacts, deadLettered, findings } = audit;
  const line = (bad, wrong, right) => [bad ? "bad" : "good", bad ? wrong : right];
  return [
    line(lost, `${many(lost, "journey")} never started and nobody is at it.`, "Nothing is lost."),
    line(doubled, `${many(doubled, "journey")} started again without a reason.`, "No journey started twice without a reason."),
    line(misdirected, `${many(misdirected, "start")} reached the wrong contact, with wrong values, or for nothing.`, "Each went to the right contact, with the amounts of the receipt."),
    line(duplicateContacts, `${many(duplicateContacts, "contact")} there more than once.`, "No contact is there twice."),
    onTheWay ? ["wait", `${many(onTheWay, "journey")} on the way: somebody is at it, or a retry is due.`] : null,
    parked || deadLettered ? ["bad", `${many(deadLettered, "dead letter")}${parked ? `, ${many(parked, "journey")} not started for it` : ""}: a person puts the cause right and redrives them.`] : null,
    uncertain ? ["wait", `${many(uncertain, "journey")} started again because an answer was lost on the way: the one window that cannot be closed.`] : null,
    ...findings.map((finding) => ["bad", finding]),
  ].filter(Boolean);
}

function figure(id, number, tone) {
  const element = $(id);
  tell(element, count(number));
  element.dataset.tone = number ? tone : "plain";
}

onChange(({ audit: changed }) => {
  const { audit } = store;
  if (!changed || !audit) return;
  tell($("headline"), headline(audit));
  $("headline").dataset.tone = audit.lost || audit.doubled || audit.misdirected ? "bad" : "plain";
  figure("f-way", audit.onTheWay, "wait");
  figure("f-lost", audit.lost, "bad");
  figure("f-doubled", audit.doubled, "bad");
  figure("f-uncertain", audit.uncertain, "wait");
  figure("f-dead", audit.deadLettered, "bad");
  tell($("f-p50"), span(audit.p50Ms));
  tell($("f-p99"), span(audit.p99Ms));
  $("audit-words").replaceChildren(...words(audit).map(([tone, text]) => h("li", { "data-tone": tone }, text)));
  $("audit-table").tBodies[0].replaceChildren(...audit.journeys.map((it) => h("tr", {},
    h("th", { scope: "row" }, journey(it.journey)),
    ...[it.expected, it.started, it.duplicated, it.misdirected].map((number) => h("td", {}, count(number))),
    h("td", {}, span(it.latency?.p50Ms)), h("td", {}, span(it.latency?.p99Ms)))));
});
