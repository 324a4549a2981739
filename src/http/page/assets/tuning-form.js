// The form that chooses a threshold as a number and saves it.

import { fileOf, readThreshold, thresholdInput, thresholdName, thresholdText } from "./tuning-text.js";
import { errorState, h, setText } from "./dom.js";
import { number } from "./format.js";
import { section } from "./fact-list.js";

/**
 * @typedef {Object} Actions
 * @property {function(number): Promise<void>} choose evaluates a threshold and chooses it
 * @property {function(): Promise<string>} save saves the chosen threshold; returns a text about it
 * @property {function(): Promise<string>} undo undoes the last save
 */

/**
 * Creates the form.
 * @param {import("./tuning-draft.js").Draft} draft
 * @param {Actions} actions
 * @param {boolean} maySave
 * @param {HTMLElement} suggestion controls that suggest a threshold
 * @returns {{element: HTMLElement, show: function(import("./tuning-calls.js").Selection, Object): void}} `show` takes an
 *   EvaluateThresholdsResponse
 */
export function thresholdForm(draft, actions, maySave, suggestion) {
  const field = h("input", { type: "text", id: "threshold", inputmode: "decimal", autocomplete: "off", spellcheck: "false", "aria-describedby": "threshold-problem", onchange: () => (evaluating = typed()) });
  const problem = h("p", { id: "threshold-problem", class: "form-error" });
  const save = h("button", { type: "button", class: "main", "aria-describedby": maySave ? null : "threshold-role", onclick: ask }, "Save");
  const reset = h("button", { type: "button", onclick: () => draft.reset() }, "Reset");
  const place = h("p", { class: "hint" });
  const question = h("p", {});
  const confirmButton = h("button", { type: "button", class: "main", onclick: () => run(actions.save, "The threshold was not saved") }, "Save threshold");
  const confirmation = h("div", { class: "confirm", role: "group", "aria-label": "Confirm the change", hidden: true, onkeydown: leave },
    question, h("div", { class: "buttons" }, confirmButton, h("button", { type: "button", class: "quiet", onclick: cancel }, "Cancel")));
  const message = h("div", { role: "status", class: "save-message" });
  const failure = h("div", {});
  const element = section("Threshold",
    h("form", { class: "threshold-form", onsubmit: (event) => event.preventDefault() },
      h("label", { for: "threshold" }, "New threshold"),
      h("div", { class: "buttons" }, field, save, reset),
      problem),
    !maySave && h("p", { id: "threshold-role", class: "hint" }, "Saving requires the role engineer."),
    confirmation, message, failure, suggestion, place);
  let selection = null;
  // The evaluation of a typed threshold.
  let evaluating = Promise.resolve();
  draft.onChange(update);

  function update() {
    const { outcome } = draft;
    if (!outcome) return;
    field.value = thresholdInput(outcome.threshold);
    showProblem("");
    confirmation.hidden = true;
    save.disabled = !maySave || !draft.isChanged;
    reset.disabled = !draft.isChanged;
  }

  async function typed() {
    const value = readThreshold(field.value);
    if (!Number.isFinite(value)) return showProblem("Enter a number, such as 0.45.");
    if (value === Number(thresholdInput(draft.outcome.threshold))) return update();
    showProblem("");
    try {
      await actions.choose(value);
    } catch (error) {
      showProblem(error.message);
    }
  }

  function showProblem(text) {
    setText(problem, text);
    field.setAttribute("aria-invalid", String(text !== ""));
    if (text) confirmation.hidden = true;
  }

  async function ask() {
    // A click on Save also ends the input of a number.
    await evaluating;
    if (field.getAttribute("aria-invalid") === "true" || !draft.isChanged) return;
    const { outcome, evaluation } = draft;
    question.replaceChildren(`Change the ${thresholdName(selection)} from `, h("strong", {}, thresholdText(evaluation.present_threshold)),
      " to ", h("strong", {}, thresholdText(outcome.threshold)), ` in ${fileOf(evaluation.place)}? It applies at once. Of the evaluated verdicts, ` +
      `${number(outcome.newly_rejected)} would be newly rejected, and ${number(outcome.no_longer_rejected)} no longer.`);
    failure.replaceChildren();
    confirmation.hidden = false;
    confirmButton.focus();
  }

  function cancel() {
    confirmation.hidden = true;
    save.focus();
  }

  function leave(event) {
    if (event.key === "Escape") cancel();
  }

  async function run(action, title) {
    confirmation.hidden = true;
    failure.replaceChildren();
    message.replaceChildren("Saving ...");
    save.disabled = true;
    try {
      const text = await action();
      const undo = h("button", { type: "button", onclick: () => run(actions.undo, "The change was not undone") }, "Undo");
      message.replaceChildren(h("p", {}, text), ...(action === actions.save ? [undo] : []));
      (action === actions.save ? undo : field).focus();
    } catch (error) {
      message.replaceChildren();
      failure.replaceChildren(errorState(title, error));
      update();
      field.focus();
    }
  }

  function show(next, { place: at }) {
    selection = next;
    const present = at.threshold === null || at.threshold === undefined ? "It is not set there yet: a more general threshold applies." : "";
    const name = thresholdName(next);
    place.replaceChildren(`${name[0].toUpperCase()}${name.slice(1)}, set in ${fileOf(at)}, key `, h("code", {}, at.key), `. ${present}`,
      next.region && next.camera ? " A region has one threshold for all of its cameras." : "");
    update();
  }

  return { element, show };
}
