// The colour theme: that of the system, light or dark. The style knows only `data-theme` with light or dark.

import { h } from "./dom.js";
import { recall, remember } from "./storage.js";

const THEMES = ["system", "light", "dark"];
const systemIsDark = matchMedia("(prefers-color-scheme: dark)");
const asked = new URLSearchParams(location.search).get("theme");

let theme = THEMES.includes(asked) ? asked : recall("theme", "system");

function apply() {
  document.documentElement.dataset.theme = theme !== "system" ? theme : systemIsDark.matches ? "dark" : "light";
}

apply();
systemIsDark.addEventListener("change", apply);

/** Creates the button that changes the theme. @returns {HTMLElement} */
export function themeButton() {
  const name = h("span", {}, theme);
  const change = () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    name.textContent = theme;
    remember("theme", theme);
    apply();
  };
  return h("button", { type: "button", class: "quiet", onclick: change }, "Theme: ", name);
}
