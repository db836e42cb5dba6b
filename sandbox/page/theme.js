// Runs before the first paint: applies the theme that was selected last.
const chosen = localStorage.getItem("theme");
if (chosen) document.documentElement.dataset.theme = chosen;
