// Formats values as text.

import { now } from "./store.js";

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const COUNT = new Intl.NumberFormat("en-US");

export const count = (number) => COUNT.format(number ?? 0);
export const clock = (time) => CLOCK.format(new Date(time));

/** "1 event", "2 events". */
export const plural = (number, one, more = `${one}s`) => `${count(number)} ${number === 1 ? one : more}`;

/** A duration with at most three digits. */
export function duration(ms) {
  if (ms === null || ms === undefined) return "–";
  const seconds = Math.max(ms, 0) / 1000;
  if (seconds < 10) return `${seconds.toFixed(2)} s`;
  if (seconds < 100) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

/** When something happens: "retry in 8 s (attempt 3)", "due in 8 s". */
export function countdown(what, at, attempt) {
  const seconds = Math.round((at - now()) / 1000);
  const time = seconds <= 0 ? "now" : seconds < 100 ? `in ${seconds} s` : `in ${Math.round(seconds / 60)} min`;
  return `${what} ${time}${attempt ? ` (attempt ${attempt})` : ""}`;
}

/** What happens next to an event without a final state, as data attributes of the element that shows it. */
export function upcoming({ retryAt, scheduledFor, attempt }) {
  if (retryAt) return { next: "retry", until: retryAt, attempt: attempt ?? "" };
  return scheduledFor ? { next: "due", until: scheduledFor, attempt: "" } : null;
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
  "shipping-notification": "Shipping notification",
  "ready-for-pickup": "Ready for pick-up",
  "refund-confirmation": "Refund confirmation",
  "welcome": "Welcome",
};
export const journey = (name) => JOURNEYS[name] ?? name;

/** Each event type in a list and in a sentence. */
const EVENT_TYPES = {
  AddCartLines: ["Cart", "added to a cart"],
  Checkout: ["Checkout", "checkout"],
  OrderShipped: ["Shipment", "shipment of an order"],
  ReadyForPickup: ["Pick-up", "order ready for pick-up"],
  OrderReturned: ["Return", "return of an order"],
  CustomerCreated: ["New customer", "new customer"],
};
export const eventType = (name) => EVENT_TYPES[name] ?? [name, name];

export const DEPENDENCIES = {
  commerce: "Commerce",
  entra: "Entra",
  cosmos: "Cosmos DB",
  serviceBus: "Service Bus",
  dataverse: "Dataverse",
};

/** The label and the tone of each record status. */
export const STATES = {
  notPolled: ["committed", "idle"],
  new: ["found", "busy"],
  processing: ["in progress", "busy"],
  retrying: ["retrying", "wait"],
  processed: ["processed", "good"],
  failed: ["failed", "bad"],
};
export const state = (status) => STATES[status] ?? [status, "idle"];

/** The symbol and the label of each journey state. */
export const JOURNEY_STATES = {
  started: ["●", "started"],
  due: ["○", "expected"],
  waiting: ["◐", "waiting"],
  skipped: ["–", "skipped"],
  failed: ["✕", "failed"],
  held: ["!", "held: an operator decides"],
};

/** The reason codes of a record as text. */
export const REASONS = {
  malformedEvent: "the event cannot be read",
  eventKeyMissing: "the event has no key of an order",
  orderNotFound: "the Scale Unit does not have the order",
  customerNotFound: "the Scale Unit does not have the customer",
  customerNotRead: "the Scale Unit does not return the customer",
  cartNotRead: "the Scale Unit does not return the cart",
  operatingUnitNotRead: "the Scale Unit does not return the operating unit",
  unreadableReply: "the Scale Unit’s reply cannot be read",
  commerceRefused: "the Scale Unit rejects the call",
  commerceUnavailable: "the Scale Unit does not answer",
  messageTooLarge: "the message is too large",
  serviceBusUnavailable: "Service Bus does not accept the message",
  storeUnavailable: "Cosmos DB does not answer",
  dataverseUnavailable: "Dataverse does not answer or throttles",
  dataverseFailed: "a plug-in or the database of Dataverse failed",
  contactRefused: "Dataverse rejects the contact",
  contactInactive: "the contact is inactive",
  contactKeyTaken: "another contact has a unique value",
  numberNotWritten: "the contact’s number could not be written",
  contactNotUpdated: "the contact could not be updated",
  triggerMissing: "the custom trigger is not published",
  triggerRefused: "the custom trigger rejects its parameters",
  parameterMissing: "a parameter has no value",
  answerLost: "the trigger’s answer was lost",
  held: "needs an operator",
  scheduled: "it is not due yet",
  dismissed: "closed by an operator",
  inProgress: "another delivery is processing it",
};
export const reason = (code) => REASONS[code] ?? code;
