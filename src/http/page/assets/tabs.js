// Tabs: one of several panels is shown.

import { h } from "./dom.js";

/**
 * Creates the tabs.
 * @param {string} label
 * @param {Array<{name: string, title: string, panel: HTMLElement}>} tabs
 * @param {function(string): void} [onOpen] receives the name of the panel that was opened
 * @returns {{element: HTMLElement, open: function(string, boolean=): void, current: function(): string}} `open` moves
 *   the focus to the tab if its second argument is true
 */
export function createTabs(label, tabs, onOpen = () => {}) {
  const buttons = tabs.map(({ name, title }) => h("button", {
    type: "button", role: "tab", id: `tab-${name}`, "aria-controls": `panel-${name}`, onclick: () => open(name),
  }, title));
  const panels = tabs.map(({ name, panel }) => h("div", {
    role: "tabpanel", id: `panel-${name}`, "aria-labelledby": `tab-${name}`, class: "tab-panel",
  }, panel));
  const bar = h("div", { role: "tablist", "aria-label": label, class: "tabs", onkeydown: step }, buttons);
  let index = -1;

  function open(name, focus = false) {
    const next = tabs.findIndex((tab) => tab.name === name);
    const changed = next !== index;
    index = next;
    buttons.forEach((button, place) => {
      button.setAttribute("aria-selected", String(place === index));
      button.tabIndex = place === index ? 0 : -1;
    });
    panels.forEach((panel, place) => (panel.hidden = place !== index));
    if (focus) buttons[index].focus();
    if (changed) onOpen(name);
  }

  function step(event) {
    const last = tabs.length - 1;
    const target = { ArrowLeft: index > 0 ? index - 1 : last, ArrowRight: index < last ? index + 1 : 0, Home: 0, End: last }[event.key];
    if (target === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    open(tabs[target].name, true);
  }

  return { element: h("div", { class: "tabbed" }, bar, panels), open, current: () => tabs[index]?.name ?? "" };
}
