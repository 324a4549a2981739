// Messages across the full width of the page, below the header.

import { h } from "./dom.js";

const shown = new Map();

/**
 * Shows, changes or removes a message.
 * @param {string} name identifies the message
 * @param {string} [text] empty removes it
 * @param {{kind?: "fault"|"review", spoken?: string, action?: HTMLElement}} [options] `spoken` is read out once in
 *   place of a text that changes all the time
 */
export function setBanner(name, text = "", { kind = "review", spoken, action } = {}) {
  const place = document.getElementById("banner");
  const message = shown.get(name);
  if (!text) {
    message?.remove();
    shown.delete(name);
  } else if (message) {
    message.firstChild.textContent = text;
  } else {
    const visible = h("p", spoken ? { "aria-hidden": "true" } : {}, text);
    const added = h("div", { class: `message ${kind}` }, visible, spoken && h("p", { class: "only-spoken" }, spoken), action);
    shown.set(name, added);
    place.append(added);
  }
}
