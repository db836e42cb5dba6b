// Small DOM helpers. Text is never interpreted as HTML.

/** An element with attributes and children. `class` and `data-*` are ordinary attributes. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...present(children));
  return element;
}

const present = (children) => children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);

/** Replaces the content of an element. */
export const put = (element, ...children) => element.replaceChildren(...present(children));

/** Makes the content of an element like `children`. If the user is using the content, its elements stay, with focus,
 * selection and whether they are open. A `data-key` says which elements belong together; without it, the next element of the
 * same kind is used. */
export function update(parent, ...children) {
  if (isInUse(parent)) merge(parent, present(children));
  else put(parent, children);
}

function isInUse(parent) {
  const selection = getSelection();
  const isSelected = !selection.isCollapsed && selection.containsNode(parent, true);
  return isSelected || parent.matches(":focus-within:not(:focus)") || Boolean(parent.querySelector("details[open]"));
}

function merge(parent, children) {
  let place = parent.firstChild;
  for (const child of children) {
    const fresh = child instanceof Node ? child : document.createTextNode(child);
    let old = place;
    while (old && keyOf(old) !== keyOf(fresh)) old = old.nextSibling;
    if (!old) {
      parent.insertBefore(fresh, place);
      continue;
    }
    while (place !== old) place = removed(place);
    place = old.nextSibling;
    become(old, fresh);
  }
  while (place) place = removed(place);
}

const keyOf = (node) => `${node.nodeName} ${node.dataset?.key ?? ""}`;

function removed(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}

function become(old, fresh) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  // The user opens and closes details.
  const isKept = ({ name }) => name === "open" && old.nodeName === "DETAILS";
  for (const attribute of [...old.attributes]) if (!isKept(attribute) && !fresh.hasAttribute(attribute.name)) old.removeAttribute(attribute.name);
  for (const attribute of fresh.attributes) {
    if (!isKept(attribute) && old.getAttribute(attribute.name) !== attribute.value) old.setAttribute(attribute.name, attribute.value);
  }
  merge(old, [...fresh.childNodes]);
}

/** An SVG element with attributes and children. */
export function s(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export const $ = (id) => document.getElementById(id);

/** Sets a text if it has changed. Most texts of a frame are unchanged. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Sends a request to the sandbox. Returns the answer, or throws an error with its message. */
export async function post(path, body) {
  const request = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const reply = await fetch(path, request).catch(() => {
    throw new Error("The sandbox does not answer.");
  });
  const answer = await reply.json();
  if (!reply.ok) throw new Error(answer.error?.message ?? `The sandbox answered ${reply.status}.`);
  return answer;
}
