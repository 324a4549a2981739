// The threshold as a line in the histogram, moved by pointer and keys from one evaluated threshold to the next.

import { counted, thresholdText } from "./tuning-text.js";
import { h, setText } from "./dom.js";
import { number } from "./format.js";

const PAGE = 10;

/**
 * Creates the line.
 * @param {import("./tuning-draft.js").Draft} draft
 * @param {function(number): number} scoreAt the score at a position, in client pixels
 * @returns {{element: HTMLElement, place: function(number, boolean): void}} `place` takes the position in pixels, and
 *   whether the value is to the left of the line
 */
export function thresholdLine(draft, scoreAt) {
  const value = h("span", { class: "threshold-value" });
  const element = h("div", {
    class: "threshold-line", role: "slider", tabindex: 0, "aria-label": "Threshold", "aria-orientation": "horizontal",
    onpointerdown: start, onpointermove: drag, onkeydown: press,
  }, value);
  // Where the pointer took the line, so that it does not jump.
  let grip = 0;

  function start(event) {
    if (event.button !== 0) return;
    event.preventDefault();
    const box = element.getBoundingClientRect();
    grip = event.clientX - (box.left + box.right) / 2;
    element.setPointerCapture(event.pointerId);
    element.focus({ preventScroll: true });
  }

  function drag(event) {
    if (element.hasPointerCapture(event.pointerId)) draft.moveTo(scoreAt(event.clientX - grip));
  }

  function press(event) {
    const moves = {
      ArrowRight: draft.index + 1, ArrowUp: draft.index + 1, ArrowLeft: draft.index - 1, ArrowDown: draft.index - 1,
      PageUp: draft.index + PAGE, PageDown: draft.index - PAGE, Home: 0, End: draft.outcomes.length - 1,
      Escape: draft.presentIndex,
    };
    const next = moves[event.key];
    if (next === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    draft.move(next);
  }

  function place(position, leftward) {
    const { outcomes, outcome } = draft;
    element.style.setProperty("left", `${position}px`);
    element.classList.toggle("leftward", leftward);
    setText(value, thresholdText(outcome.threshold));
    element.setAttribute("aria-valuemin", outcomes[0].threshold);
    element.setAttribute("aria-valuemax", outcomes.at(-1).threshold);
    element.setAttribute("aria-valuenow", outcome.threshold);
    element.setAttribute("aria-valuetext", spoken(draft));
  }

  return { element, place };
}

function spoken({ outcome, isChanged }) {
  const now = isChanged ? "" : ", the present threshold";
  return `${thresholdText(outcome.threshold)}${now}: ${counted(outcome.reject, "frame")} REJECT, ` +
    `${number(outcome.newly_rejected)} newly rejected, ${number(outcome.no_longer_rejected)} no longer rejected`;
}
