// How things are said.

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const COUNT = new Intl.NumberFormat("en-US");

export const count = (number) => COUNT.format(number ?? 0);
export const clock = (time) => CLOCK.format(new Date(time));

/** "1 event", "2 events". */
export const many = (number, one, more = `${one}s`) => `${count(number)} ${number === 1 ? one : more}`;

/** A span of time, three digits at most. */
export function span(ms) {
  if (ms === null || ms === undefined) return "–";
  const seconds = Math.max(ms, 0) / 1000;
  if (seconds < 10) return `${seconds.toFixed(2)} s`;
  if (seconds < 100) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

export function money(amount, currency) {
  const number = Number(amount);
  if (!Number.isFinite(number)) return "";
  try {
    return new Intl.NumberFormat("en-US", { style: "currency", currency }).format(number);
  } catch {
    return number.toFixed(2);
  }
}

export const JOURNEYS = {
  "order-confirmation": "Order confirmation",
  "feedback-request": "Feedback request",
  "loyalty-invitation": "Loyalty invitation",
  "abandoned-cart": "Abandoned cart",
};
export const journey = (name) => JOURNEYS[name] ?? name;

export const DEPENDENCIES = {
  commerce: "Commerce",
  entra: "Entra",
  cosmos: "Cosmos DB",
  serviceBus: "Service Bus",
  dataverse: "Dataverse",
};

/** A record's status: what to call it, and whether it is good. */
export const STATES = {
  unseen: ["committed", "idle"],
  new: ["seen", "busy"],
  processing: ["under way", "busy"],
  retrying: ["retrying", "wait"],
  processed: ["done", "good"],
  failed: ["failed", "bad"],
};
export const state = (status) => STATES[status] ?? [status, "idle"];

export const MARKS = {
  started: ["●", "started"],
  due: ["○", "due"],
  waiting: ["◐", "waiting"],
  skipped: ["–", "not for this one"],
  failed: ["✕", "failed"],
};

/** The reasons a record can give, in words. */
export const REASONS = {
  malformedEvent: "the event cannot be read",
  orderNotFound: "the Scale Unit knows no such order",
  customerNotFound: "the Scale Unit knows no such customer",
  unreadableReply: "the Scale Unit’s reply cannot be read",
  commerceRefused: "the Scale Unit refuses the call",
  commerceUnavailable: "the Scale Unit does not answer",
  messageTooLarge: "the message is too large",
  serviceBusUnavailable: "Service Bus does not take the message",
  storeUnavailable: "Cosmos DB does not answer",
  dataverseUnavailable: "Dataverse does not answer, or throttles",
  contactRefused: "Dataverse refuses the contact",
  triggerMissing: "the custom trigger is not published",
  triggerRefused: "the custom trigger refuses its parameters",
  parameterMissing: "a parameter has no value",
  answerLost: "the trigger’s answer was lost",
  held: "left to a person",
  inProgress: "another delivery is at work on it",
};
export const reason = (code) => REASONS[code] ?? code;
