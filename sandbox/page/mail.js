// What the customers get: each started journey as the message that it would send, made from its parameters alone.

import { $, h, put } from "./dom.js";
import { select } from "./list.js";
import { onChange, store } from "./store.js";
import { clock, journey, money } from "./words.js";

const SHOWN = 60;
const list = $("letters");
const paper = $("paper");
let chosen = null;
let followed = true;

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
        ["Order", value(mail, "channelreferenceid") || value(mail, "salesid") || value(mail, "bindingid")],
        ["Placed on", date(value(mail, "createddatetime"))],
        ["Paid", money(value(mail, "amountpaid"), value(mail, "currencycode"))],
      ]),
      "We will write again when it is on its way.",
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
      `Hi ${first(mail)}, ${Number(value(mail, "itemcount"))} ${Number(value(mail, "itemcount")) === 1 ? "thing waits" : "things wait"} in your cart (${Number(value(mail, "carttotal")).toFixed(2)} in all). We keep it for you until tomorrow.`,
    ],
  }),
};

function facts(rows) {
  const known = rows.filter(([, text]) => text);
  return h("dl", {}, known.map(([name, text]) => h("div", {}, h("dt", {}, name), h("dd", {}, text))));
}

/** A cart that was bought is not abandoned: the journey waits for that, and ends. */
const bought = new Set();
const isMoot = (mail) => mail.journey === "abandoned-cart" && bought.has(value(mail, "cartid"));

const address = (mail) => value(mail, "receiptemail") || mail.email;
const template = (mail) => TEMPLATES[mail.journey]?.(mail) ?? { subject: journey(mail.journey), body: [] };

function show(mail) {
  const { subject, body, text } = template(mail);
  const to = text && mail.phone ? mail.phone : address(mail);
  paper.dataset.kind = text && mail.phone ? "text" : "letter";
  put(paper,
    h("header", {},
      h("p", {}, h("span", {}, text && mail.phone ? "SMS to" : "To"), to ?? "nobody: the contact has neither address nor number"),
      h("p", {}, h("span", {}, "Subject"), subject)),
    h("div", { class: "body" }, body.map((part) => (typeof part === "string" ? h("p", {}, part) : part))),
    isMoot(mail) ? h("p", { class: "moot" }, "Not sent: the cart was bought, which ends this journey while it waits.") : null,
    h("footer", {}, `${journey(mail.journey)}, started at ${clock(mail.at)}. `,
      mail.event ? h("button", { type: "button", class: "textual", onclick: () => select(mail.event, true) }, "Follow its event") : null));
}

function render() {
  const mails = [...store.mails.values()].slice(-SHOWN).reverse();
  if (!mails.length) return;
  if (followed || !store.mails.has(chosen)) chosen = mails[0].number;
  list.replaceChildren(...mails.map((mail) => h("div", {
    class: "letter", role: "option", id: `mail-${mail.number}`, "data-number": mail.number, "aria-selected": String(mail.number === chosen),
  }, h("span", { class: "who" }, mail.name ?? address(mail) ?? "Somebody"), h("time", {}, clock(mail.at)), h("span", { class: "what" }, isMoot(mail) ? "Bought after all: nothing is sent" : template(mail).subject))));
  list.setAttribute("aria-activedescendant", `mail-${chosen}`);
  show(store.mails.get(chosen));
}

function choose(number) {
  const newest = Math.max(...store.mails.keys());
  // At the top of the list, what is new is shown as it comes.
  followed = number === newest;
  chosen = number;
  render();
  document.getElementById(`mail-${number}`)?.scrollIntoView({ block: "nearest" });
}

list.addEventListener("click", (click) => {
  const letter = click.target.closest(".letter");
  if (letter) choose(Number(letter.dataset.number));
});

list.addEventListener("keydown", (key) => {
  const step = { ArrowDown: -1, ArrowUp: 1 }[key.key];
  if (!step || !store.mails.has(chosen + step)) return;
  key.preventDefault();
  choose(chosen + step);
});

onChange(({ events, mails, whole }) => {
  for (const number of events) {
    const row = store.events[number - 1];
    if (row.type === "Checkout") bought.add(row.id);
  }
  if (mails || whole) render();
});
