// Checks that run inside the page. Each returns a list of problems.

/** Controls without an accessible name. */
export function labels() {
  const name = (it) => {
    const by = it.getAttribute("aria-labelledby")?.split(" ").map((id) => document.getElementById(id)?.textContent).join(" ");
    const label = it.labels?.[0]?.textContent ?? it.closest("label")?.textContent;
    return (it.getAttribute("aria-label") ?? by ?? label ?? it.textContent ?? "").trim();
  };
  const controls = document.querySelectorAll("a, button, input, select, summary, [tabindex='0'], [role=img], [role=log]");
  const nameless = [...controls].filter((it) => !name(it)).map((it) => it.outerHTML.slice(0, 100));
  const pictures = [...document.querySelectorAll("img:not([alt])")].map((it) => it.outerHTML);
  const groups = [...document.querySelectorAll("fieldset")].filter((it) => !it.querySelector("legend")?.textContent.trim());
  const ids = [...document.querySelectorAll("[id]")].map((it) => it.id);
  const twice = ids.filter((id, place) => ids.indexOf(id) !== place);
  return [...nameless, ...pictures, ...groups.map((it) => it.id), ...twice];
}

/** Texts with less contrast than WCAG 2.2 AA requires: 4.5, or 3 for large texts. */
export function contrast() {
  const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = color;
    context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data].map((part) => part / 255);
  };
  const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
  const ground = (element) => {
    const behind = element.parentElement ? ground(element.parentElement) : [1, 1, 1, 1];
    return over(rgba(getComputedStyle(element).backgroundColor), behind);
  };
  const light = (color) => {
    const [r, g, b] = color.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const wrong = new Set();
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !element.checkVisibility() || element.closest(".visually-hidden, :disabled, option")) continue;
    const style = getComputedStyle(element);
    const back = ground(element);
    const front = over(rgba(style.color), back);
    const [a, b] = [light(front), light(back)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) wrong.add(`${ratio.toFixed(2)} ${element.tagName}.${element.className}: ${texts.currentNode.data.trim().slice(0, 30)}`);
  }
  return [...wrong];
}

/** Kinds of chosen items that have the background of the others. */
export function chosen() {
  const background = (selector) => {
    const item = document.querySelector(selector);
    return item && getComputedStyle(item).backgroundColor;
  };
  const kinds = [[".segments input:checked + span", ".segments input:not(:checked) + span"],
    [".row[aria-selected=true]", ".row[aria-selected=false]"]];
  return kinds.filter(([one, other]) => !background(one) || background(one) === background(other)).map(([one]) => one);
}

/** Controls whose border has less contrast than WCAG 2.2 AA requires for them: 3. */
export function borders() {
  const light = (color) => {
    const [r, g, b] = color.match(/[\d.]+/g).map((part) => part / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const back = light(getComputedStyle(document.body).backgroundColor);
  const controls = document.querySelectorAll("button:not(.quiet, .textual, :disabled), select, input[type=search], .segments span");
  const ratio = (it) => {
    const [a, b] = [light(getComputedStyle(it).borderTopColor), back].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  };
  return [...controls].filter((it) => it.checkVisibility() && ratio(it) < 3).map((it) => `${ratio(it).toFixed(2)} ${it.outerHTML.slice(0, 80)}`);
}
