// The address of the page contains the selected event, the filter and the search, so that a reload and a link show the same.

import { $ } from "./dom.js";
import { onSelect, select } from "./list.js";
import { onChange } from "./store.js";

const show = () => document.querySelector("#filter input:checked").value;
const linked = () => Number(/^#event-(\d+)$/.exec(location.hash)?.[1] ?? 0);
let opened = false;

function read() {
  const query = new URLSearchParams(location.search);
  $("search").value = query.get("text") ?? "";
  const chosen = document.querySelector(`#filter input[value="${CSS.escape(query.get("show") ?? "all")}"]`);
  if (chosen) chosen.checked = true;
}

function write(event) {
  const query = new URLSearchParams();
  if (show() !== "all") query.set("show", show());
  if ($("search").value.trim()) query.set("text", $("search").value.trim());
  const address = `${location.pathname}${query.size ? `?${query}` : ""}${event ? `#event-${event}` : ""}`;
  if (address !== location.pathname + location.search + location.hash) history.replaceState(null, "", address);
}

read();
for (const input of [$("search"), $("filter")]) input.addEventListener("input", () => write(linked()));
onSelect(write);
addEventListener("hashchange", () => {
  if (linked()) select(linked());
});
onChange(({ restarted }) => {
  // The events of another run have the same numbers.
  if (restarted) select(null);
  if (!opened && linked()) select(linked(), false, true);
  opened = true;
});
