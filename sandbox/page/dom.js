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

const present = (children) => children.flat().filter((child) => child !== null && child !== undefined && child !== false);

/** Replaces the content of an element. */
export const put = (element, ...children) => element.replaceChildren(...present(children));

/** The same for SVG. */
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
  const reply = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const answer = await reply.json();
  if (!reply.ok) throw new Error(answer.error?.message ?? `the sandbox answered ${reply.status}`);
  return answer;
}
