// The drawing of a histogram of scores: stacked bars by decision, calibration scores as an outline, labels as marks.

import { countTicks, roundTicks } from "./chart-scale.js";
import { number } from "./format.js";
import { svg } from "./dom.js";

/** The decisions of a bar, from below: the rare ones are visible at a logarithmic scale. */
const STACK = ["reject", "review", "pass"];

/**
 * @typedef {Object} Plot the area of the bars, in pixels
 * @property {number} left
 * @property {number} right
 * @property {number} top
 * @property {number} bottom
 * @property {number} unit the size of a text unit
 * @property {function(number): number} x of a score
 * @property {function(number): number} y of a count
 */

/** The number of verdicts of a bin. @param {Object} bin a ScoreBin @returns {number} */
export const verdictsOf = (bin) => bin.pass + bin.review + bin.reject;

/** The patterns that distinguish decisions without colour. @returns {SVGElement} */
export function barPatterns() {
  const pattern = (id, kind, path) => svg("pattern", { id, class: kind, width: 6, height: 6, patternUnits: "userSpaceOnUse" },
    svg("rect", { class: "bar-tint", width: 6, height: 6 }), svg("path", { class: "bar-stroke", d: path }));
  return svg("defs", {},
    pattern("bar-review", "review", "M-1 1l2-2M0 6l6-6M5 7l2-2"),
    pattern("bar-reject", "reject", "M0 0l6 6M6 0l-6 6"));
}

/** Bars. @param {Object[]} bins @param {Plot} plot @returns {SVGElement[]} */
export function bars(bins, { x, y }) {
  const paths = { pass: "", review: "", reject: "" };
  for (const bin of bins) {
    const [left, right] = [x(bin.from) + 0.5, x(bin.to) - 0.5];
    let below = 0;
    for (const kind of STACK) {
      if (!bin[kind]) continue;
      paths[kind] += `M${left} ${y(below)}V${y(below + bin[kind])}H${right}V${y(below)}z`;
      below += bin[kind];
    }
  }
  return STACK.filter((kind) => paths[kind]).map((kind) => svg("path", { class: `bar-area ${kind}`, d: paths[kind] }));
}

/** The outline of the calibration scores. @param {Object[]} bins @param {Plot} plot @returns {SVGElement[]} */
export function calibrationOutline(bins, { x, y }) {
  if (!bins.some((bin) => bin.calibration)) return [];
  const steps = bins.map((bin) => `V${y(bin.calibration)}H${x(bin.to)}`).join("");
  const d = `M${x(bins[0].from)} ${y(0)}${steps}V${y(0)}`;
  return ["calibration-halo", "calibration-line"].map((name) => svg("path", { class: name, d }));
}

/** A mark of a label, its centre at 0, 0. @param {"good"|"defective"} kind @param {number} size @returns {SVGElement} */
export function labelMark(kind, size) {
  const half = size / 2;
  if (kind === "good") return svg("circle", { class: "label-mark good", r: half });
  return svg("path", { class: "label-mark defective", d: `M${-half} ${-half}L${half} ${half}M${half} ${-half}L${-half} ${half}` });
}

/** The marks of labelled parts: a row each for good and defective. @param {Object[]} bins @param {Plot} plot @returns {SVGElement[]} */
export function labelMarks(bins, { x, bottom, unit }) {
  const rows = [["good", "labelled_good"], ["defective", "labelled_defective"]];
  return rows.flatMap(([kind, field], row) => bins.filter((bin) => bin[field]).map((bin) => {
    const width = x(bin.to) - x(bin.from);
    // The area of a mark grows with the number of labels.
    const size = Math.min(unit * 0.85, width, unit * (0.35 + 0.1 * Math.sqrt(bin[field])));
    const mark = labelMark(kind, size);
    mark.setAttribute("transform", `translate(${(x(bin.from) + x(bin.to)) / 2} ${bottom + unit * (0.7 + row)})`);
    return mark;
  }));
}

/** The axis of counts with its grid. @param {number} most @param {boolean} logarithmic @param {Plot} plot @returns {SVGElement[]} */
export function countAxis(most, logarithmic, { left, right, y, unit }) {
  const lines = countTicks(most, logarithmic).flatMap((count) => [
    svg("path", { class: "grid", d: `M${left} ${y(count)}H${right}` }),
    text(left - unit * 0.4, y(count) + unit * 0.28, "end", number(count)),
  ]);
  return [...lines, svg("path", { class: "axis", d: `M${left} ${y(0)}H${right}` })];
}

/** The axis of scores. @param {number} from @param {number} to @param {number} place pixels from above @param {Plot} plot @returns {SVGElement[]} */
export function scoreAxis(from, to, place, { left, right, x, unit }) {
  const { values, decimals } = roundTicks(from, to, (right - left) / (unit * 5));
  return values.flatMap((value) => [
    svg("path", { class: "axis", d: `M${x(value)} ${place}v${unit * 0.3}` }),
    text(x(value), place + unit * 1.2, "middle", number(value, decimals)),
  ]);
}

/** A text of the drawing. @param {number} x @param {number} y @param {"start"|"middle"|"end"} anchor @param {string} content @param {string} [name] a class */
export function text(x, y, anchor, content, name = "tick") {
  const element = svg("text", { x, y, class: name, "text-anchor": anchor });
  element.textContent = content;
  return element;
}
