// A button that asks before it acts.

import { h, setText } from "./dom.js";

/**
 * Creates the button.
 * @param {Object} options
 * @param {string} options.title the text of the button
 * @param {string} [options.spoken] its name for screen readers
 * @param {boolean} [options.quiet] without a border
 * @param {function(): string} options.question asked after a click
 * @param {string} [options.answer] the text of the button that acts, by default `title`
 * @param {function(): Promise<void>} options.run acts; does not fail
 * @returns {{element: HTMLElement, enable: function(boolean): void}}
 */
export function confirmButton({ title, spoken, quiet = false, question, answer = title, run }) {
  const button = h("button", { type: "button", class: quiet ? "quiet" : null, "aria-label": spoken, onclick: ask }, title);
  const text = h("span", {});
  const no = h("button", { type: "button", class: "quiet", onclick: cancel }, "Cancel");
  const yes = h("button", { type: "button", class: "danger", onclick: act }, answer);
  const group = h("div", { class: "confirmation", role: "group", hidden: true, onkeydown: (event) => event.key === "Escape" && cancel() }, text, yes, no);
  const element = h("div", { class: "confirm-button" }, button, group);
  let enabled = true;
  let acting = false;

  function show(asking) {
    group.hidden = !asking;
    button.hidden = asking;
    button.disabled = !enabled || acting;
  }

  function ask() {
    setText(text, question());
    group.setAttribute("aria-label", text.textContent);
    show(true);
    no.focus();
  }

  function cancel() {
    show(false);
    button.focus();
  }

  async function act() {
    acting = true;
    cancel();
    await run();
    acting = false;
    show(false);
    if (document.activeElement === document.body) button.focus();
  }

  function enable(next) {
    enabled = next;
    show(next && !group.hidden);
  }

  return { element, enable };
}
