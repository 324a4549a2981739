// Lines of text to copy, such as a part of the configuration.

import { h, setText } from "./dom.js";

const SAID_FOR_MS = 3000;

/**
 * Creates the block.
 * @param {string} label what the lines are
 * @returns {{element: HTMLElement, show: function(string): void}}
 */
export function copyBlock(label) {
  const text = h("code", {});
  const lines = h("pre", { tabindex: 0, role: "region", "aria-label": label }, text);
  const said = h("span", { class: "soft", role: "status" });
  let timer = 0;

  async function copy() {
    const copied = await navigator.clipboard?.writeText(text.textContent).then(() => true, () => false);
    if (!copied) getSelection().selectAllChildren(text);
    setText(said, copied ? "Copied" : "Selected: copy with the keys of the browser");
    clearTimeout(timer);
    timer = setTimeout(() => setText(said, ""), SAID_FOR_MS);
  }

  const element = h("div", { class: "copy-block" }, lines,
    h("div", { class: "buttons" }, h("button", { type: "button", onclick: copy }, "Copy"), said));
  return { element, show: (next) => setText(text, next) };
}
