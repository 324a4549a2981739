// Keyboard shortcuts of a page, and the dialog that lists them. They can be turned off.

import { h } from "./dom.js";
import { recall, remember } from "./storage.js";

let on = recall("keys", true);

/**
 * @typedef {Object} Binding
 * @property {string[]} keys values of KeyboardEvent.key
 * @property {string} shown the keys as the dialog names them
 * @property {string} text what they do
 * @property {function(KeyboardEvent): (boolean|void)} run returns false if the key is not for it
 */

/**
 * Installs shortcuts. "?" opens the list.
 * @param {Binding[]} bindings
 * @returns {HTMLElement} a button that opens the list
 */
export function useKeys(bindings) {
  const dialog = createDialog(bindings);
  document.body.append(dialog);
  const open = () => dialog.showModal();
  const all = [...bindings, { keys: ["?"], run: open }];
  addEventListener("keydown", (event) => {
    if (!on || dialog.open || event.ctrlKey || event.altKey || event.metaKey || isTyping(event.target)) return;
    const binding = all.find(({ keys }) => keys.includes(event.key));
    if (binding && binding.run(event) !== false) event.preventDefault();
  });
  return h("button", { type: "button", class: "quiet", onclick: open }, "Keys", h("kbd", {}, "?"));
}

// Keys belong to the element with the focus if it takes text or has keys of its own.
function isTyping(target) {
  return target.closest?.("input:not([type=checkbox]), select, textarea, [contenteditable]") !== null;
}

function createDialog(bindings) {
  const toggle = h("input", { type: "checkbox" });
  toggle.checked = on;
  toggle.addEventListener("change", () => {
    on = toggle.checked;
    remember("keys", on);
  });
  const rows = [...bindings.filter((binding) => binding.shown), { shown: "?", text: "show the keys" }];
  const dialog = h("dialog", { class: "keys", "aria-labelledby": "keys-title" },
    h("h2", { id: "keys-title" }, "Keys"),
    h("dl", {}, rows.map(({ shown, text }) => h("div", {}, h("dt", {}, shown.split(" ").map((key) => h("kbd", {}, key))), h("dd", {}, text)))),
    h("label", { class: "check" }, toggle, "Use these keys in this browser"),
    h("button", { type: "button", onclick: () => dialog.close() }, "Close"));
  return dialog;
}
