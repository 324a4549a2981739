// The shadow: its state, its counts, and both decisions of the judged frames.

import { confirmButton } from "./confirm-button.js";
import { clock, dateTime, ms, number } from "./format.js";
import { decisionMatrix, shareText } from "./models-matrix.js";
import { emptyState, errorState, h, replaceIfChanged, setText } from "./dom.js";
import { factList } from "./fact-list.js";
import { modelName, recipeName } from "./model-name.js";
import { serverNow } from "./api.js";
import { shadowBadge } from "./shapes.js";

const CELLS = [["judged", "Judged"], ["disagreements", "Disagreements"], ["skipped", "Skipped"], ["failed", "Failed"], ["time", "Median time"]];

/**
 * Creates the card.
 * @param {boolean} permitted whether the person may reset the shadow
 * @param {function(): Promise<void>} reset sets the counts to zero; fails if the daemon refuses
 * @returns {{element: HTMLElement, show: function(Object): void, showOld: function(Error, string): void}} `show` takes a
 *   Shadow; `showOld` says that what is shown is old, and since when
 */
export function shadowCard(permitted, reset) {
  const state = h("span", { class: "shadow-state" });
  const question = () => "Set the counts to zero and remove the list of disagreements?";
  const resetButton = confirmButton({ title: "Reset", spoken: "Reset the shadow", question, answer: "Reset counts", run });
  const result = h("div", { class: "action-result", role: "status" });
  const old = h("p", { class: "old-note", hidden: true });
  const problem = h("p", { class: "fault-text", hidden: true });
  const cells = Object.fromEntries(CELLS.map(([name]) => [name, h("dd", {}, "-")]));
  const share = h("dd", { class: "hint" });
  const facts = h("div", {});
  const matrix = decisionMatrix();
  const none = emptyState("No frame yet", "The shadow judges the next frames of the line.");
  const judged = h("div", {}, matrix.element,
    h("p", { class: "hint" }, "Rows: the decision of the line. Columns: that of the shadow. Cells with a border: both decide the same."));
  const element = h("section", { class: "card shadow-card", "aria-labelledby": "shadow-title" },
    h("div", { class: "section-head" }, h("h2", { id: "shadow-title" }, "Shadow"), state, resetButton.element),
    h("p", { class: "hint" }, "The shadow judges frames of the line next to the active model. It has no effect on the line."),
    !permitted && h("p", { class: "hint" }, "To reset the shadow, the role engineer is required."),
    result, old, problem,
    h("div", { class: "counters" }, h("dl", {}, CELLS.map(([name, title]) => h("div", {}, h("dt", {}, title), cells[name], name === "disagreements" && share)))),
    h("div", { class: "shadow-columns" }, facts, none, judged));
  resetButton.enable(permitted);

  function show(shadow) {
    const { since_time: since, judged: count, disagreements, skipped, failed } = shadow;
    const hasFrames = count + skipped + failed > 0;
    replaceIfChanged(state, shadow.state, () => shadowBadge(shadow.state));
    showOldNote("");
    setText(problem, problemText(shadow));
    problem.hidden = !shadow.error;
    for (const name of ["judged", "disagreements", "skipped", "failed"]) setText(cells[name], number(shadow[name]));
    setText(share, count > 0 ? `${shareText(disagreements / count)} of judged` : "");
    setText(cells.time, hasFrames && shadow.median_ms > 0 ? ms(shadow.median_ms) : "-");
    const known = [shadow.model, shadow.recipe, since];
    replaceIfChanged(facts, JSON.stringify(known), () => factList([
      ["Model", shadow.model ? modelName(shadow.model) : "not loaded yet"],
      ["Recipe", shadow.recipe ? recipeName(shadow.recipe) : shadow.model && "none: the active areas and thresholds apply"],
      ["Counts since", since ? dateTime(since) : "no frame yet"],
    ]));
    matrix.show(shadow.pairs);
    none.hidden = hasFrames;
    judged.hidden = !hasFrames;
  }

  function showOldNote(text) {
    setText(old, text);
    old.hidden = !text;
    element.classList.toggle("old", text !== "");
  }

  async function run() {
    result.replaceChildren();
    try {
      await reset();
      result.replaceChildren(h("p", {}, `The counts were set to zero at ${clock(new Date(serverNow()).toISOString())}.`));
    } catch (error) {
      result.replaceChildren(errorState("The shadow was not reset", error));
    }
  }

  return { element, show, showOld: (error, time) => showOldNote(`These values are from ${dateTime(time)}. ${error.message}`) };
}

function problemText({ state, error }) {
  if (!error) return "";
  return state === "SHADOW_STATE_FAILED" ? `The shadow cannot be used, and is tried again: ${error}` : `The last frame could not be judged: ${error}`;
}
