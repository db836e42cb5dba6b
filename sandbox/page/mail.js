// The messages to the customers: each started journey as the message it would send, rendered from its parameters only.

import { $, h, update } from "./dom.js";
import { clock, journey, money } from "./format.js";
import { select } from "./list.js";
import { onChange, store } from "./store.js";

const SHOWN = 60;
const list = $("mail-list");
const preview = $("mail-preview");
let chosen = null;
let followNewest = true;

const value = (mail, name) => mail.parameters[`msdynmkt_${name}`] ?? "";
const first = (mail) => value(mail, "firstname") || mail.name?.split(" ")[0] || "there";
const date = (text) => new Intl.DateTimeFormat("en-GB", { dateStyle: "long" }).format(new Date(text));

/** Subject and paragraphs of each journey's message. */
const TEMPLATES = {
  "order-confirmation": (mail) => ({
    subject: "Thank you for your order",
    body: [
      `Hello ${value(mail, "name") || mail.name || "there"},`,
      "thank you for shopping with us. Your order is confirmed.",
      facts([
        ["Order", value(mail, "channelreferenceid") || value(mail, "salesid")],
        ["Placed on", date(value(mail, "createddatetime"))],
        ["Paid", money(value(mail, "amountpaid"), value(mail, "currencycode"))],
      ]),
      mail.online ? "We will write again when it is on its way." : "See you again soon.",
    ],
  }),
  "feedback-request": (mail) => ({
    subject: "How was it?",
    body: [
      `Hello ${first(mail)},`,
      `you bought something ${value(mail, "storename") ? `in our store ${value(mail, "storename")}` : "in our online shop"} on ${date(value(mail, "purchasedat"))}. Two questions, one minute: how did you like it?`,
      h("p", { class: "stars", "aria-hidden": "true" }, "☆ ☆ ☆ ☆ ☆"),
    ],
  }),
  "loyalty-invitation": (mail) => ({
    subject: "Points for your next adventure",
    body: [
      `Hello ${first(mail)},`,
      `your purchase of ${money(value(mail, "amountpaid"), value(mail, "currencycode"))} would have earned you ${Math.max(1, Math.floor(Number(value(mail, "amountpaid")) / 10))} points. Join our loyalty programme, and the next one will.`,
      h("p", { class: "call" }, "Join"),
    ],
  }),
  "abandoned-cart": (mail) => ({
    text: true,
    subject: "You left something behind",
    body: [
      `Hi ${first(mail)}, ${Number(value(mail, "itemcount"))} ${Number(value(mail, "itemcount")) === 1 ? "thing waits" : "things wait"} in your cart (${money(value(mail, "carttotal"), mail.currency ?? "")} in all). We keep it for you until tomorrow.`,
    ],
  }),
  "shipping-notification": (mail) => ({
    subject: "Your order is on its way",
    body: [
      `Hello ${first(mail)},`,
      "we have shipped your order.",
      facts([["Order", value(mail, "orderid")], ["Shipped on", date(value(mail, "shippedat"))]]),
    ],
  }),
  "ready-for-pickup": (mail) => ({
    subject: "Your order is ready for pick-up",
    body: [
      `Hello ${first(mail)},`,
      `your order waits for you in our store ${value(mail, "storename")}. Please show this code there.`,
      facts([["Order", value(mail, "orderid")], ["Code", value(mail, "pickupcode")]]),
    ],
  }),
  "refund-confirmation": (mail) => ({
    subject: "Your refund",
    body: [
      `Hello ${first(mail)},`,
      `we have taken your order back and refund ${money(value(mail, "refundamount"), value(mail, "currencycode"))}.`,
      facts([["Order", value(mail, "orderid")]]),
    ],
  }),
  "welcome": (mail) => ({
    subject: "Welcome",
    body: [`Hello ${first(mail)},`, "your account is ready. Thank you for joining us."],
  }),
};

function facts(rows) {
  const known = rows.filter(([, text]) => text);
  return h("dl", {}, known.map(([name, text]) => h("div", {}, h("dt", {}, name), h("dd", {}, text))));
}

/** A cart that was bought is not abandoned. The journey ends while it waits. */
const bought = new Set();
const isCancelled = (mail) => mail.journey === "abandoned-cart" && bought.has(value(mail, "cartid"));

const address = (mail) => value(mail, "receiptemail") || mail.email;
const template = (mail) => TEMPLATES[mail.journey]?.(mail) ?? { subject: journey(mail.journey), body: [] };

function show(mail) {
  const { subject, body, text } = template(mail);
  const to = text && mail.phone ? mail.phone : address(mail);
  preview.dataset.kind = text && mail.phone ? "text" : "email";
  update(preview,
    h("header", {},
      h("p", {}, h("span", {}, text && mail.phone ? "SMS to" : "To"), to ?? "no recipient: the contact has no e-mail address and no phone number"),
      h("p", {}, h("span", {}, "Subject"), subject)),
    h("div", { class: "body" }, body.map((part) => (typeof part === "string" ? h("p", {}, part) : part))),
    isCancelled(mail) ? h("p", { class: "cancelled" }, "Not sent: the cart was bought, so the journey ended.") : null,
    h("footer", {}, `${journey(mail.journey)}, started at ${clock(mail.at)}. `,
      mail.event ? h("button", { type: "button", class: "textual", "data-event": mail.event }, "Show its event") : null));
}

function render() {
  const mails = [...store.mails.values()].slice(-SHOWN).reverse();
  if (!mails.length) return;
  if (followNewest || !store.mails.has(chosen)) chosen = mails[0].number;
  list.replaceChildren(...mails.map((mail) => h("div", {
    class: "mail-item", role: "option", id: `mail-${mail.number}`, "data-number": mail.number, "aria-selected": String(mail.number === chosen),
  }, h("span", { class: "who" }, mail.name ?? address(mail) ?? "Unknown"), h("time", {}, clock(mail.at)), h("span", { class: "what" }, isCancelled(mail) ? "Not sent: the cart was bought" : template(mail).subject))));
  list.setAttribute("aria-activedescendant", `mail-${chosen}`);
  show(store.mails.get(chosen));
}

function choose(number) {
  const newest = Math.max(...store.mails.keys());
  // While the newest message is selected, new messages are selected as they arrive.
  followNewest = number === newest;
  chosen = number;
  render();
  document.getElementById(`mail-${number}`)?.scrollIntoView({ block: "nearest" });
}

preview.addEventListener("click", (click) => {
  const event = click.target.closest("[data-event]")?.dataset.event;
  if (event) select(Number(event), true);
});

list.addEventListener("click", (click) => {
  const item = click.target.closest(".mail-item");
  if (item) choose(Number(item.dataset.number));
});

list.addEventListener("keydown", (key) => {
  const step = { ArrowDown: -1, ArrowUp: 1 }[key.key];
  if (!step || !store.mails.has(chosen + step)) return;
  key.preventDefault();
  choose(chosen + step);
});

onChange(({ events, mails, whole, restarted }) => {
  if (restarted) {
    bought.clear();
    list.replaceChildren();
    update(preview, h("p", { class: "hint" }, "Each started journey is shown as a message, rendered from its parameters."));
  }
  for (const number of events) {
    const row = store.events.get(number);
    if (row?.type === "Checkout") bought.add(row.id);
  }
  if (mails || whole) render();
});
