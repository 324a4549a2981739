// The focus aid: the sharpness as number and bar, its best value, and its course over the last frames.

import { h, setText, svg } from "./dom.js";
import { score as text } from "./format.js";
import { section } from "./fact-list.js";

const LENGTH = 60;
const LEAST_SPAN = 0.02;
const HEIGHT = 40;

const isValue = (value) => value !== null && value !== undefined;

/** Creates the aid. @returns {{element: HTMLElement, show: function(number|null|undefined): void}} */
export function focusAid() {
  const present = h("strong", { class: "focus-value" }, "-");
  const best = h("span", {}, "-");
  const fill = h("div", { class: "bar-fill busy" });
  const limit = h("div", { class: "bar-limit", hidden: true });
  const course = svg("path", { class: "course" });
  const bestLine = svg("path", { class: "best-line" });
  const [high, low] = [h("span", {}), h("span", {})];
  const note = h("p", { class: "hint" });
  let values = [];
  let highest = null;

  const reset = () => {
    values = [];
    highest = null;
    render();
  };
  const element = section("Focus",
    h("div", { class: "score-numbers" },
      h("span", {}, h("span", { class: "soft" }, "Sharpness "), present),
      h("span", {}, h("span", { class: "soft" }, "Best "), best, h("button", { type: "button", class: "quiet", onclick: reset }, "Reset"))),
    h("div", { class: "bar-track", "aria-hidden": "true" }, fill, limit),
    h("div", { class: "trace", "aria-hidden": "true" },
      svg("svg", { viewBox: `0 0 ${LENGTH - 1} ${HEIGHT}`, preserveAspectRatio: "none" }, bestLine, course),
      h("div", { class: "trace-scale" }, high, low)),
    note);

  function show(sharpness) {
    values = [...values, isValue(sharpness) ? sharpness : null].slice(-LENGTH);
    if (isValue(sharpness)) highest = Math.max(highest ?? 0, sharpness);
    render();
  }

  function render() {
    const now = values.at(-1) ?? null;
    setText(present, text(now));
    setText(best, text(highest));
    fill.style.width = `${(now ?? 0) * 100}%`;
    limit.hidden = highest === null;
    limit.style.left = `${(highest ?? 0) * 100}%`;
    drawTrace();
    const noEdges = values.length > 0 && now === null;
    setText(note, noEdges ? "The frame has no edges: put something with edges in the view."
      : "Turn the lens until the value no longer rises, then back to the best one. 0 is blurred. The line shows the last 60 frames.");
  }

  function drawTrace() {
    const known = values.filter(isValue);
    const top = Math.max(...known, highest ?? 0);
    const bottom = Math.max(0, Math.min(...known, top - LEAST_SPAN));
    const y = (value) => (HEIGHT - 2 - ((value - bottom) / (top - bottom || 1)) * (HEIGHT - 4)).toFixed(2);
    const from = LENGTH - values.length;
    let path = "";
    values.forEach((value, index) => {
      if (isValue(value)) path += `${isValue(values[index - 1]) ? "L" : "M"}${from + index} ${y(value)}`;
    });
    course.setAttribute("d", path);
    bestLine.setAttribute("d", highest === null ? "" : `M0 ${y(highest)}H${LENGTH - 1}`);
    setText(high, known.length > 0 ? text(top) : "");
    setText(low, known.length > 0 ? text(bottom) : "");
  }

  render();
  return { element, show };
}
